//! `review`: what it takes until a data owner can decide (every rule over a large output), and until the decision is a result.

use super::{Baseline, Figure, Samples, page};
use crate::cluster::{Cluster, PROJECT, Plan, Program, RESEARCHER, TRES};
use crate::corpus::case::witnessed;
use crate::corpus::study::Study;
use crate::corpus::tre::{Tre, hold};
use crate::narrate::{Narrator, Show};
use anyhow::Context as _;
use protocol::disclosure::canonical::canonicalise;
use protocol::disclosure::policy::Policy;
use protocol::disclosure::table::Witnessed;
use protocol::lifecycle::Phase;
use protocol::record::submission::TaskId;
use std::time::{Duration, Instant};

/// Rows of the output that is checked, the most that a policy allows by default.
const ROWS: u64 = 5_000;

/// Releases that left before.
const RELEASES: u64 = 1_000;

/// Cells of each of them.
const CELLS: u64 = 20;

/// People in the data.
const PEOPLE: u64 = 100_000;

/// Tasks that go all the way through a federation, at most: each takes seconds, most of them before the attestation.
const WAYS: u32 = 10;

/// How long a task may take until it is held.
const PATIENCE: Duration = Duration::from_secs(60);

/// The figures.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let bar = narrator.progress("releases and checks", Some(RELEASES + u64::from(samples)));
    let (checked, bare) = tokio::task::spawn_blocking(move || checks(samples, || bar.inc(1))).await??;
    let baseline =
        Baseline { name: "the canonical form of the same table alone, p50", value: milliseconds(bare.percentile(50)) };
    let figure = |name, percent| {
        Figure::new("review", name, milliseconds(checked.percentile(percent)), "ms", &baseline, checked.len())
    };
    let mut figures = vec![figure("check_p50", 50), figure("check_p99", 99)];
    let mut cluster =
        Cluster::found(Program::this()?, None, Plan { persons: 600, seed: 7 }, Narrator::silent()).await?;
    cluster.start().await?;
    std::fs::create_dir_all(cluster.layout.results())?;
    let (views, helps) = page::views(&cluster, samples, narrator).await?;
    figures.push(p50("page_p50", views, "the page's help, which looks at nothing, p50", helps));
    let (results, verbs) = ways(&cluster, samples.min(WAYS), narrator).await?;
    let starts = "two verbs of the command line that do nothing but start, p50";
    figures.push(p50("attestation_to_result_p50", results, starts, verbs));
    cluster.stop().await?;
    Ok(figures)
}

/// The median of one set of times beside another's.
fn p50(name: &'static str, took: Vec<Duration>, baseline: &'static str, bare: Vec<Duration>) -> Figure {
    let (took, bare) = (Samples::new(took), Samples::new(bare));
    let baseline = Baseline { name: baseline, value: milliseconds(bare.percentile(50)) };
    Figure::new("review", name, milliseconds(took.percentile(50)), "ms", &baseline, took.len())
}

/// From the start of the verb that signs the last attestation to the end of the verb that has fetched, decrypted and verified every part; and
/// two verbs that only start.
async fn ways(cluster: &Cluster, samples: u32, narrator: Narrator) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let bar = narrator.progress("from the attestation to the result", Some(u64::from(samples)));
    let (mut took, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=samples {
        let result = way(cluster, round).await?;
        let began = Instant::now();
        for _ in 0..2 {
            cluster.runner.must(&["--version"], Show::Command).await?;
        }
        // The first round compiles the component and warms up.
        if round > 0 {
            took.push(result);
            bare.push(began.elapsed());
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok((took, bare))
}

/// One task: everybody but one data owner has approved when the time begins.
async fn way(cluster: &Cluster, round: u32) -> anyhow::Result<Duration> {
    let runner = &cluster.runner;
    let (key, title) = (format!("people/{RESEARCHER}"), format!("count {round}"));
    let submit = [
        "submit",
        "--component",
        "statistics",
        "--project",
        PROJECT,
        "--all-tres",
        "--title",
        &title,
        "--param",
        "analysis=count",
        "--param",
        "table=person",
        "--key",
        &key,
        "--node",
        &cluster.hub,
        "--yes",
    ];
    let said = runner.must(&submit, Show::Command).await?;
    let task = said.stdout.trim();
    let id: TaskId = task.parse().with_context(|| format!("`quintes submit` printed `{task}`, which is no task id"))?;
    for (tre, ..) in TRES {
        cluster.watch(tre).until_phase(&id, Phase::Held, PATIENCE).await?;
    }
    let (mut began, out) = (Instant::now(), format!("results/{round}"));
    for (tre, owner, _) in TRES {
        let (node, key) = (format!("nodes/{tre}"), format!("people/{owner}"));
        began = Instant::now();
        let approve = ["review", "approve", task, "--reason", "enough people", "--key", &key, "--node", &node, "--yes"];
        runner.must(&approve, Show::Command).await?;
    }
    let fetch = ["fetch", task, "--out", &out, "--wait", "--timeout", "60", "--key", &key, "--node", &cluster.hub];
    runner.must(&fetch, Show::Command).await?;
    Ok(began.elapsed())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A table of three measures, with 20 people behind each row.
fn large() -> Witnessed {
    let rows = (0..ROWS).fold(Study::new(1, &["area"]), |study, row| {
        let first = row * 20 % PEOPLE;
        study.again(&[&format!("area {row:04}")], first..first + 20)
    });
    rows.table(&["count", "sum(cost)", "mean(cost)"])
}

/// Every rule over [`large`], differencing against [`RELEASES`] included, as often as asked; and its canonical form alone.
fn checks(samples: u32, step: impl Fn()) -> anyhow::Result<(Samples, Samples)> {
    let policy = Policy::default();
    let mut tre = Tre::found()?;
    let ledger = tre.ledger()?;
    for release in 0..RELEASES {
        // Groups of some hundred people from anywhere, as cohorts are.
        let table = (0..CELLS).fold(Study::new(release, &["cohort"]), |study, cell| {
            let first = (release * 7_919 + cell * 4_999) % (PEOPLE - 400);
            study.again(&[&format!("cohort {cell}")], first..first + 100 + (release + cell * 13) % 300)
        });
        let given = vec![witnessed("earlier", table.table(&["count", "mean(cost)"]))];
        let held = hold(&tre.admission(&given, &policy)?, given)?;
        ledger.add(&held, &held.names(), release)?;
        step();
    }
    let given = vec![witnessed("large", large())];
    let admission = tre.admission(&given, &policy)?;
    let table = large().table;
    let (mut took, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=samples {
        let copy = given.clone();
        let began = Instant::now();
        let held = hold(&admission, copy)?;
        let reports = ledger.check(&held, tre.terms())?;
        let checked = began.elapsed();
        let began = Instant::now();
        let form = canonicalise(&table, &policy.form(None))?;
        let formed = began.elapsed();
        anyhow::ensure!(reports.len() == 1 && form.bytes() == held.outputs()[0].bytes, "another table was checked");
        // The first round warms up.
        if round > 0 {
            took.push(checked);
            bare.push(formed);
            step();
        }
    }
    Ok((Samples::new(took), Samples::new(bare)))
}
