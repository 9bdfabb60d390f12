//! What a run hands over: the declared outputs, finished and within their limits, and the notes for the reviewer.

use crate::limits::Limits;
use crate::witness::WitnessedTable;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// An output that the task declared before it ran; a component cannot make up another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredOutput {
    /// The name, as the task gives it.
    pub name: String,
    /// The IANA media type, for example `text/csv`.
    pub media_type: String,
}

/// What an output holds.
#[derive(Clone, PartialEq)]
pub enum Content {
    /// Computed by the host, with its evidence: tier T1.
    Witnessed(WitnessedTable),
    /// Bytes that the component wrote: tier T2.
    Opaque {
        /// The declared media type.
        media_type: String,
        /// The bytes.
        bytes: Vec<u8>,
        /// What the host found of the data in them.
        source: SourceFacts,
    },
}

/// What a component could have copied into an output, and what of it was found there. It is data of the TRE: `Debug` shows nothing of it, and
/// there is no serialised form.
///
/// The data are the personal relations of every handle that the component opened, read once more, column by column. Values are compared as they
/// are, not as they are spelt: `5`, `5.0` and `5e0` are one number, `2020-01-05` is midnight of that day, text has no case and no edges.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// The rows that reached the component through result sets, over all its handles.
    pub rows_read: u64,
    /// The distinct subjects among the rows of results that have the subject column under its own name; at most 4,000,000 are told apart.
    pub subjects_read: u64,
    /// Whether the comparison is complete. `false` where the bytes are no CSV with a header or have more than 5,000 rows, where time was up
    /// (30 seconds at most), and where the engine failed; what was found until then stands.
    pub probed: bool,
    /// How many distinct values of a column are keys of subjects, by the column's name as in the header, in lower case (`column 3` where it has
    /// none). Columns without any are left out. Only values that tell much are looked for: a number from five digits on, a text from four
    /// characters on, a day or a time. A table of counts would otherwise be full of keys where persons are numbered from 1.
    pub key_hits: BTreeMap<String, u64>,
    /// How many rows repeat a row of the data: values of at least three columns stand together in one row of a personal relation, in the columns
    /// of the same names. A column of another name is compared with all columns, but only in values that tell much, and is believed where three
    /// rows or more of the output agree through such columns. Columns with fewer than three distinct values do not count, nor do values that
    /// stand in more than 64 rows of the output. A combination that ten subjects or more share is a group, not a copy.
    pub equal_rows: u64,
}

/// Facts about the data never reach a log.
impl fmt::Debug for SourceFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceFacts(..)")
    }
}

/// A finished output. `Debug` shows its name and tier, never its content.
#[derive(Clone, PartialEq)]
pub struct Output {
    /// One of the declared names.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// What a run used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// From the start of the run to its end.
    pub wall: Duration,
    /// Wasmtime's fuel; `None` where none was counted.
    pub fuel: Option<u64>,
    /// The most linear memory at a time, in bytes, as its worker says; 0 where the worker was ended before it said.
    pub memory_bytes: u64,
    /// Statements that engines ran.
    pub queries: u32,
    /// Rows that reached the component.
    pub rows: u64,
    /// Bytes of rows that reached the component.
    pub bytes: u64,
    /// Rows that the host read for witnessed tables.
    pub witnessed_rows: u64,
}

/// All that a run hands over. Nothing of it leaves the TRE by itself.
#[derive(Clone, PartialEq)]
pub struct Outputs {
    /// Each declared output once, in the order of the declaration.
    pub outputs: Vec<Output>,
    /// The printed SQL that ran, in order.
    pub statements: Vec<String>,
    /// The component's log and the host's notes (`host: …`), for the reviewer.
    pub log: Vec<String>,
    /// What the run used.
    pub usage: Usage,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Witnessed(_) => "Witnessed(..)",
            Self::Opaque { .. } => "Opaque(..)",
        })
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("name", &self.name).field("content", &self.content).finish()
    }
}

impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Outputs({} outputs, {} statements, {} lines)",
            self.outputs.len(),
            self.statements.len(),
            self.log.len()
        )
    }
}

/// Why an output was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotTaken {
    #[error("the task declares no output of this name and media type")]
    NotDeclared,
    #[error("the output is larger than the limit")]
    TooLarge,
    #[error("the output is already written, or being written")]
    Closed,
}

/// An output that a component is writing (`wit/analysis.wit`, `outputs.output`).
pub(crate) struct Writer {
    slot: usize,
    bytes: Vec<u8>,
}

enum Slot {
    Free,
    Writing,
    Done(Content),
}

/// Collects outputs by the names that the task declared.
pub(crate) struct Collector {
    declared: Vec<DeclaredOutput>,
    slots: Vec<Slot>,
    output_bytes: usize,
    outputs: usize,
}

impl Collector {
    pub(crate) fn new(declared: Vec<DeclaredOutput>, limits: &Limits) -> Self {
        Self {
            slots: declared.iter().map(|_| Slot::Free).collect(),
            declared,
            output_bytes: usize::try_from(limits.output_bytes).unwrap_or(usize::MAX),
            outputs: limits.outputs,
        }
    }

    fn free(&self, name: &str) -> Result<usize, NotTaken> {
        let slot = self.declared.iter().position(|declared| declared.name == name).ok_or(NotTaken::NotDeclared)?;
        match self.slots[slot] {
            Slot::Free => Ok(slot),
            Slot::Writing | Slot::Done(_) => Err(NotTaken::Closed),
        }
    }

    fn finished(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Done(_))).count()
    }

    /// Begins an output of the component's own bytes.
    pub(crate) fn create(&mut self, name: &str, media_type: &str) -> Result<Writer, NotTaken> {
        let slot = self.free(name)?;
        if self.declared[slot].media_type != media_type {
            return Err(NotTaken::NotDeclared);
        }
        self.slots[slot] = Slot::Writing;
        Ok(Writer { slot, bytes: Vec::new() })
    }

    pub(crate) fn write(&self, writer: &mut Writer, bytes: &[u8]) -> Result<(), NotTaken> {
        if writer.bytes.len().saturating_add(bytes.len()) > self.output_bytes {
            return Err(NotTaken::TooLarge);
        }
        writer.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the output: from here on its name is closed.
    pub(crate) fn finish(&mut self, writer: Writer) -> Result<(), NotTaken> {
        if self.finished() >= self.outputs {
            self.slots[writer.slot] = Slot::Free;
            return Err(NotTaken::TooLarge);
        }
        let media_type = self.declared[writer.slot].media_type.clone();
        self.slots[writer.slot] =
            Slot::Done(Content::Opaque { media_type, bytes: writer.bytes, source: SourceFacts::default() });
        Ok(())
    }

    /// Forgets an output that was begun and not finished.
    pub(crate) fn discard(&mut self, writer: Writer) {
        self.slots[writer.slot] = Slot::Free;
    }

    /// Takes a table that the host made, as it is.
    pub(crate) fn table(&mut self, name: &str, table: WitnessedTable) -> Result<(), NotTaken> {
        let slot = self.free(name)?;
        if self.finished() >= self.outputs {
            return Err(NotTaken::TooLarge);
        }
        self.slots[slot] = Slot::Done(Content::Witnessed(table));
        Ok(())
    }

    /// All declared outputs in their order, or the names of those that are missing.
    pub(crate) fn close(self) -> Result<Vec<Output>, Vec<String>> {
        let mut outputs = Vec::new();
        let mut missing = Vec::new();
        for (declared, slot) in self.declared.into_iter().zip(self.slots) {
            match slot {
                Slot::Done(content) => outputs.push(Output { name: declared.name, content }),
                Slot::Free | Slot::Writing => missing.push(declared.name),
            }
        }
        if missing.is_empty() { Ok(outputs) } else { Err(missing) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn collector() -> Collector {
        let declared = vec![
            DeclaredOutput { name: "a".into(), media_type: "text/csv".into() },
            DeclaredOutput { name: "b".into(), media_type: "text/csv".into() },
        ];
        Collector::new(declared, &Limits { output_bytes: 4, ..Limits::default() })
    }

    #[test]
    fn only_a_declared_name_and_type_once() {
        let mut outputs = collector();
        assert_eq!(outputs.create("c", "text/csv").err(), Some(NotTaken::NotDeclared));
        assert_eq!(outputs.create("a", "image/png").err(), Some(NotTaken::NotDeclared));
        let mut writer = outputs.create("a", "text/csv").unwrap();
        assert_eq!(outputs.create("a", "text/csv").err(), Some(NotTaken::Closed));
        outputs.write(&mut writer, b"1").unwrap();
        outputs.finish(writer).unwrap();
        assert_eq!(outputs.create("a", "text/csv").err(), Some(NotTaken::Closed));
        assert_eq!(outputs.close().unwrap_err(), ["b"]);
    }

    #[test]
    fn what_is_not_finished_is_discarded_and_may_be_begun_again() {
        let mut outputs = collector();
        let writer = outputs.create("a", "text/csv").unwrap();
        outputs.discard(writer);
        let writer = outputs.create("a", "text/csv").unwrap();
        drop(writer);
        assert_eq!(outputs.close().unwrap_err(), ["a", "b"]);
    }

    #[test]
    fn the_size_limit_holds_over_many_writes() {
        let mut outputs = collector();
        let mut writer = outputs.create("a", "text/csv").unwrap();
        outputs.write(&mut writer, b"123").unwrap();
        assert_eq!(outputs.write(&mut writer, b"45"), Err(NotTaken::TooLarge));
        outputs.write(&mut writer, b"4").unwrap();
    }

    #[test]
    fn debug_shows_no_content() {
        let content = Content::Opaque {
            media_type: "text/csv".into(),
            bytes: b"canary".to_vec(),
            source: SourceFacts::default(),
        };
        let outputs = Outputs {
            outputs: vec![Output { name: "a".into(), content }],
            statements: vec!["SELECT 'canary'".into()],
            log: vec!["canary".into()],
            usage: Usage::default(),
        };
        assert!(!format!("{outputs:?} {:?}", outputs.outputs).contains("canary"));
    }
}
