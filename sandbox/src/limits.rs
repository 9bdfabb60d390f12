//! What one run may use, and the meter that says no to its memory.

use std::time::Duration;
use wasmtime::ResourceLimiter;

/// The bytes that one call from a component may carry into the host (wasmtime's hostcall fuel): a list of 2^31 items traps before it is allocated.
pub(crate) const HOSTCALL_BYTES: usize = 16 * 1024 * 1024;

/// The most host resources (connections, results, tables, outputs) that a component holds at a time.
pub(crate) const RESOURCES: usize = 1_000;

/// The most core instances of one component: componentize-py needs 38.
pub(crate) const CORE_INSTANCES: u32 = 64;

/// The most linear memories of one component: its own, and those of adapters.
pub(crate) const MEMORIES: u32 = 4;

/// The most tables of one component.
pub(crate) const TABLES: u32 = 32;

/// The most elements of one table.
pub(crate) const TABLE_ELEMENTS: usize = 131_072;

/// The largest batch that a component gets at once, in bytes.
pub(crate) const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The largest batch that a component gets at once, in rows.
pub(crate) const BATCH_ROWS: u32 = 65_536;

/// The most rows of one `query-rows`.
pub(crate) const ROWS_AT_ONCE: usize = 10_000;

/// What one run may use. A run that meets a limit ends; nothing it made is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wasmtime's fuel, roughly one unit an instruction; `None` = time alone. Needs an engine that counts fuel.
    pub fuel: Option<u64>,
    /// All linear memories together, in bytes.
    pub memory_bytes: u64,
    /// From the start of the run to its end, host calls included.
    pub wall: Duration,
    /// The largest single output, in bytes.
    pub output_bytes: u64,
    /// The most finished outputs.
    pub outputs: usize,
    /// The rows that may reach the component, over all queries.
    pub rows: u64,
    /// The bytes of rows that may reach the component, over all queries.
    pub bytes: u64,
    /// The statements that the engine runs for the component, witnessed operations included.
    pub queries: u32,
    /// The results that are open at a time; each may hold an engine's memory.
    pub open_results: u32,
    /// The most groups of one witnessed table.
    pub groups: usize,
    /// The most pairs of a group and a subject behind one witnessed table: about 80 bytes of the host's memory each.
    pub group_subjects: usize,
    /// What the witnessed tables that a run holds or hands over may keep of their contributors together, in bytes: a subject costs about 60 for
    /// each table, and its place in a group 4.
    pub contributor_bytes: u64,
    /// The most lines of the component's log; further lines are dropped and counted.
    pub log_lines: usize,
    /// The longest line of the component's log, in bytes; the rest of a line is dropped.
    pub log_line_bytes: usize,
}

impl Limits {
    /// How long a task's snapshots of its datasets may be held: the run, the comparison of its outputs, and a minute to begin and to end.
    #[must_use]
    pub fn session(&self) -> Duration {
        self.wall.saturating_add(crate::source::TIME.1).saturating_add(Duration::from_secs(60))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: None,
            memory_bytes: 512 * 1024 * 1024,
            wall: Duration::from_secs(600),
            output_bytes: 16 * 1024 * 1024,
            outputs: 50,
            rows: 100_000_000,
            bytes: 16 * 1024 * 1024 * 1024,
            queries: 1_000,
            open_results: 8,
            groups: 100_000,
            group_subjects: 16_000_000,
            contributor_bytes: 2 * 1024 * 1024 * 1024,
            log_lines: 1_000,
            log_line_bytes: 4 * 1024,
        }
    }
}

/// Counts a store's memory and remembers that the limit was met: what the component sees is only that `memory.grow` failed, and most
/// allocators then trap, so without this flag a run out of memory looks like any other trap.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: usize,
    held: usize,
    /// What the last permitted growth added, given back if the growth then fails.
    last: usize,
    peak: usize,
    met: bool,
}

impl Meter {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        Self { limit: usize::try_from(memory_bytes).unwrap_or(usize::MAX), held: 0, last: 0, peak: 0, met: false }
    }

    /// Whether a growth was refused because of the limit.
    pub(crate) fn met(&self) -> bool {
        self.met
    }

    /// The most bytes held at a time.
    pub(crate) fn peak(&self) -> usize {
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
