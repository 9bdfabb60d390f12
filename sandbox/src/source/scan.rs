//! Reads the personal relations past the outputs' values, batch by batch, until all are read or time is up.

use super::form::Form;
use super::printed::{MEANT_COLUMNS, Printed, Token};
use super::subjects;
use crate::database::{DatabaseError, Relation, Session};
use crate::statement;
use crate::value::{Batch, ColumnInfo};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

/// How many rows are read between two looks at the clock.
const ROWS_A_LOOK: usize = 64;

/// The most meetings of one row of the data with cells of the outputs: outputs that repeat a value thousands of times are not worth more.
const MOST_MEETINGS: usize = 100_000;

/// A value of a row of the data that stands in an output. The order matters: by row, columns of the same name first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    row: u32,
    renamed: bool,
    column: u32,
    source: usize,
}

/// Reads every personal relation; `false` where something was not read to its end.
pub(super) async fn all(printed: &mut Printed, sessions: &[Arc<dyn Session>], until: Instant) -> bool {
    if !printed.may_have_keys() && !printed.may_have_copies() {
        return true;
    }
    let mut complete = true;
    let mut scan = Scan::new(printed, until);
    for (dataset, session) in (0..).zip(sessions) {
        for relation in session.relations() {
            if let Some(subject) = &relation.subject {
                let read = scan.relation(&**session, dataset, relation, subject).await;
                complete &= matches!(read, Ok(true));
            }
        }
    }
    complete
}

struct Scan<'a> {
    printed: &'a mut Printed,
    /// Hashes subjects.
    key: RandomState,
    until: Instant,
    meetings: Vec<Meeting>,
    /// How many meetings each row of the outputs has.
    counts: Vec<usize>,
    /// The columns of the data that a row of an output has met, and those of the output.
    used: Vec<(u32, usize)>,
}

impl<'a> Scan<'a> {
    fn new(printed: &'a mut Printed, until: Instant) -> Self {
        let counts = vec![0; printed.rows()];
        Self { printed, key: RandomState::new(), until, meetings: Vec::new(), counts, used: Vec::new() }
    }

    /// Reads one relation; `false` where it was not read to its end.
    async fn relation(
        &mut self,
        session: &dyn Session,
        dataset: u64,
        relation: &Relation,
        subject: &str,
    ) -> Result<bool, DatabaseError> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let columns = if self.printed.may_have_copies() { "*".to_owned() } else { quoted(subject) };
        let sql = format!("SELECT {columns} FROM {}", quoted(&relation.name));
        let Ok(statement) = statement::admit(&sql, session.dialect(), session.relations()) else { return Ok(false) };
        let mut rows = session.query(&statement, &[]).await?;
        let schema = rows.schema().to_vec();
        let Some(subject) = schema.iter().position(|column| column.name == subject) else { return Ok(false) };
        let named = self.named(&schema);
        while let Some(batch) = rows.next().await? {
            if !self.batch(&batch, dataset, subject, &named) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// For each column of the outputs, the column of the data that has its name.
    fn named(&self, schema: &[ColumnInfo]) -> Vec<Option<usize>> {
        let of = |name: &str| schema.iter().position(|column| column.name.to_lowercase() == name);
        self.printed.names().map(of).collect()
    }

    /// Takes one batch; `false` where time is up or a limit is met.
    fn batch(&mut self, batch: &Batch, dataset: u64, subject: usize, named: &[Option<usize>]) -> bool {
        let rows = usize::try_from(batch.rows).expect("a u32 fits into a usize here");
        let mut tokens = Vec::with_capacity(batch.columns.len());
        for row in 0..rows {
            if row % ROWS_A_LOOK == 0 && Instant::now() >= self.until {
                return false;
            }
            tokens.clear();
            tokens.extend(batch.columns.iter().enumerate().filter_map(|(column, values)| {
                let form = Form::of_value(values, row)?;
                self.printed.find(&form).map(|token| (column, token))
            }));
            if let Some((_, token)) = tokens.iter().find(|(column, _)| *column == subject) {
                self.printed.is_a_key(*token);
            }
            if tokens.len() < MEANT_COLUMNS {
                continue;
            }
            if !self.meet(&tokens, named) {
                return false;
            }
            self.keep_promising();
            if !self.meetings.is_empty() {
                let subject = subjects::hash(&self.key, dataset, &batch.columns[subject], row);
                self.agree(subject);
            }
        }
        true
    }

    /// Collects the cells of the outputs that have values of this row; `false` where there are too many.
    fn meet(&mut self, tokens: &[(usize, Token)], named: &[Option<usize>]) -> bool {
        self.meetings.clear();
        for (source, token) in tokens {
            let is_telling = self.printed.is_telling(*token);
            for place in self.printed.places(*token) {
                let own = named[usize::try_from(place.column).expect("a u32 fits into a usize here")];
                let renamed = match own {
                    Some(own) if own == *source => false,
                    None if is_telling => true,
                    Some(_) | None => continue,
                };
                self.meetings.push(Meeting { row: place.row, renamed, column: place.column, source: *source });
            }
            if self.meetings.len() > MOST_MEETINGS {
                return false;
            }
        }
        true
    }

    /// Keeps the meetings of rows that have enough of them: by chance, a row of the data meets many rows in a column or two.
    fn keep_promising(&mut self) {
        let at = |meeting: &Meeting| usize::try_from(meeting.row).expect("a u32 fits into a usize here");
        self.meetings.iter().for_each(|meeting| self.counts[at(meeting)] = 0);
        self.meetings.iter().for_each(|meeting| self.counts[at(meeting)] += 1);
        let counts = &self.counts;
        self.meetings.retain(|meeting| counts[at(meeting)] >= MEANT_COLUMNS);
    }

    /// Counts, for each row of the outputs, the columns that agree: each column of either side once. Columns that could meet several others hold
    /// one value, so that taking the first free one gives the most.
    fn agree(&mut self, subject: u64) {
        self.meetings.sort_unstable();
        for met in self.meetings.chunk_by(|a, b| a.row == b.row) {
            self.used.clear();
            let mut other = 0;
            for meeting in met {
                if self.used.iter().all(|(column, source)| *column != meeting.column && *source != meeting.source) {
                    self.used.push((meeting.column, meeting.source));
                    other += usize::from(meeting.renamed);
                }
            }
            self.printed.agreement(met[0].row).meet(self.used.len() - other, other, subject);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::super::copies::{self, Agreement};
    use super::*;
    use crate::value::{Column, ColumnData, ColumnType};
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::time::Duration;

    /// The columns of the data; the outputs' first two have these names, their last two have others.
    const NAMES: [&str; 4] = ["id", "a", "b", "c"];

    /// The most columns of an output's row that meet columns of the data's row: every way is tried.
    fn most(row: &[i64], of: &[i64], column: usize, used: &mut HashSet<usize>) -> usize {
        let Some(value) = row.get(column) else { return 0 };
        let mut best = most(row, of, column + 1, used);
        for (source, other) in of.iter().enumerate() {
            let may = if column < 2 { NAMES[column + 1] == NAMES[source] } else { true };
            if may && value == other && used.insert(source) {
                best = best.max(1 + most(row, of, column + 1, used));
                used.remove(&source);
            }
        }
        best
    }

    proptest! {
        #[test]
        fn agreement_is_the_most_that_columns_can_agree(
            source in prop::collection::vec(prop::array::uniform4(10_000..10_006_i64), 1..40),
            output in prop::collection::vec(prop::array::uniform4(10_000..10_006_i64), 3..12),
        ) {
            let mut csv = String::from("a,b,x,y\n");
            for [a, b, x, y] in &output {
                csv += &format!("{a},{b},{x},{y}\n");
            }
            let mut printed = Printed::default();
            printed.add(csv.as_bytes());
            let distinct = |column: usize| output.iter().map(|row| row[column]).collect::<HashSet<_>>().len();
            prop_assume!((0..4).all(|column| distinct(column) >= 3));
            let column = |column: usize| Column {
                validity: None,
                data: ColumnData::Int64(source.iter().map(|row| row[column]).collect()),
            };
            let batch = Batch { rows: u32::try_from(source.len()).unwrap(), columns: (0..4).map(column).collect() };
            let schema = NAMES.map(|name| ColumnInfo { name: name.into(), ty: ColumnType::Int64, nullable: false });
            let mut scan = Scan::new(&mut printed, Instant::now() + Duration::from_secs(60));
            let named = scan.named(&schema);
            prop_assert!(scan.batch(&batch, 0, 0, &named));
            let mut expected = vec![Agreement::default(); output.len()];
            for (row, agreement) in output.iter().zip(&mut expected) {
                for of in &source {
                    let named = usize::from(row[0] == of[1]) + usize::from(row[1] == of[2]);
                    let total = most(row, of, 0, &mut HashSet::new());
                    agreement.meet(named, total - named, u64::try_from(of[0]).unwrap());
                }
            }
            let found: Vec<_> = printed.found().map(|found| found.equal_rows).collect();
            prop_assert_eq!(found, [copies::count(&expected)]);
        }
    }
}
