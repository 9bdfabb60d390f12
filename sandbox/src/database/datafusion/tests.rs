//! Real files, hostile statements and bombs, against the real engine.

#[cfg(feature = "s3")]
mod bucket;
mod threats;

use super::*;
use crate::statement::admit;
use crate::value::{Batch, ColumnData, ColumnType};
use datafusion::arrow::array::{
    Array, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::parquet::arrow::ArrowWriter;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Held by tests whose queries run on the engine's threads, and alone by the test that counts those threads.
pub(in crate::database) static THREADS: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// How long a task may last.
const MOST: Duration = Duration::from_secs(600);

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn open(directory: &Path, tables: &[&str]) -> Result<DataFusionDatabase, OpenError> {
    DataFusionDatabase::open(Options {
        directory: directory.into(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        subject: None,
        ..Options::default()
    })
}

/// Every batch of a query.
async fn batches(
    database: &DataFusionDatabase,
    sql: &str,
    parameters: &[Value],
) -> Result<(Vec<ColumnInfo>, Vec<Batch>), DatabaseError> {
    let statement =
        admit(sql, Dialect::DataFusion, database.relations()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows = database.begin(MOST).await?.query(&statement, parameters).await?;
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await? {
        assert!(batch.rows > 0);
        batches.push(batch);
    }
    Ok((rows.schema().to_vec(), batches))
}

/// The values of a small result, row by row, as one line of text each.
async fn lines(database: &DataFusionDatabase, sql: &str, parameters: &[Value]) -> Result<Vec<String>, DatabaseError> {
    let (_, batches) = batches(database, sql, parameters).await?;
    let mut lines = Vec::new();
    for batch in &batches {
        for row in 0..usize::try_from(batch.rows).unwrap() {
            let cells = batch.columns.iter().map(|column| {
                if column.validity.as_ref().is_some_and(|bits| bits[row / 8] >> (row % 8) & 1 == 0) {
                    return "null".to_owned();
                }
                match &column.data {
                    ColumnData::Boolean(values) => values[row].to_string(),
                    ColumnData::Int64(values) => values[row].to_string(),
                    ColumnData::Float64(values) => format!("{:?}", values[row]),
                    ColumnData::Decimal(values) => format!("{}d", values[row]),
                    ColumnData::Text(values) => format!("{:?}", values[row]),
                    ColumnData::Bytes(values) => format!("{:02x?}", values[row]),
                    ColumnData::Date(values) => format!("day {}", values[row]),
                    ColumnData::Timestamp(values) => format!("micro {}", values[row]),
                }
            });
            lines.push(cells.collect::<Vec<_>>().join(" | "));
        }
    }
    Ok(lines)
}

#[tokio::test]
async fn exports_of_the_real_world_are_read_as_they_are_meant() {
    use ColumnType::{Boolean, Date, Float64, Int64, Text, Timestamp};
    type Case<'a> = (&'a str, &'a str, &'a [u8], &'a [(&'a str, ColumnType)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("plain", "t.csv", b"id,v\n1,2.5\n2,-3e2\n", &[("id", Int64), ("v", Float64)], &["1 | 2.5", "2 | -300.0"]),
        ("upper case", "T.CSV", b"ID,Some Name\n1,a\n", &[("id", Int64), ("some name", Text)], &["1 | \"a\""]),
        (
            "quoted commas and quotes",
            "t.csv",
            b"\"a\",\"b\"\n\"x, y\",\"he said \"\"no\"\"\"\n",
            &[("a", Text), ("b", Text)],
            &["\"x, y\" | \"he said \\\"no\\\"\""],
        ),
        (
            "newlines in quotes",
            "t.csv",
            b"a,b\n\"x\ny\",1\n\"z\r\nw\",2\n",
            &[("a", Text), ("b", Int64)],
            &["\"x\\ny\" | 1", "\"z\\r\\nw\" | 2"],
        ),
        (
            "empty is null",
            "t.csv",
            b"a,b,c,d\n1,,\"\",\n,x,,2020-01-01\n",
            &[("a", Int64), ("b", Text), ("c", Text), ("d", Date)],
            &["1 | null | null | null", "null | \"x\" | null | day 18262"],
        ),
        (
            "a column without a value",
            "t.csv",
            b"a,b\n1,\n2,\n",
            &[("a", Int64), ("b", Text)],
            &["1 | null", "2 | null"],
        ),
        ("tabs", "t.tsv", b"a\tb\n1\tx, y\n", &[("a", Int64), ("b", Text)], &["1 | \"x, y\""]),
        ("tabs in a csv", "t.csv", b"a\tb\n1\tx\n", &[("a", Int64), ("b", Text)], &["1 | \"x\""]),
        ("semicolons and decimal commas", "t.csv", b"a;b\n1;2,5\n", &[("a", Int64), ("b", Text)], &["1 | \"2,5\""]),
        (
            "a delimiter in a quoted name",
            "t.csv",
            b"\"a;b;c;d\",b\n1,2\n",
            &[("a;b;c;d", Int64), ("b", Int64)],
            &["1 | 2"],
        ),
        ("one column", "t.csv", b"a\n1\n2\n", &[("a", Int64)], &["1", "2"]),
        ("byte order mark", "t.csv", b"\xEF\xBB\xBFa,b\n1,2\n", &[("a", Int64), ("b", Int64)], &["1 | 2"]),
        (
            "byte order mark and quotes",
            "t.csv",
            b"\xEF\xBB\xBF\"A\",\"B\"\r\n\"1\",\"2\"\r\n",
            &[("a", Int64), ("b", Int64)],
            &["1 | 2"],
        ),
        ("windows lines", "t.csv", b"a,b\r\n1,x\r\n2,y\r\n", &[("a", Int64), ("b", Text)], &["1 | \"x\"", "2 | \"y\""]),
        ("no last newline", "t.csv", b"a,b\n1,x", &[("a", Int64), ("b", Text)], &["1 | \"x\""]),
        ("blank lines", "t.csv", b"a,b\n1,x\n\n2,y\n\n", &[("a", Int64), ("b", Text)], &["1 | \"x\"", "2 | \"y\""]),
        (
            "dates",
            "t.csv",
            b"a\n1970-01-02\n2024-02-29\n1900-01-01\n",
            &[("a", Date)],
            &["day 1", "day 19782", "day -25567"],
        ),
        ("no such day", "t.csv", b"a\n2023-02-29\n", &[("a", Text)], &["\"2023-02-29\""]),
        ("other dates are text", "t.csv", b"a\n29/02/2024\n", &[("a", Text)], &["\"29/02/2024\""]),
        (
            "timestamps",
            "t.csv",
            b"a\n1970-01-01 00:00:01\n1970-01-01T00:00:02.5\n1970-01-02\n",
            &[("a", Timestamp)],
            &["micro 1000000", "micro 2500000", "micro 86400000000"],
        ),
        (
            "timestamps with offsets",
            "t.csv",
            b"a\n1970-01-01T00:00:01Z\n1970-01-01 01:00:02+01:00\n",
            &[("a", Timestamp)],
            &["micro 1000000", "micro 2000000"],
        ),
        (
            "offsets here and there are text",
            "t.csv",
            b"a\n1970-01-01T00:00:01Z\n1970-01-01 01:00:02\n",
            &[("a", Text)],
            &["\"1970-01-01T00:00:01Z\"", "\"1970-01-01 01:00:02\""],
        ),
        (
            "leading zeros",
            "t.csv",
            b"a,b\n007,0\n010,0.5\n",
            &[("a", Text), ("b", Float64)],
            &["\"007\" | 0.0", "\"010\" | 0.5"],
        ),
        (
            "long ids",
            "t.csv",
            b"a,b\n9223372036854775807,99999999999999999999\n-9223372036854775808,1\n",
            &[("a", Int64), ("b", Text)],
            &["9223372036854775807 | \"99999999999999999999\"", "-9223372036854775808 | \"1\""],
        ),
        (
            "ids too long for a double",
            "t.csv",
            b"a\n9007199254740993\n0.5\n",
            &[("a", Text)],
            &["\"9007199254740993\"", "\"0.5\""],
        ),
        (
            "special numbers are text",
            "t.csv",
            b"a,b\nNaN,+1\ninf,1\n",
            &[("a", Text), ("b", Text)],
            &["\"NaN\" | \"+1\"", "\"inf\" | \"1\""],
        ),
        ("booleans", "t.csv", b"a,b\ntrue,1\nFALSE,0\n", &[("a", Boolean), ("b", Int64)], &["1 | 1", "0 | 0"]),
        (
            "other languages",
            "t.csv",
            "straße,b\nJosé,日本\n".as_bytes(),
            &[("straße", Text), ("b", Text)],
            &["\"José\" | \"日本\""],
        ),
        ("a header alone", "t.csv", b"a,b\n", &[("a", Text), ("b", Text)], &[]),
        (
            "hostile cells",
            "t.csv",
            b"a\n=cmd|' /C calc'!A0\n'; drop table t; --\n<script>\n",
            &[("a", Text)],
            &["\"=cmd|' /C calc'!A0\"", "\"'; drop table t; --\"", "\"<script>\""],
        ),
    ];
    for (what, name, content, columns, rows) in cases {
        let folder = folder(&[(name, content)]);
        let database = open(folder.path(), &["t"]).unwrap_or_else(|error| panic!("{what}: {error} {error:?}"));
        let seen =
            database.relations()[0].columns.iter().map(|column| (column.name.as_str(), column.ty)).collect::<Vec<_>>();
        assert_eq!(seen, *columns, "{what}");
        assert_eq!(lines(&database, "select * from t", &[]).await.unwrap(), *rows, "{what}");
    }
}

#[tokio::test]
async fn a_type_holds_for_every_row_however_late() {
    let mut csv = String::from("a,b,c,d\n");
    for i in 0..100_000 {
        writeln!(csv, "{i},{i},2020-01-01,true").unwrap();
    }
    csv.push_str("1,2.5,2020-01-01 10:00:00,maybe\n");
    let folder = folder(&[("t.csv", csv.as_bytes())]);
    let database = open(folder.path(), &["t"]).unwrap();
    let types = database.relations()[0].columns.iter().map(|column| column.ty).collect::<Vec<_>>();
    assert_eq!(types, [ColumnType::Int64, ColumnType::Float64, ColumnType::Timestamp, ColumnType::Text]);
    let sql = "select count(*), max(b), max(c), max(d) from t";
    assert_eq!(lines(&database, sql, &[]).await.unwrap(), ["100001 | 99999.0 | micro 1577872800000000 | \"true\""]);
}

#[test]
fn a_bad_file_is_refused_by_line_and_column_and_never_by_content() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("latin-1", b"a,b\n1,x\n2,SECRET\xE9\n", "line 3 is not UTF-8"),
        ("latin-1 header", b"SECRET\xE9,b\n1,x\n", "line 1 is not UTF-8"),
        ("too few", b"a,b\n1,x\nSECRET\n", "line 3 has 1 fields where the header has 2"),
        ("too many", b"a,b\n1,x\n1,SECRET,3\n", "line 3 has 3 fields where the header has 2"),
        ("after a quoted newline", b"a,b\n\"1\n1\",x\nSECRET\n", "line 4 has 1 fields where the header has 2"),
        ("empty", b"", "no header line"),
        ("only a mark", b"\xEF\xBB\xBF", "no header line"),
        ("duplicate names", b"SECRET,b,secret\n1,2,3\n", "column 3 in the header is the same"),
        ("empty name", b"a,,c\n1,2,3\n", "column 2 in the header is empty"),
        ("no header", b"1,SECRET\n2,b\n", "column 1 in the header is a number or a date"),
        ("mark and quoted comma", b"\xEF\xBB\xBF\"a,b\",c\n1,2\n", "column 1 in the header is quoted"),
    ];
    for (what, content, text) in cases {
        let folder = folder(&[("t.csv", content)]);
        let error = open(folder.path(), &["t"]).expect_err(what);
        let said = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(said.contains(text) && said.contains("t.csv"), "{what}: {said}");
        assert!(
            !said.to_lowercase().contains("secret") && !format!("{error:?}").to_lowercase().contains("secret"),
            "{what}: {said}"
        );
    }
}

#[test]
fn a_dataset_without_its_files_says_what_is_missing() {
    let folder = folder(&[
        ("person.csv", b"person_id\n1\n"),
        ("Person.tsv", b"person_id\n1\n"),
        ("concept.csv", b"concept_id\n1\n"),
    ]);
    let said = |tables: &[&str]| open(folder.path(), tables).expect_err("a bad list of tables").to_string();
    assert!(said(&["death"]).contains("\"death\" has no file"));
    assert!(said(&["person"]).contains("more than one file (Person.tsv, person.csv)"));
    assert!(said(&[]).contains("no table is granted"));
    assert!(said(&["concept", "CONCEPT"]).contains("cannot be granted"));
    assert!(said(&["../concept"]).contains("cannot be granted"));
    assert!(open(&folder.path().join("nowhere"), &["concept"]).unwrap_err().to_string().contains("cannot be read"));
    let options = Options {
        directory: folder.path().into(),
        tables: vec!["concept".into()],
        subject: Some("PERSON_ID".into()),
        ..Options::default()
    };
    assert!(
        DataFusionDatabase::open(options)
            .unwrap_err()
            .to_string()
            .contains("no granted table has the subject column \"person_id\"")
    );
}

#[test]
fn the_subject_is_named_only_where_the_column_is() {
    let folder = folder(&[
        ("PERSON.csv", b"PERSON_ID,x\n1,2\n"),
        ("concept.csv", b"concept_id\n1\n"),
        ("death.csv", b"person_id\n1\n"),
    ]);
    let options = Options {
        directory: folder.path().into(),
        tables: vec!["Person".into(), "concept".into()],
        ..Options::default()
    };
    let database = DataFusionDatabase::open(options).unwrap();
    let seen = database
        .relations()
        .iter()
        .map(|relation| (relation.name.as_str(), relation.subject.as_deref()))
        .collect::<Vec<_>>();
    assert_eq!(seen, [("person", Some("person_id")), ("concept", None)]);
    assert!(admit("select * from death", Dialect::DataFusion, database.relations()).is_err());
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn parquet_batch(from: i64) -> RecordBatch {
    RecordBatch::try_from_iter([
        ("PERSON_ID", Arc::new(Int64Array::from_iter_values(from..from + 2)) as Arc<dyn Array>),
        ("Name", Arc::new(StringArray::from(vec![Some("x"), None]))),
        (
            "Cost",
            Arc::new(Decimal128Array::from(vec![Some(-12_340_i128), Some(5)]).with_precision_and_scale(10, 3).unwrap()),
        ),
        ("At", Arc::new(TimestampMillisecondArray::from(vec![1_500, -1]).with_timezone("Europe/Berlin"))),
        ("Big", Arc::new(UInt64Array::from(vec![1, u64::MAX]))),
        ("Codes", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]))),
    ])
    .unwrap()
}

#[tokio::test]
async fn parquet_files_and_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("Visit")).unwrap();
    write_parquet(&folder.path().join("PERSON.parquet"), &parquet_batch(1));
    write_parquet(&folder.path().join("Visit/a [1].parquet"), &parquet_batch(1));
    write_parquet(&folder.path().join("Visit/b%20.parquet"), &parquet_batch(3));
    let options = Options {
        directory: folder.path().into(),
        tables: vec!["person".into(), "visit".into()],
        ..Options::default()
    };
    let database = DataFusionDatabase::open(options).unwrap();
    let columns = database.relations()[0].columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>();
    assert_eq!(columns, ["person_id", "name", "cost", "at", "big"], "the nested column does not exist");
    let rows = lines(&database, "select person_id, name, cost, at from person", &[]).await.unwrap();
    assert_eq!(rows, ["1 | \"x\" | -12.340d | micro 1500000", "2 | null | 0.005d | micro -1000"]);
    let rows = lines(
        &database,
        "select v.person_id, p.name from visit v left join person p on p.person_id = v.person_id order by 1",
        &[],
    )
    .await;
    assert_eq!(rows.unwrap(), ["1 | \"x\"", "2 | null", "3 | null", "4 | null"]);
    assert!(lines(&database, "select big from person", &[]).await.is_err(), "a value over 2^63 is not cut");
    let rows = lines(&database, "select cast(big as decimal(20, 0)) from person", &[]).await.unwrap();
    assert_eq!(rows, ["1d", "18446744073709551615d"]);
    fs::write(folder.path().join("Visit/c.parquet"), b"no parquet").unwrap();
    assert!(open(folder.path(), &["visit"]).is_err());
}

#[tokio::test]
async fn parameters_are_bound_and_not_pasted() {
    let folder = folder(&[("t.csv", b"id,name,d,at,v\n1,it's,2020-01-01,2020-01-01 00:00:00,0.5\n2,\"' or true --\",2020-01-02,2020-01-02 00:00:00,1.5\n")]);
    let database = open(folder.path(), &["t"]).unwrap();
    let cases: &[(&str, &[Value], &[&str])] = &[
        ("select id from t where name = $1", &[Value::Text("' or true --".into())], &["2"]),
        ("select id from t where id >= $1 and v < $2", &[Value::Int64(1), Value::Float64(1.0)], &["1"]),
        ("select id from t where d = $1", &[Value::Date(18_263)], &["2"]),
        ("select id from t where at = $1", &[Value::Timestamp(1_577_836_800_000_000)], &["1"]),
        ("select id from t where v = $1", &[Value::Decimal("0.50".into())], &["1"]),
        ("select id from t where id = $1", &[Value::Null], &[]),
        ("select id from t where (id = 1) = $1", &[Value::Boolean(true)], &["1"]),
    ];
    for (sql, parameters, rows) in cases {
        assert_eq!(lines(&database, sql, parameters).await.unwrap(), *rows, "{sql}");
    }
    let bad: &[(&str, &[Value])] = &[
        ("select id from t where id = $1", &[]),
        ("select id from t", &[Value::Int64(1)]),
        ("select id from t where v = $1", &[Value::Decimal("1e5".into())]),
        ("select id from t where name = $1", &[Value::Text("x".repeat(2_000))]),
    ];
    for (sql, parameters) in bad {
        assert!(matches!(lines(&database, sql, parameters).await, Err(DatabaseError::Invalid(_))), "{sql}");
    }
}

#[tokio::test]
async fn what_the_statistics_need_is_computed() {
    let folder = folder(&[(
        "t.csv",
        b"id,g,x,name,d\n1,a,1,Ann,2020-01-31\n2,a,2,Bob,2020-03-01\n3,b,3,,2021-01-01\n4,b,,Dan,\n",
    )]);
    let database = open(folder.path(), &["t"]).unwrap();
    let cases: &[(&str, &[&str])] = &[
        (
            "select g, count(*), sum(x), avg(x) from t group by g order by g",
            &["\"a\" | 2 | 3 | 1.5", "\"b\" | 2 | 3 | 3.0"],
        ),
        (
            "select min(x), max(x), median(x), stddev(x), var_pop(x), corr(id, x), covar_samp(id, x) from t",
            &["1 | 3 | 2.0 | 1.0 | 0.6666666666666666 | 1.0 | 1.0"],
        ),
        (
            "select floor((x - 0) / 2) * 2 as bin, count(*) from t where x is not null group by 1 order by 1",
            &["0.0 | 1", "2.0 | 2"],
        ),
        (
            "select upper(name), substring(name from 1 for 1), char_length(name), coalesce(name, 'none') from t where id > 2 order by id",
            &["null | null | null | \"none\"", "\"DAN\" | \"D\" | 3 | \"Dan\""],
        ),
        (
            "select extract(year from d), date_trunc('month', d), d + interval '1 day', d - date '2020-01-01' from t where id = 2",
            &["2020 | micro 1583020800000000 | day 18323 | 60"],
        ),
        (
            "select id, row_number() over (partition by g order by id desc), lag(x) over (order by id) from t order by id",
            &["1 | 2 | null", "2 | 1 | 1", "3 | 2 | 2", "4 | 1 | 3"],
        ),
        (
            "with big as (select g, count(*) as n from t group by g) select t.id, big.n from t join big on big.g = t.g where exists (select 1 from t as u where u.id > t.id) order by t.id",
            &["1 | 2", "2 | 2", "3 | 2"],
        ),
        (
            "select id from t where name like '%n' or name ilike 'B%' union all select 9 order by 1",
            &["1", "2", "4", "9"],
        ),
        (
            "select case when x > 2 then 'many' else 'few' end, cast(x as double) / 2, round(2.567, 1), abs(-1), power(2, 10), null from t where id = 1",
            &["\"few\" | 0.5 | 2.6 | 1 | 1024.0 | null"],
        ),
        ("select approx_distinct(g), count(distinct g), count(x) filter (where g = 'a') from t", &["2 | 2 | 2"]),
    ];
    for (sql, rows) in cases {
        match lines(&database, sql, &[]).await {
            Ok(seen) => assert_eq!(seen, *rows, "{sql}"),
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn what_a_witnessed_relation_gives_has_its_subject_once() {
    let folder = folder(&[
        ("person.csv", b"person_id,year_of_birth,gender_concept_id\n1,1950,8507\n2,1960,8532\n"),
        ("visit.csv", b"visit_id,person_id\n10,1\n11,1\n12,2\n"),
        ("concept.csv", b"concept_id,concept_name\n8507,male\n"),
    ]);
    let options = Options {
        directory: folder.path().into(),
        tables: vec!["person".into(), "visit".into(), "concept".into()],
        ..Options::default()
    };
    let database = DataFusionDatabase::open(options).unwrap();
    let cases: &[(&str, &[&str])] = &[
        ("visit", &["10 | 1", "11 | 1", "12 | 2"]),
        (
            "select v.visit_id, v.person_id from visit v join person p on p.person_id = v.person_id",
            &["10 | 1", "11 | 1", "12 | 2"],
        ),
        (
            "select PERSON_ID, floor(year_of_birth / 20) * 20 as bin_from from Person where year_of_birth < 1955",
            &["1 | 1940.0"],
        ),
        (
            "select p.person_id, c.concept_name as sex from person p left join concept c on c.concept_id = p.gender_concept_id",
            &["1 | \"male\"", "2 | null"],
        ),
        (
            "select p.*, v.visit_id from person p join visit v on v.person_id = p.person_id where v.visit_id > 11",
            &["2 | 1960 | 8532 | 12"],
        ),
    ];
    for (sql, rows) in cases {
        let witnessed = crate::statement::admit_witnessed(sql, Dialect::DataFusion, database.relations())
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut running = database.begin(MOST).await.unwrap().query(&witnessed.statement, &[]).await.unwrap();
        let named = running.schema().iter().filter(|column| column.name == witnessed.subject).count();
        assert_eq!(named, 1, "{sql}");
        while running.next().await.unwrap().is_some() {}
        let mut seen = lines(&database, witnessed.statement.sql(), &[]).await.unwrap();
        seen.sort();
        assert_eq!(seen, *rows, "{sql}");
    }
}
