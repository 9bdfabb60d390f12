//! The same files in an object store: what they answer, that their versions hold, and what is not opened.

#[path = "../../../../tests/fixture/s3.rs"]
mod s3;

use super::*;
use crate::database::datafusion::{Bucket, BucketError};
use s3::store;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

fn key_file(folder: &Path, key: &str) -> PathBuf {
    let file = folder.join("key");
    fs::write(&file, key).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn at(folder: &Path, prefix: &str) -> Bucket {
    Bucket {
        endpoint: format!("http://127.0.0.1:{}", store().plain),
        region: "us-east-1".into(),
        bucket: "tre".into(),
        prefix: prefix.into(),
        key_file: key_file(folder, &store().key),
        ca_file: None,
    }
}

async fn opened(bucket: Bucket, tables: &[&str]) -> Result<DataFusionDatabase, OpenError> {
    let options = Options {
        bucket: Some(bucket),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        subject: None,
        ..Options::default()
    };
    tokio::task::spawn_blocking(|| DataFusionDatabase::open(options)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_answers_as_the_same_folder_does() {
    let _threads = THREADS.read().await;
    let here = tempfile::tempdir().unwrap();
    fs::create_dir(here.path().join("visit")).unwrap();
    fs::write(here.path().join("PERSON.csv"), "\u{feff}Person_Id;Name\r\n1;Ann, B.\r\n2;\r\n").unwrap();
    write_parquet(&here.path().join("visit/a [1].parquet"), &parquet_batch(1));
    write_parquet(&here.path().join("visit/b.parquet"), &parquet_batch(3));
    for name in ["PERSON.csv", "visit/a [1].parquet", "visit/b.parquet"] {
        store().put(&format!("same/omop/{name}"), &here.path().join(name));
    }
    // what consoles leave where a person made a folder, and a neighbour whose name begins alike
    let marker = tempfile::NamedTempFile::new().unwrap();
    for name in ["same/omop/", "same/omop/visit/", "same/omop2/person.csv", "same/omop/visit/old/c.parquet"] {
        store().put(name, marker.path());
    }
    let secrets = tempfile::tempdir().unwrap();
    let database = opened(at(secrets.path(), "same/omop/"), &["person", "visit"]).await.unwrap();
    let folder = open(here.path(), &["person", "visit"]).unwrap();
    assert_eq!(database.relations(), folder.relations());
    for sql in [
        "select * from person",
        "select person_id, name, cost, at from visit",
        "select count(*), sum(cost), max(at) from visit",
        "select p.name, v.cost from person p join visit v on v.person_id = p.person_id where v.cost < 1 order by 1",
    ] {
        assert_eq!(lines(&database, sql, &[]).await.unwrap(), lines(&folder, sql, &[]).await.unwrap(), "{sql}");
    }
    let snapshot = database.begin(MOST).await.unwrap().snapshot();
    assert_eq!(snapshot, folder.begin(MOST).await.unwrap().snapshot(), "the same content is the same snapshot");
    let seen = format!("{database:?} {:?}", at(secrets.path(), "x"));
    assert!(!seen.contains(store().key.split_once(':').unwrap().1), "a secret is seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_59_an_object_that_changes_fails_the_query_and_ends_the_dataset() {
    let _threads = THREADS.read().await;
    let here = tempfile::tempdir().unwrap();
    let secrets = tempfile::tempdir().unwrap();
    let put = |content: &str| {
        fs::write(here.path().join("t.csv"), content).unwrap();
        store().put("changes/t.csv", &here.path().join("t.csv"));
    };
    put("id\n1\n2\n");
    let database = opened(at(secrets.path(), "changes"), &["t"]).await.unwrap();
    let session = database.begin(MOST).await.unwrap();
    let statement = admit("select id from t", Dialect::DataFusion, database.relations()).unwrap();
    assert_eq!(lines(&database, "select id from t", &[]).await.unwrap(), ["1", "2"]);
    // of the same length, in the same second
    put("id\n1\n3\n");
    let ended = async {
        let mut rows = session.query(&statement, &[]).await?;
        while rows.next().await?.is_some() {}
        Ok::<_, DatabaseError>(())
    };
    let error = ended.await.expect_err("rows of another version");
    assert!(error.for_reviewer().contains("changed since it was opened"), "{}", error.for_reviewer());
    assert!(database.begin(MOST).await.is_err(), "no further task begins");
    let now = opened(at(secrets.path(), "changes"), &["t"]).await.unwrap();
    assert_ne!(session.snapshot(), now.begin(MOST).await.unwrap().snapshot());
    assert_eq!(lines(&now, "select id from t", &[]).await.unwrap(), ["1", "3"]);
    store().delete("changes/t.csv");
    assert!(now.begin(MOST).await.is_err());
    assert!(lines(&now, "select id from t", &[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_refused_in_words_that_help() {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("t.csv"), "id\n1\n").unwrap();
    store().put("words/t.csv", &here.path().join("t.csv"));
    let folder = tempfile::tempdir().unwrap();
    let good = at(folder.path(), "words");
    let said = async |bucket: Bucket, tables: &[&str]| opened(bucket, tables).await.expect_err("refused").to_string();
    let tls = format!("https://localhost:{}", store().tls);
    let over_tls = Bucket { endpoint: tls.clone(), ca_file: Some(store().authority.clone()), ..good.clone() };
    assert_eq!(lines(&opened(over_tls, &["t"]).await.unwrap(), "select id from t", &[]).await.unwrap(), ["1"]);
    let unknown = opened(Bucket { endpoint: tls, ..good.clone() }, &["t"]).await.expect_err("nobody vouches for it");
    assert!(matches!(unknown, OpenError::Bucket(BucketError::Store(_))), "{unknown}");
    for endpoint in ["http://192.0.2.1:9000", "http://s3.example.org", "http://[2001:db8::1]:80/x"] {
        let plain = said(Bucket { endpoint: endpoint.into(), ..good.clone() }, &["t"]).await;
        assert!(plain.contains("plain text") && plain.contains("https://"), "{plain}");
    }
    assert!(said(good.clone(), &["person"]).await.contains("has no file"));
    assert!(said(Bucket { prefix: "nowhere".into(), ..good.clone() }, &["t"]).await.contains("has no file"));
    assert!(said(Bucket { bucket: "../x".into(), ..good.clone() }, &["t"]).await.contains("no name of a bucket"));
    assert!(said(Bucket { bucket: "other".into(), ..good.clone() }, &["t"]).await.contains("does not list"));
    let wrong = store().key.split_once(':').unwrap().0.to_owned() + ":wrong";
    let wrong = Bucket { key_file: key_file(folder.path(), &wrong), ..good.clone() };
    let refused = said(wrong.clone(), &["t"]).await;
    assert!(refused.contains("check endpoint, region, bucket, prefix and key_file"), "{refused}");
    key_file(folder.path(), "one word");
    assert!(said(wrong.clone(), &["t"]).await.contains("ID:SECRET"));
    fs::set_permissions(&wrong.key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = said(wrong, &["t"]).await;
    assert!(open.contains("others can reach the key file") && open.contains("chmod 600"), "{open}");
}
