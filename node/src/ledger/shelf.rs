//! What of the ledger is in memory: every set that left, by dataset, with where it left; the hashes themselves stay on disk.

use super::file::{Entry, Name, Restored, Sets, combined};
use super::{LedgerError, Released, Terms};
use protocol::disclosure::contributors::Subjects;
use protocol::disclosure::differencing::Index;
use protocol::record::submission::TaskId;
use protocol::wire::id::Digest;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most places that are remembered of one set: the review lists no more.
const PLACES: usize = 100;

/// A task that has left.
pub(super) struct Past {
    pub(super) task: TaskId,
    pub(super) released_at: u64,
    contributors: Digest,
    outputs: Vec<PastOutput>,
}

/// One of its outputs.
struct PastOutput {
    name: String,
    /// The columns' names; none when it stayed.
    columns: Option<Vec<String>>,
}

impl Past {
    /// The names of the outputs that left.
    pub(super) fn left(&self) -> impl Iterator<Item = &String> {
        self.outputs.iter().filter(|output| output.columns.is_some()).map(|output| &output.name)
    }
}

/// Where a set left.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    past: u32,
    output: u32,
    /// Row and column; none for a whole table.
    cell: Option<(u32, u32)>,
}

/// Where a set left, in names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Departure<'a> {
    pub(super) released_at: u64,
    pub(super) task: TaskId,
    pub(super) output: &'a str,
    /// Row and column; none for a whole table.
    pub(super) cell: Option<(usize, &'a str)>,
}

/// The sets of one dataset.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) index: Index,
    /// The sets' names, by their numbers in the index.
    names: Vec<Name>,
    numbers: HashMap<Name, u32>,
    places: Vec<Vec<Place>>,
}

impl Shelf {
    /// The name of a set.
    pub(super) fn name(&self, number: u32) -> &Name {
        &self.names[at(number)]
    }

    fn put(&mut self, name: Name, set: &Subjects, place: Place) {
        let next = u32::try_from(self.names.len()).expect("memory ends before 2^32 sets");
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.index.push(set);
            self.names.push(name);
            self.places.push(Vec::new());
        }
        let places = &mut self.places[at(number)];
        if places.len() < PLACES && !places.contains(&place) {
            places.push(place);
        }
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct Shelves {
    pub(super) datasets: BTreeMap<String, Shelf>,
    past: Vec<Past>,
    tasks: BTreeMap<TaskId, u32>,
    /// Releases that cannot be made good.
    pub(super) missing: BTreeSet<TaskId>,
    /// Whether earlier sets were hashed with a key that is lost.
    pub(super) key_replaced: bool,
    pub(super) version: u64,
}

impl Shelves {
    /// Takes a release from the file; false, and nothing is taken, when its sets are not those of its digests.
    pub(super) fn load(&mut self, task: TaskId, entry: &Entry, sets: &Sets) -> Result<bool, LedgerError> {
        let mut restored = Vec::new();
        for (place, output) in (0..).zip(&entry.outputs) {
            let Some(left) = &output.left else { continue };
            let Some(one) = sets.restore(left, &output.digest)? else { return Ok(false) };
            restored.push((place, one));
        }
        let next = u32::try_from(self.past.len()).expect("memory ends before 2^32 releases");
        let past = *self.tasks.entry(task).or_insert(next);
        let outputs = entry.outputs.iter().map(|output| PastOutput {
            name: output.name.clone(),
            columns: output.left.as_ref().map(|left| left.columns.clone()),
        });
        let known =
            Past { task, released_at: entry.released_at, contributors: combined(entry), outputs: outputs.collect() };
        if past == next {
            self.past.push(known)
        } else {
            self.past[at(past)] = known
        }
        for (output, Restored { contributors, names, everybody, total }) in restored {
            if everybody.is_empty() {
                continue;
            }
            let shelf = self.datasets.entry(contributors.dataset.clone()).or_default();
            let distinct = contributors.distinct();
            // A figure about everybody is named rather than the table.
            let total = (!distinct.contains_key(&everybody)).then_some(total);
            for (set, (row, column)) in distinct {
                let number = contributors.of[row][column].expect("a set that is behind a cell has a number");
                shelf.put(names[at(number)], set, Place { past, output, cell: Some((small(row), small(column))) });
            }
            if let Some(total) = total {
                shelf.put(total, &everybody, Place { past, output, cell: None });
            }
        }
        self.version += 1;
        Ok(true)
    }

    /// Whether a release is here, whole.
    pub(super) fn holds(&self, release: &Released) -> bool {
        self.past(&release.task).is_some_and(|past| {
            let left: BTreeSet<&String> = past.left().collect();
            release.known.is_some_and(|(_, contributors)| contributors == past.contributors)
                && release.outputs.iter().all(|output| left.contains(output))
        })
    }

    /// What is known of a task that left.
    pub(super) fn past(&self, task: &TaskId) -> Option<&Past> {
        self.tasks.get(task).map(|past| &self.past[at(*past)])
    }

    /// Where a set left, in the order of time, but for one task.
    pub(super) fn departures<'a>(&'a self, shelf: &'a Shelf, number: u32, but: &TaskId) -> Vec<Departure<'a>> {
        let departure = |place: &Place| {
            let past = &self.past[at(place.past)];
            let output = past.outputs.get(at(place.output))?;
            let column = |column: u32| Some(output.columns.as_ref()?.get(at(column))?.as_str());
            let cell = place.cell.map(|(row, of)| (at(row), column(of).unwrap_or_default()));
            let (released_at, task, output) = (past.released_at, past.task, output.name.as_str());
            (task != *but).then_some(Departure { released_at, task, output, cell })
        };
        let mut found: Vec<Departure<'a>> = shelf.places[at(number)].iter().filter_map(departure).collect();
        found.sort_unstable();
        found
    }

    /// Why the past is not all here.
    pub(super) fn incomplete(&self, terms: Terms) -> Option<String> {
        let many = |count: usize| if count == 1 { String::new() } else { format!(" and {} more", count - 1) };
        let why = if let Some(first) = self.missing.first() {
            format!("this TRE's ledger lacks the release of task {}{}", first.short(), many(self.missing.len()))
        } else if self.key_replaced {
            "the key with which this TRE's ledger names people was replaced".to_owned()
        } else if terms.recovered {
            "this TRE was restored from a backup, and releases between the backup and the recovery may be missing"
                .to_owned()
        } else {
            return None;
        };
        Some(format!("Nobody can tell whether this table meets an earlier release: {why}."))
    }
}

fn at(number: u32) -> usize {
    usize::try_from(number).expect("a u32 fits into a usize here")
}

fn small(place: usize) -> u32 {
    u32::try_from(place).expect("an output has at most a million cells")
}
