//! What totals tell about blank figures, within one table and across the tables of a task.
//!
//! A table with fewer keys holds the totals of one with more, where its figures are the sums of the other's; so do the rows of a table whose
//! key is null. Somebody who reads all of them knows every sum, the thresholds, and how counts were rounded. Of a blank count he knows that
//! somebody stands behind it; not whether it was blanked for itself or to protect another, so that no threshold bounds it from above.

mod interval;

use crate::disclosure::canonical::{Place, print};
use crate::disclosure::hiding::Hidden;
use crate::disclosure::policy::Policy;
use crate::disclosure::report::{Rule, Verdict};
use crate::disclosure::rounding::{Rounding, whole};
use crate::disclosure::rules::Across;
use crate::disclosure::table::{Cell, Evidence, Measure, Role, Witnessed};
use interval::{ANY, Sum, System, Width};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How often more is blanked before what is left is shown to a person.
const ROUNDS: usize = 24;

/// The most kinds of null rows that are looked at in one table.
const MAXIMUM_MASKS: usize = 16;

/// What adds up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Quantity {
    Count,
    Subjects,
    CountOf(String),
    /// Shown by the sum, and by the mean for whoever knows the count.
    Sum(String),
}

impl Quantity {
    fn of(measure: &Measure) -> Option<Self> {
        match measure {
            Measure::Count => Some(Self::Count),
            Measure::Subjects => Some(Self::Subjects),
            Measure::CountOf(x) => Some(Self::CountOf(x.clone())),
            Measure::Sum(x) | Measure::Mean(x) => Some(Self::Sum(x.clone())),
            Measure::Variance(_) | Measure::Covariance(_, _) => None,
        }
    }

    fn value(&self, evidence: &Evidence) -> f64 {
        match self {
            Self::Count | Self::CountOf(_) => whole(evidence.rows),
            Self::Subjects => whole(evidence.subjects),
            Self::Sum(_) => evidence.sum,
        }
    }
}

/// Rows of a table that are about the same keys.
struct View {
    table: usize,
    /// Whether they are all of its rows.
    all: bool,
    rows: Vec<usize>,
    /// Keys by their number, ascending, and for each row their values by number.
    keys: Vec<usize>,
    values: Vec<Vec<usize>>,
}

/// All totals that hold between rows of a task's tables: by quantity, which row is the sum of which; rows are (table, row).
struct Relations {
    sums: BTreeMap<Quantity, Vec<(Row, Vec<Row>)>>,
    /// Rows that nearly are a sum of others.
    near: Vec<Row>,
}

type Row = (usize, usize);

/// Blanks as much more as it takes, when the policy asks for it, and says which figures are still known too well.
pub(crate) fn protect(tables: &[&Witnessed], hidden: &mut [Hidden], policy: &Policy) -> Vec<Vec<Across>> {
    let mut across: Vec<Vec<Across>> = vec![Vec::new(); tables.len()];
    let relations = relate(tables, policy);
    for (table, row) in &relations.near {
        let is_count = |column: &usize| {
            tables[*table].table.columns[*column].role == Role::Measure(Measure::Count)
                && !hidden[*table].is(Place { row: *row, column: *column })
        };
        if let Some(column) = (0..tables[*table].table.columns.len()).find(is_count) {
            across[*table].push(Across {
                rule: Rule::MinimumThreshold,
                verdict: Verdict::Review,
                place: Place { row: *row, column },
                reason: format!(
                    "This total differs from the sum of its parts, in this output or another one, by fewer than {}.",
                    policy.threshold
                ),
            });
        }
    }
    let mut round = 0;
    let weak = loop {
        let weak = weak(tables, hidden, &relations, policy);
        round += 1;
        if weak.is_empty() || !policy.suppress || round > ROUNDS {
            break weak;
        }
        let more = more_to_hide(tables, hidden, &relations, &weak);
        if more.is_empty() {
            break weak;
        }
        for (table, row) in more {
            hidden[table].hide_row(tables[table], row);
        }
    };
    for Weak { row: (table, row), column, width, .. } in weak {
        let (verdict, reason) = match width {
            Width::TooFew => (
                Verdict::Fail,
                format!(
                    "This blank figure can be told from totals in this output or another one: it has fewer than the {} values that the policy asks for.",
                    policy.minimum_interval
                ),
            ),
            Width::Enough | Width::Unproven => (
                Verdict::Review,
                "It could not be shown that totals, in this output or another one, do not tell this blank figure."
                    .to_owned(),
            ),
        };
        across[table].push(Across {
            rule: Rule::ComplementarySuppression,
            verdict,
            place: Place { row, column },
            reason,
        });
    }
    across
}

/// A blank figure that can be told from others.
struct Weak {
    quantity: Quantity,
    row: Row,
    column: usize,
    width: Width,
}

/// The columns that show a quantity.
fn columns_of(witnessed: &Witnessed, quantity: &Quantity) -> Vec<usize> {
    let shows =
        |role: &Role| matches!(role, Role::Measure(measure) if Quantity::of(measure).as_ref() == Some(quantity));
    (0..witnessed.table.columns.len()).filter(|column| shows(&witnessed.table.columns[*column].role)).collect()
}

fn evidence_at(witnessed: &Witnessed, row: usize, column: usize) -> Option<Evidence> {
    *witnessed.evidence.get(row)?.get(column)?
}

/// The blank figures that are known too well.
fn weak(tables: &[&Witnessed], hidden: &[Hidden], relations: &Relations, policy: &Policy) -> Vec<Weak> {
    let mut weak = Vec::new();
    if !hidden.iter().any(Hidden::any) {
        return weak;
    }
    let rounding = Rounding::of(policy);
    for (quantity, sums) in &relations.sums {
        // Rows that no total ties together cannot be told from any.
        let mut places: BTreeMap<Row, usize> = BTreeMap::new();
        let mut rows: Vec<Row> = Vec::new();
        let mut place = |row: Row| {
            *places.entry(row).or_insert_with(|| {
                rows.push(row);
                rows.len() - 1
            })
        };
        let sums: Vec<Sum> = sums
            .iter()
            .map(|(total, parts)| Sum { whole: place(*total), parts: parts.iter().map(|part| place(*part)).collect() })
            .collect();
        let columns: Vec<Vec<usize>> = tables.iter().map(|table| columns_of(table, quantity)).collect();
        let evidence =
            |(table, row): Row| columns[table].first().and_then(|column| evidence_at(tables[table], row, *column));
        let is_blank =
            |(table, row): Row| columns[table].iter().all(|column| hidden[table].is(Place { row, column: *column }));
        if !rows.iter().any(|row| is_blank(*row)) {
            continue;
        }
        let counted = !matches!(quantity, Quantity::Sum(_));
        let largest =
            rows.iter().filter_map(|row| evidence(*row)).map(|found| quantity.value(&found).abs()).fold(0.0, f64::max);
        let mut values = Vec::with_capacity(rows.len());
        let mut known = Vec::with_capacity(rows.len());
        let mut needs = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let Some(found) = evidence(*row) else {
                values.push(0);
                known.push((0, 0));
                continue;
            };
            let value = if counted { quantity.value(&found) } else { quantity.value(&found) / largest * UNITS };
            let value = units(value);
            values.push(value);
            if is_blank(*row) {
                known.push(match quantity {
                    Quantity::Count | Quantity::Subjects => (1.min(value), ANY),
                    Quantity::CountOf(_) => (0, group(tables[row.0], &hidden[row.0], row.1, rounding)),
                    Quantity::Sum(_) if found.negatives > 0 => (-ANY, ANY),
                    Quantity::Sum(_) => (0, ANY),
                });
                let need = if counted {
                    i64::try_from(policy.minimum_interval).unwrap_or(ANY)
                } else {
                    (value.abs() / 100).saturating_mul(i64::from(policy.p_ratio_percent)) + 1
                };
                needs.push((number, need));
            } else if counted && rounding.is_coarse() {
                let shown = rounding.round(u64::try_from(value).unwrap_or(0));
                let (least, most) = rounding.behind(shown);
                known.push((i64::try_from(least).unwrap_or(ANY), i64::try_from(most).unwrap_or(ANY)));
            } else {
                known.push((value, value));
            }
        }
        let widths = System::new(values, known, &sums).widths(&needs);
        for ((number, _), width) in needs.iter().zip(widths) {
            let (table, row) = rows[*number];
            if let (true, Some(column)) = (width != Width::Enough, columns[table].first()) {
                weak.push(Weak { quantity: quantity.clone(), row: (table, row), column: *column, width });
            }
        }
    }
    weak
}

/// The most that a part of a row's group can count: the group's own count, where that is shown.
fn group(witnessed: &Witnessed, hidden: &Hidden, row: usize, rounding: Rounding) -> i64 {
    let shown = columns_of(witnessed, &Quantity::Count)
        .into_iter()
        .find(|column| !hidden.is(Place { row, column: *column }))
        .and_then(|column| evidence_at(witnessed, row, column));
    shown.map_or(ANY, |group| i64::try_from(rounding.behind(rounding.round(group.rows)).1).unwrap_or(ANY))
}

/// Sums of money and of laboratory values are compared in this many parts of the largest.
const UNITS: f64 = 1e12;

/// The nearest whole number.
#[allow(clippy::cast_possible_truncation, reason = "the bounds are tested before")]
fn units(value: f64) -> i64 {
    if value.abs() < 4e18 { value.round().clamp(-1e18, 1e18) as i64 } else { 0 }
}

/// For each figure that is known too well, one more row of the total that tells most about it.
fn more_to_hide(tables: &[&Witnessed], hidden: &[Hidden], relations: &Relations, weak: &[Weak]) -> BTreeSet<Row> {
    let mut more = BTreeSet::new();
    for (quantity, sums) in &relations.sums {
        let columns: Vec<Vec<usize>> = tables.iter().map(|table| columns_of(table, quantity)).collect();
        let is_blank =
            |(table, row): Row| columns[table].iter().all(|column| hidden[table].is(Place { row, column: *column }));
        let value = |(table, row): Row| {
            columns[table]
                .first()
                .and_then(|column| evidence_at(tables[table], row, *column))
                .map_or(0, |found| found.subjects)
        };
        let mut sums_of: BTreeMap<Row, Vec<usize>> = BTreeMap::new();
        for (place, (total, parts)) in sums.iter().enumerate() {
            for row in parts.iter().chain([total]) {
                sums_of.entry(*row).or_default().push(place);
            }
        }
        let blanks: Vec<usize> = sums
            .iter()
            .map(|(total, parts)| parts.iter().chain([total]).filter(|row| is_blank(**row)).count())
            .collect();
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        for known in weak.iter().filter(|weak| weak.quantity == *quantity) {
            let mut tightest = sums_of.get(&known.row).cloned().unwrap_or_default();
            tightest.sort_by_key(|place| blanks[*place]);
            for tight in tightest {
                // Once is enough for all that one total ties together; the next round looks again.
                if taken.contains(&tight) {
                    break;
                }
                let (total, parts) = &sums[tight];
                // A row whose other totals have blanks already opens no new one.
                let opens = |row: &Row| {
                    sums_of.get(row).is_some_and(|sums| sums.iter().any(|place| *place != tight && blanks[*place] == 0))
                };
                let candidate = parts
                    .iter()
                    .filter(|row| !is_blank(**row) && !more.contains(*row) && value(**row) > 0)
                    .min_by_key(|row| (opens(row), value(**row)))
                    .or_else(|| (!is_blank(*total)).then_some(total));
                if let Some(row) = candidate {
                    more.insert(*row);
                    taken.insert(tight);
                    break;
                }
            }
        }
    }
    more
}

/// Finds every total that holds.
fn relate(tables: &[&Witnessed], policy: &Policy) -> Relations {
    let mut relations = Relations { sums: BTreeMap::new(), near: Vec::new() };
    let views = views(tables);
    if views.len() < 2 {
        return relations;
    }
    let quantities: BTreeSet<Quantity> = tables
        .iter()
        .flat_map(|table| &table.table.columns)
        .filter_map(|column| if let Role::Measure(measure) = &column.role { Quantity::of(measure) } else { None })
        .collect();
    let mut pairs = Vec::new();
    for (of, detail) in views.iter().enumerate() {
        for (to, total) in views.iter().enumerate() {
            let equal = detail.keys == total.keys;
            let same_rows = detail.table == total.table && (detail.all || total.all);
            let same_data = tables[detail.table].contributors.dataset == tables[total.table].contributors.dataset;
            if of != to && same_data && !same_rows && (!equal || of < to) {
                pairs.extend(parts(detail, total).map(|parts| (of, to, parts)));
            }
        }
    }
    for quantity in &quantities {
        let columns: Vec<Option<usize>> =
            tables.iter().map(|table| columns_of(table, quantity).first().copied()).collect();
        let value = |view: &View, at: usize| {
            let evidence = evidence_at(tables[view.table], view.rows[at], columns[view.table]?)?;
            Some(quantity.value(&evidence))
        };
        let mut links = Vec::new();
        for (of, to, parts) in &pairs {
            let (detail, total) = (&views[*of], &views[*to]);
            let mut held = Vec::new();
            for (at, parts) in parts.iter().enumerate() {
                let sum: Option<f64> = parts.iter().map(|part| value(detail, *part)).sum();
                let (Some(sum), Some(all), false) = (sum, value(total, at), parts.is_empty()) else { continue };
                let row = |view: &View, at: usize| (view.table, view.rows[at]);
                let apart = (sum - all).abs();
                if apart <= all.abs() * 1e-9 {
                    held.push((row(total, at), parts.iter().map(|part| row(detail, *part)).collect::<Vec<_>>()));
                } else if *quantity == Quantity::Count && apart < whole(policy.threshold) {
                    relations.near.push(row(total, at));
                }
            }
            let complete = held.len() == parts.len();
            links.push((*of, *to, complete, held));
        }
        let complete: BTreeSet<(usize, usize)> =
            links.iter().filter(|(_, _, complete, _)| *complete).map(|(of, to, _, _)| (*of, *to)).collect();
        // A total of totals says nothing new about the details.
        let between = |of: usize, to: usize| {
            (0..views.len()).any(|middle| {
                middle != of && middle != to && complete.contains(&(of, middle)) && complete.contains(&(middle, to))
            })
        };
        let sums =
            links.into_iter().filter(|(of, to, _, _)| !between(*of, *to)).flat_map(|(_, _, _, held)| held).collect();
        relations.sums.insert(quantity.clone(), sums);
    }
    relations.near.sort_unstable();
    relations.near.dedup();
    relations
}

/// Every table, and the rows of a table by which of their keys are null.
fn views(tables: &[&Witnessed]) -> Vec<View> {
    let keys_of = |table: &Witnessed| -> Vec<usize> {
        (0..table.table.columns.len()).filter(|column| table.table.columns[*column].role == Role::Key).collect()
    };
    let has_null = |table: &&Witnessed| {
        let keys = keys_of(table);
        table.table.rows.iter().any(|row| keys.iter().any(|key| row.get(*key) == Some(&Cell::Null)))
    };
    if tables.len() < 2 && !tables.iter().any(has_null) {
        return Vec::new();
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut codes: HashMap<(usize, String), usize> = HashMap::new();
    let mut views = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        let mut keys: Vec<(usize, usize)> = keys_of(table)
            .into_iter()
            .map(|column| {
                let next = names.len();
                (*names.entry(table.table.columns[column].name.to_ascii_lowercase()).or_insert(next), column)
            })
            .collect();
        keys.sort_unstable();
        let values: Vec<Vec<usize>> = table
            .table
            .rows
            .iter()
            .map(|row| {
                keys.iter()
                    .map(|(name, column)| {
                        let next = codes.len() + 1;
                        let cell = row.get(*column).unwrap_or(&Cell::Null);
                        if *cell == Cell::Null { NULL } else { *codes.entry((*name, print(cell))).or_insert(next) }
                    })
                    .collect()
            })
            .collect();
        let mut masks: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for (row, values) in values.iter().enumerate() {
            masks.entry(values.iter().map(|value| *value == NULL).collect()).or_default().push(row);
        }
        if masks.len() > 1 && masks.len() <= MAXIMUM_MASKS {
            for (mask, rows) in masks {
                let kept = |all: Vec<usize>| -> Vec<usize> {
                    all.into_iter().zip(&mask).filter_map(|(value, null)| (!null).then_some(value)).collect()
                };
                views.push(View {
                    table: place,
                    all: false,
                    keys: kept(keys.iter().map(|(name, _)| *name).collect()),
                    values: rows.iter().map(|row| kept(values[*row].clone())).collect(),
                    rows,
                });
            }
        }
        let keys = keys.iter().map(|(name, _)| *name).collect();
        views.push(View { table: place, all: true, rows: (0..values.len()).collect(), keys, values });
    }
    views
}

/// The number of a null.
const NULL: usize = 0;

/// For each row of `total`, the rows of `detail` with its keys; `None` where `total` has a key that `detail` has not.
fn parts(detail: &View, total: &View) -> Option<Vec<Vec<usize>>> {
    let columns: Option<Vec<usize>> =
        total.keys.iter().map(|key| detail.keys.iter().position(|other| other == key)).collect();
    let columns = columns?;
    let mut of: HashMap<&[usize], usize> = HashMap::new();
    for (place, values) in total.values.iter().enumerate() {
        of.insert(values, place);
    }
    let mut parts = vec![Vec::new(); total.rows.len()];
    let mut key = Vec::with_capacity(columns.len());
    for (row, values) in detail.values.iter().enumerate() {
        key.clear();
        key.extend(columns.iter().map(|column| values[*column]));
        if let Some(place) = of.get(key.as_slice()) {
            parts[*place].push(row);
        }
    }
    Some(parts)
}
