//! A large table passes through the engine without ever being held: alone in its process, so that its memory can be measured.

#![cfg(all(target_os = "linux", feature = "datafusion"))]

use sandbox::database::Database as _;
use sandbox::database::datafusion::{DataFusionDatabase, Options};
use sandbox::statement::{Dialect, admit};
use sandbox::value::ColumnData;
use std::fs;
use std::io::{BufWriter, Write};
use std::time::Duration;

const ROWS: i64 = 800_000;
/// Far less than the file.
const GROWTH_KIB: u64 = 24 * 1024;

#[tokio::test]
async fn a_large_file_streams_in_its_order_with_bounded_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("t.csv");
    let mut file = BufWriter::new(fs::File::create(&path).expect("a file can be made"));
    writeln!(file, "id,x,name").expect("a file can be written");
    let name = "a person whose record is somewhat long as free text in an export tends to be";
    for i in 0..ROWS {
        writeln!(file, "{i},{}.25,{name} {}", i % 1_000, i % 7).expect("a file can be written");
    }
    drop(file);
    let bytes = fs::metadata(&path).expect("the file is there").len();
    assert!(bytes / 1024 > 2 * GROWTH_KIB, "the file is large enough to show in memory");

    // what the engine takes once, whatever it reads
    fs::write(folder.path().join("small.csv"), "id\n1\n").expect("a file can be written");
    let options = |table: &str| Options {
        directory: folder.path().into(),
        tables: vec![table.into()],
        subject: None,
        memory_bytes: 8 * 1024 * 1024,
        ..Options::default()
    };
    assert_eq!(
        read(&DataFusionDatabase::open(options("small")).expect("it opens"), "select id, id + 1 as next from small")
            .await,
        1
    );

    let before = peak_kib();
    let database = DataFusionDatabase::open(options("t")).expect("it opens");
    assert_eq!(read(&database, "select id, name from t").await, ROWS);
    let groups = read(
        &database,
        "select row_number() over (order by name) as id, count(*) as n, sum(x) as s from t group by name",
    )
    .await;
    assert_eq!(groups, 7);
    let grown = peak_kib() - before;
    assert!(grown < GROWTH_KIB, "memory grew by {grown} KiB while {} KiB were read", bytes / 1024);
}

/// Reads a query whose first column counts from 0 or 1, and returns how many rows there were.
async fn read(database: &DataFusionDatabase, sql: &str) -> i64 {
    let statement = admit(sql, Dialect::DataFusion, database.relations()).expect("it is admitted");
    let session = database.begin(Duration::from_secs(600)).await.expect("it begins");
    let mut rows = session.query(&statement, &[]).await.expect("it starts");
    let mut last = None;
    let mut count = 0;
    while let Some(batch) = rows.next().await.expect("it runs") {
        assert!(batch.rows <= 8_192);
        let ColumnData::Int64(ids) = &batch.columns[0].data else { panic!("ids are integers") };
        for id in ids {
            assert!(last.is_none_or(|last| last + 1 == *id), "rows come in the order of the file");
            last = Some(*id);
            count += 1;
        }
    }
    count
}

/// The most memory that this process has ever had, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("the peak is a number")
}
