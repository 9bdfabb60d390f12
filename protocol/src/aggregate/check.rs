//! The second stage of disclosure control: what the TREs' parts together would tell about one of them.
//!
//! Each TRE checked its own part before it let it out. A merged figure is the sum of the parts, so whoever knows the others' parts takes them
//! off: a group that only one TRE has is that TRE's, and a small part is shown by the total. Whether outputs of a task count the same whole is
//! told from the figures; where suppressed cells leave that open, the worst is assumed. Opaque outputs are not looked at, because nothing in
//! them is merged: each row stands under the name of its TRE, as its data owners let it out.

mod shares;

use crate::aggregate::layout::{Grid, Layout, Share, Spot};
use crate::aggregate::system::System;
use crate::aggregate::{Aggregate, Answer};
use crate::disclosure::policy::Policy;
use crate::disclosure::rules::Verdict;
use crate::disclosure::table::{Cell, Measure, Role};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is looked for in an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Several TREs stand behind each group and figure.
    SeveralTres,
    /// No total, less the other TREs' parts, shows what one TRE has too few of, suppressed or left out.
    Subtraction,
    /// No difference between two counts of a group shows a few subjects of one TRE.
    Difference,
    /// No figure is nearly one TRE's alone, so that the others could tell it closely (p-ratio over TREs).
    Dominance,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SeveralTres => "several-tres",
            Self::Subtraction => "subtraction",
            Self::Difference => "difference",
            Self::Dominance => "dominance",
        })
    }
}

/// What an aggregate would tell about one TRE. It holds no figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The output's name.
    pub output: String,
    /// The row of the merged table, counted from 0; `None` for the whole output.
    pub row: Option<usize>,
    /// The column's name; `None` for the whole row or output.
    pub column: Option<String>,
    /// What was looked for.
    pub rule: Rule,
    /// [`Verdict::Fail`] when the aggregate must not be final as it is, [`Verdict::Review`] for what a person should know.
    pub verdict: Verdict,
    /// The TRE that it tells about.
    pub tre: String,
    /// Why, in a sentence for a researcher.
    pub reason: String,
}

/// Whether an aggregate with these findings may be shown as final.
#[must_use]
pub fn is_final(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict < Verdict::Fail)
}

/// Checks a merged task against the project's policy; `answers` are those that it was merged from. Sorted by output, row and rule.
///
/// A task that was asked of one TRE only has nothing that could be told apart, and no findings.
#[must_use]
pub fn check(aggregate: &Aggregate, answers: &BTreeMap<String, Answer>, policy: &Policy) -> Vec<Finding> {
    if answers.len() < 2 {
        return Vec::new();
    }
    let layout = layout(aggregate, answers, policy);
    let mut book = Book { layout: &layout, policy, findings: Vec::new(), told: BTreeSet::new() };
    for grid in 0..layout.grids.len() {
        book.several(grid);
    }
    book.hidden_parts();
    for grid in 0..layout.grids.len() {
        book.small_parts(grid);
        book.small_shares(grid);
        book.differences(grid);
        book.dominance(grid);
    }
    let mut findings = book.findings;
    findings.sort_by(|left, right| {
        let order = |finding: &Finding| (finding.row, finding.rule);
        left.output.cmp(&right.output).then(order(left).cmp(&order(right))).then(left.tre.cmp(&right.tre))
    });
    findings
}

/// The parts over the merged rows, as a policy has it: rounded counts may be off by half their base.
pub(super) fn layout<'a>(
    aggregate: &'a Aggregate,
    answers: &'a BTreeMap<String, Answer>,
    policy: &Policy,
) -> Layout<'a> {
    let slack = if policy.rounding_base > 1 { double(policy.rounding_base) / 2.0 } else { 0.0 };
    Layout::of(aggregate, answers, double(policy.threshold), slack)
}

/// The width, from its least to its largest value, that a hidden count's interval must have.
pub(super) fn least_width(policy: &Policy) -> f64 {
    double(policy.minimum_interval) - 1.0
}

/// Whether a hidden figure's interval says too much: a count's has too few values; a sum is bounded at all.
pub(super) fn is_too_narrow(layout: &Layout<'_>, spot: Spot, (low, high): (f64, f64), least: f64) -> bool {
    let additive = &layout.grids[spot.grid].additive;
    if additive.iter().any(|(column, is_count)| *is_count && *column == spot.column) {
        high - low < least
    } else {
        low.is_finite() && high.is_finite()
    }
}

/// A figure of a policy as a double; none that is sound comes near the bound.
fn double(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}

/// Findings as they are made.
struct Book<'a> {
    layout: &'a Layout<'a>,
    policy: &'a Policy,
    findings: Vec<Finding>,
    /// Outputs, rows and TREs that have a grave finding: one is enough.
    told: BTreeSet<(usize, usize, usize)>,
}

impl Book<'_> {
    fn fail(&mut self, rule: Rule, tre: usize, grid: usize, row: usize, column: Option<usize>, reason: String) {
        self.told.insert((grid, row, tre));
        self.note(rule, Verdict::Fail, tre, grid, Some(row), column, reason);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of a finding")]
    fn note(
        &mut self,
        rule: Rule,
        verdict: Verdict,
        tre: usize,
        grid: usize,
        row: Option<usize>,
        column: Option<usize>,
        reason: String,
    ) {
        let grid = &self.layout.grids[grid];
        self.findings.push(Finding {
            output: grid.output.to_owned(),
            row,
            column: column.and_then(|column| grid.column(column)).map(|column| column.name.clone()),
            rule,
            verdict,
            tre: self.layout.tres[tre].to_owned(),
            reason,
        });
    }

    /// A row or figure to which exactly one of several TREs contributes.
    fn several(&mut self, place: usize) {
        let layout = self.layout;
        let grid = &layout.grids[place];
        let holders: Vec<usize> = grid.holders().collect();
        if let [only] = holders.as_slice() {
            let tre = layout.tres[*only];
            let reason = format!(
                "Of the TREs that were asked only {tre} released this output: it is {tre}'s alone, and no aggregate."
            );
            self.told.extend((0..grid.rows()).map(|row| (place, row, *only)));
            self.note(Rule::SeveralTres, Verdict::Fail, *only, place, None, None, reason);
            return;
        }
        for row in 0..grid.rows() {
            let here: Vec<usize> = grid.holders_of(row).collect();
            if let [only] = here.as_slice() {
                let tre = layout.tres[*only];
                let reason = format!("Only {tre} has this group: its figures are {tre}'s alone.");
                self.fail(Rule::SeveralTres, *only, place, row, None, reason);
                continue;
            }
            for column in grid.figures() {
                if let Some(only) = grid.sole(row, column) {
                    let tre = layout.tres[only];
                    let reason =
                        format!("Of the TREs with this group only {tre} has values here: the figure is {tre}'s alone.");
                    self.fail(Rule::SeveralTres, only, place, row, Some(column), reason);
                }
            }
        }
    }

    /// Parts below the threshold that a merged count shows: it less the others' parts, as nobody has to guess those.
    fn small_parts(&mut self, place: usize) {
        let layout = self.layout;
        let grid = &layout.grids[place];
        let threshold = double(self.policy.threshold);
        let least = least_width(self.policy);
        let counts = grid.additive.iter().filter(|(_, is_count)| *is_count);
        for (row, (column, _)) in counts.flat_map(|count| (0..grid.rows()).map(move |row| (row, count))) {
            if *grid.merged_cell(row, *column) == Cell::Null {
                continue;
            }
            let small: Vec<(usize, f64)> = grid
                .holders_of(row)
                .filter_map(|holder| match grid.share(holder, row, *column) {
                    Share::Shown(value) if value > 0.0 && value < threshold => Some((holder, value)),
                    _ => None,
                })
                .collect();
            // Several small parts hide each other: each may be anything up to their sum.
            let sum: f64 = small.iter().map(|(_, value)| value).sum();
            if small.len() > 1 && sum >= least {
                continue;
            }
            for (holder, _) in &small {
                if self.told.contains(&(place, row, *holder)) {
                    continue;
                }
                let (tre, few) = (layout.tres[*holder], self.policy.threshold);
                let reason = if small.len() == 1 {
                    format!(
                        "Only {tre} has fewer than {few} here: the total, less the parts of the other TREs, is its part."
                    )
                } else {
                    format!(
                        "{tre} is one of several TREs with so few here that the total, less the other parts, nearly shows theirs."
                    )
                };
                self.fail(Rule::Subtraction, *holder, place, row, Some(*column), reason);
            }
        }
    }

    /// Figures that a TRE suppressed or left out and that follow from its part of another output.
    fn hidden_parts(&mut self) {
        let layout = self.layout;
        let mut system = System::default();
        for tre in 0..layout.tres.len() {
            system.relate(layout, tre, &|_, _| false);
        }
        system.solve();
        // What one TRE left out of one output is one finding: what is left of the total is somewhere in it.
        let mut left_out = BTreeSet::new();
        for (spot, interval) in system.intervals() {
            let told = self.told.contains(&(spot.grid, spot.row, spot.holder));
            if told || interval.0 > interval.1 || !is_too_narrow(layout, spot, interval, least_width(self.policy)) {
                continue;
            }
            let Some(relation) = system.relations_of(spot).next().map(|relation| &layout.relations[relation]) else {
                continue;
            };
            let other = if relation.left.0 == spot.grid { relation.right.0 } else { relation.left.0 };
            let (tre, other) = (layout.tres[spot.holder], layout.grids[other].output);
            let reason = if layout.share(spot) == Share::Absent {
                if interval.1 <= 0.0 || !left_out.insert((spot.grid, spot.holder)) {
                    continue;
                }
                format!(
                    "{tre} left groups out here, and `{other}` counts the same: the total there, less what is shown, tells who is in them."
                )
            } else {
                format!(
                    "{tre} suppressed this figure, and `{other}` counts the same: the total there, less what is shown, gives it away."
                )
            };
            self.fail(Rule::Subtraction, spot.holder, spot.grid, spot.row, Some(spot.column), reason);
        }
    }

    /// Who is in a group and has no value, where only one TRE has such people and they are few.
    fn differences(&mut self, place: usize) {
        let layout = self.layout;
        let grid = &layout.grids[place];
        let threshold = double(self.policy.threshold);
        let Some(whole) = [Measure::Count, Measure::Subjects].iter().find_map(|measure| grid.measure(measure)) else {
            return;
        };
        let parts = grid.additive.iter().filter(|(column, _)| {
            let role = grid.column(*column).map(|column| &column.role);
            matches!(role, Some(Role::Measure(Measure::CountOf(_))))
        });
        for (row, (part, _)) in parts.flat_map(|part| (0..grid.rows()).map(move |row| (row, part))) {
            if [whole, *part].iter().any(|column| *grid.merged_cell(row, *column) == Cell::Null) {
                continue;
            }
            let without = |holder: usize| match (grid.share(holder, row, whole), grid.share(holder, row, *part)) {
                (Share::Shown(whole), Share::Shown(part)) => (whole - part).abs(),
                _ => 0.0,
            };
            let mut having = grid.holders_of(row).filter(|holder| without(*holder) > 0.0);
            let (Some(only), None) = (having.next(), having.next()) else { continue };
            if without(only) < threshold && !self.told.contains(&(place, row, only)) {
                let tre = layout.tres[only];
                let reason = format!(
                    "The difference between this count and the group's is {tre}'s alone: fewer than {} there have no value.",
                    self.policy.threshold
                );
                self.note(Rule::Difference, Verdict::Fail, only, place, Some(row), Some(*part), reason);
            }
        }
    }

    /// Figures of which one TRE has nearly all, so that the others know its part closely.
    fn dominance(&mut self, place: usize) {
        let layout = self.layout;
        let grid = &layout.grids[place];
        let bound = f64::from(self.policy.p_ratio_percent) / 100.0;
        let first = grid.additive.iter().find(|(_, is_count)| *is_count).copied();
        let sums = grid.additive.iter().filter(|(_, is_count)| !*is_count).copied();
        for (column, _) in first.into_iter().chain(sums) {
            for row in 0..grid.rows() {
                if *grid.merged_cell(row, column) == Cell::Null {
                    continue;
                }
                if let Some(largest) = dominant(grid, row, column, bound)
                    && (0..layout.tres.len()).all(|tre| !self.told.contains(&(place, row, tre)))
                {
                    let tre = layout.tres[largest];
                    let reason = format!(
                        "Nearly all of this figure is {tre}'s: the other TREs together come to less than {} % of its part, and could tell it closely.",
                        self.policy.p_ratio_percent
                    );
                    self.note(Rule::Dominance, Verdict::Review, largest, place, Some(row), Some(column), reason);
                }
            }
        }
    }
}

/// The TRE beside whose part all others' come to less than `bound` of it; none where a part is unknown or negative, or there are no others.
fn dominant(grid: &Grid<'_>, row: usize, column: usize, bound: f64) -> Option<usize> {
    let mut parts = Vec::new();
    for holder in grid.holders_of(row) {
        match grid.share(holder, row, column) {
            Share::Shown(value) if value >= 0.0 => parts.push((value, holder)),
            Share::Absent => {}
            Share::Shown(_) | Share::Hidden => return None,
        }
    }
    let (largest, holder) = parts.iter().copied().max_by(|left, right| left.0.total_cmp(&right.0))?;
    let rest: f64 = parts.iter().filter(|(_, other)| *other != holder).map(|(value, _)| value).sum();
    (rest > 0.0 && rest < bound * largest).then_some(holder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
pub(super) mod tests;
