//! Bad weather on the street: it is cut in two and mended, and it loses packets; everybody has everything soon afterwards, and nothing runs twice.

use super::street::{Line, Street};
use super::{HOSPITALS, HUBS, House, PATIENCE, RESEARCH, approve, count_persons, everybody, within};
use crate::cluster::{Cluster, TRES, until};
use crate::narrate::Show;
use anyhow::{Context as _, ensure};
use protocol::lifecycle::Phase;
use protocol::record::Kind;
use protocol::record::submission::TaskId;
use protocol::wire::envelope::Signed;
use std::time::{Duration, Instant};

/// Everybody has everything so soon after the street is mended.
const HEALED: Duration = Duration::from_secs(30);

/// Tasks that are submitted on either side of a cut.
const APART: usize = 2;

/// How bad it gets.
#[derive(Debug, clap::Args)]
pub(super) struct Weather {
    /// For how many seconds the street is cut in two, once for each.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 20, 45])]
    cuts: Vec<u64>,
    /// How many tasks are submitted while the street loses packets.
    #[arg(long, default_value_t = 10)]
    lossy_tasks: usize,
    /// How many of a hundred packets it loses, in each direction.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..60))]
    loses: u8,
}

impl Weather {
    /// Turns bad, and good again.
    ///
    /// # Errors
    /// When somebody lacks something afterwards.
    pub(super) async fn turn(&self, cluster: &Cluster, street: &Street) -> anyhow::Result<()> {
        let narrator = cluster.runner.narrator;
        narrator.heading("bad weather: the street is cut in two, and tasks are submitted on both sides");
        let mut tasks = Vec::new();
        for seconds in &self.cuts {
            let healed = cut(cluster, street, Duration::from_secs(*seconds), &mut tasks).await?;
            narrator.say(&format!(
                "cut for {seconds} s: everybody had everything {:.1} s after it was mended",
                healed.as_secs_f64()
            ));
        }
        narrator.heading(&format!("{} of 100 packets are lost, in each direction of every line", self.loses));
        let took = self.lose(cluster, street, &mut tasks).await?;
        narrator.say(&format!(
            "{} tasks, and everybody had all of them {:.1} s after the last",
            self.lossy_tasks,
            took.as_secs_f64()
        ));
        once_each(cluster, &tasks).await?;
        narrator.say(&format!("each of {} tasks has run once and left once at each TRE", tasks.len()));
        Ok(())
    }

    /// Submits while packets are lost; how long after the last everybody has all tasks.
    async fn lose(&self, cluster: &Cluster, street: &Street, tasks: &mut Vec<TaskId>) -> anyhow::Result<Duration> {
        for house in everybody() {
            street.set(house, &Line::Loses(self.loses))?;
        }
        let mut lossy = Vec::new();
        for number in 0..self.lossy_tasks {
            // On the hub's own machine: it is between the members that packets are lost.
            let at = number % HUBS.len();
            let (_, hub) = cluster.hubs().nth(at).context("there are three")?;
            lossy.push(count_persons(&within(cluster, street, HUBS[at]), hub, Show::Nothing).await?);
        }
        let took = all_hold(cluster, &lossy, PATIENCE).await?;
        for house in everybody() {
            street.set(house, &Line::Whole)?;
        }
        tasks.extend(lossy);
        Ok(took)
    }
}

/// Cuts the street between one hub with one hospital and all the others, and mends it; how long after that everybody had everything.
async fn cut(cluster: &Cluster, street: &Street, lasts: Duration, tasks: &mut Vec<TaskId>) -> anyhow::Result<Duration> {
    let near = [HUBS[0], RESEARCH, HOSPITALS[0]];
    let far: Vec<House> = everybody().filter(|house| !near.contains(house)).collect();
    for house in near {
        street.set(house, &Line::CutFrom(far.clone()))?;
    }
    let began = Instant::now();
    let mut apart = Vec::new();
    for (side, (_, hub)) in [HUBS[0], HUBS[1]].into_iter().zip(cluster.hubs()) {
        let from = within(cluster, street, side);
        for _ in 0..APART {
            apart.push(count_persons(&from, hub, Show::Nothing).await?);
        }
    }
    tokio::time::sleep(lasts.saturating_sub(began.elapsed())).await;
    let (here, there) = apart.split_at(APART);
    for (name, elsewhere) in [(HUBS[1].name, here), (HUBS[0].name, there)] {
        let lacking = lacks(cluster, name, elsewhere).await?;
        // What the researcher said last goes along with what comes next, also to a hub on the other side.
        ensure!(lacking > 0, "{name} lacks none of {APART} tasks although the street is cut");
    }
    for house in near {
        street.set(house, &Line::Whole)?;
    }
    let healed = all_hold(cluster, &apart, HEALED).await?;
    tasks.extend(apart);
    Ok(healed)
}

/// How many of these tasks a node has not heard of.
async fn lacks(cluster: &Cluster, name: &str, tasks: &[TaskId]) -> anyhow::Result<usize> {
    let mut lacking = 0;
    for task in tasks {
        lacking += usize::from(cluster.watch(name).about(*task).await?.is_empty());
    }
    Ok(lacking)
}

/// Waits until every node has heard of every task; how long it took.
async fn all_hold(cluster: &Cluster, tasks: &[TaskId], patience: Duration) -> anyhow::Result<Duration> {
    let began = Instant::now();
    for name in cluster.names() {
        let left = patience.saturating_sub(began.elapsed());
        let late = || format!("{name} lacks tasks");
        until(left, late, async || Ok((lacks(cluster, &name, tasks).await? == 0).then_some(()))).await?;
    }
    Ok(began.elapsed())
}

/// Each of the tasks is held at each TRE and let out; the first hub hears of one run and one release of each.
async fn once_each(cluster: &Cluster, tasks: &[TaskId]) -> anyhow::Result<()> {
    let bar = cluster.runner.narrator.progress("approving", u64::try_from(tasks.len() * TRES.len()).ok());
    for task in tasks {
        for (tre, ..) in TRES {
            cluster.watch(tre).until_phase(task, Phase::Held, PATIENCE).await?;
            approve(cluster, task, tre, Show::Nothing).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for task in tasks {
        let late = || format!("{} does not know of every release of {}", HUBS[0].name, task.short());
        let told = until(PATIENCE, late, async || {
            let told = cluster.watch(HUBS[0].name).about(*task).await?;
            let kinds: Vec<Kind> = told.iter().filter_map(|one| Some(Signed::parse(one).ok()?.kind())).collect();
            let count = |kind| kinds.iter().filter(|one| **one == kind).count();
            let (runs, releases) = (count(Kind::Run), count(Kind::Release));
            Ok((runs >= TRES.len() && releases >= TRES.len()).then_some((runs, releases)))
        })
        .await?;
        ensure!(told == (TRES.len(), TRES.len()), "{} has these runs and releases: {told:?}", task.short());
    }
    Ok(())
}
