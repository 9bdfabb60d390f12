//! The run: all questions first, then all outputs, so that a failing analysis leaves none behind.

use crate::plan::{self, Question};
use crate::request::Request;
use guest::bindings::quintes::analysis::database::Connection;
use guest::bindings::quintes::analysis::witness::{self, Table};
use guest::bindings::quintes::analysis::{job, outputs};
use guest::bindings::{Guest, export};
use guest::{handle, parameter, reason};

/// The component.
#[derive(Debug)]
pub struct Statistics;

impl Guest for Statistics {
    fn run() -> Result<(), String> {
        let request = Request::read(&parameter::optional)?;
        let connection = handle::open(request.handle.as_deref())?;
        let granted = connection.tables().map_err(|error| reason::of_database(&error))?;
        let questions = plan::questions(&request, &granted)?;
        let mut answers = Vec::with_capacity(questions.len());
        let share = 1.0 / f32::from(u8::try_from(questions.len()).expect("each analysis is named once"));
        let mut done = 0.0;
        for question in &questions {
            let table =
                ask(&connection, question).map_err(|why| format!("the analysis `{}`: {why}", question.output))?;
            answers.push((question.output, table));
            done += share;
            job::progress(done);
        }
        for (name, table) in answers {
            outputs::write_table(name, table).map_err(|error| reason::of_output(name, error))?;
        }
        Ok(())
    }
}

fn ask(connection: &Connection, question: &Question) -> Result<Table, String> {
    match &question.measures {
        Some(measures) => witness::aggregate(connection, &question.relation, &question.by, measures),
        None => witness::tabulate(connection, &question.relation, &question.by),
    }
    .map_err(|error| reason::of_database(&error))
}

#[allow(unsafe_code, reason = "generated: the component's export")]
mod exported {
    use super::{Statistics, export};
    export!(Statistics with_types_in guest::bindings);
}
