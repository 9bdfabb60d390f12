//! The ledger's file: sets of hashed subjects by content, and what left with which of them, in redb.

use super::LedgerError;
use protocol::disclosure::contributors::{Contributors, Subjects};
use protocol::disclosure::differencing::whole;
use protocol::disclosure::table::Column;
use protocol::record::submission::TaskId;
use protocol::wire::id::Digest;
use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Sets by [`Name`]; the value is their hashes, ascending, 64 bits each, little-endian.
const SETS: TableDefinition<'_, &Name, &[u8]> = TableDefinition::new("sets");

/// Releases by task; the value is an [`Entry`] in CBOR.
const RELEASES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("releases");

/// One entry: a value that only the hash key gives.
const KEY: TableDefinition<'_, (), &[u8; 32]> = TableDefinition::new("key");

/// One entry: the version of this layout.
const LAYOUT: TableDefinition<'_, (), u64> = TableDefinition::new("layout");

/// How much of the file stays in memory: it is read once from end to end, and then here and there.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The layout that this program writes.
pub(super) const LAYOUT_VERSION: u64 = 1;

/// BLAKE3 over a dataset's name and a set's hashes.
pub(super) type Name = [u8; 32];

/// The name of a set.
pub(super) fn name(dataset: &str, set: &Subjects) -> Name {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(dataset.len() as u64).to_le_bytes()).update(dataset.as_bytes()).update(&to_bytes(set));
    *hasher.finalize().as_bytes()
}

fn to_bytes(set: &Subjects) -> Vec<u8> {
    set.hashes().iter().flat_map(|hash| hash.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Subjects {
    Subjects::of(bytes.as_chunks().0.iter().map(|hash| u64::from_le_bytes(*hash)).collect())
}

/// What left with one task.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// When, seconds since 1970.
    pub(super) released_at: u64,
    /// Every output that was held, in the order of their names.
    pub(super) outputs: Vec<OutputEntry>,
}

/// One output that was held.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OutputEntry {
    /// Its name.
    pub(super) name: String,
    /// SHA-256 of its contributors in their layout at rest.
    pub(super) digest: Digest,
    /// Its contributors; none when it stayed.
    pub(super) left: Option<Left>,
}

/// The contributors of an output that left.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Left {
    dataset: String,
    /// The columns' names.
    pub(super) columns: Vec<String>,
    /// The sets' names, in the order of [`Contributors::sets`].
    sets: Vec<serde_bytes::ByteArray<32>>,
    /// For each cell its set plus one, or 0; 32 bits each, little-endian.
    #[serde(with = "serde_bytes")]
    of: Vec<u8>,
}

impl Left {
    /// What to keep of an output that leaves, with the sets that it needs.
    pub(super) fn of(columns: &[Column], contributors: &Contributors, sets: &mut BTreeMap<Name, Subjects>) -> Self {
        let mut keep = |set: &Subjects| {
            let name = name(&contributors.dataset, set);
            sets.insert(name, set.clone());
            serde_bytes::ByteArray::new(name)
        };
        keep(&whole(contributors, 0).everybody);
        let cell = |set: &Option<u32>| set.map_or(0, |set| set.saturating_add(1)).to_le_bytes();
        Self {
            dataset: contributors.dataset.clone(),
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            sets: contributors.sets.iter().map(&mut keep).collect(),
            of: contributors.of.iter().flatten().flat_map(cell).collect(),
        }
    }
}

/// The combined digest, as `Held::contributors_digest` makes it.
pub(super) fn combined(entry: &Entry) -> Digest {
    Digest::of(&entry.outputs.iter().map(|output| output.digest.0).collect::<Vec<_>>().concat())
}

fn storage(error: impl Into<redb::Error>) -> LedgerError {
    LedgerError::Storage(error.into())
}

/// The open file; redb holds a lock on it.
pub(super) struct File(Database);

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(LedgerError::Open)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| LedgerError::Open(error.into()))?;
        let write = database.begin_write().map_err(storage)?;
        {
            write.open_table(SETS).map_err(storage)?;
            write.open_table(RELEASES).map_err(storage)?;
            write.open_table(KEY).map_err(storage)?;
            let mut layout = write.open_table(LAYOUT).map_err(storage)?;
            let found = layout.get(()).map_err(storage)?.map(|version| version.value());
            match found {
                None => {
                    layout.insert((), LAYOUT_VERSION).map_err(storage)?;
                }
                Some(version) if version > LAYOUT_VERSION => return Err(LedgerError::Newer(version)),
                Some(_) => {}
            }
        }
        write.commit().map_err(storage)?;
        Ok(Self(database))
    }

    /// Whether the sets here were hashed with the key that gives this value; a new file takes it.
    pub(super) fn is_of_key(&self, check: &[u8; 32]) -> Result<bool, LedgerError> {
        let write = self.0.begin_write().map_err(storage)?;
        let found = {
            let mut table = write.open_table(KEY).map_err(storage)?;
            let found = table.get(()).map_err(storage)?.map(|found| *found.value());
            if found.is_none() {
                table.insert((), check).map_err(storage)?;
            }
            found
        };
        write.commit().map_err(storage)?;
        Ok(found.is_none_or(|found| found == *check))
    }

    /// Every release, by task; none in place of one that is not in our layout.
    pub(super) fn entries(&self) -> Result<Vec<(TaskId, Option<Entry>)>, LedgerError> {
        let read = self.0.begin_read().map_err(storage)?;
        let table = read.open_table(RELEASES).map_err(storage)?;
        let mut entries = Vec::new();
        for entry in table.iter().map_err(storage)? {
            let (task, bytes) = entry.map_err(storage)?;
            let entry = ciborium::from_reader(bytes.value()).ok();
            entries.push((protocol::wire::id::StatementId(*task.value()), entry));
        }
        Ok(entries)
    }

    /// A look at the sets as of now.
    pub(super) fn sets(&self) -> Result<Sets, LedgerError> {
        let read = self.0.begin_read().map_err(storage)?;
        Ok(Sets(read.open_table(SETS).map_err(storage)?))
    }

    /// Makes a release durable, with its sets, in one transaction.
    pub(super) fn write(
        &self,
        task: &TaskId,
        entry: &Entry,
        sets: &BTreeMap<Name, Subjects>,
    ) -> Result<(), LedgerError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(entry, &mut bytes).expect("writing to memory does not fail");
        let mut write = self.0.begin_write().map_err(storage)?;
        write.set_two_phase_commit(true);
        {
            let mut table = write.open_table(SETS).map_err(storage)?;
            for (name, set) in sets {
                let set = to_bytes(set);
                let same = table.get(name).map_err(storage)?.is_some_and(|known| known.value() == set);
                if !same {
                    table.insert(name, set.as_slice()).map_err(storage)?;
                }
            }
            let mut releases = write.open_table(RELEASES).map_err(storage)?;
            releases.insert(&task.0, bytes.as_slice()).map_err(storage)?;
        }
        write.commit().map_err(storage)
    }
}

/// The sets as of one moment.
pub(super) struct Sets(ReadOnlyTable<&'static Name, &'static [u8]>);

impl Sets {
    /// A set by its name.
    pub(super) fn get(&self, name: &Name) -> Result<Option<Subjects>, LedgerError> {
        Ok(self.0.get(name).map_err(storage)?.map(|bytes| from_bytes(bytes.value())))
    }

    /// An output that left; none when what is here is not what its digest says any more.
    pub(super) fn restore(&self, left: &Left, digest: &Digest) -> Result<Option<Restored>, LedgerError> {
        let names: Vec<Name> = left.sets.iter().map(|name| **name).collect();
        let mut sets = Vec::with_capacity(names.len());
        for name in &names {
            let Some(set) = self.get(name)? else { return Ok(None) };
            sets.push(set);
        }
        let cell = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes).checked_sub(1);
        let cells: Vec<Option<u32>> = left.of.as_chunks().0.iter().map(cell).collect();
        let of = cells.chunks(left.columns.len().max(1)).map(<[_]>::to_vec).collect();
        let contributors = Contributors { dataset: left.dataset.clone(), sets, of };
        let everybody = whole(&contributors, 0).everybody;
        let total = name(&contributors.dataset, &everybody);
        let same = Digest::of(&contributors.to_bytes()) == *digest && self.get(&total)?.as_ref() == Some(&everybody);
        Ok(same.then_some(Restored { contributors, names, everybody, total }))
    }
}

/// An output that left, as it was.
pub(super) struct Restored {
    pub(super) contributors: Contributors,
    /// The names of its sets.
    pub(super) names: Vec<Name>,
    /// Everybody in the table.
    pub(super) everybody: Subjects,
    /// The name of that set.
    pub(super) total: Name,
}
