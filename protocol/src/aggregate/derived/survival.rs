//! Survival from counts over a grid of times: Kaplan and Meier's curve with Greenwood's error, the median, and the log-rank test of groups.
//!
//! The component counts, for each group and point of the grid, who leaves in the interval that ends there, and how many of them with the
//! event. Times are thereby rounded up to the grid, and the figures are exactly those of the pooled data with times so rounded.

use crate::aggregate::derived::Derived;
use crate::aggregate::derived::distribution::{NORMAL_95, chi_squared_above};
use crate::aggregate::derived::matrix::{Factor, Matrix};
use crate::aggregate::derived::sheet::{Figures, LACKING, Sheet, count, real, small};
use crate::aggregate::merge::Key;
use crate::disclosure::table::{Cell, CellType, Measure, Table};
use std::collections::BTreeMap;

/// Where the component puts the end of an interval.
pub(super) const TIME: &str = "time";

/// The share that is event-free.
pub(super) const SHARE: &str = "survival";

/// The column that is 1 where the event came.
const EVENT: &str = "event";

/// One point of the grid.
struct Point<'a> {
    time: &'a Cell,
    at: f64,
    leaving: f64,
    events: f64,
}

/// One group's points in the order of time.
#[derive(Default)]
struct Group<'a> {
    points: Vec<Point<'a>>,
    lacks: bool,
}

/// The curve at one point.
struct Step<'a> {
    time: &'a Cell,
    at: f64,
    at_risk: f64,
    events: f64,
    censored: f64,
    survival: f64,
    /// Σ d / (n (n − d)): Greenwood's variance of ln S.
    greenwood: f64,
}

/// Curve, median and, where there are several groups, the test that they are alike.
pub(super) fn curves(output: &str, table: &Table) -> Vec<Derived> {
    let figures = Figures::of(table);
    let (Some(time), true) = (figures.key(TIME), figures.has(&Measure::Sum(EVENT.to_owned()))) else {
        return Vec::new();
    };
    let by: Vec<usize> = figures.keys.iter().copied().filter(|key| *key != time).collect();
    let mut groups: BTreeMap<Key<'_>, Group<'_>> = BTreeMap::new();
    for row in &table.rows {
        let group = groups.entry(Key(by.iter().map(|key| &row[*key]).collect())).or_default();
        let found =
            (row[time].number(), figures.number(row, &Measure::CountOf(EVENT.to_owned())), events(&figures, row));
        match found {
            (Some(at), Some(leaving), Some(events)) => {
                group.points.push(Point { time: &row[time], at, leaving, events });
            }
            _ => group.lacks = true,
        }
    }
    for group in groups.values_mut() {
        group.points.sort_by(|left, right| left.at.total_cmp(&right.at));
    }
    let keys = figures.columns(&by);
    let mut with_time = keys.clone();
    with_time.push(table.columns[time].clone());
    let counted = ["at_risk", "events", "censored"].map(|name| (name, CellType::Integer));
    let measured = [SHARE, "se", "ci_low", "ci_high"].map(|name| (name, CellType::Real));
    let mut curve = Sheet::new(output, "curve", with_time, &[counted.as_slice(), &measured].concat());
    let mut median = Sheet::new(
        output,
        "median",
        keys,
        &[("n", CellType::Integer), ("events", CellType::Integer), ("median", CellType::Real)],
    );
    for (key, group) in &groups {
        let named = || key.0.iter().map(|cell| (*cell).clone());
        if group.lacks {
            curve.note(LACKING);
            median.row(named().chain([Cell::Null, Cell::Null, Cell::Null]));
            continue;
        }
        let steps = group.steps();
        for step in &steps {
            let (low, high) = step.interval();
            let told = [
                step.time.clone(),
                count(step.at_risk),
                count(step.events),
                count(step.censored),
                real(step.survival),
                real(step.survival * step.greenwood.sqrt()),
                real(low),
                real(high),
            ];
            curve.row(named().chain(told));
        }
        let n: f64 = group.points.iter().map(|point| point.leaving).sum();
        let events: f64 = group.points.iter().map(|point| point.events).sum();
        let half = steps.iter().find(|step| step.survival <= 0.5).map(|step| step.at);
        median.row(named().chain([count(n), count(events), real(half)]));
        if half.is_none() {
            median.note("where there is no median, more than half are event-free at the end of the grid");
        }
    }
    let mut tables = vec![curve.done(), median.done()];
    if groups.len() > 1 {
        tables.push(logrank(output, &groups));
    }
    tables
}

/// How many had the event; a group in which nobody has the column had none.
fn events(figures: &Figures<'_>, row: &[Cell]) -> Option<f64> {
    figures.number(row, &Measure::Sum(EVENT.to_owned()))
}

impl Group<'_> {
    fn at_risk(&self, at: f64) -> f64 {
        self.points.iter().filter(|point| point.at >= at).map(|point| point.leaving).sum()
    }

    fn events_at(&self, at: f64) -> f64 {
        self.points.iter().filter(|point| point.at.total_cmp(&at).is_eq()).map(|point| point.events).sum()
    }

    fn steps(&self) -> Vec<Step<'_>> {
        let mut at_risk: f64 = self.points.iter().map(|point| point.leaving).sum();
        let (mut survival, mut greenwood) = (1.0, 0.0);
        let mut steps = Vec::with_capacity(self.points.len());
        for Point { time, at, leaving, events } in &self.points {
            if at_risk <= 0.0 {
                break;
            }
            survival *= 1.0 - events / at_risk;
            greenwood += events / (at_risk * (at_risk - events));
            let censored = leaving - events;
            steps.push(Step { time, at: *at, at_risk, events: *events, censored, survival, greenwood });
            at_risk -= leaving;
        }
        steps
    }
}

impl Step<'_> {
    /// 95 %, by Greenwood's error of ln(−ln S), which stays between 0 and 1 (Kalbfleisch and Prentice 2002, section 1.4).
    fn interval(&self) -> (Option<f64>, Option<f64>) {
        if self.survival >= 1.0 {
            return (Some(1.0), Some(1.0));
        }
        if self.survival <= 0.0 {
            return (None, None);
        }
        let hazard = -self.survival.ln();
        let reach = NORMAL_95 * self.greenwood.sqrt() / hazard;
        (Some((-hazard * reach.exp()).exp()), Some((-hazard * (-reach).exp()).exp()))
    }
}

/// Mantel's test that all groups have one hazard: observed against expected events, with the hypergeometric variance.
fn logrank(output: &str, groups: &BTreeMap<Key<'_>, Group<'_>>) -> Derived {
    let columns = [
        ("groups", CellType::Integer),
        ("chi_squared", CellType::Real),
        ("df", CellType::Integer),
        ("p", CellType::Real),
    ];
    let mut sheet = Sheet::new(output, "logrank", Vec::new(), &columns);
    if groups.values().any(|group| group.lacks) {
        sheet.note(LACKING);
        return sheet.done();
    }
    let groups: Vec<&Group<'_>> = groups.values().collect();
    let mut times: Vec<f64> = groups.iter().flat_map(|group| &group.points).map(|point| point.at).collect();
    times.sort_by(f64::total_cmp);
    times.dedup_by(|one, other| one.total_cmp(other).is_eq());
    // The last group follows from the others.
    let size = groups.len() - 1;
    let mut excess = vec![0.0; size];
    let mut variance = vec![0.0; size * size];
    for at in times {
        let risk: Vec<f64> = groups.iter().map(|group| group.at_risk(at)).collect();
        let events: Vec<f64> = groups.iter().map(|group| group.events_at(at)).collect();
        let (n, d): (f64, f64) = (risk.iter().sum(), events.iter().sum());
        if n <= 1.0 || d <= 0.0 {
            continue;
        }
        let factor = d * (n - d) / (n - 1.0);
        for one in 0..size {
            excess[one] += events[one] - d * risk[one] / n;
            for other in 0..size {
                let same = f64::from(u8::from(one == other));
                variance[one * size + other] += factor * risk[one] / n * (same - risk[other] / n);
            }
        }
    }
    let deviation: Vec<f64> = (0..size).map(|place| variance[place * size + place].sqrt()).collect();
    let scaled = Matrix::of(size, |row, column| variance[row * size + column] / deviation[row] / deviation[column]);
    let Ok(factor) = Factor::of(&scaled) else {
        sheet.note("a group has nobody at risk when events come: there is nothing to compare");
        return sheet.done();
    };
    let scores: Vec<f64> = excess.iter().zip(&deviation).map(|(excess, deviation)| excess / deviation).collect();
    let chi_squared: f64 = factor.solve(&scores).iter().zip(&scores).map(|(one, other)| one * other).sum();
    let freedom = small(size);
    sheet.row([
        count(small(groups.len())),
        real(chi_squared),
        count(freedom),
        real(chi_squared_above(chi_squared, freedom)),
    ]);
    sheet.done()
}
