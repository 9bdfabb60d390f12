//! A dataset that is batches in memory: what `handle` measures is the way of rows to a component, and not an engine.

use futures::future::{BoxFuture, FutureExt as _};
use sandbox::database::{DatabaseError, Relation, Rows, Session};
use sandbox::statement::{Dialect, Statement};
use sandbox::value::{Batch, Column, ColumnData, ColumnInfo, ColumnType, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// How many groups there are.
pub(super) const GROUPS: usize = 20;

/// A relation `rows` of a group, a double and an integer.
pub(super) struct Memory {
    batches: Vec<Batch>,
    relations: Vec<Relation>,
}

/// A handle on it that can be read once: it gives its batches away, as an engine does.
pub(super) struct Handle {
    batches: Mutex<Vec<Batch>>,
    relations: Vec<Relation>,
}

/// What the native loop and the component compute for one group: how many rows, the sum of the doubles, the sum of the integers.
pub(super) type Group = (i64, f64, i64);

impl Memory {
    /// So many batches of so many rows.
    pub(super) fn new(batches: u32, rows: u32) -> Self {
        let batch = |number: u32| {
            let row = |row: u32| i64::from(number) * i64::from(rows) + i64::from(row);
            let groups = (0..rows).map(|at| row(at) * 7 % 20).collect();
            let doubles = (0..rows).map(|at| f64::from(at % 1_000) / 8.0).collect();
            let integers = (0..rows).map(|at| row(at) % 1_000).collect();
            let columns = [ColumnData::Int64(groups), ColumnData::Float64(doubles), ColumnData::Int64(integers)];
            Batch { rows, columns: columns.map(|data| Column { validity: None, data }).into() }
        };
        let column = |name: &str, ty| ColumnInfo { name: name.to_owned(), ty, nullable: false };
        let columns =
            vec![column("g", ColumnType::Int64), column("x", ColumnType::Float64), column("y", ColumnType::Int64)];
        Self {
            batches: (0..batches).map(batch).collect(),
            relations: vec![Relation { name: "rows".to_owned(), columns, subject: None, schema: None }],
        }
    }

    /// A handle with batches of its own: copying them is no part of what is measured.
    pub(super) fn handle(&self) -> Arc<dyn Session> {
        Arc::new(Handle { batches: Mutex::new(self.batches.clone()), relations: self.relations.clone() })
    }

    /// The same aggregate in native Rust over the same batches.
    pub(super) fn native(&self) -> [Group; GROUPS] {
        let mut groups = [(0, 0.0, 0); GROUPS];
        for batch in &self.batches {
            let [g, x, y] = batch.columns.as_slice() else { continue };
            if let (ColumnData::Int64(g), ColumnData::Float64(x), ColumnData::Int64(y)) = (&g.data, &x.data, &y.data) {
                for ((g, x), y) in g.iter().zip(x).zip(y) {
                    let group = &mut groups[usize::try_from(*g).unwrap_or(0)];
                    group.0 += 1;
                    group.1 += x;
                    group.2 += y;
                }
            }
        }
        groups
    }
}

impl Session for Handle {
    fn dialect(&self) -> Dialect {
        Dialect::DataFusion
    }

    fn relations(&self) -> &[Relation] {
        &self.relations
    }

    fn snapshot(&self) -> [u8; 32] {
        [0; 32]
    }

    fn query<'a>(&'a self, _: &'a Statement, _: &'a [Value]) -> BoxFuture<'a, Result<Box<dyn Rows>, DatabaseError>> {
        let batches = std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner));
        let rows = Reading { batches: batches.into_iter(), columns: self.relations[0].columns.clone() };
        async { Ok(Box::new(rows) as Box<dyn Rows>) }.boxed()
    }
}

/// A run through the batches.
struct Reading {
    batches: std::vec::IntoIter<Batch>,
    columns: Vec<ColumnInfo>,
}

impl Rows for Reading {
    fn schema(&self) -> &[ColumnInfo] {
        &self.columns
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Batch>, DatabaseError>> {
        let batch = self.batches.next();
        async { Ok(batch) }.boxed()
    }
}
