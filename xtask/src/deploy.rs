//! `cargo xtask deploy`: from a Cloudflare account to a gateway that answers, and the same again as an upgrade.
//!
//! Everything is looked up before it is made, so that a second run changes only what is new.

mod account;
mod manifest;
#[cfg(test)]
mod page;
mod terminal;

use std::process::ExitCode;

use account::{Answer, Named};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use manifest::Manifest;
use reqwest::Url;
use terminal::Terminal;

use crate::dev::hex;
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::progress::Progress;
use crate::tools;
use crate::usage;

/// How often `/healthz` is asked before giving up, two seconds apart.
const HEALTH_TRIES: u32 = 60;
/// How often a list is read for what was just made, two seconds apart.
const LIST_TRIES: u32 = 5;
const SECRETS: [Secret; 2] = [
    Secret {
        name: "ADMIN_TOKEN",
        flag: "--admin-token-file",
        purpose: "makes workspaces and their first keys",
        text: |bytes| hex(bytes),
    },
    Secret {
        name: "ENCRYPTION_KEY",
        flag: "--encryption-key-file",
        purpose: "opens the stored credentials; without it they are lost",
        text: |bytes| STANDARD.encode(bytes),
    },
];

/// A secret of the Worker that is made when it is missing.
struct Secret {
    name: &'static str,
    flag: &'static str,
    purpose: &'static str,
    /// Random bytes as the Worker reads them.
    text: fn(&[u8; 32]) -> String,
}

#[derive(Debug, Default)]
pub struct Options {
    dry_run: bool,
    public_url: Option<String>,
    admin_token_file: Option<String>,
    encryption_key_file: Option<String>,
}

impl Options {
    pub fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments;
        loop {
            rest = match rest {
                [] => return Ok(options),
                ["--dry-run", more @ ..] => {
                    options.dry_run = true;
                    more
                }
                ["--public-url", value, more @ ..] => {
                    options.public_url = Some(public_url(value).map_err(|why| usage(&why))?);
                    more
                }
                ["--admin-token-file", value, more @ ..] => {
                    options.admin_token_file = Some((*value).to_owned());
                    more
                }
                ["--encryption-key-file", value, more @ ..] => {
                    options.encryption_key_file = Some((*value).to_owned());
                    more
                }
                [other, ..] => {
                    return Err(usage(&format!(
                        "`{other}` is not an option of deploy, or lacks its value"
                    )));
                }
            };
        }
    }

    fn file_of(&self, secret: &Secret) -> Option<&str> {
        match secret.name {
            "ADMIN_TOKEN" => self.admin_token_file.as_deref(),
            _ => self.encryption_key_file.as_deref(),
        }
    }
}

/// What a deployment needs of the world: wrangler, the terminal, the network and the files.
trait Ports {
    /// Asks wrangler something. Changes nothing, shows nothing.
    async fn read(&self, arguments: &[&str]) -> Result<Answer>;
    /// Has wrangler make something of the account, quietly: it would tell how to edit wrangler.toml by hand.
    async fn make(&self, arguments: &[&str]) -> Result<()>;
    /// Has wrangler do something, its words going to the terminal; an error when it failed.
    async fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<()>;
    /// Builds the Worker and says what it weighs.
    async fn build(&self) -> Result<()>;
    /// The account's `NAME.workers.dev`, where it can be learned.
    async fn workers_dev(&self, account: &str) -> Option<String>;
    /// Asks `/healthz` once: nothing, or what it says instead of being well.
    async fn ailment(&self, url: &str) -> Option<String>;
    async fn pause(&self);
    /// Asks the person at the terminal; an empty line is the offer. None where nobody is.
    async fn ask(&self, question: &str, offer: Option<&str>) -> Result<Option<String>>;
    fn someone_is_there(&self) -> bool;
    fn environment(&self, name: &str) -> Option<String>;
    fn file(&self, name: &str) -> Result<String>;
    fn manifest(&self) -> Result<Manifest>;
    fn save(&self, manifest: &Manifest) -> Result<()>;
    fn random(&self) -> Result<[u8; 32]>;
    fn step(&self, what: &str);
    fn print(&self, text: &str);
}

pub async fn run(paths: &Paths, options: Options) -> Result<ExitCode> {
    let progress = Progress::start();
    tools::ensure(paths, &progress).await?;
    let terminal = Terminal::new(paths, progress);
    if options.dry_run {
        rehearse(&terminal, &options).await?;
    } else {
        deploy(&terminal, &options).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// 1. Sees who is logged in, and that there is R2 where the file names a bucket. 2. Settles the public URL and the
///    secrets, so that nothing is asked later. 3. Builds. 4. Makes what the account lacks and writes its ids down; the
///    buckets first, which an account may refuse. 5. Brings the database up to date: the Worker that stands works with
///    a newer one. 6. Deploys. 7. Sets the secrets that are missing; before, there may be no Worker to have them.
/// 8. Waits until the gateway is well, and says how to go on.
async fn deploy<P: Ports>(ports: &P, options: &Options) -> Result<()> {
    let mut manifest = ports.manifest()?;
    let worker = manifest.worker()?;

    // 1.
    ports.step("Asking Cloudflare who is logged in…");
    let account = account_of(ports, &manifest).await?;
    let buckets = missing_buckets(ports, &manifest).await?;

    // 2.
    let url = settle_url(ports, options, &manifest, account.as_deref()).await?;
    ports.step("Looking up the Worker's secrets…");
    let standing = account::secrets(&worker, &ports.read(&["secret", "list"]).await?)?;
    let secrets = settle_secrets(ports, options, &standing)?;

    // 3.
    ports.build().await?;

    // 4.
    for bucket in &buckets {
        ports.step(&format!("Making the bucket {bucket}…"));
        ports.make(&["r2", "bucket", "create", bucket]).await?;
    }
    if manifest.public_url().as_deref() != Some(&url) {
        manifest.set_public_url(&url)?;
        ports.save(&manifest)?;
        ports.step(&format!("PUBLIC_URL is {url}, written to wrangler.toml."));
    }
    let id = database(ports, &manifest).await?;
    if manifest.database_id()?.as_deref() != Some(&id) {
        manifest.set_database_id(&id)?;
        ports.save(&manifest)?;
        ports.step("The database's id is written to wrangler.toml.");
    }
    let id = namespace(ports, &manifest).await?;
    if manifest.namespace_id()?.as_deref() != Some(&id) {
        manifest.set_namespace_id(&id)?;
        ports.save(&manifest)?;
        ports.step("The namespace's id is written to wrangler.toml.");
    }
    for queue in manifest.queues() {
        ensure_queue(ports, &queue).await?;
    }

    // 5.
    ports.step("Bringing the database up to date…");
    let name = manifest.database_name()?;
    ports
        .run(&["d1", "migrations", "apply", &name, "--remote"], None)
        .await?;

    // 6.
    ports.step("Deploying the Worker…");
    ports.run(&["deploy"], None).await?;
    if let Some(note) = unrouted(&manifest, &url) {
        ports.print(&note);
    }

    // 7.
    put_secrets(ports, &secrets).await?;

    // 8.
    ports.step(&format!("Waiting for {url}/healthz…"));
    well(ports, &url).await?;
    ports.step("Ready.");
    ports.print(&next_steps(&url));
    Ok(())
}

/// Says what [`deploy`] would do, with wrangler's own rehearsal at the end. Needs neither an account nor the network.
async fn rehearse<P: Ports>(ports: &P, options: &Options) -> Result<()> {
    let manifest = ports.manifest()?;
    let worker = manifest.worker()?;
    ports.step("A dry run: nothing is changed, here or at Cloudflare.");

    ports.step(&ran(&["whoami", "--json"]));
    let logged_in = match account_of(ports, &manifest).await {
        Ok(_) => true,
        Err(problem) => {
            ports.print(&format!(
                "{problem}\nWithout it, this only says what would be looked up."
            ));
            false
        }
    };

    for bucket in manifest.buckets() {
        ports.step(&ran(&["r2", "bucket", "info", &bucket]));
        let create = ["r2", "bucket", "create", &bucket];
        if !logged_in {
            would(ports, "where it is missing", &create);
        } else if !bucket_exists(ports, &bucket).await? {
            would(ports, "it is missing", &create);
        }
    }

    let url = options.public_url.clone().or(standing_url(&manifest)?);
    ports.step(&match &url {
        Some(url) if manifest.public_url().as_ref() == Some(url) => format!("PUBLIC_URL is {url}."),
        Some(url) => format!("PUBLIC_URL would become {url} in wrangler.toml."),
        None => {
            "PUBLIC_URL is not set: a deployment asks for it, or takes `--public-url https://…`."
                .to_owned()
        }
    });

    ports.step(&ran(&["secret", "list"]));
    let standing = if logged_in {
        Some(account::secrets(
            &worker,
            &ports.read(&["secret", "list"]).await?,
        )?)
    } else {
        None
    };
    let missing: Vec<&str> = SECRETS
        .iter()
        .map(|secret| secret.name)
        .filter(|name| !standing.iter().flatten().any(|standing| standing == name))
        .collect();

    ports.build().await?;

    let name = manifest.database_name()?;
    let title = manifest.namespace_title()?;
    ports.step(&ran(&["d1", "list", "--json"]));
    if !logged_in {
        would(ports, "where it is missing", &["d1", "create", &name]);
    } else if find_database(ports, &manifest).await?.is_none() {
        would(ports, "it is missing", &["d1", "create", &name]);
    }
    ports.step(&ran(&["kv", "namespace", "list"]));
    if !logged_in {
        would(
            ports,
            "where it is missing",
            &["kv", "namespace", "create", &title],
        );
    } else if find_namespace(ports, &manifest).await?.is_none() {
        would(
            ports,
            "it is missing",
            &["kv", "namespace", "create", &title],
        );
    }
    for queue in manifest.queues() {
        ports.step(&ran(&["queues", "info", &queue]));
        if !logged_in {
            would(ports, "where it is missing", &["queues", "create", &queue]);
        } else if !queue_exists(ports, &queue).await? {
            would(ports, "it is missing", &["queues", "create", &queue]);
        }
    }
    would(
        ports,
        "brings the database up to date",
        &["d1", "migrations", "apply", &name, "--remote"],
    );
    would(ports, "deploys the Worker", &["deploy"]);
    if !missing.is_empty() {
        let which = if logged_in { "" } else { ", where missing" };
        would(
            ports,
            &format!("sets {}{which}, given on its input", missing.join(" and ")),
            &["secret", "bulk"],
        );
    }

    ports.step(&ran(&["deploy", "--dry-run"]));
    ports.run(&["deploy", "--dry-run"], None).await?;
    if let Some(note) = url.and_then(|url| unrouted(&manifest, &url)) {
        ports.print(&note);
    }
    ports.step("The dry run is done: `cargo xtask deploy` does it.");
    Ok(())
}

/// A command as a person would type it.
fn ran(arguments: &[&str]) -> String {
    format!("npx wrangler {}", arguments.join(" "))
}

fn would<P: Ports>(ports: &P, why: &str, arguments: &[&str]) {
    ports.step(&format!("would run: {}   ({why})", ran(arguments)));
}

async fn account_of<P: Ports>(ports: &P, manifest: &Manifest) -> Result<Option<String>> {
    let login = account::login(&ports.read(&["whoami", "--json"]).await?)?;
    let named = ports
        .environment("CLOUDFLARE_ACCOUNT_ID")
        .or_else(|| manifest.account());
    let account = account::account(&login, named)?;
    if let Some(id) = &account {
        let name = login
            .accounts
            .iter()
            .find(|account| account.id == *id)
            .map_or("", |account| &account.name);
        ports.step(format!("The account is {id} {name}").trim_end());
    }
    Ok(account)
}

/// The URL of the options, of the file, or of the person at the terminal.
async fn settle_url<P: Ports>(
    ports: &P,
    options: &Options,
    manifest: &Manifest,
    account: Option<&str>,
) -> Result<String> {
    if let Some(url) = &options.public_url {
        if let Some(before) = manifest.public_url()
            && before != *url
        {
            ports.print(&format!(
                "PUBLIC_URL was {before}: the providers must be told the new inbound URLs."
            ));
        }
        return Ok(url.clone());
    }
    if let Some(url) = standing_url(manifest)? {
        return Ok(url);
    }
    let unset = || {
        Problem::new(
            "PUBLIC_URL is not set: say where the gateway will be reached, with `--public-url https://…` or in wrangler.toml.",
        )
    };
    if !ports.someone_is_there() {
        return Err(unset());
    }
    let offer = match account {
        Some(account) => ports.workers_dev(account).await.map(|name| {
            format!(
                "https://{}.{name}.workers.dev",
                manifest.worker().unwrap_or_default()
            )
        }),
        None => None,
    };
    loop {
        let question = "Where will the gateway be reached, such as https://chat.example.com?";
        let answer = ports
            .ask(question, offer.as_deref())
            .await?
            .ok_or_else(unset)?;
        match public_url(&answer) {
            Ok(url) => return Ok(url),
            Err(why) => ports.print(&format!("{why}.")),
        }
    }
}

fn standing_url(manifest: &Manifest) -> Result<Option<String>> {
    let Some(standing) = manifest.public_url() else {
        return Ok(None);
    };
    let url = public_url(&standing)
        .map_err(|why| Problem::new(format!("PUBLIC_URL in wrangler.toml: {why}.")))?;
    Ok(Some(url))
}

/// An origin on https, without a slash at its end; says what is wrong.
fn public_url(text: &str) -> std::result::Result<String, String> {
    let wrong =
        |why: &str| format!("`{text}` {why}; a public URL looks like https://chat.example.com");
    let url = Url::parse(text.trim()).map_err(|_| wrong("is not a URL"))?;
    if url.scheme() != "https" {
        return Err(wrong("does not begin with https://"));
    }
    let host = url
        .domain()
        .filter(|host| host.contains('.'))
        .ok_or_else(|| wrong("has no host name that others can reach"))?;
    if url.port().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has more than a host name"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a path"));
    }
    Ok(format!("https://{host}"))
}

/// A secret to set, and whether it was made here.
struct Chosen {
    secret: &'static Secret,
    value: String,
    is_new: bool,
}

/// A value for each secret the Worker lacks. One that stands is never overwritten.
fn settle_secrets<P: Ports>(
    ports: &P,
    options: &Options,
    standing: &[String],
) -> Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for secret in &SECRETS {
        let name = secret.name;
        let stands = standing.iter().any(|standing| standing == name);
        let given = match options.file_of(secret) {
            Some(file) => Some(ports.file(file)?),
            None => ports.environment(name),
        };
        let given = given
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty());
        if stands {
            if given.is_some() {
                ports.print(&format!(
                    "{name} is set already and stays as it is; `npx wrangler secret put {name}` replaces it."
                ));
            }
            continue;
        }
        let (value, is_new) = match given {
            Some(value) => (value, false),
            None if ports.someone_is_there() => ((secret.text)(&ports.random()?), true),
            None => {
                return Err(Problem::new(format!(
                    "The Worker has no {name}, and one that is made here would be printed: give it with {} FILE or in the environment variable {name}.",
                    secret.flag
                )));
            }
        };
        if name == "ENCRYPTION_KEY" && !is_encryption_key(&value) {
            return Err(Problem::new(
                "ENCRYPTION_KEY must be base64 of 32 bytes, or several of them with commas between: make one with `openssl rand -base64 32`.",
            ));
        }
        chosen.push(Chosen {
            secret,
            value,
            is_new,
        });
    }
    Ok(chosen)
}

fn is_encryption_key(value: &str) -> bool {
    value
        .split(',')
        .all(|key| STANDARD.decode(key.trim()).is_ok_and(|key| key.len() == 32))
}

/// The values go through wrangler's input: arguments are for everyone on this machine to read.
async fn put_secrets<P: Ports>(ports: &P, secrets: &[Chosen]) -> Result<()> {
    if secrets.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = secrets.iter().map(|chosen| chosen.secret.name).collect();
    ports.step(&format!("Setting {}…", names.join(" and ")));
    let values: serde_json::Map<String, serde_json::Value> = secrets
        .iter()
        .map(|chosen| (chosen.secret.name.to_owned(), chosen.value.clone().into()))
        .collect();
    let input = serde_json::to_string(&values).doing("write the secrets as JSON")?;
    ports.run(&["secret", "bulk"], Some(&input)).await?;

    let shown: Vec<String> = secrets
        .iter()
        .filter(|chosen| chosen.is_new)
        .map(|chosen| {
            let Secret { name, purpose, .. } = chosen.secret;
            format!("  {name:<14} {}   {purpose}\n", chosen.value)
        })
        .collect();
    if !shown.is_empty() {
        ports.print(&format!(
            "\nKeep these where passwords are kept; they are shown this once:\n\n{}",
            shown.concat()
        ));
    }
    Ok(())
}

/// The database's id: of wrangler.toml, of its name, or of one that is made.
async fn database<P: Ports>(ports: &P, manifest: &Manifest) -> Result<String> {
    let name = manifest.database_name()?;
    ports.step(&format!("Looking up the database {name}…"));
    if let Some(id) = find_database(ports, manifest).await? {
        return Ok(id);
    }
    ports.step(&format!("Making the database {name}…"));
    ports.make(&["d1", "create", &name]).await?;
    for _ in 0..LIST_TRIES {
        if let Some(id) = find_database(ports, manifest).await? {
            return Ok(id);
        }
        ports.pause().await;
    }
    Err(not_listed(&name))
}

async fn find_database<P: Ports>(ports: &P, manifest: &Manifest) -> Result<Option<String>> {
    let list = account::databases(&ports.read(&["d1", "list", "--json"]).await?)?;
    let name = manifest.database_name()?;
    known(&list, &name, manifest.database_id()?, "database")
}

/// The namespace's id, as [`database`].
async fn namespace<P: Ports>(ports: &P, manifest: &Manifest) -> Result<String> {
    let title = manifest.namespace_title()?;
    ports.step(&format!("Looking up the KV namespace {title}…"));
    if let Some(id) = find_namespace(ports, manifest).await? {
        return Ok(id);
    }
    ports.step(&format!("Making the KV namespace {title}…"));
    ports.make(&["kv", "namespace", "create", &title]).await?;
    for _ in 0..LIST_TRIES {
        if let Some(id) = find_namespace(ports, manifest).await? {
            return Ok(id);
        }
        ports.pause().await;
    }
    Err(not_listed(&title))
}

async fn find_namespace<P: Ports>(ports: &P, manifest: &Manifest) -> Result<Option<String>> {
    let list = account::namespaces(&ports.read(&["kv", "namespace", "list"]).await?)?;
    let title = manifest.namespace_title()?;
    known(&list, &title, manifest.namespace_id()?, "KV namespace")
}

/// The id of wrangler.toml must be the account's: an empty database in its place would look like lost data.
fn known(list: &[Named], name: &str, id: Option<String>, what: &str) -> Result<Option<String>> {
    match id {
        None => Ok(list
            .iter()
            .find(|found| found.name == name)
            .map(|found| found.id.clone())),
        Some(id) if list.iter().any(|found| found.id == id) => Ok(Some(id)),
        Some(id) => Err(Problem::new(format!(
            "wrangler.toml names the {what} {id}, which this account does not have: log in to the account that has it, or put the zeros back (`git diff wrangler.toml`) to begin anew.",
        ))),
    }
}

fn not_listed(name: &str) -> Problem {
    Problem::new(format!(
        "{name} was made but is not listed yet: run the same command again in a minute."
    ))
}

async fn ensure_queue<P: Ports>(ports: &P, queue: &str) -> Result<()> {
    ports.step(&format!("Looking up the queue {queue}…"));
    if queue_exists(ports, queue).await? {
        return Ok(());
    }
    ports.step(&format!("Making the queue {queue}…"));
    ports.make(&["queues", "create", queue]).await
}

async fn queue_exists<P: Ports>(ports: &P, queue: &str) -> Result<bool> {
    let answer = ports.read(&["queues", "info", queue]).await?;
    account::queue_exists(queue, &answer)
}

/// The buckets the account lacks. One without R2 is an error, and is found before anything is made.
async fn missing_buckets<P: Ports>(ports: &P, manifest: &Manifest) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for bucket in manifest.buckets() {
        ports.step(&format!("Looking up the bucket {bucket}…"));
        if !bucket_exists(ports, &bucket).await? {
            missing.push(bucket);
        }
    }
    Ok(missing)
}

async fn bucket_exists<P: Ports>(ports: &P, bucket: &str) -> Result<bool> {
    let answer = ports.read(&["r2", "bucket", "info", bucket]).await?;
    account::bucket_exists(bucket, &answer)
}

/// A Worker is reached at workers.dev by itself; any other host must be given to it.
fn unrouted(manifest: &Manifest, url: &str) -> Option<String> {
    let host = url.strip_prefix("https://").unwrap_or(url);
    if host.ends_with(".workers.dev") || manifest.has_routes() {
        return None;
    }
    Some(format!(
        "\nNothing in wrangler.toml gives {host} to this Worker. Unless the dashboard does, add this line above `[build]` and deploy again:\n\n  routes = [{{ pattern = \"{host}\", custom_domain = true }}]\n"
    ))
}

async fn well<P: Ports>(ports: &P, url: &str) -> Result<()> {
    let mut last = String::new();
    for _ in 0..HEALTH_TRIES {
        let Some(ailment) = ports.ailment(url).await else {
            return Ok(());
        };
        if ailment != last {
            ports.step(&format!("Not yet: {ailment}"));
            last = ailment;
        }
        ports.pause().await;
    }
    Err(Problem::new(format!(
        "The Worker is deployed, but {url}/healthz is not well: {last}\nA new host name can take some minutes. docs/deploy.md tells what each of its sentences means."
    )))
}

fn next_steps(url: &str) -> String {
    format!(
        "
Patchbay runs at {url}

  # Make a workspace; the answer has its id
  curl -s {url}/v1/workspaces -H \"Authorization: Bearer $ADMIN_TOKEN\" -H 'Content-Type: application/json' -d '{{\"name\":\"My company\"}}'

  # Make its first API key; the answer has it, this once
  curl -s {url}/v1/workspaces/$WORKSPACE/api-keys -H \"Authorization: Bearer $ADMIN_TOKEN\" -H 'Content-Type: application/json' -d '{{\"name\":\"First key\"}}'

Then connect a channel: docs/connect has a page for each.
wrangler.toml holds this deployment's ids: commit it to your own repository.
"
    )
}

#[cfg(test)]
#[path = "deploy/tests.rs"]
mod tests;
