//! The tools the Worker's build needs beyond cargo: installed when missing, inside this folder only.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use tokio::process::Command;

use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process;
use crate::progress::Progress;

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A tool built by `cargo install` under target/tools.
struct CargoTool {
    package: &'static str,
    /// The program that prints the version.
    program: &'static str,
    version: Version,
    /// Whether its own lock file is used. That of wasm-bindgen-cli may name a release a registry no longer has.
    locked: bool,
    minutes: u8,
}

enum Version {
    /// That of this package in Cargo.lock.
    Of(&'static str),
    Fixed(&'static str),
}

const CARGO_TOOLS: [CargoTool; 2] = [
    CargoTool {
        package: "worker-build",
        program: "worker-build",
        version: Version::Of("worker"),
        locked: true,
        minutes: 4,
    },
    CargoTool {
        package: "wasm-bindgen-cli",
        program: "wasm-bindgen",
        version: Version::Of("wasm-bindgen"),
        locked: false,
        minutes: 2,
    },
];

/// What `cargo xtask fuzz` needs, and nothing else does.
const FUZZER: CargoTool = CargoTool {
    package: "cargo-fuzz",
    program: "cargo-fuzz",
    version: Version::Fixed("0.13.1"),
    locked: true,
    minutes: 1,
};

/// Installs what is missing; takes a moment when nothing is.
pub async fn ensure(paths: &Paths, progress: &Progress) -> Result<()> {
    wasm_target(paths, progress).await?;
    npm_packages(paths, progress).await?;
    for tool in &CARGO_TOOLS {
        cargo_tool(paths, progress, tool).await?;
    }
    Ok(())
}

/// Installs the fuzzer where it is missing.
pub async fn ensure_fuzzer(paths: &Paths, progress: &Progress) -> Result<()> {
    cargo_tool(paths, progress, &FUZZER).await
}

async fn wasm_target(paths: &Paths, progress: &Progress) -> Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir(&paths.root);
    let sysroot = PathBuf::from(process::output(rustc).await?.trim());
    if sysroot.join("lib/rustlib").join(WASM_TARGET).is_dir() {
        return Ok(());
    }
    progress.step(format_args!(
        "Installing the Rust target {WASM_TARGET} (seconds, once)…"
    ));
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", WASM_TARGET])
        .current_dir(&paths.root);
    if process::run(rustup).await?.success() {
        return Ok(());
    }
    Err(Problem::new(format!(
        "`rustup target add {WASM_TARGET}` failed: check the network and run it by hand."
    )))
}

async fn npm_packages(paths: &Paths, progress: &Progress) -> Result<()> {
    let lock =
        std::fs::read(paths.root.join("package-lock.json")).doing("read package-lock.json")?;
    let mut hasher = DefaultHasher::new();
    lock.hash(&mut hasher);
    let stamp = format!("{:016x}", hasher.finish());
    let installed = ["node", "wrangler", "wasm-opt", "esbuild"]
        .iter()
        .all(|name| paths.npm_bin(name).exists());
    if installed && paths.read_stamp("npm.stamp").as_deref() == Some(&stamp) {
        return Ok(());
    }
    progress
        .step("Installing wrangler, node, wasm-opt and esbuild with npm (about a minute, once)…");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&paths.root);
    if !process::run(npm).await?.success() {
        return Err(Problem::new(
            "`npm ci` failed: read its message above, check the network, then run the same command again.",
        ));
    }
    paths.write_stamp("npm.stamp", &stamp)
}

async fn cargo_tool(paths: &Paths, progress: &Progress, tool: &CargoTool) -> Result<()> {
    let CargoTool {
        package, minutes, ..
    } = tool;
    let version = match tool.version {
        Version::Of(locked) => paths.locked_version(locked)?,
        Version::Fixed(version) => version.to_owned(),
    };
    if installed_version(paths, tool).await.as_deref() == Some(&version) {
        return Ok(());
    }
    progress.step(format_args!(
        "Installing {package} {version} (about {minutes} minutes, once)…"
    ));
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "install",
            package,
            "--version",
            &version,
            "--force",
            "--root",
        ])
        .arg(&paths.tools)
        .current_dir(&paths.root);
    if tool.locked {
        cargo.arg("--locked");
    }
    if process::run(cargo).await?.success() {
        return Ok(());
    }
    Err(Problem::new(format!(
        "`cargo install {package}` failed: read its message above (it needs a C compiler and the network), then run the same command again."
    )))
}

async fn installed_version(paths: &Paths, tool: &CargoTool) -> Option<String> {
    let mut program = Command::new(paths.tool(tool.program));
    program.arg("--version");
    let printed = process::output(program).await.ok()?;
    printed.split_whitespace().last().map(str::to_owned)
}
