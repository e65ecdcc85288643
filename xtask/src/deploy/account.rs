//! What wrangler says about the account, read from what it prints.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::{Problem, Result};
use crate::process::Captured;

/// What a wrangler command gave.
pub type Answer = Captured;

impl Answer {
    /// The command's answer, or what it said instead.
    fn json<T: DeserializeOwned>(&self, command: &str) -> Result<T> {
        if self.ok
            && let Some(found) = json_in(&self.stdout)
        {
            return Ok(found);
        }
        Err(Problem::new(format!(
            "`npx wrangler {command}` gave no answer:\n{}",
            self.words()
        )))
    }

    /// What it said, for a person.
    pub fn words(&self) -> String {
        let said = format!("{}\n{}", self.stderr, self.stdout);
        let lines: Vec<String> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.contains("Logs were written to"))
            .map(|line| format!("  {line}"))
            .collect();
        if lines.is_empty() {
            return "  (nothing)".to_owned();
        }
        lines.join("\n")
    }

    fn says(&self, text: &str) -> bool {
        self.stderr.contains(text) || self.stdout.contains(text)
    }
}

/// Who is logged in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    logged_in: bool,
    #[serde(default)]
    pub accounts: Vec<Account>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    pub id: String,
    pub name: String,
}

/// `wrangler whoami --json`; an error that says what to do when it is nobody.
pub fn login(answer: &Answer) -> Result<Login> {
    match json_in::<Login>(&answer.stdout) {
        Some(login) if login.logged_in => Ok(login),
        Some(_) => Err(Problem::new(
            "Nobody is logged in to Cloudflare: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN, then run the same command again.",
        )),
        None => Err(Problem::new(format!(
            "Cloudflare could not be asked who is logged in: check the network and CLOUDFLARE_API_TOKEN. Wrangler says:\n{}",
            answer.words()
        ))),
    }
}

/// The account everything is made in. Wrangler takes it from the environment or the file, and cannot ask here.
pub fn account(login: &Login, named: Option<String>) -> Result<Option<String>> {
    if named.is_some() {
        return Ok(named);
    }
    match login.accounts.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.id.clone())),
        several => {
            let list: Vec<String> = several
                .iter()
                .map(|account| format!("  {}  {}", account.id, account.name))
                .collect();
            Err(Problem::new(format!(
                "This login has several accounts: set CLOUDFLARE_ACCOUNT_ID to the one to deploy to, then run the same command again.\n{}",
                list.join("\n")
            )))
        }
    }
}

#[derive(Deserialize)]
struct Database {
    uuid: String,
    name: String,
}

/// Name and id of each database of `wrangler d1 list --json`.
pub fn databases(answer: &Answer) -> Result<Vec<Named>> {
    let found: Vec<Database> = answer.json("d1 list --json")?;
    Ok(found
        .into_iter()
        .map(|Database { uuid, name }| Named { name, id: uuid })
        .collect())
}

#[derive(Deserialize)]
struct Namespace {
    id: String,
    title: String,
}

/// Title and id of each namespace of `wrangler kv namespace list`.
pub fn namespaces(answer: &Answer) -> Result<Vec<Named>> {
    let found: Vec<Namespace> = answer.json("kv namespace list")?;
    Ok(found
        .into_iter()
        .map(|Namespace { id, title }| Named { name: title, id })
        .collect())
}

/// Something of the account.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: String,
    pub id: String,
}

/// Whether `wrangler queues info` found the queue. It has no JSON; a queue that is not there is told by name.
pub fn queue_exists(name: &str, answer: &Answer) -> Result<bool> {
    if answer.ok {
        return Ok(true);
    }
    if answer.says(&format!("Queue \"{name}\" does not exist")) {
        return Ok(false);
    }
    Err(Problem::new(format!(
        "`npx wrangler queues info {name}` gave no answer:\n{}",
        answer.words()
    )))
}

/// Whether `wrangler r2 bucket info` found the bucket. What is not there is told by Cloudflare's code only.
pub fn bucket_exists(name: &str, answer: &Answer) -> Result<bool> {
    if answer.ok {
        return Ok(true);
    }
    if answer.says("[code: 10006]") {
        return Ok(false);
    }
    if answer.says("[code: 10042]") {
        return Err(Problem::new(format!(
            "This account has no R2, where the bucket {name} would be: enable R2 in the dashboard, or take the `[[r2_buckets]]` lines out of wrangler.toml (files then stay with the providers), then run the same command again.",
        )));
    }
    Err(Problem::new(format!(
        "`npx wrangler r2 bucket info {name}` gave no answer:\n{}",
        answer.words()
    )))
}

#[derive(Deserialize)]
struct Secret {
    name: String,
}

/// The names of `wrangler secret list`. A Worker that is not there yet has none.
pub fn secrets(worker: &str, answer: &Answer) -> Result<Vec<String>> {
    if !answer.ok && answer.says(&format!("Worker \"{worker}\" not found")) {
        return Ok(Vec::new());
    }
    let found: Vec<Secret> = answer.json("secret list")?;
    Ok(found.into_iter().map(|secret| secret.name).collect())
}

/// The JSON that begins a line of the output; wrangler may print notes before it.
fn json_in<T: DeserializeOwned>(printed: &str) -> Option<T> {
    let start = printed
        .lines()
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len() + 1;
            Some((start, line))
        })
        .find(|(_, line)| line.starts_with(['[', '{']))
        .map(|(start, _)| start)?;
    let mut values = serde_json::Deserializer::from_str(printed.get(start..)?).into_iter::<T>();
    values.next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stdout: &str) -> Answer {
        Answer {
            ok: true,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        }
    }

    fn refused(stderr: &str) -> Answer {
        Answer {
            ok: false,
            stdout: String::new(),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn json_is_found_behind_a_note() {
        let answer = said(
            "A new version is out\n[{\"uuid\":\"1\",\"name\":\"patchbay\",\"version\":\"production\"}]\n",
        );
        let found = databases(&answer).expect("a list");
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].id.as_str()),
            ("patchbay", "1")
        );
    }

    #[test]
    fn nobody_logged_in_and_no_answer_are_told_apart() {
        let mut nobody = said("{\"loggedIn\":false}\n");
        nobody.ok = false;
        let problem = login(&nobody).expect_err("nobody").to_string();
        assert!(problem.contains("npx wrangler login"), "{problem}");
        let problem = login(&refused("fetch failed"))
            .expect_err("offline")
            .to_string();
        assert!(problem.contains("fetch failed"), "{problem}");
    }

    #[test]
    fn of_several_accounts_one_must_be_named() {
        let two = said(
            "{\"loggedIn\":true,\"accounts\":[{\"id\":\"a1\",\"name\":\"One\"},{\"id\":\"b2\",\"name\":\"Two\"}]}",
        );
        let login = login(&two).expect("a login");
        let problem = account(&login, None).expect_err("two").to_string();
        assert!(problem.contains("b2  Two"), "{problem}");
        let named = account(&login, Some("b2".to_owned())).expect("named");
        assert_eq!(named.as_deref(), Some("b2"));
    }

    #[test]
    fn a_queue_is_missing_only_when_wrangler_says_so() {
        let missing = refused(
            "✘ [ERROR] Queue \"q\" does not exist. To create it, run: wrangler queues create q",
        );
        assert!(!queue_exists("q", &missing).expect("an answer"));
        assert!(queue_exists("q", &said("Queue Name: q")).expect("an answer"));
        assert!(queue_exists("q", &refused("fetch failed")).is_err());
    }

    #[test]
    fn a_bucket_that_is_missing_and_an_account_without_r2_are_told_apart() {
        let failed =
            "✘ [ERROR] A request to the Cloudflare API (/accounts/acc/r2/buckets/b) failed.\n\n";
        let missing = refused(&format!(
            "{failed}  The specified bucket does not exist. [code: 10006]\n"
        ));
        assert!(!bucket_exists("b", &missing).expect("an answer"));
        assert!(bucket_exists("b", &said("name:  b")).expect("an answer"));

        let off = refused(&format!(
            "{failed}  Please enable R2 through the Cloudflare Dashboard. [code: 10042]\n"
        ));
        let problem = bucket_exists("b", &off).expect_err("no R2").to_string();
        assert!(problem.contains("enable R2 in the dashboard"), "{problem}");
        assert!(problem.contains("[[r2_buckets]]"), "{problem}");

        let denied = refused(&format!("{failed}  Authentication error [code: 10000]\n"));
        let problem = bucket_exists("b", &denied).expect_err("denied").to_string();
        assert!(problem.contains("10000"), "{problem}");
    }

    #[test]
    fn a_worker_that_is_not_there_has_no_secrets() {
        let none = refused(
            "✘ [ERROR] Worker \"patchbay\" not found.\n\nIf this is a new Worker, run `wrangler deploy` first",
        );
        assert!(secrets("patchbay", &none).expect("an answer").is_empty());
        let one =
            said("[\n  {\n    \"name\": \"ADMIN_TOKEN\",\n    \"type\": \"secret_text\"\n  }\n]");
        assert_eq!(
            secrets("patchbay", &one).expect("an answer"),
            ["ADMIN_TOKEN"]
        );
        assert!(secrets("patchbay", &refused("fetch failed")).is_err());
    }
}
