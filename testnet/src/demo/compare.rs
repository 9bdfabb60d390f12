//! The federation's figures beside those of the pooled data.

use super::question::{Expected, Table};
use anyhow::{anyhow, bail};
use serde_json::Value;
use std::collections::BTreeMap;

/// By how much a figure may differ from the pooled one, relatively.
pub const TOLERANCE: f64 = 1e-9;

/// One figure from both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Output, row and column.
    pub name: String,
    /// What the federation says; none when it says nothing.
    pub federated: Option<f64>,
    /// What the pooled data says.
    pub pooled: Expected,
}

impl Compared {
    /// |federated − pooled| / |pooled|; 1 where the federation says nothing, and the difference itself where the pooled figure is 0.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        let Some(federated) = self.federated else { return 1.0 };
        let difference = (federated - self.pooled.value).abs();
        let error = if self.pooled.value == 0.0 { difference } else { difference / self.pooled.value.abs() };
        if error.is_nan() { 1.0 } else { error }
    }

    /// Counts agree in every digit, other figures within [`TOLERANCE`].
    #[must_use]
    pub fn holds(&self) -> bool {
        if self.pooled.exact { self.relative_error() == 0.0 } else { self.relative_error() <= TOLERANCE }
    }
}

/// Every figure that the pooled data gives, beside what `quintes aggregate --json` says.
///
/// # Errors
/// When the answer has another form, or rows that the pooled data does not have.
pub fn compare(answer: &Value, expected: &BTreeMap<&'static str, Table>) -> anyhow::Result<Vec<Compared>> {
    let mut all = Vec::new();
    for (output, table) in expected {
        let said = &answer["outputs"][*output];
        let names =
            said["columns"].as_array().map(|columns| columns.iter().map(|column| column["name"].as_str()).collect());
        let names: Vec<Option<&str>> = names.ok_or_else(|| anyhow!("the result has no output `{output}`"))?;
        let place = |name: &str| names.iter().position(|column| *column == Some(name));
        let rows = said["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        if rows.len() > table.rows.len() {
            bail!("the output `{output}` has {} rows and the pooled data {}", rows.len(), table.rows.len());
        }
        let keys: Vec<Option<usize>> = table.keys.iter().map(|key| place(key)).collect();
        for (key, figures) in &table.rows {
            let found = rows
                .iter()
                .find(|row| keys.iter().zip(key).all(|(at, key)| at.and_then(|at| number(&row[at])) == Some(*key)));
            for (column, pooled) in figures {
                let federated = found.and_then(|row| number(&row[place(column)?]));
                all.push(Compared { name: name(output, table, key, column), federated, pooled: *pooled });
            }
        }
    }
    Ok(all)
}

/// A cell: a number, or a decimal in text.
fn number(cell: &Value) -> Option<f64> {
    cell.as_f64().or_else(|| cell.as_str()?.parse().ok())
}

fn name(output: &str, table: &Table, key: &[f64], column: &str) -> String {
    let keys: Vec<String> = table.keys.iter().zip(key).map(|(name, value)| format!("{name}={value}")).collect();
    if keys.is_empty() { format!("{output} {column}") } else { format!("{output} {} {column}", keys.join(" ")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Compared, compare};
    use crate::demo::question::{Expected, Table};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn expected() -> BTreeMap<&'static str, Table> {
        let row = |bin: f64, n: f64| (vec![bin], BTreeMap::from([("n", Expected { value: n, exact: true })]));
        BTreeMap::from([("histogram", Table { keys: vec!["bin_from"], rows: vec![row(4.0, 10.0), row(4.5, 20.0)] })])
    }

    #[test]
    fn rows_are_found_by_their_keys_and_a_missing_one_is_wholly_wrong() {
        let answer = json!({ "outputs": { "histogram": {
            "columns": [{ "name": "bin_from" }, { "name": "n" }], "rows": [[4.5, 20], [4.0, 10]] } } });
        assert!(compare(&answer, &expected()).unwrap().iter().all(Compared::holds));
        let answer = json!({ "outputs": { "histogram": {
            "columns": [{ "name": "bin_from" }, { "name": "n" }], "rows": [[4.5, "20"]] } } });
        let compared = compare(&answer, &expected()).unwrap();
        assert_eq!(compared.iter().map(Compared::relative_error).collect::<Vec<_>>(), [1.0, 0.0]);
        assert!(!compared[0].holds());
    }

    #[test]
    fn a_count_that_is_off_by_one_does_not_hold() {
        let compared = |federated, value, exact| Compared {
            name: String::new(),
            federated: Some(federated),
            pooled: Expected { value, exact },
        };
        assert!(!compared(1e15 + 1.0, 1e15, true).holds());
        assert!(compared(1.0 + 1e-12, 1.0, false).holds());
        assert!(!compared(1.0 + 1e-8, 1.0, false).holds());
        assert!(!compared(f64::NAN, 1.0, false).holds());
    }

    #[test]
    fn rows_out_of_nowhere_are_an_error() {
        let answer = json!({ "outputs": { "histogram": {
            "columns": [{ "name": "bin_from" }, { "name": "n" }], "rows": [[4.5, 20], [4.0, 10], [9.0, 1]] } } });
        assert!(compare(&answer, &expected()).is_err());
    }
}
