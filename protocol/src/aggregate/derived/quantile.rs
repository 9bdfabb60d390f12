//! Quantiles from counts in equal bins: an estimate, and bounds between which the pooled data's own quantile lies for certain.
//!
//! Bins are fixed by the task and not by the data, so their counts add up over TREs, and the host counts them (tier T1). A t-digest would
//! follow the data more closely, but its centroids are means of few and often of one: no rule can pass them.

use crate::aggregate::derived::sheet::{Figures, LACKING, Sheet, count, key, real};
use crate::aggregate::derived::{Derived, Parameters, list};
use crate::aggregate::merge::Key;
use crate::disclosure::table::{CellType, Measure, Table};
use std::collections::BTreeMap;

/// The quantiles that are asked for where the task names none.
const QUARTILES: [f64; 3] = [0.25, 0.5, 0.75];

/// A group's bins: where each begins, and how many are in it.
#[derive(Default)]
struct Bins {
    counts: Vec<(f64, f64)>,
    lacks: bool,
}

/// One row for each group and probability.
pub(super) fn estimates(output: &str, table: &Table, parameters: &Parameters) -> Option<Derived> {
    let figures = Figures::of(table);
    let bin = figures.key("bin_from")?;
    let number = |name: &str| parameters.get(name).and_then(|text| text.trim().parse::<f64>().ok());
    let width = number("bins").filter(|width| width.is_finite() && *width > 0.0)?;
    let inside = (number("low").unwrap_or(f64::NEG_INFINITY), number("high").unwrap_or(f64::INFINITY));
    let asked: Vec<f64> = list(parameters, "probabilities").iter().filter_map(|text| text.parse().ok()).collect();
    let asked = if asked.is_empty() { QUARTILES.to_vec() } else { asked };
    let by: Vec<usize> = figures.keys.iter().copied().filter(|key| *key != bin).collect();
    let mut groups: BTreeMap<Key<'_>, Bins> = BTreeMap::new();
    for row in &table.rows {
        let group = groups.entry(Key(by.iter().map(|key| &row[*key]).collect())).or_default();
        match (row[bin].number(), figures.number(row, &Measure::Count)) {
            (Some(from), Some(n)) => group.counts.push((from, n)),
            (None, _) => {}
            (Some(_), None) => group.lacks = true,
        }
    }
    let mut keys = figures.columns(&by);
    keys.push(key("probability", CellType::Real));
    let columns = [
        ("n", CellType::Integer),
        ("estimate", CellType::Real),
        ("at_least", CellType::Real),
        ("at_most", CellType::Real),
    ];
    let mut sheet = Sheet::new(output, "estimates", keys, &columns);
    for (group, bins) in &mut groups {
        bins.counts.sort_by(|left, right| left.0.total_cmp(&right.0));
        if bins.lacks {
            sheet.note(LACKING);
        }
        let n: f64 = bins.counts.iter().map(|(_, n)| n).sum();
        for probability in &asked {
            let found = if bins.lacks || n < 1.0 { None } else { bins.quantile(*probability, n, width, inside) };
            let (estimate, low, high) = found.map_or((None, None, None), |(estimate, low, high)| {
                (estimate, Some(low).filter(|low| low.is_finite()), Some(high).filter(|high| high.is_finite()))
            });
            let cells = group.0.iter().map(|cell| (*cell).clone()).chain([real(*probability)]);
            let n = if bins.lacks { None } else { Some(n) };
            sheet.row(cells.chain([count(n), real(estimate), real(low), real(high)]));
        }
    }
    sheet.note(format!(
        "the pooled data's quantile lies between at_least and at_most; the estimate is spread evenly within a bin of {width}"
    ));
    Some(sheet.done())
}

impl Bins {
    /// Estimate and bounds of the quantile that lies between the two values around rank p (n − 1), as numpy and R (type 7) define it.
    fn quantile(&self, p: f64, n: f64, width: f64, inside: (f64, f64)) -> Option<(Option<f64>, f64, f64)> {
        if !(0.0..=1.0).contains(&p) {
            return None;
        }
        let rank = p * (n - 1.0);
        let (below, low, _) = self.at(rank.floor(), width, inside)?;
        let (above, _, high) = self.at(rank.ceil(), width, inside)?;
        let estimate = below.zip(above).map(|(below, above)| below + (above - below) * (rank - rank.floor()));
        Some((estimate, low, high))
    }

    /// Where the value of a rank, counted from 0, is likely to be, and the ends of its bin.
    fn at(&self, rank: f64, width: f64, (low, high): (f64, f64)) -> Option<(Option<f64>, f64, f64)> {
        let mut before = 0.0;
        for (from, n) in &self.counts {
            if rank < before + n {
                // The outermost bins take everything beyond.
                let tolerance = width * 1e-9;
                if *from < low - tolerance {
                    return Some((None, f64::NEG_INFINITY, low));
                }
                if *from >= high - tolerance {
                    return Some((None, high, f64::INFINITY));
                }
                return Some((Some(from + width * (rank - before + 0.5) / n), *from, from + width));
            }
            before += n;
        }
        None
    }
}
