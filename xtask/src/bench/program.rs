//! The programs of bench/, which run without a Worker.

use tokio::process::Command;

use crate::paths::Paths;
use crate::problem::{Problem, Result};
use crate::process;

/// Builds bench/`name`.rs, with these flags of cargo's.
pub async fn build(paths: &Paths, name: &str, flags: &[&str]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--example", name])
        .args(flags)
        .current_dir(&paths.root);
    if process::run(cargo).await?.success() {
        return Ok(());
    }
    Err(Problem::new(format!(
        "bench/{name}.rs did not build: correct what the compiler says above."
    )))
}
