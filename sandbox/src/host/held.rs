//! What a run holds by a handle: connections, running results, witnessed tables and outputs that are being written.

use super::answer::Unanswered;
use super::stream::Stream;
use crate::database::Session;
use crate::limits::RESOURCES;
use crate::output::Writer;
use crate::witness::WitnessedTable;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `database.connection`: one granted dataset.
#[derive(Clone)]
pub(crate) struct Connection {
    /// The handle's name.
    pub(crate) dataset: Arc<str>,
    pub(crate) session: Arc<dyn Session>,
}

/// All that a run holds. A handle is given once, for one thing, in one room; a number of another room is no handle there.
#[derive(Default)]
pub(super) struct Held {
    pub(super) connections: Room<Connection>,
    pub(super) streams: Room<Stream>,
    pub(super) tables: Room<WitnessedTable>,
    pub(super) writers: Room<Writer>,
}

impl Held {
    /// Whether there is room for one thing more.
    pub(super) fn has_room(&self) -> Result<(), Unanswered> {
        let held = self.connections.0.len() + self.streams.0.len() + self.tables.0.len() + self.writers.0.len();
        if held < RESOURCES { Ok(()) } else { Err(Unanswered::TooManyHandles) }
    }
}

/// Things of one kind by their handles.
pub(super) struct Room<T>(BTreeMap<u32, T>, u32);

impl<T> Default for Room<T> {
    fn default() -> Self {
        Self(BTreeMap::new(), 0)
    }
}

impl<T> Room<T> {
    /// Puts a thing in and gives its handle, which was never given before.
    pub(super) fn hold(&mut self, thing: T) -> Result<u32, Unanswered> {
        self.1 = self.1.checked_add(1).ok_or(Unanswered::TooManyHandles)?;
        self.0.insert(self.1, thing);
        Ok(self.1)
    }

    pub(super) fn get(&self, handle: u32) -> Result<&T, Unanswered> {
        self.0.get(&handle).ok_or(Unanswered::NoSuchHandle)
    }

    pub(super) fn get_mut(&mut self, handle: u32) -> Result<&mut T, Unanswered> {
        self.0.get_mut(&handle).ok_or(Unanswered::NoSuchHandle)
    }

    pub(super) fn take(&mut self, handle: u32) -> Result<T, Unanswered> {
        self.0.remove(&handle).ok_or(Unanswered::NoSuchHandle)
    }

    /// Puts a thing back that was taken out for a while.
    pub(super) fn put_back(&mut self, handle: u32, thing: T) {
        self.0.insert(handle, thing);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_given_once_and_ends_with_its_thing() {
        let mut room = Room::default();
        let first = room.hold("first").unwrap();
        assert_eq!(room.take(first).unwrap(), "first");
        assert!(matches!(room.get(first), Err(Unanswered::NoSuchHandle)));
        assert_ne!(room.hold("second").unwrap(), first);
        room.1 = u32::MAX;
        assert!(matches!(room.hold("third"), Err(Unanswered::TooManyHandles)));
    }
}
