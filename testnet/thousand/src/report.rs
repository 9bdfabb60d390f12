//! What a run came to: figures, and the delays as bars.

use crate::run::{Outcome, Shape};
use std::time::Duration;

/// How many bars the delays are drawn with, and how long the longest is.
const BARS: usize = 16;
const WIDEST: usize = 48;

/// Each figure with its name and unit; none where nothing came.
#[must_use]
pub fn figures(shape: &Shape, outcome: &Outcome) -> Option<Vec<(&'static str, f64, &'static str)>> {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let bytes = |count: u64| Duration::from_micros(count).as_secs_f64() * 1e6;
    let took = |percent: usize| {
        let rank = (outcome.took.len() * percent).div_ceil(100).max(1);
        Some(outcome.took.get(rank - 1)?.as_secs_f64() * 1_000.0)
    };
    let each = number(shape.announcements) * number(shape.members);
    let size = bytes(outcome.announced) / number(shape.announcements);
    let spent = bytes(outcome.busy.saturating_sub(outcome.quiet)) / each;
    Some(vec![
        ("delivered", number(outcome.took.len()) / number(outcome.expected) * 100.0, "%"),
        ("p50", took(50)?, "ms"),
        ("p99", took(99)?, "ms"),
        ("last", took(100)?, "ms"),
        ("announcement", size, "bytes"),
        ("per_announcement_and_member", spent, "bytes"),
        ("over_lower_bound", spent / size, "×"),
        (
            "quiet_per_member_and_second",
            bytes(outcome.quiet) / number(shape.members) / (outcome.passed.as_secs_f64() / 2.0),
            "bytes",
        ),
    ])
}

/// How many delays lie in which stretch of time, in milliseconds.
#[must_use]
pub fn bars(took: &[Duration]) -> Vec<String> {
    let Some(last) = took.last() else { return Vec::new() };
    let step = usize::try_from(last.as_millis()).unwrap_or(usize::MAX) / BARS + 1;
    let mut counts = [0_usize; BARS];
    for one in took {
        counts[(usize::try_from(one.as_millis()).unwrap_or(usize::MAX) / step).min(BARS - 1)] += 1;
    }
    let most = counts.into_iter().max().unwrap_or(1).max(1);
    let bar = |(place, count): (usize, &usize)| {
        format!("{:>6} ms │{:<WIDEST$} {count}", place * step, "█".repeat((count * WIDEST).div_ceil(most)))
    };
    counts.iter().enumerate().map(bar).collect()
}
