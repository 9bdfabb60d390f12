//! A component on its author's own machine: the limits, the guard and the disclosure rules of a TRE, with no node, no key and nobody else's data.

use crate::config;
use crate::execute;
use protocol::disclosure::check::{Checked, Given, NotReviewable, check_outputs};
use protocol::disclosure::policy::Policy;
use protocol::record::commitment::Salt;
use protocol::record::submission::DeclaredOutput;
use protocol::safes::outputs::{Context, HeldOutput};
use sandbox::confinement::Layer;
use sandbox::database::Database;
use sandbox::engine::{CompileLimits, Engine, EngineError, Metering, NotCompiled, Program, Settings};
use sandbox::output::{self, Usage};
use sandbox::run::{FailureKind, Task, run};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::watch;

/// What is tried.
pub struct Trial {
    /// The component's bytes.
    pub component: Vec<u8>,
    /// What it is told.
    pub parameters: BTreeMap<String, String>,
    /// The outputs that it may write.
    pub outputs: Vec<DeclaredOutput>,
    /// The name of the one handle.
    pub dataset: String,
    /// What lies behind it.
    pub database: Arc<dyn Database>,
    /// The program that is a confined worker.
    pub worker: Program,
    /// What it may use.
    pub limits: config::Limits,
    /// The disclosure rules.
    pub policy: Policy,
}

/// What came of a trial: what a reviewer would see, or why nobody would.
pub struct Tried {
    /// The outputs as they would leave, with all findings; or why there are none.
    pub outputs: Result<Vec<HeldOutput>, NotReviewed>,
    /// The SQL that ran and the component's log.
    pub context: Context,
    /// What the run used.
    pub usage: Usage,
}

/// Outputs never reach a log.
impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tried(..)")
    }
}

/// Why a data owner would have nothing to review.
#[derive(Error)]
pub enum NotReviewed {
    /// It did not finish. The text is its own, or a trap's.
    #[error("{kind}: {detail}")]
    Failed {
        /// How.
        kind: FailureKind,
        /// What only a reviewer reads at a TRE.
        detail: String,
    },
    /// What it wrote cannot be shown to a person as it would leave.
    #[error(transparent)]
    Unreviewable(#[from] NotReviewable),
}

/// A component may have put data into its last words.
impl fmt::Debug for NotReviewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotReviewed(..)")
    }
}

/// Why nothing ran.
#[derive(Debug, Error)]
pub enum TrialError {
    /// The engine does not start here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No TRE admits the component. The sentence names only what its author wrote.
    #[error("every TRE would refuse this component before it runs: {0}")]
    Unusable(String),
    /// The data changed, or cannot be read any more.
    #[error("the data cannot be read: {0}")]
    Data(String),
}

/// Compiles, runs and checks, as a TRE does with an admitted task.
///
/// # Errors
/// [`TrialError`] when nothing ran.
pub async fn attempt(trial: Trial) -> Result<Tried, TrialError> {
    let limits = trial.limits.sandbox();
    let engine = Engine::start(Settings {
        program: trial.worker,
        metering: if limits.fuel.is_some() { Metering::TimeAndFuel } else { Metering::Time },
        // The component is the author's own, and so are the machine and the data.
        accepted: Layer::ALL.to_vec(),
        compile: CompileLimits::default(),
        cache: None,
    })
    .await?;
    let component = match engine.compile(&trial.component).await {
        Ok(component) => component,
        Err(NotCompiled::Unusable(unusable)) => return Err(TrialError::Unusable(unusable.to_string())),
        Err(NotCompiled::Engine(error)) => return Err(error.into()),
    };
    let session = trial.database.begin(limits.session()).await;
    let session = session.map_err(|error| TrialError::Data(error.for_reviewer()))?;
    let (_cancel, never) = watch::channel(false);
    let declared = trial.outputs.iter();
    let task = Task {
        component,
        parameters: trial.parameters,
        outputs: declared
            .map(|one| output::DeclaredOutput { name: one.name.clone(), media_type: one.media_type.clone() })
            .collect(),
        handles: BTreeMap::from([(trial.dataset, session)]),
        limits,
        cancel: never,
        progress: None,
    };
    Ok(match run(&engine, task).await {
        Ok(finished) => Tried {
            outputs: checked(finished.outputs, &trial.outputs, &trial.policy).map_err(NotReviewed::from),
            context: Context { statements: finished.statements, log: finished.log },
            usage: finished.usage,
        },
        Err(failure) => Tried {
            outputs: Err(NotReviewed::Failed {
                kind: failure.kind(),
                detail: failure.detail_for_reviewer().to_owned(),
            }),
            context: Context {
                statements: failure.statements_for_reviewer().to_vec(),
                log: failure.log_for_reviewer().to_vec(),
            },
            usage: failure.usage().clone(),
        },
    })
}

/// The outputs in their one form, with what the rules say. Nothing that left before is known here, so that nothing is compared with it.
fn checked(
    outputs: Vec<output::Output>,
    declared: &[DeclaredOutput],
    policy: &Policy,
) -> Result<Vec<HeldOutput>, NotReviewable> {
    let given = outputs.into_iter().map(|output| Given {
        columns: declared.iter().find(|one| one.name == output.name).and_then(|one| one.columns.clone()),
        content: execute::produced(output.content, &hash),
        name: output.name,
    });
    let checked = check_outputs(given.collect(), policy)?.into_iter();
    Ok(checked
        .map(|Checked { name, canonical, report, contributors: _ }| {
            let schema = canonical.schema().to_vec();
            let (_, bytes) = canonical.into_parts();
            // Nothing is committed to, so that the salt hides nothing.
            HeldOutput { salt: Salt::derive(&[0; 32], &name), name, schema, bytes, report }
        })
        .collect())
}

/// A subject as a number. It needs no key: it goes nowhere.
fn hash(dataset: &str, subject: &[u8]) -> u64 {
    let hash = blake3::Hasher::new().update(dataset.as_bytes()).update(&[0]).update(subject).finalize();
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes are eight bytes"))
}
