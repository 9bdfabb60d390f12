//! CSV as lines of fields (RFC 4180), and fields as typed cells.

use crate::disclosure::table::{Cell, CellType};
use crate::disclosure::{calendar, number, text};

/// Why bytes are no lines of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFields {
    /// Not UTF-8.
    NotUtf8,
    /// RFC 4180 section 2 does not hold at this line, counted from 1.
    NotCsv(u64),
    /// There is no header.
    NoHeader,
    /// More cells than the reader takes.
    TooMany,
}

/// Appends one line. A field is quoted where it must be; an empty one that stands alone is quoted because an empty line is no row.
pub(crate) fn write_line(csv: &mut String, alone: bool, fields: impl Iterator<Item = String>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            csv.push(',');
        }
        // An empty line would be no row at all.
        if field.contains(['"', ',', '\r', '\n']) || (alone && field.is_empty()) {
            csv.push('"');
            csv.push_str(&field.replace('"', "\"\""));
            csv.push('"');
        } else {
            csv.push_str(&field);
        }
    }
    csv.push('\n');
}

/// The most columns in one output.
pub(crate) const MAXIMUM_COLUMNS: usize = 1_000;

/// The most bytes in one line: a reader's memory for a line of nothing but commas is eight times as much.
const MAXIMUM_LINE: usize = 1024 * 1024;

/// The header, in lower case, and the fields of every row; at most `cells` of them.
pub(crate) fn read_fields(bytes: &[u8], cells: usize) -> Result<(Vec<String>, Vec<Vec<String>>), NotFields> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotFields::NotUtf8)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.split(['\n', '\r']).any(|line| line.len() > MAXIMUM_LINE) {
        return Err(NotFields::TooMany);
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(false).from_reader(text.as_bytes());
    let mut records = reader
        .records()
        .map(|record| record.map_err(|error| NotFields::NotCsv(error.position().map_or(0, csv::Position::line))));
    let header = records.next().ok_or(NotFields::NoHeader)??;
    if header.len() > MAXIMUM_COLUMNS {
        return Err(NotFields::TooMany);
    }
    let header: Vec<String> = header.iter().map(|name| name.trim_matches(' ').to_ascii_lowercase()).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for record in records {
        if (rows.len() + 1).saturating_mul(header.len()) > cells {
            return Err(NotFields::TooMany);
        }
        rows.push(record?.iter().map(str::to_owned).collect());
    }
    Ok((header, rows))
}

/// A field in the form in which its type is told: folded where that is possible. Signed numbers look like formulas to the fold, and what is
/// flawed is left for the canonical form to refuse.
pub(crate) fn plain_field(field: &str) -> String {
    text::fold(field).unwrap_or_else(|_| {
        let trimmed = field.trim_matches(' ');
        if is_real(trimmed) { trimmed } else { field }.to_owned()
    })
}

/// The type that all fields of a column have; text for a column without any.
pub(crate) fn infer<'a>(fields: impl Iterator<Item = &'a String> + Clone) -> CellType {
    let present = fields.filter(|field| !field.is_empty());
    let all = |fits: fn(&str) -> bool| present.clone().all(|field| fits(field));
    if present.clone().next().is_none() {
        CellType::Text
    } else if all(|field| read_boolean(field).is_some()) {
        CellType::Boolean
    } else if all(|field| number::is_number(field) && field.parse::<i64>().is_ok()) {
        CellType::Integer
    } else if all(is_real) {
        CellType::Real
    } else if all(|field| calendar::read_date(field).is_some()) {
        CellType::Date
    } else if all(|field| calendar::read_timestamp(field).is_some()) {
        CellType::Timestamp
    } else {
        CellType::Text
    }
}

pub(crate) fn read_cell(field: String, ty: CellType) -> Option<Cell> {
    if field.is_empty() {
        return Some(Cell::Null);
    }
    Some(match ty {
        CellType::Boolean => Cell::Boolean(read_boolean(&field)?),
        CellType::Integer => Cell::Integer(field.parse().ok()?),
        CellType::Real if is_real(&field) => Cell::Real(field.parse().ok()?),
        CellType::Real => return None,
        CellType::Decimal if number::print_decimal(&field, field.len()).is_some() => Cell::Decimal(field),
        CellType::Decimal => return None,
        CellType::Text => Cell::Text(field),
        CellType::Date => Cell::Date(calendar::read_date(&field)?),
        CellType::Timestamp => Cell::Timestamp(calendar::read_timestamp(&field)?),
    })
}

fn read_boolean(field: &str) -> Option<bool> {
    if field.eq_ignore_ascii_case("true") { Some(true) } else { field.eq_ignore_ascii_case("false").then_some(false) }
}

/// A number, or one of the words that programs write for what is none.
fn is_real(field: &str) -> bool {
    let unsigned = field.strip_prefix(['+', '-']).unwrap_or(field);
    number::is_number(field) || ["nan", "inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word))
}
