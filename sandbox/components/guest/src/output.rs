//! An output of the component's own making: one CSV, written whole.

use crate::bindings::quintes::analysis::outputs;
use crate::reason;

/// Bytes written at once; the host takes at most 16 MiB in one call.
const WRITE_BYTES: usize = 64 * 1024;

/// Writes a CSV as the declared output `name`.
///
/// # Errors
/// A sentence for the researcher.
pub fn write_csv(name: &str, csv: &str) -> Result<(), String> {
    let refused = |error| reason::of_output(name, error);
    let output = outputs::create(name, "text/csv").map_err(refused)?;
    csv.as_bytes().chunks(WRITE_BYTES).try_for_each(|part| output.write(part)).map_err(refused)?;
    outputs::Output::finish(output).map_err(refused)
}

/// A text as a field of a CSV (RFC 4180): quoted where it must be.
#[must_use]
pub fn quoted(text: &str) -> String {
    if text.is_empty() || text.trim() != text || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_field_is_quoted_where_it_must_be() {
        assert_eq!(quoted("blue"), "blue");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted(" a"), "\" a\"");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
