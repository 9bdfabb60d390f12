//! The meter that says no to a component's memory, and remembers that it did.

use crate::limits::{CORE_INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};
use wasmtime::ResourceLimiter;

/// Counts a store's memory and remembers that the limit was met: what the component sees is only that `memory.grow` failed, and most
/// allocators then trap, so without this flag a run out of memory looks like any other trap.
#[derive(Debug)]
pub(super) struct Meter {
    limit: usize,
    held: usize,
    /// What the last permitted growth added, given back if the growth then fails.
    last: usize,
    peak: usize,
    met: bool,
}

impl Meter {
    pub(super) fn new(memory_bytes: u64) -> Self {
        Self { limit: usize::try_from(memory_bytes).unwrap_or(usize::MAX), held: 0, last: 0, peak: 0, met: false }
    }

    /// Whether a growth was refused because of the limit.
    pub(super) fn met(&self) -> bool {
        self.met
    }

    /// The most bytes held at a time.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current);
        if self.held.saturating_add(added) > self.limit {
            self.met = true;
            return Ok(false);
        }
        // The memory's own declared maximum is the component's wish, not our limit.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.held += added;
        self.last = added;
        self.peak = self.peak.max(self.held);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.held -= self.last;
        self.last = 0;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        // one component's core instances and the component instances around them
        2 * usize::try_from(CORE_INSTANCES).expect("a u32 fits into a usize here")
    }

    fn tables(&self) -> usize {
        usize::try_from(TABLES).expect("a u32 fits into a usize here")
    }

    fn memories(&self) -> usize {
        usize::try_from(MEMORIES).expect("a u32 fits into a usize here")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_limit_spans_all_memories_and_is_remembered() {
        let mut meter = Meter::new(128 * 1024);
        assert!(meter.memory_growing(0, 65_536, None).unwrap());
        assert!(meter.memory_growing(0, 65_536, None).unwrap());
        assert!(!meter.met());
        assert!(!meter.memory_growing(65_536, 131_072, None).unwrap());
        assert!(meter.met());
        assert_eq!(meter.peak(), 131_072);
    }

    #[test]
    fn a_declared_maximum_is_not_our_limit() {
        let mut meter = Meter::new(1 << 30);
        assert!(!meter.memory_growing(65_536, 131_072, Some(65_536)).unwrap());
        assert!(!meter.met());
    }

    #[test]
    fn a_failed_growth_is_given_back() {
        let mut meter = Meter::new(65_536);
        assert!(meter.memory_growing(0, 65_536, None).unwrap());
        meter.memory_grow_failed(wasmtime::Error::msg("the system said no")).unwrap();
        assert!(meter.memory_growing(0, 65_536, None).unwrap());
    }
}
