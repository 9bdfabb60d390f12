//! Reads delimited text once, whole: its delimiter, its names, and the one type that every value of a column has.
//!
//! A type that only the first rows suggest would break a query later, on row 100,000; so every value is looked at. An empty field is null in a
//! column of any type, text included.

use super::files::{FileError, Fingerprints, Hashing, Source};
use super::shelf::Shelf;
use super::{OpenError, Reading, Table};
use crate::value::ColumnInfo;
use csv::{ByteRecord, ReaderBuilder};
use datafusion::arrow::datatypes::{Field, Schema};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

mod kind;

use kind::Kind;

/// How much of a file is held at a time; also the longest header line.
const BUFFER_BYTES: usize = 256 * 1024;
/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Reads the one file of a delimited table.
pub(super) fn read(shelf: &Shelf, source: &Source, fingerprints: &mut Fingerprints) -> Result<Table, OpenError> {
    let path = source.files.first().expect("a table has a file");
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, shelf.open(path)?);
    let (delimiter, scan) = scan(&mut reader, path).map_err(|error| error.of(path))?;
    // what a reader has asked for is hashed: nothing may be left
    std::io::copy(&mut reader, &mut std::io::sink()).map_err(|error| FileError::Unreadable(error).of(path))?;
    fingerprints.add(path, reader.into_inner())?;
    let fields = scan.names.iter().zip(&scan.kinds).map(|(name, kind)| Field::new(name, kind.arrow_type(), true));
    let columns = scan.names.iter().zip(&scan.kinds).map(|(name, kind)| ColumnInfo {
        name: name.clone(),
        ty: kind.column_type(),
        nullable: true,
    });
    Ok(Table {
        columns: columns.collect(),
        reading: Reading::Delimited {
            file: path.clone(),
            delimiter,
            newlines: scan.newlines,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        },
    })
}

/// What one pass over a file finds.
struct Scan {
    names: Vec<String>,
    kinds: Vec<Kind>,
    /// Whether a quoted value spans lines.
    newlines: bool,
}

fn scan(reader: &mut BufReader<Hashing>, path: &Path) -> Result<(u8, Scan), FileError> {
    let start = fill(reader)?;
    let bom = start.starts_with(BOM);
    let delimiter = delimiter(if bom { &start[BOM.len()..] } else { start }, path);
    if bom {
        reader.consume(BOM.len());
    }
    let mut records = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(reader.by_ref());
    let mut record = ByteRecord::new();
    if !next(&mut records, &mut record)? {
        return Err(FileError::NoHeader);
    }
    let names = names(&record, bom, delimiter)?;
    let mut kinds = vec![Kind::default(); names.len()];
    let mut newlines = false;
    while next(&mut records, &mut record)? {
        // the position counts line ends, and a row's first line is the one after those before it
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != names.len() {
            return Err(FileError::Ragged { line, expected: names.len(), found: record.len() });
        }
        for (value, kind) in record.iter().zip(&mut kinds) {
            let value = str::from_utf8(value).map_err(|_| FileError::Encoding { line })?;
            kind.see(value);
            newlines |= value.bytes().any(|byte| byte == b'\n' || byte == b'\r');
        }
    }
    Ok((delimiter, Scan { names, kinds, newlines }))
}

/// Fills the buffer as far as the file goes, so that the header line is in it.
fn fill(reader: &mut BufReader<Hashing>) -> Result<&[u8], FileError> {
    reader.fill_buf().map_err(FileError::Unreadable)
}

fn next<R: Read>(records: &mut csv::Reader<R>, record: &mut ByteRecord) -> Result<bool, FileError> {
    records.read_byte_record(record).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => FileError::Unreadable(error),
        other => FileError::Unreadable(std::io::Error::other(format!(
            "unexpected state of the reader: {}",
            kind_name(&other)
        ))),
    })
}

/// The csv crate's own texts may quote a field.
fn kind_name(kind: &csv::ErrorKind) -> &'static str {
    match kind {
        csv::ErrorKind::Utf8 { .. } => "encoding",
        csv::ErrorKind::UnequalLengths { .. } => "lengths",
        csv::ErrorKind::Seek => "seek",
        _ => "other",
    }
}

/// The delimiter that stands most often in the header line, outside quotes.
fn delimiter(start: &[u8], path: &Path) -> u8 {
    let mut counts = [(b',', 0_usize), (b'\t', 0), (b';', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            byte if !quoted => {
                if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| delimiter == byte) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    let by_name =
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv")) { b'\t' } else { b',' };
    counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .max_by_key(|(delimiter, count)| (*count, *delimiter == by_name))
        .map_or(by_name, |(delimiter, _)| delimiter)
}

/// The columns' names in lower case. An error tells the column's number alone: without a header the first line would be data.
fn names(header: &ByteRecord, bom: bool, delimiter: u8) -> Result<Vec<String>, FileError> {
    let mut names = Vec::with_capacity(header.len());
    let mut seen = BTreeSet::new();
    for (i, name) in header.iter().enumerate() {
        let wrong = |problem| FileError::Header { column: i + 1, problem };
        let name = str::from_utf8(name).map_err(|_| FileError::Encoding { line: 1 })?.trim();
        if name.is_empty() {
            return Err(wrong("empty: name every column"));
        }
        if name.chars().any(char::is_control) {
            return Err(wrong("a text with control characters: rename the column"));
        }
        if name.starts_with(|c: char| c.is_ascii_digit() || c == '-') && Kind::of(name).is_number_or_date() {
            return Err(wrong("a number or a date, so the header line seems to be missing: add one"));
        }
        // the engine does not drop the mark, and reads quotes behind it as text
        if i == 0 && bom && name.bytes().any(|byte| byte == delimiter || byte == b'"') {
            return Err(wrong("quoted with a delimiter after a byte order mark: remove the mark"));
        }
        let name = name.to_lowercase();
        if !seen.insert(name.clone()) {
            return Err(wrong("the same as an earlier one, in any case of letters: rename one of them"));
        }
        names.push(name);
    }
    Ok(names)
}
