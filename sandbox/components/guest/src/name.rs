//! Names that may stand in SQL as they are: `[a-z_][a-z0-9_]*`, at most 63 characters.

/// The longest name that PostgreSQL keeps whole.
const LONGEST: usize = 63;

/// The value of `parameter`, if it is a plain name.
pub fn plain(parameter: &str, value: &str) -> Result<String, String> {
    let starts = value.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let goes_on = value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts && goes_on && value.len() <= LONGEST {
        return Ok(value.to_owned());
    }
    Err(format!(
        "the parameter `{parameter}` has `{value}`, which is not a plain name: use lower-case letters, digits and `_`, not a digit first, at most {LONGEST}"
    ))
}

/// The names in a comma list, in its order, each at most once.
pub fn list(parameter: &str, value: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for part in value.split(',') {
        let name = plain(parameter, part.trim())?;
        if names.contains(&name) {
            return Err(format!("the parameter `{parameter}` names `{name}` twice"));
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{list, plain};

    #[test]
    fn only_plain_names_pass() {
        for good in ["a", "_x1", "value_as_number", &"n".repeat(63)] {
            assert_eq!(plain("column", good).unwrap(), good);
        }
        for bad in ["", "1a", "A", "a b", "a;drop", "a\"", "a.b", "é", "a-b", "a\n", &"n".repeat(64)] {
            let error = plain("column", bad).unwrap_err();
            assert!(
                error.starts_with(&format!("the parameter `column` has `{bad}`, which is not a plain name")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_list_names_each_once() {
        assert_eq!(list("by", " a , b").unwrap(), ["a", "b"]);
        assert_eq!(list("by", "a,a").unwrap_err(), "the parameter `by` names `a` twice");
        assert!(list("by", "a,").is_err());
    }
}
