//! The Worker under wrangler, with a sandbox of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use patchbay_sandbox::Sandbox;
use tokio::sync::OnceCell;

use super::http::Api;
use super::process::Group;
use super::{SECRET, eventually, unique};

const READY_WITHIN: Duration = Duration::from_secs(90);
/// 32 bytes in base64.
const ENCRYPTION_KEY: &str = "d2hpc3BlcmVkIHdoaXNwZXJlZCB3aGlzcGVyZWQgISE=";
/// Short, so that tests of silent providers are.
const PROVIDER_TIMEOUT_MS: u32 = 2_000;

pub struct Gateway {
    pub sandbox: Sandbox,
    pub admin: Api,
    folder: PathBuf,
    port: u16,
    process: Mutex<Option<Group>>,
}

impl Gateway {
    /// The gateway of all tests that leave it alive.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Gateway> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One that may be killed: with a new database, on a free port.
    pub async fn start() -> Self {
        let folders = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e");
        remove_old(&folders);
        let folder = folders.join(format!("gateway-{}-{}", std::process::id(), unique()));
        std::fs::create_dir_all(&folder).expect("a folder for the gateway");
        let secrets = format!("ADMIN_TOKEN={SECRET}-admin\nENCRYPTION_KEY={ENCRYPTION_KEY}\n");
        std::fs::write(folder.join("secrets.env"), secrets).expect("the secrets");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sandbox = Sandbox::start(address).await.expect("a sandbox");
        let port = TcpListener::bind(address)
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let gateway = Self {
            sandbox,
            admin: Api::new(
                format!("http://127.0.0.1:{port}"),
                format!("{SECRET}-admin"),
            ),
            folder,
            port,
            process: Mutex::new(None),
        };
        gateway.migrate().await;
        gateway.restart().await;
        gateway
    }

    /// `kill -9` for wrangler and the runtime under it.
    pub fn kill_9(&self) {
        self.process.lock().expect("no test panics here").take();
    }

    /// Starts it on the state it left, and waits until it is ready.
    pub async fn restart(&self) {
        self.kill_9();
        let mut command = self.wrangler();
        command
            .args(["dev", "--local", "--ip", "127.0.0.1", "--port"])
            .arg(self.port.to_string())
            .args(["--inspector-port", "0", "--test-scheduled"])
            .arg("--show-interactive-dev-session=false")
            .arg("--persist-to")
            .arg(self.state())
            .arg("--env-file")
            .arg(self.folder.join("secrets.env"));
        let own = [
            ("PUBLIC_URL", self.admin.origin().to_owned()),
            ("PROVIDER_TIMEOUT_MS", PROVIDER_TIMEOUT_MS.to_string()),
            ("RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("ALLOW_INSECURE_WEBHOOKS", "true".to_owned()),
            ("COST_HEADERS", "true".to_owned()),
        ];
        for (name, value) in self.sandbox.variables().into_iter().chain(own) {
            command.arg("--var").arg(format!("{name}:{value}"));
        }
        let group = Group::start(&command, &self.log_file()).expect("wrangler starts");
        *self.process.lock().expect("no test panics here") = Some(group);
        eventually(READY_WITHIN, "the gateway is ready", async || {
            if self.has_ended() {
                panic!("wrangler ended; the end of its log:\n{}", self.tail());
            }
            match self.admin.try_get("/healthz").await {
                Ok(reply) if reply.status == 200 => Ok(()),
                Ok(reply) => Err(format!("{reply:?}\n{}", self.tail())),
                Err(error) => Err(format!("{error}\n{}", self.tail())),
            }
        })
        .await;
    }

    /// Fires the cron trigger once, as Cloudflare does every minute.
    pub async fn tick(&self) {
        self.admin
            .get("/__scheduled?cron=*+*+*+*+*")
            .await
            .expect(200);
    }

    /// The most memory that the runtime had at a time since `forget_peak`, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let peaks = self.runtimes().into_iter().map(|id| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status"));
            let status = status.expect("the runtime is alive");
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
            kib.map_or(0, |kib: u64| kib * 1024)
        });
        peaks.sum()
    }

    /// From here on the peak is what it is now.
    pub fn forget_peak(&self) {
        for id in self.runtimes() {
            std::fs::write(format!("/proc/{id}/clear_refs"), "5").expect("a runtime of ours");
        }
    }

    fn runtimes(&self) -> Vec<u32> {
        let process = self.process.lock().expect("no test panics here");
        let runtimes = process.as_ref().map(|process| process.named("workerd"));
        let runtimes = runtimes.unwrap_or_default();
        assert!(!runtimes.is_empty(), "the runtime is alive");
        runtimes
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The file of its database.
    pub fn database(&self) -> PathBuf {
        let folder = self.state().join("v3/d1/miniflare-D1DatabaseObject");
        let files = std::fs::read_dir(folder).expect("a database").flatten();
        let mut files = files.map(|file| file.path()).filter(|path| {
            let is_database = path.extension().is_some_and(|kind| kind == "sqlite");
            is_database && !path.ends_with("metadata.sqlite")
        });
        files.next().expect("a database")
    }

    async fn migrate(&self) {
        let mut command = self.wrangler();
        command
            .args(["d1", "migrations", "apply", "DB", "--local", "--persist-to"])
            .arg(self.state());
        let output = tokio::process::Command::from(command).output().await;
        let output = output.expect("wrangler starts");
        assert!(
            output.status.success(),
            "the migrations do not apply:\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn wrangler(&self) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = |variable: &str, otherwise: &str| {
            std::env::var_os(variable).map_or_else(|| root.join(otherwise), PathBuf::from)
        };
        let mut command = Command::new(program("PATCHBAY_NODE", "node_modules/.bin/node"));
        command
            .arg(program(
                "PATCHBAY_WRANGLER",
                "node_modules/wrangler/bin/wrangler.js",
            ))
            .current_dir(root)
            // The script is built: these tests test it as it is.
            .env("PATCHBAY_BUILT", "1")
            .env("CI", "1")
            .env("NO_COLOR", "1")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("WRANGLER_LOG_PATH", self.folder.join("wrangler-debug.log"))
            .env("WRANGLER_REGISTRY_PATH", self.folder.join("registry"));
        command
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("wrangler.log")
    }

    fn has_ended(&self) -> bool {
        let mut process = self.process.lock().expect("no test panics here");
        process.as_mut().is_none_or(Group::has_ended)
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

/// Removes what runs of more than an hour ago left, which nobody looks at any more.
fn remove_old(folders: &Path) {
    for folder in std::fs::read_dir(folders).into_iter().flatten().flatten() {
        let age = folder.metadata().and_then(|folder| folder.modified());
        let is_old = age.is_ok_and(|at| {
            at.elapsed()
                .is_ok_and(|age| age > Duration::from_secs(60 * 60))
        });
        if is_old {
            // Another run may be removing it too.
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}
