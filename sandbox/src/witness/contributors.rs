//! Who stands behind each figure of a witnessed table: what differencing compares with earlier releases.
//!
//! One set for each group and source of figures, however many columns share it. The sets together have at most one entry for each pair of a
//! group and a subject and each source, so memory grows as the pairs do.

use super::key::index;
use crate::value::Value;
use std::fmt;

/// What a subject costs beside its bytes: the vector that holds it.
const SUBJECT_BYTES: usize = size_of::<Vec<u8>>();

/// The subjects behind every figure of a witnessed table. Like [`super::Evidence`] it never leaves the TRE: it has no serialised form.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Contributors {
    /// The dataset's name: that of the handle that the component opened.
    pub dataset: String,
    /// The distinct subjects in the order in which they were met: one byte for the type, and the value. Equal subjects of a column have equal
    /// bytes, and an integer has the same ones in a column of integers, doubles or text. All rows without a subject are one subject.
    pub subjects: Vec<Vec<u8>>,
    /// Sets of subjects as positions in `subjects`, ascending, each once. Within a group no two are equal.
    pub sets: Vec<Vec<u32>>,
    /// For each row and column of the table: the position in `sets` of the subjects behind that figure, `None` beside a key. Rows and subjects
    /// are counted over the whole group; for another figure it is the subjects with at least one row that has its columns.
    pub of: Vec<Vec<Option<u32>>>,
}

/// Subjects never reach a log.
impl fmt::Debug for Contributors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contributors(..)")
    }
}

impl Contributors {
    /// About how much of the host's memory it holds.
    pub(crate) fn bytes(&self) -> u64 {
        let subjects: usize = self.subjects.iter().map(|subject| SUBJECT_BYTES + subject.capacity()).sum();
        let sets: usize = self.sets.iter().map(|set| size_of::<Vec<u32>>() + size_of::<u32>() * set.capacity()).sum();
        let cells: usize = self.of.iter().map(|row| size_of::<Option<u32>>() * row.capacity()).sum();
        u64::try_from(subjects + sets + cells).expect("a usize fits into a u64")
    }
}

/// The bytes of a subject.
pub(super) fn subject(value: &Value) -> Vec<u8> {
    fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + value.len());
        bytes.push(tag);
        bytes.extend_from_slice(value);
        bytes
    }
    let integer = |value: i64| tagged(2, &value.to_be_bytes());
    // Files of one dataset may disagree on the type of a key; its integers stay the same persons.
    let text = |tag: u8, text: &str| match text.parse::<i64>() {
        Ok(value) if value.to_string() == text => integer(value),
        _ => tagged(tag, text.as_bytes()),
    };
    match value {
        Value::Null => tagged(0, &[]),
        Value::Boolean(value) => tagged(1, &[u8::from(*value)]),
        Value::Int64(value) => integer(*value),
        Value::Float64(value) => match crate::value::whole(*value) {
            Some(value) => integer(value),
            None => tagged(3, &value.to_bits().to_be_bytes()),
        },
        Value::Decimal(value) => text(4, value),
        Value::Text(value) => text(5, value),
        Value::Bytes(value) => tagged(6, value),
        Value::Date(value) => tagged(7, &value.to_be_bytes()),
        Value::Timestamp(value) => tagged(8, &value.to_be_bytes()),
    }
}

/// The sets of a table being made, group after group.
pub(super) struct Sets {
    /// Where the members of each group begin, and where the last one's end.
    starts: Vec<usize>,
    /// Subject and pair, by group and then by subject.
    members: Vec<(u32, u32)>,
    sets: Vec<Vec<u32>>,
    /// The first set of the group at hand.
    first: usize,
}

impl Sets {
    /// Puts the pairs (group, subject) in order, by counting: first by subject, then by group.
    pub(super) fn new(groups: usize, subjects: usize, pairs: &[(u32, u32)]) -> Self {
        let by_subject = pairs.iter().zip(0..).map(|((_, subject), pair)| (*subject, pair));
        let (_, by_subject) = in_order(subjects, pairs.len(), by_subject);
        let by_group = by_subject.iter().map(|pair| (pairs[index(*pair)].0, (pairs[index(*pair)].1, *pair)));
        let (starts, members) = in_order(groups, pairs.len(), by_group);
        Self { starts, members, sets: Vec::new(), first: 0 }
    }

    /// Begins the next group: sets are shared within one.
    pub(super) fn begin(&mut self) {
        self.first = self.sets.len();
    }

    /// The set of those of a group's subjects whose pair is in; there are `count` of them.
    pub(super) fn set(&mut self, group: usize, count: u64, is_in: impl Fn(u32) -> bool) -> u32 {
        let members = &self.members[self.starts[group]..self.starts[group + 1]];
        let count = usize::try_from(count).expect("a count of pairs fits into a usize");
        let own = self.sets.iter().enumerate().skip(self.first);
        let (known, set) = if count == members.len() {
            // no other set of this group is as large
            let known = own.filter(|(_, set)| set.len() == count).map(|(place, _)| place).next();
            (known, if known.is_some() { Vec::new() } else { members.iter().map(|(subject, _)| *subject).collect() })
        } else {
            let mut set = Vec::with_capacity(count);
            set.extend(members.iter().filter(|(_, pair)| is_in(*pair)).map(|(subject, _)| *subject));
            (own.filter(|(_, other)| **other == set).map(|(place, _)| place).next(), set)
        };
        let place = known.unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        u32::try_from(place).expect("the limits on groups and measures are far below 2^32 sets")
    }

    /// All sets.
    pub(super) fn finish(self) -> Vec<Vec<u32>> {
        self.sets
    }
}

/// A counting sort: the items by their key, in the order in which they came, and where each key's items begin and end.
fn in_order<T: Copy + Default>(
    keys: usize,
    length: usize,
    items: impl Iterator<Item = (u32, T)> + Clone,
) -> (Vec<usize>, Vec<T>) {
    let mut starts = vec![0_usize; keys + 1];
    items.clone().for_each(|(key, _)| starts[index(key) + 1] += 1);
    for key in 0..keys {
        starts[key + 1] += starts[key];
    }
    let mut next = starts.clone();
    let mut sorted = vec![T::default(); length];
    for (key, item) in items {
        let place = &mut next[index(key)];
        sorted[*place] = item;
        *place += 1;
    }
    (starts, sorted)
}
