//! What one run may use.

use std::time::Duration;

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

/// The longest line of a log that leaves a worker, in bytes; a run's own limit is at most this.
pub(crate) const LOG_LINE_BYTES: usize = 64 * 1024;

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
