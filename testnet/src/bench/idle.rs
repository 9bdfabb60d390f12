//! `memory_idle`: how much memory a node has held ten seconds after its start, connected, with nothing to do.

use super::bare::AS_BARE;
use super::{Baseline, Figure};
use crate::cluster::{Cluster, HUB, Plan, Program, TRES, peak_rss_mb};
use crate::narrate::Narrator;
use anyhow::anyhow;
use std::process::Stdio;
use std::time::Duration;

/// How long nothing happens before a look.
const IDLE: Duration = Duration::from_secs(10);

/// The largest TRE, and the hub, beside a process with a runtime and a database alone.
pub(super) async fn measure(narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let mut cluster =
        Cluster::found(Program::this()?, None, Plan { persons: 1_000, seed: 7 }, Narrator::silent()).await?;
    let folder = tempfile::tempdir()?;
    let mut bare = tokio::process::Command::new(std::env::current_exe()?)
        .arg(AS_BARE)
        .arg(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    cluster.start().await?;
    let waiting = narrator.progress("ten seconds of nothing", None);
    tokio::time::sleep(IDLE).await;
    waiting.finish_and_clear();
    let unknown = || anyhow!("this system does not say how much memory a process has held (/proc/PID/status)");
    let baseline = Baseline {
        name: "a process with tokio and redb alone",
        value: bare.id().and_then(peak_rss_mb).ok_or_else(unknown)?,
    };
    let peak = |name: &str| cluster.node(name).and_then(|node| node.peak_rss_mb());
    let tres: Vec<f64> = TRES.iter().filter_map(|(tre, ..)| peak(tre)).collect();
    let largest = tres.iter().copied().reduce(f64::max).ok_or_else(unknown)?;
    let hub = peak(HUB).ok_or_else(unknown)?;
    bare.kill().await?;
    cluster.stop().await?;
    Ok(vec![
        Figure::new("memory_idle", "peak_rss", largest, "MB", &baseline, tres.len()),
        Figure::new("memory_idle", "hub_peak_rss", hub, "MB", &baseline, 1),
    ])
}
