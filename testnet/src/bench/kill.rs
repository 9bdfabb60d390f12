//! `kill`: how long after its deadline an endless loop is gone, process and all.

use super::warm::{PAUSE, component, engine};
use super::{Baseline, Figure, Samples};
use crate::narrate::Narrator;
use anyhow::bail;
use sandbox::limits::Limits;
use sandbox::run::{FailureKind, Task, run};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long the loop may run.
const WALL: Duration = Duration::from_millis(30);

/// The figure.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let bar = narrator.progress("endless loops", Some(u64::from(samples)));
    let engine = engine(None).await?;
    let endless = engine.compile(&component("(loop $l br $l) unreachable")?).await?;
    let (mut past, mut timers) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        tokio::time::sleep(PAUSE).await;
        let (_switch, cancel) = watch::channel(false);
        let task = Task {
            component: endless.clone(),
            parameters: BTreeMap::new(),
            outputs: Vec::new(),
            handles: BTreeMap::new(),
            limits: Limits { wall: WALL, ..Limits::default() },
            cancel,
            progress: None,
        };
        let began = Instant::now();
        let ended = run(&engine, task).await;
        // A run returns when its process is collected.
        past.push(began.elapsed().saturating_sub(WALL));
        match ended {
            Err(failure) if failure.kind() == FailureKind::Time => {}
            _ => bail!("an endless loop did not meet its time limit"),
        }
        let began = Instant::now();
        tokio::time::sleep(WALL).await;
        timers.push(began.elapsed().saturating_sub(WALL));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let (past, timers) = (Samples::new(past), Samples::new(timers));
    let baseline = Baseline {
        name: "a timer alone, past its time, p99",
        value: ms(timers.percentile(99).max(Duration::from_micros(1))),
    };
    Ok(vec![Figure::new("kill", "past_deadline_p99", ms(past.percentile(99)), "ms", &baseline, past.len())])
}
