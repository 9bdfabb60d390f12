//! One output as a reviewer sees it: who vouches for it, what the rules say, its table, its columns in figures, its plot, and what left before.
//!
//! What holds cells has no `Debug`: outputs never reach a log.

use super::chart::{Chart, chart};
use super::look::{Look, ROWS};
use super::source::Source;
use super::table::{Part, part, place};
use super::text::{Mark, When, counted, grouped, rule, shown, tier};
use crate::door::{Earlier, Meeting};
use crate::review::Examined;
use crate::review::compare::{compare, nearest};
use protocol::disclosure::canonical::{print, read_csv};
use protocol::disclosure::rules::{Finding, Report, Rule, Verdict};
use protocol::disclosure::summary::{ColumnSummary, summarise};
use protocol::disclosure::table::{Cell, Role, Table, Tier};
use protocol::safes::outputs::HeldOutput;

/// The findings of one rule that are listed at once; the rest is counted, and marked in the table.
const LISTED: usize = 25;

/// The cells that differ from an earlier release and are listed.
const CHANGES: usize = 50;

/// One output, ready to be shown.
pub(super) struct Output {
    /// Its name.
    pub(super) name: String,
    /// Its size.
    pub(super) size: String,
    /// Who vouches for it: short, and what that means.
    pub(super) tier: (&'static str, &'static str),
    /// Whether the component alone does.
    pub(super) opaque: bool,
    /// The gravest verdict.
    pub(super) mark: Mark,
    /// How many figures fail, and how many are for a person to judge.
    pub(super) counts: String,
    /// The rules that doubt something, gravest first.
    pub(super) doubts: Vec<Doubts>,
    /// The rules that hold.
    pub(super) holds: Vec<&'static str>,
    /// The rules that do not apply.
    pub(super) others: Vec<&'static str>,
    /// The table; none when the bytes are none.
    pub(super) table: Option<Part>,
    /// What is searched for in it.
    pub(super) find: String,
    /// The fields of the address that a search has to keep.
    pub(super) keep: Vec<(&'static str, String)>,
    /// The columns in figures.
    pub(super) columns: Vec<Figures>,
    /// The plot.
    pub(super) chart: Option<Chart>,
    /// What left before.
    pub(super) before: Before,
}

/// What one rule doubts.
pub(super) struct Doubts {
    /// The rule's name and question.
    pub(super) rule: (&'static str, &'static str),
    /// The gravest that it says.
    pub(super) mark: Mark,
    /// How many figures.
    pub(super) counts: String,
    /// Where, with a link, and why.
    pub(super) places: Vec<Placed>,
    /// How many further places there are.
    pub(super) more: usize,
}

/// A finding with the way to its cell.
pub(super) struct Placed {
    /// The address of the cell.
    pub(super) link: String,
    /// Where it is, in words.
    pub(super) place: String,
    /// What is said.
    pub(super) mark: Mark,
    /// Why.
    pub(super) reason: String,
}

/// A column in figures.
pub(super) struct Figures {
    /// Its name.
    pub(super) name: String,
    /// Rounding, in words.
    pub(super) rounded: &'static str,
    /// The smallest number, the smallest but nought, the largest, and the sum.
    pub(super) numbers: [String; 4],
    /// Cells without a value.
    pub(super) missing: usize,
    /// Cells that say that a value was left out.
    pub(super) redacted: usize,
}

/// What left before and may meet this.
#[derive(Default)]
pub(super) struct Before {
    /// The releases with an output of this name, and the address that compares with each.
    pub(super) releases: Vec<Release>,
    /// What differs from the chosen one, in a sentence.
    pub(super) says: Option<String>,
    /// The first cells that differ: where, link, before, now.
    pub(super) changes: Vec<[String; 4]>,
    /// How many more differ.
    pub(super) more: usize,
    /// Figures that left before and are about nearly the same people.
    pub(super) meetings: Vec<Met>,
}

/// An earlier release.
pub(super) struct Release {
    /// The address that compares with it.
    pub(super) link: String,
    /// Its task's title.
    pub(super) title: String,
    /// Its project.
    pub(super) project: String,
    /// When it left.
    pub(super) when: When,
    /// Whether it is compared with now.
    pub(super) current: bool,
}

/// A figure that meets an earlier one.
pub(super) struct Met {
    /// The address of the cell.
    pub(super) link: String,
    /// Where it is, in words.
    pub(super) place: String,
    /// Which earlier figure, in words.
    pub(super) earlier: String,
    /// How nearly the people are the same.
    pub(super) difference: String,
}

/// Looks at one output.
pub(super) async fn look_at(
    examined: &Examined,
    output: &HeldOutput,
    look: &Look,
    source: &Source,
    now: u64,
) -> Output {
    let look = look.with(|look| look.output = Some(output.name.clone()));
    let report = &output.report;
    let table = read_csv(&output.bytes, &output.schema).ok();
    let (mut before, difference) = match &table {
        Some(table) => compared(examined, output, table, &look, source, now).await,
        None => (Before::default(), None),
    };
    before.meetings = meetings(examined, output, table.as_ref(), &look);
    let (short, long) = tier(report.tier);
    Output {
        name: output.name.clone(),
        size: format!(
            "{}, {}",
            counted(u64::try_from(table.as_ref().map_or(0, |table| table.rows.len())).unwrap_or(u64::MAX), "row"),
            counted(u64::try_from(output.bytes.len()).unwrap_or(u64::MAX), "byte")
        ),
        tier: (short, long),
        opaque: report.tier == Tier::Opaque,
        mark: report.verdict.into(),
        counts: counts(report),
        doubts: doubts(report, table.as_ref(), &look),
        holds: rules_that(report, Verdict::Pass),
        others: rules_that(report, Verdict::NotApplicable),
        columns: table.as_ref().map(|table| summarise(table).iter().map(figures).collect()).unwrap_or_default(),
        chart: table.as_ref().and_then(chart),
        keep: kept(&look),
        find: look.find.clone(),
        table: table.map(|table| part(&table, &report.findings, difference.as_ref(), &look)),
        before,
    }
}

/// What a form for searching has to repeat.
fn kept(look: &Look) -> Vec<(&'static str, String)> {
    let mut keep: Vec<(&'static str, String)> = look.output.iter().map(|output| ("output", output.clone())).collect();
    keep.extend(look.sort.iter().map(|(by, down)| ("sort", format!("{}{by}", if *down { "-" } else { "" }))));
    keep.extend(look.hidden.iter().map(|column| ("hide", column.clone())));
    keep.extend(look.against.iter().map(|task| ("against", task.clone())));
    keep
}

/// How many figures fail and how many are to be judged, in words.
#[must_use]
pub(super) fn counts(report: &Report) -> String {
    let of = |count: fn(&protocol::disclosure::rules::Tally) -> u64| report.tallies.values().map(count).sum::<u64>();
    match (of(|tally| tally.fail + tally.refused), of(|tally| tally.review)) {
        (0, 0) => "every rule holds".to_owned(),
        (failed, 0) => format!("{} fail", grouped(failed)),
        (0, review) => format!("{} for you to judge", grouped(review)),
        (failed, review) => format!("{} fail, {} for you to judge", grouped(failed), grouped(review)),
    }
}

fn rules_that(report: &Report, verdict: Verdict) -> Vec<&'static str> {
    let whole = |finding: &&Finding| finding.verdict == verdict && finding.row.is_none() && finding.column.is_none();
    report.findings.iter().filter(whole).map(|finding| rule(finding.rule).0).collect()
}

fn doubts(report: &Report, table: Option<&Table>, look: &Look) -> Vec<Doubts> {
    let mut rules: Vec<Rule> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.verdict >= Verdict::Review) {
        if !rules.contains(&finding.rule) {
            rules.push(finding.rule);
        }
    }
    let mut doubts: Vec<(Verdict, Doubts)> = rules
        .into_iter()
        .map(|one| {
            let mut of: Vec<&Finding> = report
                .findings
                .iter()
                .filter(|finding| finding.rule == one && finding.verdict >= Verdict::Review)
                .collect();
            of.sort_by_key(|finding| (std::cmp::Reverse(finding.verdict), finding.row));
            let worst = of.first().map_or(Verdict::Review, |finding| finding.verdict);
            let tally = report.tallies.get(&one).copied().unwrap_or_default();
            let all = usize::try_from(tally.review + tally.fail + tally.refused).unwrap_or(usize::MAX).max(of.len());
            let counts = match (tally.fail + tally.refused, tally.review) {
                (0, review) => format!("{} to judge", grouped(review)),
                (failed, 0) => format!("{} fail", grouped(failed)),
                (failed, review) => format!("{} fail, {} to judge", grouped(failed), grouped(review)),
            };
            let places: Vec<Placed> = of.iter().take(LISTED).map(|finding| placed(finding, table, look)).collect();
            (worst, Doubts { rule: rule(one), mark: worst.into(), counts, more: all - places.len(), places })
        })
        .collect();
    doubts.sort_by_key(|(worst, _)| std::cmp::Reverse(*worst));
    doubts.into_iter().map(|(_, doubts)| doubts).collect()
}

fn placed(finding: &Finding, table: Option<&Table>, look: &Look) -> Placed {
    Placed {
        link: cell_link(look, table, finding.row, finding.column.as_deref()),
        place: place_in_words(table, finding.row, finding.column.as_deref()),
        mark: finding.verdict.into(),
        reason: shown(&finding.reason),
    }
}

/// The address that shows a cell, with nothing hidden and in the canonical order.
fn cell_link(look: &Look, table: Option<&Table>, row: Option<usize>, column: Option<&str>) -> String {
    let at = column.and_then(|name| table?.columns.iter().position(|column| column.name == name));
    let clean = Look {
        output: look.output.clone(),
        against: look.against.clone(),
        page: row.map_or(0, |row| row / ROWS),
        ..Look::default()
    };
    clean.link(&place(row, at))
}

/// `row 3 (f, 40), n`.
fn place_in_words(table: Option<&Table>, row: Option<usize>, column: Option<&str>) -> String {
    let keys = |row: usize| -> Option<String> {
        let table = table?;
        let cells = table.rows.get(row)?;
        let named = table.columns.iter().zip(cells).filter(|(column, _)| column.role == Role::Key);
        let words: Vec<String> = named.map(|(_, cell)| shown(&print(cell))).collect();
        (!words.is_empty()).then(|| format!(" ({})", words.join(", ")))
    };
    match (row, column) {
        (Some(row), Some(column)) => format!("row {}{}, {}", row + 1, keys(row).unwrap_or_default(), shown(column)),
        (Some(row), None) => format!("row {}{}", row + 1, keys(row).unwrap_or_default()),
        (None, Some(column)) => format!("all of {}", shown(column)),
        (None, None) => "the whole table".to_owned(),
    }
}

fn figures(column: &ColumnSummary) -> Figures {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| print(&Cell::Real(value)));
    let rounded = match (column.base5, column.base6, column.midpoint6) {
        (None, ..) => "–",
        (_, _, Some(true)) => "to the middle of bins of 6",
        (Some(true), Some(true), _) => "to 5 and to 6",
        (Some(true), ..) => "to 5",
        (_, Some(true), _) => "to 6",
        _ => "no",
    };
    Figures {
        name: shown(&column.name),
        rounded,
        numbers: [column.minimum, column.minimum_non_zero, column.maximum, column.sum].map(number),
        missing: column.missing,
        redacted: column.redacted,
    }
}

/// What differs from the release that is asked for, or the nearest.
async fn compared(
    examined: &Examined,
    output: &HeldOutput,
    table: &Table,
    look: &Look,
    source: &Source,
    now: u64,
) -> (Before, Option<crate::review::compare::Difference>) {
    let near = nearest(&examined.review, output);
    let asked = |one: &&&Earlier| look.against.as_ref() == Some(&one.task.to_string());
    let Some(chosen) = near.iter().find(asked).or(near.first()).copied() else { return (Before::default(), None) };
    let releases = near.iter().map(|one| Release {
        link: look.with(|look| look.against = Some(one.task.to_string())).link("before"),
        title: shown(&one.title),
        project: one.project.clone(),
        when: When::at(one.released_at, now),
        current: one.task == chosen.task,
    });
    let mut before = Before { releases: releases.collect(), ..Before::default() };
    // Custody may not have it any more; that is said, and the review goes on.
    let earlier = source.earlier(chosen.task, &output.name).await;
    let earlier = earlier.ok().and_then(|earlier| read_csv(&earlier.bytes, &earlier.schema).ok());
    let Some(earlier) = earlier else {
        before.says = Some("The earlier table is no longer in custody, so the cells cannot be compared.".to_owned());
        return (before, None);
    };
    let Some(difference) = compare(table, &earlier) else {
        before.says = Some("The earlier table has other columns, so the cells cannot be compared.".to_owned());
        return (before, None);
    };
    before.says = Some(format!("Compared with that release, {difference}."));
    before.changes = difference
        .changed
        .iter()
        .take(CHANGES)
        .map(|one| {
            let column = table.columns.get(one.column).map(|column| column.name.as_str());
            let now = table.rows.get(one.row).and_then(|row| row.get(one.column)).map(print).unwrap_or_default();
            [
                cell_link(look, Some(table), Some(one.row), column),
                place_in_words(Some(table), Some(one.row), column),
                shown(&one.before),
                shown(&now),
            ]
        })
        .collect();
    before.more = difference.changed.len().saturating_sub(CHANGES);
    (before, Some(difference))
}

/// The figures that left before and are about nearly the same people.
fn meetings(examined: &Examined, output: &HeldOutput, table: Option<&Table>, look: &Look) -> Vec<Met> {
    let of = |met: &&Meeting| met.output == output.name;
    examined
        .review
        .meetings
        .iter()
        .filter(of)
        .map(|met| Met {
            link: cell_link(look, table, met.row, met.column.as_deref()),
            place: place_in_words(table, met.row, met.column.as_deref()),
            earlier: format!(
                "{}, {} of task {}, released {}",
                shown(&met.earlier_output),
                place_in_words(None, met.earlier_row, met.earlier_column.as_deref()),
                met.task.short(),
                crate::cli::date::utc(met.released_at),
            ),
            difference: match met.difference {
                0 => "the same people as".to_owned(),
                1 => "the same people but 1 as".to_owned(),
                few => format!("the same people but {} as", grouped(few)),
            },
        })
        .collect()
}
