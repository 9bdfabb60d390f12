//! How well each row of an output agrees with a row of the data, and whether that makes it a copy.

use super::printed::MEANT_COLUMNS;

/// A combination of values that so many subjects share is a group.
const GROUP: usize = 10;

/// So many rows of an output must agree through columns of other names before one is believed: by chance a sum or a mean meets some value.
const RENAMED_ROWS: usize = 3;

/// The best agreement of an output's row so far.
#[derive(Clone, Default)]
struct Best {
    columns: usize,
    /// Up to [`GROUP`] subjects that have it, by hash.
    subjects: Vec<u64>,
}

impl Best {
    fn meet(&mut self, columns: usize, subject: u64) {
        if columns > self.columns {
            self.columns = columns;
            self.subjects.clear();
        }
        if columns == self.columns && self.subjects.len() < GROUP && !self.subjects.contains(&subject) {
            self.subjects.push(subject);
        }
    }

    fn is_copy(&self) -> bool {
        self.columns >= MEANT_COLUMNS && self.subjects.len() < GROUP
    }
}

/// What was found for one row of an output.
#[derive(Clone, Default)]
pub(super) struct Agreement {
    /// Through columns of the same names.
    named: Best,
    /// Through columns of the same and of other names.
    renamed: Best,
}

impl Agreement {
    /// A row of the data has the values of so many columns: `named` of them under the same name, `other` elsewhere.
    pub(super) fn meet(&mut self, named: usize, other: usize, subject: u64) {
        if named >= MEANT_COLUMNS {
            self.named.meet(named, subject);
        }
        if other > 0 && named + other >= MEANT_COLUMNS {
            self.renamed.meet(named + other, subject);
        }
    }

    fn is_copy_by_other_names(&self) -> bool {
        self.renamed.columns > self.named.columns && self.renamed.is_copy()
    }
}

/// How many of an output's rows are copies.
pub(super) fn count(rows: &[Agreement]) -> u64 {
    let renamed = rows.iter().filter(|row| row.is_copy_by_other_names()).count() >= RENAMED_ROWS;
    let copies = rows.iter().filter(|row| row.named.is_copy() || (renamed && row.is_copy_by_other_names()));
    u64::try_from(copies.count()).expect("a usize fits into a u64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(meetings: &[(usize, usize, u64)]) -> Agreement {
        let mut row = Agreement::default();
        meetings.iter().for_each(|(named, other, subject)| row.meet(*named, *other, *subject));
        row
    }

    #[test]
    fn what_ten_subjects_share_is_a_group() {
        let nine: Vec<_> = (0..9).chain(0..9).map(|subject| (3, 0, subject)).collect();
        let ten: Vec<_> = (0..10).map(|subject| (3, 0, subject)).collect();
        assert_eq!(count(&[met(&nine), met(&ten), met(&[(2, 0, 1)]), met(&[])]), 1);
        // a better agreement with one of them is a copy again
        assert_eq!(count(&[met(&[ten.as_slice(), &[(4, 0, 1)]].concat())]), 1);
        assert_eq!(count(&[met(&[&[(4, 0, 1)], ten.as_slice()].concat())]), 1);
    }

    #[test]
    fn other_names_are_believed_from_three_rows_on() {
        let renamed = met(&[(1, 2, 7)]);
        assert_eq!(count(&[renamed.clone(), renamed.clone()]), 0);
        assert_eq!(count(&[renamed.clone(), renamed.clone(), renamed]), 3);
    }
}
