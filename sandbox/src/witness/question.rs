//! What a component may ask of the host, and why there may be no answer.

use super::Measure;
use std::collections::BTreeSet;
use thiserror::Error;

/// The most columns that rows are grouped by.
const MAX_KEYS: usize = 16;

/// The most measures of one table.
const MAX_MEASURES: usize = 200;

/// The longest name of a column, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// What a component asks for: measures by groups.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) by: Vec<String>,
    pub(crate) measures: Vec<Measure>,
}

/// Why there is no witnessed table. The text names only what the component wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum WitnessError {
    #[error("more than {0} groups: group by fewer or coarser columns")]
    TooManyGroups(usize),
    #[error("more than {0} pairs of a group and a subject: group by fewer or coarser columns")]
    TooManySubjects(usize),
    #[error(
        "more subjects behind the witnessed tables than {0} bytes can hold: drop tables that are read, or make fewer"
    )]
    TooMuchHeld(u64),
    #[error("more than {MAX_KEYS} grouping columns or {MAX_MEASURES} measures")]
    TooManyColumns,
    #[error("no measure: ask for at least `count`")]
    NoMeasure,
    #[error("the column name `{0}` is longer than {MAX_NAME_BYTES} bytes or not printable")]
    Name(String),
    #[error("two columns of the table would be named `{0}`: give one another name in the SELECT")]
    Duplicate(String),
    #[error("the relation has no column `{0}`")]
    NoSuchColumn(String),
    #[error("the column `{0}` is not numeric")]
    NotNumeric(String),
    #[error("a row has only one of the columns `{0}` and `{1}`: select rows that have both")]
    OneOfPair(String, String),
}

impl Question {
    /// Refuses what no relation could answer, before any engine is asked.
    pub(crate) fn check(&self) -> Result<(), WitnessError> {
        if self.by.len() > MAX_KEYS || self.measures.len() > MAX_MEASURES {
            return Err(WitnessError::TooManyColumns);
        }
        // Keys alone would be a list of values with no evidence beside them.
        if self.measures.is_empty() {
            return Err(WitnessError::NoMeasure);
        }
        for name in self.read() {
            if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
                return Err(WitnessError::Name(
                    name.chars().filter(|character| !character.is_control()).take(40).collect(),
                ));
            }
        }
        let mut names = BTreeSet::new();
        for name in self.by.iter().cloned().chain(self.measures.iter().map(Measure::name)) {
            if !names.insert(name.clone()) {
                return Err(WitnessError::Duplicate(name));
            }
        }
        Ok(())
    }

    /// The columns that are read, besides the subject's.
    fn read(&self) -> impl Iterator<Item = &String> {
        self.by.iter().chain(
            self.measures
                .iter()
                .flat_map(|measure| match measure {
                    Measure::Count | Measure::Subjects => [None, None],
                    Measure::CountOf(x) | Measure::Sum(x) | Measure::Mean(x) | Measure::Variance(x) => [Some(x), None],
                    Measure::Covariance(x, y) => [Some(x), Some(y)],
                })
                .flatten(),
        )
    }

    /// The same relation with only the columns that are read.
    pub(crate) fn narrowed(&self, relation: &str, subject: &str) -> String {
        let mut columns: BTreeSet<&str> = self.read().map(String::as_str).collect();
        columns.insert(subject);
        let list: Vec<String> = columns.into_iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        format!("SELECT {} FROM ({relation}) AS witnessed", list.join(", "))
    }
}
