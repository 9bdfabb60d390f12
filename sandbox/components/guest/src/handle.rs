//! The database handle that a task means: the one it names, or the only one.

use crate::bindings::quintes::analysis::database::{self, Connection};
use crate::reason;

/// Opens the handle `wanted`, or the only one when the task names none. The error is a sentence for the researcher.
pub fn open(wanted: Option<&str>) -> Result<Connection, String> {
    let known: Vec<String> = database::handles().into_iter().map(|handle| handle.name).collect();
    let name = choose(wanted, &known)?;
    database::open(name).map_err(|error| format!("cannot open the handle `{name}`: {}", reason::of_database(&error)))
}

/// Which of the `known` handles is meant.
fn choose<'a>(wanted: Option<&'a str>, known: &'a [String]) -> Result<&'a str, String> {
    match (wanted, known) {
        (_, []) => {
            Err("this task has no database handle here: ask the data owner which dataset the project may use".into())
        }
        (None, [only]) => Ok(only),
        (None, _) => {
            Err(format!("there is more than one handle; name one in the parameter `handle`: {}", known.join(", ")))
        }
        (Some(name), _) if known.iter().any(|handle| handle == name) => Ok(name),
        (Some(name), _) => Err(format!("there is no handle `{name}`; known: {}", known.join(", "))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::choose;

    #[test]
    fn the_only_handle_needs_no_name() {
        let one = ["omop".to_owned()];
        let two = ["omop".to_owned(), "labs".to_owned()];
        assert_eq!(choose(None, &one).unwrap(), "omop");
        assert_eq!(choose(Some("labs"), &two).unwrap(), "labs");
        assert_eq!(
            choose(None, &two).unwrap_err(),
            "there is more than one handle; name one in the parameter `handle`: omop, labs"
        );
        assert_eq!(choose(Some("lab"), &two).unwrap_err(), "there is no handle `lab`; known: omop, labs");
        assert!(choose(None, &[]).unwrap_err().starts_with("this task has no database handle"));
        assert!(choose(Some("omop"), &[]).unwrap_err().starts_with("this task has no database handle"));
    }
}
