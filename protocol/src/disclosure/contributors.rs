//! Who stands behind each figure, as keyed hashes that only this TRE can make: what differencing compares. It never leaves the TRE.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The distinct subjects behind one figure: keyed 64-bit hashes, ascending, each once. The key is the TRE's own, so that equal subjects have
/// equal hashes in every task of one dataset, and nobody else can tell whose they are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Subjects(Arc<[u64]>);

impl Subjects {
    /// Sorts the hashes and drops repetitions.
    #[must_use]
    pub fn of(mut hashes: Vec<u64>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes.into())
    }

    /// The hashes, ascending.
    #[must_use]
    pub fn hashes(&self) -> &[u64] {
        &self.0
    }

    /// How many subjects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody stands behind the figure.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Subjects never reach a log.
impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subjects(..)")
    }
}

/// The subjects behind the figures of one output. There is no `Serialize`: it lies in custody and in the ledger in the layout of
/// [`Contributors::to_bytes`], and nowhere else.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Contributors {
    /// The dataset whose subjects these are: hashes are compared within one dataset only.
    pub dataset: String,
    /// The distinct sets.
    pub sets: Vec<Subjects>,
    /// Which set stands behind a cell, by row and column of the table; `None` beside a key and where nothing may leave.
    pub of: Vec<Vec<Option<u32>>>,
}

/// Subjects never reach a log.
impl fmt::Debug for Contributors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contributors(..)")
    }
}

impl Contributors {
    /// The set behind a cell.
    #[must_use]
    pub fn behind(&self, row: usize, column: usize) -> Option<&Subjects> {
        let set = (*self.of.get(row)?.get(column)?)?;
        self.sets.get(usize::try_from(set).ok()?)
    }

    /// Each distinct set that is not empty, once, with the first cell (row, column) that it stands behind.
    #[must_use]
    pub fn distinct(&self) -> BTreeMap<&Subjects, (usize, usize)> {
        let mut found = BTreeMap::new();
        for (row, cells) in self.of.iter().enumerate() {
            for (column, set) in cells.iter().enumerate() {
                let set = set.and_then(|set| self.sets.get(usize::try_from(set).ok()?));
                if let Some(set) = set.filter(|set| !set.is_empty()) {
                    found.entry(set).or_insert((row, column));
                }
            }
        }
        found
    }

    /// Everybody in the table.
    #[must_use]
    pub fn union(&self) -> Subjects {
        Subjects::of(self.distinct().keys().flat_map(|set| set.hashes().iter().copied()).collect())
    }

    /// The layout at rest, little-endian: length and bytes of the dataset's name; the number of sets, and for each its length and hashes;
    /// the number of rows and columns, and for each cell its set plus one, or 0. Lengths are 32 bits, hashes 64.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        fn length(bytes: &mut Vec<u8>, value: usize) {
            let value = u32::try_from(value).expect("an output has at most a million cells and a table 2^32 subjects");
            bytes.extend(value.to_le_bytes());
        }
        let mut bytes = Vec::new();
        length(&mut bytes, self.dataset.len());
        bytes.extend(self.dataset.as_bytes());
        length(&mut bytes, self.sets.len());
        for set in &self.sets {
            length(&mut bytes, set.len());
            set.hashes().iter().for_each(|hash| bytes.extend(hash.to_le_bytes()));
        }
        length(&mut bytes, self.of.len());
        length(&mut bytes, self.of.first().map_or(0, Vec::len));
        for set in self.of.iter().flatten() {
            length(&mut bytes, set.map_or(0, |set| usize::try_from(set).expect("a u32 fits into a usize here") + 1));
        }
        bytes
    }

    /// Reads [`Contributors::to_bytes`] back; `None` when the bytes are something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let name = length(&mut rest)?;
        let dataset = String::from_utf8(take(&mut rest, name)?.to_vec()).ok()?;
        let count = length(&mut rest)?;
        let mut sets = Vec::new();
        for _ in 0..count {
            let size = length(&mut rest)?.checked_mul(8)?;
            let hashes = take(&mut rest, size)?.as_chunks().0.iter().map(|hash| u64::from_le_bytes(*hash)).collect();
            sets.push(Subjects(hashes));
        }
        let (rows, columns) = (length(&mut rest)?, length(&mut rest)?);
        let mut of = Vec::new();
        for _ in 0..rows {
            let cells = take(&mut rest, columns.checked_mul(4)?)?.as_chunks().0.iter();
            of.push(cells.map(|set| u32::from_le_bytes(*set).checked_sub(1)).collect());
        }
        rest.is_empty().then_some(Self { dataset, sets, of })
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    let bytes = take(rest, 4)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Contributors, Subjects};

    fn sample() -> Contributors {
        Contributors {
            dataset: "omop".to_owned(),
            sets: vec![Subjects::of(vec![3, 1, 3]), Subjects::of(vec![]), Subjects::of(vec![u64::MAX])],
            of: vec![vec![None, Some(0)], vec![Some(2), Some(1)]],
        }
    }

    #[test]
    fn the_layout_reads_back_and_nothing_shorter_or_longer_does() {
        let bytes = sample().to_bytes();
        assert_eq!(Contributors::from_bytes(&bytes), Some(sample()));
        for cut in 0..bytes.len() {
            assert_eq!(Contributors::from_bytes(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(Contributors::from_bytes(&[bytes.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn each_distinct_set_is_named_once() {
        let sample = sample();
        assert_eq!(sample.behind(0, 1).unwrap().hashes(), [1, 3]);
        assert_eq!(sample.behind(0, 0), None);
        assert_eq!(sample.distinct().into_values().collect::<Vec<_>>(), [(0, 1), (1, 0)]);
        assert_eq!(sample.union().hashes(), [1, 3, u64::MAX]);
    }

    #[test]
    fn threat_47_debug_shows_no_subject() {
        let shown = format!("{:?} {:?}", sample(), sample().sets);
        assert!(!shown.contains('3'), "{shown}");
    }
}
