//! Why a run has no outputs: a kind that may leave the TRE, and a text that may not.

use crate::host::Host;
use crate::output::Usage;
use std::fmt;

/// The fixed kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The component trapped: a fault of its own, or a call that no component may make.
    Trapped,
    /// It met the limit on memory.
    Memory,
    /// It met the limit on time.
    Time,
    /// It met the limit on fuel.
    Fuel,
    /// It returned an error of its own.
    Returned,
    /// It returned without finishing every declared output.
    OutputMissing,
    /// The run was cancelled.
    Cancelled,
    /// The host could not run it; not the component's fault.
    Host,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Trapped,
        Self::Memory,
        Self::Time,
        Self::Fuel,
        Self::Returned,
        Self::OutputMissing,
        Self::Cancelled,
        Self::Host,
    ];

    /// A word of a fixed vocabulary, safe to leave the TRE.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Trapped => "trapped",
            Self::Memory => "memory-limit",
            Self::Time => "time-limit",
            Self::Fuel => "fuel-limit",
            Self::Returned => "returned-error",
            Self::OutputMissing => "output-missing",
            Self::Cancelled => "cancelled",
            Self::Host => "host-failed",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trapped => "the component trapped; run it on synthetic data to see where",
            Self::Memory => "the component met its memory limit; let it read smaller batches",
            Self::Time => "the component met its time limit; let the engine aggregate",
            Self::Fuel => "the component met its fuel limit; let the engine aggregate",
            Self::Returned => "the component returned an error; the data owner can read its text",
            Self::OutputMissing => "the component did not finish every declared output",
            Self::Cancelled => "the run was cancelled",
            Self::Host => "the node could not run the component; ask its operator",
        })
    }
}

/// A run that has no outputs. `Debug` and `Display` say its kind alone: a component may have put data into its last words (threat 32).
pub struct Failure {
    kind: FailureKind,
    notes: Box<ReviewerNotes>,
}

struct ReviewerNotes {
    detail: String,
    log: Vec<String>,
    statements: Vec<String>,
    usage: Usage,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, detail: String, host: Host) -> Self {
        let (log, statements) = host.notes.close();
        Self { kind, notes: Box::new(ReviewerNotes { detail, log, statements, usage: host.usage }) }
    }

    /// A run that the host did not begin, or did not bring to its end.
    pub(super) fn host(detail: &str) -> Self {
        Self::without_notes(FailureKind::Host, detail.to_owned())
    }

    /// A run that was cancelled before it began.
    pub(super) fn cancelled() -> Self {
        Self::without_notes(FailureKind::Cancelled, String::new())
    }

    fn without_notes(kind: FailureKind, detail: String) -> Self {
        let notes = ReviewerNotes { detail, log: Vec::new(), statements: Vec::new(), usage: Usage::default() };
        Self { kind, notes: Box::new(notes) }
    }

    pub(super) fn missing(names: &[String], log: Vec<String>, statements: Vec<String>, usage: Usage) -> Self {
        let detail = format!("not finished: {}", names.join(", "));
        Self { kind: FailureKind::OutputMissing, notes: Box::new(ReviewerNotes { detail, log, statements, usage }) }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The kind as a word of a fixed vocabulary, safe to leave the TRE.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// What happened: a trap's text and backtrace, or the component's own words. An output like any other, for the reviewer alone.
    #[must_use]
    pub fn detail_for_reviewer(&self) -> &str {
        &self.notes.detail
    }

    /// The component's log and the host's notes, for the reviewer alone.
    #[must_use]
    pub fn log_for_reviewer(&self) -> &[String] {
        &self.notes.log
    }

    /// The printed SQL that ran, for the reviewer alone.
    #[must_use]
    pub fn statements_for_reviewer(&self) -> &[String] {
        &self.notes.statements
    }

    /// What the run used.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.notes.usage
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({})", self.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Failure {}
