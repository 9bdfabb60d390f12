//! Direct identifiers: columns whose cells are what the world outside knows a person by.

mod forms;

use crate::disclosure::calendar;
use crate::disclosure::canonical::Canonical;
use crate::disclosure::check::SourceFacts;
use crate::disclosure::naming;
use crate::disclosure::report::{About, Book, Rule, Verdict};
use crate::disclosure::table::{Cell, CellType, Role};
use forms::Kind;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// From this many different ones on, a column holds identifiers, when they are also half of what looks like one:
/// one in eleven numbers of ten digits has the check digit of an NHS number by chance.
const ENOUGH: usize = 3;

/// A span of dates, in days, that treatments rarely have and births do: 25 years.
const LIFETIMES: i64 = 25 * 365;

/// Numbers with fewer digits meet some key of a source by chance.
const LONG: u64 = 10_000;

/// Looks at the keys of a witnessed table, or at every column of one that the component made.
pub(crate) fn check(book: &mut Book, canonical: &Canonical, source: &SourceFacts) {
    for (column, described) in canonical.schema().iter().enumerate() {
        if matches!(described.role, Role::Measure(_)) {
            continue;
        }
        let about = About::Column(column);
        if naming::is_identifier(&described.name) {
            book.note(Rule::DirectIdentifiers, Verdict::Fail, about, || {
                "This column is named as what a person is known by: leave it out.".to_owned()
            });
            continue;
        }
        let cells = || canonical.table().rows.iter().filter_map(move |row| row.get(column));
        let probed = if source.probed { source.key_hits.get(&described.name).copied().unwrap_or(0) } else { 0 };
        let doubt = match described.ty {
            CellType::Text => of_texts(cells(), probed).or_else(|| {
                let days = cells().map(|cell| if let Cell::Text(text) = cell { day_in(text) } else { None });
                of_days(days, &described.name)
            }),
            CellType::Integer | CellType::Real | CellType::Decimal => of_numbers(cells(), probed),
            CellType::Date | CellType::Timestamp => of_days(cells().map(day_of), &described.name),
            CellType::Boolean => None,
        };
        match doubt {
            Some((verdict, reason)) => book.note(Rule::DirectIdentifiers, verdict, about, || reason),
            None => book.pass(Rule::DirectIdentifiers),
        }
    }
}

type Doubt = Option<(Verdict, String)>;

fn of_texts<'a>(cells: impl Iterator<Item = &'a Cell> + Clone, probed: u64) -> Doubt {
    let texts: HashSet<&str> =
        cells.clone().filter_map(|cell| if let Cell::Text(text) = cell { Some(text.as_str()) } else { None }).collect();
    of_forms(texts.iter().copied(), probed).or_else(|| {
        let present = cells.filter(|cell| **cell != Cell::Null).count();
        of_probe(probed, present, true)
    })
}

/// What the forms of cells say; each cell is given once.
fn of_forms<'a>(texts: impl Iterator<Item = &'a str>, probed: u64) -> Doubt {
    let mut shaped: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut valid: BTreeMap<Kind, usize> = BTreeMap::new();
    for text in texts {
        let mut found: BTreeMap<Kind, bool> = BTreeMap::new();
        forms::look(text, |seen| *found.entry(seen.kind).or_default() |= seen.valid);
        for (kind, hit) in found {
            *shaped.entry(kind).or_default() += 1;
            *valid.entry(kind).or_default() += usize::from(hit);
        }
    }
    let hits = |kind: Kind| valid.get(&kind).copied().unwrap_or(0);
    let sure = |kind: &Kind| {
        let candidates = shaped.get(kind).copied().unwrap_or(0);
        (hits(*kind) >= ENOUGH && hits(*kind) * 2 >= candidates) || (hits(*kind) >= 1 && probed >= 1)
    };
    if let Some(kind) = Kind::ALL.into_iter().find(sure) {
        let confirmed = if probed >= 1 { ", and the source data has them as keys" } else { "" };
        return Some((Verdict::Fail, format!("This column holds {}{confirmed}: leave it out.", kind.words())));
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.is_unmistakable() && hits(*kind) >= 1)?;
    Some((Verdict::Review, format!("Some cells of this column look like {}: look at them.", kind.words())))
}

fn of_numbers<'a>(cells: impl Iterator<Item = &'a Cell>, probed: u64) -> Doubt {
    let numbers: Vec<u64> = cells.filter_map(Cell::number).filter_map(crate::disclosure::rounding::count_in).collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    // Ten digits of an NHS number, or nine to ten of a CHI, or twelve of a telephone number.
    let texts: Vec<String> =
        distinct.iter().filter(|number| **number >= 100_000_000).map(ToString::to_string).collect();
    let long = distinct.first().is_some_and(|least| *least >= LONG);
    of_forms(texts.iter().map(String::as_str), probed)
        .or_else(|| if long { of_probe(probed, numbers.len(), true) } else { None })
        .or_else(|| of_probe(probed, numbers.len(), false).filter(|_| distinct.len() == numbers.len()))
}

/// What it means that cells are keys of the source: `telling` says that this is hardly chance.
fn of_probe(probed: u64, present: usize, telling: bool) -> Doubt {
    let probed = usize::try_from(probed).unwrap_or(usize::MAX);
    let most = probed >= ENOUGH && probed.saturating_mul(2) >= present;
    if most && telling {
        Some((Verdict::Fail, "The cells of this column are keys of the source data: leave it out.".to_owned()))
    } else if most || (telling && probed > 0) {
        Some((
            Verdict::Review,
            "Some cells of this column are keys of the source data: make sure that they are not persons.".to_owned(),
        ))
    } else {
        None
    }
}

const SECONDS_A_DAY: i64 = 86_400;

/// The day of a date, or of a moment at midnight.
fn day_of(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Date(days) => Some(i64::from(*days)),
        Cell::Timestamp(microseconds) => {
            let seconds = microseconds.div_euclid(1_000_000);
            (seconds.rem_euclid(SECONDS_A_DAY) == 0).then(|| seconds.div_euclid(SECONDS_A_DAY))
        }
        Cell::Null | Cell::Boolean(_) | Cell::Integer(_) | Cell::Real(_) | Cell::Decimal(_) | Cell::Text(_) => None,
    }
}

/// The day in a text: `1948-07-05`, `19480705`, `05/07/1948`, `5.7.1948`.
fn day_in(text: &str) -> Option<i64> {
    let joint = |byte: u8| matches!(byte, b'/' | b'.' | b'-' | b' ');
    if text.len() > 10 || !text.bytes().all(|byte| byte.is_ascii_digit() || joint(byte)) {
        return None;
    }
    let parts: Vec<&str> = text.split(['/', '.', '-', ' ']).collect();
    let iso = match parts.as_slice() {
        [year, month, day] if year.len() == 4 => format!("{year}-{month:0>2}-{day:0>2}"),
        [day, month, year] if year.len() == 4 => format!("{year}-{month:0>2}-{day:0>2}"),
        [whole] if whole.len() == 8 && whole.is_ascii() => format!("{}-{}-{}", &whole[..4], &whole[4..6], &whole[6..]),
        _ => return None,
    };
    calendar::read_date(&iso).map(i64::from)
}

/// Whether days are days of birth: by the column's name, or because they are scattered over more years than treatments are.
fn of_days(days: impl Iterator<Item = Option<i64>>, name: &str) -> Doubt {
    let days: Vec<i64> = days.flatten().collect();
    let distinct: BTreeSet<i64> = days.iter().copied().collect();
    let (first, last) = (distinct.first()?, distinct.last()?);
    let of_month = |day: &i64| calendar::day_of_month(*day);
    let coarse = distinct.iter().all(|day| of_month(day) == of_month(first))
        || distinct.iter().all(|day| of_month(&(day + 1)) == Some(1));
    if naming::is_birth(name) && !coarse {
        return Some((
            Verdict::Fail,
            "This column holds days of birth: leave it out, or keep the year alone.".to_owned(),
        ));
    }
    let count = i64::try_from(distinct.len()).unwrap_or(i64::MAX);
    let scattered = distinct.len() >= ENOUGH
        && distinct.len() * 2 >= days.len()
        && last - first >= LIFETIMES
        // A series has a day for every so many days.
        && count.saturating_mul(2) < last - first
        && !is_series(&distinct);
    (scattered && !coarse).then(|| {
        (Verdict::Fail, "This column holds single days over many years, as days of birth are: leave it out, or keep the year alone.".to_owned())
    })
}

/// Whether days follow one another at equal distance, but for the length of months.
fn is_series(days: &BTreeSet<i64>) -> bool {
    let mut steps: Vec<i64> = days.iter().zip(days.iter().skip(1)).map(|(one, next)| next - one).collect();
    steps.sort_unstable();
    let (Some(least), Some(most)) = (steps.first(), steps.last()) else { return false };
    most - least <= 3
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
