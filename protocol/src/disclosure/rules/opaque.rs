//! The rules over what a component computed itself: its shape, and what the names of its columns say. Nothing here ever passes as a whole.

use crate::disclosure::canonical::{Canonical, Place};
use crate::disclosure::check::SourceFacts;
use crate::disclosure::naming;
use crate::disclosure::policy::Policy;
use crate::disclosure::report::{About, Book, Rule, Verdict};
use crate::disclosure::rounding::{Rounding, count_in, whole};
use crate::disclosure::table::{Cell, CellType, Table};
use std::collections::BTreeSet;

/// Fewer rows than this are no list of persons.
const LIST: usize = 3;

/// Looks at every column and cell.
pub(crate) fn check(book: &mut Book, canonical: &Canonical, source: &SourceFacts, policy: &Policy) {
    ask(book, policy);
    book.pass(Rule::NotFinite);
    let table = canonical.table();
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    for (column, name) in names.iter().enumerate() {
        check_column(book, table, column, policy);
        if naming::is_extreme(name) && table.columns[column].ty.is_number() {
            book.note(Rule::MinimumThreshold, Verdict::Review, About::Column(column), || {
                "A largest or smallest value is that of a single subject: leave it out, or give a percentile."
                    .to_owned()
            });
        }
    }
    check_implied(book, table, policy);
    check_hidden(book, table);
    check_rows(book, table, source, policy);
}

/// What only a person can answer.
fn ask(book: &mut Book, policy: &Policy) {
    let mut ask = |rule, reason: String| book.note(rule, Verdict::Review, About::Output, || reason);
    let least = policy.threshold;
    ask(
        Rule::MinimumThreshold,
        format!("The node did not compute these figures: make sure that at least {least} subjects stand behind each."),
    );
    ask(
        Rule::DominancePRatio,
        "The node did not compute these figures: make sure that no subject dominates a sum or a mean.".to_owned(),
    );
    ask(
        Rule::DominanceNk,
        "The node did not compute these figures: make sure that no two subjects dominate a sum or a mean.".to_owned(),
    );
    let least = policy.minimum_degrees_of_freedom;
    ask(
        Rule::DegreesOfFreedom,
        format!(
            "The node did not compute these figures: make sure that at least {least} degrees of freedom stand behind what was fitted."
        ),
    );
    if policy.zeros_are_disclosive {
        ask(
            Rule::ClassDisclosure,
            "The node did not compute these figures: make sure that no empty or full cell tells something about a whole group."
                .to_owned(),
        );
    }
    ask(
        Rule::Differencing,
        "The node did not see who stands behind these figures: compare them with what left before.".to_owned(),
    );
}

/// The cells of a column that holds whole numbers alone, as counts where they are some.
fn counts(table: &Table, column: usize) -> Option<Vec<Option<u64>>> {
    let numbers = || table.rows.iter().map(move |row| row[column].number());
    let is_whole = match table.columns[column].ty {
        CellType::Integer => true,
        CellType::Real | CellType::Decimal => numbers().flatten().all(|value| value.fract() == 0.0),
        CellType::Boolean | CellType::Text | CellType::Date | CellType::Timestamp => false,
    };
    is_whole.then(|| numbers().map(|value| value.and_then(count_in)).collect())
}

fn check_column(book: &mut Book, table: &Table, column: usize, policy: &Policy) {
    let Some(counts) = counts(table, column) else { return };
    let name = table.columns[column].name.as_str();
    let (is_count, rounding) = (naming::is_count(name), Rounding::of(policy));
    for (row, count) in counts.iter().enumerate() {
        let Some(count) = *count else { continue };
        let about = About::Cell(Place { row, column });
        if (1..policy.threshold).contains(&count) && naming::share(name).is_none() {
            book.note(Rule::MinimumThreshold, Verdict::Review, about, || {
                format!("This looks like a count below the threshold of {}.", policy.threshold)
            });
        }
        if count == 0 && is_count && policy.zeros_are_disclosive {
            book.note(Rule::ClassDisclosure, Verdict::Review, about, || {
                "This looks like a count of nobody: that tells something about everybody in the group.".to_owned()
            });
        }
        if is_count && rounding.is_coarse() {
            let verdict = if rounding.is_rounded(count) { Verdict::Pass } else { Verdict::Review };
            book.note(Rule::Rounding, verdict, about, || {
                "This looks like a count that is not rounded as the project's policy asks.".to_owned()
            });
        }
        let few = i64::try_from(count).is_ok_and(|count| count < policy.minimum_degrees_of_freedom);
        if few && naming::is_degrees_of_freedom(name) {
            book.note(Rule::DegreesOfFreedom, Verdict::Review, about, || {
                format!("This looks like fewer than {} degrees of freedom.", policy.minimum_degrees_of_freedom)
            });
        }
    }
    let present: Vec<u64> = counts.into_iter().flatten().collect();
    let single = present.iter().filter(|count| **count == 1).count();
    if is_count && present.len() >= LIST && single * 10 > present.len() * 9 {
        book.note(Rule::RowLevelData, Verdict::Fail, About::Column(column), || {
            "More than nine in ten of these counts are 1: the rows are persons, not groups.".to_owned()
        });
    }
}

/// Counts that columns imply together: a share of a whole, a part beside its whole, a spread beside its number.
fn check_implied(book: &mut Book, table: &Table, policy: &Policy) {
    let columns = || table.columns.iter().enumerate();
    let Some((of, wholes)) = columns()
        .filter(|(_, column)| naming::is_whole(&column.name))
        .find_map(|(place, _)| counts(table, place).map(|counts| (place, counts)))
    else {
        return;
    };
    for (column, described) in columns().filter(|(column, _)| *column != of) {
        let name = described.name.as_str();
        let share = naming::share(name).filter(|_| described.ty.is_number());
        let part = naming::is_count(name) && share.is_none();
        let spread = naming::is_spread(name) && described.ty.is_number();
        for (row, cells) in table.rows.iter().enumerate() {
            let (Some(number), Some(all)) = (cells[column].number(), wholes[row]) else { continue };
            let about = About::Cell(Place { row, column });
            let implied = match share {
                Some(hundred) => count_in((number / hundred * whole(all)).round()),
                None if part => count_in(number),
                None => None,
            };
            if let Some(implied) = implied.filter(|implied| *implied <= all) {
                let small = |count: u64| (1..policy.threshold).contains(&count);
                if (share.is_some() && small(implied)) || small(all - implied) {
                    book.note(Rule::MinimumThreshold, Verdict::Review, about, || {
                        format!(
                            "Together with `{}` this implies a count below the threshold of {}.",
                            table.columns[of].name, policy.threshold
                        )
                    });
                }
                if policy.zeros_are_disclosive && all > 0 && (implied == all || (share.is_some() && implied == 0)) {
                    book.note(Rule::ClassDisclosure, Verdict::Review, about, || {
                        "Everybody or nobody of the group is counted here: that tells something about each of them."
                            .to_owned()
                    });
                }
            }
            let freedom = i64::try_from(all).unwrap_or(i64::MAX) - 1;
            if spread && freedom < policy.minimum_degrees_of_freedom {
                book.note(Rule::DegreesOfFreedom, Verdict::Review, about, || {
                    format!(
                        "Beside `{}` this spread has fewer than {} degrees of freedom.",
                        table.columns[of].name, policy.minimum_degrees_of_freedom
                    )
                });
            }
        }
    }
}

/// Counts that are left out beside a total.
fn check_hidden(book: &mut Book, table: &Table) {
    let totals: Vec<usize> = (0..table.rows.len())
        .filter(|row| table.rows[*row].iter().any(|cell| matches!(cell, Cell::Text(text) if naming::is_total(text))))
        .collect();
    for (column, described) in table.columns.iter().enumerate().filter(|(_, column)| naming::is_count(&column.name)) {
        let shown = |row: usize| match &table.rows[row][column] {
            Cell::Text(text) => text.parse::<u64>().ok(),
            cell => cell.number().and_then(count_in),
        };
        let hidden: Vec<usize> =
            (0..table.rows.len()).filter(|row| shown(*row).is_none() && !totals.contains(row)).collect();
        if hidden.is_empty()
            || (described.ty == CellType::Text && (0..table.rows.len()).all(|row| shown(row).is_none()))
        {
            continue;
        }
        book.note(Rule::ComplementarySuppression, Verdict::Review, About::Column(column), || {
            "Counts are left out here: make sure that no total, in this output or an earlier one, tells them."
                .to_owned()
        });
        if let (false, [row]) = (totals.is_empty(), hidden.as_slice()) {
            let about = About::Cell(Place { row: *row, column });
            book.note(Rule::ComplementarySuppression, Verdict::Fail, about, || {
                "This count is the only one left out: it is the total minus the others.".to_owned()
            });
        }
    }
}

/// Rows that are persons, or that stand in the source.
fn check_rows(book: &mut Book, table: &Table, source: &SourceFacts, policy: &Policy) {
    if !source.probed {
        book.note(Rule::RowLevelData, Verdict::Review, About::Output, || {
            "The node did not compare this output with its source: make sure that its rows are groups, not persons."
                .to_owned()
        });
    } else if source.equal_rows > 0 {
        book.note(Rule::RowLevelData, Verdict::Fail, About::Output, || {
            "Rows of this output stand in the source data as they are.".to_owned()
        });
    } else {
        book.pass(Rule::RowLevelData);
    }
    let rows = table.rows.len();
    let near = |count: u64| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        rows >= LIST && rows.abs_diff(count) <= count / 10
    };
    let threshold = usize::try_from(policy.threshold).unwrap_or(usize::MAX);
    let listed = near(source.subjects_read) || (near(source.rows_read) && rows >= threshold);
    if !listed {
        return;
    }
    for (column, described) in table.columns.iter().enumerate() {
        let key = matches!(described.ty, CellType::Integer | CellType::Text) && !naming::is_count(&described.name);
        if !key || !is_unique(table, column) {
            continue;
        }
        if near(source.subjects_read) {
            book.note(Rule::RowLevelData, Verdict::Fail, About::Column(column), || {
                "Every row has a value of its own here, and there are about as many rows as subjects were read."
                    .to_owned()
            });
        } else {
            book.note(Rule::RowLevelData, Verdict::Review, About::Column(column), || {
                "Every row has a value of its own here, and there are about as many rows as were read: make sure that the rows that were read are groups."
                    .to_owned()
            });
        }
    }
}

fn is_unique(table: &Table, column: usize) -> bool {
    let mut texts = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    table.rows.iter().all(|row| match &row[column] {
        Cell::Text(text) => texts.insert(text.as_str()),
        Cell::Integer(number) => numbers.insert(*number),
        _ => false,
    })
}
