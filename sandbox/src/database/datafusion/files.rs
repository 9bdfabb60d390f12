//! The files of a dataset: which belong to which table, what they held when the dataset was opened, and whether they still do.

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
pub(super) fn find(directory: &Path, tables: &[String]) -> Result<Vec<Source>, OpenError> {
    if tables.is_empty() {
        return Err(OpenError::NoTables);
    }
    let unreadable = |source| OpenError::Directory { directory: directory.to_owned(), source };
    // a link in the dataset may be the owner's wish; where it leads is fixed from here on
    let directory = directory.canonicalize().map_err(unreadable)?;
    let mut entries = std::fs::read_dir(&directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>())
        .map_err(unreadable)?;
    entries.sort();
    let mut sources: Vec<Source> = Vec::new();
    for name in tables {
        let table = name.to_ascii_lowercase();
        let is_plain = table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !table.starts_with(|c: char| c.is_ascii_digit());
        if table.is_empty() || !is_plain || sources.iter().any(|source| source.table == table) {
            return Err(OpenError::Name { name: name.clone() });
        }
        let mut found: Vec<(Form, Vec<PathBuf>)> = entries.iter().filter_map(|path| of_table(path, &table)).collect();
        let source = match (found.pop(), found.is_empty()) {
            (Some(source), true) => source,
            (None, _) => return Err(OpenError::Missing { table, directory }),
            (Some(last), false) => {
                found.push(last);
                let files = found
                    .iter()
                    .filter_map(|(_, files)| files.first())
                    .map(|file| file.strip_prefix(&directory).unwrap_or(file));
                return Err(OpenError::Ambiguous {
                    files: files.map(|file| file.display().to_string()).collect(),
                    table,
                });
            }
        };
        sources.push(Source { table, form: source.0, files: source.1 });
    }
    Ok(sources)
}

/// The form and files of a directory's entry, if it belongs to `table`.
fn of_table(path: &Path, table: &str) -> Option<(Form, Vec<PathBuf>)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    if path.is_dir() {
        let mut files = std::fs::read_dir(path)
            .ok()?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|file| {
                file.is_file() && file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
            })
            .collect::<Vec<_>>();
        files.sort();
        return (name == table && !files.is_empty()).then_some((Form::Parquet, files));
    }
    let form = match name.strip_prefix(table)? {
        ".csv" | ".tsv" => Form::Delimited,
        ".parquet" => Form::Parquet,
        _ => return None,
    };
    Some((form, vec![path.to_owned()]))
}

/// What every file was when the dataset was opened.
#[derive(Clone, Default)]
pub(super) struct Fingerprints(Vec<Fingerprint>);

#[derive(Clone)]
struct Fingerprint {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
    digest: [u8; 32],
}

impl Fingerprints {
    /// Remembers a file that was read whole through `reader`.
    pub(super) fn add(&mut self, path: &Path, reader: Hashing) -> Result<(), OpenError> {
        let metadata = reader.file.metadata().map_err(|error| FileError::Unreadable(error).of(path))?;
        self.0.push(Fingerprint {
            path: path.to_owned(),
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            digest: reader.digest.finalize().into(),
        });
        Ok(())
    }

    /// Hashes, by relative name, the length and the digest of every file.
    pub(super) fn hash_into(&mut self, directory: &Path, snapshot: &mut Sha256) {
        self.0.sort_by(|a, b| a.path.cmp(&b.path));
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        for file in &self.0 {
            let name = file.path.strip_prefix(&directory).unwrap_or(&file.path).as_os_str().as_encoded_bytes();
            snapshot.update(u64::try_from(name.len()).expect("a path's length fits 64 bits").to_be_bytes());
            snapshot.update(name);
            snapshot.update(file.bytes.to_be_bytes());
            snapshot.update(file.digest);
        }
    }

    /// Fails when a file's length or time of change is another than at opening.
    pub(super) fn check(&self) -> Result<(), DatabaseError> {
        let same = self.0.iter().all(|file| {
            std::fs::metadata(&file.path)
                .is_ok_and(|now| now.len() == file.bytes && now.modified().ok() == file.modified)
        });
        if same { Ok(()) } else { Err(QueryError::Changed.failed()) }
    }
}

/// A file that is hashed while it is read.
pub(super) struct Hashing {
    file: File,
    digest: Sha256,
}

impl Hashing {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|error| FileError::Unreadable(error).of(path))?;
        Ok(Self { file, digest: Sha256::new() })
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
