//! Wrangler, the way this project runs it: quiet about itself, everything it keeps inside this folder.

use std::path::PathBuf;

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

pub fn script(paths: &Paths) -> PathBuf {
    paths.root.join("node_modules/wrangler/bin/wrangler.js")
}
