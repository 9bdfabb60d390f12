//! The journal: a node's records and statements in redb, durable before anything that follows from them happens.

use protocol::node::Record;
use protocol::wire::id::StatementId;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use thiserror::Error;

/// Records by their place; the value is CBOR.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

/// Statements by id; the value is the tagged bytes.
const STATEMENTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("statements");

/// One entry: the version of this layout.
const LAYOUT: TableDefinition<'_, (), u64> = TableDefinition::new("layout");

/// The layout that this program writes.
const LAYOUT_VERSION: u64 = 1;

/// Why the journal could not be read or written. A node that cannot write its journal stops.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another process has it, or it is damaged, or the disk failed.
    #[error("the journal could not be opened; is another node running on this state directory?")]
    Open(#[source] redb::DatabaseError),
    /// The disk failed, or is full.
    #[error("the journal could not be read or written; is the disk full?")]
    Storage(#[source] redb::Error),
    /// A record is not one of ours.
    #[error("record {0} of the journal cannot be read; restore the node's state from a backup")]
    Record(u64),
    /// A newer program wrote it.
    #[error("the journal has layout {0}, and this program knows up to {LAYOUT_VERSION}; use a newer quintes")]
    Newer(u64),
}

fn storage(error: impl Into<redb::Error>) -> JournalError {
    JournalError::Storage(error.into())
}

/// An open journal; redb holds a lock on its file, so that there is one at a time.
pub struct Journal {
    database: Database,
    next: u64,
}

impl Journal {
    /// Opens or creates the journal.
    ///
    /// # Errors
    /// [`JournalError`], above all when another process has it open.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let database = Database::create(path).map_err(JournalError::Open)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| JournalError::Open(error.into()))?;
        let write = database.begin_write().map_err(storage)?;
        let next = {
            write.open_table(STATEMENTS).map_err(storage)?;
            let mut layout = write.open_table(LAYOUT).map_err(storage)?;
            let found = layout.get(()).map_err(storage)?.map(|version| version.value());
            match found {
                None => {
                    layout.insert((), LAYOUT_VERSION).map_err(storage)?;
                }
                Some(version) if version > LAYOUT_VERSION => return Err(JournalError::Newer(version)),
                Some(_) => {}
            }
            let records = write.open_table(RECORDS).map_err(storage)?;
            let last = records.last().map_err(storage)?;
            last.map_or(0, |(place, _)| place.value() + 1)
        };
        write.commit().map_err(storage)?;
        Ok(Self { database, next })
    }

    /// Every record, in order.
    ///
    /// # Errors
    /// [`JournalError`] when one cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        let read = self.database.begin_read().map_err(storage)?;
        let table = read.open_table(RECORDS).map_err(storage)?;
        let mut records = Vec::new();
        for entry in table.iter().map_err(storage)? {
            let (place, bytes) = entry.map_err(storage)?;
            let record = ciborium::from_reader(bytes.value()).map_err(|_| JournalError::Record(place.value()))?;
            records.push(record);
        }
        Ok(records)
    }

    /// Makes records durable, all or none, and returns when they are on disk (two-phase commit: a torn write cannot be taken for a
    /// whole one).
    ///
    /// # Errors
    /// [`JournalError`]; nothing was written.
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let mut write = self.database.begin_write().map_err(storage)?;
        write.set_two_phase_commit(true);
        {
            let mut table = write.open_table(RECORDS).map_err(storage)?;
            let mut statements = write.open_table(STATEMENTS).map_err(storage)?;
            for (place, record) in (self.next..).zip(records) {
                let mut bytes = Vec::new();
                ciborium::into_writer(record, &mut bytes).map_err(|_| JournalError::Record(place))?;
                table.insert(place, bytes.as_slice()).map_err(storage)?;
                if let Record::Statement { bytes, .. } = record {
                    statements.insert(&StatementId::of(bytes).0, bytes.as_slice()).map_err(storage)?;
                }
            }
        }
        write.commit().map_err(storage)?;
        self.next += records.len() as u64;
        Ok(())
    }

    /// The bytes of a statement.
    ///
    /// # Errors
    /// [`JournalError`] when the disk fails.
    pub fn statement(&self, id: &StatementId) -> Result<Option<Vec<u8>>, JournalError> {
        let read = self.database.begin_read().map_err(storage)?;
        let table = read.open_table(STATEMENTS).map_err(storage)?;
        Ok(table.get(&id.0).map_err(storage)?.map(|bytes| bytes.value().to_vec()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Journal, JournalError};
    use protocol::node::Record;
    use protocol::wire::id::StatementId;

    #[test]
    fn what_was_appended_is_there_after_reopening_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.redb");
        let statement = Record::Statement { bytes: b"bytes".to_vec(), at: 7 };
        let started = Record::Started { task: StatementId::of(b"task") };
        {
            let mut journal = Journal::open(&path).unwrap();
            journal.append(std::slice::from_ref(&statement)).unwrap();
            journal.append(std::slice::from_ref(&started)).unwrap();
            assert!(matches!(Journal::open(&path), Err(JournalError::Open(_))), "one process at a time");
        }
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.records().unwrap(), [statement, started]);
        assert_eq!(journal.statement(&StatementId::of(b"bytes")).unwrap().unwrap(), b"bytes");
        assert_eq!(journal.statement(&StatementId::of(b"other")).unwrap(), None);
    }
}
