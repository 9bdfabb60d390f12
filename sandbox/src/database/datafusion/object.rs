//! One object read from its beginning or its end, by the code that reads files.

use super::bucket::Pinned;
use bytes::Bytes;
use datafusion::object_store::ObjectStoreExt as _;
use datafusion::object_store::path::Path;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use std::io::{self, Cursor, Read};
use tokio::runtime::Handle;

/// How much is asked for at a time, in bytes: each request has a time limit of its own.
const PART: u64 = 8 * 1024 * 1024;

/// An object. It waits for the store, so it is read where blocking is allowed.
#[derive(Clone)]
pub(super) struct Object {
    store: Pinned,
    path: Path,
    runtime: Handle,
    at: u64,
    part: Cursor<Vec<u8>>,
}

impl Object {
    pub(super) fn new(store: Pinned, path: Path, runtime: Handle) -> Self {
        Self { store, path, runtime, at: 0, part: Cursor::default() }
    }

    /// Its size, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.store.size(&self.path)
    }

    fn range(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let read = self.runtime.block_on(self.store.get_range(&self.path, from..to));
        read.map(Into::into).map_err(io::Error::other)
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let to = self.len().min(self.at.saturating_add(PART));
        self.part = Cursor::new(self.range(self.at, to)?);
        self.at = to;
        self.part.read(buffer)
    }
}

impl Length for Object {
    fn len(&self) -> u64 {
        self.size()
    }
}

impl ChunkReader for Object {
    type T = Self;

    fn get_read(&self, start: u64) -> Result<Self> {
        Ok(Self { at: start, part: Cursor::default(), ..self.clone() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let length = u64::try_from(length).map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(self.range(start, start.saturating_add(length))?.into())
    }
}
