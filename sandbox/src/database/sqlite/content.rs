//! What a file holds: its tables, the type of each column over all rows, and a digest of everything that is granted.

use super::OpenError;
use crate::database::Fault;
use crate::database::time;
use crate::value::{ColumnInfo, ColumnType};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};
use sha2::{Digest, Sha256};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The database file, as it was found.
pub(super) struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl File {
    /// Follows links once: where the file lies is fixed from here on.
    pub(super) fn find(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let found = std::fs::metadata(&path)?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        Ok(Self { device: found.dev(), inode: found.ino(), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file and what lies beside it in WAL mode.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let beside = |end: &str| {
            let mut name = self.path.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        let files = [self.path.clone(), beside("-wal"), beside("-shm"), beside("-journal")];
        files.into_iter().filter(|file| file.exists()).collect()
    }

    /// Whether another file has not taken its place.
    pub(super) fn is_same(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == (self.device, self.inode))
    }
}

/// What the content was when it was last read, and a connection that notices a change.
pub(super) struct Known {
    pub(super) watch: Connection,
    pub(super) version: i64,
    pub(super) digest: [u8; 32],
}

/// A number that is another one, on the same connection, once somebody else has changed the file.
pub(super) fn version(watch: &Connection) -> Result<i64> {
    watch.query_row("PRAGMA data_version", [], |row| row.get(0))
}

/// A granted table or view, as the schema says it.
pub(super) struct Table {
    /// Lower case.
    pub(super) name: String,
    kind: String,
    columns: Vec<Declared>,
}

struct Declared {
    name: String,
    ty: String,
    nullable: bool,
}

impl Table {
    /// A virtual table is code that runs; its rows lie in tables that nobody granted.
    pub(super) fn fault(&self) -> Option<Fault> {
        (self.kind == "virtual" || self.kind == "shadow").then(|| {
            let name = &self.name;
            Fault::new(
                format!("the relation \"{name}\" is a {} table, which runs code of its own", self.kind),
                format!("run CREATE TABLE {name}_copy AS SELECT * FROM {name}; and grant {name}_copy"),
            )
        })
    }
}

/// Finds the granted tables and their columns.
pub(super) fn find(connection: &Connection, names: &[String]) -> Result<Vec<Table>, OpenError> {
    if names.is_empty() {
        return Err(OpenError::NoTables);
    }
    let mut list =
        connection.prepare("SELECT name, type FROM pragma_table_list WHERE schema = 'main' ORDER BY name")?;
    let there = list
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .collect::<Result<Vec<_>>>()?;
    let mut tables: Vec<Table> = Vec::new();
    for wanted in names {
        let name = wanted.to_ascii_lowercase();
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.starts_with("sqlite_");
        if name.is_empty() || !is_plain || tables.iter().any(|table| table.name == name) {
            return Err(OpenError::Name(wanted.clone()));
        }
        let Some((_, kind)) = there.iter().find(|(other, _)| other.eq_ignore_ascii_case(&name)) else {
            let is_own = |name: &str| !name.starts_with("sqlite_");
            let there = there.into_iter().map(|(name, _)| name).filter(|name| is_own(name)).collect();
            return Err(OpenError::Missing { table: name, there });
        };
        tables.push(Table { columns: columns(connection, &name)?, kind: kind.clone(), name });
    }
    Ok(tables)
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Declared>, OpenError> {
    let mut list =
        connection.prepare("SELECT name, type, \"notnull\" FROM pragma_table_xinfo(?1) WHERE hidden <> 1")?;
    let declared = list.query_map([table], |row| {
        Ok(Declared {
            name: row.get::<_, String>(0)?.to_lowercase(),
            ty: row.get::<_, Option<String>>(1)?.unwrap_or_default().to_ascii_uppercase(),
            nullable: !row.get::<_, bool>(2)?,
        })
    })?;
    Ok(declared.collect::<Result<_>>()?)
}

/// What one reading of all granted tables found.
pub(super) struct Content {
    /// The columns of each table.
    pub(super) columns: Vec<Vec<ColumnInfo>>,
    pub(super) digest: [u8; 32],
}

/// Reads every row of every granted table.
pub(super) fn read(connection: &Connection, tables: &[Table]) -> Result<Content, OpenError> {
    let mut digest = Sha256::new();
    let columns = tables.iter().map(|table| read_table(connection, table, &mut digest)).collect::<Result<_, _>>()?;
    Ok(Content { columns, digest: digest.finalize().into() })
}

fn read_table(connection: &Connection, table: &Table, digest: &mut Sha256) -> Result<Vec<ColumnInfo>, OpenError> {
    let mut kinds = vec![Kind::default(); table.columns.len()];
    put(digest, table.name.as_bytes());
    for column in &table.columns {
        put(digest, column.name.as_bytes());
        put(digest, column.ty.as_bytes());
    }
    let list = table.columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\"")));
    let sql = format!("SELECT {} FROM main.\"{}\"", list.collect::<Vec<_>>().join(", "), table.name);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        digest.update([1]);
        for (i, kind) in kinds.iter_mut().enumerate() {
            let value = row.get_ref(i)?;
            kind.see(value);
            hash(digest, value);
        }
    }
    digest.update([0]);
    let found = table.columns.iter().zip(kinds).map(|(column, kind)| {
        let problem = |problem| OpenError::Column { table: table.name.clone(), column: column.name.clone(), problem };
        Ok(ColumnInfo {
            name: column.name.clone(),
            ty: kind.column_type(&column.ty).map_err(problem)?,
            nullable: column.nullable,
        })
    });
    found.collect()
}

fn put(digest: &mut Sha256, bytes: &[u8]) {
    digest.update(u64::try_from(bytes.len()).expect("a length fits 64 bits").to_be_bytes());
    digest.update(bytes);
}

fn hash(digest: &mut Sha256, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => digest.update([2]),
        ValueRef::Integer(value) => {
            digest.update([3]);
            digest.update(value.to_be_bytes());
        }
        ValueRef::Real(value) => {
            digest.update([4]);
            digest.update(value.to_bits().to_be_bytes());
        }
        ValueRef::Text(text) => {
            digest.update([5]);
            put(digest, text);
        }
        ValueRef::Blob(bytes) => {
            digest.update([6]);
            put(digest, bytes);
        }
    }
}

/// The storage classes that a column's values have, and what its texts look like.
#[derive(Clone, Copy)]
struct Kind {
    integer: bool,
    real: bool,
    text: bool,
    blob: bool,
    /// All integers are 0 or 1; all texts are dates; all texts are dates with a time; all texts are UTF-8.
    bits: bool,
    dates: bool,
    timestamps: bool,
    utf8: bool,
}

impl Default for Kind {
    fn default() -> Self {
        let (bits, dates, timestamps, utf8) = (true, true, true, true);
        Self { integer: false, real: false, text: false, blob: false, bits, dates, timestamps, utf8 }
    }
}

impl Kind {
    fn see(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => {}
            ValueRef::Integer(value) => {
                self.integer = true;
                self.bits &= matches!(value, 0 | 1);
            }
            ValueRef::Real(_) => self.real = true,
            ValueRef::Text(bytes) => {
                self.text = true;
                let text = std::str::from_utf8(bytes).ok();
                self.utf8 &= text.is_some();
                self.dates = self.dates && text.and_then(time::date).is_some();
                self.timestamps = self.timestamps && text.and_then(time::timestamp).is_some();
            }
            ValueRef::Blob(_) => self.blob = true,
        }
    }

    /// The type of the column. The declaration decides only where values leave a choice: an empty column, 0 and 1, texts that are dates.
    fn column_type(self, declared: &str) -> Result<ColumnType, &'static str> {
        let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        let has_clock = says(&["TIMESTAMP", "DATETIME"]);
        match (self.integer, self.real, self.text, self.blob) {
            (true, false, false, false) if self.bits && says(&["BOOL"]) => Ok(ColumnType::Boolean),
            (true, false, false, false) => Ok(ColumnType::Int64),
            (_, true, false, false) => Ok(ColumnType::Float64),
            (false, false, true, false) if !self.utf8 => Err("holds texts that are not UTF-8: convert them"),
            (false, false, true, false) if has_clock && self.timestamps => Ok(ColumnType::Timestamp),
            (false, false, true, false) if says(&["DATE"]) && self.dates => Ok(ColumnType::Date),
            (false, false, true, false) => Ok(ColumnType::Text),
            (false, false, false, true) => Ok(ColumnType::Bytes),
            (false, false, false, false) if says(&["BOOL"]) => Ok(ColumnType::Boolean),
            (false, false, false, false) if says(&["INT"]) => Ok(ColumnType::Int64),
            (false, false, false, false) if says(&["REAL", "FLOA", "DOUB", "NUM", "DEC"]) => Ok(ColumnType::Float64),
            (false, false, false, false) if has_clock => Ok(ColumnType::Timestamp),
            (false, false, false, false) if says(&["DATE"]) => Ok(ColumnType::Date),
            (false, false, false, false) if says(&["BLOB"]) => Ok(ColumnType::Bytes),
            (false, false, false, false) => Ok(ColumnType::Text),
            _ => Err(
                "holds values of several kinds (numbers, texts, bytes): make them one, or grant a view that leaves it out",
            ),
        }
    }
}
