//! Mock rows as the embedded engine reads them: types as published, keys that join, the same for the same seed.

use super::{MockError, Table, write};
use crate::database::Database as _;
use crate::database::datafusion::{DataFusionDatabase, Options};
use crate::statement::admit;
use crate::value::{ColumnData, ColumnInfo, ColumnType, Value};
use std::path::Path;
use std::time::Duration;

fn table(name: &str, subject: Option<&str>, columns: &[(&str, ColumnType, bool)]) -> Table {
    let column = |(name, ty, nullable): &(&str, ColumnType, bool)| ColumnInfo {
        name: (*name).to_owned(),
        ty: *ty,
        nullable: *nullable,
    };
    Table { name: name.to_owned(), subject: subject.map(str::to_owned), columns: columns.iter().map(column).collect() }
}

fn hospital() -> Vec<Table> {
    use ColumnType::{Boolean, Bytes, Date, Decimal, Float64, Int64, Text, Timestamp};
    vec![
        table("concept", None, &[("concept_id", Int64, false), ("concept_name", Text, true)]),
        table(
            "measurement",
            Some("person_id"),
            &[
                ("measurement_id", Int64, false),
                ("person_id", Int64, false),
                ("measurement_concept_id", Int64, false),
                ("visit_start_date", Date, true),
                ("visit_end_date", Date, true),
                ("visit_start_datetime", Timestamp, true),
                ("value_as_number", Float64, true),
                ("price", Decimal, true),
                ("abnormal", Boolean, true),
                ("scan", Bytes, true),
            ],
        ),
        table(
            "person",
            Some("person_id"),
            &[
                ("person_id", Int64, false),
                ("gender_concept_id", Int64, false),
                ("year_of_birth", Int64, false),
                ("birth_datetime", Timestamp, true),
                ("ethnicity", Text, true),
            ],
        ),
    ]
}

fn open(tables: &[Table], folder: &Path) -> DataFusionDatabase {
    let names = tables.iter().map(|table| table.name.clone()).collect();
    let subject = Some("person_id".to_owned());
    DataFusionDatabase::open(Options { directory: folder.to_owned(), tables: names, subject, ..Options::default() })
        .unwrap()
}

fn made(rows: usize, seed: u64) -> (tempfile::TempDir, DataFusionDatabase) {
    let folder = tempfile::tempdir().unwrap();
    write(&hospital(), rows, seed, folder.path()).unwrap();
    let database = open(&hospital(), folder.path());
    (folder, database)
}

/// The one number of a query's one row.
async fn number(database: &DataFusionDatabase, sql: &str) -> i64 {
    let statement = admit(sql, database.dialect(), database.relations()).unwrap();
    let session = database.begin(Duration::from_secs(60)).await.unwrap();
    let mut rows = session.query(&statement, &[] as &[Value]).await.unwrap();
    let batch = rows.next().await.unwrap().unwrap();
    match &batch.columns[0].data {
        ColumnData::Int64(values) => values[0],
        _ => panic!("{sql} gives no integer"),
    }
}

#[tokio::test]
async fn the_engine_sees_what_was_published() {
    let (_folder, database) = made(200, 1);
    for (relation, table) in database.relations().iter().zip(hospital()) {
        assert_eq!((&relation.name, &relation.columns), (&table.name, &table.columns));
        assert_eq!(relation.subject, table.subject);
    }
    assert_eq!(number(&database, "SELECT count(*) FROM measurement").await, 200);
}

#[tokio::test]
async fn keys_join_and_times_are_in_order() {
    let (_folder, database) = made(500, 7);
    let joined = "SELECT count(*) FROM measurement m JOIN person p ON m.person_id = p.person_id \
                  JOIN concept c ON m.measurement_concept_id = c.concept_id JOIN concept g ON p.gender_concept_id = g.concept_id";
    assert_eq!(number(&database, joined).await, 500);
    let distinct = "SELECT count(DISTINCT gender_concept_id) FROM person";
    assert!((2..=8).contains(&number(&database, distinct).await), "a code has few values");
    assert_eq!(number(&database, "SELECT count(DISTINCT person_id) FROM person").await, 500);
    let before = "SELECT count(*) FROM measurement WHERE visit_end_date < visit_start_date";
    assert_eq!(number(&database, before).await, 0);
    let other = "SELECT count(*) FROM measurement WHERE CAST(visit_start_datetime AS DATE) <> visit_start_date";
    assert_eq!(number(&database, other).await, 0);
    let missing = number(&database, "SELECT count(*) FROM measurement WHERE value_as_number IS NULL").await;
    assert!((1..100).contains(&missing), "some values are missing: {missing}");
    let years = "SELECT count(*) FROM person WHERE year_of_birth < 1930 OR year_of_birth > 2010";
    assert_eq!(number(&database, years).await, 0);
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_seed_others() {
    let files = |seed| {
        let folder = tempfile::tempdir().unwrap();
        write(&hospital(), 50, seed, folder.path()).unwrap();
        ["concept", "measurement", "person"]
            .map(|name| std::fs::read(folder.path().join(format!("{name}.parquet"))))
            .map(Result::unwrap)
    };
    assert!(files(1) == files(1));
    let (one, two) = (files(1), files(2));
    assert!(one[1] != two[1] && one[2] != two[2]);
}

#[test]
fn a_name_never_becomes_a_path() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "../person", "a/b", "a.b"] {
        let tables = [table(name, None, &[("a", ColumnType::Int64, false)])];
        assert!(matches!(write(&tables, 1, 1, folder.path()), Err(MockError::Name(_))), "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
