//! The relation that the host is asked about: a granted table, checked against what is granted, or the researcher's SELECT.

use guest::bindings::quintes::analysis::database::TableInfo;
use guest::bindings::quintes::analysis::types::ColumnType;

use crate::request::{Bins, Source};

/// The relation for one analysis: a granted relation's name or one SELECT.
///
/// `groups` are the columns that group, `figures` the numeric ones, which must be present in a row for it to count, `bins` what
/// a histogram adds as `bin_from`. Of a [`Source::Table`] every name is looked up in `granted`; a [`Source::Select`] goes to the
/// host as it is.
pub fn relation(
    source: &Source,
    groups: &[String],
    figures: &[&String],
    bins: Option<&Bins>,
    granted: &[TableInfo],
) -> Result<String, String> {
    let (name, subject, filter) = match source {
        Source::Select(select) => return Ok(select.clone()),
        Source::Table { name, subject, filter } => (name, subject, filter),
    };
    let table = granted.iter().find(|table| table.name == *name).ok_or_else(|| no_table(name, granted))?;
    for column in groups {
        known(table, column)?;
    }
    for column in figures {
        numeric(table, column)?;
    }
    if figures.is_empty() && filter.is_none() {
        return Ok(name.clone());
    }
    known(table, subject)
        .map_err(|error| format!("{error}; if another one names the person, say so in the parameter `subject`"))?;
    let mut selected: Vec<&str> = vec![subject];
    for column in groups.iter().chain(figures.iter().copied()) {
        if !selected.contains(&column.as_str()) {
            selected.push(column);
        }
    }
    let mut select = format!("SELECT {}", selected.join(", "));
    if let Some(Bins::Fixed { column, width, origin, low, high }) = bins {
        let before = low.map(|low| (literal(low), literal(low - width)));
        let (width, origin) = (literal(*width), literal(*origin));
        let mut bin = format!("floor(({column} - {origin}) / {width}) * {width} + {origin}");
        let before = before.map(|(low, before)| format!(" WHEN {column} < {low} THEN {before}"));
        let beyond = high.map(literal).map(|high| format!(" WHEN {column} >= {high} THEN {high}"));
        let ends: String = before.into_iter().chain(beyond).collect();
        if !ends.is_empty() {
            bin = format!("CASE{ends} ELSE {bin} END");
        }
        select += &format!(", {bin} AS bin_from");
    }
    let present = figures.iter().map(|column| format!("{column} IS NOT NULL"));
    let conditions: Vec<String> = filter.iter().map(|text| format!("({text})")).chain(present).collect();
    Ok(format!("{select} FROM {name} WHERE {}", conditions.join(" AND ")))
}

/// Whether all of these columns are numbers, as far as that is known before the host is asked.
pub fn all_numeric(source: &Source, columns: &[String], granted: &[TableInfo]) -> Result<(), String> {
    let Source::Table { name, .. } = source else { return Ok(()) };
    let table = granted.iter().find(|table| table.name == *name).ok_or_else(|| no_table(name, granted))?;
    columns.iter().try_for_each(|column| numeric(table, column))
}

fn no_table(name: &str, granted: &[TableInfo]) -> String {
    let known: Vec<&str> = granted.iter().map(|table| table.name.as_str()).collect();
    format!("there is no table `{name}` here; known: {}", known.join(", "))
}

fn known(table: &TableInfo, column: &str) -> Result<ColumnType, String> {
    table.columns.iter().find(|info| info.name == *column).map(|info| info.ty).ok_or_else(|| {
        let known: Vec<&str> = table.columns.iter().map(|info| info.name.as_str()).collect();
        format!("the table `{}` has no column `{column}`; known: {}", table.name, known.join(", "))
    })
}

fn numeric(table: &TableInfo, column: &str) -> Result<(), String> {
    let is_number = |ty| matches!(ty, ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal);
    if is_number(known(table, column)?) {
        return Ok(());
    }
    let numbers: Vec<&str> =
        table.columns.iter().filter(|info| is_number(info.ty)).map(|info| info.name.as_str()).collect();
    Err(format!("the column `{column}` of `{}` is not numeric; numeric are: {}", table.name, numbers.join(", ")))
}

/// A double in every engine's SQL: plain integers would divide as integers, and a minus could begin a comment.
fn literal(number: f64) -> String {
    format!("CAST({number:?} AS DOUBLE PRECISION)")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::relation;
    use crate::request::{Bins, Source};
    use guest::bindings::quintes::analysis::database::TableInfo;
    use guest::bindings::quintes::analysis::types::{ColumnInfo, ColumnType};

    fn granted() -> Vec<TableInfo> {
        let column = |name: &str, ty| ColumnInfo { name: name.into(), ty, nullable: true };
        vec![
            TableInfo {
                name: "person".into(),
                columns: vec![
                    column("person_id", ColumnType::Int64),
                    column("age", ColumnType::Int64),
                    column("sex", ColumnType::Text),
                ],
            },
            TableInfo {
                name: "visit".into(),
                columns: vec![column("patient", ColumnType::Int64), column("cost", ColumnType::Decimal)],
            },
        ]
    }

    fn table(name: &str, filter: Option<&str>) -> Source {
        Source::Table { name: name.into(), subject: "person_id".into(), filter: filter.map(Into::into) }
    }

    #[test]
    fn a_table_without_conditions_goes_by_its_name() {
        assert_eq!(relation(&table("person", None), &["sex".into()], &[], None, &granted()).unwrap(), "person");
        let select = relation(&table("person", Some("age > 18")), &["sex".into()], &[], None, &granted()).unwrap();
        assert_eq!(select, "SELECT person_id, sex FROM person WHERE (age > 18)");
    }

    #[test]
    fn figures_must_be_present_in_each_row() {
        let (age, bins) =
            ("age".to_owned(), Bins::Fixed { column: "age".into(), width: 10.0, origin: -5.0, low: None, high: None });
        let select =
            relation(&table("person", Some("a OR b")), &["sex".into(), "age".into()], &[&age], None, &granted())
                .unwrap();
        assert_eq!(select, "SELECT person_id, sex, age FROM person WHERE (a OR b) AND age IS NOT NULL");
        let select = relation(&table("person", None), &[], &[&age], Some(&bins), &granted()).unwrap();
        assert_eq!(
            select,
            "SELECT person_id, age, floor((age - CAST(-5.0 AS DOUBLE PRECISION)) / CAST(10.0 AS DOUBLE PRECISION)) * \
             CAST(10.0 AS DOUBLE PRECISION) + CAST(-5.0 AS DOUBLE PRECISION) AS bin_from FROM person WHERE age IS NOT NULL"
        );
    }

    #[test]
    fn the_outermost_bins_take_everything_beyond() {
        let age = "age".to_owned();
        let bins = Bins::Fixed { column: "age".into(), width: 10.0, origin: 0.0, low: Some(20.0), high: Some(90.0) };
        let select = relation(&table("person", None), &[], &[&age], Some(&bins), &granted()).unwrap();
        let ends = "CASE WHEN age < CAST(20.0 AS DOUBLE PRECISION) THEN CAST(10.0 AS DOUBLE PRECISION) \
                    WHEN age >= CAST(90.0 AS DOUBLE PRECISION) THEN CAST(90.0 AS DOUBLE PRECISION) ELSE floor(";
        assert!(select.contains(ends) && select.contains(" END AS bin_from FROM person"), "{select}");
    }

    #[test]
    fn a_select_goes_as_it_is() {
        let source = Source::Select("SELECT person_id, x FROM a JOIN b USING (person_id)".into());
        assert_eq!(
            relation(&source, &["q".into()], &[], None, &granted()).unwrap(),
            "SELECT person_id, x FROM a JOIN b USING (person_id)"
        );
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let (sex, cost, none) = ("sex".to_owned(), "cost".to_owned(), "none".to_owned());
        let error = |source: &Source, groups: &[String], figures: &[&String]| {
            relation(source, groups, figures, None, &granted()).unwrap_err()
        };
        assert_eq!(error(&table("persons", None), &[], &[]), "there is no table `persons` here; known: person, visit");
        assert_eq!(
            error(&table("person", None), std::slice::from_ref(&none), &[]),
            "the table `person` has no column `none`; known: person_id, age, sex"
        );
        assert_eq!(
            error(&table("person", None), &[], &[&sex]),
            "the column `sex` of `person` is not numeric; numeric are: person_id, age"
        );
        assert_eq!(
            error(&table("visit", None), &[], &[&cost]),
            "the table `visit` has no column `person_id`; known: patient, cost; if another one names the person, say so in the parameter `subject`"
        );
    }
}
