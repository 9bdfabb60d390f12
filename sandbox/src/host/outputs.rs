//! `outputs`: what a component hands over.

use super::Host;
use super::answer::Unanswered;
use crate::bindings::quintes::analysis::outputs::Error;
use crate::output::NotTaken;

impl From<NotTaken> for Error {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::NotDeclared => Self::NotDeclared,
            NotTaken::TooLarge => Self::TooLarge,
            NotTaken::Closed => Self::Closed,
        }
    }
}

impl Host {
    pub(super) fn create(&mut self, name: &str, media_type: &str) -> Result<Result<u32, Error>, Unanswered> {
        self.held.has_room()?;
        match self.outputs.create(name, media_type) {
            Ok(writer) => Ok(Ok(self.held.writers.hold(writer)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    pub(super) fn write_table(&mut self, name: &str, table: u32) -> Result<Result<(), Error>, Unanswered> {
        let table = self.held.tables.take(table)?;
        let held = table.contributors.bytes();
        let taken = self.outputs.table(name, table);
        if taken.is_err() {
            self.contributor_bytes -= held;
        }
        Ok(taken.map_err(Into::into))
    }

    pub(super) fn write(&mut self, output: u32, bytes: &[u8]) -> Result<Result<(), Error>, Unanswered> {
        let writer = self.held.writers.get_mut(output)?;
        Ok(self.outputs.write(writer, bytes).map_err(Into::into))
    }

    pub(super) fn finish(&mut self, output: u32) -> Result<Result<(), Error>, Unanswered> {
        let writer = self.held.writers.take(output)?;
        Ok(self.outputs.finish(writer).map_err(Into::into))
    }

    pub(super) fn drop_output(&mut self, output: u32) -> Result<(), Unanswered> {
        let writer = self.held.writers.take(output)?;
        self.outputs.discard(writer);
        Ok(())
    }
}
