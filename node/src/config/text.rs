//! What is wrong with a configuration's text: where, and what was probably meant.

use crate::config::Config;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("there is no configuration `{}`; make one with `quintes node init`, or check the path", path.display())]
    Missing {
        /// The path that was tried.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("`{}` is not a regular file; name the node.toml itself", path.display())]
    NotAFile {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The system refused, or the text is not UTF-8.
    #[error("cannot read `{}`; check that it is UTF-8 text and yours to read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A field that does not exist.
    #[error("`{}` has an unknown field `{field}` at {place}; {}", path.display(), meant(nearest.as_deref()))]
    UnknownField {
        /// The file.
        path: PathBuf,
        /// The field as it was written.
        field: String,
        /// The nearest field that exists.
        nearest: Option<String>,
        /// Where.
        place: Place,
    },
    /// A field that must be there and is not.
    #[error("`{}` lacks the field `{field}`; add it, `quintes node init` writes a commented example", path.display())]
    MissingField {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// Where its table begins.
        place: Place,
    },
    /// Not TOML, or a value of another type than the field has.
    #[error("`{}` is wrong at {place}: {message}; correct that line", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        message: String,
        /// Where.
        place: Place,
    },
}

impl ConfigError {
    /// The field that the error is about, as far as one can be named.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::UnknownField { field, .. } | Self::MissingField { field, .. } => field,
            Self::Missing { .. } | Self::NotAFile { .. } | Self::Io { .. } | Self::Wrong { .. } => "",
        }
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| "remove it".to_owned(), |nearest| format!("did you mean `{nearest}`?"))
}

/// Parses a configuration's text; `path` is for messages.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let path = path.to_owned();
        let place = place(text, error.span().map_or(0, |span| span.start));
        // The parser's own words, without its drawing of the line, which a log or a JSON reader cannot use.
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        let mut quoted = message.split('`').skip(1).step_by(2).map(ToOwned::to_owned);
        if message.starts_with("unknown field") {
            let field = quoted.next().unwrap_or_default();
            let nearest = nearest(&field, quoted);
            return ConfigError::UnknownField { path, field, nearest, place };
        }
        if message.starts_with("missing field") {
            return ConfigError::MissingField { path, field: quoted.next().unwrap_or_default(), place };
        }
        ConfigError::Wrong { path, message, place }
    })
}

fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    Place { line, column }
}

/// The candidate that takes the fewest changes to reach, when those are fewer than half of the word.
fn nearest(word: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    candidates
        .map(|candidate| (distance(word, &candidate), candidate))
        .filter(|(changes, candidate)| changes * 2 <= word.len().max(candidate.len()))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many insertions, deletions and replacements of a character make one word the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
