//! The run: the query's batches, one after another, into the declared output.

use crate::csv::Writer;
use guest::bindings::quintes::analysis::outputs;
use guest::bindings::{Guest, export};
use guest::{handle, parameter, reason};

/// Rows asked for at once: where batches stop getting cheaper per row.
const BATCH_ROWS: u32 = 16_384;

/// Bytes written at once; a call costs more than the bytes below this.
const WRITE_BYTES: usize = 64 * 1024;

/// What the output is declared as.
const MEDIA_TYPE: &str = "text/csv";

/// The component.
#[derive(Debug)]
pub struct Sql;

impl Guest for Sql {
    /// Parameters: `query` (required), `handle` (default: the only one), `output` (default: `result`).
    fn run() -> Result<(), String> {
        let query = parameter::optional("query")
            .ok_or("the parameter `query` is missing: give one SELECT over granted tables")?;
        let name = parameter::optional("output").unwrap_or_else(|| "result".into());
        let connection = handle::open(parameter::optional("handle").as_deref())?;
        let rows = connection.query(&query, &[]).map_err(|error| reason::of_database(&error))?;
        let refused = |error| reason::of_output(&name, error);
        let output = outputs::create(&name, MEDIA_TYPE).map_err(|error| match error {
            outputs::Error::NotDeclared => {
                format!("the task does not declare the output `{name}` as {MEDIA_TYPE}: declare it when you submit")
            }
            other => refused(other),
        })?;
        let mut writer = Writer::new(&rows.schema());
        while let Some(batch) = rows.next_batch(BATCH_ROWS).map_err(|error| reason::of_database(&error))? {
            for row in 0..usize::try_from(batch.rows).expect("wasm32 has 32-bit sizes") {
                writer.row(&batch.columns, row)?;
                if writer.bytes().len() >= WRITE_BYTES {
                    output.write(writer.bytes()).map_err(refused)?;
                    writer.clear();
                }
            }
        }
        output.write(writer.bytes()).map_err(refused)?;
        outputs::Output::finish(output).map_err(refused)
    }
}

#[allow(unsafe_code, reason = "generated: the component's export")]
mod exported {
    use super::{Sql, export};
    export!(Sql with_types_in guest::bindings);
}
