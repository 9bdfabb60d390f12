//! Mean and spread of a column by group, twice: as the host witnesses it (tier T1), and computed here from the rows (tier T2).
//!
//! Parameters: `table`, `column` (a number), `by` (a whole number or a text). Outputs: `witnessed` and `computed`.

use guest::bindings::quintes::analysis::database::Connection;
use guest::bindings::quintes::analysis::types::{Batch, ColumnData};
use guest::bindings::quintes::analysis::witness::{self, Measure};
use guest::bindings::quintes::analysis::{job, outputs};
use guest::bindings::{Guest, export};
use guest::{column, handle, name, output, parameter, reason};
use std::collections::BTreeMap;

/// Rows asked for at once.
const BATCH_ROWS: u32 = 16_384;

/// The component.
#[derive(Debug)]
pub struct Spread;

impl Guest for Spread {
    fn run() -> Result<(), String> {
        let (table, column, by) = (named("table")?, named("column")?, named("by")?);
        let connection = handle::open(None)?;
        witnessed(&connection, &table, &column, &by)?;
        computed(&connection, &table, &column, &by)
    }
}

/// A parameter that stands in SQL: a plain name, so that no text becomes a part of the statement.
fn named(parameter: &str) -> Result<String, String> {
    let text = parameter::optional(parameter).ok_or(format!("the parameter `{parameter}` is missing"))?;
    name::plain(parameter, &text)
}

/// The host computes, keeps the evidence, and the table leaves as it is.
fn witnessed(connection: &Connection, table: &str, column: &str, by: &str) -> Result<(), String> {
    let x = column.to_owned();
    let measures = [Measure::CountOf(x.clone()), Measure::Mean(x.clone()), Measure::Variance(x)];
    let answer = witness::aggregate(connection, table, &[by.to_owned()], &measures);
    let answer = answer.map_err(|error| reason::of_database(&error))?;
    outputs::write_table("witnessed", answer).map_err(|error| reason::of_output("witnessed", error))
}

/// The rows come batch by batch; only the group's figures are kept.
fn computed(connection: &Connection, table: &str, column: &str, by: &str) -> Result<(), String> {
    let sql = format!(
        "SELECT {by} AS g, CAST({column} AS DOUBLE) AS x FROM {table} WHERE {by} IS NOT NULL AND {column} IS NOT NULL"
    );
    let rows = connection.query(&sql, &[]).map_err(|error| reason::of_database(&error))?;
    let mut groups: BTreeMap<Group, Moments> = BTreeMap::new();
    let mut read = 0;
    while let Some(batch) = rows.next_batch(BATCH_ROWS).map_err(|error| reason::of_database(&error))? {
        read += batch.rows;
        add(&batch, &mut groups)?;
    }
    job::log(&format!("{read} rows in {} groups", groups.len()));
    let lines = groups.iter().map(|(group, moments)| moments.line(group)).collect::<String>();
    output::write_csv("computed", &format!("{by},n,mean,sd\n{lines}"))
}

/// What rows are grouped by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Number(i64),
    Text(String),
}

fn add(batch: &Batch, groups: &mut BTreeMap<Group, Moments>) -> Result<(), String> {
    let [by, x] = batch.columns.as_slice() else { return Err("the query has two columns".into()) };
    let x = column::doubles(x)?;
    let keys: Vec<Group> = match &by.data {
        ColumnData::Int64(values) => values.iter().map(|value| Group::Number(*value)).collect(),
        ColumnData::Text(values) => values.iter().map(|value| Group::Text(value.clone())).collect(),
        _ => return Err("`by` must be a whole number or a text".into()),
    };
    for (key, x) in keys.into_iter().zip(x) {
        groups.entry(key).or_default().add(*x);
    }
    Ok(())
}

/// Mean and squared deviations in one pass (Welford 1962).
#[derive(Debug, Default)]
struct Moments {
    n: u32,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.n += 1;
        let before = x - self.mean;
        self.mean += before / f64::from(self.n);
        self.squares += before * (x - self.mean);
    }

    /// A line of CSV. One row has no spread.
    fn line(&self, group: &Group) -> String {
        let group = match group {
            Group::Number(value) => value.to_string(),
            Group::Text(value) => output::quoted(value),
        };
        let sd = if self.n < 2 { String::new() } else { (self.squares / f64::from(self.n - 1)).sqrt().to_string() };
        format!("{group},{},{},{sd}\n", self.n, self.mean)
    }
}

#[allow(unsafe_code, reason = "generated: the component's export")]
mod exported {
    use super::{Spread, export};
    export!(Spread with_types_in guest::bindings);
}
