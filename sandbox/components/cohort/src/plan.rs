//! The one SELECT: a row for each condition that counts, of which the host counts distinct persons.

use crate::request::Request;
use guest::bindings::quintes::analysis::database::TableInfo;
use guest::bindings::quintes::analysis::witness::Measure;

/// What the host is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The SELECT.
    pub relation: String,
    /// The columns that group.
    pub by: Vec<String>,
    /// Distinct persons.
    pub measures: Vec<Measure>,
}

impl Question {
    /// Writes it over the OMOP tables that are `granted`.
    pub fn of(request: &Request, granted: &[TableInfo]) -> Result<Self, String> {
        let needed =
            ["condition_occurrence", "person"].into_iter().chain(request.descendants.then_some("concept_ancestor"));
        for table in needed {
            if !granted.iter().any(|info| info.name == table) {
                let way_out = match table {
                    "concept_ancestor" => ": ask with descendants=no, and name every concept",
                    _ => ": it has to be an OMOP dataset",
                };
                return Err(format!("there is no table `{table}` here{way_out}"));
            }
        }
        let mut columns = vec!["c1.person_id".to_owned()];
        let mut by = Vec::new();
        if request.sex {
            columns.push("p.gender_concept_id".to_owned());
            by.push("gender_concept_id".to_owned());
        }
        if let Some(year) = request.year {
            columns.push(format!("{} AS age_from", stratum(&request.ages, year)));
            by.push("age_from".to_owned());
        }
        let mut from = "condition_occurrence c1 JOIN person p ON c1.person_id = p.person_id".to_owned();
        let mut conditions = Vec::new();
        for (place, set) in request.sets.iter().enumerate() {
            let (c, a) = (format!("c{}", place + 1), format!("a{}", place + 1));
            if place > 0 {
                from += &format!(" JOIN condition_occurrence {c} ON c1.person_id = {c}.person_id");
            }
            let concept = if request.descendants {
                // Every concept is its own ancestor there (OMOP CDM 5.4, concept_ancestor).
                from += &format!(" JOIN concept_ancestor {a} ON {c}.condition_concept_id = {a}.descendant_concept_id");
                format!("{a}.ancestor_concept_id")
            } else {
                format!("{c}.condition_concept_id")
            };
            let ids = set.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            conditions.push(format!("{concept} IN ({ids})"));
            for (day, than) in [(&request.from, ">="), (&request.until, "<=")] {
                conditions.extend(day.iter().map(|day| format!("{c}.condition_start_date {than} DATE '{day}'")));
            }
        }
        if request.year.is_some() {
            // Who is not born yet, or has no year, is in no stratum.
            conditions.push(format!("{} >= {}", age(request.year.unwrap_or_default()), request.ages[0]));
        }
        let relation = format!("SELECT {} FROM {from} WHERE {}", columns.join(", "), conditions.join(" AND "));
        Ok(Self { relation, by, measures: vec![Measure::Subjects] })
    }
}

fn age(year: i64) -> String {
    format!("({year} - p.year_of_birth)")
}

/// The first age of a person's stratum.
fn stratum(ages: &[i64], year: i64) -> String {
    let age = age(year);
    let cases: String = ages.iter().skip(1).rev().map(|from| format!(" WHEN {age} >= {from} THEN {from}")).collect();
    let first = ages.first().copied().unwrap_or_default();
    if cases.is_empty() {
        format!("CASE WHEN {age} >= {first} THEN {first} END")
    } else {
        format!("CASE{cases} ELSE {first} END")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::Question;
    use crate::request::Request;
    use guest::bindings::quintes::analysis::database::TableInfo;

    fn question(tables: &[&str], given: &[(&str, &str)]) -> Result<Question, String> {
        let granted: Vec<TableInfo> =
            tables.iter().map(|name| TableInfo { name: (*name).into(), columns: Vec::new() }).collect();
        let parameters = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
        Question::of(&Request::read(&parameters).unwrap(), &granted)
    }

    #[test]
    fn descendants_and_windows_are_joined_for_each_set() {
        let given = [("conditions", "201826;320128,4"), ("from", "2019-01-01"), ("ages", "0,18,65"), ("year", "2020")];
        let question = question(&["condition_occurrence", "person", "concept_ancestor"], &given).unwrap();
        assert_eq!(
            question.relation,
            "SELECT c1.person_id, p.gender_concept_id, CASE WHEN (2020 - p.year_of_birth) >= 65 THEN 65 \
             WHEN (2020 - p.year_of_birth) >= 18 THEN 18 ELSE 0 END AS age_from \
             FROM condition_occurrence c1 JOIN person p ON c1.person_id = p.person_id \
             JOIN concept_ancestor a1 ON c1.condition_concept_id = a1.descendant_concept_id \
             JOIN condition_occurrence c2 ON c1.person_id = c2.person_id \
             JOIN concept_ancestor a2 ON c2.condition_concept_id = a2.descendant_concept_id \
             WHERE a1.ancestor_concept_id IN (201826) AND c1.condition_start_date >= DATE '2019-01-01' \
             AND a2.ancestor_concept_id IN (320128, 4) AND c2.condition_start_date >= DATE '2019-01-01' \
             AND (2020 - p.year_of_birth) >= 0"
        );
        assert_eq!(question.by, ["gender_concept_id", "age_from"]);
    }

    #[test]
    fn a_table_that_is_not_there_is_named() {
        let given = [("conditions", "1")];
        let refused = question(&["condition_occurrence", "person"], &given).unwrap_err();
        assert_eq!(
            refused,
            "there is no table `concept_ancestor` here: ask with descendants=no, and name every concept"
        );
        let refused = question(&["t"], &[("conditions", "1"), ("descendants", "no")]).unwrap_err();
        assert_eq!(refused, "there is no table `condition_occurrence` here: it has to be an OMOP dataset");
        let plain = [("conditions", "1"), ("descendants", "no"), ("sex", "no")];
        let plain = question(&["condition_occurrence", "person"], &plain).unwrap();
        assert!(plain.by.is_empty() && plain.relation.ends_with("WHERE c1.condition_concept_id IN (1)"));
    }
}
