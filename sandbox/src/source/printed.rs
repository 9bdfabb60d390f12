//! Outputs taken apart: the values of each column, and where a value stands that could betray a copied row.

use super::copies::{self, Agreement};
use super::form::Form;
use super::subjects::AsItIs;
use csv::{ReaderBuilder, StringRecord};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};
use std::ops::Range;

/// The fewest columns that make a row recognisable, and the fewest distinct values that make a column worth a look.
pub(super) const MEANT_COLUMNS: usize = 3;
const MEANT_VALUES: usize = 3;

/// A value in more rows of an output than this says nothing about one of them.
const ROWS_OF_A_VALUE: u32 = 64;

/// The most rows of an output that are compared with rows of the data.
const MOST_ROWS: u32 = 5_000;

/// The most columns of an output that are looked at.
const MOST_COLUMNS: usize = 1_000;

/// The most cells of all outputs of a run together: about 100 bytes of memory each.
const MOST_CELLS: usize = 1_000_000;

/// A distinct value of all outputs, by number.
pub(super) type Token = u32;

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The row, counted over all outputs.
    pub(super) row: u32,
    /// The column, counted over all outputs.
    pub(super) column: u32,
}

/// What is known of a distinct value.
struct Value {
    is_telling: bool,
    is_key: bool,
    places: Vec<Place>,
}

/// A column of an output; those of one name are one.
struct Column {
    name: String,
    tokens: HashSet<Token>,
}

/// One output.
struct Sheet {
    whole: bool,
    columns: Range<usize>,
    rows: Range<usize>,
}

/// What was found of the data in one output.
pub(super) struct Found {
    /// Whether all of the output was looked at.
    pub(super) whole: bool,
    pub(super) key_hits: BTreeMap<String, u64>,
    pub(super) equal_rows: u64,
}

/// All outputs of a run that the component wrote itself, taken apart.
#[derive(Default)]
pub(super) struct Printed {
    key: RandomState,
    /// Values by the keyed hash of their form.
    tokens: HashMap<u64, Token, BuildHasherDefault<AsItIs>>,
    values: Vec<Value>,
    columns: Vec<Column>,
    rows: Vec<Agreement>,
    sheets: Vec<Sheet>,
    cells: usize,
}

impl Printed {
    /// Takes one output apart.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let (first_column, first_row) = (self.columns.len(), self.rows.len());
        let (whole, cells) = self.read(bytes);
        let columns = first_column..self.columns.len();
        let is_meant = |column: &u32| self.columns[at(*column)].tokens.len() >= MEANT_VALUES;
        let meant = (0..).take(self.columns.len()).skip(first_column).filter(is_meant).collect::<HashSet<u32>>();
        if meant.len() >= MEANT_COLUMNS {
            self.place(&cells, &meant);
        }
        self.sheets.push(Sheet { whole, columns, rows: first_row..self.rows.len() });
    }

    /// Reads the cells; `false` where some were not.
    fn read(&mut self, bytes: &[u8]) -> (bool, Vec<(u32, u32, Token)>) {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
        let mut cells = Vec::new();
        let header = match reader.headers() {
            Ok(header) if !header.is_empty() => header.clone(),
            _ => return (false, cells),
        };
        let mut whole = header.len() <= MOST_COLUMNS;
        let columns = self.named(&header);
        let mut record = StringRecord::new();
        for row in 0.. {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return (whole, cells),
                Err(_) => break,
            }
            whole &= record.len() == header.len() && row < MOST_ROWS;
            for (text, column) in record.iter().zip(&columns) {
                let Some(form) = Form::of_text(text) else { continue };
                if self.cells >= MOST_CELLS {
                    return (false, cells);
                }
                self.cells += 1;
                let hash = self.key.hash_one(&form);
                let next = Token::try_from(self.values.len()).expect("there are at most a million cells");
                let values = &mut self.values;
                let token = *self.tokens.entry(hash).or_insert_with(|| {
                    values.push(Value { is_telling: form.is_telling(), is_key: false, places: Vec::new() });
                    next
                });
                self.columns[at(*column)].tokens.insert(token);
                if row < MOST_ROWS {
                    cells.push((row, *column, token));
                }
            }
        }
        (false, cells)
    }

    /// The column of each field; fields of one name are one column.
    fn named(&mut self, header: &StringRecord) -> Vec<u32> {
        let mut by_name = HashMap::new();
        let columns = header.iter().take(MOST_COLUMNS).enumerate().map(|(position, name)| {
            let name = match name.trim() {
                "" => format!("column {}", position + 1),
                name => name.to_lowercase(),
            };
            *by_name.entry(name).or_insert_with_key(|name| {
                self.columns.push(Column { name: name.clone(), tokens: HashSet::new() });
                u32::try_from(self.columns.len() - 1).expect("fifty outputs have at most 50,000 columns")
            })
        });
        columns.collect()
    }

    /// Notes where values stand, but for those that stand in many rows.
    fn place(&mut self, cells: &[(u32, u32, Token)], meant: &HashSet<u32>) {
        let first = u32::try_from(self.rows.len()).expect("fifty outputs have at most 250,000 rows");
        let mut rows_of: HashMap<Token, (u32, u32)> = HashMap::new();
        let cells = || cells.iter().filter(|(_, column, _)| meant.contains(column));
        let mut last = None;
        for (row, _, token) in cells() {
            let (seen, rows) = rows_of.entry(*token).or_insert((*row, 1));
            if seen != row {
                (*seen, *rows) = (*row, *rows + 1);
            }
            last = Some(*row);
        }
        for (row, column, token) in cells() {
            if rows_of[token].1 <= ROWS_OF_A_VALUE {
                self.values[at(*token)].places.push(Place { row: first + row, column: *column });
            }
        }
        let rows = last.map_or(0, |last| at(last) + 1);
        self.rows.resize_with(self.rows.len() + rows, Agreement::default);
    }

    /// Whether a key of a subject could be among the values.
    pub(super) fn may_have_keys(&self) -> bool {
        self.values.iter().any(|value| value.is_telling)
    }

    /// Whether rows of the data are to be compared.
    pub(super) fn may_have_copies(&self) -> bool {
        !self.rows.is_empty()
    }

    /// The value that has this form.
    pub(super) fn find(&self, form: &Form<'_>) -> Option<Token> {
        self.tokens.get(&self.key.hash_one(form)).copied()
    }

    /// Where a value stands.
    pub(super) fn places(&self, token: Token) -> &[Place] {
        &self.values[at(token)].places
    }

    /// Whether a value is unlikely to stand somewhere by chance.
    pub(super) fn is_telling(&self, token: Token) -> bool {
        self.values[at(token)].is_telling
    }

    /// Says that a value is the key of a subject.
    pub(super) fn is_a_key(&mut self, token: Token) {
        let value = &mut self.values[at(token)];
        value.is_key = value.is_telling;
    }

    /// The names of all columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// How many rows of the outputs are compared.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// What is kept of a row.
    pub(super) fn agreement(&mut self, row: u32) -> &mut Agreement {
        &mut self.rows[at(row)]
    }

    /// What was found, output by output.
    pub(super) fn found(&self) -> impl Iterator<Item = Found> {
        self.sheets.iter().map(|sheet| {
            let keys = |column: &Column| column.tokens.iter().filter(|token| self.values[at(**token)].is_key).count();
            let hits = self.columns[sheet.columns.clone()].iter().map(|column| (column, keys(column)));
            let hits = hits.filter(|(_, keys)| *keys > 0);
            Found {
                whole: sheet.whole,
                key_hits: hits
                    .map(|(column, keys)| (column.name.clone(), u64::try_from(keys).expect("a usize fits into a u64")))
                    .collect(),
                equal_rows: copies::count(&self.rows[sheet.rows.clone()]),
            }
        })
    }
}

fn at(number: u32) -> usize {
    usize::try_from(number).expect("a u32 fits into a usize here")
}
