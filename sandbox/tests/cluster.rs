//! A component of ours, unchanged, over files and over a cluster of two executors: the same figures with the same evidence.

#![cfg(feature = "flight")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

#[path = "fixture/cluster.rs"]
mod ballista;
mod engine;
#[path = "fixture/parquet.rs"]
mod parquet;

use ballista::{Cluster, cluster};
use sandbox::database::Database;
use sandbox::database::datafusion::{self, DataFusionDatabase};
use sandbox::database::flight::{self, FlightDatabase};
use sandbox::engine::{Engine, Metering};
use sandbox::limits::Limits;
use sandbox::output::{Content, DeclaredOutput, Outputs};
use sandbox::run::{Failure, Task, run};
use sandbox::value::Value;
use sandbox::witness::WitnessedTable;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

const SQL: &[u8] = include_bytes!("../components/prebuilt/sql.wasm");
const STATISTICS: &[u8] = include_bytes!("../components/prebuilt/statistics.wasm");

/// 1,000 persons with two visits each, in eight files; costs that no binary fraction is, so that the order of additions could show.
async fn dataset(folder: &Path) -> (DataFusionDatabase, FlightDatabase) {
    let mut visits = String::from("person_id,visit,sex,cost\n");
    for person in 1..=1_000 {
        for visit in 1..=2 {
            let sex = if person % 2 == 0 { "f" } else { "m" };
            visits += &format!("{person},{visit},{sex},{}.{}\n", person + visit, person % 9 + 1);
        }
    }
    let csv = folder.join("visits.csv");
    std::fs::write(&csv, visits).unwrap();
    let parts = folder.join("parts");
    parquet::write_parts(&csv, &parts.join("visits"), 8).await;
    let files = datafusion::Options {
        directory: parts.clone(),
        tables: vec!["visits".into()],
        ..datafusion::Options::default()
    };
    let cluster = flight::Options {
        port: cluster().port,
        accept_anonymous: true,
        setup: Cluster::setup(&parts, &["visits"]),
        tables: vec!["visits".into()],
        ..flight::Options::default()
    };
    (DataFusionDatabase::open(files).unwrap(), FlightDatabase::open(cluster).await.unwrap())
}

async fn ask(
    engine: &Engine,
    database: &dyn Database,
    wasm: &[u8],
    parameters: &[(&str, &str)],
    outputs: &[&str],
    limits: Limits,
) -> Result<Outputs, Failure> {
    let declared = outputs.iter().map(|name| DeclaredOutput { name: (*name).into(), media_type: "text/csv".into() });
    let (_, cancel) = watch::channel(false);
    let task = Task {
        component: engine.compile(wasm).await.unwrap(),
        parameters: parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        outputs: declared.collect(),
        handles: BTreeMap::from([("omop".to_owned(), database.begin(Duration::from_secs(600)).await.unwrap())]),
        limits: Limits { wall: limits.wall.min(Duration::from_secs(120)), ..limits },
        cancel,
        progress: None,
    };
    run(engine, task).await
}

fn witnessed(outputs: &Outputs) -> Vec<&WitnessedTable> {
    let tables = outputs.outputs.iter().map(|output| match &output.content {
        Content::Witnessed(table) => table,
        Content::Opaque { .. } => panic!("the host made the table"),
    });
    tables.collect()
}

fn opaque(outputs: &Outputs) -> &[u8] {
    match &outputs.outputs[0].content {
        Content::Opaque { bytes, .. } => bytes,
        Content::Witnessed(_) => panic!("the component wrote bytes"),
    }
}

/// The same number but for the last digits of a double.
fn near(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float64(a), Value::Float64(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
        (a, b) => a == b,
    }
}

#[tokio::test]
async fn the_same_component_gives_the_same_figures_over_files_and_over_a_cluster_three_times() {
    let folder = tempfile::tempdir().unwrap();
    let (files, over_cluster) = dataset(folder.path()).await;
    let engine = engine::engine(Metering::Time, None).await;
    let parameters = [("table", "visits"), ("analysis", "count,variance"), ("column", "cost"), ("by", "sex")];
    let outputs = ["count", "variance"];
    let of = async |database: &dyn Database| {
        ask(&engine, database, STATISTICS, &parameters, &outputs, Limits::default()).await.unwrap()
    };
    let expected = of(&files).await;
    let mut first: Option<Outputs> = None;
    for _ in 0..3 {
        let found = of(&over_cluster).await;
        for (expected, found) in witnessed(&expected).into_iter().zip(witnessed(&found)) {
            assert_eq!(expected.rows.len(), found.rows.len());
            let cells = expected.rows.iter().flatten().zip(found.rows.iter().flatten());
            assert!(cells.into_iter().all(|(a, b)| near(a, b)), "other figures");
            for (a, b) in expected.evidence.iter().flatten().zip(found.evidence.iter().flatten()) {
                let (Some(a), Some(b)) = (a, b) else { continue };
                assert_eq!((a.rows, a.subjects, a.degrees_of_freedom), (b.rows, b.subjects, b.degrees_of_freedom));
                assert!((a.largest - b.largest).abs() <= 1e-12 * a.largest.abs(), "other evidence");
                assert!((a.sum - b.sum).abs() <= 1e-12 * a.sum.abs(), "other evidence");
            }
            assert_eq!(expected.contributors.subjects.len(), found.contributors.subjects.len());
        }
        // to the last bit, whatever executor read which file
        let first = first.get_or_insert(found.clone());
        for (first, found) in witnessed(first).into_iter().zip(witnessed(&found)) {
            assert!(first.rows == found.rows && first.evidence == found.evidence, "two runs differ");
        }
    }
    for executor in ["one", "two"] {
        assert!(cluster().jobs_of(executor) > 0, "{executor} had nothing to do");
    }
}

#[tokio::test]
async fn rows_in_an_order_are_the_same_bytes_from_both_and_budgets_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (files, over_cluster) = dataset(folder.path()).await;
    let engine = engine::engine(Metering::Time, None).await;
    let of = async |database: &dyn Database, sql: &str, limits: Limits| {
        ask(&engine, database, SQL, &[("query", sql)], &["result"], limits).await
    };
    for sql in [
        "SELECT sex, count(*) AS n, min(cost) AS a, max(cost) AS b FROM visits GROUP BY sex ORDER BY sex",
        "SELECT person_id, visit, cost FROM visits ORDER BY person_id, visit",
    ] {
        let expected = of(&files, sql, Limits::default()).await.unwrap();
        for _ in 0..3 {
            let found = of(&over_cluster, sql, Limits::default()).await.unwrap();
            assert!(opaque(&expected) == opaque(&found), "{sql}");
        }
    }
    let all = "SELECT person_id, cost FROM visits";
    for limits in [
        Limits { rows: 1_999, ..Limits::default() },
        Limits { bytes: 31_999, ..Limits::default() },
        Limits { queries: 0, ..Limits::default() },
    ] {
        assert!(of(&over_cluster, all, limits).await.unwrap_err().usage().rows < 2_000);
    }
    let wall = Duration::from_secs(3);
    let begun = std::time::Instant::now();
    let bomb = "SELECT count(*) AS n FROM visits a JOIN visits b ON a.sex = b.sex JOIN visits c ON c.sex = b.sex WHERE a.cost + b.cost <> c.cost";
    assert!(of(&over_cluster, bomb, Limits { wall, ..Limits::default() }).await.is_err());
    assert!(begun.elapsed() < wall + Duration::from_secs(4), "{:?} with the session's beginning", begun.elapsed());
}
