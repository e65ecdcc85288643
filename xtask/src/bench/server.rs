//! A Worker under `wrangler dev`, on a database of its own, and what its runtime uses.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Client;
use tokio::time::{Instant, sleep};
use toml_edit::{DocumentMut, value};

use crate::dev::write_private;
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process::{self, Group};
use crate::wrangler;

pub const ADMIN_TOKEN: &str = "benchmark-admin-token-of-this-machine";
/// 32 bytes in base64.
const ENCRYPTION_KEY: &str = "YmVuY2htYXJrZWQgYmVuY2htYXJrZWQgYmVuY2htYXI=";
const READY_WITHIN: Duration = Duration::from_secs(120);

pub struct Server {
    config: PathBuf,
    folder: PathBuf,
    port: u16,
    vars: Vec<(&'static str, String)>,
    process: Option<Group>,
}

/// Whether the queues are worked off. Where they are not, what is measured is the request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Consumers {
    Run,
    Absent,
}

impl Server {
    /// Patchbay's release build, with an empty database.
    pub async fn patchbay(
        paths: &Paths,
        name: &str,
        consumers: Consumers,
        vars: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let folder = fresh_folder(paths, name)?;
        let config = folder.join("wrangler.toml");
        let text = std::fs::read_to_string(paths.root.join("wrangler.toml"))
            .doing("read wrangler.toml")?;
        let moved = moved(&text, &paths.root, consumers)?;
        std::fs::write(&config, moved).doing("write the benchmark's wrangler.toml")?;
        let mut server = Self::prepared(paths, folder, config, vars).await?;
        let url = server.url();
        server.vars.extend([
            ("PUBLIC_URL", url),
            ("ALLOW_INSECURE_WEBHOOKS", "true".to_owned()),
            ("COST_HEADERS", "true".to_owned()),
            ("RATE_LIMIT_PER_MINUTE", "0".to_owned()),
        ]);
        Ok(server)
    }

    /// The minimal Worker of `bench/floor`, with an empty database.
    pub async fn floor(paths: &Paths, vars: Vec<(&'static str, String)>) -> Result<Self> {
        let folder = fresh_folder(paths, "floor")?;
        let config = paths.root.join("bench/floor/wrangler.toml");
        Self::prepared(paths, folder, config, vars).await
    }

    async fn prepared(
        paths: &Paths,
        folder: PathBuf,
        config: PathBuf,
        vars: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let secrets = format!("ADMIN_TOKEN={ADMIN_TOKEN}\nENCRYPTION_KEY={ENCRYPTION_KEY}\n");
        write_private(&folder.join("secrets.env"), &secrets)?;
        let server = Self {
            config,
            folder,
            port: process::free_port(0)?,
            vars,
            process: None,
        };
        let mut migrate = server.wrangler(paths);
        migrate.args(["d1", "migrations", "apply", "DB", "--local"]);
        server.state_and_log(&mut migrate)?;
        if process::run(migrate).await?.success() {
            return Ok(server);
        }
        Err(server.failed("The migrations did not apply"))
    }

    /// Starts it on the state it left; gives the time from the start to the first 200 of `/healthz`.
    pub async fn start(&mut self, paths: &Paths) -> Result<Duration> {
        let mut command = self.wrangler(paths);
        let secrets = self.folder.join("secrets.env");
        wrangler::serve(&mut command, self.port, &secrets, &self.vars);
        self.state_and_log(&mut command)?;
        let started = Instant::now();
        let mut group = Group::start(command)?;
        let url = format!("{}/healthz", self.url());
        let client = client()?;
        loop {
            let asked = client.get(&url).timeout(Duration::from_secs(5)).send();
            let answer = tokio::select! {
                answer = asked => answer,
                _ = group.wait() => return Err(self.failed("Wrangler ended")),
            };
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                self.process = Some(group);
                return Ok(started.elapsed());
            }
            if started.elapsed() > READY_WITHIN {
                return Err(self.failed("The Worker did not become ready"));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn stop(&mut self) {
        self.process = None;
    }

    pub fn url(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// CPU time that the runtime has used, in milliseconds: the Worker, its SQLite and its HTTP server, without
    /// the proxy that wrangler puts before them.
    pub fn cpu_ms(&self) -> f64 {
        let ticks: u64 = self
            .runtimes()
            .iter()
            .filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok())
            .filter_map(|stat| cpu_ticks(&stat))
            .sum();
        ticks as f64 * 1_000.0 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Memory in use by the runtime, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let resident = self.runtimes().into_iter().filter_map(|id| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        resident.map(|kib| kib * 1024).sum()
    }

    fn runtimes(&self) -> Vec<u32> {
        let Some(leader) = self.process.as_ref().and_then(Group::id) else {
            return vec![];
        };
        let proxy = format!(":{}", self.port);
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .filter(|id: &u32| {
                let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
                is_runtime_of(&stat, leader)
            })
            .filter(|id| {
                let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                !String::from_utf8_lossy(&arguments)
                    .split('\0')
                    .any(|argument| argument.ends_with(&proxy))
            })
            .collect()
    }

    /// Bytes of the log so far, for `log_from`.
    pub fn log_length(&self) -> u64 {
        std::fs::metadata(self.log()).map_or(0, |file| file.len())
    }

    /// What was logged after that many bytes.
    pub fn log_from(&self, start: u64) -> String {
        let bytes = std::fs::read(self.log()).unwrap_or_default();
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
    }

    /// The file of its database.
    pub fn database(&self) -> Result<PathBuf> {
        let folder = self.folder.join("state/v3/d1/miniflare-D1DatabaseObject");
        let files = std::fs::read_dir(&folder).doing(format_args!("read {}", folder.display()))?;
        files
            .flatten()
            .map(|file| file.path())
            .find(|path| {
                path.extension().is_some_and(|kind| kind == "sqlite")
                    && !path.ends_with("metadata.sqlite")
            })
            .ok_or_else(|| Problem::new(format!("There is no database in {}.", folder.display())))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("wrangler.log")
    }

    fn wrangler(&self, paths: &Paths) -> tokio::process::Command {
        let mut command = wrangler::command(paths);
        command
            .env("CI", "1")
            .env("PATCHBAY_BUILT", "1")
            // Wrangler's own record of every request and statement, kept in one more database: of both Workers, but
            // nothing that they do, and nothing that there is on Cloudflare.
            .env("X_LOCAL_OBSERVABILITY", "false")
            .env("WRANGLER_LOG_PATH", self.folder.join("debug.log"))
            .env("WRANGLER_REGISTRY_PATH", self.folder.join("registry"));
        command
    }

    fn state_and_log(&self, command: &mut tokio::process::Command) -> Result<()> {
        command
            .arg("--config")
            .arg(&self.config)
            .arg("--persist-to")
            .arg(self.folder.join("state"));
        process::log_to(command, &self.log())
    }

    fn failed(&self, what: &str) -> Problem {
        let log = self.log();
        Problem::new(format!(
            "{what}; the end of {}:\n{}",
            log.display(),
            process::tail(&log, 15)
        ))
    }
}

/// A client of a server on this machine.
pub fn client() -> Result<Client> {
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .doing("make an HTTP client")
}

pub fn fresh_folder(paths: &Paths, name: &str) -> Result<PathBuf> {
    let folder = paths.cargo_target().join("bench").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).doing(format_args!("remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).doing(format_args!("make {}", folder.display()))?;
    Ok(folder)
}

/// wrangler.toml for another folder than the project's, with or without its consumers.
fn moved(text: &str, root: &Path, consumers: Consumers) -> Result<String> {
    let mut document: DocumentMut = text.parse().doing("read wrangler.toml")?;
    let root = root.to_string_lossy();
    document.remove("build");
    document["main"] = value(format!("{root}/src/entry.js"));
    let databases = document["d1_databases"].as_array_of_tables_mut();
    for database in databases.into_iter().flat_map(|all| all.iter_mut()) {
        database["migrations_dir"] = value(format!("{root}/schema"));
    }
    if consumers == Consumers::Absent
        && let Some(queues) = document["queues"].as_table_like_mut()
    {
        queues.remove("consumers");
    }
    Ok(document.to_string())
}

/// `id (name) state parent group …`: whether it is a workerd of this group.
fn is_runtime_of(stat: &str, group: u32) -> bool {
    let named = stat
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'));
    named.is_some_and(|(name, rest)| {
        name == "workerd" && rest.split_whitespace().nth(2) == Some(&group.to_string())
    })
}

/// The time in user and in kernel mode, in clock ticks: the fields 14 and 15.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_settings_move_with_and_without_consumers() {
        let text = "main = \"src/entry.js\"\n[build]\ncommand = \"x\"\n[[d1_databases]]\nmigrations_dir = \"schema\"\n[[queues.producers]]\nqueue = \"a\"\n[[queues.consumers]]\nqueue = \"a\"\n";
        let with = moved(text, Path::new("/p"), Consumers::Run).expect("TOML");
        assert!(with.contains("\"/p/src/entry.js\"") && with.contains("\"/p/schema\""));
        assert!(with.contains("consumers") && !with.contains("[build]"));
        let without = moved(text, Path::new("/p"), Consumers::Absent).expect("TOML");
        assert!(without.contains("producers") && !without.contains("consumers"));
    }

    #[test]
    fn a_runtime_is_known_by_its_name_and_group() {
        let stat = "12 (workerd) S 3 7 7 0 -1 0 1 0 0 0 150 50 0 0";
        assert!(is_runtime_of(stat, 7));
        assert!(!is_runtime_of(stat, 3));
        assert_eq!(cpu_ticks(stat), Some(200));
    }
}
