//! What a column is for, guessed from its name, its type and the other tables.

use super::Table;
use super::draw::character;
use crate::value::ColumnType;
use std::collections::BTreeMap;

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Names the subject: each once in the table that is about subjects, any of them elsewhere.
    Subject { each_once: bool },
    /// Numbers the table's own rows.
    Key,
    /// The key of a row of another table; of so many of its rows alone, where the column is a code of few values.
    Reference { among: Option<u64> },
    /// One of a few values.
    Code { values: u64 },
    /// A whole number in a range.
    Range { low: i64, high: i64 },
    /// A day or time of birth.
    Birth,
    /// A day or time after that in the column at this place.
    After { start: usize },
    /// The same day as in the column at this place.
    SameDay { day: usize },
    /// Anything of its type.
    Value,
}

/// The keys of all tables: which table's rows a column's name refers to.
pub(super) struct Roles<'a> {
    /// By the name of the key.
    keys: BTreeMap<&'a str, &'a str>,
}

impl<'a> Roles<'a> {
    pub(super) fn of(tables: &'a [Table]) -> Self {
        let keys = tables.iter().filter_map(|table| Some((key_of(table)?, table.name.as_str())));
        Self { keys: keys.collect() }
    }

    /// What the column at `place` of a table is for.
    pub(super) fn role(&self, table: &Table, place: usize) -> Role {
        let column = &table.columns[place];
        let name = column.name.as_str();
        if table.subject.as_deref() == Some(name) {
            return Role::Subject { each_once: is_about(&table.name, name) };
        }
        let can_be_key = matches!(column.ty, ColumnType::Int64 | ColumnType::Text);
        if can_be_key && key_of(table) == Some(name) {
            return Role::Key;
        }
        let few = 2 + character(name) % 7;
        if can_be_key && let Some(key) = self.refers_to(&table.name, name) {
            return Role::Reference { among: (key != name).then_some(few) };
        }
        let words: Vec<&str> = name.split('_').collect();
        let says = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        match column.ty {
            ColumnType::Int64 if says(&["year"]) => Role::Range { low: 1930, high: 2010 },
            ColumnType::Int64 if says(&["month"]) => Role::Range { low: 1, high: 12 },
            ColumnType::Int64 if says(&["day"]) => Role::Range { low: 1, high: 28 },
            ColumnType::Int64 if says(&["age"]) => Role::Range { low: 18, high: 95 },
            ColumnType::Int64 if says(&["count", "quantity", "number", "days", "refills"]) => {
                Role::Range { low: 0, high: 20 }
            }
            ColumnType::Int64 if says(&["id", "code", "type", "class", "sex", "gender", "status", "flag", "group"]) => {
                Role::Code { values: few }
            }
            ColumnType::Int64 => Role::Range { low: 0, high: 100 },
            ColumnType::Text => Role::Code { values: few },
            ColumnType::Date | ColumnType::Timestamp => time(table, place, says(&["birth", "born", "dob"])),
            ColumnType::Boolean | ColumnType::Float64 | ColumnType::Decimal | ColumnType::Bytes => Role::Value,
        }
    }

    /// The key to which a column refers: the key itself under the same name, or a name that ends with it (`gender_concept_id`).
    fn refers_to(&self, table: &str, name: &str) -> Option<&'a str> {
        let keys = self.keys.iter().filter(|(_, of)| **of != table).map(|(key, _)| *key);
        let ends = |key: &&str| name == *key || name.strip_suffix(key).is_some_and(|before| before.ends_with('_'));
        keys.filter(ends).max_by_key(|key| key.len())
    }
}

/// The column that numbers a table's rows: named after the table, or else the first one when it is an `_id`.
fn key_of(table: &Table) -> Option<&str> {
    let is_subject = |name: &str| table.subject.as_deref() == Some(name);
    let own = format!("{}_id", table.name);
    let named = table.columns.iter().find(|column| column.name == own);
    let first = table.columns.first().filter(|column| column.name.ends_with("_id"));
    let found = named.or(first)?;
    (!is_subject(&found.name)).then_some(found.name.as_str())
}

/// Whether a table is about subjects: `person` for `person_id`, `patients` for `patient_id`.
fn is_about(table: &str, subject: &str) -> bool {
    let stem = subject.strip_suffix("_id").unwrap_or(subject);
    table == stem || table.strip_suffix('s') == Some(stem)
}

/// A start comes before its end, and a `…_datetime` is on its `…_date`.
fn time(table: &Table, place: usize, birth: bool) -> Role {
    let name = &table.columns[place].name;
    let at = |wanted: &str| {
        let found = table.columns.iter().position(|column| column.name == wanted)?;
        let is_time = matches!(table.columns[found].ty, ColumnType::Date | ColumnType::Timestamp);
        (is_time && found != place).then_some(found)
    };
    if let Some(day) = name.strip_suffix("_datetime").and_then(|stem| at(&format!("{stem}_date"))) {
        return Role::SameDay { day };
    }
    if name.split('_').any(|word| word == "end")
        && let Some(start) = at(&name.replace("end", "start"))
    {
        return Role::After { start };
    }
    if birth { Role::Birth } else { Role::Value }
}
