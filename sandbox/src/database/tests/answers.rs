//! The same questions to every engine have the same answers, in the same types.

use super::*;
use crate::value::ColumnType;

#[tokio::test]
async fn every_engine_answers_the_same() {
    let engines = Engines::open("answers", &tables(), &["person", "visit_occurrence"]).await;
    let cases = [
        "select count(*) as n from person",
        "select person_id, year_of_birth, sex, weight, born from person order by person_id",
        "select * from visit_occurrence order by visit_occurrence_id limit 7 offset 3",
        "select sex, count(*) as n, sum(cast(weight as double precision)) as w, min(born) as b from person group by sex order by sex",
        "select p.person_id, v.cost from person p join visit_occurrence v on v.person_id = p.person_id where v.cost > 5 order by v.visit_occurrence_id",
        "select p.person_id, v.visit_occurrence_id from person as p left join visit_occurrence v on v.person_id = p.person_id and v.cost > 12 order by 1, 2",
        "with v as (select person_id, count(*) as n from visit_occurrence group by person_id) select n, count(*) as m from v group by n order by n",
        "select person_id from person where born >= date '1950-01-01' and born < date '1960-01-01' order by 1",
        "select extract(year from born) - year_of_birth as zero, count(*) as n from person group by 1",
        "select case when year_of_birth between 1940 and 1950 then 'forties' else 'others' end as era, count(*) as n from person group by 1 order by 1",
        "select person_id, row_number() over (partition by sex order by person_id) as r from person order by 1",
        "select coalesce(nullif(sex, 'f'), 'none') as s, count(*) as n from person where sex like 'f%' or sex in ('m', 'x') group by 1 order by 1",
        "select floor((weight - cast(0.5 as double precision)) / cast(10.0 as double precision)) * cast(10.0 as double precision) as bin_from, count(*) as n from person group by 1 order by 1",
        "select person_id from person where person_id < 3 union all select person_id from visit_occurrence where visit_occurrence_id = 1 order by 1",
        "select count(*) as n from person where exists (select 1 from visit_occurrence v where v.person_id = person.person_id and v.cost > 11)",
        "select upper(sex) as u, substr('abc', 2, 1) as b, length('abc') as l, position('b' in 'abc') as p, abs(-3) as a, round(cast(2.4 as double precision)) as r from person where person_id = 1",
        "select 1 as one, 2.5 * cast(2 as double precision) as five, 'it''s \\ a \"text\"' as t, null as nothing from person where person_id = 1",
        "select Person_ID as \"The Person\", SEX from PERSON where Person_Id <= 2 order by PERSON_ID",
        "select person_id::text as t, cast(person_id as varchar) as u from person where person_id = 7",
    ];
    for sql in cases {
        let mut expected = None;
        for database in &engines.all {
            let dialect = database.dialect();
            let (schema, found) = batches(&**database, sql, &[])
                .await
                .unwrap_or_else(|error| panic!("{dialect} {sql}: {}", error.for_reviewer()));
            let names: Vec<String> = schema.iter().map(|column| column.name.clone()).collect();
            // sums of integers are decimals in one engine, and dates from min() a text in another: those are cast or seen below
            let found = (names, text(&found).iter().map(|line| same(line)).collect::<Vec<_>>());
            match &expected {
                None => expected = Some(found),
                Some(expected) => assert_eq!(*expected, found, "{dialect} {sql}"),
            }
        }
    }
}

/// A date that an engine computed as a text, as the day that it is; a whole number as an integer.
fn same(line: &str) -> String {
    let cell = |cell: &str| {
        let text = cell.trim_matches('"');
        let number = text.trim_end_matches('d');
        match (crate::database::time::date(text), number.parse::<f64>()) {
            (Some(days), _) => format!("day {days}"),
            (None, Ok(number)) => number.to_string(),
            (None, Err(_)) => cell.to_owned(),
        }
    };
    line.split(" | ").map(cell).collect::<Vec<_>>().join(" | ")
}

#[tokio::test]
async fn parameters_are_bound_and_not_pasted_in_every_engine() {
    let engines = Engines::open("parameters", &tables(), &["person", "note"]).await;
    let cases: &[(&str, &[Value], &[&str])] = &[
        ("select note_id from note where body = $1", &[Value::Text("' or true --".into())], &[]),
        ("select note_id from note where body = $1", &[Value::Text("x".into())], &["1"]),
        (
            "select person_id from person where person_id >= $2 and weight < $1 and person_id < 5 order by 1",
            &[Value::Float64(52.0), Value::Int64(1)],
            &["1"],
        ),
        ("select person_id from person where born = $1", &[Value::Date(-10_165)], &["12"]),
        ("select person_id from person where weight = $1 and person_id < 8", &[Value::Decimal("51.50".into())], &["1"]),
        ("select person_id from person where person_id = $1", &[Value::Null], &[]),
        ("select person_id from person where (person_id = 1) = $1", &[Value::Boolean(true)], &["1"]),
        ("select person_id from person order by person_id limit $1", &[Value::Int64(2)], &["1", "2"]),
    ];
    for database in &engines.all {
        let dialect = database.dialect();
        for (sql, parameters, rows) in cases {
            let found = lines(&**database, sql, parameters).await;
            let found = found.unwrap_or_else(|error| panic!("{dialect} {sql}: {}", error.for_reviewer()));
            assert_eq!(found, *rows, "{dialect} {sql}");
        }
        let bad: &[(&str, &[Value])] = &[
            ("select person_id from person where person_id = $1", &[]),
            ("select person_id from person", &[Value::Int64(1)]),
            ("select person_id from person where weight = $1", &[Value::Decimal("1e5".into())]),
            ("select person_id from person where sex = $1", &[Value::Text("x".repeat(2_000))]),
        ];
        for (sql, parameters) in bad {
            let found = lines(&**database, sql, parameters).await;
            assert!(matches!(found, Err(DatabaseError::Invalid(_))), "{dialect} {sql}");
        }
    }
}

#[tokio::test]
async fn postgres_types_are_mapped_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let password = server().database(
        "types",
        "CREATE DOMAIN code AS varchar(5) CHECK (value <> '');
         CREATE TABLE t (person_id int, b bool, s smallint, i int NOT NULL, l bigint, f real, d double precision, n numeric, t text,
             v varchar(9), c char(3), k code, y bytea, day date, ts timestamp, tz timestamptz);
         INSERT INTO t VALUES (1, true, -2, 3, 9223372036854775807, 0.5, 'NaN', -12.340, 'text', 'v', 'c', 'k', '\\x00ff', '1969-12-31',
             '2020-01-01 12:00:00.5', '2020-01-01 12:00:00+02'), (2, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE wide (person_id int, value jsonb); CREATE TABLE capital (person_id int, \"Value\" int);
         CREATE TABLE far (person_id int, day date); INSERT INTO far VALUES (1, 'infinity')",
    );
    let open = |tables: &[&str]| PostgresDatabase::open(postgres_options(folder.path(), "types", &password, tables));
    let database = open(&["t", "far"]).await.unwrap();
    let types: Vec<ColumnType> = database.relations()[0].columns.iter().map(|column| column.ty).collect();
    use ColumnType::{Boolean, Bytes, Date, Decimal, Float64, Int64, Text, Timestamp};
    let expected = [
        Int64, Boolean, Int64, Int64, Int64, Float64, Float64, Decimal, Text, Text, Text, Text, Bytes, Date, Timestamp,
        Timestamp,
    ];
    assert_eq!(types, expected);
    let rows = lines(&database, "select * from t order by person_id", &[]).await.unwrap();
    assert_eq!(
        rows,
        [
            "1 | true | -2 | 3 | 9223372036854775807 | 0.5 | NaN | -12.340d | \"text\" | \"v\" | \"c  \" | \"k\" | [00, ff] | day -1 | micro 1577880000500000 | micro 1577872800000000",
            "2 | null | null | 0 | null | null | null | null | null | null | null | null | null | null | null | null"
        ]
    );
    assert!(lines(&database, "select day from far", &[]).await.is_err(), "an infinity is no day");
    let error = lines(&database, "select ts - tz as gap from t", &[]).await.unwrap_err().for_reviewer();
    assert!(error.contains("type that is not supported: cast it"), "{error}");
    let error = open(&["wide"]).await.unwrap_err().to_string();
    assert!(error.contains("has the type jsonb") && error.contains("CREATE VIEW omop.wide_granted"), "{error}");
    let error = open(&["capital"]).await.unwrap_err().to_string();
    assert!(error.contains("has capital letters"), "{error}");
    let error = open(&["none"]).await.unwrap_err().to_string();
    assert!(error.contains("no table or view \"none\"; it has capital, far, t, wide"), "{error}");
}

#[tokio::test]
async fn sqlite_types_are_found_over_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.db");
    write_sqlite(
        &file,
        "CREATE TABLE t (PERSON_ID INTEGER, b BOOLEAN, n NUMERIC, t TEXT, y BLOB, day DATE, ts DATETIME, odd DATE, e DATE);
         INSERT INTO t VALUES (1, 1, 1, 'x', x'00ff', '1969-12-31', '2020-01-01 12:00:00.5', '2020-01-01', NULL),
             (2, 0, 2.5, NULL, NULL, NULL, NULL, 'soon', NULL);
         CREATE VIEW grown AS SELECT person_id, day, n * 2 AS twice FROM t WHERE person_id = 1;
         CREATE TABLE mixed (person_id INTEGER, v); INSERT INTO mixed VALUES (1, 1), (2, 'x');
         CREATE VIRTUAL TABLE words USING fts5(body); CREATE TABLE other (secret TEXT);",
    );
    let open = |tables: &[&str]| SqliteDatabase::open(sqlite_options(&file, tables));
    let database = open(&["t", "grown"]).unwrap();
    use ColumnType::{Boolean, Bytes, Date, Float64, Int64, Text, Timestamp};
    let types = |relation: usize| -> Vec<(String, ColumnType)> {
        database.relations()[relation].columns.iter().map(|column| (column.name.clone(), column.ty)).collect()
    };
    let expected = [
        ("person_id", Int64),
        ("b", Boolean),
        ("n", Float64),
        ("t", Text),
        ("y", Bytes),
        ("day", Date),
        ("ts", Timestamp),
        ("odd", Text),
        ("e", Date),
    ];
    assert_eq!(types(0), expected.map(|(name, ty)| (name.to_owned(), ty)));
    let rows = lines(&database, "select * from t order by person_id", &[]).await.unwrap();
    let first = "1 | true | 1.0 | \"x\" | [00, ff] | day -1 | micro 1577880000500000 | \"2020-01-01\" | null";
    assert_eq!(rows, [first, "2 | false | 2.5 | null | null | null | null | \"soon\" | null"]);
    let (schema, found) = batches(&database, "select g.*, g.twice > 1 as more from grown g", &[]).await.unwrap();
    assert_eq!(text(&found), ["1 | day -1 | 2 | 1"]);
    assert_eq!(schema.iter().map(|column| column.ty).collect::<Vec<_>>(), [Int64, Date, Int64, Int64]);
    let error = lines(&database, "select case when person_id = 1 then 1 else 'x' end as v from t", &[]).await;
    assert!(error.unwrap_err().for_reviewer().contains("cast it"));
    for (tables, sentence) in [
        (["mixed"], "holds values of several kinds"),
        (["words"], "is a virtual table, which runs code"),
        (["none"], "no table or view \"none\"; it has grown, mixed, other, t, words"),
        (["sqlite_schema"], "cannot be granted"),
    ] {
        let error = open(&tables).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
}
