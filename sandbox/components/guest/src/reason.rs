//! The host's refusals as sentences: what happened and what to do.

use crate::bindings::quintes::analysis::outputs;
use crate::bindings::quintes::analysis::types::{BudgetKind, Error};

/// Why the database did not answer.
#[must_use]
pub fn of_database(error: &Error) -> String {
    match error {
        Error::NoSuchHandle(name) => format!("there is no handle `{name}` for this task"),
        Error::Denied(why) => format!("denied: {why}"),
        Error::InvalidQuery(why) => format!("invalid query: {why}"),
        Error::BudgetExhausted(kind) => format!(
            "the task's budget of {} is used up: ask for less, or for a larger budget",
            match kind {
                BudgetKind::Rows => "rows",
                BudgetKind::Bytes => "bytes",
                BudgetKind::Queries => "queries",
                BudgetKind::Time => "time",
                BudgetKind::OpenResults => "open results",
            }
        ),
        Error::Cancelled => "the task was cancelled".into(),
        Error::Engine(why) => format!("the engine failed: {why}"),
    }
}

/// Why the output `name` was not taken.
#[must_use]
pub fn of_output(name: &str, error: outputs::Error) -> String {
    match error {
        outputs::Error::NotDeclared => {
            format!("the task does not declare the output `{name}`: declare it when you submit")
        }
        outputs::Error::TooLarge => {
            format!("the output `{name}` is larger than the task may write: ask for less")
        }
        outputs::Error::Closed => {
            format!("the output `{name}` is closed: it was already written, or the task is ending")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{of_database, of_output};
    use crate::bindings::quintes::analysis::outputs;
    use crate::bindings::quintes::analysis::types::{BudgetKind, Error};

    #[test]
    fn each_refusal_is_a_sentence() {
        assert_eq!(of_database(&Error::Denied("two statements".into())), "denied: two statements");
        assert_eq!(
            of_database(&Error::BudgetExhausted(BudgetKind::OpenResults)),
            "the task's budget of open results is used up: ask for less, or for a larger budget"
        );
        assert_eq!(
            of_output("mean", outputs::Error::NotDeclared),
            "the task does not declare the output `mean`: declare it when you submit"
        );
    }
}
