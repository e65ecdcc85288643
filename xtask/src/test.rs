//! `cargo xtask test`: everything CI checks, in order, ending with a line of totals for machines.

use std::ops::AddAssign;
use std::process::ExitCode;

use tokio::process::Command;
use tokio::time::Instant;

use crate::bundle;
use crate::paths::Paths;
use crate::problem::{Problem, Result};
use crate::process;
use crate::progress::Progress;
use crate::tools;
use crate::usage;
use crate::wrangler;

/// Wranglers at a time: each brings a workerd of its own.
const E2E_THREADS: &str = "--test-threads=2";

const STEPS: [Step; 8] = [
    Step {
        name: "format",
        work: Work::Cargo(&["fmt", "--all", "--check"]),
    },
    // Of a workspace of its own, which is built by `cargo xtask fuzz` alone.
    Step {
        name: "format-fuzz",
        work: Work::Cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]),
    },
    Step {
        name: "lint",
        work: Work::Cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]),
    },
    Step {
        name: "lint-wasm",
        work: Work::Cargo(&[
            "clippy",
            "--target",
            "wasm32-unknown-unknown",
            "--lib",
            "--",
            "-D",
            "warnings",
        ]),
    },
    Step {
        name: "native",
        work: Work::Tests(&["test", "--workspace", "--no-fail-fast"]),
    },
    Step {
        name: "wasm",
        work: Work::Tests(&[
            "test",
            "--target",
            "wasm32-unknown-unknown",
            "--no-default-features",
            "--test",
            "wasm",
        ]),
    },
    Step {
        name: "build",
        work: Work::Build,
    },
    Step {
        name: "e2e",
        work: Work::Tests(&[
            "test",
            "--features",
            "e2e",
            "--test",
            "e2e",
            "--",
            E2E_THREADS,
        ]),
    },
];

struct Step {
    name: &'static str,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    /// Passes or fails as a whole.
    Cargo(&'static [&'static str]),
    /// Prints `test result:` lines.
    Tests(&'static [&'static str]),
    /// The script for Cloudflare, held to its size.
    Build,
}

/// Which steps to take; none named means all.
pub struct Options {
    only: Vec<String>,
}

impl Options {
    pub fn parse(arguments: &[&str]) -> Result<Self> {
        let mut only = Vec::new();
        let mut rest = arguments;
        while let [option, value, more @ ..] = rest {
            if *option != "--only" {
                break;
            }
            if !STEPS.iter().any(|step| step.name == *value) {
                return Err(usage(&format!("`{value}` is not a step of test")));
            }
            only.push((*value).to_owned());
            rest = more;
        }
        match rest {
            [] => Ok(Self { only }),
            [other, ..] => Err(usage(&format!(
                "`{other}` is not an option of test, or lacks its value"
            ))),
        }
    }

    fn includes(&self, step: &Step) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == step.name)
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// How a step went.
struct Line {
    name: &'static str,
    ok: bool,
    counts: Counts,
    seconds: f32,
}

/// Takes every step, also after one has failed, so that one run tells all there is to correct.
pub async fn run(paths: &Paths, options: Options) -> Result<ExitCode> {
    let progress = Progress::start();
    tools::ensure(paths, &progress).await?;

    let mut lines = Vec::new();
    for step in STEPS.iter().filter(|step| options.includes(step)) {
        println!("\n━━ {}", step.name);
        let started = Instant::now();
        let mut counts = Counts::default();
        let outcome = take(paths, &progress, step, &mut counts).await;
        if let Err(problem) = &outcome {
            println!("{problem}");
            // A step that broke before its tests could tell still counts as a failure.
            counts.failed = counts.failed.max(1);
        }
        lines.push(Line {
            name: step.name,
            ok: outcome.is_ok(),
            counts,
            seconds: started.elapsed().as_secs_f32(),
        });
    }
    Ok(summarize(&lines))
}

/// Kills the runtime under load until it is proved that nothing is lost and nothing sent twice; then the same
/// with a safety net taken away, to prove that a loss and a double would show.
pub async fn chaos(paths: &Paths) -> Result<ExitCode> {
    let progress = Progress::start();
    tools::ensure(paths, &progress).await?;
    bundle::ensure(paths, &progress).await?;
    progress.step("Three storms, half an hour or more; each ends with a table…");
    let storms = cargo(
        paths,
        &[
            "test",
            "--features",
            "e2e",
            "--test",
            "e2e",
            "--",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
            "chaos::",
        ],
    )?;
    if process::run(storms).await?.success() {
        progress.step("Nothing was lost, nothing was sent twice, and the controls show both.");
        return Ok(ExitCode::SUCCESS);
    }
    Err(Problem::new(
        "A storm ended otherwise than it must: its table above says how.",
    ))
}

async fn take(paths: &Paths, progress: &Progress, step: &Step, counts: &mut Counts) -> Result<()> {
    let status = match step.work {
        Work::Cargo(arguments) => process::run(cargo(paths, arguments)?).await?,
        Work::Tests(arguments) => {
            if step.name == "e2e" {
                // Asked for alone, it still tests the present sources.
                bundle::ensure(paths, progress).await?;
            }
            process::run_watched(cargo(paths, arguments)?, |line| {
                *counts += counts_in(line).unwrap_or_default();
            })
            .await?
        }
        Work::Build => {
            bundle::ensure(paths, progress).await?;
            return bundle::hold_to_budget(paths);
        }
    };
    if status.success() && counts.failed == 0 {
        return Ok(());
    }
    Err(Problem::new(format!(
        "Step {} failed: correct what it says above, then `cargo xtask test --only {}`.",
        step.name, step.name
    )))
}

fn cargo(paths: &Paths, arguments: &[&str]) -> Result<Command> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(arguments)
        .current_dir(&paths.root)
        .env("PATH", paths.search_path()?)
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            paths.tool("wasm-bindgen-test-runner"),
        )
        // For the end-to-end tests, which start wrangler themselves on the script that was just built.
        .envs(wrangler::ENVIRONMENT)
        .env("PATCHBAY_BUILT", "1")
        .env("PATCHBAY_NODE", paths.npm_bin("node"))
        .env("PATCHBAY_WRANGLER", wrangler::script(paths));
    Ok(cargo)
}

fn summarize(lines: &[Line]) -> ExitCode {
    let mut total = Counts::default();
    println!("\n━━ summary");
    for line in lines {
        total += line.counts;
        let verdict = if line.ok { "ok" } else { "FAILED" };
        let tests = match line.counts {
            Counts {
                passed: 0,
                failed: 0,
            } => String::new(),
            Counts { passed, failed: 0 } => format!("{passed} passed"),
            Counts { passed: 0, .. } => String::new(),
            Counts { passed, failed } => format!("{passed} passed, {failed} failed"),
        };
        let row = format!(
            "{:<11} {verdict:<7} {:>7.1} s  {tests}",
            line.name, line.seconds
        );
        println!("{}", row.trim_end());
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    if lines.iter().all(|line| line.ok) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The counts of a line like `test result: ok. 3 passed; 0 failed; …`.
fn counts_in(line: &str) -> Option<Counts> {
    let (_, result) = line.split_once("test result: ")?;
    let count = |word: &str| {
        result
            .split(['.', ';'])
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
    };
    Some(Counts {
        passed: count("passed")?,
        failed: count("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_from_result_lines_only() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out";
        let counts = counts_in(line).expect("a result line");
        assert_eq!((counts.passed, counts.failed), (12, 3));
        assert!(counts_in("test a_result ... ok").is_none());
    }

    #[test]
    fn only_a_known_step_can_be_asked_for() {
        assert!(Options::parse(&["--only", "e2e", "--only", "wasm"]).is_ok());
        assert!(Options::parse(&["--only", "nothing"]).is_err());
        assert!(Options::parse(&["--only"]).is_err());
    }
}
