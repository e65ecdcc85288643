//! The real world of a deployment: wrangler, this terminal, the network, the files.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::account::Answer;
use super::manifest::{self, Manifest};
use super::{Ports, ran};
use crate::bundle;
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process;
use crate::progress::Progress;
use crate::wrangler;

const CLOUDFLARE: &str = "https://api.cloudflare.com/client/v4";
const FETCH: &str = include_str!("fetch.js");

pub struct Terminal<'a> {
    paths: &'a Paths,
    progress: Progress,
}

impl<'a> Terminal<'a> {
    pub fn new(paths: &'a Paths, progress: Progress) -> Self {
        Self { paths, progress }
    }

    fn wrangler(&self, arguments: &[&str]) -> Command {
        let mut command = wrangler::command(self.paths);
        // The Worker is built before: wrangler's own build step has nothing left to do.
        command.args(arguments).env("PATCHBAY_BUILT", "1");
        command
    }

    /// The login wrangler keeps, for the one question it has no command for.
    async fn token(&self) -> Option<String> {
        let answer = self.read(&["auth", "token", "--json"]).await.ok()?;
        let kept: Token = serde_json::from_str(answer.stdout.trim()).ok()?;
        kept.token
    }

    /// One GET; none when there is no answer. By Node, which is here for wrangler and speaks TLS.
    async fn get(&self, url: &str, token: Option<&str>) -> Option<Fetched> {
        let mut node = Command::new(self.paths.npm_bin("node"));
        node.args(["--input-type=module", "--eval", FETCH])
            // As wrangler does where the network is behind a proxy.
            .env("NODE_USE_ENV_PROXY", "1");
        let asked = json!({ "url": url, "token": token }).to_string();
        let answer = process::captured(node, &asked).await.ok()?;
        serde_json::from_str(&answer.stdout).ok()
    }
}

#[derive(Deserialize)]
struct Fetched {
    status: u16,
    body: String,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
}

#[derive(Deserialize)]
struct Enveloped {
    result: Option<Subdomain>,
}

#[derive(Deserialize)]
struct Subdomain {
    subdomain: String,
}

#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    problems: Vec<String>,
}

impl Ports for Terminal<'_> {
    async fn read(&self, arguments: &[&str]) -> Result<Answer> {
        process::captured(self.wrangler(arguments), "").await
    }

    async fn make(&self, arguments: &[&str]) -> Result<()> {
        let answer = self.read(arguments).await?;
        if answer.ok {
            return Ok(());
        }
        Err(Problem::new(format!(
            "`{}` failed; what is done already is kept. Wrangler says:\n{}",
            ran(arguments),
            answer.words()
        )))
    }

    async fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<()> {
        let command = self.wrangler(arguments);
        let status = match input {
            Some(input) => process::run_fed(command, input).await?,
            None => process::run(command).await?,
        };
        if status.success() {
            return Ok(());
        }
        Err(Problem::new(format!(
            "`{}` failed: correct what it says above, then run the same command again; what is done already is kept.",
            ran(arguments)
        )))
    }

    async fn build(&self) -> Result<()> {
        bundle::ensure(self.paths, &self.progress).await?;
        bundle::hold_to_budget(self.paths)
    }

    async fn workers_dev(&self, account: &str) -> Option<String> {
        let token = self.token().await?;
        let base = self
            .environment("CLOUDFLARE_API_BASE_URL")
            .unwrap_or_else(|| CLOUDFLARE.to_owned());
        let url = format!("{base}/accounts/{account}/workers/subdomain");
        let fetched = self.get(&url, Some(&token)).await?;
        let answer: Enveloped = serde_json::from_str(&fetched.body).ok()?;
        Some(answer.result?.subdomain)
    }

    async fn ailment(&self, url: &str) -> Option<String> {
        let Some(Fetched { status, body }) = self.get(&format!("{url}/healthz"), None).await else {
            return Some("it cannot be reached.".to_owned());
        };
        if status == 200 {
            return None;
        }
        let problems = serde_json::from_str(&body)
            .map(|Health { problems }| problems)
            .unwrap_or_default();
        if problems.is_empty() {
            return Some(format!("it answers HTTP {status}."));
        }
        Some(problems.join(" "))
    }

    async fn pause(&self) {
        sleep(Duration::from_secs(2)).await;
    }

    async fn ask(&self, question: &str, offer: Option<&str>) -> Result<Option<String>> {
        if !self.someone_is_there() {
            return Ok(None);
        }
        match offer {
            Some(offer) => print!("{question}\n[{offer}] "),
            None => print!("{question}\n> "),
        }
        std::io::stdout().flush().doing("write to the terminal")?;
        // A thread of its own: one that waits for a line would keep the runtime from ending on Ctrl-C.
        let (sender, line) = oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line).map(|_| line);
            // Nobody listens any more once the command has ended.
            let _ = sender.send(read);
        });
        let Ok(line) = line.await else {
            return Ok(None);
        };
        let line = line.doing("read from the terminal")?;
        if line.is_empty() {
            // The end of the input, not an empty line.
            return Ok(None);
        }
        match (line.trim(), offer) {
            ("", Some(offer)) => Ok(Some(offer.to_owned())),
            (answer, _) => Ok(Some(answer.to_owned())),
        }
    }

    fn someone_is_there(&self) -> bool {
        let is_ci = self
            .environment("CI")
            .is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        !is_ci && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn file(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(name).doing(format_args!("read {name}"))
    }

    fn manifest(&self) -> Result<Manifest> {
        manifest::read(&self.paths.root)
    }

    fn save(&self, manifest: &Manifest) -> Result<()> {
        std::fs::write(self.paths.root.join("wrangler.toml"), manifest.text())
            .doing("write wrangler.toml")
    }

    fn random(&self) -> Result<[u8; 32]> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).doing("get random bytes from the system")?;
        Ok(bytes)
    }

    fn step(&self, what: &str) {
        self.progress.step(what);
    }

    fn print(&self, text: &str) {
        println!("{text}");
    }
}
