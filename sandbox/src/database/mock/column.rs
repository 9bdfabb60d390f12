//! The values of a table's columns, each by its role and its type.

use super::Table;
use super::draw::{Draw, character};
use super::role::{Role, Roles};
use crate::value::{ColumnInfo, ColumnType};
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use std::sync::Arc;

/// How often a value that may be missing is.
const MISSING: f64 = 0.05;

/// The number of the first subject: long enough to be recognised in an output, as real ones are.
const FIRST_SUBJECT: u64 = 100_001;

/// 1930-01-01 in days since 1970-01-01, and for how many days people are born.
const BIRTHS: (i64, i64) = (-14_610, 27_000);

/// 2015-01-01 in days since 1970-01-01, and for how many days things happen.
const EVENTS: (i64, i64) = (16_436, 3_652);

/// What is written into texts.
const WORDS: [&str; 9] = ["amber", "blue", "cyan", "dark", "ecru", "fawn", "green", "hazel", "ivory"];

/// One day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// The columns of one table while they are made.
pub(super) struct Columns<'a> {
    table: &'a Table,
    rows: usize,
    draw: Draw,
    /// The days of columns that hold days or times, for those that follow from them.
    days: Vec<Vec<Option<i64>>>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(table: &'a Table, rows: usize, draw: Draw) -> Self {
        Self { table, rows, draw, days: vec![Vec::new(); table.columns.len()] }
    }

    /// All columns, in the table's order.
    pub(super) fn make(&mut self, roles: &Roles<'_>) -> Vec<ArrayRef> {
        let roles: Vec<Role> = (0..self.table.columns.len()).map(|place| roles.role(self.table, place)).collect();
        // What follows from another column comes after it.
        let follows = |place: &usize| matches!(roles[*place], Role::After { .. } | Role::SameDay { .. });
        let (later, first): (Vec<usize>, Vec<usize>) = (0..roles.len()).partition(follows);
        let mut made: Vec<Option<ArrayRef>> = vec![None; roles.len()];
        for place in first.into_iter().chain(later) {
            made[place] = Some(self.column(place, roles[place]));
        }
        made.into_iter().map(|one| one.expect("each place was made once")).collect()
    }

    fn column(&mut self, place: usize, role: Role) -> ArrayRef {
        let column = &self.table.columns[place];
        match column.ty {
            ColumnType::Int64 => {
                Arc::new(Int64Array::from(self.each(column, role, |draw, row, rows| number(draw, role, row, rows))))
            }
            ColumnType::Text => Arc::new(StringArray::from(self.each(column, role, |draw, row, rows| {
                let at = number(draw, role, row, rows);
                Some(match role {
                    Role::Code { .. } => WORDS[usize::try_from(at?).ok()? % WORDS.len()].to_owned(),
                    _ => format!("k{}", at?),
                })
            }))),
            ColumnType::Boolean => {
                Arc::new(BooleanArray::from(self.each(column, role, |draw, _, _| Some(draw.chance(0.5)))))
            }
            ColumnType::Float64 => {
                let typical = typical(&column.name);
                Arc::new(Float64Array::from(self.each(column, role, |draw, _, _| Some(around(draw, typical)))))
            }
            ColumnType::Decimal => {
                let values = self.each(column, role, |draw, _, _| Some(i128::from(draw.between(100, 99_999))));
                let array = Decimal128Array::from(values).with_precision_and_scale(12, 2);
                Arc::new(array.expect("five digits, two of them after the point, fit into twelve"))
            }
            ColumnType::Bytes => {
                let values = self.each(column, role, |draw, _, _| Some(draw.below(u64::MAX).to_le_bytes()));
                Arc::new(values.iter().map(|value| value.as_ref().map(<[u8; 8]>::as_slice)).collect::<BinaryArray>())
            }
            ColumnType::Date => {
                let days = self.days(place, role);
                let short = |day: i64| i32::try_from(day).expect("a day of this century or the last fits");
                Arc::new(Date32Array::from(days.iter().map(|day| day.map(short)).collect::<Vec<_>>()))
            }
            ColumnType::Timestamp => {
                let days = self.days(place, role);
                let draw = &mut self.draw;
                let mut time = |day: i64| day * DAY + draw.between(0, 86_399) * 1_000_000;
                let times: Vec<_> = days.iter().map(|day| day.map(&mut time)).collect();
                Arc::new(TimestampMicrosecondArray::from(times))
            }
        }
    }

    /// A value for every row; keys and subjects are never missing.
    fn each<T>(
        &mut self,
        column: &ColumnInfo,
        role: Role,
        mut value: impl FnMut(&mut Draw, u64, u64) -> Option<T>,
    ) -> Vec<Option<T>> {
        let missing = column.nullable && !matches!(role, Role::Subject { .. } | Role::Key);
        let rows = self.rows as u64;
        (0..rows)
            .map(|row| {
                let gone = missing && self.draw.chance(MISSING);
                let value = value(&mut self.draw, row, rows);
                value.filter(|_| !gone)
            })
            .collect()
    }

    /// The days of a column, remembered for those that follow from it.
    fn days(&mut self, place: usize, role: Role) -> Vec<Option<i64>> {
        let column = &self.table.columns[place];
        let before = match role {
            Role::After { start: at } | Role::SameDay { day: at } => std::mem::take(&mut self.days[at]),
            _ => Vec::new(),
        };
        let (first, many) = if role == Role::Birth { BIRTHS } else { EVENTS };
        let days = self.each(column, role, |draw, row, _| {
            let day = usize::try_from(row).ok().and_then(|row| before.get(row).copied().flatten());
            Some(match (role, day) {
                (Role::SameDay { .. }, Some(day)) => day,
                (Role::After { .. }, Some(day)) => day + draw.between(0, 30),
                _ => first + draw.between(0, many),
            })
        });
        if let Role::After { start: at } | Role::SameDay { day: at } = role {
            self.days[at] = before;
        }
        self.days[place].clone_from(&days);
        days
    }
}

/// The whole number of a row by its role.
fn number(draw: &mut Draw, role: Role, row: u64, rows: u64) -> Option<i64> {
    let number = match role {
        Role::Subject { each_once: true } => FIRST_SUBJECT + row,
        Role::Subject { each_once: false } => FIRST_SUBJECT + draw.below(rows),
        Role::Key => 1 + row,
        Role::Reference { among } => 1 + draw.below(among.map_or(rows, |few| few.min(rows))),
        Role::Code { values } => 1 + draw.below(values),
        Role::Range { low, high } => return Some(draw.between(low, high)),
        Role::Birth | Role::After { .. } | Role::SameDay { .. } | Role::Value => draw.below(101),
    };
    i64::try_from(number).ok()
}

/// What a measured quantity of this name is about.
fn typical(name: &str) -> f64 {
    let hundredfold = u32::try_from(1_000 + character(name) % 19_000).expect("twenty thousand fit");
    f64::from(hundredfold) / 100.0
}

/// Near `typical`, a fifth of it as its deviation, to one decimal: the sum of four uniform draws has the deviation 0.577.
fn around(draw: &mut Draw, typical: f64) -> f64 {
    let sum: f64 = (0..4).map(|_| draw.unit()).sum();
    let value = typical * (1.0 + 0.2 * (sum - 2.0) / 0.577);
    (value * 10.0).round() / 10.0
}
