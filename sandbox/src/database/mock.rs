//! Rows made up from names and types alone, so that an analysis can be tried where the data are not: the same for the same seed on every machine.
//!
//! Nothing here looks at data. What a column means is guessed from its name (`role`), values are drawn (`draw`, `column`), keys join because
//! every table numbers its own rows and others refer to these numbers, and one Parquet file a table is what the embedded engine then opens.

mod column;
mod draw;
mod role;

use crate::value::ColumnInfo;
use column::Columns;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use draw::Draw;
use role::Roles;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// A table to make rows for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name: letters, digits and underscores.
    pub name: String,
    /// The column that names the subject (person) of a row.
    pub subject: Option<String>,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
}

/// Why there are no mock rows.
#[derive(Debug, Error)]
pub enum MockError {
    /// A name that no file can have.
    #[error("the table name {0:?} cannot be made up: use letters, digits and underscores")]
    Name(String),
    /// The file could not be written.
    #[error("{} could not be written: is the disk full?", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system or the format said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Writes one Parquet file a table into a folder: `rows` rows each, over as many subjects.
///
/// # Errors
///
/// [`MockError`]; files that were written before stay.
pub fn write(tables: &[Table], rows: usize, seed: u64, folder: &Path) -> Result<(), MockError> {
    let roles = Roles::of(tables);
    for table in tables {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if table.name.is_empty() || !table.name.chars().all(plain) {
            return Err(MockError::Name(table.name.clone()));
        }
        let mut columns = Columns::new(table, rows, Draw::new(seed, &table.name));
        let arrays = columns.make(&roles);
        let file = folder.join(format!("{}.parquet", table.name));
        write_file(table, arrays, &file).map_err(|source| MockError::File { file, source })?;
    }
    Ok(())
}

fn write_file(
    table: &Table,
    arrays: Vec<ArrayRef>,
    file: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let fields = table.columns.iter().zip(&arrays);
    let fields = fields.map(|(column, array)| Field::new(&column.name, array.data_type().clone(), column.nullable));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    let mut writer = ArrowWriter::try_new(File::create_new(file)?, schema, None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
