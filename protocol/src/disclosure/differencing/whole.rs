//! A whole table: everybody in it, and the figures that the total of its other rows comes close to.

use crate::disclosure::contributors::{Contributors, Subjects};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What a table tells as a whole.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Whole {
    /// Everybody who stands behind a figure that is shown.
    pub everybody: Subjects,
    /// The figures (row, column) whose subjects are those of all other rows but for fewer than the threshold, and not for none: a total
    /// beside all its parts but a small one.
    pub totals: Vec<(usize, usize)>,
}

/// Subjects never reach a log.
impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Whole({} totals)", self.totals.len())
    }
}

/// One row: its distinct sets, each with the first column that it stands behind, and all its subjects.
struct Row<'a> {
    sets: Vec<(&'a Subjects, usize)>,
    subjects: Cow<'a, [u64]>,
}

/// Looks at a table as a whole. Sets below the threshold are another rule's.
#[must_use]
pub fn whole(contributors: &Contributors, threshold: u64) -> Whole {
    let rows: Vec<Row<'_>> = (0..contributors.of.len()).map(|row| Row::of(contributors, row)).collect();
    let mut all = Vec::with_capacity(rows.iter().map(|row| row.subjects.len()).sum());
    rows.iter().for_each(|row| all.extend_from_slice(&row.subjects));
    all.sort_unstable();
    let mentions = all.len();
    // How many rows each subject is in; 1 where nothing is said.
    let mut counts: Vec<u32> = Vec::new();
    if all.windows(2).any(|pair| pair[0] == pair[1]) {
        counts = all.chunk_by(|a, b| a == b).map(|same| u32::try_from(same.len()).unwrap_or(u32::MAX)).collect();
        all.dedup();
    }
    let mut totals = Vec::new();
    // Where no row shares a subject with another, no total can stand among its parts.
    if all.len() < mentions {
        for (number, row) in rows.iter().enumerate() {
            for (set, column) in &row.sets {
                let reach = set.len().saturating_add(row.subjects.len()) as u64;
                let may = set.len() as u64 >= threshold && reach.saturating_add(threshold) > all.len() as u64;
                if may && isolates(set, &row.subjects, &all, &counts, threshold) {
                    totals.push((number, *column));
                }
            }
        }
    }
    Whole { everybody: Subjects::of(all), totals }
}

impl<'a> Row<'a> {
    fn of(contributors: &'a Contributors, row: usize) -> Self {
        let mut seen = BTreeSet::new();
        let mut sets: Vec<(&Subjects, usize)> = Vec::new();
        for (column, set) in contributors.of[row].iter().enumerate() {
            if set.is_some_and(|set| seen.insert(set))
                && let Some(set) = contributors.behind(row, column).filter(|set| !set.is_empty())
            {
                sets.push((set, column));
            }
        }
        let largest = sets.iter().map(|(set, _)| set.hashes()).max_by_key(|hashes| hashes.len()).unwrap_or_default();
        let subjects = if sets.iter().all(|(set, _)| is_subset(set.hashes(), largest)) {
            Cow::Borrowed(largest)
        } else {
            let joined = sets.iter().flat_map(|(set, _)| set.hashes().iter().copied());
            Cow::Owned(Subjects::of(joined.collect()).hashes().to_vec())
        };
        Self { sets, subjects }
    }
}

fn is_subset(part: &[u64], of: &[u64]) -> bool {
    let mut rest = of.iter();
    part.len() <= of.len() && (part.len() == of.len() && part == of || part.iter().all(|x| rest.any(|y| y == x)))
}

/// Whether a set of a row and all other rows together differ in fewer than the threshold, and not in none.
fn isolates(set: &Subjects, row: &[u64], all: &[u64], counts: &[u32], threshold: u64) -> bool {
    let (mut set, mut row) = (set.hashes().iter().peekable(), row.iter().peekable());
    let mut difference = 0_u64;
    for (subject, count) in all.iter().zip(counts) {
        let in_set = set.next_if_eq(&subject).is_some();
        let in_row = row.next_if_eq(&subject).is_some();
        let in_others = *count > u32::from(in_row);
        difference += u64::from(in_set != in_others);
        if difference >= threshold {
            return false;
        }
    }
    difference > 0
}
