//! One snapshot per task: what a writer does meanwhile is not seen, and a session does not last for ever.

use super::*;

fn count(found: Result<(Vec<ColumnInfo>, Vec<Batch>), DatabaseError>) -> String {
    text(&found.unwrap_or_else(|error| panic!("{}", error.for_reviewer())).1).join("; ")
}

#[tokio::test]
async fn threat_59_a_task_sees_one_snapshot_beside_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.db");
    let make = "CREATE TABLE t (person_id BIGINT, v BIGINT); INSERT INTO t VALUES (1, 1), (2, 2);";
    write_sqlite(&file, &format!("PRAGMA journal_mode = WAL; {make}"));
    let password = server().database("snapshots", make);
    let more = "INSERT INTO t VALUES (3, 3); UPDATE t SET v = 7 WHERE person_id = 1;";
    type Write<'a> = Box<dyn Fn() + 'a>;
    let engines: Vec<(Arc<dyn Database>, Write<'_>)> = vec![
        (
            Arc::new(SqliteDatabase::open(sqlite_options(&file, &["t"])).unwrap()),
            Box::new(|| write_sqlite(&file, more)),
        ),
        (
            Arc::new(
                PostgresDatabase::open(postgres_options(folder.path(), "snapshots", &password, &["t"])).await.unwrap(),
            ),
            Box::new(|| drop(server().sql("snapshots", &format!("SET search_path = omop; {more}")))),
        ),
    ];
    for (database, write) in engines {
        let dialect = database.dialect();
        let sql = "select count(*) as n, sum(cast(v as double precision)) as s from t";
        let statement = admit(sql, dialect, database.relations()).unwrap();
        let before = database.begin(MOST).await.unwrap();
        let first = count(read(&*before, &statement, &[]).await);
        let again = database.begin(MOST).await.unwrap();
        // other tests write to the same server, and any transaction there makes another snapshot
        if dialect == Dialect::Sqlite {
            assert_eq!(before.snapshot(), again.snapshot(), "nothing was written in between");
        }
        write();
        let after = database.begin(MOST).await.unwrap();
        assert_eq!(count(read(&*before, &statement, &[]).await), first, "{dialect}");
        assert_eq!(count(read(&*after, &statement, &[]).await), "3 | 12.0", "{dialect}");
        assert_eq!(count(read(&*before, &statement, &[]).await), "2 | 3.0", "{dialect}");
        assert_ne!(before.snapshot(), after.snapshot(), "{dialect}");
    }
}

#[tokio::test]
async fn results_of_one_session_are_read_side_by_side() {
    let rows = (0..30_000).map(|id| format!("({id}, {})", id % 7)).collect::<Vec<_>>().join(", ");
    let make = format!("CREATE TABLE t (person_id BIGINT, v BIGINT); INSERT INTO t VALUES {rows};");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.db");
    write_sqlite(&file, &make);
    let password = server().database("sides", &make);
    let postgres = PostgresDatabase::open(postgres_options(folder.path(), "sides", &password, &["t"])).await.unwrap();
    let engines: [Arc<dyn Database>; 2] =
        [Arc::new(SqliteDatabase::open(sqlite_options(&file, &["t"])).unwrap()), Arc::new(postgres)];
    for database in engines {
        let session = database.begin(MOST).await.unwrap();
        let sql = "select person_id, v from t order by person_id";
        let statement = admit(sql, database.dialect(), database.relations()).unwrap();
        let mut one = session.query(&statement, &[]).await.unwrap();
        let mut two = session.query(&statement, &[]).await.unwrap();
        let dropped = session.query(&statement, &[]).await.unwrap();
        drop(dropped);
        let mut seen = (0, 0);
        loop {
            let (a, b) = (one.next().await.unwrap(), two.next().await.unwrap());
            let (Some(a), Some(b)) = (a, b) else { break };
            seen = (seen.0 + a.rows, seen.1 + b.rows);
            assert!(a.rows <= 8_192);
        }
        assert_eq!(seen, (30_000, 30_000), "{}", database.dialect());
        // an error of one statement leaves the session as it is
        let bad = admit("select upper(v) as u from t where v = 'x'", database.dialect(), database.relations()).unwrap();
        let _ = read(&*session, &bad, &[]).await;
        let sql = "select count(*) as n from t";
        let statement = admit(sql, database.dialect(), database.relations()).unwrap();
        assert_eq!(count(read(&*session, &statement, &[]).await), "30000");
    }
}

/// The backends of a database that a reader holds.
fn backends(name: &str) -> usize {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{name}_reader'");
    server().sql("postgres", &sql).parse().unwrap()
}

#[tokio::test]
async fn threat_58_a_snapshot_is_not_held_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let make = "CREATE TABLE t (person_id BIGINT); INSERT INTO t VALUES (1);";
    let password = server().database("held", make);
    let database = PostgresDatabase::open(postgres_options(folder.path(), "held", &password, &["t"])).await.unwrap();
    let statement = admit("select person_id from t", database.dialect(), database.relations()).unwrap();
    let session = database.begin(Duration::from_secs(1)).await.unwrap();
    soon("the end of a forgotten session", || backends("held") == 0).await;
    assert!(read(&*session, &statement, &[]).await.is_err(), "its time is over");
    // dropped in time, it is gone at once
    let session = database.begin(MOST).await.unwrap();
    assert_eq!(count(read(&*session, &statement, &[]).await), "1");
    drop(session);
    soon("the end of a dropped session", || backends("held") == 0).await;
    // SQLite: a writer that waits for the reader gets its turn
    let file = folder.path().join("t.db");
    write_sqlite(&file, make);
    let database = SqliteDatabase::open(sqlite_options(&file, &["t"])).unwrap();
    let _session = database.begin(Duration::from_secs(1)).await.unwrap();
    soon("a writer's turn", || {
        let writer = rusqlite::Connection::open(&file).unwrap();
        writer.execute_batch("INSERT INTO t VALUES (2)").is_ok()
    })
    .await;
}
