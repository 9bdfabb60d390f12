//! What every kind's payload has: its kind, its subject and the rules of its fields.

use crate::record::Kind;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// A payload breaks a rule of its kind.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{field}: {rule}")]
pub struct Invalid {
    /// The field.
    pub field: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// The payload of one kind of statement.
pub trait Payload: Serialize + DeserializeOwned + Clone + PartialEq {
    /// The kind, which is its content type.
    const KIND: Kind;

    /// The longest validity (expiry minus issue), in seconds.
    const MAX_LIFETIME_SECONDS: u64;

    /// What the CWT claim `sub` must say.
    fn subject(&self) -> String;

    /// Checks the fields against the rules of the kind.
    ///
    /// # Errors
    /// The first rule that is broken.
    fn check(&self) -> Result<(), Invalid>;
}

/// One day, in seconds.
pub const DAY: u64 = 86_400;

/// Ten years, in seconds: for statements that end by revocation or by a successor.
pub const DECADE: u64 = 3_653 * DAY;

pub(super) fn require(holds: bool, field: &'static str, rule: &'static str) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { field, rule }) }
}
