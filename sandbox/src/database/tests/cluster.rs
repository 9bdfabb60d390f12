//! What only a cluster can do wrong: sessions of others, rows that lie in several places, executors that die, jobs that run on.

use super::*;
use crate::value::ColumnData;
use flight::OpenError;
use std::time::Instant;

/// 4,000 rows in the four files of a table `t`.
fn many() -> Vec<Table> {
    let rows = (0..4_000).map(|id| format!("{id},{},'name {id} aaaaaaaaaaaaaaaa'", id % 40 + 1));
    vec![Table {
        name: "t",
        columns: "id BIGINT, person_id BIGINT, name TEXT",
        header: "id,person_id,name",
        rows: rows.collect(),
    }]
}

async fn options(at: &Cluster, folder: &TempDir, tables: &[Table]) -> flight::Options {
    write_csv(folder.path(), tables);
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    flight_options(at, folder.path(), &names).await
}

async fn opened(options: flight::Options) -> FlightDatabase {
    FlightDatabase::open(options)
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}

async fn refused(options: flight::Options) -> OpenError {
    FlightDatabase::open(options).await.expect_err("it is refused")
}

#[tokio::test]
async fn a_bad_dataset_is_refused_in_words_that_help() {
    let folder = tempfile::tempdir().unwrap();
    let good = options(cluster(), &folder, &tables()).await;
    let with = |change: &dyn Fn(&mut flight::Options)| {
        let mut options = good.clone();
        change(&mut options);
        options
    };
    let said = |error: OpenError| error.to_string();
    let anonymous = said(refused(with(&|options| options.accept_anonymous = false)).await);
    assert!(anonymous.contains("without a password") && anonymous.contains("accept_anonymous = true"), "{anonymous}");
    let open = said(refused(with(&|options| options.host = "192.0.2.1".into())).await);
    assert!(open.contains("plain text") && open.contains("ca_file"), "{open}");
    let closed = said(refused(with(&|options| options.port = 1)).await);
    assert!(closed.contains("cannot be reached"), "{closed}");
    assert!(said(refused(with(&|options| options.tables.clear())).await).contains("no table is granted"));
    for name in ["Person", "person; select 1", "", "1person", "omop.person", "person\""] {
        let error = refused(with(&|options| options.tables.push(name.into()))).await;
        assert!(said(error).contains("cannot be granted"), "{name}");
    }
    assert!(said(refused(with(&|options| options.tables.push("person".into()))).await).contains("cannot be granted"));
    let missing = said(refused(with(&|options| options.tables.push("death".into()))).await);
    assert!(missing.contains("\"death\" is not known"), "{missing}");
    let setup = said(refused(with(&|options| options.setup.push("CREATE NONSENSE".into()))).await);
    assert!(setup.contains("statement 5 of the setup was refused"), "{setup}");
    let subject = said(refused(with(&|options| options.subject = Some("nhs_number".into()))).await);
    assert!(subject.contains("no granted table has the subject column"), "{subject}");
    let view = "CREATE VIEW upper_case AS SELECT person_id AS \"PERSON_ID\" FROM person";
    let column = said(
        refused(with(&|options| {
            options.setup.push(view.into());
            options.tables.push("upper_case".into());
        }))
        .await,
    );
    assert!(column.contains("\"PERSON_ID\"") && column.contains("CREATE VIEW"), "{column}");
    let password = Server::password_file(folder.path(), "canary-password");
    let nobody = said(refused(with(&|options| options.password_file = Some(password.clone()))).await);
    assert!(nobody.contains("name the user"), "{nobody}");
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let open = said(refused(with(&|options| options.password_file = Some(password.clone()))).await);
    assert!(open.contains("others can reach the password file") && open.contains("chmod 600"), "{open}");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    assert!(said(refused(with(&|options| options.ca_file = Some(empty.clone()))).await).contains("no certificate"));
}

#[tokio::test]
async fn a_cluster_whose_queries_cannot_be_ended_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = ballista::start("--disable-rest-api");
    let error = refused(options(&at, &folder, &tables()).await).await.to_string();
    assert!(error.contains("cannot be ended") && error.contains("--disable-rest-api"), "{error}");
}

#[tokio::test]
async fn threat_49_what_others_make_known_at_the_server_is_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = options(cluster(), &folder, &tables()).await;
    let all = opened(other.clone()).await;
    other.setup.retain(|statement| !statement.contains(" note "));
    other.tables.retain(|table| table != "note");
    let some = opened(other).await;
    let session = some.begin(MOST).await.unwrap();
    assert_eq!(lines(&all, "select count(*) as n from note", &[]).await.unwrap(), ["2"]);
    for sql in ["SELECT * FROM note", "SELECT * FROM datafusion.public.note"] {
        assert!(
            read(&*session, &Statement::unchecked(sql), &[]).await.is_err(),
            "{sql}: a session of its own has its own tables"
        );
    }
}

#[tokio::test]
async fn threat_59_a_snapshot_names_the_setup_and_counts_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(cluster(), &folder, &tables()).await;
    let database = opened(options.clone()).await;
    let snapshot = async |database: &FlightDatabase| database.begin(MOST).await.unwrap().snapshot();
    let first = snapshot(&database).await;
    assert_eq!(first, snapshot(&database).await, "nothing changed in between");
    assert_eq!(first, snapshot(&opened(options.clone()).await).await, "nor over a restart");
    options.setup.push("SET datafusion.execution.batch_size = 1000".into());
    assert_ne!(first, snapshot(&opened(options).await).await);
    let table = folder.path().join("parts/person");
    std::fs::copy(table.join("part-0.parquet"), table.join("part-4.parquet")).unwrap();
    assert_ne!(first, snapshot(&database).await, "the table grew");
    // a table of other columns is another dataset
    for part in std::fs::read_dir(&table).unwrap() {
        std::fs::remove_file(part.unwrap().path()).unwrap();
    }
    std::fs::copy(folder.path().join("parts/note/part-0.parquet"), table.join("part-0.parquet")).unwrap();
    let error = database.begin(MOST).await.err().expect("it does not begin");
    assert!(error.for_reviewer().contains("changed since it was opened"), "{}", error.for_reviewer());
}

#[tokio::test]
async fn both_executors_work_and_no_row_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let database = opened(options(cluster(), &folder, &many()).await).await;
    let session = database.begin(MOST).await.unwrap();
    let sql = "select id, name from t where person_id > 0";
    let statement = admit(sql, Dialect::DataFusion, database.relations()).unwrap();
    for _ in 0..3 {
        let (_, batches) = read(&*session, &statement, &[]).await.unwrap();
        let ids = batches.iter().flat_map(|batch| match &batch.columns[0].data {
            ColumnData::Int64(ids) => ids.clone(),
            _ => panic!("ids are integers"),
        });
        let mut ids: Vec<i64> = ids.collect();
        // in whatever order the executors came to their ends
        ids.sort_unstable();
        assert_eq!(ids, (0..4_000).collect::<Vec<_>>());
    }
    // what Ballista 55 counts twice or never ends, unless it is told not to
    let unions = [
        ("select 1 as n union all select 2 union all select 3 order by n", vec!["1", "2", "3"]),
        (
            "select count(*) as n from t where id > 0 union all select count(*) as n from t where id > 1 union all select count(*) as n from t where id > 2 order by n",
            vec!["3997", "3998", "3999"],
        ),
        (
            "select count(*) as n from (select id from t union all select id from t union all select id from t) as u",
            vec!["12000"],
        ),
    ];
    for (sql, expected) in unions {
        assert_eq!(lines(&database, sql, &[]).await.unwrap(), expected, "{sql}");
    }
    for executor in ["one", "two"] {
        assert!(cluster().jobs_of(executor) > 0, "{executor} had nothing to do");
    }
}

#[tokio::test]
async fn what_is_dropped_or_late_is_ended_at_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let at = ballista::start("");
    let database = opened(options(&at, &folder, &many()).await).await;
    // what could not be ended at an executor is not begun
    for sql in [
        "select count(*) as n from t a, t b, t c where a.id + b.id <> c.id",
        "select count(*) as n from t a join t b on a.name like '%a%a%a%a%a%' || b.name cross join t c",
        "select max(a.id) as m from t a where a.id in (select b.id + c.id + d.id from t b, t c, t d)",
    ] {
        let error = lines(&database, sql, &[]).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Invalid(_)), "{sql}");
        assert!(error.for_reviewer().contains("could not be stopped"), "{sql}");
    }
    let limit = Duration::from_millis(1_500);
    // long enough here; an executor that was told to stop goes on to the end of what it reads of a file
    let joined = "t a join t b on b.person_id = a.person_id join t c on c.person_id = b.person_id";
    for sql in [
        format!("select count(*) as n from {joined} where a.id + b.id <> c.id"),
        format!("select count(distinct a.name || b.name || c.name) as n from {joined}"),
        format!("select a.name, b.name, c.name, count(*) as n from {joined} group by a.name, b.name, c.name"),
    ] {
        let sql = sql.as_str();
        let statement = admit(sql, Dialect::DataFusion, database.relations()).unwrap();
        let session = database.begin(MOST).await.unwrap();
        let begun = Instant::now();
        let ended = tokio::time::timeout(limit, read(&*session, &statement, &[])).await;
        let ended = ended.map(|ended| ended.map(drop).map_err(|error| error.for_reviewer()));
        assert!(ended.is_err(), "{sql} is no bomb: {ended:?}");
        assert!(begun.elapsed() < limit + Duration::from_secs(1), "{sql} took {:?}", begun.elapsed());
        soon("the end of the cluster's work", || at.busy() == 0).await;
    }
    // the session's own limit does the same
    let sql = &format!("select count(distinct a.name || b.name || c.name) as n from {joined}");
    let statement = admit(sql, Dialect::DataFusion, database.relations()).unwrap();
    let session = database.begin(Duration::from_secs(5)).await.unwrap();
    let begun = Instant::now();
    assert!(matches!(read(&*session, &statement, &[]).await, Err(DatabaseError::Failed(_))));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    soon("the end of the cluster's work", || at.busy() == 0).await;
    assert_eq!(lines(&database, "select count(*) as n from t", &[]).await.unwrap(), ["4000"]);
}

#[tokio::test]
async fn an_executor_that_dies_in_the_middle_is_a_clean_error_and_the_other_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = ballista::start("");
    let database = opened(options(&at, &folder, &many()).await).await;
    let session = database.begin(MOST).await.unwrap();
    let sql = "select id, name from t where person_id > 0";
    let statement = admit(sql, Dialect::DataFusion, database.relations()).unwrap();
    // its rows lie with both executors now
    let mut rows = session.query(&statement, &[]).await.unwrap();
    at.kill("two");
    let begun = Instant::now();
    let error = loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("half of the rows are lost, and that is not the end of them"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "the engine failed");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let begun = Instant::now();
    loop {
        if let Ok(found) = lines(&database, "select count(*) as n from t where person_id > 0", &[]).await {
            assert_eq!(found, ["4000"]);
            break;
        }
        // until the scheduler knows that the other one is gone
        assert!(begun.elapsed() < Duration::from_secs(90), "the cluster does not recover");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn an_executor_that_dies_while_it_computes_makes_no_wrong_answer_and_no_late_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = ballista::start("");
    let database = opened(options(&at, &folder, &many()).await).await;
    let joined = "t a join t b on b.person_id = a.person_id join t c on c.person_id = b.person_id";
    let sql = format!("select count(*) as n from {joined} where a.id <> b.id");
    let statement = admit(&sql, Dialect::DataFusion, database.relations()).unwrap();
    // Ballista may wait for ever then, or do the work again and count both
    let limit = Duration::from_secs(30);
    let session = database.begin(limit).await.unwrap();
    let killed = async {
        soon("the beginning of the query", || at.busy() > 0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(at.busy() > 0, "the query was over before anything died");
        at.kill("two");
    };
    let begun = Instant::now();
    let answer = async { (read(&*session, &statement, &[]).await, begun.elapsed()) };
    let ((answer, took), ()) = tokio::join!(answer, killed);
    assert!(took < limit + Duration::from_secs(1), "{took:?}");
    match answer {
        Ok((_, batches)) => {
            let counts = batches.iter().map(|batch| match &batch.columns[0].data {
                ColumnData::Int64(counts) => counts.clone(),
                _ => panic!("a count is an integer"),
            });
            // 40 persons with 100 rows each
            assert_eq!(counts.collect::<Vec<_>>().concat(), [40 * 100 * 99 * 100]);
        }
        Err(error) => assert_eq!(error.to_string(), "the engine failed"),
    }
}
