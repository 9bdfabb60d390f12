//! The rules over a whole witnessed table: who is in no cell or in one alone (class disclosure), and whether rows are persons.

use crate::disclosure::canonical::{Canonical, Place};
use crate::disclosure::policy::Policy;
use crate::disclosure::report::{About, Book, Rule, Verdict};
use crate::disclosure::table::{Role, Witnessed};

/// Lines that one key determines are called a hierarchy (a hospital lies in one region) from this many on; fewer may be chance.
const HIERARCHY: usize = 10;

/// The rows that stand behind each row of the canonical table; 0 where the evidence has none.
fn counts(canonical: &Canonical, witnessed: &Witnessed) -> Vec<(u64, u64)> {
    (0..canonical.table().rows.len())
        .map(|row| {
            let origin = canonical.origin(Place { row, column: 0 });
            let evidence = origin.and_then(|origin| witnessed.evidence.get(origin.row)).into_iter().flatten().flatten();
            evidence.fold((0, 0), |(rows, subjects), figure| (rows.max(figure.rows), subjects.max(figure.subjects)))
        })
        .collect()
}

/// The places of the keys.
fn keys(canonical: &Canonical) -> Vec<usize> {
    (0..canonical.schema().len()).filter(|column| canonical.schema()[*column].role == Role::Key).collect()
}

/// Looks for empty and full cells along every key of a crossed table, the combinations that have no row included.
pub(crate) fn check_classes(book: &mut Book, canonical: &Canonical, witnessed: &Witnessed, policy: &Policy) {
    let keys = keys(canonical);
    if !policy.zeros_are_disclosive || keys.len() < 2 {
        return;
    }
    let peopled: Vec<usize> = counts(canonical, witnessed)
        .iter()
        .enumerate()
        .filter_map(|(row, (rows, _))| (*rows > 0).then_some(row))
        .collect();
    let mut crossed: Vec<(usize, Vec<u32>)> = keys.iter().map(|key| (*key, codes(canonical, *key))).collect();
    // A key that others determine is no dimension of its own: every line along it is full, by definition or by chance.
    let mut place = 0;
    while place < crossed.len() && crossed.len() > 1 {
        let lines = lines(&crossed, place, &peopled);
        let levels = levels(&crossed[place].1, &peopled);
        let nested = lines.iter().all(|line| line.len() == 1) && lines.len() >= HIERARCHY.max(2 * levels);
        if nested && levels > 1 {
            let (column, _) = crossed.remove(place);
            book.note(Rule::ClassDisclosure, Verdict::Review, About::Column(column), || {
                "The other keys determine this one: unless that is so by definition, it tells something about everybody in a group."
                    .to_owned()
            });
        } else {
            place += 1;
        }
    }
    if crossed.len() < 2 {
        return;
    }
    for place in 0..crossed.len() {
        let levels = levels(&crossed[place].1, &peopled);
        if levels < 2 {
            continue;
        }
        for line in lines(&crossed, place, &peopled) {
            let full = line.len() == 1;
            let verdict = if line.len() < levels { Verdict::Fail } else { Verdict::Pass };
            let about = About::Cell(Place { row: line[0], column: crossed[place].0 });
            book.note(Rule::ClassDisclosure, verdict, about, || {
                let tells = if full {
                    "Everybody in this row's group has the same value here: whoever is known to be in the group is known to have it."
                } else {
                    "Nobody in this row's group has one of this column's values: that tells something about everybody in the group."
                };
                tells.to_owned()
            });
        }
    }
}

/// The cells of a column as small numbers in their order.
fn codes(canonical: &Canonical, column: usize) -> Vec<u32> {
    let rows = &canonical.table().rows;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|left, right| rows[*left][column].order(&rows[*right][column]));
    let mut codes = vec![0; rows.len()];
    let mut code = 0;
    for pair in order.windows(2) {
        code += u32::from(rows[pair[0]][column].order(&rows[pair[1]][column]).is_ne());
        codes[pair[1]] = code;
    }
    codes
}

/// How many values of a key occur.
fn levels(codes: &[u32], rows: &[usize]) -> usize {
    let mut found: Vec<u32> = rows.iter().map(|row| codes[*row]).collect();
    found.sort_unstable();
    found.dedup();
    found.len()
}

/// The rows that share every key but one, with one row for each value of that key.
fn lines(crossed: &[(usize, Vec<u32>)], along: usize, rows: &[usize]) -> Vec<Vec<usize>> {
    // Rows with equal keys so far have equal numbers.
    let mut groups = vec![0_u32; rows.len()];
    for (_, codes) in crossed.iter().enumerate().filter(|(place, _)| *place != along).map(|(_, key)| key) {
        let sorted = sorted(&groups, codes, rows);
        let mut number = 0;
        let mut before = None;
        for (key, place) in sorted {
            number += u32::from(before.is_some_and(|before| before != key));
            before = Some(key);
            groups[place] = number;
        }
    }
    let mut lines: Vec<Vec<usize>> = Vec::new();
    let mut before: Option<(u32, u32)> = None;
    for (key, place) in sorted(&groups, &crossed[along].1, rows) {
        match (lines.last_mut(), before) {
            (Some(line), Some(before)) if before.0 == key.0 => {
                if before.1 != key.1 {
                    line.push(rows[place]);
                }
            }
            _ => lines.push(vec![rows[place]]),
        }
        before = Some(key);
    }
    lines
}

/// The places of rows by their group and a key.
fn sorted(groups: &[u32], codes: &[u32], rows: &[usize]) -> Vec<((u32, u32), usize)> {
    let mut sorted: Vec<((u32, u32), usize)> =
        rows.iter().enumerate().map(|(place, row)| ((groups[place], codes[*row]), place)).collect();
    sorted.sort_unstable();
    sorted
}

/// Whether most rows are about one subject each.
pub(crate) fn check_rows(book: &mut Book, canonical: &Canonical, witnessed: &Witnessed) {
    let counts = counts(canonical, witnessed);
    if counts.is_empty() {
        return;
    }
    let single = counts.iter().filter(|(rows, subjects)| *rows == 1 || *subjects == 1).count();
    let verdict = if single * 10 > counts.len() * 9 { Verdict::Fail } else { Verdict::Pass };
    book.note(Rule::RowLevelData, verdict, About::Output, || {
        "More than nine in ten rows are about one subject each: these are persons, not groups.".to_owned()
    });
}
