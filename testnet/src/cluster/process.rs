//! A node as a process of its own: started, watched, stopped in order or killed.

use super::program::Program;
use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Child;

/// How long a node may take to stop in order.
const FAREWELL: Duration = Duration::from_secs(15);

/// A running node; dropping it kills it.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    pid: u32,
}

impl NodeProcess {
    /// Starts `quintes node run`; its log is added to the file.
    ///
    /// # Errors
    /// When the log cannot be opened or the process cannot be started.
    pub fn start(program: &Program, folder: &Path, config: &Path, log: &Path, level: &str) -> anyhow::Result<Self> {
        if let Some(parent) = log.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("the log `{}` cannot be written", log.display()))?;
        let child = program
            .command(folder)
            .args(["node", "run", "--log", level, "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("a node cannot be started")?;
        let pid = child.id().ok_or_else(|| anyhow!("a node ended as it was started; see `{}`", log.display()))?;
        Ok(Self { child, pid })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended by itself, and with which code.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().ok().flatten().map(|status| status.code())
    }

    /// SIGTERM, and waits; the exit code.
    ///
    /// # Errors
    /// When it does not end within fifteen seconds; it is killed then.
    pub async fn stop(mut self) -> anyhow::Result<Option<i32>> {
        if let Ok(pid) = i32::try_from(self.pid)
            && let Some(pid) = Pid::from_raw(pid)
        {
            // It may have ended a moment ago: the wait below says so.
            kill_process(pid, Signal::TERM).ok();
        }
        match tokio::time::timeout(FAREWELL, self.child.wait()).await {
            Ok(status) => Ok(status?.code()),
            Err(_) => {
                self.child.kill().await.ok();
                Err(anyhow!("a node did not stop within {} s of SIGTERM", FAREWELL.as_secs()))
            }
        }
    }

    /// SIGKILL, and waits: nothing is written any more when this returns.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("a node cannot be killed")
    }

    /// The most memory that it has held, in MiB; none where the system does not say.
    #[must_use]
    pub fn peak_rss_mb(&self) -> Option<f64> {
        peak_rss_mb(self.pid)
    }
}

/// The most memory that a process has held, in MiB (`VmHWM` of proc_pid_status(5)); none where the system does not say.
#[must_use]
pub fn peak_rss_mb(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
