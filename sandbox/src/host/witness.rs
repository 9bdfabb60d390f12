//! `witness`: the host reads the rows itself, so that the table and its evidence come from one pass over the same data.

use super::Host;
use super::answer::Unanswered;
use super::held::Connection;
use crate::bindings::quintes::analysis::{types, witness};
use crate::statement::{self, WitnessedStatement};
use crate::witness::{Measure, Question, Tabulation, WitnessError, WitnessedTable};
use types::{BudgetKind, Error};

impl From<witness::Measure> for Measure {
    fn from(measure: witness::Measure) -> Self {
        match measure {
            witness::Measure::Count => Self::Count,
            witness::Measure::Subjects => Self::Subjects,
            witness::Measure::CountOf(column) => Self::CountOf(column),
            witness::Measure::Sum(column) => Self::Sum(column),
            witness::Measure::Mean(column) => Self::Mean(column),
            witness::Measure::Variance(column) => Self::Variance(column),
            witness::Measure::Covariance((x, y)) => Self::Covariance(x, y),
        }
    }
}

impl Host {
    fn not_witnessed(&mut self, error: &WitnessError) -> Error {
        self.notes.host(&format!("a witnessed operation ended: {error}"));
        match error {
            WitnessError::TooManyGroups(_) | WitnessError::TooManySubjects(_) | WitnessError::TooMuchHeld(_) => {
                Error::BudgetExhausted(BudgetKind::Rows)
            }
            WitnessError::TooManyColumns => Error::InvalidQuery("too many grouping columns or measures".to_owned()),
            WitnessError::NoMeasure => Error::InvalidQuery("an aggregate has at least one measure".to_owned()),
            WitnessError::Name(_) => Error::InvalidQuery("a column's name is too long or not printable".to_owned()),
            WitnessError::Duplicate(_) => {
                Error::InvalidQuery("two columns of the table would have the same name".to_owned())
            }
            WitnessError::NoSuchColumn(_) => Error::InvalidQuery("the relation has no such column".to_owned()),
            WitnessError::NotNumeric(_) => Error::InvalidQuery("a measured column is not numeric".to_owned()),
            WitnessError::OneOfPair(_, _) => {
                Error::InvalidQuery("a row has one of a covariance's columns without the other".to_owned())
            }
        }
    }

    async fn witnessed(
        &mut self,
        connection: &Connection,
        relation: &str,
        question: Question,
    ) -> Result<WitnessedTable, Error> {
        question.check().map_err(|error| self.not_witnessed(&error))?;
        let (dialect, relations) = (connection.session.dialect(), connection.session.relations());
        let WitnessedStatement { statement, subject } =
            statement::admit_witnessed(relation, dialect, relations).map_err(|error| self.not_admitted(&error))?;
        let printed = statement.sql().to_owned();
        // Ask only for the columns that count: a wide file is then not read whole. The wrapped query passes the same admission.
        let statement =
            statement::admit(&question.narrowed(&printed, &subject), dialect, relations).unwrap_or(statement);
        let mut stream = self.start(connection, statement, Vec::new()).await?;
        let mut tabulation =
            Tabulation::new(question, stream.schema(), &subject, self.limits.groups, self.limits.group_subjects)
                .map_err(|error| self.not_witnessed(&error))?;
        while let Some(batch) = stream.next().await.map_err(|error| self.failed(&error))? {
            self.usage.witnessed_rows += u64::from(batch.rows);
            tabulation.push(&batch).map_err(|error| self.not_witnessed(&error))?;
        }
        let table = tabulation.finish(printed, connection.dataset.to_string());
        self.contributor_bytes += table.contributors.bytes();
        if self.contributor_bytes > self.limits.contributor_bytes {
            self.forget(&table);
            return Err(self.not_witnessed(&WitnessError::TooMuchHeld(self.limits.contributor_bytes)));
        }
        Ok(table)
    }

    /// Gives back what a table held that is about to be dropped.
    pub(super) fn forget(&mut self, table: &WitnessedTable) {
        self.contributor_bytes -= table.contributors.bytes();
    }

    async fn hold(
        &mut self,
        connection: u32,
        relation: &str,
        question: Question,
    ) -> Result<Result<u32, Error>, Unanswered> {
        self.held.has_room()?;
        let connection = self.held.connections.get(connection)?.clone();
        match self.witnessed(&connection, relation, question).await {
            Ok(table) => Ok(Ok(self.held.tables.hold(table)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) async fn tabulate(
        &mut self,
        connection: u32,
        relation: &str,
        by: Vec<String>,
    ) -> Result<Result<u32, Error>, Unanswered> {
        self.hold(connection, relation, Question { by, measures: vec![Measure::Count] }).await
    }

    pub(super) async fn aggregate(
        &mut self,
        connection: u32,
        relation: &str,
        by: Vec<String>,
        measures: Vec<witness::Measure>,
    ) -> Result<Result<u32, Error>, Unanswered> {
        let measures = measures.into_iter().map(Measure::from).collect();
        self.hold(connection, relation, Question { by, measures }).await
    }

    pub(super) fn columns(&self, table: u32) -> Result<Vec<types::ColumnInfo>, Unanswered> {
        Ok(self.held.tables.get(table)?.columns.iter().map(|column| (&column.info).into()).collect())
    }

    pub(super) fn table_rows(&self, table: u32) -> Result<Vec<Vec<types::Value>>, Unanswered> {
        let table = self.held.tables.get(table)?;
        Ok(table.rows.iter().map(|row| row.iter().cloned().map(Into::into).collect()).collect())
    }

    pub(super) fn drop_table(&mut self, table: u32) -> Result<(), Unanswered> {
        let table = self.held.tables.take(table)?;
        self.forget(&table);
        Ok(())
    }
}
