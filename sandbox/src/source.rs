//! What of the data stands in an output that the component wrote itself: the host reads the data once more and looks.
//!
//! `printed` takes an output apart into values by column and row, `form` makes a value comparable however it is spelt, `scan` reads the personal
//! relations past it and `copies` keeps how well each row of an output agrees with a row of the data; `subjects` counts what the component read.
//! All of it is bounded in memory and time, none of it is charged to the component, and nothing of it is logged.

mod copies;
mod form;
mod printed;
mod scan;
mod subjects;

use crate::database::Session;
use crate::output::{Content, Output, SourceFacts};
use printed::Printed;
use std::sync::Arc;
use std::time::{Duration, Instant};
pub(crate) use subjects::DistinctSubjects;

/// The least and the most that a comparison may take, whatever is left of the run's time.
pub(crate) const TIME: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// What a component read.
pub(crate) struct Read {
    /// The datasets whose handles it opened, as it saw them.
    pub(crate) sessions: Vec<Arc<dyn Session>>,
    /// Rows of results.
    pub(crate) rows: u64,
    /// Distinct subjects of results.
    pub(crate) subjects: u64,
}

/// How long the comparison may take when so much is left of the run's time.
pub(crate) fn time(left: Duration) -> Duration {
    left.clamp(TIME.0, TIME.1)
}

/// A comparison of all outputs of one run.
pub(crate) struct Comparison {
    printed: Printed,
    read: Read,
    complete: bool,
}

impl Comparison {
    /// Takes the outputs apart.
    pub(crate) fn new(outputs: &[Output], read: Read) -> Self {
        let mut printed = Printed::default();
        for output in outputs {
            if let Content::Opaque { bytes, .. } = &output.content {
                printed.add(bytes);
            }
        }
        Self { printed, read, complete: false }
    }

    /// Reads the data. It may be dropped at any time: what was found until then stays.
    pub(crate) async fn run(&mut self, until: Instant) {
        self.complete = scan::all(&mut self.printed, &self.read.sessions, until).await;
    }

    /// Puts the facts beside the outputs that they were made from.
    pub(crate) fn finish(self, outputs: &mut [Output]) {
        let opaque = outputs.iter_mut().filter_map(|output| match &mut output.content {
            Content::Opaque { source, .. } => Some(source),
            Content::Witnessed(_) => None,
        });
        for (source, found) in opaque.zip(self.printed.found()) {
            *source = SourceFacts {
                rows_read: self.read.rows,
                subjects_read: self.read.subjects,
                probed: self.complete && found.whole,
                key_hits: found.key_hits,
                equal_rows: found.equal_rows,
            };
        }
    }
}

#[cfg(all(test, feature = "datafusion"))]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
