//! Safe outputs: is each output in its one form, what do the rules say, and which bytes exactly wait for a person? (SATRE 3.3)

use crate::disclosure::check::{Checked, Given, NotReviewable, check_outputs};
pub use crate::disclosure::check::{Content, SourceFacts};
use crate::disclosure::contributors::Contributors;
use crate::disclosure::rules::Report;
use crate::disclosure::table::Column;
use crate::record::attestation::ReportSummary;
use crate::record::commitment::{Commitment, Salt, leaf};
use crate::record::submission::TaskId;
use crate::safes::admission::Admission;
use crate::wire::codec;
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use thiserror::Error;

/// What a reviewer reads beside the outputs. It stays in the TRE.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The SQL that ran, as it was re-printed after admission.
    pub statements: Vec<String>,
    /// What the component logged.
    pub log: Vec<String>,
}

/// Why outputs cannot be reviewed; only the code leaves the TRE.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unreviewable {
    /// The component wrote nothing.
    #[error("the component wrote none of its declared outputs")]
    Nothing,
    /// A name that was not declared, or twice.
    #[error("the component wrote an output that was not declared, or one twice")]
    Undeclared,
    /// One that has no canonical form, or is refused outright.
    #[error(transparent)]
    Not(#[from] NotReviewable),
}

impl Unreviewable {
    /// The code of the failure, which is all that a researcher learns.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "no-outputs",
            Self::Undeclared => "output-undeclared",
            Self::Not(NotReviewable::Form { .. }) => "output-form",
            Self::Not(NotReviewable::Refused { .. }) => "output-refused",
        }
    }
}

/// One output in custody.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOutput {
    /// Its declared name.
    pub name: String,
    /// What its columns mean.
    pub schema: Vec<Column>,
    /// The canonical bytes: what is reviewed, committed to, signed and released.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// Its salt.
    pub salt: Salt,
    /// What the rules say.
    pub report: Report,
}

/// Outputs never reach a log.
impl fmt::Debug for HeldOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldOutput({}, {} bytes)", self.name, self.bytes.len())
    }
}

impl HeldOutput {
    /// The leaf that commits to it.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        leaf(&self.salt, &self.name, &encode_schema(&self.schema), &self.bytes)
    }
}

/// The deterministic encoding of a schema, as [`leaf`] hashes it. A schema beyond every bound, which only a forged delivery can have, gives
/// no bytes, and then no commitment that anyone signed.
#[must_use]
pub fn encode_schema(schema: &[Column]) -> Vec<u8> {
    codec::encode(&schema).unwrap_or_default()
}

/// Checked outputs that wait in custody. Private fields; [`check`] makes it, and [`Held::restore`] only gives back what [`check`] made.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    task: TaskId,
    tre: String,
    submitter: String,
    project: StatementId,
    outputs: Vec<HeldOutput>,
    /// Who stands behind the figures of each output, in the order of the outputs.
    contributors: Vec<Contributors>,
    context: Hidden,
    commitment: Commitment,
}

#[derive(Clone, PartialEq)]
struct Hidden(Context);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(..)")
    }
}

/// Puts outputs into their one form, checks them, and commits to them. `secret` is 32 random bytes of this run.
///
/// # Errors
/// [`Unreviewable`] when an output cannot be shown to a person as it would leave.
pub fn check(
    admission: &Admission,
    produced: Vec<(String, Content)>,
    context: Context,
    secret: &[u8; 32],
) -> Result<Held, Unreviewable> {
    let checked = checked(admission, produced)?;
    let (outputs, contributors): (Vec<HeldOutput>, Vec<Contributors>) = checked
        .into_iter()
        .map(|Checked { name, canonical, report, contributors }| {
            let schema = canonical.schema().to_vec();
            let (_, bytes) = canonical.into_parts();
            (HeldOutput { salt: Salt::derive(secret, &name), name, schema, bytes, report }, contributors)
        })
        .unzip();
    Ok(Held {
        task: admission.task(),
        tre: admission.tre().to_owned(),
        submitter: admission.submitter().to_owned(),
        project: admission.project_statement(),
        commitment: commit(&outputs),
        outputs,
        contributors,
        context: Hidden(context),
    })
}

/// Puts outputs into their one form and checks them.
fn checked(admission: &Admission, produced: Vec<(String, Content)>) -> Result<Vec<Checked>, Unreviewable> {
    let mut given = BTreeMap::new();
    for (name, content) in produced {
        let declared = admission.submission().outputs.iter().find(|declared| declared.name == name);
        let columns = declared.ok_or(Unreviewable::Undeclared)?.columns.clone();
        if given.insert(name.clone(), Given { name, columns, content }).is_some() {
            return Err(Unreviewable::Undeclared);
        }
    }
    if given.is_empty() {
        return Err(Unreviewable::Nothing);
    }
    Ok(check_outputs(given.into_values().collect(), &admission.project().disclosure)?)
}

/// The outputs of another run of the same task, in the same form and with the salts of the first: which of them are the same, by name. All of
/// them together have the first one's commitment where every one is the same.
///
/// # Errors
/// [`Unreviewable`] as for the first run.
pub fn compare_again(
    admission: &Admission,
    produced: Vec<(String, Content)>,
    held: &Held,
) -> Result<(Commitment, BTreeMap<String, bool>), Unreviewable> {
    let again = checked(admission, produced)?.into_iter().map(|Checked { name, canonical, .. }| {
        let first = held.outputs.iter().find(|output| output.name == name);
        let salt = first.map_or_else(|| Salt::derive(&[0; 32], &name), |first| first.salt);
        let schema = encode_schema(canonical.schema());
        let (_, bytes) = canonical.into_parts();
        let leaf = leaf(&salt, &name, &schema, &bytes);
        let same = first.is_some_and(|first| first.leaf() == leaf);
        ((name.clone(), leaf), (name, same))
    });
    let (leaves, same): (BTreeMap<_, _>, BTreeMap<_, _>) = again.unzip();
    Ok((Commitment::to(&leaves), same))
}

fn commit(outputs: &[HeldOutput]) -> Commitment {
    Commitment::to(&outputs.iter().map(|output| (output.name.clone(), output.leaf())).collect())
}

/// How [`Held`] lies in custody, before encryption.
#[derive(Serialize, Deserialize)]
struct AtRest {
    task: TaskId,
    tre: String,
    submitter: String,
    project: StatementId,
    outputs: Vec<HeldOutput>,
    /// [`Contributors::to_bytes`] of each.
    contributors: Vec<serde_bytes::ByteBuf>,
    context: Context,
}

/// Custody does not hold what was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("what lies in custody is not what was checked and committed to; nothing can be released from it")]
pub struct Tampered;

impl Held {
    /// The bytes to encrypt and keep.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let at_rest = AtRest {
            task: self.task,
            tre: self.tre.clone(),
            submitter: self.submitter.clone(),
            project: self.project,
            outputs: self.outputs.clone(),
            contributors: self.contributors.iter().map(|one| serde_bytes::ByteBuf::from(one.to_bytes())).collect(),
            context: self.context.0.clone(),
        };
        let mut bytes = Vec::new();
        ciborium::into_writer(&at_rest, &mut bytes).expect("writing to memory does not fail");
        bytes
    }

    /// Gives back what was kept, when it is still exactly what the signed run commits to.
    ///
    /// # Errors
    /// [`Tampered`] when a single byte, name, schema or salt differs.
    pub fn restore(bytes: &[u8], task: &TaskId, commitment: &Commitment) -> Result<Self, Tampered> {
        let at_rest: AtRest = ciborium::from_reader(bytes).map_err(|_| Tampered)?;
        let names: BTreeSet<&String> = at_rest.outputs.iter().map(|output| &output.name).collect();
        let same =
            at_rest.task == *task && names.len() == at_rest.outputs.len() && commit(&at_rest.outputs) == *commitment;
        let contributors: Option<Vec<Contributors>> =
            at_rest.contributors.iter().map(|bytes| Contributors::from_bytes(bytes)).collect();
        let contributors = contributors.filter(|found| found.len() == at_rest.outputs.len()).ok_or(Tampered)?;
        if !same {
            return Err(Tampered);
        }
        Ok(Self {
            task: at_rest.task,
            tre: at_rest.tre,
            submitter: at_rest.submitter,
            project: at_rest.project,
            outputs: at_rest.outputs,
            contributors,
            context: Hidden(at_rest.context),
            commitment: *commitment,
        })
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The TRE.
    #[must_use]
    pub fn tre(&self) -> &str {
        &self.tre
    }

    /// Who submitted the task.
    #[must_use]
    pub fn submitter(&self) -> &str {
        &self.submitter
    }

    /// The project statement under whose policy the outputs were checked.
    #[must_use]
    pub fn project(&self) -> StatementId {
        self.project
    }

    /// The outputs, in the order of their names.
    #[must_use]
    pub fn outputs(&self) -> &[HeldOutput] {
        &self.outputs
    }

    /// Each output with those who stand behind its figures.
    pub fn contributors(&self) -> impl Iterator<Item = (&HeldOutput, &Contributors)> {
        self.outputs.iter().zip(&self.contributors)
    }

    /// SHA-256 over all that [`Held::contributors`] says, in the layout at rest: what the TRE's log keeps of it.
    #[must_use]
    pub fn contributors_digest(&self) -> Digest {
        let each = self.contributors.iter().map(|one| Digest::of(&one.to_bytes()).0);
        Digest::of(&each.collect::<Vec<_>>().concat())
    }

    /// The same outputs with other reports, one for each in their order; fewer change nothing. The commitment binds bytes, not reports: what
    /// the rules say may change while outputs wait.
    #[must_use]
    pub fn with_reports(mut self, reports: Vec<Report>) -> Self {
        for (output, report) in self.outputs.iter_mut().zip(reports) {
            output.report = report;
        }
        self
    }

    /// What an attestation and a release say of the checks.
    #[must_use]
    pub fn checks(&self) -> ReportSummary {
        summarise(&self.outputs)
    }

    /// Whether every rule passes for every output, on evidence of the host's own.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.outputs.iter().all(|output| output.report.passes())
    }

    /// The outputs' names.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.outputs.iter().map(|output| output.name.clone()).collect()
    }

    /// What a reviewer reads beside them.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context.0
    }

    /// The commitment to all of them.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.commitment
    }
}

/// What an attestation says about the checks that stood beside the outputs.
#[must_use]
pub fn summarise(outputs: &[HeldOutput]) -> ReportSummary {
    let mut findings = Vec::new();
    ciborium::into_writer(
        &outputs.iter().map(|output| (&output.name, &output.report)).collect::<Vec<_>>(),
        &mut findings,
    )
    .expect("writing to memory does not fail");
    let tallies = || outputs.iter().flat_map(|output| output.report.tallies.values());
    ReportSummary {
        rules: crate::disclosure::rules::RULES_VERSION.to_owned(),
        checker: crate::disclosure::rules::checker_digest(),
        findings: Digest::of(&findings),
        failed: tallies().map(|tally| tally.fail).sum(),
        review: tallies().map(|tally| tally.review).sum(),
    }
}
