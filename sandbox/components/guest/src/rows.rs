//! The rows that an analysis is about: a granted table or joined ones, and expressions over their columns, as one SELECT.

use crate::bindings::quintes::analysis::database::TableInfo;
use crate::bindings::quintes::analysis::types::ColumnType;
use crate::name::plain;

/// A way to look a parameter up.
pub type Parameters<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The longest statement that a host takes, less what it adds itself.
const LONGEST: usize = 30_000;

/// Where the rows come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    from: String,
    subject: String,
    filter: Option<String>,
    /// What is known of the columns; nothing of joined tables.
    table: Option<TableInfo>,
}

/// A column, and the values of it that count; none = it is a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The column.
    pub column: String,
    /// Its levels, the reference first.
    pub levels: Vec<String>,
}

impl Factor {
    /// Reads `column` or `column[level|level]`.
    pub fn read(parameter: &str, text: &str) -> Result<Self, String> {
        let (column, levels) = match text.split_once('[') {
            None => (text, None),
            Some((column, rest)) => {
                let inside = rest.strip_suffix(']').ok_or_else(|| {
                    format!("the parameter `{parameter}` has `{text}`: close the bracket of the levels")
                })?;
                (column.trim(), Some(inside))
            }
        };
        let column = qualified(parameter, column)?;
        let levels: Vec<String> =
            levels.map(|levels| levels.split('|').map(|level| level.trim().to_owned()).collect()).unwrap_or_default();
        if levels.iter().any(String::is_empty) {
            return Err(format!("the parameter `{parameter}` has an empty level in `{text}`"));
        }
        if let Some(twice) = (1..levels.len()).find(|place| levels[..*place].contains(&levels[*place])) {
            return Err(format!("the parameter `{parameter}` names the level `{}` twice", levels[twice]));
        }
        Ok(Self { column, levels })
    }

    /// Reads a comma list of them; a comma in brackets divides nothing.
    pub fn list(parameter: &str, text: &str) -> Result<Vec<Self>, String> {
        let mut inside = false;
        let parts = text.split(|c| {
            inside = if c == '[' { true } else { inside && c != ']' };
            c == ',' && !inside
        });
        let factors = parts.map(|part| Self::read(parameter, part.trim())).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = (1..factors.len())
            .find(|place| factors[..*place].iter().any(|factor| factor.column == factors[*place].column))
        {
            return Err(format!("the parameter `{parameter}` names `{}` twice", factors[twice].column));
        }
        Ok(factors)
    }
}

/// `column`, or `table.column` where tables are joined.
fn qualified(parameter: &str, text: &str) -> Result<String, String> {
    match text.split_once('.') {
        Some((table, column)) => {
            Ok(format!("{}.{}", plain(parameter, table.trim())?, plain(parameter, column.trim())?))
        }
        None => plain(parameter, text),
    }
}

/// The name under which a column comes out.
#[must_use]
pub fn bare(column: &str) -> &str {
    column.rsplit('.').next().unwrap_or(column)
}

impl Rows {
    /// Reads `table` or `from`, `subject` and `where`, and looks the table up in what is `granted`.
    pub fn read(parameters: Parameters<'_>, granted: &[TableInfo]) -> Result<Self, String> {
        let filter = parameters("where");
        match (parameters("table"), parameters("from")) {
            (Some(name), None) => {
                let name = plain("table", &name)?;
                let subject = plain("subject", &parameters("subject").unwrap_or_else(|| "person_id".into()))?;
                let table = granted.iter().find(|table| table.name == name).ok_or_else(|| {
                    let known: Vec<&str> = granted.iter().map(|table| table.name.as_str()).collect();
                    format!("there is no table `{name}` here; known: {}", known.join(", "))
                })?;
                let rows = Self { from: name, subject, filter, table: Some(table.clone()) };
                rows.known(&rows.subject).map_err(|error| {
                    format!("{error}; if another one names the person, say so in the parameter `subject`")
                })?;
                Ok(rows)
            }
            (None, Some(from)) => {
                let subject = parameters("subject").ok_or(
                    "the parameter `subject` is missing: with `from`, name the person's column with its table, for example `p.person_id`",
                )?;
                Ok(Self { from, subject: qualified("subject", &subject)?, filter, table: None })
            }
            (Some(_), Some(_)) => Err("the parameters `table` and `from` exclude each other: give one of them".into()),
            (None, None) => Err(
                "the parameter `table` is missing: give `table` (a granted table's name) or `from` (tables that are joined on the person)"
                    .into(),
            ),
        }
    }

    /// The type of a column, as far as it is known.
    fn known(&self, column: &str) -> Result<Option<ColumnType>, String> {
        let Some(table) = &self.table else { return Ok(None) };
        table.columns.iter().find(|info| info.name == column).map(|info| Some(info.ty)).ok_or_else(|| {
            let known: Vec<&str> = table.columns.iter().map(|info| info.name.as_str()).collect();
            format!("the table `{}` has no column `{column}`; known: {}", table.name, known.join(", "))
        })
    }

    /// A column that groups rows, as it is.
    pub fn group(&self, parameter: &str, column: &str) -> Result<String, String> {
        let column = qualified(parameter, column)?;
        self.known(&column)?;
        Ok(column)
    }

    /// The column as a double: a number as it is, yes and no as 1 and 0.
    pub fn number(&self, column: &str) -> Result<String, String> {
        match self.known(column)? {
            Some(ColumnType::Boolean) => Ok(format!("CASE WHEN {column} THEN 1.0 ELSE 0.0 END")),
            None | Some(ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal) => {
                Ok(format!("CAST({column} AS DOUBLE PRECISION)"))
            }
            Some(_) => Err(format!(
                "the column `{column}` is not numeric: name the levels that count, the reference first, as `{column}[a|b]`"
            )),
        }
    }

    /// 1 where the column has this level, 0 elsewhere.
    pub fn indicator(&self, column: &str, level: &str) -> Result<String, String> {
        Ok(format!("CASE WHEN {} THEN 1.0 ELSE 0.0 END", self.is(column, level)?))
    }

    /// That the column has this level.
    pub fn is(&self, column: &str, level: &str) -> Result<String, String> {
        let number = || level.parse::<f64>().is_ok_and(f64::is_finite);
        match (self.known(column)?, level) {
            (Some(ColumnType::Boolean), "true" | "1") => Ok(column.to_owned()),
            (Some(ColumnType::Boolean), "false" | "0") => Ok(format!("NOT {column}")),
            (Some(ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal), _) if number() => {
                Ok(format!("{column} = {}", signed(level)))
            }
            (None, _) if number() => Ok(format!("{column} = {}", signed(level))),
            (None | Some(ColumnType::Text), _) => Ok(format!("{column} = '{}'", level.replace('\'', "''"))),
            (Some(_), _) => Err(format!("`{level}` is no level of the column `{column}`: it has another type")),
        }
    }

    /// That a row has a value of the factor: any, or one of its levels.
    pub fn present(&self, factor: &Factor) -> Result<String, String> {
        let Factor { column, levels } = factor;
        if levels.is_empty() {
            self.known(column)?;
            return Ok(format!("{column} IS NOT NULL"));
        }
        let each = levels.iter().map(|level| self.is(column, level)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("({})", each.join(" OR ")))
    }

    /// The subject and `columns` of the rows that meet every condition.
    pub fn select(&self, columns: &[String], conditions: &[String]) -> Result<String, String> {
        let mut select = format!("SELECT {}", self.subject);
        for column in columns {
            select += &format!(", {column}");
        }
        select += &format!(" FROM {}", self.from);
        let all: Vec<String> =
            self.filter.iter().map(|filter| format!("({filter})")).chain(conditions.iter().cloned()).collect();
        if !all.is_empty() {
            select += &format!(" WHERE {}", all.join(" AND "));
        }
        if select.len() > LONGEST {
            return Err("the question is too long for one statement: ask with fewer or shorter terms".into());
        }
        Ok(select)
    }
}

/// A minus could begin a comment.
fn signed(level: &str) -> String {
    if level.starts_with('-') { format!("({level})") } else { level.to_owned() }
}

/// A finite double in SQL, whole: seventeen digits, and a minus in parentheses.
#[must_use]
pub fn literal(number: f64) -> String {
    signed(&format!("{:?}", number + 0.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Factor, Rows, bare, literal};
    use crate::bindings::quintes::analysis::database::TableInfo;
    use crate::bindings::quintes::analysis::types::{ColumnInfo, ColumnType};

    fn rows(given: &[(&str, &str)]) -> Result<Rows, String> {
        let column = |name: &str, ty| ColumnInfo { name: name.into(), ty, nullable: true };
        let granted = [TableInfo {
            name: "t".into(),
            columns: vec![
                column("person_id", ColumnType::Int64),
                column("age", ColumnType::Int64),
                column("sex", ColumnType::Text),
                column("dead", ColumnType::Boolean),
                column("born", ColumnType::Date),
            ],
        }];
        Rows::read(&|name| given.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned()), &granted)
    }

    #[test]
    fn columns_become_numbers_by_their_type() {
        let rows = rows(&[("table", "t"), ("where", "age > 3")]).unwrap();
        assert_eq!(rows.number("age").unwrap(), "CAST(age AS DOUBLE PRECISION)");
        assert_eq!(rows.number("dead").unwrap(), "CASE WHEN dead THEN 1.0 ELSE 0.0 END");
        assert_eq!(rows.indicator("sex", "O'F").unwrap(), "CASE WHEN sex = 'O''F' THEN 1.0 ELSE 0.0 END");
        assert_eq!(rows.is("age", "-1").unwrap(), "age = (-1)");
        assert_eq!(rows.is("dead", "false").unwrap(), "NOT dead");
        assert!(rows.number("sex").unwrap_err().contains("name the levels that count"));
        assert!(rows.is("born", "2000-01-01").unwrap_err().contains("another type"));
        assert!(rows.is("age", "old").unwrap_err().contains("another type"));
        assert!(
            rows.number("bmi").unwrap_err().starts_with("the table `t` has no column `bmi`; known: person_id, age")
        );
        let select = rows.select(&["1.0 AS y".into()], &["sex IS NOT NULL".into()]).unwrap();
        assert_eq!(select, "SELECT person_id, 1.0 AS y FROM t WHERE (age > 3) AND sex IS NOT NULL");
        assert!(rows.select(&["x".repeat(40_000)], &[]).unwrap_err().contains("too long"));
    }

    #[test]
    fn joined_tables_name_the_table_of_each_column() {
        let rows = rows(&[("from", "a JOIN b ON a.p = b.p"), ("subject", "a.p")]).unwrap();
        assert_eq!(rows.is("b.sex", "F").unwrap(), "b.sex = 'F'");
        assert_eq!(rows.is("b.sex", "8532").unwrap(), "b.sex = 8532");
        assert_eq!(rows.select(&[], &[]).unwrap(), "SELECT a.p FROM a JOIN b ON a.p = b.p");
        assert_eq!(bare("b.sex"), "sex");
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        for (given, start) in [
            (&[][..], "the parameter `table` is missing"),
            (&[("table", "t"), ("from", "t")], "the parameters `table` and `from` exclude each other"),
            (&[("from", "t")], "the parameter `subject` is missing"),
            (&[("table", "u")], "there is no table `u` here; known: t"),
            (&[("table", "t"), ("subject", "who")], "the table `t` has no column `who`"),
        ] {
            let error = rows(given).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
        for (text, words) in [
            ("sex[F", "close the bracket"),
            ("sex[F|]", "empty level"),
            ("sex[F|F]", "twice"),
            ("a;b", "not a plain name"),
            ("age,age", "twice"),
        ] {
            let error = Factor::list("predictors", text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let two = Factor::list("predictors", "age, sex[M,x|F]").unwrap();
        assert_eq!((two.len(), two[1].levels.join(";")), (2, "M,x;F".to_owned()));
    }

    #[test]
    fn a_literal_reads_back_as_the_same_number() {
        for number in [0.1, -2.5e-9, 1e300, 3.0, -0.0] {
            let text = literal(number);
            assert_eq!(text.trim_matches(['(', ')']).parse::<f64>().unwrap(), number, "{text}");
        }
        assert_eq!(literal(-0.0), "0.0");
    }
}
