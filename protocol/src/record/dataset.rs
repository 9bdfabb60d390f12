//! `dataset`: what a TRE publishes of one of its datasets: names, types and the subject column; never contents, never a count of rows.

use crate::record::Kind;
use crate::record::name::require_name;
use crate::record::payload::{DECADE, Invalid, Payload, require};
use crate::wire::codec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The longest name of a relation or a column, in bytes: what PostgreSQL calls an identifier.
const MAX_IDENTIFIER_BYTES: usize = 63;

/// The most relations of a schema, and the most columns of a relation.
const MOST: usize = 1_000;

/// The largest schema that [`Schema::of`] makes, in bytes: what is left of a statement for it.
const SCHEMA_BYTES: usize = 60 * 1024;

/// A TRE's word about one of its datasets. Signed by the TRE; the highest version counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The TRE.
    pub tre: String,
    /// The dataset's name, as projects use it.
    pub name: String,
    /// 1, 2, 3, …
    pub version: u64,
    /// What it looks like; none takes back what an earlier version said.
    pub schema: Option<Schema>,
}

/// What a dataset looks like to a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The SQL dialect, for example `datafusion`.
    pub dialect: String,
    /// The relations, in ascending order of their names.
    pub relations: Vec<Relation>,
    /// How many further relations tasks may read, which are not described: they did not fit into a statement.
    pub left_out: u64,
}

/// A relation that tasks may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Its name in a query.
    pub name: String,
    /// The column that names the subject (person) of a row; none for reference data.
    pub subject: Option<String>,
    /// The columns, in their order.
    pub columns: Vec<Column>,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name in a query.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// Whether it may hold nulls.
    pub nullable: bool,
}

/// The type of a column, by the names of `sandbox/wit/analysis.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// A signed 64-bit integer.
    Int64,
    /// An IEEE 754 double.
    Float64,
    /// An exact base-10 number.
    Decimal,
    /// UTF-8 text.
    Text,
    /// Raw bytes.
    Bytes,
    /// A day.
    Date,
    /// A time of a day, to the microsecond, in UTC.
    Timestamp,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Decimal => "decimal",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        })
    }
}

impl Schema {
    /// The schema of these relations as far as one statement holds it: in the order of their names, each that is valid and still fits. The
    /// others are counted.
    #[must_use]
    pub fn of(dialect: &str, mut relations: Vec<Relation>) -> Self {
        relations.sort_by(|left, right| left.name.cmp(&right.name));
        let all = relations.len();
        let mut room = SCHEMA_BYTES;
        relations.retain(|relation| match codec::encode(relation) {
            Ok(bytes) if relation.check().is_ok() && bytes.len() <= room => {
                room -= bytes.len();
                true
            }
            Ok(_) | Err(_) => false,
        });
        relations.dedup_by(|later, earlier| later.name == earlier.name);
        relations.truncate(MOST);
        let left_out = (all - relations.len()) as u64;
        Self { dialect: dialect.to_owned(), relations, left_out }
    }

    /// Checks the rules of the fields.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        require_name(&self.dialect, "dialect")?;
        require(self.relations.len() <= MOST, "relations", "at most 1,000 relations")?;
        self.relations.iter().try_for_each(Relation::check)?;
        let ascending = self.relations.windows(2).all(|pair| pair[0].name < pair[1].name);
        require(ascending, "relations", "in ascending order of their names, each once")
    }
}

impl Relation {
    fn check(&self) -> Result<(), Invalid> {
        require_identifier(&self.name)?;
        require((1..=MOST).contains(&self.columns.len()), "columns", "1 to 1,000 columns")?;
        self.columns.iter().try_for_each(|column| require_identifier(&column.name))?;
        let names: BTreeSet<&String> = self.columns.iter().map(|column| &column.name).collect();
        require(names.len() == self.columns.len(), "columns", "each column once")?;
        require(
            self.subject.as_ref().is_none_or(|subject| names.contains(subject)),
            "subject",
            "the subject is one of the columns",
        )
    }
}

fn require_identifier(text: &str) -> Result<(), Invalid> {
    require(
        (1..=MAX_IDENTIFIER_BYTES).contains(&text.len()) && !text.chars().any(char::is_control),
        "name",
        "relations and columns have names of 1 to 63 bytes without control characters",
    )
}

impl Payload for Dataset {
    const KIND: Kind = Kind::Dataset;
    const MAX_LIFETIME_SECONDS: u64 = DECADE;

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn check(&self) -> Result<(), Invalid> {
        require_name(&self.tre, "tre")?;
        require_name(&self.name, "name")?;
        require(self.version >= 1, "version", "versions begin with 1")?;
        self.schema.as_ref().map_or(Ok(()), Schema::check)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Column, ColumnType, Dataset, Relation, Schema};
    use crate::record::Payload as _;
    use crate::wire::codec::{self, MAX_PAYLOAD_BYTES};

    fn relation(name: &str, columns: usize) -> Relation {
        let column =
            |number| Column { name: format!("column_{number:055}"), ty: ColumnType::Timestamp, nullable: true };
        Relation { name: name.to_owned(), subject: None, columns: (0..columns).map(column).collect() }
    }

    #[test]
    fn a_schema_that_is_too_large_leaves_relations_out_and_says_how_many() {
        let mut relations: Vec<Relation> = (0..40).map(|number| relation(&format!("t{number:02}"), 40)).collect();
        relations.reverse();
        let schema = Schema::of("datafusion", relations);
        assert!(schema.relations.len() > 10 && schema.left_out > 0);
        assert_eq!(schema.relations.len() as u64 + schema.left_out, 40);
        assert_eq!((schema.relations[0].name.as_str(), schema.relations[1].name.as_str()), ("t00", "t01"));
        let dataset = Dataset { tre: "t".repeat(64), name: "n".repeat(64), version: u64::MAX, schema: Some(schema) };
        assert_eq!(dataset.check(), Ok(()));
        assert!(codec::encode(&dataset).unwrap().len() < MAX_PAYLOAD_BYTES - 2_048);
    }

    #[test]
    fn there_are_at_most_1_000_relations_and_1_000_columns_of_each() {
        let many = |count: usize| -> Vec<Relation> { (0..count).map(|n| relation(&format!("r{n:04}"), 1)).collect() };
        let schema = |relations| Schema { dialect: "datafusion".to_owned(), relations, left_out: 0 };
        assert_eq!(schema(many(1_000)).check(), Ok(()));
        assert_eq!(schema(many(1_001)).check().unwrap_err().field, "relations");
        assert_eq!(schema(vec![relation("a", 1_000)]).check(), Ok(()));
        assert_eq!(schema(vec![relation("a", 1_001)]).check().unwrap_err().field, "columns");
        let small = |n: usize| Relation {
            columns: vec![Column { name: "a".to_owned(), ty: ColumnType::Text, nullable: false }],
            ..relation(&format!("r{n:04}"), 0)
        };
        let schema = Schema::of("datafusion", (0..1_002).map(small).collect());
        assert_eq!((schema.relations.len() as u64 + schema.left_out, schema.check()), (1_002, Ok(())));
    }

    #[test]
    fn what_cannot_be_described_is_counted_and_a_small_one_after_a_large_one_is_kept() {
        let mut nameless = relation("b", 1);
        nameless.columns[0].name = "x".repeat(64);
        let schema = Schema::of("datafusion", vec![relation("a", 900), nameless, relation("c", 2), relation("c", 1)]);
        let names: Vec<&str> = schema.relations.iter().map(|relation| relation.name.as_str()).collect();
        assert_eq!((names, schema.left_out), (vec!["c"], 3));
        assert_eq!(schema.check(), Ok(()));
    }
}
