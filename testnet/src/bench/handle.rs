//! `handle`: what a row costs on its way to a component, beside the same aggregate in native Rust over the same batches; and what a witnessed table
//! costs, beside the engine's own SQL.

use super::batches::Memory;
use super::warm::{PAUSE, component, engine, ours};
use super::{Baseline, Figure, Samples};
use crate::narrate::Narrator;
use anyhow::{Context as _, anyhow};
use sandbox::database::datafusion::{DataFusionDatabase, Options};
use sandbox::database::{Database as _, Session};
use sandbox::engine::{Component, Engine};
use sandbox::limits::Limits;
use sandbox::output::DeclaredOutput;
use sandbox::run::{Task, run};
use sandbox::statement::admit;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The component that reads batches.
const COLUMNS: &str = include_str!("columns.wat");

/// The component whose tables are witnessed.
const STATISTICS: &[u8] = include_bytes!("../../../sandbox/components/prebuilt/statistics.wasm");

/// Batches of 32,768 rows: within the 8 to 64 thousand that an engine gives.
const ROWS: u32 = 32_768;
const BATCHES: u32 = 128;

/// The rows of the witnessed table.
const VISITS: u32 = 200_000;

/// At most so many samples: each takes a good part of a second.
const MOST: u32 = 20;

/// Both figures.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let samples = samples.min(MOST);
    let bar = narrator.progress("rows through a handle", Some(2));
    let engine = engine(None).await?;
    let columns = columns(&engine, samples).await?;
    bar.inc(1);
    let witnessed = witnessed(&engine, samples).await?;
    bar.finish_and_clear();
    Ok(vec![columns, witnessed])
}

/// A component that reads so many rows of `rows` behind the handle `memory`, at most `at_once` in a batch, and traps unless their `y` add up to `total`.
pub(super) fn columns_component(rows: u64, total: i64, at_once: u32) -> anyhow::Result<Vec<u8>> {
    let text = COLUMNS
        .replace("EXPECTED", &rows.to_string())
        .replace("TOTAL", &total.to_string())
        .replace("ROWS", &at_once.to_string());
    wat::parse_str(text).context("the component's text is wrong")
}

async fn columns(engine: &Engine, samples: u32) -> anyhow::Result<Figure> {
    let memory = Memory::new(BATCHES, ROWS);
    let total: i64 = memory.native().iter().map(|group| group.2).sum();
    let rows = f64::from(BATCHES) * f64::from(ROWS);
    let reading = engine.compile(&columns_component(u64::from(BATCHES) * u64::from(ROWS), total, ROWS)?).await?;
    let idle = engine.compile(&component("i32.const 0")?).await?;
    let mut native = Vec::new();
    for _ in 0..samples {
        let began = Instant::now();
        black_box(black_box(&memory).native());
        native.push(began.elapsed());
    }
    let native = Samples::new(native).percentile(50);
    // What every run costs, whatever it reads, is another figure.
    let nothing = ours(engine, &idle, samples, PAUSE).await?.percentile(50);
    let mut took = Vec::new();
    for _ in 0..samples {
        let task = task(&reading, [("memory".to_owned(), memory.handle())], &[], &[]);
        took.push(timed(engine, task).await?.saturating_sub(nothing));
    }
    let took = Samples::new(took);
    let per_row = |duration: Duration| duration.as_secs_f64() * 1e9 / rows;
    let baseline =
        Baseline { name: "the same aggregate in native Rust over the same batches, p50", value: per_row(native) };
    Ok(Figure::new("handle", "column_batches", per_row(took.percentile(50)), "ns/row", &baseline, took.len()))
}

async fn witnessed(engine: &Engine, samples: u32) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let mut text = String::from("person_id,sex,cost\n");
    for visit in 0..VISITS {
        writeln!(text, "{},{},{}.5", visit / 4, if visit % 3 == 0 { "f" } else { "m" }, visit % 997)?;
    }
    std::fs::write(folder.path().join("visits.csv"), text)?;
    let options = Options {
        directory: folder.path().to_owned(),
        tables: vec!["visits".to_owned()],
        subject: Some("person_id".to_owned()),
        ..Options::default()
    };
    let database = tokio::task::spawn_blocking(|| DataFusionDatabase::open(options)).await??;
    let session = database.begin(Duration::from_secs(3_600)).await?;
    let statistics = engine.compile(STATISTICS).await?;
    let parameters =
        [("table", "visits"), ("analysis", "mean"), ("column", "cost"), ("by", "sex"), ("handle", "visits")];
    let (mut ours, mut engines) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        let task = task(&statistics, [("visits".to_owned(), Arc::clone(&session))], &parameters, &["mean"]);
        ours.push(timed(engine, task).await?);
        let sql = "SELECT sex, count(cost), avg(cost) FROM visits GROUP BY sex";
        let statement = admit(sql, session.dialect(), session.relations())?;
        let began = Instant::now();
        let mut rows = session.query(&statement, &[]).await?;
        while let Some(batch) = rows.next().await? {
            black_box(batch.rows);
        }
        engines.push(began.elapsed());
    }
    let (ours, engines) = (Samples::new(ours), Samples::new(engines));
    let per_row = |duration: Duration| duration.as_secs_f64() * 1e9 / f64::from(VISITS);
    let baseline =
        Baseline { name: "the engine's own GROUP BY over the same CSV, p50", value: per_row(engines.percentile(50)) };
    Ok(Figure::new("handle", "witnessed", per_row(ours.percentile(50)), "ns/row", &baseline, ours.len()))
}

/// A run of a component with these handles, parameters and outputs.
pub(super) fn task<const HANDLES: usize>(
    component: &Component,
    handles: [(String, Arc<dyn Session>); HANDLES],
    parameters: &[(&str, &str)],
    outputs: &[&str],
) -> Task {
    let (_, cancel) = watch::channel(false);
    let declared = |name: &&str| DeclaredOutput { name: (*name).to_owned(), media_type: "text/csv".to_owned() };
    Task {
        component: component.clone(),
        parameters: parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        outputs: outputs.iter().map(declared).collect(),
        handles: BTreeMap::from(handles),
        limits: Limits::default(),
        cancel,
        progress: None,
    }
}

/// Runs it; how long it took.
pub(super) async fn timed(engine: &Engine, task: Task) -> anyhow::Result<Duration> {
    tokio::time::sleep(PAUSE).await;
    let began = Instant::now();
    let ended = run(engine, task).await;
    let elapsed = began.elapsed();
    ended.map_err(|failure| {
        anyhow!(
            "the component failed: {}: {} {:?}",
            failure.kind(),
            failure.detail_for_reviewer(),
            failure.log_for_reviewer()
        )
    })?;
    Ok(elapsed)
}
