//! A canonical table as a reviewer sees it: one page of rows, risky cells marked with the reason, beside what stood there in an earlier release.
//!
//! What holds cells has no `Debug`: outputs never reach a log.

use super::look::{Look, ROWS};
use super::text::{Mark, counted, role, shown};
use crate::review::compare::Difference;
use protocol::disclosure::canonical::print;
use protocol::disclosure::rules::{Finding, Verdict};
use protocol::disclosure::table::{Cell, Table};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The part of a table that is shown.
pub(super) struct Part {
    /// The columns that are shown.
    pub(super) heads: Vec<Head>,
    /// The columns that are not: name, and the address that shows them.
    pub(super) hidden: Vec<(String, String)>,
    /// The rows of this page.
    pub(super) rows: Vec<Row>,
    /// `rows 1 to 50 of 120`.
    pub(super) says: String,
    /// The addresses of the page before and after.
    pub(super) before: Option<String>,
    /// See `before`.
    pub(super) after: Option<String>,
    /// `page 1 of 3`.
    pub(super) page: String,
    /// The address of every row on one page, where there are several pages.
    pub(super) whole: Option<String>,
}

/// The head of a column.
pub(super) struct Head {
    /// Its name.
    pub(super) name: String,
    /// What it holds.
    pub(super) holds: String,
    /// Numbers stand to the right.
    pub(super) number: bool,
    /// For `aria-sort`.
    pub(super) order: &'static str,
    /// The address that sorts by it.
    pub(super) sort: String,
    /// The address that hides it.
    pub(super) hide: String,
    /// What the rules say of the whole column.
    pub(super) doubt: Option<Doubt>,
}

/// A row.
pub(super) struct Row {
    /// Its number in the canonical table, counted from 1.
    pub(super) number: usize,
    /// What the rules say of the whole row.
    pub(super) doubt: Option<Doubt>,
    /// Whether no earlier release has it.
    pub(super) new: bool,
    /// Its cells.
    pub(super) cells: Vec<Shown>,
}

/// A cell.
pub(super) struct Shown {
    /// What it says; empty for nothing.
    pub(super) text: String,
    /// Numbers stand to the right.
    pub(super) number: bool,
    /// Where links find it.
    pub(super) place: String,
    /// What the rules say.
    pub(super) doubt: Option<Doubt>,
    /// What the earlier release said there.
    pub(super) was: Option<String>,
}

/// What the rules say of a cell, a row or a column.
#[derive(Clone)]
pub(super) struct Doubt {
    /// The gravest verdict.
    pub(super) mark: Mark,
    /// Every reason.
    pub(super) reasons: String,
}

/// A row and a column, counted from 0; none for all of them.
type Spot = (Option<usize>, Option<usize>);

/// Where a link finds a cell, a row or the table.
#[must_use]
pub(super) fn place(row: Option<usize>, column: Option<usize>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("r{}c{}", row + 1, column + 1),
        (Some(row), None) => format!("r{}", row + 1),
        (None, Some(column)) => format!("c{}", column + 1),
        (None, None) => "table".to_owned(),
    }
}

/// The part of a table that `look` asks for.
#[must_use]
pub(super) fn part(table: &Table, findings: &[Finding], difference: Option<&Difference>, look: &Look) -> Part {
    let doubts = doubts(table, findings);
    let doubt = |row, column| doubts.get(&(row, column)).cloned();
    let visible: Vec<usize> =
        (0..table.columns.len()).filter(|at| !look.hidden.contains(&table.columns[*at].name)).collect();
    let rows = order(table, &visible, look);
    let pages = rows.len().div_ceil(ROWS).max(1);
    let page = look.page.min(pages - 1);
    let (from, to) = if look.all { (0, rows.len()) } else { (page * ROWS, rows.len().min((page + 1) * ROWS)) };
    let was: HashMap<(usize, usize), &str> = difference
        .into_iter()
        .flat_map(|found| &found.changed)
        .map(|one| ((one.row, one.column), one.before.as_str()))
        .collect();
    let number = |at: usize| table.columns[at].ty.is_number();
    let cell = |row: usize, at: usize| Shown {
        text: shown(&print(&table.rows[row][at])),
        number: number(at),
        place: place(Some(row), Some(at)),
        doubt: doubt(Some(row), Some(at)),
        was: was.get(&(row, at)).map(|before| if before.is_empty() { "nothing".to_owned() } else { shown(before) }),
    };
    let turn = |page: usize| look.with(|look| look.page = page).link("table");
    let several = pages > 1 && !look.all;
    Part {
        heads: visible
            .iter()
            .map(|at| {
                let column = &table.columns[*at];
                let sorted = look.sort.as_ref().filter(|(by, _)| *by == column.name);
                Head {
                    name: shown(&column.name),
                    holds: role(&column.role),
                    number: number(*at),
                    order: sorted.map_or("none", |(_, down)| if *down { "descending" } else { "ascending" }),
                    sort: look.sorted(&column.name).link("table"),
                    hide: look.hiding(&column.name).link("table"),
                    doubt: doubt(None, Some(*at)),
                }
            })
            .collect(),
        hidden: look
            .hidden
            .iter()
            .filter(|name| table.columns.iter().any(|column| column.name == **name))
            .map(|name| (shown(name), look.showing(name).link("table")))
            .collect(),
        rows: rows[from..to]
            .iter()
            .map(|row| Row {
                number: row + 1,
                doubt: doubt(Some(*row), None),
                new: difference.is_some_and(|found| found.new_rows.contains(row)),
                cells: visible.iter().map(|at| cell(*row, *at)).collect(),
            })
            .collect(),
        says: says(from, to, rows.len(), table.rows.len()),
        before: (several && page > 0).then(|| turn(page.saturating_sub(1))),
        after: (several && page + 1 < pages).then(|| turn(page + 1)),
        page: if several { format!("page {} of {pages}", page + 1) } else { String::new() },
        whole: several.then(|| look.with(|look| (look.all, look.page) = (true, 0)).link("table")),
    }
}

fn says(from: usize, to: usize, found: usize, all: usize) -> String {
    let rows = counted(u64::try_from(all).unwrap_or(u64::MAX), "row");
    match (found == all, to - from == found) {
        _ if found == 0 => format!("no row of {rows} holds that"),
        (true, true) => rows,
        (true, false) => format!("rows {} to {to} of {rows}", from + 1),
        (false, true) => format!("{found} of {rows} hold that"),
        (false, false) => format!("rows {} to {to} of {found} that hold that, out of {rows}", from + 1),
    }
}

/// The rows that hold what is searched for, in the order that is asked for.
fn order(table: &Table, visible: &[usize], look: &Look) -> Vec<usize> {
    let wanted = look.find.to_lowercase();
    let holds =
        |row: &[Cell]| wanted.is_empty() || visible.iter().any(|at| print(&row[*at]).to_lowercase().contains(&wanted));
    let mut rows: Vec<usize> = (0..table.rows.len()).filter(|row| holds(&table.rows[*row])).collect();
    let by = look
        .sort
        .as_ref()
        .and_then(|(by, down)| Some((table.columns.iter().position(|column| column.name == *by)?, *down)));
    if let Some((at, down)) = by {
        rows.sort_by(|left, right| {
            let order: Ordering = table.rows[*left][at].order(&table.rows[*right][at]);
            if down { order.reverse() } else { order }
        });
    }
    rows
}

/// What the rules doubt, by place.
fn doubts(table: &Table, findings: &[Finding]) -> HashMap<Spot, Doubt> {
    let mut said: HashMap<Spot, (Verdict, Vec<&str>)> = HashMap::new();
    for finding in findings.iter().filter(|finding| finding.verdict >= Verdict::Review) {
        let column = finding.column.as_ref().map(|name| table.columns.iter().position(|column| column.name == *name));
        let (Some(column), row) = (column.map_or(Some(None), |at| at.map(Some)), finding.row) else { continue };
        if row.is_some() || column.is_some() {
            let (verdict, reasons) = said.entry((row, column)).or_insert((finding.verdict, Vec::new()));
            *verdict = finding.verdict.max(*verdict);
            reasons.push(&finding.reason);
        }
    }
    let doubt =
        |(verdict, reasons): (Verdict, Vec<&str>)| Doubt { mark: verdict.into(), reasons: shown(&reasons.join(" ")) };
    said.into_iter().map(|(place, said)| (place, doubt(said))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::part;
    use crate::page::look::Look;
    use crate::review::compare::compare;
    use protocol::disclosure::canonical::parse_csv;
    use protocol::disclosure::rules::{Finding, Rule, Verdict};
    use std::fmt::Write as _;

    fn table(rows: usize) -> protocol::disclosure::table::Table {
        let mut csv = "name,n\n".to_owned();
        for row in 0..rows {
            writeln!(csv, "g{row},{}", (row * 7) % rows).unwrap();
        }
        parse_csv(csv.as_bytes()).unwrap()
    }

    #[test]
    fn a_long_table_is_read_in_pages_sorted_and_searched() {
        let table = table(120);
        let first = part(&table, &[], None, &Look::default());
        assert_eq!(
            (first.rows.len(), first.says.as_str(), first.page.as_str()),
            (50, "rows 1 to 50 of 120 rows", "page 1 of 3")
        );
        assert!(first.before.is_none() && first.after.is_some());
        let sorted = part(&table, &[], None, &Look::read("sort=-n&page=3"));
        assert_eq!(sorted.rows.last().unwrap().cells[1].text, "0");
        assert_eq!(sorted.rows.len(), 20);
        let found = part(&table, &[], None, &Look::read("find=G11"));
        assert_eq!((found.rows.len(), found.says.as_str()), (11, "11 of 120 rows hold that"));
        assert_eq!(found.rows[1].number, 111, "a row keeps its number");
        assert_eq!(part(&table, &[], None, &Look::read("rows=all")).rows.len(), 120);
        assert_eq!(part(&table, &[], None, &Look::read("page=99")).rows.len(), 20, "the last page");
        let hidden = part(&table, &[], None, &Look::read("hide=name&find=g1"));
        assert_eq!((hidden.heads.len(), hidden.rows.len(), hidden.hidden.len()), (1, 0, 1));
    }

    #[test]
    fn a_risky_cell_is_marked_where_it_stands_however_rows_are_sorted() {
        let finding = |row, column: Option<&str>, verdict| Finding {
            rule: Rule::MinimumThreshold,
            verdict,
            row,
            column: column.map(ToOwned::to_owned),
            reason: "Fewer than ten.".to_owned(),
        };
        let findings = [
            finding(Some(3), Some("n"), Verdict::Fail),
            finding(Some(3), Some("n"), Verdict::Review),
            finding(None, Some("name"), Verdict::Review),
            finding(Some(5), Some("gone"), Verdict::Fail),
            finding(Some(1), Some("n"), Verdict::Pass),
        ];
        let shown = part(&table(10), &findings, None, &Look::read("sort=-n"));
        let marked: Vec<_> = shown.rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.doubt.is_some()).collect();
        assert_eq!((marked.len(), marked[0].place.as_str(), marked[0].text.as_str()), (1, "r4c2", "1"));
        let doubt = marked[0].doubt.as_ref().unwrap();
        assert_eq!((doubt.mark.word, doubt.reasons.as_str()), ("fails", "Fewer than ten. Fewer than ten."));
        assert!(shown.heads[0].doubt.is_some() && shown.heads[1].doubt.is_none());
    }

    #[test]
    fn what_an_earlier_release_said_stands_beside_it() {
        let (now, before) = (parse_csv(b"n\n41\n").unwrap(), parse_csv(b"n\n40\n").unwrap());
        let difference = compare(&now, &before).unwrap();
        let shown = part(&now, &[], Some(&difference), &Look::default());
        assert_eq!(shown.rows[0].cells[0].was.as_deref(), Some("40"));
    }
}
