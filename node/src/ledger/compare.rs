//! Held outputs against everything that left, and against each other as they would leave together.

use super::file::{File, Sets, name};
use super::shelf::{Departure, Shelf, Shelves};
use super::{LedgerError, Terms};
use protocol::disclosure::contributors::Subjects;
use protocol::disclosure::differencing::reason::{Figure, Met, reason};
use protocol::disclosure::differencing::{Whole, among, difference_below, whole};
use protocol::disclosure::rules::{Finding, Report, Rule, Verdict};
use protocol::disclosure::table::Tier;
use protocol::record::submission::TaskId;
use protocol::safes::outputs::Held;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Figures that differ in fewer people than this are about nearly the same, for a reviewer who looks for earlier releases.
const NEAR: u64 = 10;

/// The most meetings that are listed for one output.
const MEETINGS: usize = 100;

/// A held figure and one that left before, about the same people or nearly. It is for the reviewer and stays in the TRE.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meeting {
    /// The held output.
    pub output: String,
    /// The row of its canonical table, counted from 0; none for the whole table.
    pub row: Option<usize>,
    /// The column; none for the whole table.
    pub column: Option<String>,
    /// The task that left.
    pub task: TaskId,
    /// Its output.
    pub earlier_output: String,
    /// The row, counted from 0; none for the whole table.
    pub earlier_row: Option<usize>,
    /// The column; none for the whole table.
    pub earlier_column: Option<String>,
    /// When it left, seconds since 1970.
    pub released_at: u64,
    /// How many people stand behind one of the two alone; 0 when they are the same.
    pub difference: u64,
}

/// How many people remain is evidence, which never reaches a log.
impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meeting({} with {})", self.output, self.task.short())
    }
}

/// A held figure, or a held table as a whole, with who stands behind it.
#[derive(Clone, Copy)]
struct Item<'a> {
    output: usize,
    cell: Option<(usize, usize)>,
    set: &'a Subjects,
}

impl Item<'_> {
    fn figure<'a>(&self, held: &'a Held) -> Figure<'a> {
        match self.cell {
            Some((row, column)) => Figure::Cell { row, column: column_name(held, self.output, column) },
            None => Figure::Total,
        }
    }
}

fn column_name(held: &Held, output: usize, column: usize) -> &str {
    held.outputs()[output].schema.get(column).map_or("", |column| column.name.as_str())
}

/// Every table that the node computed, as a whole, by the place of its output.
fn wholes(held: &Held, threshold: u64) -> BTreeMap<usize, Whole> {
    let computed = held.contributors().enumerate().filter(|(_, (output, _))| output.report.tier == Tier::Witnessed);
    computed.map(|(place, (_, contributors))| (place, whole(contributors, threshold))).collect()
}

/// Every distinct set of each table, by dataset.
fn items<'a>(held: &'a Held, wholes: &'a BTreeMap<usize, Whole>) -> BTreeMap<&'a str, Vec<Item<'a>>> {
    let mut items: BTreeMap<&str, Vec<Item<'_>>> = BTreeMap::new();
    for (output, (_, contributors)) in held.contributors().enumerate() {
        let Some(Whole { everybody, .. }) = wholes.get(&output).filter(|whole| !whole.everybody.is_empty()) else {
            continue;
        };
        let of = items.entry(&contributors.dataset).or_default();
        let distinct = contributors.distinct();
        let total = !distinct.contains_key(everybody);
        let cells = distinct.into_iter().map(|(set, cell)| Item { output, cell: Some(cell), set });
        of.extend(cells.chain(total.then_some(Item { output, cell: None, set: everybody })));
    }
    items
}

/// The reports with what the differencing rule says.
pub(super) fn check(shelves: &mut Shelves, file: &File, held: &Held, terms: Terms) -> Result<Vec<Report>, LedgerError> {
    let threshold = terms.threshold;
    let wholes = wholes(held, threshold);
    let mut findings: Vec<Vec<Finding>> = vec![Vec::new(); held.outputs().len()];
    let mut note = |item: &Item<'_>, met: &Met<'_>| {
        findings[item.output].push(Finding {
            rule: Rule::Differencing,
            verdict: Verdict::Fail,
            row: item.cell.map(|(row, _)| row),
            column: item.cell.map(|(_, column)| column_name(held, item.output, column).to_owned()),
            reason: reason(item.figure(held), met, threshold),
        });
    };
    for (dataset, items) in items(held, &wholes) {
        let sets: Vec<&Subjects> = items.iter().map(|item| item.set).collect();
        let earlier = earlier(shelves, file, &held.task(), dataset, &sets, threshold)?;
        let earlier = first_of_each(
            earlier.iter().filter(|(_, difference, _)| *difference > 0),
            |(asked, difference, departures)| departures.first().map(|departure| (*asked, (*difference, *departure))),
        );
        for (asked, (_, Departure { released_at, task, output, cell })) in earlier {
            let figure = cell.map_or(Figure::Total, |(row, column)| Figure::Cell { row, column });
            note(&items[asked], &Met::Earlier { task, output, figure, released_at });
        }
        // The columns of one row are about parts of one group, and what that tells is for the threshold rule.
        let apart = |i: usize, j: usize| {
            let (this, that) = (&items[i], &items[j]);
            this.output != that.output || this.cell.zip(that.cell).is_some_and(|(this, that)| this.0 != that.0)
        };
        let together = among(&sets, threshold, apart);
        let together = first_of_each(&together, |(i, j, difference)| {
            Some((*i, (*difference, items[*j].output, items[*j].cell, *j)))
        });
        for (asked, (_, output, _, other)) in together {
            let (item, figure) = (&items[asked], items[other].figure(held));
            let met = if item.output == output {
                Met::Within(figure)
            } else {
                Met::Beside { output: &held.outputs()[output].name, figure }
            };
            note(item, &met);
        }
    }
    for (output, Whole { everybody, totals }) in &wholes {
        totals.iter().for_each(|cell| note(&Item { output: *output, cell: Some(*cell), set: everybody }, &Met::Others));
    }
    let doubt = shelves.incomplete(terms);
    let reports = held.outputs().iter().zip(findings).enumerate().map(|(place, (output, mut findings))| {
        if !wholes.contains_key(&place) {
            return output.report.clone();
        }
        findings.sort_by(|a, b| (a.row, &a.column, &a.reason).cmp(&(b.row, &b.column, &b.reason)));
        let (rule, verdict) = (Rule::Differencing, Verdict::Review);
        findings.extend(doubt.clone().map(|reason| Finding { rule, verdict, row: None, column: None, reason }));
        output.report.amended(Rule::Differencing, findings)
    });
    Ok(reports.collect())
}

/// The least value of each key.
fn first_of_each<T, V: Ord>(
    found: impl IntoIterator<Item = T>,
    entry: impl Fn(T) -> Option<(usize, V)>,
) -> BTreeMap<usize, V> {
    let mut first = BTreeMap::new();
    for (key, value) in found.into_iter().filter_map(entry) {
        match first.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(value);
            }
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                if value < *taken.get() {
                    taken.insert(value);
                }
            }
        }
    }
    first
}

/// Every earlier set that is the same as one of these, or closer to it than the threshold: the place of ours, the difference, and where it left.
fn earlier<'a>(
    shelves: &'a mut Shelves,
    file: &File,
    task: &TaskId,
    dataset: &str,
    asked: &[&Subjects],
    threshold: u64,
) -> Result<Vec<(usize, u64, Vec<Departure<'a>>)>, LedgerError> {
    let Some(shelf) = shelves.datasets.get_mut(dataset) else { return Ok(Vec::new()) };
    let candidates = shelf.index.candidates(asked, threshold, |_, _| true);
    let (shelves, sets) = (&*shelves, file.sets()?);
    let Some(shelf) = shelves.datasets.get(dataset) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for of_one in candidates.chunk_by(|a, b| a.0 == b.0) {
        let place = usize::try_from(of_one[0].0).expect("a u32 fits into a usize here");
        let own = name(dataset, asked[place]);
        for (_, number) in of_one {
            let departures = shelves.departures(shelf, *number, task);
            if departures.is_empty() {
                continue;
            }
            let difference = difference(shelf, &sets, *number, (&own, asked[place]), threshold)?;
            found.extend(difference.map(|difference| (place, difference, departures)));
        }
    }
    Ok(found)
}

/// Equal sets have equal names, and need not be read.
fn difference(
    shelf: &Shelf,
    sets: &Sets,
    number: u32,
    (own, set): (&super::file::Name, &Subjects),
    threshold: u64,
) -> Result<Option<u64>, LedgerError> {
    let known = shelf.name(number);
    if known == own {
        return Ok(Some(0));
    }
    let known = sets.get(known)?.ok_or(LedgerError::Lost)?;
    Ok(difference_below(set, &known, threshold))
}

/// Earlier releases about the same people or nearly.
pub(super) fn nearest(shelves: &mut Shelves, file: &File, held: &Held) -> Result<Vec<Meeting>, LedgerError> {
    let wholes = wholes(held, 0);
    let mut meetings: Vec<Vec<Meeting>> = vec![Vec::new(); held.outputs().len()];
    for (dataset, items) in items(held, &wholes) {
        let sets: Vec<&Subjects> = items.iter().map(|item| item.set).collect();
        for (asked, difference, departures) in earlier(shelves, file, &held.task(), dataset, &sets, NEAR)? {
            let Item { output, cell, .. } = items[asked];
            meetings[output].extend(departures.into_iter().map(|departure| Meeting {
                output: held.outputs()[output].name.clone(),
                row: cell.map(|(row, _)| row),
                column: cell.map(|(_, column)| column_name(held, output, column).to_owned()),
                task: departure.task,
                earlier_output: departure.output.to_owned(),
                earlier_row: departure.cell.map(|(row, _)| row),
                earlier_column: departure.cell.map(|(_, column)| column.to_owned()),
                released_at: departure.released_at,
                difference,
            }));
        }
    }
    for of_one in &mut meetings {
        // What is close and not the same tells most; then the same.
        of_one.sort_by_key(|meeting| (meeting.difference == 0, meeting.difference, meeting.row, meeting.released_at));
        of_one.truncate(MEETINGS);
    }
    Ok(meetings.into_iter().flatten().collect())
}
