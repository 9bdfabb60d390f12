//! `outputs`: what a component hands over.

use super::Host;
use crate::bindings::quintes::analysis::outputs;
use crate::output::{NotTaken, Writer};
use crate::witness::WitnessedTable;
use wasmtime::component::Resource;

impl From<NotTaken> for outputs::Error {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::NotDeclared => Self::NotDeclared,
            NotTaken::TooLarge => Self::TooLarge,
            NotTaken::Closed => Self::Closed,
        }
    }
}

impl outputs::Host for Host {
    async fn create(
        &mut self,
        name: String,
        media_type: String,
    ) -> wasmtime::Result<Result<Resource<Writer>, outputs::Error>> {
        match self.outputs.create(&name, &media_type) {
            Ok(writer) => Ok(Ok(self.table.push(writer)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn write_table(
        &mut self,
        name: String,
        table: Resource<WitnessedTable>,
    ) -> wasmtime::Result<Result<(), outputs::Error>> {
        let table = self.table.delete(table)?;
        let held = table.contributors.bytes();
        let taken = self.outputs.table(&name, table);
        if taken.is_err() {
            self.contributor_bytes -= held;
        }
        Ok(taken.map_err(Into::into))
    }
}

impl outputs::HostOutput for Host {
    async fn write(
        &mut self,
        writer: Resource<Writer>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), outputs::Error>> {
        let writer = self.table.get_mut(&writer)?;
        Ok(self.outputs.write(writer, &bytes).map_err(Into::into))
    }

    async fn finish(&mut self, writer: Resource<Writer>) -> wasmtime::Result<Result<(), outputs::Error>> {
        let writer = self.table.delete(writer)?;
        Ok(self.outputs.finish(writer).map_err(Into::into))
    }

    async fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        let writer = self.table.delete(writer)?;
        self.outputs.discard(writer);
        Ok(())
    }
}
