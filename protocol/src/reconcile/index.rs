//! The ids of statements in the order of time, in blocks that know their sum: what came, left and is asked about costs little at any size.

use crate::wire::id::StatementId;
use negentropy::{Accumulator, Bound, Error, Fingerprint, Id, Item, NegentropyStorageBase};

/// The most ids of one block; a full one is divided.
const BLOCK: usize = 512;

/// Statements by when they were signed, then by id, each once.
///
/// A million ids are some 4,000 blocks of 20 kB. Whoever comes or leaves changes one block; the fingerprint of a range adds the sums of the blocks
/// within it and looks into the two at its ends.
#[derive(Clone, Debug, Default)]
pub struct Index {
    blocks: Vec<Block>,
    /// How many ids stand before each block.
    before: Vec<usize>,
    size: usize,
}

#[derive(Clone, Debug)]
struct Block {
    items: Vec<Item>,
    sum: Sum,
}

impl Block {
    fn of(items: Vec<Item>) -> Self {
        let mut sum = Sum::default();
        items.iter().for_each(|item| sum.add(&item.id));
        Self { items, sum }
    }
}

/// A sum of ids, each a number of 256 bits in little-endian order, modulo 2^256. negentropy's own can be added to, and not to another.
#[derive(Clone, Copy, Debug, Default)]
struct Sum([u8; 32]);

impl Sum {
    fn add(&mut self, other: &[u8; 32]) {
        let mut carry = false;
        for (lane, more) in self.0.chunks_exact_mut(8).zip(other.chunks_exact(8)) {
            let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("a lane has eight bytes"));
            let (sum, over) = number(lane).overflowing_add(number(more));
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            lane.copy_from_slice(&sum.to_le_bytes());
            carry = over || again;
        }
    }
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
            self.blocks.push(Block::of(vec![new]));
            self.before.push(0);
            self.size = 1;
            return true;
        }
        let at = self.block_of(&new);
        let block = &mut self.blocks[at];
        let Err(place) = block.items.binary_search(&new) else { return false };
        block.items.insert(place, new);
        block.sum.add(&new.id);
        self.size += 1;
        if block.items.len() > BLOCK {
            let upper = block.items.split_off(BLOCK / 2);
            *block = Block::of(std::mem::take(&mut block.items));
            self.blocks.insert(at + 1, Block::of(upper));
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
        let block = &mut self.blocks[at];
        let Ok(place) = block.items.binary_search(&old) else { return false };
        block.items.remove(place);
        self.size -= 1;
        if block.items.is_empty() {
            self.blocks.remove(at);
            self.before.remove(at);
        } else {
            *block = Block::of(std::mem::take(&mut block.items));
        }
        self.count_from(at);
        true
    }

    /// The block that holds `item`, or into which it belongs. There is one.
    fn block_of(&self, item: &Item) -> usize {
        self.blocks.partition_point(|block| block.items.first().is_some_and(|first| first <= item)).saturating_sub(1)
    }

    fn count_from(&mut self, at: usize) {
        for block in at.max(1)..self.blocks.len() {
            self.before[block] = self.before[block - 1] + self.blocks[block - 1].items.len();
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
        self.before[at] + self.blocks[at].items.partition_point(|one| one < item)
    }

    /// The parts of blocks that the places from `begin` to `end` lie in, with the place of each part's first.
    fn parts(&self, begin: usize, end: usize) -> impl Iterator<Item = (usize, &Block, &[Item])> {
        let first = self.before.partition_point(|before| *before <= begin).saturating_sub(1);
        let blocks = self.blocks.iter().zip(&self.before).skip(first);
        blocks.take_while(move |(_, before)| **before < end).map(move |(block, before)| {
            let from = begin.saturating_sub(*before).min(block.items.len());
            let to = (end - before).min(block.items.len());
            (before + from, block, &block.items[from..to.max(from)])
        })
    }

    /// Every id, in order; for tests and for whoever counts.
    pub fn ids(&self) -> impl Iterator<Item = StatementId> {
        self.blocks.iter().flat_map(|block| block.items.iter().map(|item| StatementId(item.id.to_bytes())))
    }
}

/// Whoever asks for more than there is gets what there is.
impl NegentropyStorageBase for Index {
    fn size(&self) -> Result<usize, Error> {
        Ok(self.size)
    }

    fn get_item(&self, i: usize) -> Result<Option<Item>, Error> {
        Ok(self.parts(i, i.saturating_add(1)).find_map(|(_, _, items)| items.first().copied()))
    }

    fn iterate(
        &self,
        begin: usize,
        end: usize,
        cb: &mut dyn FnMut(Item, usize) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        for (place, _, items) in self.parts(begin, end) {
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

    fn fingerprint(&self, begin: usize, end: usize) -> Result<Fingerprint, Error> {
        let mut whole = Sum::default();
        for (_, block, items) in self.parts(begin, end) {
            if items.len() == block.items.len() {
                whole.add(&block.sum.0);
            } else {
                items.iter().for_each(|item| whole.add(&item.id));
            }
        }
        let mut accumulator = Accumulator::new();
        accumulator.add(&whole.0)?;
        accumulator.get_fingerprint(u64::try_from(end.saturating_sub(begin)).unwrap_or(u64::MAX))
    }
}
