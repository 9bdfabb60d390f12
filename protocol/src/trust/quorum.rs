//! Counting persons, not keys: when enough distinct people have said yes and nobody has said no.

use std::collections::{BTreeMap, BTreeSet};

/// Where a decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// More approvals are needed.
    Open {
        /// How many persons are still missing.
        missing: u64,
    },
    /// Enough persons approved and nobody rejected.
    Approved,
    /// A person rejected it, and nobody approved; one is enough.
    Vetoed,
    /// One person rejected it and another approved: nothing leaves, and nothing is decided until one of them changes the decision.
    Conflict,
}

/// Counts one decision per person. `votes` are (person, approves); a person who votes both ways has rejected.
pub fn tally<'a>(votes: impl IntoIterator<Item = (&'a str, bool)>, needed: u64) -> Tally {
    let mut by_person: BTreeMap<&str, bool> = BTreeMap::new();
    for (person, approves) in votes {
        let vote = by_person.entry(person).or_insert(true);
        *vote &= approves;
    }
    if by_person.values().any(|approves| !approves) {
        return if by_person.values().any(|approves| *approves) { Tally::Conflict } else { Tally::Vetoed };
    }
    let persons: BTreeSet<_> = by_person.keys().collect();
    match needed.saturating_sub(persons.len() as u64) {
        0 => Tally::Approved,
        missing => Tally::Open { missing },
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, tally};

    #[test]
    fn persons_count_and_one_no_is_enough() {
        assert_eq!(tally([], 1), Tally::Open { missing: 1 });
        assert_eq!(tally([("a", true)], 1), Tally::Approved);
        assert_eq!(tally([("a", true), ("a", true)], 2), Tally::Open { missing: 1 });
        assert_eq!(tally([("a", true), ("b", true)], 2), Tally::Approved);
        assert_eq!(tally([("a", false)], 2), Tally::Vetoed);
        assert_eq!(tally([("a", true), ("b", false)], 1), Tally::Conflict);
        assert_eq!(tally([("a", true), ("a", false)], 1), Tally::Vetoed);
    }
}
