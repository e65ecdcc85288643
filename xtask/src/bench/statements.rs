//! Where the time of a batch goes, statement by statement, on SQLite without a Worker around it.

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::server::fresh_folder;
use super::{Extent, program};
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process;
use crate::progress::Progress;

/// One batch, as bench/statements.rs prints it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Batch {
    pub title: String,
    pub statements: Vec<Timed>,
}

/// What a statement takes in the mean, or the commit.
#[derive(Debug, Deserialize, Serialize)]
pub struct Timed {
    pub statement: String,
    /// To bind its values and run it to its end.
    pub us: f64,
    /// Steps of SQLite's machine.
    pub steps: f64,
}

pub async fn measure(paths: &Paths, progress: &Progress, extent: &Extent) -> Result<Vec<Batch>> {
    progress.step("Building what times statements…");
    program::build(paths, "statements", &["--release"]).await?;
    progress.step("Timing batches statement by statement…");
    let mut command = Command::new(paths.cargo_target().join("release/examples/statements"));
    command
        .arg(fresh_folder(paths, "statements")?)
        .arg(extent.batches.to_string());
    let said = process::captured(command, "").await?;
    if !said.ok {
        return Err(Problem::new(format!(
            "Batches could not be timed, bench/statements.rs says: {}",
            said.stderr.trim()
        )));
    }
    serde_json::from_str(&said.stdout).doing("read what bench/statements.rs measured")
}
