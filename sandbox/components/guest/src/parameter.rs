//! What the researcher gave with the task.

use crate::bindings::quintes::analysis::job;

/// The parameter `name`, without space around it; an empty one counts as not given.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    given(job::parameter(name))
}

/// What [`optional`] makes of the host's answer.
#[must_use]
pub fn given(raw: Option<String>) -> Option<String> {
    let text = raw?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::given;

    #[test]
    fn an_empty_parameter_is_not_given() {
        assert_eq!(given(None), None);
        assert_eq!(given(Some(" \n".into())), None);
        assert_eq!(given(Some(" person ".into())).as_deref(), Some("person"));
    }
}
