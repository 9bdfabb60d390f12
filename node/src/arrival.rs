//! A released file on its way: proven bytes are appended, so that its length says where to go on after any cut, on either side.

use crate::slice::{self, OtherBytes};
use futures::{Stream, StreamExt as _};
use protocol::record::release::Sealed;
use protocol::wire::message::{Request, Response};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Slices on their way at once: a cut costs what was under way, at most a megabyte.
pub const IN_FLIGHT: usize = 4;

/// Why a file did not arrive as a whole. What has arrived is kept.
#[derive(Debug, Error)]
pub enum ArrivalError {
    /// The disk failed, or is full.
    #[error("the disk failed; is it full?")]
    Disk(#[from] io::Error),
    /// Other bytes than were released.
    #[error(transparent)]
    Other(#[from] OtherBytes),
    /// Whoever was asked does not have it.
    #[error("the member does not have the file, and nobody whom it can ask has it now")]
    Unknown,
    /// Whoever was asked stopped answering.
    #[error("the line was cut")]
    Cut,
}

/// A file that arrives.
pub struct Arrival {
    path: PathBuf,
    file: File,
    sealed: Sealed,
    length: u64,
}

impl Arrival {
    /// Begins, or goes on where an earlier arrival at `path` stopped.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn at(path: &Path, sealed: Sealed) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let found = file.metadata()?.len();
        // Slices begin at multiples of their size; one that was cut off while it was written is asked for again.
        let length = if found > sealed.bytes {
            0
        } else if found == sealed.bytes {
            found
        } else {
            found - found % slice::ALIGNED
        };
        file.set_len(length)?;
        Ok(Self { path: path.to_owned(), file, sealed, length })
    }

    /// How many bytes are here.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether all of them are.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.length == self.sealed.bytes
    }

    /// What to ask for, in order; members pass the question on over `hops`.
    pub fn questions(&self, hops: u8) -> impl Iterator<Item = Request> + Send + use<> {
        let sealed = self.sealed;
        let mut next = self.length;
        std::iter::from_fn(move || {
            let range = slice::range(&sealed, next)?;
            next = range.end;
            Some(Request::Slice { file: sealed, offset: range.start, hops })
        })
    }

    /// Takes answers in the order of the questions, until the file is whole. `progress` is told the length after each.
    ///
    /// # Errors
    /// [`ArrivalError`]; the next attempt goes on.
    pub async fn take_all(
        &mut self,
        answers: impl Stream<Item = Option<Response>>,
        mut progress: impl FnMut(u64),
    ) -> Result<(), ArrivalError> {
        let mut answers = std::pin::pin!(answers);
        while !self.is_whole() {
            match answers.next().await.flatten() {
                Some(Response::Slice { slice }) => tokio::task::block_in_place(|| self.take(&slice))?,
                Some(Response::Unknown) => return Err(ArrivalError::Unknown),
                Some(_) | None => return Err(ArrivalError::Cut),
            }
            progress(self.length);
        }
        Ok(())
    }

    /// Appends the next slice.
    ///
    /// # Errors
    /// [`ArrivalError::Other`], and nothing is taken of it.
    pub fn take(&mut self, slice: &[u8]) -> Result<(), ArrivalError> {
        let bytes = slice::decode(&self.sealed, self.length, slice)?;
        self.file.write_all(&bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The whole file, durable. Its bytes are read once more, so that what a failing disk has lost in between is found.
    ///
    /// # Errors
    /// [`ArrivalError::Other`]: the file is then removed, and the next arrival begins again.
    pub fn finish(self, hashes: &mut Vec<u8>) -> Result<PathBuf, ArrivalError> {
        self.file.sync_all()?;
        let again = io::BufReader::with_capacity(1 << 20, File::open(&self.path)?);
        let root = slice::hash(again, self.sealed.bytes, hashes)?;
        if root != self.sealed.root {
            fs::remove_file(&self.path)?;
            return Err(OtherBytes.into());
        }
        Ok(self.path)
    }
}
