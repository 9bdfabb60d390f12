//! The same data behind every engine: what they answer, what they deny, how they end, and what is not opened at all.

mod answers;
mod audit;
mod cluster;
mod gateway;
mod sessions;
mod threats;
mod witnessed;

#[path = "../../tests/fixture/cluster.rs"]
mod ballista;
#[path = "../../tests/fixture/parquet.rs"]
mod parquet;
#[path = "../../tests/fixture/postgres.rs"]
mod server;

use super::datafusion::{self, DataFusionDatabase};
use super::flight::{self, FlightDatabase};
use super::postgres::PostgresDatabase;
use super::sqlite::SqliteDatabase;
use super::{Database, DatabaseError, Session, postgres, sqlite};
use crate::statement::{Dialect, Statement, admit};
use crate::value::{Batch, ColumnData, ColumnInfo, Value};
use ballista::{Cluster, cluster};
use server::{Server, server};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long a task may last.
const MOST: Duration = Duration::from_secs(600);

/// What no engine's error may carry.
const CANARY: &str = "CANARY";

/// One table for every engine: its columns as SQL declares them, and its rows.
struct Table {
    name: &'static str,
    columns: &'static str,
    header: &'static str,
    rows: Vec<String>,
}

/// The tables of these tests; a row is written the same way in SQL and, without its quotes, in CSV.
fn tables() -> Vec<Table> {
    let person = (1..=40).map(|id| {
        let sex = if id % 2 == 0 { "'f'" } else { "'m'" };
        format!("{id},{},{sex},{}.5,'{}-03-0{}'", 1_930 + id, 50 + id % 7, 1_930 + id, 1 + id % 9)
    });
    let visit = (1..=100).map(|id| format!("{id},{},'2020-01-{:02}',{}.25", 1 + id % 40, 1 + id % 28, id % 13));
    vec![
        Table {
            name: "person",
            columns: "person_id BIGINT, year_of_birth BIGINT, sex TEXT, weight DOUBLE PRECISION, born DATE",
            header: "person_id,year_of_birth,sex,weight,born",
            rows: person.collect(),
        },
        Table {
            name: "visit_occurrence",
            columns: "visit_occurrence_id BIGINT, person_id BIGINT, visit_start_date DATE, cost DOUBLE PRECISION",
            header: "visit_occurrence_id,person_id,visit_start_date,cost",
            rows: visit.collect(),
        },
        Table {
            name: "note",
            columns: "note_id BIGINT, person_id BIGINT, body TEXT",
            header: "note_id,person_id,body",
            rows: vec![format!("0,1,'{CANARY}'"), "1,2,'x'".into()],
        },
    ]
}

fn sql(tables: &[Table]) -> String {
    let table = |table: &Table| {
        let rows = table.rows.iter().map(|row| format!("({row})")).collect::<Vec<_>>().join(", ");
        format!("CREATE TABLE {0} ({1}); INSERT INTO {0} VALUES {rows};\n", table.name, table.columns)
    };
    tables.iter().map(table).collect()
}

fn write_csv(folder: &Path, tables: &[Table]) {
    for table in tables {
        let rows = table.rows.iter().map(|row| row.replace('\'', "")).collect::<Vec<_>>().join("\n");
        std::fs::write(folder.join(format!("{}.csv", table.name)), format!("{}\n{rows}\n", table.header)).unwrap();
    }
}

fn write_sqlite(file: &Path, sql: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

fn names(tables: &[&str]) -> Vec<String> {
    tables.iter().map(|table| (*table).to_owned()).collect()
}

fn sqlite_options(file: &Path, tables: &[&str]) -> sqlite::Options {
    sqlite::Options { file: file.to_owned(), tables: names(tables), ..sqlite::Options::default() }
}

/// The reader's way to a database of the test server, over its socket.
fn postgres_options(folder: &Path, name: &str, password: &str, tables: &[&str]) -> postgres::Options {
    let server = server();
    postgres::Options {
        host: server.folder.to_str().unwrap().to_owned(),
        port: server.port,
        database: name.to_owned(),
        user: format!("{name}_reader"),
        password_file: Some(Server::password_file(folder, password)),
        schema: "omop".into(),
        tables: names(tables),
        // the planner's estimate would keep these tests from meeting anything else
        most_cost: f64::INFINITY,
        ..postgres::Options::default()
    }
}

fn files_options(folder: &Path, tables: &[&str]) -> datafusion::Options {
    datafusion::Options {
        directory: folder.into(),
        tables: names(tables),
        memory_bytes: 64 * 1024 * 1024,
        ..datafusion::Options::default()
    }
}

/// The cluster's way to tables that lie in a folder as CSV files: each becomes a folder of four Parquet files.
async fn flight_options(at: &Cluster, folder: &Path, tables: &[&str]) -> flight::Options {
    for table in tables {
        parquet::write_parts(&folder.join(format!("{table}.csv")), &folder.join("parts").join(table), 4).await;
    }
    flight::Options {
        port: at.port,
        accept_anonymous: true,
        setup: Cluster::setup(&folder.join("parts"), tables),
        tables: names(tables),
        ..flight::Options::default()
    }
}

/// Every engine over the same tables.
struct Engines {
    _threads: tokio::sync::RwLockReadGuard<'static, ()>,
    _folder: TempDir,
    all: Vec<Arc<dyn Database>>,
}

impl Engines {
    /// `name` is the PostgreSQL database's: each test has its own.
    async fn open(name: &str, tables: &[Table], granted: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_csv(folder.path(), tables);
        let file = folder.path().join("data.db");
        write_sqlite(&file, &sql(tables));
        let password = server().database(name, &sql(tables));
        let postgres = PostgresDatabase::open(postgres_options(folder.path(), name, &password, granted)).await;
        let flight = FlightDatabase::open(flight_options(cluster(), folder.path(), granted).await).await;
        let all: Vec<Arc<dyn Database>> = vec![
            Arc::new(DataFusionDatabase::open(files_options(folder.path(), granted)).unwrap()),
            Arc::new(SqliteDatabase::open(sqlite_options(&file, granted)).unwrap()),
            Arc::new(postgres.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))),
            Arc::new(flight.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))),
        ];
        Self { _threads: datafusion::tests::THREADS.read().await, _folder: folder, all }
    }

    fn of(&self, dialect: Dialect) -> &dyn Database {
        &**self.all.iter().find(|database| database.dialect() == dialect).unwrap()
    }
}

/// Every batch of an admitted query, in a session of its own.
async fn batches(
    database: &dyn Database,
    sql: &str,
    parameters: &[Value],
) -> Result<(Vec<ColumnInfo>, Vec<Batch>), DatabaseError> {
    let admitted = admit(sql, database.dialect(), database.relations());
    let statement = admitted.unwrap_or_else(|error| panic!("{} {sql}: {error}", database.dialect()));
    read(&*database.begin(MOST).await?, &statement, parameters).await
}

async fn read(
    session: &dyn Session,
    statement: &Statement,
    parameters: &[Value],
) -> Result<(Vec<ColumnInfo>, Vec<Batch>), DatabaseError> {
    let mut rows = session.query(statement, parameters).await?;
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await? {
        assert!(batch.rows > 0);
        batches.push(batch);
    }
    Ok((rows.schema().to_vec(), batches))
}

/// The values of a small result, row by row, as one line of text each.
async fn lines(database: &dyn Database, sql: &str, parameters: &[Value]) -> Result<Vec<String>, DatabaseError> {
    batches(database, sql, parameters).await.map(|(_, batches)| text(&batches))
}

fn text(batches: &[Batch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..usize::try_from(batch.rows).unwrap() {
            let cells = batch.columns.iter().map(|column| {
                if column.validity.as_ref().is_some_and(|bits| bits[row / 8] >> (row % 8) & 1 == 0) {
                    return "null".to_owned();
                }
                match &column.data {
                    ColumnData::Boolean(values) => (values[row] != 0).to_string(),
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
    lines
}

/// Asks again until it is so; a slow machine may take long.
async fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
