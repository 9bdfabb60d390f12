//! The one form of an output: named, typed, rounded and sorted, as the CSV bytes that are reviewed, committed to, signed and released.
//!
//! What only a machine could tell apart (order of rows, low digits, spellings of a number, quoting, spaces, Unicode forms) has one form here
//! and so carries nothing; what a reader cannot see is refused. The bytes are RFC 4180 with LF, a header, fields quoted only where they hold a
//! comma or a quote, an empty field for null (`""` where it stands alone), numbers as RFC 8785 section 3.2.2.3 prints them, dates as ISO 8601.

use crate::disclosure::fields::{self, NotFields};
use crate::disclosure::table::{Cell, CellType, Column, Role, Table, is_identifier, order_rows};
use crate::disclosure::{calendar, number, text};
use std::fmt;
use thiserror::Error;

/// The most cells in one output, headers left out: 5,000 rows of 200 columns. No policy can raise it.
pub const MAXIMUM_CELLS: usize = 1_000_000;

/// The most columns in one output. No policy can raise it.
pub const MAXIMUM_COLUMNS: usize = fields::MAXIMUM_COLUMNS;

/// The most bytes of names and roles in one output's schema: the schema stands in records of at most 64 KiB.
pub const MAXIMUM_SCHEMA_BYTES: usize = 60_000;

/// What a column costs in an encoded schema beside its name and role: the names and lengths of its fields, and its type.
const COLUMN_BYTES: usize = 40;

/// The most bytes in one output. No policy can raise it.
pub const MAXIMUM_BYTES: usize = 16 * 1024 * 1024;

/// The most significant digits of a number: 15 decimal digits survive a double and back. No policy can raise it.
pub const MAXIMUM_SIGNIFICANT_DIGITS: u8 = number::MAXIMUM_DIGITS;

/// What the canonical form leaves to the policy and to the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The digits that every number but a key keeps, 1 to [`MAXIMUM_SIGNIFICANT_DIGITS`].
    pub significant_digits: u8,
    /// The columns that the task declared, in their order: others are refused. `None` keeps the table's own columns and their order, which is
    /// right only where the host made them.
    pub declared: Option<Vec<String>>,
}

impl Default for Form {
    fn default() -> Self {
        Self { significant_digits: 12, declared: None }
    }
}

/// A place in a table as it was handed over, counted from 0 and shown counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row, headers left out.
    pub row: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, column {}", self.row + 1, self.column + 1)
    }
}

/// Why an output has no canonical form. It names places and never content; only [`NotCanonical::code`] may leave the TRE.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotCanonical {
    /// Bytes that are no text.
    #[error("the output is not UTF-8 text; write CSV in UTF-8")]
    NotUtf8,
    /// RFC 4180 section 2.
    #[error(
        "the output is not CSV at line {line}; give every line as many fields as the header and close every quote (RFC 4180)"
    )]
    NotCsv {
        /// Counted from 1.
        line: u64,
    },
    /// No column at all.
    #[error("the output has no columns; begin it with a header line")]
    NoColumns,
    /// More than [`MAXIMUM_BYTES`], [`MAXIMUM_COLUMNS`], [`MAXIMUM_SCHEMA_BYTES`] or [`MAXIMUM_CELLS`].
    #[error(
        "the output is larger than 16 MiB, a million cells, a thousand columns or 60 kB of names; hand over a summary"
    )]
    TooLarge,
    /// A row with more or fewer cells than there are columns.
    #[error("row {} has another number of cells than there are columns", row + 1)]
    Ragged {
        /// Counted from 0.
        row: usize,
    },
    /// A cell of another type than its column.
    #[error("the cell in {0} is not of its column's type")]
    WrongType(Place),
    /// A name outside `[a-z_][a-z0-9_]{0,62}`.
    #[error("the name of column {} is not a letter followed by letters, digits and underscores, 63 at most; rename it", column + 1)]
    ColumnName {
        /// Counted from 0.
        column: usize,
    },
    /// A name that stands twice once in lower case.
    #[error("the name of column {} stands twice; rename one", column + 1)]
    RepeatedColumn {
        /// Counted from 0.
        column: usize,
    },
    /// The columns are others than the task declared.
    #[error(
        "the columns are not those that the task declared for this output; declare them in the task or change the component"
    )]
    Undeclared,
    /// A character that cannot be seen.
    #[error("the text in {0} holds a control, zero-width, bidirectional or private character; remove it")]
    UnseenCharacter(Place),
    /// A character that is a styled copy of another.
    #[error(
        "the text in {0} holds a character that is a copy of another one, such as a full-width letter; write the plain one"
    )]
    LookalikeCharacter(Place),
    /// Letters of scripts that look alike in one word.
    #[error("a word in {0} mixes letters of several scripts; write it in one")]
    MixedScripts(Place),
    /// More characters than a cell may have.
    #[error("the text in {0} is longer than 255 characters; shorten it")]
    LongText(Place),
    /// Text that a spreadsheet would run.
    #[error("the text in {0} begins as a spreadsheet formula does; begin it with a letter or a digit")]
    Formula(Place),
    /// Text that looks like encoded bytes.
    #[error("the text in {0} looks like encoded bytes; hand over words and numbers")]
    Payload(Place),
    /// No base-10 number, or one outside 1e-300 to 1e300.
    #[error("the cell in {0} is no base-10 number between 1e-300 and 1e300")]
    Decimal(Place),
    /// A day or moment outside the years 1 to 9999.
    #[error("the date in {0} lies outside the years 1 to 9999")]
    Date(Place),
    /// A policy that cannot be applied.
    #[error("the policy's significant digits are not between 1 and 15; mend the project's policy")]
    Digits,
}

impl NotCanonical {
    /// A fixed word for whoever is outside the TRE: it tells no place.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotUtf8 | Self::NotCsv { .. } | Self::NoColumns | Self::Ragged { .. } | Self::WrongType(_) => {
                "not-a-table"
            }
            Self::TooLarge => "too-large",
            Self::ColumnName { .. } | Self::RepeatedColumn { .. } | Self::Undeclared => "columns",
            Self::UnseenCharacter(_) | Self::LookalikeCharacter(_) | Self::MixedScripts(_) | Self::LongText(_) => {
                "text"
            }
            Self::Formula(_) => "formula",
            Self::Payload(_) => "payload",
            Self::Decimal(_) | Self::Date(_) => "range",
            Self::Digits => "policy",
        }
    }
}

/// An output in its one form. Only [`canonicalise`] makes it.
#[derive(Clone, PartialEq)]
pub struct Canonical {
    table: Table,
    bytes: Vec<u8>,
    row_order: Vec<usize>,
    column_order: Vec<usize>,
    replaced: Vec<Place>,
}

impl Canonical {
    /// The table, rounded and sorted.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The columns: what the bytes mean.
    #[must_use]
    pub fn schema(&self) -> &[Column] {
        &self.table.columns
    }

    /// The bytes that are reviewed, committed to, signed and released.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The table and the bytes, to keep.
    #[must_use]
    pub fn into_parts(self) -> (Table, Vec<u8>) {
        (self.table, self.bytes)
    }

    /// Where a cell of the canonical table stood in the table that was handed over, so that its evidence is found.
    #[must_use]
    pub fn origin(&self, place: Place) -> Option<Place> {
        Some(Place { row: *self.row_order.get(place.row)?, column: *self.column_order.get(place.column)? })
    }

    /// The cells of the canonical table that are null because they were NaN or infinite. They are for the reviewer; the bytes do not tell
    /// them from other nulls.
    #[must_use]
    pub fn replaced(&self) -> &[Place] {
        &self.replaced
    }
}

/// Outputs never reach a log.
impl fmt::Debug for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canonical({:?}, {} bytes)", self.table, self.bytes.len())
    }
}

/// Gives a table its one form.
///
/// Names become lower case. Opaque columns of whole numbers are integers, however they were written. Numbers that are not keys keep the form's significant digits; moments keep whole seconds; empty text becomes null,
/// and so do NaN and the infinities: one poisoned row must not withhold a whole output, so it is marked ([`Canonical::replaced`]) for the
/// reviewer instead of refused. Rows are sorted after that, so that their order says nothing that the bytes do not.
///
/// # Errors
/// [`NotCanonical`] names the first place without a form.
pub fn canonicalise(table: &Table, form: &Form) -> Result<Canonical, NotCanonical> {
    if !(1..=MAXIMUM_SIGNIFICANT_DIGITS).contains(&form.significant_digits) {
        return Err(NotCanonical::Digits);
    }
    if table.columns.len() > MAXIMUM_COLUMNS || table.rows.len().saturating_mul(table.columns.len()) > MAXIMUM_CELLS {
        return Err(NotCanonical::TooLarge);
    }
    let named = name_columns(&table.columns)?;
    let column_order = order_columns(&named, form.declared.as_deref())?;
    let mut columns: Vec<Column> = column_order.iter().filter_map(|place| named.get(*place).cloned()).collect();

    let mut rows = Vec::with_capacity(table.rows.len());
    for (place, row) in table.rows.iter().enumerate() {
        if row.len() != table.columns.len() {
            return Err(NotCanonical::Ragged { row: place });
        }
        let mut replaced = Vec::new();
        let mut cells = Vec::with_capacity(columns.len());
        for (at, (source, column)) in column_order.iter().zip(&columns).enumerate() {
            let cell =
                canonical_cell(&row[*source], column, form.significant_digits, Place { row: place, column: *source })?;
            if cell == Cell::Null && matches!(row[*source], Cell::Real(_)) {
                replaced.push(at);
            }
            cells.push(cell);
        }
        rows.push((place, cells, replaced));
    }
    for (place, column) in columns.iter_mut().enumerate() {
        settle_type(column, rows.iter_mut().filter_map(|(_, cells, _)| cells.get_mut(place)));
    }
    rows.sort_by(|(_, left, _), (_, right, _)| order_rows(left, right));

    let mut canonical = Canonical {
        table: Table { columns, rows: Vec::with_capacity(rows.len()) },
        bytes: Vec::new(),
        row_order: Vec::new(),
        column_order,
        replaced: Vec::new(),
    };
    for (row, (origin, cells, replaced)) in rows.into_iter().enumerate() {
        canonical.row_order.push(origin);
        canonical.replaced.extend(replaced.into_iter().map(|column| Place { row, column }));
        canonical.table.rows.push(cells);
    }
    canonical.bytes = write_csv(&canonical.table).into_bytes();
    if canonical.bytes.len() > MAXIMUM_BYTES {
        return Err(NotCanonical::TooLarge);
    }
    Ok(canonical)
}

/// The table as CSV in the form that this module describes, without rounding, sorting or refusing: for what was merged from released tables.
#[must_use]
pub fn write_csv(table: &Table) -> String {
    let alone = table.columns.len() == 1;
    let mut csv = String::new();
    fields::write_line(&mut csv, alone, table.columns.iter().map(|column| column.name.clone()));
    for row in &table.rows {
        fields::write_line(&mut csv, alone, row.iter().map(print));
    }
    csv
}

/// The one printed form of a cell; empty for null, and for what has none.
#[must_use]
pub fn print(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Real(value) => number::print_real(*value),
        Cell::Decimal(text) | Cell::Text(text) => text.clone(),
        Cell::Date(days) => calendar::print_date(i64::from(*days)).unwrap_or_default(),
        Cell::Timestamp(microseconds) => calendar::print_timestamp(*microseconds).unwrap_or_default(),
    }
}

/// Reads CSV that a component wrote. Every column is opaque; its type is what all of its cells are: boolean, integer, real, date or timestamp,
/// otherwise text. An empty field is null. A number with leading zeros is a code and makes its column text.
///
/// # Errors
/// [`NotCanonical`] when the bytes are no table or too many; what single cells hold is looked at by [`canonicalise`].
pub fn parse_csv(bytes: &[u8]) -> Result<Table, NotCanonical> {
    let (header, lines) = read_fields(bytes)?;
    let fields: Vec<Vec<String>> =
        lines.into_iter().map(|row| row.into_iter().map(|field| fields::plain_field(&field)).collect()).collect();
    let columns: Vec<Column> = header
        .into_iter()
        .enumerate()
        .map(|(place, name)| Column {
            name,
            ty: fields::infer(fields.iter().filter_map(|row| row.get(place))),
            role: Role::Opaque,
        })
        .collect();
    type_fields(columns, fields)
}

/// Reads released bytes by the schema that stands beside them.
///
/// # Errors
/// [`NotCanonical`] when the bytes are no table of this schema.
pub fn read_csv(bytes: &[u8], schema: &[Column]) -> Result<Table, NotCanonical> {
    let (header, lines) = read_fields(bytes)?;
    if !header.iter().eq(schema.iter().map(|column| &column.name)) {
        return Err(NotCanonical::Undeclared);
    }
    type_fields(schema.to_vec(), lines)
}

fn name_columns(columns: &[Column]) -> Result<Vec<Column>, NotCanonical> {
    if columns.is_empty() {
        return Err(NotCanonical::NoColumns);
    }
    let mut named: Vec<Column> = Vec::with_capacity(columns.len());
    for (place, column) in columns.iter().enumerate() {
        let name = column.name.to_ascii_lowercase();
        let measured = match &column.role {
            Role::Measure(measure) => measure.sources().all(is_identifier),
            Role::Key | Role::Opaque => true,
        };
        if !is_identifier(&name) || !measured {
            return Err(NotCanonical::ColumnName { column: place });
        }
        if named.iter().any(|other| other.name == name) {
            return Err(NotCanonical::RepeatedColumn { column: place });
        }
        named.push(Column { name, ty: column.ty, role: column.role.clone() });
    }
    let schema: usize =
        named.iter().map(|column| column.name.len() + column.role.to_string().len() + COLUMN_BYTES).sum();
    if schema > MAXIMUM_SCHEMA_BYTES { Err(NotCanonical::TooLarge) } else { Ok(named) }
}

/// Where each declared column stands in the table.
fn order_columns(named: &[Column], declared: Option<&[String]>) -> Result<Vec<usize>, NotCanonical> {
    let Some(declared) = declared else {
        return Ok((0..named.len()).collect());
    };
    let places: Option<Vec<usize>> =
        declared.iter().map(|name| named.iter().position(|column| column.name.eq_ignore_ascii_case(name))).collect();
    let mut places = places.ok_or(NotCanonical::Undeclared)?;
    let order = places.clone();
    places.sort_unstable();
    places.dedup();
    if places.len() == named.len() && order.len() == named.len() { Ok(order) } else { Err(NotCanonical::Undeclared) }
}

/// The type of an opaque column is told from its spelling, and `1.0` beside `1` would be a bit in the schema that no cell shows: whole numbers
/// are integers once they are rounded, and a column without a value is text.
fn settle_type<'a>(column: &mut Column, cells: impl Iterator<Item = &'a mut Cell>) {
    if column.role != Role::Opaque {
        return;
    }
    let mut cells: Vec<&mut Cell> = cells.collect();
    if cells.iter().all(|cell| **cell == Cell::Null) {
        column.ty = CellType::Text;
    } else if column.ty == CellType::Real {
        let whole = |cell: &&mut Cell| match &**cell {
            Cell::Real(value) if value.fract() == 0.0 => print(cell).parse().ok().map(Cell::Integer),
            Cell::Null => Some(Cell::Null),
            _ => None,
        };
        if let Some(integers) = cells.iter().map(whole).collect::<Option<Vec<Cell>>>() {
            column.ty = CellType::Integer;
            cells.iter_mut().zip(integers).for_each(|(cell, integer)| **cell = integer);
        }
    }
}

fn canonical_cell(cell: &Cell, column: &Column, digits: u8, place: Place) -> Result<Cell, NotCanonical> {
    // A key names a group: a shortened code would name another one. Only a real key has no exact digits to keep.
    let exact = column.role == Role::Key;
    if cell.ty().is_some_and(|ty| ty != column.ty) {
        return Err(NotCanonical::WrongType(place));
    }
    Ok(match cell {
        Cell::Null => Cell::Null,
        Cell::Boolean(value) => Cell::Boolean(*value),
        Cell::Integer(value) if exact => Cell::Integer(*value),
        Cell::Integer(value) => Cell::Integer(number::round_integer(*value, digits)),
        Cell::Real(value) => number::round_real(*value, digits).map_or(Cell::Null, Cell::Real),
        Cell::Decimal(text) => {
            let kept = if exact { text.len() } else { usize::from(digits) };
            number::print_decimal(text, kept).map(Cell::Decimal).ok_or(NotCanonical::Decimal(place))?
        }
        Cell::Text(text) => match text::fold(text).map_err(|flaw| flawed(flaw, place))? {
            folded if folded.is_empty() => Cell::Null,
            folded => Cell::Text(folded),
        },
        Cell::Date(days) => {
            calendar::print_date(i64::from(*days)).map(|_| Cell::Date(*days)).ok_or(NotCanonical::Date(place))?
        }
        Cell::Timestamp(microseconds) => {
            let second = calendar::whole_second(*microseconds);
            calendar::print_timestamp(second).map(|_| Cell::Timestamp(second)).ok_or(NotCanonical::Date(place))?
        }
    })
}

fn flawed(flaw: text::Flaw, place: Place) -> NotCanonical {
    match flaw {
        text::Flaw::Unseen => NotCanonical::UnseenCharacter(place),
        text::Flaw::Lookalike => NotCanonical::LookalikeCharacter(place),
        text::Flaw::MixedScripts => NotCanonical::MixedScripts(place),
        text::Flaw::Long => NotCanonical::LongText(place),
        text::Flaw::Formula => NotCanonical::Formula(place),
        text::Flaw::Payload => NotCanonical::Payload(place),
    }
}

fn type_fields(columns: Vec<Column>, fields: Vec<Vec<String>>) -> Result<Table, NotCanonical> {
    let mut rows = Vec::with_capacity(fields.len());
    for (row, fields) in fields.into_iter().enumerate() {
        let mut cells = Vec::with_capacity(columns.len());
        for (place, (field, column)) in fields.into_iter().zip(&columns).enumerate() {
            cells.push(
                fields::read_cell(field, column.ty).ok_or(NotCanonical::WrongType(Place { row, column: place }))?,
            );
        }
        rows.push(cells);
    }
    Ok(Table { columns, rows })
}

fn read_fields(bytes: &[u8]) -> Result<(Vec<String>, Vec<Vec<String>>), NotCanonical> {
    if bytes.len() > MAXIMUM_BYTES {
        return Err(NotCanonical::TooLarge);
    }
    fields::read_fields(bytes, MAXIMUM_CELLS).map_err(|refusal| match refusal {
        NotFields::NotUtf8 => NotCanonical::NotUtf8,
        NotFields::NotCsv(line) => NotCanonical::NotCsv { line },
        NotFields::NoHeader => NotCanonical::NoColumns,
        NotFields::TooMany => NotCanonical::TooLarge,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
