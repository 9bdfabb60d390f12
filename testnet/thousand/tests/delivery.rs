//! That everything arrives, when it can and not before, and what it costs.

#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::time::Duration;
use thousand::report::figures;
use thousand::run::{Shape, run};

const SMALL: Shape = Shape { members: 40, hubs: 3, announcements: 10, delay_ms: (40, 60), commit_ms: 5, seed: 1 };

#[test]
fn every_announcement_comes_to_every_member_over_two_lines() {
    let outcome = run(&SMALL, |_| {}).unwrap();
    assert_eq!(outcome.took.len(), outcome.expected);
    // to a hub, and from there after its disk; hubs themselves are one line away
    let spokes = &outcome.took[SMALL.hubs * SMALL.announcements..];
    assert!(spokes[0] >= Duration::from_millis(40 + 5 + 40), "{:?}", spokes[0]);
    assert!(outcome.took[0] >= Duration::from_millis(40));
    let figures = figures(&SMALL, &outcome).unwrap();
    let of = |wanted: &str| figures.iter().find(|(name, ..)| *name == wanted).unwrap().1;
    assert!(of("p99") < 250.0, "{figures:?}");
    // a copy from each of three hubs and one back to each of two, in frames that add a third at most
    assert!((1.0..5.0 * 4.0 / 3.0).contains(&of("over_lower_bound")), "{figures:?}");
}

#[test]
fn slower_lines_are_slower() {
    let slow = Shape { delay_ms: (400, 600), seed: 2, ..SMALL };
    let outcome = run(&slow, |_| {}).unwrap();
    assert_eq!(outcome.took.len(), outcome.expected);
    assert!(outcome.took[outcome.took.len() / 2] > Duration::from_millis(800));
}
