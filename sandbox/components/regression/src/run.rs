//! The run: one question, one output.

use crate::plan::Question;
use crate::request::Request;
use guest::bindings::quintes::analysis::{outputs, witness};
use guest::bindings::{Guest, export};
use guest::rows::Rows;
use guest::{handle, parameter, reason};

/// The output's name.
const OUTPUT: &str = "regression";

/// The component.
#[derive(Debug)]
pub struct Regression;

impl Guest for Regression {
    fn run() -> Result<(), String> {
        let request = Request::read(&parameter::optional)?;
        let connection = handle::open(parameter::optional("handle").as_deref())?;
        let granted = connection.tables().map_err(|error| reason::of_database(&error))?;
        let rows = Rows::read(&parameter::optional, &granted)?;
        let Question { relation, measures } = Question::of(&request, &rows)?;
        let table =
            witness::aggregate(&connection, &relation, &[], &measures).map_err(|error| reason::of_database(&error))?;
        outputs::write_table(OUTPUT, table).map_err(|error| reason::of_output(OUTPUT, error))
    }
}

#[allow(unsafe_code, reason = "generated: the component's export")]
mod exported {
    use super::{Regression, export};
    export!(Regression with_types_in guest::bindings);
}
