//! Distinct subjects, told apart by 64-bit hashes under a key of their own.

use crate::value::{Column, ColumnData};
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// The most subjects that are told apart: about 75 MB of memory.
const MOST: usize = 4_000_000;

/// Takes a hash as it is: the keyed hash was made before.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A set of hashes.
pub(super) type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// Counts the subjects whose rows pass by.
#[derive(Default)]
pub(crate) struct DistinctSubjects {
    key: RandomState,
    seen: Hashes,
}

impl DistinctSubjects {
    /// Adds the rows of a dataset's subject column.
    pub(crate) fn add(&mut self, dataset: &str, column: &Column, rows: usize) {
        let dataset = self.key.hash_one(dataset);
        for row in 0..rows {
            if self.seen.len() >= MOST {
                return;
            }
            self.seen.insert(hash(&self.key, dataset, column, row));
        }
    }

    /// How many there were; no more than 4,000,000.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.seen.len()).expect("a usize fits into a u64")
    }
}

/// The subject of a row. Rows without one have the same.
pub(super) fn hash(key: &RandomState, dataset: u64, column: &Column, row: usize) -> u64 {
    if column.validity.as_ref().is_some_and(|bits| bits[row / 8] >> (row % 8) & 1 == 0) {
        return dataset;
    }
    match &column.data {
        ColumnData::Boolean(values) => key.hash_one((dataset, values[row])),
        ColumnData::Int64(values) | ColumnData::Timestamp(values) => key.hash_one((dataset, values[row])),
        ColumnData::Float64(values) => key.hash_one((dataset, values[row].to_bits())),
        ColumnData::Date(values) => key.hash_one((dataset, values[row])),
        ColumnData::Decimal(values) | ColumnData::Text(values) => key.hash_one((dataset, &values[row])),
        ColumnData::Bytes(values) => key.hash_one((dataset, &values[row])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_counts_once_in_each_dataset() {
        let ids = Column { validity: Some(vec![0b0111]), data: ColumnData::Int64(vec![7, 8, 7, 0]) };
        let names = Column { validity: None, data: ColumnData::Text(vec!["a".into(), "b".into(), "a".into()]) };
        let mut subjects = DistinctSubjects::default();
        subjects.add("one", &ids, 4);
        assert_eq!(subjects.count(), 3);
        subjects.add("one", &ids, 4);
        subjects.add("two", &names, 3);
        assert_eq!(subjects.count(), 5);
    }
}
