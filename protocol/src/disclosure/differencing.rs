//! Which figures, told together, tell about a few people only: sets of subjects that differ in fewer than the threshold, found exactly.
//!
//! A figure over the set A and one over the set B give, by subtraction, one over A△B: those who stand behind one of the two alone. Where
//! they are fewer than the threshold, and not none, the two figures must not both be known. [`Index`] finds every such B among many without
//! looking at each, by the prefix-filter principle of set-similarity joins:
//!
//! The hashes are keyed, so that they fall evenly into the 64 parts of their range. A set's *tokens* are, part after part, the sums of its
//! hashes in each part that is not empty. One subject more or less changes one part, so of two sets that differ in at most d subjects, at
//! most d tokens of each are missing from the other. Of the first d + 1 tokens of both, in one order, one is therefore common. Where more
//! are kept, n of each set, d + 1 of them at least twice: of the first n - d tokens of one set at least n - 2d are in the other, and each is
//! among its first n, for at most d others have come between. Small sets have fewer than d + 1 filled parts; for them each hash is a token
//! of its own, and the same holds.
//!
//! What this cannot see: a figure about few that takes three releases or more to compute, other than a table's total.

pub mod reason;
mod whole;

use crate::disclosure::contributors::Subjects;
pub use whole::{Whole, whole};

/// The largest threshold for which [`Index`] looks sets up: it keeps so many tokens of each. Beyond, sets of a similar size are all candidates.
pub const INDEXED: usize = 20;

/// The hashes' upper bits that number their part.
const PART_BITS: u32 = 6;

/// Sets below this size have a token for each of their first hashes too.
const SMALL: usize = 64;

/// In how many subjects two sets differ, when these are fewer than `threshold`; it reads on no longer than it takes to know.
#[must_use]
pub fn difference_below(a: &Subjects, b: &Subjects, threshold: u64) -> Option<u64> {
    let (mut a, mut b) = (a.hashes(), b.hashes());
    let mut difference = 0;
    while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
        difference += u64::from(x != y);
        if difference >= threshold {
            return None;
        }
        a = if x <= y { rest_a } else { a };
        b = if y <= x { rest_b } else { b };
    }
    difference += (a.len() + b.len()) as u64;
    (difference < threshold).then_some(difference)
}

/// Every ordered pair (i, j) of sets that differ in fewer than `threshold` subjects and not in none, with the difference, where the pair is
/// asked for and `sets[i]` has `threshold` subjects or more: a smaller one is what the threshold itself is about.
#[must_use]
pub fn among(sets: &[&Subjects], threshold: u64, asked_for: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize, u64)> {
    let mut index = Index::default();
    sets.iter().for_each(|set| index.push(set));
    let close = |(asked, known): (u32, u32)| {
        let (i, j) = (place(asked), place(known));
        let difference = difference_below(sets[i], sets[j], threshold).filter(|difference| *difference > 0);
        difference.map(|difference| (i, j, difference))
    };
    let other = |asked: u32, known: u32| asked != known && asked_for(place(asked), place(known));
    index.candidates(sets, threshold, other).into_iter().filter_map(close).collect()
}

/// Many sets of one dataset, by what finds those that are close to another. It holds no set: only tokens and sizes, at most 324 bytes a set,
/// and half of that for sets from 64 subjects on.
#[derive(Clone, Default)]
pub struct Index {
    /// A token (upper half) and the number of a set that has it; ascending, up to `sorted`.
    postings: Vec<u64>,
    sorted: usize,
    sizes: Vec<u32>,
}

/// Subjects never reach a log.
impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index({} sets)", self.sizes.len())
    }
}

impl Index {
    /// Adds a set; they are numbered from 0 in the order in which they come.
    ///
    /// # Panics
    /// At 2^32 sets or subjects, which no memory holds.
    pub fn push(&mut self, set: &Subjects) {
        let number = u32::try_from(self.sizes.len()).expect("memory ends before 2^32 sets");
        self.sizes.push(u32::try_from(set.len()).expect("memory ends before 2^32 subjects"));
        let posting = |token: u32| (u64::from(token) << 32) | u64::from(number);
        self.postings.extend(coarse(set).take(INDEXED).map(posting));
        if set.len() < SMALL {
            self.postings.extend(fine(set).take(INDEXED).map(posting));
        }
    }

    /// How many sets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Every pair of a set in `asked` (by its place) and a set here (by its number) that is asked for and may differ in fewer than `threshold`
    /// subjects, ascending; [`difference_below`] tells. None that does is missing. Sets with fewer than `threshold` subjects are not looked for.
    #[must_use]
    pub fn candidates(
        &mut self,
        asked: &[&Subjects],
        threshold: u64,
        asked_for: impl Fn(u32, u32) -> bool,
    ) -> Vec<(u32, u32)> {
        self.sort();
        let least = usize::try_from(threshold).unwrap_or(usize::MAX);
        // How many tokens to look up, when there are so many.
        let most = least.max(INDEXED.saturating_sub(least.saturating_sub(1)));
        let mut pairs = Vec::new();
        let mut queries = Vec::new();
        // Of how many more tokens than one a set must be found by, to be a candidate.
        let mut spare = vec![0; asked.len()];
        for (number, set) in (0_u32..).zip(asked).filter(|(_, set)| set.len() >= least) {
            let before = queries.len();
            let query = |token: u32| (u64::from(token) << 32) | u64::from(number);
            if least <= INDEXED {
                queries.extend(coarse(set).take(most).map(query));
                if queries.len() - before < least && set.len() + least <= SMALL {
                    queries.truncate(before);
                    queries.extend(fine(set).take(most).map(query));
                }
            }
            let similar = |size: u32| (set.len() as u64).abs_diff(u64::from(size)) < threshold;
            match (queries.len() - before).checked_sub(least) {
                Some(more) if least <= INDEXED => spare[place(number)] = more,
                _ => {
                    queries.truncate(before);
                    let numbers = (0_u32..).zip(&self.sizes).filter(|(_, size)| similar(**size));
                    let numbers = numbers.map(|(known, _)| known).filter(|known| asked_for(number, *known));
                    pairs.extend(numbers.map(|known| (number, known)));
                }
            }
        }
        queries.sort_unstable();
        let mut rest = self.postings.as_slice();
        for same in queries.chunk_by(|a, b| a >> 32 == b >> 32) {
            let token = same[0] >> 32;
            rest = &rest[until(rest, token << 32)..];
            let with = &rest[..rest.iter().position(|posting| posting >> 32 != token).unwrap_or(rest.len())];
            for (query, posting) in same.iter().flat_map(|query| with.iter().map(move |posting| (query, posting))) {
                let (number, known) = (lower(*query), lower(*posting));
                let sizes = (asked[place(number)].len() as u64, u64::from(self.sizes[place(known)]));
                if sizes.0.abs_diff(sizes.1) < threshold && asked_for(number, known) {
                    pairs.push((number, known));
                }
            }
        }
        pairs.sort_unstable();
        let found = pairs.chunk_by(|a, b| a == b).filter(|same| same.len() > spare[place(same[0].0)]);
        found.map(|same| same[0]).collect()
    }

    fn sort(&mut self) {
        if self.sorted < self.postings.len() {
            self.postings[self.sorted..].sort_unstable();
            // Two runs, which a merge sort takes as they are.
            self.postings.sort();
            self.postings.shrink_to_fit();
            self.sorted = self.postings.len();
        }
    }
}

/// How many of the ascending values are below a bound that is probably near their beginning.
fn until(values: &[u64], bound: u64) -> usize {
    let mut reach = 1;
    while values.get(reach).is_some_and(|value| *value < bound) {
        reach *= 2;
    }
    let from = reach / 2;
    from + values[from..values.len().min(reach + 1)].partition_point(|value| *value < bound)
}

/// A token for each part of the range of hashes in which the set has any, in the order of the parts.
fn coarse(set: &Subjects) -> impl Iterator<Item = u32> {
    let part = |hash: &u64| hash >> (u64::BITS - PART_BITS);
    let parts = set.hashes().chunk_by(move |a, b| part(a) == part(b));
    parts.map(move |hashes| token(hashes.iter().fold(part(&hashes[0]), |sum, hash| sum.wrapping_add(*hash))))
}

/// A token for each hash.
fn fine(set: &Subjects) -> impl Iterator<Item = u32> {
    set.hashes().iter().map(|hash| token(!hash))
}

/// 32 bits that are even over sums and hashes (Fibonacci hashing). Two values may share a token: one candidate more, none less.
fn token(value: u64) -> u32 {
    let mixed = (value ^ (value >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from(mixed >> 32).expect("32 bits are left")
}

fn lower(posting: u64) -> u32 {
    u32::try_from(posting & u64::from(u32::MAX)).expect("32 bits are left")
}

fn place(number: u32) -> usize {
    usize::try_from(number).expect("a u32 fits into a usize here")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
