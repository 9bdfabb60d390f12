//! The demo: one question after the other to three TREs, from the keys to the result, shown as each person would see it.

pub mod compare;
pub mod question;
mod way;

use crate::cluster::{Cluster, Plan, Program, TRES, line};
use crate::narrate::{Narrator, Show, Voice};
use compare::Compared;
use question::questions;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use way::Times;

/// How large, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// About how many persons each TRE has.
    #[arg(long, default_value_t = 1_000)]
    persons: u64,
    /// The seed of the data.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep the folder.
    #[arg(long)]
    keep: bool,
    /// A new folder for everything; without it a temporary one, which goes at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout; everything else goes to stderr.
    #[arg(long)]
    json: bool,
}

/// Runs the demo; false when a figure is wrong.
///
/// # Errors
/// When a step fails; with `--json` the object says so first.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let narrator = Narrator::new(if args.json { Voice::Stderr } else { Voice::Stdout });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let shown = runtime.block_on(async {
        tokio::select! {
            shown = show(args, narrator) => shown,
            // The nodes go when the cluster is dropped.
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    if args.json {
        let answer = match &shown {
            Ok(shown) => shown.told(),
            Err(error) => json!({ "ok": false, "error": format!("{error:#}") }),
        };
        anstream::println!("{answer}");
    }
    shown.map(|shown| shown.ok())
}

/// What the demo found.
struct Shown {
    times: Vec<Times>,
    compared: Vec<Compared>,
    peak_rss_mb: f64,
}

impl Shown {
    fn max_relative_error(&self) -> f64 {
        self.compared.iter().map(Compared::relative_error).fold(0.0, f64::max)
    }

    fn ok(&self) -> bool {
        !self.compared.is_empty() && self.compared.iter().all(Compared::holds)
    }

    fn told(&self) -> serde_json::Value {
        let times = |of: fn(&Times) -> Duration| {
            let mut times: Vec<f64> = self.times.iter().map(|one| rounded(of(one).as_secs_f64() * 1e3)).collect();
            times.sort_by(f64::total_cmp);
            json!({ "p50": times.get(times.len() / 2), "max": times.last() })
        };
        json!({
            "ok": self.ok(),
            "tres": TRES.len(),
            "tasks": self.times.len(),
            "max_relative_error": self.max_relative_error(),
            "submit_to_held_ms": times(|one| one.held),
            "submit_to_result_ms": times(|one| one.result),
            "node_peak_rss_mb": rounded(self.peak_rss_mb),
        })
    }
}

/// To one decimal: more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

async fn show(args: &Args, narrator: Narrator) -> anyhow::Result<Shown> {
    let began = Instant::now();
    let plan = Plan { persons: args.persons, seed: args.seed };
    let mut cluster = Cluster::found(Program::this()?, args.dir.as_deref(), plan, narrator).await?;
    if args.keep {
        cluster.keep();
    }
    cluster.runner.must(&["network", "show"], Show::Lines(18)).await?;
    narrator.heading("four nodes start: a hub, and three TREs that dial it");
    for name in cluster.names() {
        let config = format!("nodes/{name}/node.toml");
        cluster.runner.must(&["node", "check", "--config", &config], Show::Lines(1)).await?;
        narrator.command(&line(&["node", "run", "--config", &config]), "", Show::Command);
    }
    cluster.start().await?;
    let federation = cluster.runner.ask(&["network", "show"]).await?;
    let network = federation["network"].as_str().unwrap_or_default().to_owned();

    let folders: Vec<PathBuf> = TRES.iter().map(|(tre, ..)| cluster.layout.data(tre)).collect();
    let mut shown = Shown { times: Vec::new(), compared: Vec::new(), peak_rss_mb: 0.0 };
    for (index, question) in questions().iter().enumerate() {
        let way = way::Way { cluster: &cluster, network: &network, first: index == 0 };
        let (times, answer) = way.go(question).await?;
        let (asked, folders) = (question.clone(), folders.clone());
        let expected = tokio::task::spawn_blocking(move || asked.pooled(&folders)).await??;
        let compared = compare::compare(&answer, &expected)?;
        narrator.say(&way::beside(&compared));
        shown.times.push(times);
        shown.compared.extend(compared);
    }
    shown.peak_rss_mb = cluster.peak_rss_mb();
    cluster.stop().await?;

    narrator.heading("the end");
    narrator.say(&format!(
        "{} figures, each computed by three TREs without a row leaving them; the largest relative difference to the pooled data is {:.1e}: {}",
        shown.compared.len(),
        shown.max_relative_error(),
        if shown.ok() { "✓ they agree" } else { "✗ they do NOT agree" },
    ));
    narrator
        .say(&format!("{:.1} s in all. Play on by hand: cargo run -p testnet -- up", began.elapsed().as_secs_f64()));
    if args.keep || args.dir.is_some() {
        narrator.say(&format!("Everything is still in {}", cluster.layout.folder().display()));
    }
    Ok(shown)
}
