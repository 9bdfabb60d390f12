//! Rows 39, 42, 49 to 54, 57 and 62 of the threat table, on every engine.

use super::*;
use crate::statement::tests::HOSTILE;
use std::time::Instant;

#[tokio::test]
async fn threats_49_to_57_every_engine_denies_hostile_statements_and_works_afterwards() {
    let engines = Engines::open("hostile", &tables(), &["person", "visit_occurrence"]).await;
    // beside the list for all: what only one engine would read as something that nobody granted
    let own = [
        "select user from person",
        "select current_user from person",
        "select session_user",
        "select localtime",
        "select ctid from person",
        "select xmin from person",
        "select tableoid from person",
        "select rowid from person",
        "select _rowid_ from person",
        "select p from person p",
        "select person from person",
        "select p.row_to_json from person p",
        "select p.pg_typeof from person p",
        "select \"no such column\" from person",
        "select person_id from person where person_id in (select oid from person)",
        "select p.person_id from person p join visit_occurrence v using (ctid)",
        "select age(born) from person",
        "select date('now')",
        "select strftime('%Y')",
        "select sqlite_version()",
        "select zeroblob(1000000000)",
        "select hex(sex) from person",
        "select printf('%1000000000d', 1)",
        "select group_concat(sex) from person",
        "select query_to_xml('select 1', true, true, '')",
        "select pg_notify('c', 'x')",
        "select lo_from_bytea(0, '')",
        "select currval('s')",
        "select txid_current()",
        "select pg_export_snapshot()",
    ];
    for database in &engines.all {
        let (dialect, relations) = (database.dialect(), database.relations());
        for sql in HOSTILE {
            assert!(admit(sql, dialect, relations).is_err(), "{dialect} {sql}");
        }
        for sql in own {
            let denied = admit(sql, dialect, relations).is_err();
            // DataFusion has no such names, and refuses each of them itself
            assert!(denied || lines(&**database, sql, &[]).await.is_err(), "{dialect} {sql}");
        }
        let try_cast = admit("select try_cast(sex as int) as n from person", dialect, relations);
        assert_eq!(try_cast.is_ok(), dialect == Dialect::DataFusion, "{dialect}");
        assert_eq!(lines(&**database, "select count(*) as n from person", &[]).await.unwrap(), ["40"]);
    }
    for sql in [
        "select person_id from person where born > 'today'",
        "select cast(' NOW ' as timestamp)",
        "select date 'tomorrow'",
    ] {
        let postgres = engines.of(Dialect::Postgres);
        assert!(admit(sql, postgres.dialect(), postgres.relations()).is_err(), "a clock: {sql}");
    }
    for sql in [
        "select cast('2020-01-01' as date)",
        "select cast(1 as boolean)",
        "select timestamp '2020-01-01 00:00:00'",
        "select date 'x'",
    ] {
        let sqlite = engines.of(Dialect::Sqlite);
        assert!(admit(sql, sqlite.dialect(), sqlite.relations()).is_err(), "read as something else: {sql}");
    }
}

#[tokio::test]
async fn threat_54_sqlite_by_itself_denies_what_the_parser_would_deny() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.db");
    write_sqlite(
        &file,
        "CREATE TABLE t (person_id INTEGER); INSERT INTO t VALUES (1); CREATE TABLE other (secret TEXT); INSERT INTO other VALUES ('s');
         CREATE VIEW peek AS SELECT secret FROM other; CREATE VIEW granted AS SELECT person_id FROM t;",
    );
    let database = SqliteDatabase::open(sqlite_options(&file, &["t", "granted"])).unwrap();
    let session = database.begin(MOST).await.unwrap();
    let out = folder.path().join("out.db").display().to_string();
    for sql in [
        "SELECT secret FROM other",
        "SELECT secret FROM peek",
        "SELECT sql FROM sqlite_schema",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM pragma_table_info('other')",
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM dbstat",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT randomblob(200000000)",
        "SELECT hex(zeroblob(200000000))",
        "SELECT random()",
        "SELECT date('now')",
        "SELECT sqlite_version()",
        "SELECT printf('%100000000d', 1)",
        "SELECT fts3_tokenizer('simple')",
        "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT count(*) FROM x",
        "PRAGMA database_list",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA trusted_schema = ON",
        &format!("ATTACH DATABASE '{out}' AS x"),
        &format!("VACUUM INTO '{out}'"),
        "DETACH main",
        "INSERT INTO t VALUES (2)",
        "UPDATE t SET person_id = 2",
        "DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE x (y)",
        "ALTER TABLE t RENAME TO x",
        "ANALYZE",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT x",
        "SELECT 1; SELECT 2",
        "SELECT \"no such column\" FROM t",
    ] {
        let begun = Instant::now();
        assert!(read(&*session, &Statement::unchecked(sql), &[]).await.is_err(), "{sql}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{sql}");
    }
    assert!(!Path::new(&out).exists());
    for sql in ["SELECT count(*) FROM t", "SELECT person_id FROM granted"] {
        assert_eq!(text(&read(&*session, &Statement::unchecked(sql), &[]).await.unwrap().1), ["1"]);
    }
}

#[tokio::test]
async fn threats_49_51_52_postgres_by_itself_denies_much_of_what_the_parser_would_deny() {
    let folder = tempfile::tempdir().unwrap();
    let make = "CREATE TABLE t (person_id BIGINT); INSERT INTO t VALUES (1);";
    let password = server().database("deny", make);
    server().sql(
        "deny",
        "CREATE SCHEMA project_b; CREATE TABLE project_b.secret (x int); INSERT INTO project_b.secret VALUES (1);",
    );
    let database = PostgresDatabase::open(postgres_options(folder.path(), "deny", &password, &["t"])).await.unwrap();
    let session = database.begin(MOST).await.unwrap();
    for sql in [
        "SELECT * FROM project_b.secret",
        "SELECT * FROM t",
        "COPY omop.t TO PROGRAM 'cat'",
        "COPY omop.t TO '/tmp/x'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM dblink('x', 'y') AS z(a int)",
        "SELECT 1; SELECT 2",
        "INSERT INTO omop.t VALUES (2)",
        "UPDATE omop.t SET person_id = 2",
        "DELETE FROM omop.t",
        "CREATE TABLE omop.x (y int)",
        "CREATE TEMP TABLE x (y int)",
        "DROP TABLE omop.t",
        "TRUNCATE omop.t",
        "ALTER ROLE deny_reader SUPERUSER",
        "SET ROLE postgres",
        "SET TRANSACTION READ WRITE",
        "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b ORDER BY random()",
        "VACUUM",
    ] {
        let ended =
            tokio::time::timeout(Duration::from_secs(2), read(&*session, &Statement::unchecked(sql), &[])).await;
        assert!(!matches!(ended, Ok(Ok(_))), "{sql}");
    }
    let statement = admit("select person_id from t", database.dialect(), database.relations()).unwrap();
    assert_eq!(text(&read(&*session, &statement, &[]).await.unwrap().1), ["1"]);
    assert_eq!(server().sql("deny", "SELECT count(*) FROM omop.t"), "1");
}

#[tokio::test]
async fn threat_39_every_engines_error_keeps_its_text_to_itself() {
    let engines = Engines::open("canary", &tables(), &["note", "person"]).await;
    for database in &engines.all {
        let (dialect, relations) = (database.dialect(), database.relations());
        for sql in [
            "select cast(body as bigint) as x from note",
            "select cast(body as double precision) as x from note",
            "select cast(body as decimal(5, 2)) as x from note",
            "select cast(body as date) as x from note",
            "select cast(body as timestamp) as x from note",
            "select cast(body as boolean) as x from note",
            "select 1 / note_id as x from note",
            "select 1 % note_id as x from note",
            "select sqrt(note_id - 1) as x from note",
            "select ln(note_id) as x from note",
            "select date_trunc(body, date '2020-01-01') as x from note",
            "select date_part(body, date '2020-01-01') as x from note",
            "select chr(cast(note_id - 1 as int)) as x from note",
            "select body + 1 as x from note",
            "select sum(body) as x from note",
            "select body from note group by note_id",
            "select note_id from note where body",
            "select note_id from note union select note_id, body from note",
            "select (select body from note n where n.note_id < 2) as x from note",
            "select 9223372036854775807 + 1 + note_id as x from note",
            "select to_date(body, body) as x from note",
            "select power(cast(note_id as double precision) - 1, 0.5) as x from note",
            "select substring(body from 1 for -5) as x from note",
            "select make_date(cast(note_id as int), 13, 1) as x from note",
        ] {
            let Ok(statement) = admit(sql, dialect, relations) else { continue };
            let session = database.begin(MOST).await.unwrap();
            if let Err(error) = read(&*session, &statement, &[]).await {
                let said = format!("{error} {error:?}");
                assert!(!said.contains(CANARY), "{dialect} {sql}: {said}");
                let known = ["the engine refused the query", "the engine failed"];
                assert!(known.contains(&error.to_string().as_str()), "{dialect} {sql}");
            }
        }
        assert_eq!(lines(&**database, "select count(*) as n from note", &[]).await.unwrap(), ["2"], "{dialect}");
    }
    // and one does speak of the cell, to the reviewer
    let error =
        lines(engines.of(Dialect::Postgres), "select cast(body as bigint) as x from note", &[]).await.unwrap_err();
    assert!(std::error::Error::source(&error).is_some());
}

/// How many threads of this process have the name.
fn threads(name: &str) -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|own| own.trim() == name).count()
}

#[tokio::test]
async fn threat_57_bombs_end_in_time_on_sqlite_and_postgres_and_the_database_stays_well() {
    let mut tables = tables();
    let rows = (0..20_000).map(|id| format!("{id},{},'name {id} aaaaaaaaaaaaaaaa'", id % 40 + 1));
    tables.push(Table {
        name: "t",
        columns: "id BIGINT, person_id BIGINT, name TEXT",
        header: "id,person_id,name",
        rows: rows.collect(),
    });
    let engines = Engines::open("bombs", &tables, &["t"]).await;
    let limit = Duration::from_millis(500);
    let list = "7,".repeat(999);
    let many = format!("select count(*) as n from t a, t b, t c, t d where a.id in ({list}1) and b.name <> c.name");
    let unions = format!("{} order by 1", ["select a.id from t a, t b, t c"; 20].join(" union all "));
    // DataFusion has the same test of its own, which counts the engine's threads
    for database in engines.all.iter().filter(|database| database.dialect() != Dialect::DataFusion) {
        let (dialect, relations) = (database.dialect(), database.relations());
        for sql in [
            "select count(*) as n from t a, t b, t c",
            "select a.id from t a cross join t b cross join t c order by a.name || b.name || c.name",
            "select count(distinct a.name || b.name) as n from t a, t b, t c",
            "select a.name, b.name, count(*) as n from t a, t b, t c group by a.name, b.name",
            "select count(*) as n from t a join t b on a.name like '%a%a%a%a%a%' || b.name cross join t c",
            "select sum(a.id) over (order by b.id) as s from t a, t b, t c",
            "select max(a.id) as m from t a where a.id in (select b.id + c.id + d.id from t b, t c, t d)",
            many.as_str(),
            unions.as_str(),
        ] {
            let Ok(statement) = admit(sql, dialect, relations) else { panic!("{dialect} {sql}: not admitted") };
            let session = database.begin(MOST).await.unwrap();
            let begun = Instant::now();
            let ended = tokio::time::timeout(limit, read(&*session, &statement, &[])).await;
            assert!(!matches!(ended, Ok(Ok(_))), "{dialect} {sql} is no bomb");
            assert!(begun.elapsed() < limit + Duration::from_secs(1), "{dialect} {sql} took {:?}", begun.elapsed());
            drop(session);
            match dialect {
                Dialect::Postgres => {
                    let busy =
                        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'bombs_reader' AND state = 'active'";
                    soon("the end of the server's work", || server().sql("postgres", busy) == "0").await;
                }
                // threads of other tests have this name too, and end
                Dialect::Sqlite => soon("the end of the engine's threads", || threads("sqlite") == 0).await,
                Dialect::DataFusion => unreachable!("left out above"),
            }
        }
        assert_eq!(lines(&**database, "select count(*) as n from t", &[]).await.unwrap(), ["20000"], "{dialect}");
    }
}

#[tokio::test]
async fn threat_57_a_query_that_the_planner_finds_too_dear_never_runs() {
    let tables = tables();
    let folder = tempfile::tempdir().unwrap();
    let password = server().database("dear", &sql(&tables));
    server().sql("dear", "ANALYZE");
    let open = async |most_cost| {
        let options = postgres_options(folder.path(), "dear", &password, &["visit_occurrence"]);
        PostgresDatabase::open(postgres::Options { most_cost, ..options }).await.unwrap()
    };
    let v = "visit_occurrence";
    let dear = format!("select count(*) as n from {v} a, {v} b, {v} c, {v} d, {v} e, {v} f, {v} g where a.cost > $1");
    let cheap = "select count(*) as n from visit_occurrence where cost > $1";
    let bound = [Value::Float64(-1.0)];
    let database = open(postgres::MOST_COST).await;
    // 10^14 rows of a join: no limit on time is at work here
    let error = lines(&database, &dear, &bound).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Invalid(_)), "{}", error.for_reviewer());
    assert!(error.for_reviewer().contains("costs"), "{}", error.for_reviewer());
    assert_eq!(lines(&database, cheap, &bound).await.unwrap(), ["100"]);
    // the ceiling is the operator's
    let error = lines(&open(1.0).await, cheap, &bound).await.unwrap_err();
    assert!(error.for_reviewer().contains("costs"), "{}", error.for_reviewer());
}

#[tokio::test]
async fn threat_53_what_is_printed_is_read_the_same_way_by_every_engine() {
    let columns = "person_id BIGINT, \"user\" TEXT, \"current_date\" TEXT, \"order\" TEXT";
    let header = "person_id,user,current_date,order";
    let tricky = Table { name: "tricky", columns, header, rows: vec!["1,'u','d','o'".into()] };
    let engines = Engines::open("tricky", &[tricky], &["tricky"]).await;
    let cases = [
        ("select user, \"current_date\", \"order\" from tricky", "\"u\" | \"d\" | \"o\""),
        (
            "select tricky.user as \"select\", t2.\"current_date\" as x from tricky join tricky t2 on t2.person_id = tricky.person_id",
            "\"u\" | \"d\"",
        ),
        (
            "select 'a\\' as a, 'it''s' as b, '/* no */ -- comment' as c from tricky",
            "\"a\\\\\" | \"it's\" | \"/* no */ -- comment\"",
        ),
        (
            "select '$$x$$' as a, 'U&\\0041' as b, '{fn now()}' as c /* note */ from tricky -- end",
            "\"$$x$$\" | \"U&\\\\0041\" | \"{fn now()}\"",
        ),
        (
            "select '\u{2018}\u{e9}\u{1f600}\u{2019}' as a, 1 - -1 as b, - (- 2) as c from tricky",
            "\"\u{2018}\u{e9}\u{1f600}\u{2019}\" | 2 | 2",
        ),
        ("select \"user\" as \"a\"\"b\" from tricky where \"user\" = 'u' and not (user = 'x')", "\"u\""),
    ];
    for database in &engines.all {
        for (sql, expected) in cases {
            let found = lines(&**database, sql, &[]).await;
            let found = found.unwrap_or_else(|error| panic!("{} {sql}: {}", database.dialect(), error.for_reviewer()));
            assert_eq!(found, [expected], "{} {sql}", database.dialect());
        }
    }
}

#[tokio::test]
async fn threat_62_the_password_is_seen_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let password = server().database("secret", "CREATE TABLE t (person_id BIGINT)");
    let options = postgres_options(folder.path(), "secret", &password, &["t"]);
    let database = PostgresDatabase::open(options.clone()).await.unwrap();
    let _session = database.begin(MOST).await.unwrap();
    let mut seen = format!("{options:?} {database:?}");
    for file in ["cmdline", "environ"] {
        seen += &String::from_utf8_lossy(&std::fs::read(format!("/proc/self/{file}")).unwrap());
    }
    let sql = "SELECT string_agg(query, ' ') FROM pg_stat_activity";
    seen += &server().sql("secret", sql);
    let wrong = "canary-password-wrong";
    let error = PostgresDatabase::open(postgres_options(folder.path(), "secret", wrong, &["t"])).await.unwrap_err();
    seen += &format!("{error} {error:?}");
    assert!(error.to_string().contains("check host, port, database, user and password_file"), "{error}");
    assert!(!seen.contains("canary-password"), "a password is seen");
    // a file that others can read is not used at all
    let path = options.password_file.as_ref().unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let error = PostgresDatabase::open(options).await.unwrap_err().to_string();
    assert!(error.contains("others can reach the password file") && error.contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn threat_62_a_host_is_spoken_to_over_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let password = server().database("tls", "CREATE TABLE t (person_id BIGINT); INSERT INTO t VALUES (1);");
    let over = |host: &str, ca_file| postgres::Options {
        host: host.into(),
        ca_file,
        ..postgres_options(folder.path(), "tls", &password, &["t"])
    };
    for host in ["localhost", "127.0.0.1"] {
        let database = PostgresDatabase::open(over(host, Some(server().authority.clone()))).await;
        let database = database.unwrap_or_else(|error| panic!("{host}: {error} {error:?}"));
        assert_eq!(lines(&database, "select count(*) as n from t", &[]).await.unwrap(), ["1"]);
    }
    let error = PostgresDatabase::open(over("127.0.0.1", None)).await.unwrap_err();
    assert!(matches!(error, postgres::OpenError::NoAuthorities), "{error}");
    // another authority did not sign this server
    let other = folder.path().join("other.pem");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=other",
        ])
        .arg("-keyout")
        .arg(folder.path().join("other.key"))
        .arg("-out")
        .arg(&other)
        .output()
        .unwrap();
    assert!(made.status.success());
    let error = PostgresDatabase::open(over("127.0.0.1", Some(other))).await.unwrap_err();
    assert!(matches!(error, postgres::OpenError::Connect(_)), "{error}");
}
