//! What the reviewer reads beside the outputs: the component's log, the host's remarks and the SQL that ran, all bounded.

/// The notes of one run.
pub(crate) struct Notes {
    lines: Vec<String>,
    statements: Vec<String>,
    dropped: usize,
    max_lines: usize,
    max_bytes: usize,
}

impl Notes {
    pub(crate) fn new(max_lines: usize, max_bytes: usize) -> Self {
        Self { lines: Vec::new(), statements: Vec::new(), dropped: 0, max_lines, max_bytes }
    }

    /// A line of the component's own.
    pub(crate) fn guest(&mut self, line: &str) {
        self.push("", line);
    }

    /// A remark of the host's.
    pub(crate) fn host(&mut self, line: &str) {
        self.push("host: ", line);
    }

    /// A statement that an engine is about to run; their number is bounded by the limit on queries.
    pub(crate) fn statement(&mut self, sql: &str) {
        self.statements.push(sql.to_owned());
    }

    fn push(&mut self, prefix: &str, line: &str) {
        if self.lines.len() >= self.max_lines {
            self.dropped += 1;
            return;
        }
        let mut kept = String::from(prefix);
        show(&mut kept, line, self.max_bytes);
        self.lines.push(kept);
    }

    /// The log and the statements.
    pub(crate) fn close(mut self) -> (Vec<String>, Vec<String>) {
        if self.dropped > 0 {
            self.lines.push(format!("host: {} further lines were dropped", self.dropped));
        }
        (self.lines, self.statements)
    }
}

/// The beginning of a text that a component or its worker wrote, as it can be shown.
pub(crate) fn shown(text: &str, max_bytes: usize) -> String {
    let mut kept = String::new();
    show(&mut kept, text, max_bytes);
    kept
}

fn show(kept: &mut String, text: &str, max_bytes: usize) {
    for character in text.chars() {
        let shown = if is_hostile(character) { char::REPLACEMENT_CHARACTER } else { character };
        if kept.len() + shown.len_utf8() > max_bytes {
            break;
        }
        kept.push(shown);
    }
}

/// Control characters and bidirectional overrides: what could make a reviewer's terminal show something else than what stands there.
fn is_hostile(character: char) -> bool {
    (character.is_control() && character != '\t')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_in_number_and_length_and_cannot_drive_a_terminal() {
        let mut notes = Notes::new(2, 9);
        notes.guest("ab\u{1b}[2J\n\u{202e}");
        notes.guest("ééééé");
        notes.guest("dropped");
        let (lines, _) = notes.close();
        assert_eq!(lines, ["ab\u{fffd}[2J", "éééé", "host: 1 further lines were dropped"]);
    }
}
