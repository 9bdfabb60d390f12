//! The `quintes` program as a person runs it: one process for each verb, in the federation's folder.

use crate::narrate::{Narrator, Show};
use anyhow::{Context as _, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// The hidden subcommand by which the testnet is the `quintes` binary too, so that one build gives both.
pub const AS_QUINTES: &str = "quintes";

/// How `quintes` is started.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    first: Vec<OsString>,
}

/// What a verb said.
#[derive(Clone, Debug)]
pub struct Said {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its talk.
    pub stderr: String,
    /// From the start of the process to its end.
    pub took: Duration,
}

impl Said {
    /// The last line of data as JSON.
    ///
    /// # Errors
    /// When it is none; the sentence holds what was said.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| format!("no JSON: {}{}", self.stdout, self.stderr))
    }
}

impl Program {
    /// This very executable, which must be the testnet's.
    ///
    /// # Errors
    /// When the system does not say which file it is.
    pub fn this() -> anyhow::Result<Self> {
        let path = std::env::current_exe().context("the system does not say which file this program is")?;
        Ok(Self { path, first: vec![AS_QUINTES.into()] })
    }

    /// A `quintes` binary.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), first: Vec::new() }
    }

    /// The same program in a network namespace of this machine, by ip-netns(8), which only root may do.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        let before = ["netns", "exec", namespace].map(OsString::from).into_iter();
        let first = before.chain(std::iter::once(self.path.clone().into())).chain(self.first.clone());
        Self { path: "ip".into(), first: first.collect() }
    }

    /// The command without its arguments: no variable of the caller's own federation reaches it.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.first).current_dir(folder).kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUINTES_") {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Is `quintes`, with the arguments of this process.
#[must_use]
pub fn be_quintes() -> ExitCode {
    node::cli::run_from(std::env::args_os())
}

/// Runs verbs in one folder and tells about them.
#[derive(Clone, Debug)]
pub struct Runner {
    /// What runs.
    pub program: Program,
    /// Where it runs: paths on its command lines begin here.
    pub folder: PathBuf,
    /// Who tells.
    pub narrator: Narrator,
}

impl Runner {
    /// Runs a verb and waits for its end, whatever it is.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub async fn run(&self, args: &[&str], show: Show) -> anyhow::Result<Said> {
        let began = Instant::now();
        let output = self
            .program
            .command(&self.folder)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("`{}` cannot be started", self.program.path.display()))?;
        let said = Said {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: began.elapsed(),
        };
        let shown = if said.stdout.is_empty() { &said.stderr } else { &said.stdout };
        self.narrator.command(&line(args), shown, show);
        Ok(said)
    }

    /// Runs a verb that has to succeed.
    ///
    /// # Errors
    /// When it does not: with its command line and everything it said.
    pub async fn must(&self, args: &[&str], show: Show) -> anyhow::Result<Said> {
        let said = self.run(args, show).await?;
        if said.code != Some(0) {
            let code = said.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            bail!("`{}` ended with {code}:\n{}{}", line(args), said.stdout, said.stderr);
        }
        Ok(said)
    }

    /// Runs a verb that has to succeed, with `--json`, and reads its answer.
    ///
    /// # Errors
    /// As [`Runner::must`], or when the answer is no JSON.
    pub async fn ask(&self, args: &[&str]) -> anyhow::Result<serde_json::Value> {
        let with_json: Vec<&str> = args.iter().copied().chain(std::iter::once("--json")).collect();
        self.must(&with_json, Show::Nothing).await?.json()
    }
}

/// A command line that a person can copy into a shell.
#[must_use]
pub fn line(args: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    let quoted = args.iter().map(|arg| {
        if !arg.is_empty() && arg.chars().all(plain) {
            (*arg).to_owned()
        } else {
            format!("'{}'", arg.replace('\'', r"'\''"))
        }
    });
    std::iter::once("quintes".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_shell_reads_the_line_as_it_was_run() {
        assert_eq!(
            line(&["key", "new", "bob", "--organisation", "St Mary's"]),
            r"quintes key new bob --organisation 'St Mary'\''s'"
        );
        assert_eq!(line(&["x", "", "a=b"]), "quintes x '' a=b");
    }
}
