//! What every engine asks of a query before it runs, and why it was not run.

use super::DatabaseError;
use crate::statement::{MAX_TEXT, Statement};
use crate::value::Value;
use thiserror::Error;

/// The most digits of a decimal.
const DECIMAL_DIGITS: usize = 38;

/// Why a query was not run, beside what the engine itself says.
#[derive(Debug, Error)]
pub(super) enum QueryError {
    #[error("the query takes {expected} parameters and {given} were given")]
    Parameters { expected: usize, given: usize },
    #[error("a text or bytes parameter is longer than {MAX_TEXT} bytes")]
    LongParameter,
    #[error("a decimal parameter is not a number of at most 38 digits")]
    Decimal,
    #[error("the dataset changed since it was opened: restart the node")]
    Changed,
    #[error("the column \"{0}\" of the result has a type that is not supported: cast it")]
    Type(String),
    #[error(
        "the server estimates that the query costs {estimate:e}, and {most:e} is the most that the operator lets a query cost: narrow it"
    )]
    Costly { estimate: f64, most: f64 },
    #[error("the engine stopped without an answer")]
    Stopped,
}

impl QueryError {
    pub(super) fn invalid(self) -> DatabaseError {
        DatabaseError::Invalid(Box::new(self))
    }

    pub(super) fn failed(self) -> DatabaseError {
        DatabaseError::Failed(Box::new(self))
    }
}

/// As many parameters as the statement has, none too long, decimals written as `-?digits[.digits]`.
pub(super) fn check_parameters(statement: &Statement, parameters: &[Value]) -> Result<(), DatabaseError> {
    let (expected, given) = (statement.parameters(), parameters.len());
    if expected != given {
        return Err(QueryError::Parameters { expected, given }.invalid());
    }
    parameters.iter().try_for_each(|parameter| match parameter {
        Value::Text(text) if text.len() > MAX_TEXT => Err(QueryError::LongParameter.invalid()),
        Value::Bytes(bytes) if bytes.len() > MAX_TEXT => Err(QueryError::LongParameter.invalid()),
        Value::Decimal(text) if !is_decimal(text) => Err(QueryError::Decimal.invalid()),
        _ => Ok(()),
    })
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    !whole.is_empty()
        && (unsigned.len() == whole.len() || !fraction.is_empty())
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        && whole.len() + fraction.len() <= DECIMAL_DIGITS
}
