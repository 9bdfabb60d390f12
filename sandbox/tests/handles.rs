//! Components of our own, in the real engine over real files: rows in batches, witnessed tables, budgets and bounded handles.

#![cfg(feature = "datafusion")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod engine;

use sandbox::database::datafusion::{DataFusionDatabase, Options};
use sandbox::database::{Database as _, Session};
use sandbox::engine::Metering;
use sandbox::limits::Limits;
use sandbox::output::{Content, DeclaredOutput, Outputs};
use sandbox::run::{Failure, FailureKind, Task, run};
use sandbox::value::Value;
use sandbox::witness::{Role, WitnessedTable};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const SQL: &[u8] = include_bytes!("../components/prebuilt/sql.wasm");
const STATISTICS: &[u8] = include_bytes!("../components/prebuilt/statistics.wasm");

/// 1,000 persons, two visits each: cost = person + visit, so that every figure has a formula.
async fn dataset(directory: &Path) -> Arc<dyn Session> {
    let mut visits = String::from("person_id,visit,sex,cost\n");
    for person in 1..=1_000 {
        for visit in 1..=2 {
            let sex = if person % 2 == 0 { "f" } else { "m" };
            visits += &format!("{person},{visit},{sex},{}.5\n", person + visit);
        }
    }
    std::fs::write(directory.join("visits.csv"), visits).unwrap();
    let options = Options { directory: directory.to_owned(), tables: vec!["visits".into()], ..Options::default() };
    DataFusionDatabase::open(options).unwrap().begin(Duration::from_secs(600)).await.unwrap()
}

async fn ask(wasm: &[u8], parameters: &[(&str, &str)], outputs: &[&str], limits: Limits) -> Result<Outputs, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine::engine(Metering::Time, None).await;
    let declared = outputs.iter().map(|name| DeclaredOutput { name: (*name).into(), media_type: "text/csv".into() });
    let (_, cancel) = watch::channel(false);
    let task = Task {
        component: engine.compile(wasm).await.unwrap(),
        parameters: parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        outputs: declared.collect(),
        handles: BTreeMap::from([("omop".to_owned(), dataset(directory.path()).await)]),
        limits: Limits { wall: Duration::from_secs(120), ..limits },
        cancel,
        progress: None,
    };
    run(&engine, task).await
}

async fn query(sql: &str, limits: Limits) -> Result<Outputs, Failure> {
    ask(SQL, &[("query", sql)], &["result"], limits).await
}

fn opaque(mut outputs: Outputs) -> String {
    match outputs.outputs.remove(0).content {
        Content::Opaque { bytes, .. } => String::from_utf8(bytes).unwrap(),
        Content::Witnessed(_) => panic!("the component wrote bytes"),
    }
}

fn witnessed(outputs: &Outputs, name: &str) -> WitnessedTable {
    match &outputs.outputs.iter().find(|output| output.name == name).unwrap().content {
        Content::Witnessed(table) => table.clone(),
        Content::Opaque { .. } => panic!("the host made the table"),
    }
}

fn near(value: &Value, expected: f64) -> bool {
    matches!(value, Value::Float64(value) if (value - expected).abs() <= 1e-12 * expected.abs())
}

#[tokio::test]
async fn rows_reach_a_component_in_batches_and_its_statement_is_kept() {
    let outputs =
        query("SELECT sex, count(*) AS n FROM visits GROUP BY sex ORDER BY sex", Limits::default()).await.unwrap();
    assert_eq!(outputs.statements.len(), 1);
    assert_eq!((outputs.usage.queries, outputs.usage.rows), (1, 2));
    assert_eq!(opaque(outputs), "sex,n\nf,1000\nm,1000\n");
    let outputs = query("SELECT person_id, cost FROM visits", Limits::default()).await.unwrap();
    assert_eq!(outputs.usage.rows, 2_000);
    assert_eq!(opaque(outputs).lines().count(), 2_001);
}

#[tokio::test]
async fn what_is_not_granted_is_denied_in_constant_words() {
    for sql in ["SELECT * FROM salaries", "SELECT 1; SELECT 2", "DROP TABLE visits", "SELECT * FROM '/etc/passwd'"] {
        let failure = query(sql, Limits::default()).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Returned, "{sql}");
        assert!(failure.statements_for_reviewer().is_empty(), "{sql}");
        assert!(failure.log_for_reviewer().iter().any(|line| line.starts_with("host: ")), "{sql}");
    }
}

#[tokio::test]
async fn threat_39_an_engines_words_do_not_reach_the_component() {
    let failure = query("SELECT CAST(sex AS BIGINT) AS n FROM visits", Limits::default()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Returned);
    // the engine names the cell's value; the component learns that it failed, the reviewer why
    assert!(!failure.detail_for_reviewer().contains("'m'") && !failure.detail_for_reviewer().contains("'f'"));
    assert!(failure.log_for_reviewer().iter().any(|line| line.starts_with("host: the engine")));
    assert!(!format!("{failure} {failure:?}").contains("Cast"));
}

#[tokio::test]
async fn budgets_of_rows_bytes_and_queries_hold() {
    let all = "SELECT person_id, cost FROM visits";
    for limits in [
        Limits { rows: 1_999, ..Limits::default() },
        Limits { bytes: 31_999, ..Limits::default() },
        Limits { queries: 0, ..Limits::default() },
        Limits { open_results: 0, ..Limits::default() },
    ] {
        let failure = query(all, limits).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Returned);
        assert!(failure.usage().rows < 2_000);
    }
    let outputs = query(all, Limits { rows: 2_000, bytes: 32_000, queries: 1, open_results: 1, ..Limits::default() })
        .await
        .unwrap();
    assert_eq!((outputs.usage.rows, outputs.usage.bytes), (2_000, 32_000));
}

#[tokio::test]
async fn a_witnessed_table_arrives_unchanged_with_its_evidence() {
    let parameters = [("table", "visits"), ("analysis", "count,variance"), ("column", "cost"), ("by", "sex")];
    let outputs = ask(STATISTICS, &parameters, &["count", "variance"], Limits::default()).await.unwrap();
    let counts = witnessed(&outputs, "count");
    assert!(
        counts.rows == [[Value::Text("f".into()), Value::Int64(1_000)], [Value::Text("m".into()), Value::Int64(1_000)]]
    );
    assert_eq!(counts.columns[0].role, Role::Key);
    let evidence = counts.evidence[0][1].unwrap();
    assert_eq!((evidence.rows, evidence.subjects), (1_000, 500));
    assert!(evidence.largest.total_cmp(&2.0).is_eq());
    // f: persons 2, 4 … 1000, costs p + 1.5 and p + 2.5: mean 501 + 2; squares 4 (500² - 1)/12 between persons and 1/4 within
    let spread = witnessed(&outputs, "variance");
    let row = &spread.rows[0];
    assert!(row[1] == Value::Int64(1_000) && near(&row[2], 503.0));
    assert!(near(&row[3], (4.0 * (250_000.0 - 1.0) / 12.0 + 0.25) * 1_000.0 / 999.0));
    let evidence = spread.evidence[0][3].unwrap();
    assert_eq!((evidence.degrees_of_freedom, evidence.negatives, evidence.special), (999, 0, 0));
    // person 1000 brings 1001.5 + 1002.5, person 998 brings 999.5 + 1000.5
    assert!((evidence.largest - 2_004.0).abs() < 1e-9 && (evidence.second - 2_000.0).abs() < 1e-9);
    assert!((evidence.sum - 503_000.0).abs() < 1e-6);
    assert_eq!(outputs.usage.rows, 0);
    assert_eq!(outputs.usage.witnessed_rows, 4_000);
    // only the columns that count are read
    assert!(outputs.statements[0].starts_with("SELECT \"person_id\", \"sex\" FROM ("), "{}", outputs.statements[0]);
}

#[tokio::test]
async fn threat_31_a_repeated_run_gives_the_same_figures() {
    let parameters = [("table", "visits"), ("analysis", "variance"), ("column", "cost"), ("by", "visit,sex")];
    let first = ask(STATISTICS, &parameters, &["variance"], Limits::default()).await.unwrap();
    for _ in 0..2 {
        let again = ask(STATISTICS, &parameters, &["variance"], Limits::default()).await.unwrap();
        assert!(witnessed(&first, "variance") == witnessed(&again, "variance"));
    }
}

/// Every bit of what two tasks hand over.
async fn bits() -> String {
    let statistics = [("table", "visits"), ("analysis", "variance"), ("column", "cost"), ("by", "visit,sex")];
    let tables = ask(STATISTICS, &statistics, &["variance"], Limits::default()).await.unwrap();
    let rows = witnessed(&tables, "variance").rows;
    let cells = rows.iter().flatten().map(|cell| match cell {
        Value::Float64(value) => format!("{:016x}", value.to_bits()),
        Value::Int64(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        other => panic!("no such cell here: {other:?}"),
    });
    let cells: Vec<String> = cells.collect();
    let csv = query("SELECT sex, avg(cost) AS m FROM visits GROUP BY sex ORDER BY sex", Limits::default()).await;
    format!("{} {}", cells.join(" "), opaque(csv.unwrap()).replace('\n', "/"))
}

/// Not a test by itself: one run of the next test, on other settings.
#[test]
fn a_run_on_other_settings() {
    let Some(threads) = std::env::var_os("QUINTES_TEST_THREADS") else { return };
    let threads = threads.to_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    println!("\nbits: {}", runtime.block_on(bits()));
}

#[test]
fn threat_31_other_threads_time_zone_and_language_give_the_same_bits() {
    let run = |threads: &str, zone: &str, language: &str| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["a_run_on_other_settings", "--exact", "--nocapture"])
            .envs([("QUINTES_TEST_THREADS", threads), ("TZ", zone), ("LANG", language), ("LC_ALL", language)])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().find_map(|line| line.strip_prefix("bits: ")).expect("it ran").to_owned()
    };
    let first = run("1", "UTC", "C");
    assert!(first.contains("f,"), "{first}");
    for (threads, zone, language) in
        [("1", "UTC", "C"), ("2", "Pacific/Kiritimati", "tr_TR.UTF-8"), ("2", "America/St_Johns", "de_DE")]
    {
        assert_eq!(run(threads, zone, language), first, "{threads} threads, {zone}, {language}");
    }
}

#[tokio::test]
async fn groups_are_capped() {
    let parameters = [("table", "visits"), ("analysis", "count"), ("by", "person_id")];
    let failure =
        ask(STATISTICS, &parameters, &["count"], Limits { groups: 999, ..Limits::default() }).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Returned);
    ask(STATISTICS, &parameters, &["count"], Limits { groups: 1_000, ..Limits::default() }).await.unwrap();
}

#[tokio::test]
async fn threat_27_what_tables_keep_of_their_contributors_is_capped() {
    // two tables of 1,000 subjects: each subject takes 33 bytes, and its place in a set 4
    let parameters = [("table", "visits"), ("analysis", "count,mean"), ("column", "cost"), ("by", "sex")];
    let with = |contributor_bytes| Limits { contributor_bytes, ..Limits::default() };
    let failure = ask(STATISTICS, &parameters, &["count", "mean"], with(50_000)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Returned);
    assert!(failure.log_for_reviewer().iter().any(|line| line.contains("more subjects behind the witnessed tables")));
    ask(STATISTICS, &parameters, &["count", "mean"], with(100_000)).await.unwrap();
}

/// Opens connections until the host has no more room for them.
const FLOOD: &str = r#"(component
    (import "quintes:analysis/types@0.1.0" (instance $types
        (type $kinds (enum "rows" "bytes" "queries" "time" "open-results"))
        (export "budget-kind" (type $kind (eq $kinds)))
        (type $errors (variant (case "no-such-handle" string) (case "denied" string) (case "invalid-query" string)
            (case "budget-exhausted" $kind) (case "cancelled") (case "engine" string)))
        (export "error" (type (eq $errors)))))
    (alias export $types "error" (type $error))
    (import "quintes:analysis/database@0.1.0" (instance $database
        (alias outer 1 $error (type $errors))
        (export "error" (type $error (eq $errors)))
        (export "connection" (type $connection (sub resource)))
        (export "open" (func (param "name" string) (result (result (own $connection) (error $error)))))))
    (core module $memory
        (memory (export "memory") 1) (data (i32.const 64) "omop")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
    (core instance $memory (instantiate $memory))
    (core func $open (canon lower (func $database "open")
        (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
    (core module $m
        (import "host" "memory" (memory 1))
        (import "host" "open" (func $open (param i32 i32 i32)))
        (global $opened (mut i32) (i32.const 0))
        (func (export "run") (result i32)
            (loop $l
                (call $open (i32.const 64) (i32.const 4) (i32.const 0))
                (if (i32.load8_u (i32.const 0)) (then unreachable))
                (global.set $opened (i32.add (global.get $opened) (i32.const 1)))
                (br_if $l (i32.lt_u (global.get $opened) (i32.const LIMIT))))
            (i32.store (i32.const 0) (i32.const 0))
            i32.const 0))
    (core instance $i (instantiate $m (with "host" (instance
        (export "memory" (memory $memory "memory")) (export "open" (func $open))))))
    (func (export "run") (result (result (error string)))
        (canon lift (core func $i "run") (memory (core memory $memory "memory")))))"#;

#[tokio::test]
async fn threat_27_a_flood_of_handles_is_bounded() {
    let with = |limit: &str| wat::parse_str(FLOOD.replace("LIMIT", limit)).unwrap();
    ask(&with("1000"), &[], &[], Limits::default()).await.unwrap();
    let failure = ask(&with("1001"), &[], &[], Limits::default()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Trapped);
}
