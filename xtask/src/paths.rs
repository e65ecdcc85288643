//! Where things are.

use std::path::{Path, PathBuf};

use crate::problem::{Doing, Problem, Result};

pub struct Paths {
    pub root: PathBuf,
    /// Tools installed by cargo, `target/tools`.
    pub tools: PathBuf,
    /// What this machine keeps between two runs of `dev`, git-ignored.
    pub dev: PathBuf,
    /// What `build` and `tools` remember, to do nothing twice.
    stamps: PathBuf,
}

impl Paths {
    pub fn of_workspace() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap_or_else(|| Path::new("."))
            .to_path_buf();
        Self {
            tools: root.join("target/tools"),
            dev: root.join(".dev"),
            stamps: root.join("target/xtask"),
            root,
        }
    }

    /// A program installed by cargo.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools.join("bin").join(name)
    }

    /// A program installed by npm.
    pub fn npm_bin(&self, name: &str) -> PathBuf {
        self.root.join("node_modules/.bin").join(name)
    }

    /// Cargo's own output: `CARGO_TARGET_DIR`, else `target`.
    pub fn cargo_target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// `PATH` with npm's programs first: some of them look for `node`, and the machine's may be too old.
    pub fn search_path(&self) -> Result<std::ffi::OsString> {
        let before = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.root.join("node_modules/.bin"))
            .chain(std::env::split_paths(&before));
        std::env::join_paths(all).doing("put node_modules/.bin into PATH")
    }

    pub fn stamp(&self, name: &str) -> PathBuf {
        self.stamps.join(name)
    }

    pub fn read_stamp(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.stamp(name)).ok()
    }

    pub fn write_stamp(&self, name: &str, content: &str) -> Result<()> {
        std::fs::create_dir_all(&self.stamps)
            .and_then(|()| std::fs::write(self.stamp(name), content))
            .doing(format_args!("write target/xtask/{name}"))
    }

    /// The version of `package` in Cargo.lock.
    pub fn locked_version(&self, package: &str) -> Result<String> {
        let lock =
            std::fs::read_to_string(self.root.join("Cargo.lock")).doing("read Cargo.lock")?;
        version_in(&lock, package)
            .map(str::to_owned)
            .ok_or_else(|| {
                Problem::new(format!(
                    "Cargo.lock has no package {package}: restore it from git."
                ))
            })
    }
}

fn version_in<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines
        .nth(1)?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_exact_name() {
        let lock = "[[package]]\nname = \"worker-macros\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"worker\"\nversion = \"0.8.7\"\n";
        assert_eq!(version_in(lock, "worker"), Some("0.8.7"));
        assert_eq!(version_in(lock, "work"), None);
    }
}
