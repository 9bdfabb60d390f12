//! Hostile statements, error texts, bombs, and files that change: rows 39, 49 to 57 and 59 of the threat table.

use super::*;
use crate::statement::tests::HOSTILE;
use std::time::{Duration, Instant};

#[tokio::test]
async fn threats_49_to_57_the_dataset_works_after_every_hostile_statement() {
    let folder = folder(&[("person.csv", b"person_id\n1\n2\n")]);
    let database = open(folder.path(), &["person"]).unwrap();
    for sql in HOSTILE {
        assert!(admit(sql, Dialect::DataFusion, database.relations()).is_err(), "{sql}");
    }
    // the engine by itself does not know what the parser denies either
    let state = database.0.session.context().state();
    for sql in [
        "select now()",
        "select random()",
        "select version()",
        "select repeat('x', 3)",
        "select * from generate_series(1, 3)",
        "select * from information_schema.tables",
        "select * from '/etc/passwd'",
    ] {
        assert!(state.create_logical_plan(sql).await.is_err(), "{sql}");
    }
    assert_eq!(lines(&database, "select count(*) from person", &[]).await.unwrap(), ["2"]);
}

#[tokio::test]
async fn threat_39_an_engine_error_keeps_its_text_to_itself() {
    let folder = folder(&[("t.csv", b"id,name\n0,CANARY\n")]);
    let database = open(folder.path(), &["t"]).unwrap();
    for sql in [
        "select cast(name as bigint) from t",
        "select cast(name as date) from t",
        "select cast(name as timestamp) from t",
        "select cast(name as decimal(5, 2)) from t",
        "select to_timestamp(name) from t",
        "select to_date(name) from t",
        "select 1 / id from t",
        "select 1 % id from t",
        "select date_trunc(name, date '2020-01-01') from t",
        "select chr(id - 1) from t",
        "select factorial(id + 100) from t",
        "select no_such_column from t",
        "select name + 1 from t",
        "select sum(name) from t",
        "select name from t group by id",
        "select * from t where name",
        "select id from t union select id, name from t",
        "select (select name from t union all select 'x') from t",
        "select 9223372036854775807 + 1 + id from t",
        "select make_date(id, 13, 1) from t",
    ] {
        if let Err(error) = lines(&database, sql, &[]).await {
            assert!(
                ["the engine refused the query", "the engine failed"].contains(&error.to_string().as_str()),
                "{sql}"
            );
        }
    }
    assert!(lines(&database, "select cast(name as bigint) from t", &[]).await.is_err());
    assert_eq!(lines(&database, "select count(*) from t", &[]).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn threat_57_bombs_end_by_time_or_memory_and_the_dataset_stays_well() {
    let _alone = THREADS.write().await;
    let mut csv = String::from("id,name\n");
    for i in 0..20_000 {
        writeln!(csv, "{i},name {i} aaaaaaaaaaaaaaaa").unwrap();
    }
    let folder = folder(&[("t.csv", csv.as_bytes())]);
    let database = DataFusionDatabase::open(Options {
        directory: folder.path().into(),
        tables: vec!["t".into()],
        subject: None,
        memory_bytes: 16 * 1024 * 1024,
        ..Options::default()
    })
    .unwrap();
    let limit = Duration::from_millis(500);
    for sql in [
        "select count(*) from t a, t b, t c",
        "select a.id from t a cross join t b cross join t c order by a.name || b.name || c.name",
        "select count(distinct a.name || b.name) from t a, t b",
        "select a.name, b.name, count(*) from t a, t b group by a.name, b.name",
        "select count(*) from t a join t b on a.name like '%a%a%a%a%a%' || b.name",
        "select sum(a.id) over (order by b.id) from t a, t b",
        "select max(a.id) from t a where a.id in (select b.id + c.id from t b, t c)",
    ] {
        let start = Instant::now();
        let ended = tokio::time::timeout(limit, lines(&database, sql, &[])).await;
        assert!(!matches!(ended, Ok(Ok(_))), "{sql} is no bomb");
        assert!(start.elapsed() < limit + Duration::from_secs(1), "{sql} took {:?}", start.elapsed());
        while threads_of_queries() > 0 {
            // a step ends with its batch, which takes seconds without optimisation on a busy machine
            assert!(start.elapsed() < limit + Duration::from_secs(30), "{sql} still computes");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let start = Instant::now();
    assert_eq!(lines(&database, "select count(*) from t", &[]).await.unwrap(), ["20000"]);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn threat_59_a_dataset_that_changes_says_so() {
    let folder = folder(&[("t.csv", b"id\n1\n2\n")]);
    let database = open(folder.path(), &["t"]).unwrap();
    let other = open(folder.path(), &["t"]).unwrap();
    let session = database.begin(MOST).await.unwrap();
    assert_eq!(session.snapshot(), other.begin(MOST).await.unwrap().snapshot());
    let statement = admit("select id from t", Dialect::DataFusion, database.relations()).unwrap();
    let mut running = session.query(&statement, &[]).await.unwrap();
    fs::write(folder.path().join("t.csv"), b"id\n1\n3\n4\n").unwrap();
    let mut ended = Ok(None);
    for _ in 0..3 {
        ended = running.next().await;
        if !matches!(ended, Ok(Some(_))) {
            break;
        }
    }
    assert!(matches!(ended, Err(DatabaseError::Failed(_))), "a running query notices at its end");
    assert!(database.begin(MOST).await.is_err(), "no further task begins");
    let error = session.query(&statement, &[]).await.err().unwrap();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("changed since it was opened"), "{source}");
    let now = open(folder.path(), &["t"]).unwrap();
    assert_ne!(session.snapshot(), now.begin(MOST).await.unwrap().snapshot());
    assert_eq!(lines(&now, "select count(*) from t", &[]).await.unwrap(), ["3"]);
}

/// How many threads compute for this process's queries.
fn threads_of_queries() -> usize {
    let names = fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "query").count()
}
