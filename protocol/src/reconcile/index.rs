//! The ids of statements in the order of time, in blocks: what comes and leaves, and a copy of the whole, cost little at any size.

use crate::wire::id::StatementId;
use negentropy::{Bound, Error, Id, Item, NegentropyStorageBase};
use std::sync::Arc;

/// The most ids of one block; a full one is divided.
const BLOCK: usize = 512;

/// Statements by when they were signed, then by id, each once.
///
/// A million ids are some 4,000 blocks of at most 20 kB. Whoever comes or leaves changes one block; a clone shares all of them, so that a round can be
/// computed beside the node that goes on.
#[derive(Clone, Debug, Default)]
pub struct Index {
    blocks: Vec<Arc<Vec<Item>>>,
    /// How many ids stand before each block.
    before: Vec<usize>,
    size: usize,
}

fn item(signed: u64, id: &StatementId) -> Item {
    Item::with_timestamp_and_id(signed, Id::from_byte_array(id.0))
}

impl Index {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.size
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Adds the statement that was signed then (seconds since 1970); false when it is there already.
    pub fn insert(&mut self, signed: u64, id: &StatementId) -> bool {
        let new = item(signed, id);
        if self.blocks.is_empty() {
            self.blocks.push(Arc::new(vec![new]));
            self.before.push(0);
            self.size = 1;
            return true;
        }
        let at = self.block_of(&new);
        let Err(place) = self.blocks[at].binary_search(&new) else { return false };
        let block = Arc::make_mut(&mut self.blocks[at]);
        block.insert(place, new);
        self.size += 1;
        if block.len() > BLOCK {
            let upper = block.split_off(BLOCK / 2);
            self.blocks.insert(at + 1, Arc::new(upper));
            self.before.insert(at + 1, 0);
        }
        self.count_from(at);
        true
    }

    /// Takes a statement out; false when it is not there.
    pub fn remove(&mut self, signed: u64, id: &StatementId) -> bool {
        let old = item(signed, id);
        if self.blocks.is_empty() {
            return false;
        }
        let at = self.block_of(&old);
        let Ok(place) = self.blocks[at].binary_search(&old) else { return false };
        Arc::make_mut(&mut self.blocks[at]).remove(place);
        self.size -= 1;
        if self.blocks[at].is_empty() {
            self.blocks.remove(at);
            self.before.remove(at);
        }
        self.count_from(at);
        true
    }

    /// The block that holds `item`, or into which it belongs. There is one.
    fn block_of(&self, item: &Item) -> usize {
        self.blocks.partition_point(|block| block.first().is_some_and(|first| first <= item)).saturating_sub(1)
    }

    fn count_from(&mut self, at: usize) {
        for block in at.max(1)..self.blocks.len() {
            self.before[block] = self.before[block - 1] + self.blocks[block - 1].len();
        }
        if let Some(first) = self.before.first_mut() {
            *first = 0;
        }
    }

    /// How many come before `item`.
    fn rank(&self, item: &Item) -> usize {
        if self.blocks.is_empty() {
            return 0;
        }
        let at = self.block_of(item);
        self.before[at] + self.blocks[at].partition_point(|one| one < item)
    }

    /// The items from place `begin` to `end`, block by block, with the place of each block's first.
    fn parts(&self, begin: usize, end: usize) -> impl Iterator<Item = (usize, &[Item])> {
        let first = self.before.partition_point(|before| *before <= begin).saturating_sub(1);
        let blocks = self.blocks.iter().zip(&self.before).skip(first);
        blocks.take_while(move |(_, before)| **before < end).map(move |(block, before)| {
            let from = begin.saturating_sub(*before).min(block.len());
            let to = (end - before).min(block.len());
            (before + from, &block[from..to.max(from)])
        })
    }

    /// Every id, in order; for tests and for whoever counts.
    pub fn ids(&self) -> impl Iterator<Item = StatementId> {
        self.blocks.iter().flat_map(|block| block.iter().map(|item| StatementId(item.id.to_bytes())))
    }
}

/// Whoever asks for more than there is gets what there is.
impl NegentropyStorageBase for Index {
    fn size(&self) -> Result<usize, Error> {
        Ok(self.size)
    }

    fn get_item(&self, i: usize) -> Result<Option<Item>, Error> {
        Ok(self.parts(i, i.saturating_add(1)).find_map(|(_, items)| items.first().copied()))
    }

    fn iterate(
        &self,
        begin: usize,
        end: usize,
        cb: &mut dyn FnMut(Item, usize) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        for (place, items) in self.parts(begin, end) {
            for (place, item) in (place..).zip(items) {
                if !cb(*item, place)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn find_lower_bound(&self, first: usize, last: usize, value: &Bound) -> usize {
        self.rank(&value.item).max(first).min(last.max(first))
    }
}
