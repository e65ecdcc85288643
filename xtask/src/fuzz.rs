//! `cargo xtask fuzz`: each target of fuzz/ for a while, from the fixtures and from what earlier runs found.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::process::Command;
use tokio::time::Instant;

use crate::paths::Paths;
use crate::problem::{Doing, Problem, Result};
use crate::process;
use crate::progress::Progress;
use crate::tools;
use crate::usage;

/// Each target, and the adapter whose webhooks it begins with.
const TARGETS: [(&str, &str); 9] = [
    ("whatsapp", "whatsapp"),
    ("messenger", "messenger"),
    ("instagram", "instagram"),
    ("telegram", "telegram"),
    ("sms", "sms"),
    ("hub_signature", "whatsapp"),
    ("telegram_secret", "telegram"),
    ("twilio_signature", "sms"),
    ("idempotency_key", "sms"),
];

/// As large as an input gets.
const MOST_BYTES: &str = "-max_len=8192";

/// How long each target runs, and which do.
#[derive(Debug)]
pub struct Options {
    seconds: u32,
    only: Vec<String>,
}

impl Options {
    pub fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self {
            seconds: 20,
            only: Vec::new(),
        };
        let mut rest = arguments;
        while let [option, value, more @ ..] = rest {
            match *option {
                "--seconds" => {
                    let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                    options.seconds = seconds
                        .ok_or_else(|| usage(&format!("`{value}` is not a number of seconds")))?;
                }
                "--only" if TARGETS.iter().any(|(target, _)| target == value) => {
                    options.only.push((*value).to_owned());
                }
                "--only" => return Err(usage(&format!("`{value}` is not a target of fuzz"))),
                _ => break,
            }
            rest = more;
        }
        match rest {
            [] => Ok(options),
            [other, ..] => Err(usage(&format!(
                "`{other}` is not an option of fuzz, or lacks its value"
            ))),
        }
    }

    fn includes(&self, target: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == target)
    }
}

/// How a target went.
struct Line {
    target: &'static str,
    runs: u64,
    seconds: f32,
    /// The input that broke it.
    crash: Option<PathBuf>,
    ok: bool,
}

/// Runs every target, also after one has crashed.
pub async fn run(paths: &Paths, options: Options) -> Result<ExitCode> {
    let progress = Progress::start();
    tools::ensure_fuzzer(paths, &progress).await?;
    let place = paths.cargo_target().join("fuzz");
    progress.step("Building the fuzz targets (minutes the first time)…");
    let mut build = cargo_fuzz(paths, "build");
    build.args(common(&place));
    if !process::run(build).await?.success() {
        return Err(Problem::new(
            "The fuzz targets do not build: read the message above (they need a C++ compiler).",
        ));
    }
    let mut lines = Vec::new();
    for (target, adapter) in TARGETS
        .iter()
        .filter(|(target, _)| options.includes(target))
    {
        progress.step(format_args!("{target}, {} s…", options.seconds));
        lines.push(fuzz(paths, &place, target, adapter, options.seconds).await?);
    }
    print!("{}", table(&lines));
    if lines.iter().all(|line| line.ok) {
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

fn cargo_fuzz(paths: &Paths, what: &str) -> Command {
    let mut command = Command::new(paths.tool("cargo-fuzz"));
    command.arg(what).current_dir(&paths.root);
    command
}

/// Nothing here is unsafe, so no sanitizer is needed, and with that no nightly toolchain.
fn common(place: &Path) -> Vec<PathBuf> {
    let build = place.join("build");
    let options = ["--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir"];
    options.iter().map(PathBuf::from).chain([build]).collect()
}

async fn fuzz(
    paths: &Paths,
    place: &Path,
    target: &'static str,
    adapter: &str,
    seconds: u32,
) -> Result<Line> {
    let corpus = place.join("corpus").join(target);
    let crashes = place.join("crashes").join(target);
    let log = place.join(format!("{target}.log"));
    for folder in [&corpus, &crashes] {
        std::fs::create_dir_all(folder).doing(format_args!("create {}", folder.display()))?;
    }
    seed(paths, adapter, &corpus).doing(format_args!("fill {}", corpus.display()))?;
    let before = files(&crashes);
    let _ = std::fs::remove_file(&log);
    let started = Instant::now();
    let mut run = cargo_fuzz(paths, "run");
    run.arg(target).arg(&corpus).args(common(place)).args([
        "--",
        MOST_BYTES,
        "-print_final_stats=1",
        &format!("-max_total_time={seconds}"),
        &format!("-artifact_prefix={}/", crashes.display()),
    ]);
    process::log_to(&mut run, &log)?;
    let ok = process::run(run).await?.success();
    if !ok {
        println!("{}", process::tail(&log, 40));
    }
    let text = std::fs::read(&log).unwrap_or_default();
    Ok(Line {
        target,
        runs: runs_in(&String::from_utf8_lossy(&text)),
        seconds: started.elapsed().as_secs_f32(),
        crash: files(&crashes)
            .into_iter()
            .find(|file| !before.contains(file)),
        ok,
    })
}

/// Copies an adapter's webhooks into a corpus.
fn seed(paths: &Paths, adapter: &str, corpus: &Path) -> std::io::Result<()> {
    let fixtures = paths
        .root
        .join("src/channel")
        .join(adapter)
        .join("fixtures/inbound");
    for entry in std::fs::read_dir(fixtures)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if !name.to_string_lossy().ends_with(".golden.json") {
            std::fs::copy(&path, corpus.join(name))?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// The number of a line like `stat::number_of_executed_units: 124717`.
fn runs_in(log: &str) -> u64 {
    let number = |line: &str| {
        let (_, number) = line.split_once("stat::number_of_executed_units:")?;
        number.trim().parse().ok()
    };
    log.lines().find_map(number).unwrap_or(0)
}

fn table(lines: &[Line]) -> String {
    let mut table = "\n━━ summary\n".to_owned();
    for line in lines {
        let verdict = match (&line.crash, line.ok) {
            (Some(input), _) => format!("CRASHED on {}", input.display()),
            (None, true) => "ok".to_owned(),
            (None, false) => "FAILED".to_owned(),
        };
        let _ = writeln!(
            table,
            "{:<17} {:>10} runs {:>7.1} s  {verdict}",
            line.target, line.runs, line.seconds
        );
    }
    let crashed = lines.iter().filter(|line| !line.ok).count();
    let _ = writeln!(
        table,
        "\n{} passed, {crashed} failed",
        lines.len() - crashed
    );
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_by_name_and_others_refused() {
        let options = Options::parse(&["--seconds", "5", "--only", "sms"]).expect("options");
        assert_eq!((options.seconds, options.includes("sms")), (5, true));
        assert!(!options.includes("telegram"));
        assert!(Options::parse(&[]).expect("none").includes("telegram"));
        for wrong in [
            &["--seconds"][..],
            &["--seconds", "0"],
            &["--only", "x"],
            &["now"],
        ] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_log_tells_how_often_a_target_ran() {
        let log = "Done 7 runs in 1 second(s)\nstat::number_of_executed_units: 7\n";
        assert_eq!(runs_in(log), 7);
        assert_eq!(runs_in("panicked"), 0);
    }

    #[test]
    fn the_table_names_the_input_that_crashed() {
        let line = |crash: Option<&str>| Line {
            target: "sms",
            runs: 3,
            seconds: 1.0,
            ok: crash.is_none(),
            crash: crash.map(PathBuf::from),
        };
        let table = table(&[line(None), line(Some("target/fuzz/crashes/sms/crash-1"))]);
        assert!(table.contains("CRASHED on target/fuzz/crashes/sms/crash-1"));
        assert!(table.ends_with("\n1 passed, 1 failed\n"), "{table}");
    }

    #[test]
    fn every_target_is_one_of_the_fuzz_folder() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        for (target, _) in TARGETS {
            assert!(
                manifest.contains(&format!("name = \"{target}\"\n")),
                "{target}"
            );
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
