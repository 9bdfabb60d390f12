//! Execution: an admitted task runs in the sandbox, its outputs are checked and go into custody.

mod again;

pub use again::{NotRun, Replayed};

use crate::clock::now;
use crate::custody::Custody;
use crate::driver::Handle;
use crate::effects::{Seal, recheck};
use crate::exchange::Exchange;
use crate::journal::Journal;
use crate::ledger::{Ledger, LedgerError, Terms, Waiting};
use crate::store::{Store, StoreError};
use protocol::disclosure::contributors::{Contributors, Subjects};
use protocol::disclosure::table::{Cell, CellType, Column, Evidence, Measure, Role, Table, Witnessed};
use protocol::node::{Input, Node};
use protocol::record::run::Run;
use protocol::record::submission::TaskId;
use protocol::safes::admission::{Admission, ComponentFacts};
use protocol::safes::outputs::{self, Context, SourceFacts, Unreviewable};
use protocol::tre::coarse;
use protocol::wire::id::Digest;
use sandbox::database::Database;
use sandbox::engine::{Component, Engine, EngineError, NotCompiled};
use sandbox::limits::Limits;
use sandbox::output::{Content, DeclaredOutput};
use sandbox::run::{Failure, FailureKind, Task, run};
use sandbox::value::{ColumnType, Value};
use sandbox::witness::{self, WitnessedTable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// How long to wait before outputs are offered to a full disk again.
const CUSTODY_AGAIN: Duration = Duration::from_secs(5);

/// What runs components at this TRE.
#[derive(Clone)]
pub struct Execution {
    /// The WebAssembly engine.
    pub engine: Engine,
    /// The datasets, by name.
    pub datasets: BTreeMap<String, Arc<dyn Database>>,
    /// What each run may use.
    pub limits: Limits,
    /// Where components lie.
    pub store: Store,
    /// What left before.
    pub ledger: Ledger,
}

/// What came of a run, before anything is signed.
struct Finished {
    held: outputs::Held,
    snapshots: BTreeMap<String, Digest>,
    /// The ledger's version when the outputs were compared with it.
    compared: u64,
}

/// A run without reviewable outputs: a code that may leave, and a text for the reviewer.
struct NotFinished {
    code: &'static str,
    note: String,
}

impl Execution {
    /// Gets a component and sees whether it asks for nothing but the analysis world.
    pub async fn look_at(&self, digest: &Digest, exchange: &Exchange) -> ComponentFacts {
        if exchange.obtain(digest, 1).await.is_err() {
            return ComponentFacts::Unavailable;
        }
        match self.compile(*digest).await {
            Ok(_) => ComponentFacts::Usable,
            Err(NotReady::Unusable(reason)) => {
                tracing::warn!(component = %digest.short(), "a component was refused");
                ComponentFacts::Unusable(reason)
            }
            Err(error) => {
                tracing::error!(component = %digest.short(), %error, "a component could not be compiled");
                ComponentFacts::Unavailable
            }
        }
    }

    /// A component's native code: remembered, kept on disk, or made by a confined worker.
    async fn compile(&self, digest: Digest) -> Result<Component, NotReady> {
        if let Some(component) = self.engine.known(&digest.0).await {
            return Ok(component);
        }
        let store = self.store.clone();
        let bytes =
            tokio::task::spawn_blocking(move || store.get(&digest)).await.map_err(|_| NotReady::Interrupted)??;
        match self.engine.compile(&bytes.ok_or(NotReady::NotHere)?).await {
            Ok(component) => Ok(component),
            Err(NotCompiled::Unusable(reason)) => Err(NotReady::Unusable(reason.to_string())),
            Err(NotCompiled::Engine(error)) => Err(error.into()),
        }
    }

    /// Runs an admitted task to its end and tells the driver what came of it.
    pub async fn run(
        &self,
        admission: Admission,
        stopped: watch::Receiver<bool>,
        custody: &Custody,
        seal: &Seal,
        driver: &Handle,
        exchange: &Exchange,
    ) {
        let task = admission.task();
        match self.outputs(&admission, stopped.clone(), driver, exchange).await {
            Ok(finished) => {
                let run = Run {
                    task,
                    tre: admission.tre().to_owned(),
                    component: admission.component(),
                    snapshots: finished.snapshots,
                    finished: coarse(now()),
                    commitment: finished.held.commitment(),
                };
                let Some(held) = keep(custody, finished.held, stopped).await else { return };
                match seal.sign(&run, coarse(now())) {
                    Ok(run) => {
                        driver.held(held, run).await;
                        self.compare_again(task, finished.compared, custody, driver).await;
                    }
                    Err(_) => driver.input(Input::Failed { task, code: FailureKind::Host.code().to_owned() }).await,
                }
            }
            Err(NotFinished { code, note }) => {
                let custody = custody.clone();
                let kept = tokio::task::spawn_blocking(move || custody.keep_note(&task, &note)).await;
                if !matches!(kept, Ok(Ok(()))) {
                    tracing::error!(task = %task.short(), "the note of a failed run could not be kept");
                }
                driver.input(Input::Failed { task, code: code.to_owned() }).await;
            }
        }
    }

    /// What left while the outputs were on their way into custody was told to tasks that were held then; this one was not yet.
    async fn compare_again(&self, task: TaskId, compared: u64, custody: &Custody, driver: &Handle) {
        if self.ledger.version().is_ok_and(|version| version == compared) {
            return;
        }
        let look = move |core: &Node, _: &Journal| Some((Waiting::of(core, &task)?, Terms::of(core, &task, now())));
        if let Some(Some((waiting, terms))) = driver.read(look).await {
            recheck(custody.clone(), self.ledger.clone(), waiting, terms, driver).await;
        }
    }

    async fn outputs(
        &self,
        admission: &Admission,
        stopped: watch::Receiver<bool>,
        driver: &Handle,
        exchange: &Exchange,
    ) -> Result<Finished, NotFinished> {
        let host_failed = |note: String| {
            tracing::error!(task = %admission.task().short(), "a task could not be run; `quintes review show` says why");
            NotFinished { code: FailureKind::Host.code(), note }
        };
        let (task, snapshots) = self.prepare(admission, stopped, exchange).await.map_err(host_failed)?;
        let outputs = run(&self.engine, task)
            .await
            .map_err(|failure| NotFinished { code: failure.code(), note: note(&failure) })?;
        let context = Context { statements: outputs.statements, log: outputs.log };
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| host_failed(error.to_string()))?;
        let task = admission.task();
        let terms = driver.read(move |core, _| Terms::of(core, &task, now())).await;
        let terms = terms.ok_or_else(|| host_failed("the node stopped before the outputs were checked".to_owned()))?;
        let (admission, ledger) = (admission.clone(), self.ledger.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let each = outputs.outputs.into_iter();
            let hash = |dataset: &str, subject: &[u8]| ledger.hash(dataset, subject);
            let produced = each.map(|output| (output.name, produced(output.content, &hash))).collect();
            let held = outputs::check(&admission, produced, context, &secret)?;
            let compared = ledger.version()?;
            let reports = ledger.check(&held, terms)?;
            Ok((held.with_reports(reports), compared))
        });
        match checked.await {
            Ok(Ok((held, compared))) => Ok(Finished { held, snapshots, compared }),
            Ok(Err(NotChecked::Unreviewable(reason))) => {
                Err(NotFinished { code: reason.code(), note: reason.to_string() })
            }
            Ok(Err(NotChecked::Ledger(error))) => Err(host_failed(error.to_string())),
            Err(_) => Err(host_failed("checking the outputs was interrupted".to_owned())),
        }
    }

    /// All that a run of the task gets, and what it reads. The text of an error is for the reviewer.
    async fn prepare(
        &self,
        admission: &Admission,
        stopped: watch::Receiver<bool>,
        exchange: &Exchange,
    ) -> Result<(Task, BTreeMap<String, Digest>), String> {
        let component = match self.compile(admission.component()).await {
            Ok(component) => component,
            // The file was there at admission. Lost or changed since, it is fetched again: a member may have it still.
            Err(_) => {
                exchange.obtain(&admission.component(), 1).await.map_err(|error| error.to_string())?;
                self.compile(admission.component()).await.map_err(|error| error.to_string())?
            }
        };
        let submission = admission.submission();
        let granted: BTreeMap<String, Arc<dyn Database>> = submission
            .datasets
            .iter()
            .filter_map(|name| Some((name.clone(), self.datasets.get(name)?.clone())))
            .collect();
        let mut handles = BTreeMap::new();
        for (name, database) in &granted {
            let begun = database.begin(self.limits.session()).await;
            let session = begun.map_err(|error| format!("no snapshot of {name}: {}", error.for_reviewer()))?;
            handles.insert(name.clone(), session);
        }
        let snapshots = handles.iter().map(|(name, session)| (name.clone(), Digest(session.snapshot()))).collect();
        let declared = submission.outputs.iter();
        let task = Task {
            component,
            parameters: submission.parameters.clone(),
            outputs: declared
                .map(|output| DeclaredOutput { name: output.name.clone(), media_type: output.media_type.clone() })
                .collect(),
            handles,
            limits: self.limits.clone(),
            cancel: stopped,
            progress: None,
        };
        Ok((task, snapshots))
    }
}

/// Why a component is not ready to run.
#[derive(Debug, Error)]
enum NotReady {
    /// It is the component's fault.
    #[error("{0}")]
    Unusable(String),
    /// Its bytes are lost.
    #[error("the component is not here")]
    NotHere,
    /// The node stops.
    #[error("compiling was interrupted")]
    Interrupted,
    /// Its bytes cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No worker can be had.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why outputs were not checked.
#[derive(Debug, Error)]
enum NotChecked {
    #[error(transparent)]
    Unreviewable(#[from] Unreviewable),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Takes outputs into custody. A full disk loses no work: it is tried again until there is room; none when the task was called back.
async fn keep(custody: &Custody, held: outputs::Held, mut stopped: watch::Receiver<bool>) -> Option<outputs::Held> {
    let held = Arc::new(held);
    loop {
        let (custody, copy) = (custody.clone(), held.clone());
        match tokio::task::spawn_blocking(move || custody.keep(&copy)).await {
            Ok(Ok(())) => return Arc::try_unwrap(held).ok(),
            Ok(Err(error)) => {
                tracing::error!(task = %held.task().short(), %error, "outputs are not in custody yet; it is tried again");
            }
            Err(_) => return None,
        }
        tokio::select! {
            () = tokio::time::sleep(CUSTODY_AGAIN) => {}
            () = crate::clock::stopped(&mut stopped) => return None,
        }
    }
}

fn note(failure: &Failure) -> String {
    let mut note = format!("{}\n\n{}\n", failure.kind(), failure.detail_for_reviewer());
    for (title, lines) in [("SQL", failure.statements_for_reviewer()), ("log", failure.log_for_reviewer())] {
        if !lines.is_empty() {
            note.push_str(&format!("\n{title}:\n{}\n", lines.join("\n")));
        }
    }
    note
}

/// What a run handed over, in the words of the rules. `hash` turns a dataset's subject into a number that tells nobody else whose it is.
pub(crate) fn produced(content: Content, hash: &dyn Fn(&str, &[u8]) -> u64) -> outputs::Content {
    match content {
        Content::Witnessed(table) => outputs::Content::Witnessed(witnessed(table, hash)),
        Content::Opaque { bytes, source, media_type: _ } => {
            let sandbox::output::SourceFacts { rows_read, subjects_read, probed, key_hits, equal_rows } = source;
            let source = SourceFacts { rows_read, subjects_read, probed, key_hits, equal_rows };
            outputs::Content::Opaque { bytes, source }
        }
    }
}

/// The same sets, by the hashes. Each subject is hashed once.
fn contributors(found: witness::Contributors, hash: &dyn Fn(&str, &[u8]) -> u64) -> Contributors {
    let hashes: Vec<u64> = found.subjects.iter().map(|subject| hash(&found.dataset, subject)).collect();
    let hash = |subject: &u32| hashes[usize::try_from(*subject).expect("a u32 fits into a usize here")];
    let sets = found.sets.iter().map(|set| Subjects::of(set.iter().map(hash).collect())).collect();
    Contributors { dataset: found.dataset, sets, of: found.of }
}

/// A witnessed table as disclosure control takes it. `hash` names a subject of a dataset: the ledger's own, so that releases can be compared.
#[must_use]
pub fn witnessed(table: WitnessedTable, hash: &dyn Fn(&str, &[u8]) -> u64) -> Witnessed {
    let columns = table.columns.into_iter().map(|column| Column {
        name: column.info.name,
        ty: cell_type(column.info.ty),
        role: match column.role {
            witness::Role::Key => Role::Key,
            witness::Role::Measure(measure) => Role::Measure(self::measure(measure)),
        },
    });
    let evidence = |found: witness::Evidence| Evidence {
        rows: found.rows,
        subjects: found.subjects,
        sum: found.sum,
        largest: found.largest,
        second: found.second,
        negatives: found.negatives,
        special: found.special,
        degrees_of_freedom: found.degrees_of_freedom,
        apart: found.apart,
    };
    Witnessed {
        table: Table {
            columns: columns.collect(),
            rows: table.rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect(),
        },
        evidence: table
            .evidence
            .into_iter()
            .map(|row| row.into_iter().map(|cell| cell.map(evidence)).collect())
            .collect(),
        contributors: contributors(table.contributors, hash),
    }
}

fn measure(measure: witness::Measure) -> Measure {
    match measure {
        witness::Measure::Count => Measure::Count,
        witness::Measure::Subjects => Measure::Subjects,
        witness::Measure::CountOf(x) => Measure::CountOf(x),
        witness::Measure::Sum(x) => Measure::Sum(x),
        witness::Measure::Mean(x) => Measure::Mean(x),
        witness::Measure::Variance(x) => Measure::Variance(x),
        witness::Measure::Covariance(x, y) => Measure::Covariance(x, y),
    }
}

fn cell_type(ty: ColumnType) -> CellType {
    match ty {
        ColumnType::Boolean => CellType::Boolean,
        ColumnType::Int64 => CellType::Integer,
        ColumnType::Float64 => CellType::Real,
        ColumnType::Decimal => CellType::Decimal,
        ColumnType::Text | ColumnType::Bytes => CellType::Text,
        ColumnType::Date => CellType::Date,
        ColumnType::Timestamp => CellType::Timestamp,
    }
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Boolean(value) => Cell::Boolean(value),
        Value::Int64(value) => Cell::Integer(value),
        Value::Float64(value) => Cell::Real(value),
        Value::Decimal(text) => Cell::Decimal(text),
        Value::Text(text) => Cell::Text(text),
        // Raw bytes have no readable form; the length is all that a table can say.
        Value::Bytes(bytes) => Cell::Text(format!("{} bytes", bytes.len())),
        Value::Date(days) => Cell::Date(days),
        Value::Timestamp(microseconds) => Cell::Timestamp(microseconds),
    }
}
