//! The run: one question, one output.

use crate::plan::Question;
use crate::request::Request;
use guest::bindings::quintes::analysis::{outputs, witness};
use guest::bindings::{Guest, export};
use guest::{handle, parameter, reason};

/// The output's name.
const OUTPUT: &str = "cohort";

/// The component.
#[derive(Debug)]
pub struct Cohort;

impl Guest for Cohort {
    fn run() -> Result<(), String> {
        let request = Request::read(&parameter::optional)?;
        let connection = handle::open(parameter::optional("handle").as_deref())?;
        let granted = connection.tables().map_err(|error| reason::of_database(&error))?;
        let Question { relation, by, measures } = Question::of(&request, &granted)?;
        let table =
            witness::aggregate(&connection, &relation, &by, &measures).map_err(|error| reason::of_database(&error))?;
        outputs::write_table(OUTPUT, table).map_err(|error| reason::of_output(OUTPUT, error))
    }
}

#[allow(unsafe_code, reason = "generated: the component's export")]
mod exported {
    use super::{Cohort, export};
    export!(Cohort with_types_in guest::bindings);
}
