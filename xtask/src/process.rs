//! Programs started here, each in a process group of its own, so that ending one ends what it started.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::problem::{Doing, Problem, Result};

/// How long a group may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// What a program said.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

/// A program and its descendants. Dropping it ends them all.
pub struct Group {
    name: String,
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    pub fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null());
        Self::start_as_is(command)
    }

    fn start_as_is(mut command: Command) -> Result<Self> {
        let name = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|error| absent(&name, &error))?;
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok(Self {
            name,
            child,
            leader,
        })
    }

    /// The id of the group, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub async fn wait(&mut self) -> Result<ExitStatus> {
        self.child
            .wait()
            .await
            .doing(format_args!("wait for {}", self.name))
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // The one expected error is that the group is gone, which is what was wanted.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Leaves alone what the program may have left running.
    fn forget(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.leader.is_none() {
            return;
        }
        self.signal(Signal::TERM);
        let step = Duration::from_millis(50);
        let mut waited = Duration::ZERO;
        while waited < GRACE && !matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
            std::thread::sleep(step);
            waited += step;
        }
        self.signal(Signal::KILL);
    }
}

/// Runs a program to its end, its output going to the terminal.
pub async fn run(command: Command) -> Result<ExitStatus> {
    let mut group = Group::start(command)?;
    let status = group.wait().await?;
    group.forget();
    Ok(status)
}

/// Runs a program to its end on this input, its output going to the terminal.
pub async fn run_fed(mut command: Command, input: &str) -> Result<ExitStatus> {
    command.stdin(Stdio::piped());
    let mut group = Group::start_as_is(command)?;
    if let Some(mut stdin) = group.child.stdin.take() {
        // A program that ends without reading says itself why.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let status = group.wait().await?;
    group.forget();
    Ok(status)
}

/// Runs a program to its end and shows each line of its output to `seen` as well as to the terminal.
///
/// What it leaves running is ended with it: a forgotten server would hold the output open for ever.
pub async fn run_watched(mut command: Command, mut seen: impl FnMut(&str)) -> Result<ExitStatus> {
    command.stdout(Stdio::piped());
    let mut group = Group::start(command)?;
    let Some(stdout) = group.child.stdout.take() else {
        return group.wait().await;
    };
    let mut lines = BufReader::new(stdout).split(b'\n');
    let mut status = None;
    loop {
        let line = tokio::select! {
            biased;
            line = lines.next_segment() => line,
            ended = group.wait(), if status.is_none() => {
                status = Some(ended?);
                continue;
            }
            () = sleep(GRACE), if status.is_some() => Ok(None),
        };
        let Some(line) = line.doing(format_args!("read the output of {}", group.name))? else {
            break;
        };
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        seen(&line);
    }
    match status {
        Some(status) => Ok(status),
        None => group.wait().await,
    }
}

/// Runs a program to its end and gives what it printed; an error when it failed or is not there.
pub async fn output(mut command: Command) -> Result<String> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .await
        .map_err(|error| absent(&name, &error))?;
    if !output.status.success() {
        return Err(Problem::new(format!("{name} failed ({}).", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program to its end on this input and gives all it said, whatever its outcome; an error when it is not
/// there.
pub async fn captured(mut command: Command, input: &str) -> Result<Captured> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| absent(&name, &error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says itself why.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child
        .wait_with_output()
        .await
        .doing(format_args!("wait for {name}"))?;
    Ok(Captured {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Sends a program's output to the end of a file.
pub fn log_to(command: &mut Command, file: &Path) -> Result<()> {
    let open = || File::options().create(true).append(true).open(file);
    let (out, err) = open()
        .and_then(|out| Ok((out, open()?)))
        .doing(format_args!("write {}", file.display()))?;
    command.stdout(out).stderr(err);
    Ok(())
}

/// The last lines of a log, for a failure's message.
pub fn tail(file: &Path, lines: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    all.iter()
        .skip(all.len().saturating_sub(lines))
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// `preferred` where nobody listens there, else any free port.
pub fn free_port(preferred: u16) -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, preferred))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .doing("find a free port on 127.0.0.1")
}

/// Ends with Ctrl-C or a polite kill.
pub async fn interrupted() {
    let wait_for = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait_for(SignalKind::interrupt()) => {}
        () = wait_for(SignalKind::terminate()) => {}
        () = wait_for(SignalKind::hangup()) => {}
    }
}

fn absent(name: &str, error: &std::io::Error) -> Problem {
    let advice = match name {
        "npm" => "install Node.js with npm (https://nodejs.org), 18 or newer",
        "rustup" | "cargo" | "rustc" => "install Rust with rustup (https://rustup.rs)",
        _ => {
            "run `cargo xtask build` to install it again, or remove target/tools and node_modules first"
        }
    };
    Problem::new(format!("Could not start {name} ({error}): {advice}."))
}
