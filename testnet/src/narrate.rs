//! The voice of the demo: headings, the commands that were run, what they said, and progress; silent where nobody listens.

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);

/// The most characters of a line that are shown.
const WIDEST: usize = 150;

/// How much of a command is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Nothing at all.
    Nothing,
    /// The command line.
    Command,
    /// The command line and at most this many lines of what it said.
    Lines(usize),
}

/// Where the voice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// To stdout: the demo for people.
    Stdout,
    /// To stderr: stdout is for data.
    Stderr,
    /// Nowhere.
    Silent,
}

/// Tells what happens.
#[derive(Clone, Copy, Debug)]
pub struct Narrator {
    voice: Voice,
}

impl Narrator {
    /// Speaks there.
    #[must_use]
    pub fn new(voice: Voice) -> Self {
        Self { voice }
    }

    /// Says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Voice::Silent)
    }

    /// A chapter.
    pub fn heading(&self, text: &str) {
        let bold = Style::new().bold();
        self.write(&format!("\n{bold}── {text}{bold:#}"));
    }

    /// A sentence.
    pub fn say(&self, text: &str) {
        self.write(text);
    }

    /// A command and what it said.
    pub fn command(&self, line: &str, said: &str, show: Show) {
        let Some(lines) = (match show {
            Show::Nothing => None,
            Show::Command => Some(0),
            Show::Lines(lines) => Some(lines),
        }) else {
            return;
        };
        let blue = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
        self.write(&format!("{blue}$ {line}{blue:#}"));
        let all: Vec<&str> = said.lines().collect();
        for line in all.iter().take(lines) {
            self.write(&format!("  {}", cut(line)));
        }
        if lines > 0 && all.len() > lines {
            self.write(&format!("  … {} more lines", all.len() - lines));
        }
    }

    /// A progress bar of `length` steps, or a spinner; hidden unless a person watches stderr.
    #[must_use]
    pub fn progress(&self, message: &'static str, length: Option<u64>) -> ProgressBar {
        let watched = self.voice != Voice::Silent && std::io::stderr().is_terminal();
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let template = if length.is_some() { "  {msg} [{bar:30}] {pos}/{len}" } else { "  {spinner} {msg} {elapsed}" };
        let style = ProgressStyle::with_template(template).expect("the template is a constant of indicatif's syntax");
        let bar = ProgressBar::with_draw_target(length, target).with_style(style).with_message(message);
        if watched {
            bar.enable_steady_tick(TURN);
        }
        bar
    }

    fn write(&self, text: &str) {
        // A pipe that was closed is no reason to leave nodes behind.
        let _ = match self.voice {
            Voice::Stdout => writeln!(anstream::stdout(), "{text}"),
            Voice::Stderr => writeln!(anstream::stderr(), "{text}"),
            Voice::Silent => Ok(()),
        };
    }
}

/// A line as far as a wide terminal shows it: digests and addresses are long, and only their beginning is read.
fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{WIDEST, cut};

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = "é".repeat(WIDEST + 1);
        assert_eq!(cut(&long).chars().count(), WIDEST + 1);
        assert_eq!(cut("short"), "short");
    }
}
