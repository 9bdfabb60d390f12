//! The granted tables as a session at the server knows them, and what names the dataset.

use super::wire::Link;
use super::{OpenError, Options};
use crate::database::Relation;
use crate::database::arrow::column_type;
use crate::value::ColumnInfo;
use datafusion::arrow::datatypes::{Field, Schema};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Each name is plain, and granted once.
pub(super) fn check_names(tables: &[String]) -> Result<(), OpenError> {
    if tables.is_empty() {
        return Err(OpenError::NoTables);
    }
    let mut seen = BTreeSet::new();
    for name in tables {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if name.is_empty() || !is_plain || !seen.insert(name) {
            return Err(OpenError::Name(name.clone()));
        }
    }
    Ok(())
}

/// Each granted table, as the session reads it under its bare name.
pub(super) async fn relations(
    link: &Link,
    tables: &[String],
    subject: Option<&str>,
) -> Result<Vec<Relation>, OpenError> {
    let subject = subject.map(str::to_lowercase);
    let mut relations = Vec::new();
    for table in tables {
        let schema = link.prepared(&format!("SELECT * FROM {table}")).await;
        let schema = schema.map_err(|error| OpenError::Missing { table: table.clone(), source: Box::new(error) })?;
        let columns = columns(table, &schema)?;
        let subject = subject.clone().filter(|subject| columns.iter().any(|column| column.name == *subject));
        relations.push(Relation { name: table.clone(), columns, subject, schema: None });
    }
    match subject {
        Some(subject) if relations.iter().all(|relation| relation.subject.is_none()) => {
            Err(OpenError::Subject(subject))
        }
        _ => Ok(relations),
    }
}

fn columns(table: &str, schema: &Schema) -> Result<Vec<ColumnInfo>, OpenError> {
    let column = |field: &std::sync::Arc<Field>| {
        let name = field.name().clone();
        let view = format!("make a view in the setup and grant that: CREATE VIEW {table}_granted AS SELECT …");
        let problem = |problem| OpenError::Column { table: table.to_owned(), column: name.clone(), problem };
        if name.is_empty() || name != name.to_lowercase() {
            let own = name.to_lowercase();
            return Err(problem(format!("has no name in small letters: {view} \"{name}\" AS {own}")));
        }
        let ty = column_type(field.data_type());
        let ty =
            ty.ok_or_else(|| problem(format!("has a type that no component can have: {view} without it, or cast")))?;
        Ok(ColumnInfo { name, ty, nullable: field.is_nullable() })
    };
    schema.fields().iter().map(column).collect()
}

/// SHA-256 over what names the server, the setup and the granted tables.
pub(super) fn identity(options: &Options, relations: &[Relation]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(u64::try_from(text.len()).expect("a text's length fits 64 bits").to_be_bytes());
        digest.update(text);
    };
    add("flight");
    add(&format!("{}:{}", options.host, options.port));
    add(&options.setup.len().to_string());
    options.setup.iter().for_each(|statement| add(statement));
    for relation in relations {
        add(&relation.name);
        add(&relation.columns.len().to_string());
        relation.columns.iter().for_each(|column| add(&format!("{} {:?}", column.name, column.ty)));
    }
    digest.finalize().into()
}
