//! A meeting of two figures in a sentence for a data owner. It names places and the threshold, never how many people remain: a digest of it
//! leaves the TRE in attestations.

use crate::disclosure::calendar::print_date;
use crate::record::payload::DAY;
use crate::record::submission::TaskId;

/// A figure, or the total of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure<'a> {
    /// A figure.
    Cell {
        /// Its row in the canonical table, counted from 0.
        row: usize,
        /// Its column.
        column: &'a str,
    },
    /// Everybody in the table.
    Total,
}

/// What a figure meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met<'a> {
    /// A figure that left before.
    Earlier {
        /// The task.
        task: TaskId,
        /// The output.
        output: &'a str,
        /// The figure.
        figure: Figure<'a>,
        /// When, seconds since 1970.
        released_at: u64,
    },
    /// A figure of another output, which would leave with it.
    Beside {
        /// The output.
        output: &'a str,
        /// The figure.
        figure: Figure<'a>,
    },
    /// A figure of another row of the same table.
    Within(Figure<'a>),
    /// All other rows of the same table together.
    Others,
}

/// The sentence.
#[must_use]
pub fn reason(this: Figure<'_>, met: &Met<'_>, threshold: u64) -> String {
    let this = match this {
        Figure::Cell { .. } => "This figure",
        Figure::Total => "The total of this table",
    };
    let name = |figure: &Figure<'_>, of: &str| match figure {
        Figure::Cell { row, column } => format!("`{column}` in row {} of {of}", row.saturating_add(1)),
        Figure::Total => format!("the total of {of}"),
    };
    let that = match met {
        Met::Earlier { task, output, figure, released_at } => {
            let day = i64::try_from(released_at / DAY).ok().and_then(print_date);
            let day = day.map(|day| format!(" on {day}")).unwrap_or_default();
            format!("{}, which was released{day} (task {}),", name(figure, &format!("`{output}`")), task.short())
        }
        Met::Beside { output, figure } => {
            format!("{}, which would leave with it,", name(figure, &format!("`{output}`")))
        }
        Met::Within(figure) => name(figure, "this table"),
        Met::Others => "the total of the other rows".to_owned(),
    };
    format!(
        "{this} and {that} are about the same people but for fewer than {threshold}: who takes one from the other learns about those few."
    )
}
