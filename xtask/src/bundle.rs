//! The Worker script: made by worker-build in `build/`, called by `src/entry.js`, held to a size.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::process::Command;

use crate::names;
use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process;
use crate::progress::Progress;

/// What the script may weigh, compressed. Cloudflare takes three times as much on the free plan; a small
/// script starts faster.
pub const BUDGET_BYTES: u64 = 1024 * 1024;

const WASM: &str = "build/index_bg.wasm";
/// What calls what was built.
const ENTRY: &str = "src/entry.js";
const BUILT: [&str; 2] = ["build/index.js", WASM];
/// What decides about the script beside the sources cargo knows of.
const SETTINGS: [&str; 4] = [
    "Cargo.toml",
    "Cargo.lock",
    "package-lock.json",
    "rust-toolchain.toml",
];
const STAMP: &str = "bundle.stamp";
const STARTED: &str = "bundle.started";

/// Builds the script unless it is that of the present sources, and says what it weighs.
pub async fn ensure(paths: &Paths, progress: &Progress) -> Result<()> {
    if stamp(paths).is_some_and(|stamp| paths.read_stamp(STAMP) == Some(stamp)) {
        progress.step(format_args!(
            "The Worker is up to date: {}",
            weighed(paths)?
        ));
        return Ok(());
    }
    progress.step("Building the Worker…");
    // What is saved from here on may or may not be in the script.
    paths.write_stamp(STARTED, "")?;
    build(paths).await?;
    if !changed_since_start(paths)
        && let Some(stamp) = stamp(paths)
    {
        paths.write_stamp(STAMP, &stamp)?;
    }
    progress.step(format_args!("The Worker is built: {}", weighed(paths)?));
    Ok(())
}

/// An error when the script is heavier than it may be.
pub fn hold_to_budget(paths: &Paths) -> Result<()> {
    if compressed_bytes(paths)? <= BUDGET_BYTES {
        return Ok(());
    }
    Err(Problem::new(format!(
        "The Worker is too big, {}: find the dependency that grew it with `cargo tree`.",
        weighed(paths)?
    )))
}

async fn build(paths: &Paths) -> Result<()> {
    let mut worker_build = Command::new(paths.tool("worker-build"));
    worker_build
        .arg("--release")
        .current_dir(&paths.root)
        .env("PATH", paths.search_path()?)
        // Without these it would download its own.
        .env("WASM_BINDGEN_BIN", paths.tool("wasm-bindgen"))
        .env("WASM_OPT_BIN", paths.npm_bin("wasm-opt"))
        .env("ESBUILD_BIN", paths.npm_bin("esbuild"));
    if !process::run(worker_build).await?.success() {
        return Err(Problem::new(
            "worker-build failed: correct what the compiler says above and run the same command again.",
        ));
    }
    let script = paths.root.join(WASM);
    let wasm = std::fs::read(&script).doing(format_args!("read {WASM}"))?;
    let shortened = names::shorten(&wasm).doing(format_args!("read the names in {WASM}"))?;
    std::fs::write(&script, shortened).doing(format_args!("write {WASM}"))
}

fn weighed(paths: &Paths) -> Result<String> {
    let kib = compressed_bytes(paths)?.div_ceil(1024);
    Ok(format!("{kib} KiB gzipped of {} KiB", BUDGET_BYTES / 1024))
}

/// What the script weighs, compressed.
pub fn compressed_bytes(paths: &Paths) -> Result<u64> {
    let mut total = 0;
    for file in BUILT.into_iter().chain([ENTRY]) {
        let bytes = std::fs::read(paths.root.join(file)).doing(format_args!("read {file}"))?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder
            .write_all(&bytes)
            .and_then(|()| encoder.finish())
            .doing(format_args!("compress {file}"))?;
        total += compressed.len() as u64;
    }
    Ok(total)
}

/// A hash of everything the script was made from, and of the script. None where either is missing.
fn stamp(paths: &Paths) -> Option<String> {
    let mut hasher = DefaultHasher::new();
    for file in inputs(paths)?
        .iter()
        .map(PathBuf::as_path)
        .chain(BUILT.map(Path::new))
    {
        hash_file(&mut hasher, &paths.root.join(file))?;
    }
    Some(format!("{:016x}", hasher.finish()))
}

/// None before the first build.
fn inputs(paths: &Paths) -> Option<Vec<PathBuf>> {
    let record = paths
        .cargo_target()
        .join("wasm32-unknown-unknown/release/patchbay.d");
    let mut files = inputs_in(&std::fs::read_to_string(record).ok()?);
    // What the build script makes is made of files that are listed too.
    let made = std::path::absolute(paths.cargo_target()).ok()?;
    files.retain(|file| !file.starts_with(&made));
    files.extend(SETTINGS.map(PathBuf::from));
    Some(files)
}

fn changed_since_start(paths: &Paths) -> bool {
    let modified = |file: &Path| std::fs::metadata(file).and_then(|found| found.modified());
    let Ok(started) = modified(&paths.stamp(STARTED)) else {
        return true;
    };
    inputs(paths).is_none_or(|files| {
        files
            .iter()
            .any(|file| modified(&paths.root.join(file)).is_ok_and(|at| at >= started))
    })
}

fn hash_file(hasher: &mut DefaultHasher, file: &Path) -> Option<()> {
    file.hash(hasher);
    std::fs::read(file).ok()?.hash(hasher);
    Some(())
}

/// The files cargo compiled or included, from the record it keeps for make: `output: input input…`.
fn inputs_in(record: &str) -> Vec<PathBuf> {
    let mut inputs = Vec::new();
    for line in record.lines() {
        let Some((_, list)) = line.split_once(": ") else {
            continue;
        };
        // A space inside a name is written with a backslash.
        let list = list.replace("\\ ", "\0");
        inputs.extend(
            list.split_whitespace()
                .map(|name| PathBuf::from(name.replace('\0', " "))),
        );
    }
    inputs.sort();
    inputs.dedup();
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read_once_each_with_their_spaces() {
        let record = "/t/patchbay.wasm: /s/lib.rs /my\\ code/a.rs\n/t/other: /s/lib.rs\n";
        assert_eq!(
            inputs_in(record),
            [PathBuf::from("/my code/a.rs"), PathBuf::from("/s/lib.rs")]
        );
    }
}
