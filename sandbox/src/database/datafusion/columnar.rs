//! Reads the footers of a table's Parquet files: one schema, its names in lower case, the columns that a query can have.

use super::files::{FileError, Fingerprints, Source};
use super::shelf::Shelf;
use super::{OpenError, Reading, Table};
use crate::database::arrow::column_type;
use crate::value::ColumnInfo;
use datafusion::arrow::datatypes::SchemaRef;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Reads the schema of a table's Parquet files, and hashes them.
pub(super) fn read(shelf: &Shelf, source: &Source, fingerprints: &mut Fingerprints) -> Result<Table, OpenError> {
    let mut schema: Option<SchemaRef> = None;
    for path in &source.files {
        let mut reader = shelf.open(path)?;
        std::io::copy(&mut reader, &mut std::io::sink()).map_err(|error| FileError::Unreadable(error).of(path))?;
        fingerprints.add(path, reader)?;
        let own = read_schema(shelf, path).map_err(|error| error.of(path))?;
        match &schema {
            Some(schema) if schema.fields() != own.fields() => return Err(FileError::Differs.of(path)),
            Some(_) => {}
            None => schema = Some(own),
        }
    }
    let path = source.files.first().expect("a table has a file");
    let schema = schema.expect("a table has a file");
    let mut columns = Vec::new();
    let mut picked = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, field) in schema.fields().iter().enumerate() {
        let name = field.name().trim().to_lowercase();
        let problem = if name.is_empty() {
            Some("empty: name every column")
        } else if !seen.insert(name.clone()) {
            Some("the same as an earlier one, in any case of letters: rename one of them")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(FileError::Header { column: i + 1, problem }.of(path));
        }
        // nested columns do not exist for a query
        if let Some(ty) = column_type(field.data_type()) {
            picked.push(i);
            columns.push(ColumnInfo { name, ty, nullable: field.is_nullable() });
        }
    }
    if columns.is_empty() {
        return Err(FileError::NoColumns.of(path));
    }
    Ok(Table { columns, reading: Reading::Parquet { files: source.files.clone(), schema, picked } })
}

fn read_schema(shelf: &Shelf, path: &Path) -> Result<SchemaRef, FileError> {
    let metadata = shelf.footer(path)?;
    // metadata of the file's writer is no part of a column
    let fields =
        metadata.schema().fields().iter().map(|field| field.as_ref().clone().with_metadata(Default::default()));
    Ok(Arc::new(datafusion::arrow::datatypes::Schema::new(fields.collect::<Vec<_>>())))
}
