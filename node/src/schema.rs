//! What a dataset looks like, as it is published: the sandbox's relations in the words of a statement, and the other way round.

use protocol::record::dataset::{Column, ColumnType, Relation, Schema};
use sandbox::database::{self, Database, mock};
use sandbox::value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The schemas of those datasets that are published.
#[must_use]
pub fn published(
    datasets: &BTreeMap<String, Arc<dyn Database>>,
    published: &BTreeSet<String>,
) -> BTreeMap<String, Schema> {
    let shown = datasets.iter().filter(|(name, _)| published.contains(*name));
    shown.map(|(name, database)| (name.clone(), of(database.as_ref()))).collect()
}

/// What a dataset looks like.
#[must_use]
pub fn of(database: &dyn Database) -> Schema {
    Schema::of(database.dialect().name(), database.relations().iter().map(relation).collect())
}

fn relation(relation: &database::Relation) -> Relation {
    let column = |column: &value::ColumnInfo| Column {
        name: column.name.clone(),
        ty: column_type(column.ty),
        nullable: column.nullable,
    };
    Relation {
        name: relation.name.clone(),
        subject: relation.subject.clone(),
        columns: relation.columns.iter().map(column).collect(),
    }
}

/// A published relation as something to make up rows for.
#[must_use]
pub fn to_make_up(relation: &Relation) -> mock::Table {
    let column = |column: &Column| value::ColumnInfo {
        name: column.name.clone(),
        ty: match column.ty {
            ColumnType::Boolean => value::ColumnType::Boolean,
            ColumnType::Int64 => value::ColumnType::Int64,
            ColumnType::Float64 => value::ColumnType::Float64,
            ColumnType::Decimal => value::ColumnType::Decimal,
            ColumnType::Text => value::ColumnType::Text,
            ColumnType::Bytes => value::ColumnType::Bytes,
            ColumnType::Date => value::ColumnType::Date,
            ColumnType::Timestamp => value::ColumnType::Timestamp,
        },
        nullable: column.nullable,
    };
    mock::Table {
        name: relation.name.clone(),
        subject: relation.subject.clone(),
        columns: relation.columns.iter().map(column).collect(),
    }
}

fn column_type(ty: value::ColumnType) -> ColumnType {
    match ty {
        value::ColumnType::Boolean => ColumnType::Boolean,
        value::ColumnType::Int64 => ColumnType::Int64,
        value::ColumnType::Float64 => ColumnType::Float64,
        value::ColumnType::Decimal => ColumnType::Decimal,
        value::ColumnType::Text => ColumnType::Text,
        value::ColumnType::Bytes => ColumnType::Bytes,
        value::ColumnType::Date => ColumnType::Date,
        value::ColumnType::Timestamp => ColumnType::Timestamp,
    }
}
