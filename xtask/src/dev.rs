//! `cargo xtask dev`: the gateway under wrangler, the provider sandbox beside it, demo data in both.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use patchbay_sandbox::Sandbox;
use tokio::process::Command;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::bundle;
use crate::demo::{self, Demo, Places};
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process::{self, Group};
use crate::progress::Progress;
use crate::tools;
use crate::usage;
use crate::wrangler;

/// How long the gateway may take to answer `/healthz` with 200.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Wrangler does not fire cron by the clock, so it is fired here.
const CRON_EVERY: Duration = Duration::from_secs(5);
const LOG: &str = ".dev/wrangler.log";

pub struct Options {
    port: u16,
    sandbox_port: u16,
    fresh: bool,
}

impl Options {
    pub fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self {
            port: 8787,
            sandbox_port: 8790,
            fresh: false,
        };
        let mut rest = arguments;
        loop {
            rest = match rest {
                [] => return Ok(options),
                ["--fresh", more @ ..] => {
                    options.fresh = true;
                    more
                }
                ["--port", value, more @ ..] => {
                    options.port = port(value)?;
                    more
                }
                ["--sandbox-port", value, more @ ..] => {
                    options.sandbox_port = port(value)?;
                    more
                }
                [other, ..] => {
                    return Err(usage(&format!(
                        "`{other}` is not an option of dev, or lacks its value"
                    )));
                }
            };
        }
    }
}

fn port(value: &str) -> Result<u16> {
    value
        .parse()
        .map_err(|_| usage(&format!("`{value}` is not a port")))
}

/// 1. Makes the tools and the Worker. 2. Prepares `.dev`: secrets and the database. 3. Starts the sandbox and
///    the gateway. 4. Fills both with demo data and says how to use it. 5. Fires cron until interrupted.
pub async fn run(paths: &Paths, options: Options) -> Result<ExitCode> {
    let progress = Progress::start();

    // 1.
    let _alone = alone(paths)?;
    tools::ensure(paths, &progress).await?;
    bundle::ensure(paths, &progress).await?;

    // 2.
    if options.fresh && paths.dev.exists() {
        std::fs::remove_dir_all(&paths.dev).doing("remove .dev")?;
    }
    std::fs::create_dir_all(&paths.dev).doing("make the folder .dev")?;
    let log = paths.root.join(LOG);
    std::fs::write(&log, "").doing(format_args!("write {LOG}"))?;
    let admin_token = secrets(paths)?;
    progress.step("Bringing the local database up to date…");
    migrate(paths).await?;

    // 3.
    let sandbox_port = chosen_port(&progress, "sandbox", options.sandbox_port)?;
    let port = chosen_port(&progress, "gateway", options.port)?;
    progress.step("Starting the provider sandbox…");
    let sandbox = Sandbox::start(SocketAddr::from((Ipv4Addr::LOCALHOST, sandbox_port)))
        .await
        .doing(format_args!("start the sandbox on port {sandbox_port}"))?;
    let places = Places {
        gateway: format!("http://127.0.0.1:{port}"),
        sandbox: sandbox.url(),
    };
    progress.step(format_args!("Starting the gateway; its log is {LOG}…"));
    let mut gateway = start_gateway(paths, port, &places, &sandbox)?;
    ready(&places, &mut gateway, paths).await?;

    // 4.
    progress.step("Preparing a demo workspace…");
    let mut cron = Cron::new(&places);
    let demo = tokio::select! {
        demo = Demo::prepare(paths, &places, &admin_token) => demo?,
        never = cron.fire() => never,
    };
    progress.step("Ready.");
    demo::explain(&demo, &places, LOG);

    // 5.
    tokio::select! {
        status = gateway.wait() => Err(Problem::new(format!(
            "wrangler ended ({}); the end of {LOG}:\n{}",
            status?,
            process::tail(&log, 15)
        ))),
        never = cron.fire() => never,
    }
}

/// Held while `dev` runs: two of them would write one database.
fn alone(paths: &Paths) -> Result<File> {
    paths.write_stamp("dev.lock", "")?;
    let lock = File::open(paths.stamp("dev.lock")).doing("open target/xtask/dev.lock")?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => Err(Problem::new(
            "`cargo xtask dev` already runs in this folder: use that one, or end it first.",
        )),
    }
}

fn chosen_port(progress: &Progress, who: &str, wanted: u16) -> Result<u16> {
    let port = process::free_port(wanted)?;
    if port != wanted {
        progress.step(format_args!(
            "Port {wanted} is taken: the {who} uses {port}."
        ));
    }
    Ok(port)
}

/// Makes this machine's secrets once, for wrangler to read; gives the admin token.
///
/// Losing them makes what is in the local database unreadable, so they live and go together, in `.dev`.
fn secrets(paths: &Paths) -> Result<String> {
    let file = secrets_file(paths);
    if let Ok(text) = std::fs::read_to_string(&file) {
        return text
            .lines()
            .find_map(|line| line.strip_prefix("ADMIN_TOKEN="))
            .map(str::to_owned)
            .ok_or_else(|| {
                Problem::new(".dev/secrets.env has no ADMIN_TOKEN: start with --fresh.")
            });
    }
    let admin_token = hex(&random::<24>()?);
    let encryption_key = STANDARD.encode(random::<32>()?);
    write_private(
        &file,
        &format!("ADMIN_TOKEN={admin_token}\nENCRYPTION_KEY={encryption_key}\n"),
    )?;
    Ok(admin_token)
}

fn secrets_file(paths: &Paths) -> PathBuf {
    paths.dev.join("secrets.env")
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).doing("get random bytes from the system")?;
    Ok(bytes)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file only its owner may read.
pub fn write_private(file: &Path, content: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .doing(format_args!("write {}", file.display()))
}

async fn migrate(paths: &Paths) -> Result<()> {
    let log = paths.root.join(LOG);
    let mut command = wrangler::command(paths);
    command
        .args(["d1", "migrations", "apply", "DB", "--local"])
        .args(persisted());
    process::log_to(&mut command, &log)?;
    if process::run(command).await?.success() {
        return Ok(());
    }
    Err(Problem::new(format!(
        "The migrations in schema/ did not apply; if one was changed after it had been applied, start with --fresh. The end of {LOG}:\n{}",
        process::tail(&log, 15)
    )))
}

fn persisted() -> [&'static str; 2] {
    ["--persist-to", ".dev/state"]
}

fn start_gateway(paths: &Paths, port: u16, places: &Places, sandbox: &Sandbox) -> Result<Group> {
    let mut command: Command = wrangler::command(paths);
    command
        // Saving a source file builds and reloads.
        .env_remove("PATCHBAY_BUILT")
        .args(persisted());
    let own = [
        ("PUBLIC_URL", places.gateway.clone()),
        ("ALLOW_INSECURE_WEBHOOKS", "true".to_owned()),
        ("COST_HEADERS", "true".to_owned()),
        ("RATE_LIMIT_PER_MINUTE", "0".to_owned()),
    ];
    let vars = [&sandbox.variables()[..], &own].concat();
    wrangler::serve(&mut command, port, &secrets_file(paths), &vars);
    process::log_to(&mut command, &paths.root.join(LOG))?;
    Group::start(command)
}

/// Waits for `/healthz` to answer 200; its last other answer explains why it did not.
async fn ready(places: &Places, gateway: &mut Group, paths: &Paths) -> Result<()> {
    let log = paths.root.join(LOG);
    let url = format!("{}/healthz", places.gateway);
    let client = reqwest::Client::new();
    let started = Instant::now();
    let mut last = "no answer".to_owned();
    while started.elapsed() < READY_WITHIN {
        let asked = client.get(&url).timeout(Duration::from_secs(5)).send();
        let answer = tokio::select! {
            answer = asked => answer,
            status = gateway.wait() => {
                return Err(Problem::new(format!(
                    "wrangler ended before the gateway answered ({}); the end of {LOG}:\n{}",
                    status?,
                    process::tail(&log, 15)
                )));
            }
        };
        if let Ok(answer) = answer {
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            last = format!("{status} {}", answer.text().await.unwrap_or_default());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Problem::new(format!(
        "The gateway was not ready after {} s, {url} gave: {last}\nThe end of {LOG}:\n{}",
        READY_WITHIN.as_secs(),
        process::tail(&log, 15)
    )))
}

/// The clock of the gateway's cron trigger.
struct Cron {
    client: reqwest::Client,
    url: String,
}

impl Cron {
    fn new(places: &Places) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: format!("{}/__scheduled?cron=*+*+*+*+*", places.gateway),
        }
    }

    /// Never ends. A shot that fails, as during a reload, is made up by the next.
    async fn fire<T>(&mut self) -> T {
        let mut ticks = interval(CRON_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let _ = self
                .client
                .get(&self.url)
                .timeout(Duration::from_secs(30))
                .send()
                .await;
        }
    }
}
