//! Parity with ACRO: its verdicts, cell by cell, beside ours on the same evidence, where the two mean the same.
//!
//! `tests/acro/make.py` ran ACRO over data sets that statsmodels carries; its result lies beside it. Left out, because we differ on purpose:
//! - a cell of zeros: nobody contributes to it, ACRO calls it dominated or cannot tell;
//! - dominance in the other cells of a table in which any value is negative: ACRO looks at none of them, we look at each;
//! - an empty cell's count: a host's table has no row for it. That ACRO sees a zero is compared with our class disclosure, once a table.
//!
//! Each row of the data is a subject of its own here, because ACRO counts rows.

use super::case::witnessed;
use anyhow::Context as _;
use protocol::disclosure::check::check_outputs;
use protocol::disclosure::contributors::Contributors;
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::{Report, Rule, Verdict};
use protocol::disclosure::table::{Cell, CellType, Column, Evidence, Measure, Role, Table, Witnessed};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What `tests/acro/make.py` made.
const PARITY: &str = include_str!("../../../tests/acro/parity.json");

#[derive(Deserialize)]
struct Parity {
    tables: Vec<Tabulated>,
    regressions: Vec<Fitted>,
}

/// A table: its measure, what a host saw of each cell, and what ACRO said by rule.
#[derive(Deserialize)]
struct Tabulated {
    name: String,
    measure: String,
    cells: Vec<Seen>,
    acro: BTreeMap<String, Said>,
}

#[derive(Deserialize)]
struct Seen {
    row: u32,
    column: u32,
    rows: u64,
    #[serde(default)]
    sum: f64,
    #[serde(default)]
    largest: f64,
    #[serde(default)]
    second: f64,
    #[serde(default)]
    negatives: u64,
}

#[derive(Deserialize)]
struct Said {
    verdict: String,
    cells: BTreeSet<(u32, u32)>,
}

#[derive(Deserialize)]
struct Fitted {
    name: String,
    rows: u64,
    degrees_of_freedom: i64,
    fails: bool,
}

/// How often the two agree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agreement {
    /// Tables and fits.
    pub(crate) tables: usize,
    /// Verdicts that were compared.
    pub(crate) compared: u32,
    /// Those that differ, in words.
    pub(crate) differing: Vec<String>,
}

impl Agreement {
    /// The share of verdicts that agree.
    pub(crate) fn share(&self) -> f64 {
        let differing = u32::try_from(self.differing.len()).unwrap_or(u32::MAX);
        1.0 - f64::from(differing) / f64::from(self.compared.max(1))
    }

    fn compare(&mut self, ours: bool, acro: bool, what: impl FnOnce() -> String) {
        self.compared += 1;
        if ours != acro {
            self.differing.push(format!("{}: ours {ours}, ACRO {acro}", what()));
        }
    }
}

/// Compares all of it.
///
/// # Errors
/// When the committed file is not what `make.py` makes, or one of its tables cannot be reviewed.
pub(crate) fn compare() -> anyhow::Result<Agreement> {
    let parity: Parity = serde_json::from_str(PARITY).context("tests/acro/parity.json is damaged; make it again")?;
    let mut agreement = Agreement { tables: parity.tables.len() + parity.regressions.len(), ..Agreement::default() };
    for tabulated in &parity.tables {
        compare_table(&mut agreement, tabulated)?;
    }
    for fitted in &parity.regressions {
        let evidence = Evidence {
            rows: fitted.rows.max(Policy::default().threshold),
            subjects: fitted.rows.max(Policy::default().threshold),
            degrees_of_freedom: fitted.degrees_of_freedom,
            ..Evidence::default()
        };
        let key = [(Cell::Text("fit".to_owned()), Cell::Text("all".to_owned()), evidence)];
        let report = report(&table(Measure::Variance("x".to_owned()), &key))?;
        let ours = marked(&report, Rule::DegreesOfFreedom, Verdict::Fail).contains(&0);
        agreement.compare(ours, fitted.fails, || fitted.name.clone());
    }
    Ok(agreement)
}

fn compare_table(agreement: &mut Agreement, tabulated: &Tabulated) -> anyhow::Result<()> {
    let measure = match tabulated.measure.as_str() {
        "count" => Measure::Count,
        "sum" => Measure::Sum("x".to_owned()),
        _ => Measure::Mean("x".to_owned()),
    };
    // In the order in which the canonical form sorts them.
    let mut cells: Vec<&Seen> = tabulated.cells.iter().collect();
    cells.sort_by_key(|seen| (seen.row, seen.column));
    let rows: Vec<(Cell, Cell, Evidence)> = cells
        .iter()
        .map(|seen| {
            let evidence = Evidence {
                rows: seen.rows,
                subjects: seen.rows,
                sum: seen.sum,
                largest: seen.largest,
                second: seen.second,
                negatives: seen.negatives,
                special: 0,
                degrees_of_freedom: i64::try_from(seen.rows).unwrap_or(i64::MAX) - 1,
                apart: 0,
            };
            let key = |place: u32| Cell::Text(format!("k{place:04}"));
            (key(seen.row), key(seen.column), evidence)
        })
        .collect();
    let report = report(&table(measure, &rows))?;
    for (name, said) in &tabulated.acro {
        let rule = match name.as_str() {
            "threshold" => Rule::MinimumThreshold,
            "p_ratio" => Rule::DominancePRatio,
            "nk" => Rule::DominanceNk,
            "zero" => {
                let ours = report
                    .findings
                    .iter()
                    .any(|found| found.rule == Rule::ClassDisclosure && found.verdict >= Verdict::Review);
                agreement.compare(ours, !said.cells.is_empty(), || format!("{}: zeros", tabulated.name));
                continue;
            }
            _ => continue,
        };
        let negative = said.verdict == "review";
        let ours = marked(&report, rule, if negative { Verdict::Review } else { Verdict::Fail });
        for (place, seen) in cells.iter().enumerate() {
            let of_zeros = rule != Rule::MinimumThreshold && seen.largest == 0.0 && seen.sum == 0.0;
            if of_zeros || (negative && seen.negatives == 0) {
                continue;
            }
            agreement.compare(ours.contains(&place), said.cells.contains(&(seen.row, seen.column)), || {
                format!("{}: {rule} in row {}, column {}", tabulated.name, seen.row, seen.column)
            });
        }
    }
    Ok(())
}

/// The rows that a rule marks with a verdict.
fn marked(report: &Report, rule: Rule, verdict: Verdict) -> BTreeSet<usize> {
    let found = report.findings.iter().filter(|found| found.rule == rule && found.verdict == verdict);
    found.filter_map(|found| found.row).collect()
}

fn table(measure: Measure, rows: &[(Cell, Cell, Evidence)]) -> Witnessed {
    let key = |name: &str| Column { name: name.to_owned(), ty: CellType::Text, role: Role::Key };
    let counts = measure == Measure::Count;
    let figure = Column {
        name: measure.column_name(),
        ty: if counts { CellType::Integer } else { CellType::Real },
        role: Role::Measure(measure),
    };
    let shown = |evidence: &Evidence| {
        if counts { Cell::Integer(i64::try_from(evidence.rows).unwrap_or(i64::MAX)) } else { Cell::Real(evidence.sum) }
    };
    Witnessed {
        table: Table {
            columns: vec![key("row"), key("column"), figure],
            rows: rows.iter().map(|(row, column, seen)| vec![row.clone(), column.clone(), shown(seen)]).collect(),
        },
        evidence: rows.iter().map(|(.., seen)| vec![None, None, Some(*seen)]).collect(),
        contributors: Contributors::default(),
    }
}

fn report(table: &Witnessed) -> anyhow::Result<Report> {
    let checked = check_outputs(vec![witnessed("table", table.clone())], &Policy::default())?;
    checked.into_iter().next().map(|output| output.report).context("one output in, one out")
}
