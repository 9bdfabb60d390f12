//! What the researcher of the demo asks, and what the pooled data answers to it.

use crate::fixture::omop::{BODY_MASS_INDEX, HBA1C, HYPERTENSION, SYSTOLIC, TYPE_2_DIABETES};
use crate::fixture::pooled::{self, ReadError};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The width of a bin of the histogram, in percent of HbA1c.
const BIN: f64 = 1.0;

/// The highest HbA1c that is asked for, in percent: beyond it are too few people for a bin of their own.
const HIGHEST: f64 = 9.0;

/// A figure that the pooled data gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Its value.
    pub value: f64,
    /// Whether every digit has to agree: a count.
    pub exact: bool,
}

/// The rows of one output: keys, and the figures by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns that name a row.
    pub keys: Vec<&'static str>,
    /// The rows, by the values of the keys.
    pub rows: Vec<(Vec<f64>, BTreeMap<&'static str, Expected>)>,
}

/// The tables of a task, by output.
pub type Tables = BTreeMap<&'static str, Table>;

/// A submission of the component `statistics`.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its name for people.
    pub title: &'static str,
    /// What the component is told.
    pub parameters: Vec<(&'static str, String)>,
    answer: fn(&[PathBuf]) -> Result<Tables, ReadError>,
}

impl Question {
    /// The same figures over the pooled files of all TREs, by output.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn pooled(&self, folders: &[PathBuf]) -> Result<Tables, ReadError> {
        (self.answer)(folders)
    }
}

/// The three questions: one measurement, two that go together, and two classifications.
#[must_use]
pub fn questions() -> Vec<Question> {
    vec![
        Question {
            title: "How HbA1c is distributed",
            parameters: vec![
                ("analysis", "count,mean,variance,histogram".to_owned()),
                ("table", "measurement".to_owned()),
                ("where", format!("measurement_concept_id = {HBA1C} AND value_as_number < {HIGHEST}")),
                ("column", "value_as_number".to_owned()),
                ("bins", BIN.to_string()),
            ],
            answer: hba1c,
        },
        Question {
            title: "Whether blood pressure goes with body mass",
            parameters: vec![
                ("analysis", "pmcc".to_owned()),
                (
                    "relation",
                    format!(
                        "SELECT b.person_id, b.value_as_number AS bmi, s.value_as_number AS systolic \
                         FROM measurement b JOIN measurement s ON b.person_id = s.person_id AND b.visit_occurrence_id = s.visit_occurrence_id \
                         WHERE b.measurement_concept_id = {BODY_MASS_INDEX} AND s.measurement_concept_id = {SYSTOLIC} \
                         AND b.value_as_number IS NOT NULL AND s.value_as_number IS NOT NULL"
                    ),
                ),
                ("x", "bmi".to_owned()),
                ("y", "systolic".to_owned()),
            ],
            answer: pressure_and_mass,
        },
        Question {
            title: "Who has diabetes and hypertension",
            parameters: vec![
                ("analysis", "contingency".to_owned()),
                (
                    "relation",
                    format!(
                        "SELECT c.person_id, p.gender_concept_id, c.condition_concept_id \
                         FROM condition_occurrence c JOIN person p ON c.person_id = p.person_id \
                         WHERE c.condition_concept_id IN ({TYPE_2_DIABETES}, {HYPERTENSION})"
                    ),
                ),
                ("rows", "gender_concept_id".to_owned()),
                ("columns", "condition_concept_id".to_owned()),
            ],
            answer: diagnoses,
        },
    ]
}

#[allow(clippy::cast_precision_loss, reason = "the counts of a test are far below 2^53")]
fn count(n: usize) -> Expected {
    Expected { value: n as f64, exact: true }
}

fn real(value: Option<f64>) -> Expected {
    Expected { value: value.unwrap_or(f64::NAN), exact: false }
}

/// A table of one row.
fn one_row(figures: impl IntoIterator<Item = (&'static str, Expected)>) -> Table {
    Table { keys: Vec::new(), rows: vec![(Vec::new(), figures.into_iter().collect())] }
}

#[allow(clippy::cast_precision_loss, reason = "bins are numbered from 0")]
fn hba1c(folders: &[PathBuf]) -> Result<Tables, ReadError> {
    let values: Vec<f64> = pooled::measurement(folders, HBA1C)?.into_iter().filter(|value| *value < HIGHEST).collect();
    let moments = pooled::moments(&values);
    let mean = [("n_value_as_number", count(moments.count)), ("mean_value_as_number", real(moments.mean))];
    let variance = mean.into_iter().chain([("variance_value_as_number", real(moments.variance))]);
    let bins = pooled::histogram(&values, 0.0, BIN).into_iter().map(|(bin, n)| {
        let n = Expected { value: n as f64, exact: true };
        (vec![bin as f64 * BIN], BTreeMap::from([("n", n)]))
    });
    Ok(BTreeMap::from([
        ("count", one_row([("n", count(moments.count))])),
        ("mean", one_row(mean)),
        ("variance", one_row(variance)),
        ("histogram", Table { keys: vec!["bin_from"], rows: bins.collect() }),
    ]))
}

fn pressure_and_mass(folders: &[PathBuf]) -> Result<Tables, ReadError> {
    let pairs = pooled::pairs_within_visit(folders, BODY_MASS_INDEX, SYSTOLIC)?;
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (x, y) = (pooled::moments(&x), pooled::moments(&y));
    Ok(BTreeMap::from([(
        "pmcc",
        one_row([
            ("n_bmi", count(pairs.len())),
            ("n_systolic", count(pairs.len())),
            ("mean_bmi", real(x.mean)),
            ("mean_systolic", real(y.mean)),
            ("variance_bmi", real(x.variance)),
            ("variance_systolic", real(y.variance)),
            ("covariance_bmi_systolic", real(pooled::covariance(&pairs))),
            ("pmcc_bmi_systolic", real(pooled::pmcc(&pairs))),
        ]),
    )]))
}

#[allow(clippy::cast_precision_loss, reason = "concept ids and counts are far below 2^53")]
fn diagnoses(folders: &[PathBuf]) -> Result<Tables, ReadError> {
    let rows = pooled::select(folders, "condition_occurrence", &["gender_concept_id", "condition_concept_id"], None)?;
    let wanted = [Some(TYPE_2_DIABETES), Some(HYPERTENSION)];
    let rows: Vec<_> = rows.into_iter().filter(|row| wanted.contains(&row[1])).collect();
    let rows = pooled::contingency(&rows).into_iter().map(|(key, n)| {
        let key = key.into_iter().map(|part| part.map_or(f64::NAN, |part: i64| part as f64)).collect();
        (key, BTreeMap::from([("n", Expected { value: n as f64, exact: true })]))
    });
    let table = Table { keys: vec!["gender_concept_id", "condition_concept_id"], rows: rows.collect() };
    Ok(BTreeMap::from([("contingency", table)]))
}
