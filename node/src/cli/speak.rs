//! The one place that prints: data to stdout, talk to stderr, JSON where it was asked for, colour on terminals only.

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

/// How a verb failed after it has said everything there is to say: the exit code is 1 and nothing more is printed.
#[derive(Clone, Copy, Debug, Error)]
#[error("the findings above say what to do")]
pub(crate) struct AlreadySaid;

/// Where data and talk go, and in which form.
pub(crate) struct Speak {
    out: Mutex<Box<dyn Write + Send>>,
    talk: Mutex<Box<dyn Write + Send>>,
    json: bool,
    colour: bool,
    /// Whether a person can be asked.
    interactive: bool,
    /// Whether a person watches stderr.
    watched: bool,
}

impl Speak {
    /// Speaks on this process's own stdout and stderr.
    pub(crate) fn standard(json: bool) -> Self {
        let watched = io::stderr().is_terminal();
        Self {
            out: Mutex::new(Box::new(io::stdout())),
            talk: Mutex::new(Box::new(io::stderr())),
            json,
            colour: anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
            interactive: io::stdin().is_terminal() && watched,
            watched,
        }
    }

    /// Speaks into these two, as to a pipe: no colour, no question, no progress.
    #[cfg(test)]
    pub(crate) fn into(out: Box<dyn Write + Send>, talk: Box<dyn Write + Send>, json: bool) -> Self {
        let (out, talk) = (Mutex::new(out), Mutex::new(talk));
        Self { out, talk, json, colour: false, interactive: false, watched: false }
    }

    /// Whether a person can be asked something.
    pub(crate) fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// A line of talk.
    pub(crate) fn say(&self, text: &str) {
        write_to(&self.talk, &format!("{text}\n"));
    }

    /// A line of talk that begins with `warning:`.
    pub(crate) fn warn(&self, text: &str) {
        self.say(&format!("{} {text}", self.paint(AnsiColor::Yellow, "warning:")));
    }

    /// A line of data. With `--json` there are no lines, only [`Speak::answer`].
    pub(crate) fn line(&self, text: &str) {
        if !self.json {
            write_to(&self.out, &format!("{text}\n"));
        }
    }

    /// A text that was asked for and is the same with `--json`: help and the version.
    pub(crate) fn text(&self, text: &str) {
        write_to(&self.out, &format!("{text}\n"));
    }

    /// The verb's whole answer as one JSON object on one line, with `"ok": true` unless it says otherwise. Without `--json` nothing.
    pub(crate) fn answer(&self, mut answer: Value) {
        if !self.json {
            return;
        }
        if let Some(object) = answer.as_object_mut() {
            object.entry("ok").or_insert(Value::Bool(true));
        }
        write_to(&self.out, &format!("{answer}\n"));
    }

    /// Rows under a heading, as data; columns are as wide as their widest cell, the last one as it is.
    pub(crate) fn table(&self, heading: &[&str], rows: &[Vec<String>]) {
        let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
        let lines = aligned(std::iter::once(&heading).chain(rows));
        for line in lines {
            self.line(&line);
        }
    }

    /// Labelled lines of talk: what is about to be signed, for example.
    pub(crate) fn list(&self, entries: &[(&'static str, String)]) {
        let rows: Vec<Vec<String>> =
            entries.iter().map(|(label, text)| vec![format!("  {label}"), plain(text)]).collect();
        for line in aligned(&rows) {
            self.say(&line);
        }
    }

    /// Asks for a yes. Where nobody can be asked, the command line itself was the yes.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub(crate) fn confirm(&self, question: &str) -> anyhow::Result<bool> {
        if !self.interactive {
            return Ok(true);
        }
        write_to(&self.talk, &format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).context("the terminal cannot be read; give --yes")?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// A progress display on stderr, hidden where nobody watches; without a length it is a spinner.
    pub(crate) fn progress(&self, length: Option<u64>) -> ProgressBar {
        let target =
            if self.watched && !self.json { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = if length.is_some() { "{msg} [{wide_bar}] {pos}/{len}" } else { "{spinner} {msg}" };
        let style = ProgressStyle::with_template(style).expect("the template is a constant of indicatif's syntax");
        ProgressBar::with_draw_target(length, target).with_style(style)
    }

    /// Several progress displays under each other, hidden where nobody watches.
    pub(crate) fn several(&self) -> MultiProgress {
        let target = if self.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        MultiProgress::with_draw_target(target)
    }

    /// Whether a person sees lines that move.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched && !self.json
    }

    /// Whether `--json` was given.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a failure, once: the chain of causes as one paragraph on stderr; with `--json` an object on stdout as well.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        if error.is::<AlreadySaid>() {
            return;
        }
        let paragraph = paragraph(error);
        self.answer(serde_json::json!({ "ok": false, "error": paragraph }));
        self.say(&format!("{} {paragraph}", self.paint(AnsiColor::Red, "error:")));
    }

    fn paint(&self, colour: AnsiColor, text: &str) -> String {
        if self.colour {
            let style = Style::new().bold().fg_color(Some(colour.into()));
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// Each cause once: the general clause first, the particular one after a colon.
fn paragraph(error: &anyhow::Error) -> String {
    let mut paragraph = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if paragraph.contains(&text) {
            continue;
        }
        if !paragraph.is_empty() {
            paragraph.push_str(": ");
        }
        paragraph.push_str(&text);
    }
    plain(&paragraph)
}

/// A pipe that was closed is no reason to stop half-way through: what is written to disk matters more.
fn write_to(to: &Mutex<Box<dyn Write + Send>>, text: &str) {
    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// Rows as lines with two spaces between columns.
fn aligned<'a>(rows: impl IntoIterator<Item = &'a Vec<String>>) -> Vec<String> {
    let rows: Vec<&Vec<String>> = rows.into_iter().collect();
    let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:<width$}  ").expect("a String takes all that is written");
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// Text of others as a terminal may show it: no escape sequence, no line break and no change of writing direction can pretend to be ours.
pub(crate) fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| {
            if c == '\n' {
                '␊'
            } else if hidden(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{aligned, paragraph, plain};
    use anyhow::Context as _;

    #[test]
    fn nobody_else_moves_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb␊c\u{fffd}d");
    }

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["éé".to_owned(), String::new()]];
        assert_eq!(aligned(&rows), ["a   b", "éé"]);
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = anyhow::anyhow!("the disk is full").context("nothing was kept: the disk is full");
        assert_eq!(paragraph(&error), "nothing was kept: the disk is full");
        let error = Err::<(), _>(anyhow::anyhow!("b; do c")).context("a").unwrap_err();
        assert_eq!(paragraph(&error), "a: b; do c");
    }
}
