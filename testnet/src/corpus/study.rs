//! Seeded people and what a host witnesses when it tabulates them: the figures, the evidence behind each, and who stands behind them.

use protocol::disclosure::contributors::{Contributors, Subjects};
use protocol::disclosure::table::{Cell, CellType, Column, Evidence, Measure, Role, Table, Witnessed};
use std::collections::BTreeMap;

/// A seeded source of chance (splitmix64): the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Chance of its own for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xA076_1D64_78BD_642F) ^ 0x5175_696E_7465_7331)
    }

    /// 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from a range, its end included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        let upper = u32::try_from(self.next() >> 32).expect("32 bits are left");
        f64::from(upper) / f64::from(u32::MAX)
    }

    /// Standard normal, as the sum of twelve even ones.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// What an episode costs, in pounds and pence: skewed, as costs are, and at most some thousands.
    pub(crate) fn cost(&mut self) -> f64 {
        ((6.0 + 0.6 * self.normal()).exp() * 100.0).round() / 100.0
    }
}

fn mixed(value: u64) -> u64 {
    let mut mixed = value;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// One row of the data.
#[derive(Clone)]
struct Observed {
    subject: u64,
    keys: Vec<Cell>,
    cost: Option<f64>,
}

/// Rows of data with keys and a cost, each of somebody.
#[derive(Clone)]
pub(crate) struct Study {
    keys: Vec<&'static str>,
    rows: Vec<Observed>,
    next: u64,
    dice: Dice,
}

impl Study {
    /// A study without anybody in it, by its keys.
    pub(crate) fn new(seed: u64, keys: &[&'static str]) -> Self {
        Self { keys: keys.to_vec(), rows: Vec::new(), next: 0, dice: Dice::new(seed) }
    }

    /// So many new people with these keys, a row each.
    pub(crate) fn people(self, keys: &[&str], subjects: u64) -> Self {
        self.visits(keys, subjects, 1)
    }

    /// So many new people with these keys, with so many rows each.
    pub(crate) fn visits(mut self, keys: &[&str], subjects: u64, rows: u64) -> Self {
        for _ in 0..subjects {
            for _ in 0..rows {
                let cost = self.dice.cost();
                self.observe(self.next, keys, Some(cost));
            }
            self.next += 1;
        }
        self
    }

    /// A new person for each of these costs.
    pub(crate) fn costs(mut self, keys: &[&str], costs: &[f64]) -> Self {
        for cost in costs {
            self.observe(self.next, keys, Some(*cost));
            self.next += 1;
        }
        self
    }

    /// So many new people whose cost is not known.
    pub(crate) fn missing(mut self, keys: &[&str], subjects: u64) -> Self {
        for _ in 0..subjects {
            self.observe(self.next, keys, None);
            self.next += 1;
        }
        self
    }

    /// These people once more, under other keys.
    pub(crate) fn again(mut self, keys: &[&str], people: std::ops::Range<u64>) -> Self {
        for subject in people {
            let cost = self.dice.cost();
            self.observe(subject, keys, Some(cost));
        }
        self
    }

    fn observe(&mut self, subject: u64, keys: &[&str], cost: Option<f64>) {
        let cell = |text: &&str| if text.is_empty() { Cell::Null } else { Cell::Text((*text).to_owned()) };
        self.rows.push(Observed { subject, keys: keys.iter().map(cell).collect(), cost });
    }

    /// The table of these measures, written as in a schema: `count`, `mean(cost)`.
    ///
    /// # Panics
    /// When one is none: they stand in the corpus.
    pub(crate) fn table(&self, measures: &[&str]) -> Witnessed {
        let measures: Vec<Measure> =
            measures.iter().map(|text| text.parse().expect("a measure of the corpus")).collect();
        let mut groups: BTreeMap<Vec<String>, Vec<&Observed>> = BTreeMap::new();
        for row in &self.rows {
            let name = |cell: &Cell| if let Cell::Text(text) = cell { text.clone() } else { String::new() };
            groups.entry(row.keys.iter().map(name).collect()).or_default().push(row);
        }
        let key = |name: &&str| Column { name: (*name).to_owned(), ty: CellType::Text, role: Role::Key };
        let figure = |measure: &Measure| {
            let ty = match measure {
                Measure::Count | Measure::Subjects | Measure::CountOf(_) => CellType::Integer,
                _ => CellType::Real,
            };
            Column { name: measure.column_name(), ty, role: Role::Measure(measure.clone()) }
        };
        let columns = self.keys.iter().map(key).chain(measures.iter().map(figure)).collect();
        let mut table = Table { columns, rows: Vec::new() };
        let mut evidence = Vec::new();
        let mut contributors = Contributors { dataset: "omop".to_owned(), ..Contributors::default() };
        for rows in groups.values() {
            let mut cells = rows[0].keys.clone();
            let mut beside = vec![None; cells.len()];
            let mut of = vec![None; cells.len()];
            for measure in &measures {
                let (cell, seen, subjects) = figure_of(measure, rows);
                cells.push(cell);
                beside.push(Some(seen));
                let set = contributors.sets.iter().position(|known| *known == subjects).unwrap_or_else(|| {
                    contributors.sets.push(subjects);
                    contributors.sets.len() - 1
                });
                of.push(Some(u32::try_from(set).expect("a table of the corpus has few cells")));
            }
            table.rows.push(cells);
            evidence.push(beside);
            contributors.of.push(of);
        }
        Witnessed { table, evidence, contributors }
    }
}

/// The figure, its evidence and its subjects, as `protocol::disclosure::table::Evidence` describes them.
fn figure_of(measure: &Measure, group: &[&Observed]) -> (Cell, Evidence, Subjects) {
    let of_rows = matches!(measure, Measure::Count | Measure::Subjects);
    let rows: Vec<&&Observed> = group.iter().filter(|row| of_rows || row.cost.is_some()).collect();
    let mut each: BTreeMap<u64, f64> = BTreeMap::new();
    for row in &rows {
        *each.entry(row.subject).or_default() += row.cost.unwrap_or(0.0);
    }
    let subjects = Subjects::of(each.keys().map(|subject| mixed(*subject)).collect());
    let (count, people) = (rows.len() as u64, each.len() as u64);
    let whole = |count: u64| Cell::Integer(i64::try_from(count).expect("a table of the corpus has few rows"));
    if of_rows {
        let shown = whole(if *measure == Measure::Count { count } else { people });
        return (shown, Evidence { rows: count, subjects: people, ..Evidence::default() }, subjects);
    }
    let costs: Vec<f64> = rows.iter().filter_map(|row| row.cost).collect();
    let mut largest: Vec<f64> = each.into_values().collect();
    largest.sort_by(|left, right| right.total_cmp(left));
    let n = f64::from(u32::try_from(count).expect("a table of the corpus has few rows"));
    let sum: f64 = costs.iter().sum();
    let mean = sum / n;
    let spread = costs.iter().map(|cost| (cost - mean) * (cost - mean)).sum::<f64>() / (n - 1.0);
    let shown = match measure {
        Measure::CountOf(_) => whole(count),
        Measure::Sum(_) => Cell::Real(sum),
        Measure::Mean(_) => Cell::Real(mean),
        _ => Cell::Real(spread),
    };
    let evidence = Evidence {
        rows: count,
        subjects: people,
        sum,
        largest: largest.first().copied().unwrap_or(0.0),
        second: largest.get(1).copied().unwrap_or(0.0),
        negatives: costs.iter().filter(|cost| **cost < 0.0).count() as u64,
        special: costs.iter().filter(|cost| !cost.is_finite()).count() as u64,
        degrees_of_freedom: i64::try_from(count).expect("a table of the corpus has few rows") - 1,
        apart: 0,
    };
    (shown, evidence, subjects)
}
