//! The data of these tests, and a run of a component over it.

use sandbox::database::datafusion::{DataFusionDatabase, Options};
use sandbox::database::{Database as _, Session};
use sandbox::engine::{Engine, Metering};
use sandbox::limits::Limits;
use sandbox::output::{Content, DeclaredOutput, Outputs};
use sandbox::run::{Failure, FailureKind, Task, run};
use sandbox::witness::WitnessedTable;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub(crate) const COHORT: &[u8] = include_bytes!("../../components/prebuilt/cohort.wasm");
pub(crate) const REGRESSION: &[u8] = include_bytes!("../../components/prebuilt/regression.wasm");
pub(crate) const SURVIVAL: &[u8] = include_bytes!("../../components/prebuilt/survival.wasm");
pub(crate) const SQL: &[u8] = include_bytes!("../../components/prebuilt/sql.wasm");
pub(crate) const STATISTICS: &[u8] = include_bytes!("../../components/prebuilt/statistics.wasm");

/// The people of the test: every third without a weight, every fifth without a height.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) sex: &'static str,
    pub(crate) smoker: &'static str,
    pub(crate) age: i64,
    pub(crate) weight: Option<f64>,
    pub(crate) height: Option<f64>,
}

pub(crate) fn people() -> Vec<Person> {
    (1..=60_u32)
        .map(|i| Person {
            id: i64::from(i),
            sex: if i % 2 == 0 { "F" } else { "M" },
            smoker: ["never", "former", "daily"][usize::try_from(i * i % 3).unwrap()],
            age: i64::from(i * 37 % 80) - 5,
            weight: (i % 3 != 0).then(|| 50.0 + f64::from(i * 17 % 41) / 4.0),
            height: (i % 5 != 0).then(|| 150.0 + f64::from(i * 13 % 37) + 0.5),
        })
        .collect()
}

/// Writes the people, one visit or two for each, and two tables that name their person otherwise.
fn write(folder: &Path) {
    let show = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut person = String::from("person_id,sex,smoker,age,weight,height,note\n");
    let mut visit = String::from("visit_id,person_id,cost\n");
    let mut survey = String::from("patient,answer\n");
    let mut register = String::from("nhs_number,unit\n");
    for p in people() {
        person += &format!(
            "{},{},{},{},{},{},\"{}, \"\"quoted\"\"\"\n",
            p.id,
            p.sex,
            p.smoker,
            p.age,
            show(p.weight),
            show(p.height),
            p.sex
        );
        for n in 0..=p.id % 2 {
            visit += &format!("{},{},{}\n", p.id * 2 + n, p.id, p.id * 10 + n);
        }
        survey += &format!("{},{}\n", p.id, p.id % 4);
        register += &format!(
            "{},{}\n",
            9_434_765_919 + p.id * 11,
            ["west", "east", "south"][usize::try_from(p.id % 3).unwrap()]
        );
    }
    fs::write(folder.join("person.csv"), person).unwrap();
    fs::write(folder.join("visit.csv"), visit).unwrap();
    fs::write(folder.join("survey.csv"), survey).unwrap();
    fs::write(folder.join("register.csv"), register).unwrap();
}

/// An engine and three datasets for the length of one test.
pub(crate) struct Bench {
    engine: Engine,
    omop: Arc<dyn Session>,
    survey: Arc<dyn Session>,
    register: Arc<dyn Session>,
    _folder: tempfile::TempDir,
}

async fn open(folder: &Path, tables: &[&str], subject: &str) -> Arc<dyn Session> {
    let options = Options {
        directory: folder.to_owned(),
        tables: tables.iter().map(|name| (*name).into()).collect(),
        subject: Some(subject.into()),
        ..Options::default()
    };
    let database = tokio::task::spawn_blocking(|| DataFusionDatabase::open(options)).await.unwrap().unwrap();
    database.begin(Duration::from_secs(600)).await.unwrap()
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let omop = open(folder.path(), &["person", "visit"], "person_id").await;
        let survey = open(folder.path(), &["survey"], "patient").await;
        let register = open(folder.path(), &["register"], "nhs_number").await;
        Self { engine: crate::engine::engine(Metering::Time, None).await, omop, survey, register, _folder: folder }
    }

    pub(crate) async fn run(
        &self,
        wasm: &[u8],
        handles: &[&str],
        parameters: &[(&str, &str)],
        outputs: &[&str],
    ) -> Result<Outputs, Failure> {
        let (_cancel, cancelled) = watch::channel(false);
        let task = Task {
            component: self.engine.compile(wasm).await.unwrap(),
            parameters: parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            outputs: outputs
                .iter()
                .map(|name| DeclaredOutput { name: (*name).into(), media_type: "text/csv".into() })
                .collect(),
            handles: handles
                .iter()
                .map(|name| {
                    let database = match *name {
                        "survey" => &self.survey,
                        "register" => &self.register,
                        _ => &self.omop,
                    };
                    ((*name).into(), Arc::clone(database))
                })
                .collect::<BTreeMap<_, _>>(),
            limits: Limits::default(),
            cancel: cancelled,
            progress: None,
        };
        run(&self.engine, task).await
    }

    /// The one witnessed table that a component makes of the people.
    pub(crate) async fn made(&self, wasm: &[u8], output: &str, parameters: &[(&str, &str)]) -> WitnessedTable {
        let outputs = self.run(wasm, &["omop"], parameters, &[output]).await;
        let mut outputs = outputs.unwrap_or_else(|failure| panic!("{}", said(&failure))).outputs;
        match outputs.pop().map(|output| output.content) {
            Some(Content::Witnessed(table)) if outputs.is_empty() => table,
            other => panic!("{output} is not one witnessed table: {other:?}"),
        }
    }

    /// The table of one analysis.
    pub(crate) async fn table(&self, analysis: &str, parameters: &[(&str, &str)]) -> WitnessedTable {
        let mut given = vec![("analysis", analysis)];
        given.extend_from_slice(parameters);
        let named = parameters.iter().any(|(name, _)| *name == "handle");
        let handles: &[&str] = if named { &["omop", "survey"] } else { &["omop"] };
        let outputs = self.run(STATISTICS, handles, &given, &[analysis]).await;
        let mut outputs = outputs.unwrap_or_else(|failure| panic!("{}", said(&failure))).outputs;
        match outputs.pop().map(|output| output.content) {
            Some(Content::Witnessed(table)) if outputs.is_empty() => table,
            other => panic!("{analysis} is not one witnessed table: {other:?}"),
        }
    }

    /// The CSV of a query.
    pub(crate) async fn csv(&self, query: &str) -> String {
        let outputs = self.run(SQL, &["omop"], &[("query", query)], &["result"]).await;
        let outputs = outputs.unwrap_or_else(|failure| panic!("{}", said(&failure)));
        match &outputs.outputs[..] {
            [output] => match &output.content {
                Content::Opaque { media_type, bytes, .. } if media_type == "text/csv" => {
                    String::from_utf8(bytes.clone()).unwrap()
                }
                other => panic!("not CSV: {other:?}"),
            },
            other => panic!("not one output: {other:?}"),
        }
    }

    /// What the component itself said when it gave up.
    pub(crate) async fn refusal(
        &self,
        wasm: &[u8],
        handles: &[&str],
        parameters: &[(&str, &str)],
        outputs: &[&str],
    ) -> String {
        let failure = self.run(wasm, handles, parameters, outputs).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Returned, "{}", said(&failure));
        failure.detail_for_reviewer().to_owned()
    }
}

/// What a failure leaves for the reviewer: here the data is made up.
pub(crate) fn said(failure: &Failure) -> String {
    format!("{failure}: {} {:?}", failure.detail_for_reviewer(), failure.log_for_reviewer())
}
