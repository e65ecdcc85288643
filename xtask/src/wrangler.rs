//! Wrangler, the way this project runs it: quiet about itself, everything it keeps inside this folder.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::paths::Paths;

/// For every wrangler, also those the end-to-end tests start.
pub const ENVIRONMENT: [(&str, &str); 3] = [
    ("WRANGLER_SEND_METRICS", "false"),
    ("WRANGLER_HIDE_BANNER", "true"),
    // No request to Cloudflare for a sample of `request.cf`.
    ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
];

pub fn command(paths: &Paths) -> Command {
    let mut command = Command::new(paths.npm_bin("node"));
    command
        .arg(script(paths))
        .current_dir(&paths.root)
        .envs(ENVIRONMENT)
        .env("WRANGLER_LOG_PATH", paths.dev.join("wrangler-debug.log"))
        .env("WRANGLER_REGISTRY_PATH", paths.dev.join("registry"))
        .env("NO_COLOR", "1");
    command
}

/// Has it serve the Worker on this machine, with the secrets of a file and these variables.
pub fn serve(command: &mut Command, port: u16, secrets: &Path, vars: &[(&str, String)]) {
    command
        .args(["dev", "--local", "--ip", "127.0.0.1", "--port"])
        .arg(port.to_string())
        .args(["--inspector-port", "0", "--test-scheduled"])
        .arg("--show-interactive-dev-session=false")
        .arg("--env-file")
        .arg(secrets);
    for (name, value) in vars {
        command.arg("--var").arg(format!("{name}:{value}"));
    }
}

pub fn script(paths: &Paths) -> PathBuf {
    paths.root.join("node_modules/wrangler/bin/wrangler.js")
}
