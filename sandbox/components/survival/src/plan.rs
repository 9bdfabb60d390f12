//! The one SELECT: the point of the grid at which a person leaves, and whether with the event.

use crate::request::{Grid, Request};
use guest::bindings::quintes::analysis::witness::Measure;
use guest::rows::{Factor, Rows, bare, literal};

/// What the host is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The SELECT.
    pub relation: String,
    /// The columns that group: those of the task, and the time.
    pub by: Vec<String>,
    /// Who leaves, and how many of them with the event.
    pub measures: Vec<Measure>,
}

impl Question {
    /// Writes it over the rows that have a time from 0 on and say whether the event came.
    pub fn of(request: &Request, rows: &Rows) -> Result<Self, String> {
        let time = rows.number(&request.time)?;
        let (end, at) = match &request.grid {
            Grid::Even { width, until } => {
                let (width, until) = (literal(*width), literal(*until));
                (
                    until.clone(),
                    format!("CASE WHEN {time} > {until} THEN {until} ELSE ceil({time} / {width}) * {width} END"),
                )
            }
            Grid::Listed(times) => {
                let cases: String =
                    times.iter().map(|at| format!(" WHEN {time} <= {at} THEN {at}", at = literal(*at))).collect();
                let last = literal(times.last().copied().unwrap_or_default());
                (last.clone(), format!("CASE{cases} ELSE {last} END"))
            }
        };
        let came = match request.event.levels.first() {
            Some(value) => rows.is(&request.event.column, value)?,
            None => rows.is(&request.event.column, "1")?,
        };
        let mut columns = Vec::new();
        for column in &request.by {
            columns.push(rows.group("by", column)?);
        }
        columns.push(format!("{at} AS time"));
        // Who is there longer than the grid leaves at its end, without the event.
        columns.push(format!("CASE WHEN {came} AND {time} <= {end} THEN 1.0 ELSE 0.0 END AS event"));
        let said = Factor { column: request.event.column.clone(), levels: Vec::new() };
        let conditions = [format!("{time} >= 0.0"), rows.present(&said)?];
        let by = request.by.iter().map(|column| bare(column).to_owned()).chain(["time".to_owned()]).collect();
        let measures = vec![Measure::CountOf("event".into()), Measure::Sum("event".into())];
        Ok(Self { relation: rows.select(&columns, &conditions)?, by, measures })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::Question;
    use crate::request::Request;
    use guest::bindings::quintes::analysis::database::TableInfo;
    use guest::bindings::quintes::analysis::types::{ColumnInfo, ColumnType};
    use guest::rows::Rows;

    fn question(given: &[(&str, &str)]) -> Question {
        let column = |name: &str| ColumnInfo { name: name.into(), ty: ColumnType::Int64, nullable: true };
        let granted =
            [TableInfo { name: "t".into(), columns: ["person_id", "week", "arrest", "fin"].map(column).to_vec() }];
        let parameters = |name: &str| {
            let table = (name == "table").then_some("t");
            given.iter().find(|(key, _)| *key == name).map(|(_, text)| *text).or(table).map(str::to_owned)
        };
        Question::of(&Request::read(&parameters).unwrap(), &Rows::read(&parameters, &granted).unwrap()).unwrap()
    }

    #[test]
    fn times_are_rounded_up_to_the_grid() {
        let week = "CAST(week AS DOUBLE PRECISION)";
        let even = question(&[("time", "week"), ("event", "arrest"), ("width", "4"), ("until", "52"), ("by", "fin")]);
        assert_eq!(
            even.relation,
            format!(
                "SELECT person_id, fin, CASE WHEN {week} > 52.0 THEN 52.0 ELSE ceil({week} / 4.0) * 4.0 END AS time, \
                 CASE WHEN arrest = 1 AND {week} <= 52.0 THEN 1.0 ELSE 0.0 END AS event \
                 FROM t WHERE {week} >= 0.0 AND arrest IS NOT NULL"
            )
        );
        assert_eq!(even.by, ["fin", "time"]);
        let listed = question(&[("time", "week"), ("event", "arrest[2]"), ("grid", "10,20")]);
        let time = format!("CASE WHEN {week} <= 10.0 THEN 10.0 WHEN {week} <= 20.0 THEN 20.0 ELSE 20.0 END AS time");
        assert!(listed.relation.contains(&time) && listed.relation.contains("arrest = 2 AND"), "{}", listed.relation);
    }
}
