//! What the name of a column says about its cells: all that there is to go by where the node did not compute them.

/// Words of statistics: a column with one of them is no count, whatever else stands in its name.
const STATISTICS: [&str; 22] = [
    "mean", "avg", "average", "median", "sum", "sd", "std", "se", "var", "variance", "min", "max", "pct", "percent",
    "rate", "ratio", "id", "code", "age", "year", "cost", "p",
];

/// Words of counts.
const COUNTS: [&str; 26] = [
    "n",
    "count",
    "counts",
    "freq",
    "frequency",
    "num",
    "total",
    "subjects",
    "patients",
    "persons",
    "people",
    "participants",
    "individuals",
    "events",
    "cases",
    "controls",
    "deaths",
    "admissions",
    "numerator",
    "denominator",
    "obs",
    "observations",
    "records",
    "episodes",
    "visits",
    "nobs",
];

/// Names of columns that hold what a person is known by.
const IDENTIFIERS: [&str; 24] = [
    "person_id",
    "patient_id",
    "subject_id",
    "participant_id",
    "personid",
    "patientid",
    "subjectid",
    "person_source_value",
    "patient_identifier",
    "nhs_number",
    "nhs_no",
    "nhsnumber",
    "nhs_num",
    "chi_number",
    "mrn",
    "hospital_number",
    "nino",
    "national_insurance_number",
    "surname",
    "forename",
    "first_name",
    "last_name",
    "full_name",
    "patient_name",
];

fn has(name: &str, words: &[&str]) -> bool {
    name.split('_').any(|word| words.contains(&word))
}

/// A number of rows or subjects: `n`, `n_smokers`, `count`, `total`.
pub(crate) fn is_count(name: &str) -> bool {
    has(name, &COUNTS) && !has(name, &STATISTICS)
}

/// A number that others are parts of: `n`, `total`, `denominator`.
pub(crate) fn is_whole(name: &str) -> bool {
    is_count(name)
        && (matches!(name, "n" | "count" | "subjects" | "patients" | "persons" | "nobs")
            || has(name, &["total", "denominator"]))
}

/// A share: what the whole is, 100 or 1.
pub(crate) fn share(name: &str) -> Option<f64> {
    if has(name, &["percent", "percentage", "pct", "perc"]) {
        Some(100.0)
    } else if has(name, &["proportion", "prop", "fraction", "share"]) {
        Some(1.0)
    } else {
        None
    }
}

/// The value of a single subject.
pub(crate) fn is_extreme(name: &str) -> bool {
    has(name, &["min", "max", "minimum", "maximum", "largest", "smallest", "highest", "lowest"])
}

/// A spread, which has one degree of freedom less than its group has rows.
pub(crate) fn is_spread(name: &str) -> bool {
    has(name, &["sd", "std", "stdev", "stddev", "variance", "var", "sem", "stderr"])
}

/// Residual degrees of freedom.
pub(crate) fn is_degrees_of_freedom(name: &str) -> bool {
    has(name, &["df", "dof", "dfs"])
}

/// What a person is known by.
pub(crate) fn is_identifier(name: &str) -> bool {
    IDENTIFIERS.contains(&name)
}

/// A day of birth.
pub(crate) fn is_birth(name: &str) -> bool {
    has(name, &["dob", "birth", "birthdate", "birthday", "born"])
}

/// A row that sums others up.
pub(crate) fn is_total(text: &str) -> bool {
    ["total", "totals", "all", "overall", "any", "sum"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A cell that says that a value was left out: `[REDACTED]`, `*`, `<10`, `suppressed`.
pub(crate) fn is_redacted(text: &str) -> bool {
    let bare = text.trim_matches(|end| matches!(end, '[' | ']' | '(' | ')'));
    matches!(text, "*" | "**" | "***" | "[c]" | "x" | "X")
        || ["redacted", "suppressed", "hidden", "masked", "nd", "low"]
            .iter()
            .any(|word| bare.eq_ignore_ascii_case(word))
        || bare.strip_prefix(['<', '\u{2264}']).is_some_and(|rest| rest.trim_matches([' ', '=']).parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_counts_from_statistics() {
        for name in ["n", "n_smokers", "count", "total_patients", "deaths", "num_visits"] {
            assert!(is_count(name), "{name}");
        }
        for name in ["mean_n", "nation", "age", "total_cost", "patient_id", "year", "percent_patients"] {
            assert!(!is_count(name), "{name}");
        }
        assert!(is_whole("n") && is_whole("total_n") && !is_whole("n_smokers"));
        assert_eq!((share("pct_dead"), share("proportion"), share("n")), (Some(100.0), Some(1.0), None));
        assert!(is_birth("date_of_birth") && is_identifier("person_id") && !is_identifier("concept_id"));
    }
}
