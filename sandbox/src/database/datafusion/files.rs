//! The files of a dataset: which belong to which table, what they held when the dataset was opened, and whether they still do.

use super::shelf::{Entry, Shelf};
use super::{DatabaseError, OpenError, QueryError};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use thiserror::Error;

/// What is wrong with a file. Lines count from 1; a header is line 1.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("it cannot be read: check its permissions")]
    Unreadable(#[source] io::Error),
    /// It is not UTF-8.
    #[error("line {line} is not UTF-8: convert the file first, for example with iconv -f LATIN1 -t UTF-8")]
    Encoding {
        /// The line.
        line: u64,
    },
    /// It has no header line.
    #[error("it has no header line: the first line must name the columns")]
    NoHeader,
    /// A column has no usable name.
    #[error("the name of column {column} in the header is {problem}")]
    Header {
        /// The column, from 1.
        column: usize,
        /// What is wrong with the name.
        problem: &'static str,
    },
    /// A row has more or fewer fields than the header.
    #[error("line {line} has {found} fields where the header has {expected}: check its quotes and delimiters")]
    Ragged {
        /// The line on which the row begins.
        line: u64,
        /// The fields of the header.
        expected: usize,
        /// The fields of the row.
        found: usize,
    },
    /// It is not a Parquet file.
    #[error("it is not a readable Parquet file")]
    Parquet(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The Parquet files of one table differ.
    #[error("its columns differ from those of the other files of its table")]
    Differs,
    /// No column has a type that can be queried.
    #[error("none of its columns has a type that can be queried")]
    NoColumns,
}

impl FileError {
    /// The same, with the file that it is about.
    pub(super) fn of(self, file: &Path) -> OpenError {
        OpenError::File { file: file.to_owned(), source: self }
    }
}

/// What the name of a file says about its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Text with a delimiter.
    Delimited,
    /// Parquet.
    Parquet,
}

/// A granted table and its files.
pub(super) struct Source {
    /// The table's name, lower case.
    pub(super) table: String,
    pub(super) form: Form,
    /// Sorted by name; exactly one when delimited.
    pub(super) files: Vec<PathBuf>,
}

/// Finds the files of each table, by name in any case of letters.
pub(super) fn find(shelf: &Shelf, tables: &[String]) -> Result<Vec<Source>, OpenError> {
    if tables.is_empty() {
        return Err(OpenError::NoTables);
    }
    let entries = shelf.entries()?;
    let mut sources: Vec<Source> = Vec::new();
    for name in tables {
        let table = name.to_ascii_lowercase();
        let is_plain = table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !table.starts_with(|c: char| c.is_ascii_digit());
        if table.is_empty() || !is_plain || sources.iter().any(|source| source.table == table) {
            return Err(OpenError::Name { name: name.clone() });
        }
        let found: Vec<(Form, &Entry)> =
            entries.iter().filter_map(|entry| Some((form(entry, &table)?, entry))).collect();
        match found.as_slice() {
            [] => return Err(OpenError::Missing { table, directory: shelf.path().to_owned() }),
            [(form, entry)] => sources.push(Source { table, form: *form, files: entry.files.clone() }),
            several => {
                let name = |(_, entry): &(Form, &Entry)| entry.name.clone();
                return Err(OpenError::Ambiguous { files: several.iter().map(name).collect(), table });
            }
        }
    }
    Ok(sources)
}

/// The form of what lies in a dataset, if it belongs to `table`.
fn form(entry: &Entry, table: &str) -> Option<Form> {
    let name = entry.name.to_ascii_lowercase();
    if entry.is_folder {
        return (name == table && !entry.files.is_empty()).then_some(Form::Parquet);
    }
    match name.strip_prefix(table)? {
        ".csv" | ".tsv" => Some(Form::Delimited),
        ".parquet" => Some(Form::Parquet),
        _ => None,
    }
}

/// What every file was when the dataset was opened.
#[derive(Clone, Default)]
pub(super) struct Fingerprints(Vec<Fingerprint>);

#[derive(Clone)]
struct Fingerprint {
    path: PathBuf,
    bytes: u64,
    stamp: Stamp,
    digest: [u8; 32],
}

/// What tells that a file is the same one.
#[derive(Clone, Copy)]
enum Stamp {
    /// When it was changed, where that is known.
    Modified(Option<SystemTime>),
    /// The store itself: it is asked for this version and no other.
    Pinned,
}

impl Fingerprints {
    /// Remembers a file that was read whole through `reader`.
    pub(super) fn add(&mut self, path: &Path, reader: Hashing) -> Result<(), OpenError> {
        let (bytes, stamp) = match &reader.file {
            Readable::File(file) => {
                let metadata = file.metadata().map_err(|error| FileError::Unreadable(error).of(path))?;
                (metadata.len(), Stamp::Modified(metadata.modified().ok()))
            }
            #[cfg(feature = "s3")]
            Readable::Object(object) => (object.size(), Stamp::Pinned),
        };
        self.0.push(Fingerprint { path: path.to_owned(), bytes, stamp, digest: reader.digest.finalize().into() });
        Ok(())
    }

    /// Hashes, by relative name, the length and the digest of every file.
    pub(super) fn hash_into(&mut self, directory: &Path, snapshot: &mut Sha256) {
        self.0.sort_by(|a, b| a.path.cmp(&b.path));
        for file in &self.0 {
            let name = file.path.strip_prefix(directory).unwrap_or(&file.path).as_os_str().as_encoded_bytes();
            snapshot.update(u64::try_from(name.len()).expect("a path's length fits 64 bits").to_be_bytes());
            snapshot.update(name);
            snapshot.update(file.bytes.to_be_bytes());
            snapshot.update(file.digest);
        }
    }

    /// All of them.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|file| file.path.as_path())
    }

    /// Fails when a file's length or time of change is another than at opening.
    pub(super) fn check(&self) -> Result<(), DatabaseError> {
        let same = self.0.iter().all(|file| match file.stamp {
            Stamp::Pinned => true,
            Stamp::Modified(then) => {
                std::fs::metadata(&file.path).is_ok_and(|now| now.len() == file.bytes && now.modified().ok() == then)
            }
        });
        if same { Ok(()) } else { Err(QueryError::Changed.failed()) }
    }
}

/// A file that is hashed while it is read.
pub(super) struct Hashing {
    file: Readable,
    digest: Sha256,
}

enum Readable {
    File(File),
    #[cfg(feature = "s3")]
    Object(super::object::Object),
}

impl Hashing {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|error| FileError::Unreadable(error).of(path))?;
        Ok(Self { file: Readable::File(file), digest: Sha256::new() })
    }

    #[cfg(feature = "s3")]
    pub(super) fn of(object: super::object::Object) -> Self {
        Self { file: Readable::Object(object), digest: Sha256::new() }
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.file {
            Readable::File(file) => file.read(buffer)?,
            #[cfg(feature = "s3")]
            Readable::Object(object) => object.read(buffer)?,
        };
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
