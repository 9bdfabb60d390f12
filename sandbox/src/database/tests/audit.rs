//! What is not opened, and that the remedy mends it: rows 50, 51 and 42 of the threat table.

use super::*;

#[tokio::test]
async fn threat_50_a_role_that_may_do_more_than_read_is_refused_and_the_remedy_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let make = "CREATE TABLE t (person_id BIGINT); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT person_id FROM t";
    let password = server().database("audit", make);
    let open = || PostgresDatabase::open(postgres_options(folder.path(), "audit", &password, &["t", "v"]));
    let safe = open().await;
    safe.unwrap_or_else(|error| panic!("as it is made it is safe: {error}"));
    let helper = "LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM omop.t'";
    // what breaks it, what is said, and what the remedy leaves to the operator's own words
    let cases = [
        ("ALTER ROLE audit_reader SUPERUSER", "the role audit_reader is SUPERUSER", ""),
        ("ALTER ROLE audit_reader CREATEROLE", "is CREATEROLE", ""),
        ("ALTER ROLE audit_reader CREATEDB", "is CREATEDB", ""),
        ("ALTER ROLE audit_reader REPLICATION", "is REPLICATION", ""),
        ("ALTER ROLE audit_reader BYPASSRLS", "is BYPASSRLS", ""),
        ("GRANT pg_read_server_files TO audit_reader", "is a member of pg_read_server_files", ""),
        ("GRANT pg_read_all_data TO audit_reader", "is a member of pg_read_all_data", ""),
        ("GRANT pg_signal_backend TO audit_reader", "is a member of pg_signal_backend", ""),
        ("GRANT audit_owner TO audit_reader", "owns the table omop.t", "REVOKE audit_owner FROM audit_reader"),
        (
            "ALTER TABLE omop.t OWNER TO audit_reader",
            "owns the table omop.t",
            "ALTER TABLE omop.t OWNER TO audit_owner; GRANT SELECT ON omop.t TO audit_reader",
        ),
        ("ALTER ROLE audit_reader RESET temp_file_limit", "may fill the server's disk", ""),
        ("GRANT INSERT ON omop.t TO audit_reader", "may write to omop.t", ""),
        ("GRANT UPDATE (person_id) ON omop.t TO PUBLIC", "may write to omop.t", ""),
        ("GRANT CREATE ON SCHEMA omop TO audit_reader", "may create objects in the schema omop", ""),
        ("GRANT CREATE ON DATABASE audit TO audit_reader", "may create schemas in the database audit", ""),
        (
            &format!("CREATE OR REPLACE FUNCTION omop.helper() RETURNS bigint {helper}"),
            "omop.helper(), which runs with its owner's rights",
            "",
        ),
        (
            "ALTER VIEW omop.v OWNER TO postgres",
            "omop.v runs with the rights of the superuser postgres",
            "ALTER VIEW omop.v OWNER TO audit_owner; GRANT SELECT ON omop.v TO audit_reader",
        ),
        ("CREATE EXTENSION dblink", "functions of the extension dblink", "DROP EXTENSION dblink"),
        (
            "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; GRANT USAGE ON FOREIGN SERVER far TO audit_reader",
            "may use the foreign server far",
            "DROP EXTENSION postgres_fdw CASCADE",
        ),
        ("REVOKE SELECT ON omop.v FROM audit_reader", "may not read all of omop.v", ""),
        (
            "CREATE OR REPLACE FUNCTION public.c_helper() RETURNS int LANGUAGE c AS '$libdir/dict_snowball', 'dsnowball_init'",
            "public.c_helper(), written in the untrusted language c",
            "",
        ),
    ];
    for (breaks, sentence, mend) in cases {
        server().sql("audit", breaks);
        let error = open().await.err().unwrap_or_else(|| panic!("{breaks}: it was opened"));
        let postgres::OpenError::Unsafe(found) = &error else { panic!("{breaks}: {error}") };
        let fault = found.0.iter().find(|fault| fault.sentence.contains(sentence));
        let fault = fault.unwrap_or_else(|| panic!("{breaks}: {error}"));
        let remedy = fault.remedy.strip_prefix("run ").unwrap_or_else(|| panic!("{breaks}: {}", fault.remedy));
        server().sql("audit", if mend.is_empty() { remedy } else { mend });
        let mended = open().await;
        mended.unwrap_or_else(|error| panic!("{breaks}: {remedy} does not mend it: {error}"));
    }
    server().sql("audit", "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE omop.f (person_id bigint) SERVER files OPTIONS (filename '/dev/null'); GRANT SELECT ON omop.f TO audit_reader");
    let error =
        PostgresDatabase::open(postgres_options(folder.path(), "audit", &password, &["f", "t"])).await.unwrap_err();
    assert!(error.to_string().contains("omop.f is a foreign table"), "{error}");
}

#[tokio::test]
async fn threat_82_files_that_everybody_can_read_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.db");
    write_sqlite(&file, "CREATE TABLE t (person_id INTEGER)");
    std::fs::write(folder.path().join("t.csv"), "person_id\n1\n").unwrap();
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    #[cfg(feature = "datafusion")]
    let files = || {
        let options = datafusion::Options { refuse_open_files: true, ..files_options(folder.path(), &["t"]) };
        DataFusionDatabase::open(options).map(drop).map_err(|error| error.to_string())
    };
    let sqlite = || {
        SqliteDatabase::open(sqlite::Options { refuse_open_files: true, ..sqlite_options(&file, &["t"]) })
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let all: Vec<&dyn Fn() -> Result<(), String>> = vec![
        #[cfg(feature = "datafusion")]
        &files,
        &sqlite,
    ];
    for open in all {
        set(folder.path(), 0o755);
        set(&file, 0o644);
        set(&folder.path().join("t.csv"), 0o644);
        let error = open().unwrap_err();
        assert!(error.contains("everybody on this machine can read") && error.contains("run `chmod o-rwx"), "{error}");
        set(folder.path(), 0o750);
        assert_eq!(open(), Ok(()));
    }
}
