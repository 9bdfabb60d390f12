//! Where the files of a dataset lie: a folder of this machine, or one of an object store.

use super::files::{FileError, Hashing};
use super::{OpenError, Options};
use crate::database::DatabaseError;
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(feature = "s3")]
use super::bucket::Pinned;
#[cfg(feature = "s3")]
use super::object::Object;
#[cfg(feature = "s3")]
use datafusion::object_store::path::Path as Key;

/// One of the two.
pub(super) enum Shelf {
    /// A folder, by its one true path.
    Folder(PathBuf),
    /// The objects below a prefix.
    #[cfg(feature = "s3")]
    Bucket { store: Pinned, runtime: tokio::runtime::Handle },
}

/// What lies directly in it: a file, or a folder with its Parquet files.
pub(super) struct Entry {
    /// Its name, as it is written.
    pub(super) name: String,
    pub(super) is_folder: bool,
    /// The file, or the folder's Parquet files in the order of their names.
    pub(super) files: Vec<PathBuf>,
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

impl Shelf {
    /// Finds it, and of an object store what it holds now.
    pub(super) fn new(options: &Options) -> Result<Self, OpenError> {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &options.bucket {
            let runtime = tokio::runtime::Handle::try_current().map_err(|error| OpenError::Engine(Box::new(error)))?;
            let store = runtime.block_on(bucket.open())?;
            return Ok(Self::Bucket { store, runtime });
        }
        // a link in the dataset may be the owner's wish; where it leads is fixed from here on
        let directory = options.directory.canonicalize();
        directory
            .map(Self::Folder)
            .map_err(|source| OpenError::Directory { directory: options.directory.clone(), source })
    }

    /// How it is called in errors and, cut off, in the snapshot.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            #[cfg(feature = "s3")]
            Self::Bucket { store, .. } => Path::new(store.prefix()),
        }
    }

    /// Whether other users of this machine could reach its files.
    pub(super) fn is_here(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Everything in it, in the order of the names.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, OpenError> {
        let mut entries = match self {
            Self::Folder(directory) => {
                folder(directory).map_err(|source| OpenError::Directory { directory: directory.clone(), source })?
            }
            #[cfg(feature = "s3")]
            Self::Bucket { store, .. } => {
                let mut entries: Vec<Entry> = Vec::new();
                for (name, path) in store.names() {
                    let path = PathBuf::from(path.as_ref());
                    match name.split_once('/') {
                        None => entries.push(Entry { name, is_folder: false, files: vec![path] }),
                        Some((folder, rest)) if !rest.contains('/') && is_parquet(&path) => {
                            match entries.iter_mut().find(|entry| entry.is_folder && entry.name == folder) {
                                Some(entry) => entry.files.push(path),
                                None => {
                                    entries.push(Entry { name: folder.to_owned(), is_folder: true, files: vec![path] });
                                }
                            }
                        }
                        Some(_) => {}
                    }
                }
                entries
            }
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.iter_mut().for_each(|entry| entry.files.sort());
        Ok(entries)
    }

    /// A file, to be read whole.
    pub(super) fn open(&self, path: &Path) -> Result<Hashing, OpenError> {
        match self {
            Self::Folder(_) => Hashing::open(path),
            #[cfg(feature = "s3")]
            Self::Bucket { .. } => Ok(Hashing::of(self.object(path))),
        }
    }

    /// The footer of a Parquet file.
    pub(super) fn footer(&self, path: &Path) -> Result<ArrowReaderMetadata, FileError> {
        let options = ArrowReaderOptions::new();
        let footer = match self {
            Self::Folder(_) => ArrowReaderMetadata::load(&File::open(path).map_err(FileError::Unreadable)?, options),
            #[cfg(feature = "s3")]
            Self::Bucket { .. } => ArrowReaderMetadata::load(&self.object(path), options),
        };
        footer.map_err(|error| FileError::Parquet(Box::new(error)))
    }

    /// A file as the engine's listing takes it: every byte that means something there is escaped.
    pub(super) fn url(&self, path: &Path) -> Result<ListingTableUrl, DataFusionError> {
        let mut url = match self {
            Self::Folder(_) => String::from("file://"),
            #[cfg(feature = "s3")]
            Self::Bucket { store, .. } => format!("s3://{}/", store.bucket()),
        };
        for byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'/' | b'-' | b'_' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(*byte)),
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
        ListingTableUrl::parse(url)
    }

    /// Fails when a file of an object store is another one than at opening; those of a folder are looked at by their fingerprints.
    #[cfg_attr(not(feature = "s3"), allow(unused_variables, reason = "only an object store is asked for its files"))]
    pub(super) async fn check(&self, files: impl Iterator<Item = &Path> + Send) -> Result<(), DatabaseError> {
        match self {
            Self::Folder(_) => Ok(()),
            #[cfg(feature = "s3")]
            Self::Bucket { store, .. } => store.check(&files.map(key).collect::<Vec<_>>()).await,
        }
    }

    #[cfg(feature = "s3")]
    fn object(&self, path: &Path) -> Object {
        let Self::Bucket { store, runtime } = self else { unreachable!("only a bucket holds objects") };
        Object::new(store.clone(), key(path), runtime.clone())
    }
}

/// An object's name, as the store has it.
#[cfg(feature = "s3")]
fn key(path: &Path) -> Key {
    // it came from a name that the store had listed
    Key::parse(path.to_string_lossy()).unwrap_or_default()
}

/// What lies in a folder of this machine.
fn folder(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        let is_folder = path.is_dir();
        let files = if is_folder {
            let parts = std::fs::read_dir(&path).into_iter().flatten().filter_map(|part| Some(part.ok()?.path()));
            parts.filter(|part| part.is_file() && is_parquet(part)).collect()
        } else {
            vec![path]
        };
        entries.push(Entry { name, is_folder, files });
    }
    Ok(entries)
}
