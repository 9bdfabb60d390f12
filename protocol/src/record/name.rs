//! Names that people give: persons, TREs, projects, datasets, outputs.

use crate::record::payload::{Invalid, require};

/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Lower-case letters, digits and `-_.@`, beginning with a letter or digit: never a path, never confusable.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.@".contains(c))
        && !text.contains("..")
}

/// The rule of [`is_name`], as a check of a field.
pub(super) fn require_name(text: &str, field: &'static str) -> Result<(), Invalid> {
    require(
        is_name(text),
        field,
        "a name has at most 64 lower-case letters, digits and -_.@, beginning with a letter or digit",
    )
}

/// Free text for people: at most `limit` bytes, no control characters.
pub(super) fn require_text(text: &str, limit: usize, field: &'static str) -> Result<(), Invalid> {
    require(
        text.len() <= limit && !text.chars().any(|c| c.is_control() && c != '\n'),
        field,
        "the text is too long or holds control characters",
    )
}
