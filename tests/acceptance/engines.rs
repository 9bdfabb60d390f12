//! Three TREs of one federation keep their data in three ways: an object store, a SQLite file, a PostgreSQL server; the researcher cannot tell.

#[path = "../../sandbox/tests/fixture/postgres.rs"]
mod server;
#[path = "../../sandbox/tests/fixture/s3.rs"]
mod store;

use crate::federation::Federation;
use protocol::lifecycle::Phase;
use server::{Server, server};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use store::store;
use testnet::cluster::{DATASET, TRES, owner_of};
use testnet::demo::question::questions;
use testnet::fixture::omop::{self, Format};
use testnet::narrate::Show;

const PERSONS: u64 = 600;
const SEED: u64 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_sqlite_and_postgres_answer_one_question_together() {
    let mut federation = Federation::founded(PERSONS).await;
    let folder = federation.cluster.layout.folder().to_owned();
    // What lies in the databases: the same rows, tidy, beside the files that the TREs had.
    let options = omop::Options::federation(SEED, 3, PERSONS);
    let plain: Vec<PathBuf> = TRES.iter().map(|(tre, ..)| folder.join("plain").join(tre)).collect();
    for (options, folder) in options.into_iter().zip(&plain) {
        omop::generate(folder, &omop::Options { format: Format::Csv, ..options }).unwrap();
    }
    for entry in fs::read_dir(&plain[0]).unwrap() {
        let file = entry.unwrap().path();
        store().put(&format!("omop/{}", file.file_name().unwrap().to_str().unwrap()), &file);
    }
    let (key, endpoint) = (folder.join("s3.key"), format!("https://localhost:{}", store().tls));
    fs::write(&key, &store().key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let (key, authority) = (key.display().to_string(), store().authority.display().to_string());
    let at = ["--bucket", "tre", "--prefix", "omop", "--endpoint", &endpoint];
    move_to(&federation, "tre-a", &[at.as_slice(), &["--key-file", &key, "--ca-file", &authority]].concat()).await;

    let file = folder.join("omop.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch(&sql(&plain[1])).unwrap();
    let file = file.display().to_string();
    move_to(&federation, "tre-b", &["--engine", "sqlite", "--data", &file]).await;

    let password = server().database("acceptance", &sql(&plain[2]));
    let password = Server::password_file(&folder, &password).display().to_string();
    let (port, authority) = (server().port.to_string(), server().authority.display().to_string());
    let at = ["--engine", "postgres", "--host", "localhost", "--port", &port, "--ca-file", &authority];
    let who = ["--database", "acceptance", "--user", "acceptance_reader", "--schema", "omop"];
    move_to(&federation, "tre-c", &[at.as_slice(), &who, &["--password-file", &password]].concat()).await;

    // An operator's mistake is named before a node starts, and the node does not start with it.
    server().sql("acceptance", "GRANT INSERT ON omop.person TO acceptance_reader");
    let check = ["dataset", "check", "--config", "nodes/tre-c/node.toml"];
    let said = federation.must_not_be_opened(&check).await;
    assert!(said.contains("REVOKE"), "{said}");
    let run = ["node", "run", "--config", "nodes/tre-c/node.toml"];
    assert!(federation.must_not(&run).await.contains("quintes dataset check"));
    server().sql("acceptance", "REVOKE INSERT ON omop.person FROM acceptance_reader");
    for (tre, engine) in [("tre-a", "files"), ("tre-b", "sqlite"), ("tre-c", "postgres")] {
        let config = format!("nodes/{tre}/node.toml");
        let said = federation.must(&["dataset", "check", "--config", &config, "--json"]).await.json().unwrap();
        let dataset = &said["datasets"][0];
        assert_eq!((&said["ok"], &dataset["engine"]), (&true.into(), &engine.into()), "{said}");
        federation.must(&["node", "check", "--config", &config]).await;
    }

    federation.cluster.start().await.unwrap();
    for question in questions() {
        let task = federation.ask(&question).await;
        for (tre, ..) in TRES {
            federation.until(&task, tre, Phase::Held).await;
            // The same snapshot gives the same bits, whatever holds it.
            let replay = ["replay", &task.to_string(), "--node", &format!("nodes/{tre}"), "--json"];
            let again = federation.must(&replay).await.json().unwrap();
            assert_eq!(again["ok"], true, "{tre}: {again}");
            federation.approve(&task, tre).await;
        }
        federation.answers(&question, &task, &plain).await;
    }
    federation.cluster.stop().await.unwrap();
    // What opens the database is in the node's configuration alone.
    let password = fs::read_to_string(&password).unwrap();
    let (id, secret) = store().key.split_once(':').unwrap();
    for (tre, ..) in TRES {
        let log = fs::read_to_string(federation.cluster.layout.log(tre)).unwrap();
        let told = [&password, "acceptance_reader", id, secret].into_iter().find(|word| log.contains(*word));
        assert_eq!(told, None, "{tre}'s log tells how to get in");
    }
}

/// Makes a TRE's node anew, over another engine; it keeps its keys, with which it is enrolled.
async fn move_to(federation: &Federation, tre: &str, engine: &[&str]) {
    let (new, old) = (federation.cluster.layout.node("new"), federation.cluster.layout.node(tre));
    let organisation = TRES.iter().find(|(name, ..)| *name == tre).unwrap().2;
    let init = ["node", "init", "nodes/new", "--name", tre, "--kind", "tre", "--organisation", organisation];
    let whom = ["--dial", &federation.cluster.hub, "--dataset", DATASET, "--data-owner", owner_of(tre)];
    let tables = ["--tables", "person,visit_occurrence,condition_occurrence,drug_exposure,measurement,concept"];
    federation.must(&[init.as_slice(), &whom, &tables, engine].concat()).await;
    fs::remove_dir_all(new.join("state")).unwrap();
    fs::rename(old.join("state"), new.join("state")).unwrap();
    let accepted = |text: &str| text.lines().find(|line| line.starts_with("accept_missing")).unwrap().to_owned();
    let (was, text) =
        (fs::read_to_string(old.join("node.toml")).unwrap(), fs::read_to_string(new.join("node.toml")).unwrap());
    fs::write(new.join("node.toml"), text.replace(&accepted(&text), &accepted(&was))).unwrap();
    fs::remove_dir_all(&old).unwrap();
    fs::rename(new, old).unwrap();
}

/// The tables of a folder as SQL that both databases understand.
fn sql(folder: &Path) -> String {
    let mut all = String::new();
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let table = file.file_stem().unwrap().to_str().unwrap().to_lowercase();
        let mut reader = csv::Reader::from_path(&file).unwrap();
        let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_lowercase).collect();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let kinds: Vec<&str> = (0..columns.len()).map(|at| kind(rows.iter().map(|row| &row[at]))).collect();
        let declared: Vec<String> = columns.iter().zip(&kinds).map(|(name, kind)| format!("{name} {kind}")).collect();
        all.push_str(&format!("CREATE TABLE {table} ({});\n", declared.join(", ")));
        for rows in rows.chunks(500) {
            let row = |row: &csv::StringRecord| {
                let value = |cell: &str| match cell {
                    "" => "NULL".to_owned(),
                    cell => format!("'{}'", cell.replace('\'', "''")),
                };
                format!("({})", row.iter().map(value).collect::<Vec<_>>().join(", "))
            };
            let rows: Vec<String> = rows.iter().map(row).collect();
            all.push_str(&format!("INSERT INTO {table} VALUES {};\n", rows.join(", ")));
        }
    }
    all
}

/// The narrowest type that all values of a column have.
fn kind<'a>(values: impl Iterator<Item = &'a str> + Clone) -> &'static str {
    let mut there = values.filter(|value| !value.is_empty()).peekable();
    let all = |fits: fn(&str) -> bool| there.clone().all(fits);
    if there.clone().next().is_none() {
        "TEXT"
    } else if all(|value| value.parse::<i64>().is_ok()) {
        "BIGINT"
    } else if all(|value| value.parse::<f64>().is_ok()) {
        "DOUBLE PRECISION"
    } else if there.all(|value| value.len() == 10 && value.as_bytes()[4] == b'-' && value.as_bytes()[7] == b'-') {
        "DATE"
    } else {
        "TEXT"
    }
}

impl Federation {
    /// Runs a verb that has to say that a dataset is not safe; what it said.
    async fn must_not_be_opened(&self, args: &[&str]) -> String {
        let said = self.cluster.runner.run(args, Show::Nothing).await.unwrap();
        assert_eq!(said.code, Some(1), "{args:?}: {}{}", said.stdout, said.stderr);
        said.stdout + &said.stderr
    }
}
