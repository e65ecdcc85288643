//! Programs whose life hangs on a pipe.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs its arguments; kills its whole process group with SIGKILL when they end or when its input does, which
/// it does even when these tests are killed.
const LEASH: &str = r#"( "$@"; kill -9 0 ) & cat > /dev/null; kill -9 0"#;

/// A program and all it started. Dropping it is `kill -9` for every one of them.
pub struct Group(Child);

impl Group {
    /// Starts `command` with its output going to the end of `log`.
    pub fn start(command: &Command, log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut leash = Command::new("sh");
        leash
            .args(["-c", LEASH, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if let Some(folder) = command.get_current_dir() {
            leash.current_dir(folder);
        }
        leash.spawn().map(Self)
    }

    /// The processes of this name that it started.
    pub fn named(&self, name: &str) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
        let group = self.0.id().to_string();
        ids.filter(|id| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // `id (name) state parent group …`
            let named = stat
                .split_once('(')
                .and_then(|(_, rest)| rest.rsplit_once(')'));
            named.is_some_and(|(its, rest)| {
                its == name && rest.split_whitespace().nth(2) == Some(&group)
            })
        })
        .collect()
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
