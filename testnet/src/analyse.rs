//! Tasks over given data sets, through the real sandbox, the real disclosure rules and the real aggregation, without the network between them.
//!
//! What comes out is compared with other people's statistics (`tests/analyses`): a component runs over each TRE's folder as a node runs it,
//! its outputs take their canonical form and are read back from those bytes, and the parts are merged, checked and worked out as
//! `quintes aggregate` does it. A model that goes in rounds goes on until it has converged.

use anyhow::{Context as _, anyhow, bail};
use node::catalogue;
use node::execute::witnessed;
use protocol::aggregate::{Aggregate, Analysis, Answer, Parameters, aggregate, blank, check, derive, is_final};
use protocol::disclosure::canonical::{print, read_csv};
use protocol::disclosure::check::{Content, Given, check_outputs};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::table::{Cell, Table};
use protocol::wire::id::Digest;
use sandbox::database::Database;
use sandbox::database::datafusion::{DataFusionDatabase, Options};
use sandbox::engine::Engine;
use sandbox::limits::Limits;
use sandbox::output::DeclaredOutput;
use sandbox::run::run as run_component;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// More rounds than any model of a test needs.
const MOST_ROUNDS: u32 = 40;

/// Which tasks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A JSON file: the folders of each federation's TREs, and the tasks that are asked of them.
    plan: PathBuf,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// The folders of the TREs, by federation and name.
    federations: BTreeMap<String, BTreeMap<String, PathBuf>>,
    tasks: Vec<Task>,
}

/// One task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    name: String,
    federation: String,
    component: String,
    parameters: Parameters,
    outputs: Vec<String>,
}

/// Runs every task and prints one JSON object.
///
/// # Errors
/// When a file is missing, or a component refuses its task.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(&args.plan).with_context(|| format!("cannot read {}", args.plan.display()))?;
    let plan: Plan = serde_json::from_str(&text).context("the plan is not what it should be")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let answers = runtime.block_on(async {
        let mut bench = Bench { engine: crate::bench::engine().await?, open: BTreeMap::new() };
        let mut answers = serde_json::Map::new();
        for task in &plan.tasks {
            let folders = plan
                .federations
                .get(&task.federation)
                .ok_or_else(|| anyhow!("the plan has no federation {}", task.federation))?;
            let answer = bench.task(task, folders).await.with_context(|| format!("the task {}", task.name))?;
            answers.insert(task.name.clone(), answer);
        }
        anyhow::Ok(answers)
    })?;
    anstream::println!("{}", Value::Object(answers));
    Ok(true)
}

/// An engine, and the datasets that are open.
struct Bench {
    engine: Engine,
    open: BTreeMap<PathBuf, Arc<dyn Database>>,
}

impl Bench {
    /// All rounds of a task.
    async fn task(&mut self, task: &Task, folders: &BTreeMap<String, PathBuf>) -> anyhow::Result<Value> {
        let policy = Policy::default();
        let mut parameters = task.parameters.clone();
        let mut tiers = BTreeMap::new();
        for round in 0..MOST_ROUNDS {
            let mut answers = BTreeMap::new();
            for (tre, folder) in folders {
                let tables = self.part(task, &parameters, folder, &policy, &mut tiers).await;
                answers.insert(tre.clone(), Answer::Released(tables.with_context(|| format!("at {tre}"))?));
            }
            let whole = aggregate(answers.clone())?;
            let findings = check(&whole, &answers, &policy);
            let shown = blank(&whole, &answers, &findings, &policy);
            let provisional = derive(&whole.outputs, &parameters);
            if let Some(state) = &provisional.round
                && !state.converged
            {
                parameters = state.next.clone();
                continue;
            }
            return Ok(json!({
                "rounds": round + 1,
                "tiers": tiers,
                "final": is_final(&findings),
                "outputs": outputs(&whole),
                "derived": derived(&provisional),
                "shown": derived(&derive(&shown.outputs, &parameters)),
            }));
        }
        bail!("not converged after {MOST_ROUNDS} rounds")
    }

    /// One TRE's outputs, as they are read back from what it would release.
    async fn part(
        &mut self,
        task: &Task,
        parameters: &Parameters,
        folder: &Path,
        policy: &Policy,
        tiers: &mut BTreeMap<String, Value>,
    ) -> anyhow::Result<BTreeMap<String, Table>> {
        let built = catalogue::named(&task.component).ok_or_else(|| anyhow!("no component {}", task.component))?;
        let component = match self.engine.remembered(&built.digest().0) {
            Some(component) => component,
            None => self.engine.compile(built.bytes).await?,
        };
        let limits = Limits::default();
        let begun = self.database(folder).await?.begin(limits.session()).await;
        let session = begun.map_err(|error| anyhow!("no snapshot: {}", error.for_reviewer()))?;
        let (_cancel, cancel) = watch::channel(false);
        let declared = task.outputs.iter();
        let outputs = run_component(
            &self.engine,
            sandbox::run::Task {
                component,
                parameters: parameters.clone(),
                outputs: declared
                    .map(|name| DeclaredOutput { name: name.clone(), media_type: "text/csv".to_owned() })
                    .collect(),
                handles: BTreeMap::from([("data".to_owned(), session)]),
                limits,
                cancel,
                progress: None,
            },
        )
        .await
        .map_err(|failure| anyhow!("{failure}: {}", failure.detail_for_reviewer()))?;
        let mut given = Vec::new();
        for output in outputs.outputs {
            let sandbox::output::Content::Witnessed(table) = output.content else {
                bail!("the output {} is not the host's own", output.name);
            };
            let content = Content::Witnessed(witnessed(table, &hash));
            given.push(Given { name: output.name, columns: None, content });
        }
        let mut tables = BTreeMap::new();
        for checked in check_outputs(given, policy)? {
            let said = json!({ "tier": checked.report.tier, "verdict": checked.report.verdict });
            tiers.insert(checked.name.clone(), said);
            tables.insert(checked.name, read_csv(checked.canonical.bytes(), checked.canonical.schema())?);
        }
        Ok(tables)
    }

    async fn database(&mut self, folder: &Path) -> anyhow::Result<Arc<dyn Database>> {
        if let Some(open) = self.open.get(folder) {
            return Ok(open.clone());
        }
        let mut tables = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            tables.extend(name.filter(|_| path.extension().is_some_and(|extension| extension == "csv")));
        }
        let options = Options { directory: folder.to_owned(), tables, ..Options::default() };
        let opened = tokio::task::spawn_blocking(|| DataFusionDatabase::open(options)).await??;
        let database: Arc<dyn Database> = Arc::new(opened);
        self.open.insert(folder.to_owned(), database.clone());
        Ok(database)
    }
}

/// A name for a subject: here nothing is kept from one release to the next.
fn hash(dataset: &str, subject: &[u8]) -> u64 {
    let digest = Digest::of(&[dataset.as_bytes(), &[0], subject].concat());
    digest.0.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

fn outputs(aggregate: &Aggregate) -> Value {
    aggregate.outputs.iter().map(|(name, merged)| (name.clone(), rows(&merged.table))).collect()
}

fn derived(analysis: &Analysis) -> Value {
    let table =
        |derived: &protocol::aggregate::Derived| json!({ "rows": rows(&derived.table), "notes": derived.notes });
    analysis.tables.iter().map(|derived| (derived.name.clone(), table(derived))).collect()
}

/// Every row as an object.
fn rows(table: &Table) -> Value {
    let cell = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Integer(value) => json!(value),
        Cell::Real(value) => json!(value),
        Cell::Boolean(value) => json!(value),
        Cell::Decimal(_) | Cell::Text(_) | Cell::Date(_) | Cell::Timestamp(_) => json!(print(cell)),
    };
    let row = |row: &Vec<Cell>| {
        let cells = table.columns.iter().zip(row).map(|(column, found)| (column.name.clone(), cell(found)));
        cells.collect::<serde_json::Map<_, _>>()
    };
    table.rows.iter().map(|cells| Value::Object(row(cells))).collect()
}
