//! A TRE as far as outputs pass through it, by the functions that a node calls: admission, the check, the ledger of what left.

use crate::fixture::federation::{EPOCH, Federation, Options};
use anyhow::{Context as _, anyhow};
use keys::seal::{Identity, SCRYPT_LOG_N};
use node::custody::Custody;
use node::ledger::{Ledger, Terms};
use protocol::disclosure::check::Given;
use protocol::disclosure::policy::Policy;
use protocol::ingress::{Statement, receive};
use protocol::record::payload::DECADE;
use protocol::record::project::Project;
use protocol::record::submission::{DeclaredOutput, TABLE};
use protocol::safes::admission::{Admission, ComponentFacts, Question, admit};
use protocol::safes::outputs::{self, Context, Held, Unreviewable};
use protocol::trust::roster::Roster;
use tempfile::TempDir;

/// When all of it happens.
const NOW: u64 = EPOCH + 600;

/// A TRE with a folder of its own.
pub(crate) struct Tre {
    federation: Federation,
    roster: Roster,
    policy: Policy,
    versions: u64,
    tasks: u64,
    custody: Custody,
    folder: TempDir,
    ledgers: u64,
}

impl Tre {
    /// A founded one, under the default policy.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn found() -> anyhow::Result<Self> {
        let federation = Federation::new(3, Options { tres: 1, ..Options::default() });
        let mut roster = Roster::new(federation.network);
        for bytes in &federation.statements {
            let statement =
                receive(bytes, &roster, NOW).map_err(|error| anyhow!("the fixture is not believed: {error:?}"))?;
            roster.take(&statement);
        }
        let folder = tempfile::tempdir()?;
        let identity = folder.path().join("identity");
        Identity::generate().create_file(&identity, None, SCRYPT_LOG_N)?;
        let no_passphrase = || Err(std::io::Error::other("it has none"));
        let custody = Custody::open(folder.path().join("custody"), Identity::open_file(&identity, no_passphrase)?)?;
        let policy = Policy::default();
        Ok(Self { federation, roster, policy, versions: 1, tasks: 0, custody, folder, ledgers: 0 })
    }

    /// A ledger in which nothing left yet.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn ledger(&mut self) -> anyhow::Result<Ledger> {
        self.ledgers += 1;
        let path = self.folder.path().join(format!("ledger-{}.redb", self.ledgers));
        Ok(Ledger::open(&path, &self.custody, &[])?)
    }

    /// What a comparison goes by here.
    pub(crate) fn terms(&self) -> Terms {
        Terms { threshold: self.policy.threshold, recovered: false }
    }

    /// Leave to run a task that declares these outputs, in a project of this policy.
    ///
    /// # Errors
    /// When a Safe says no.
    pub(crate) fn admission(&mut self, given: &[Given], policy: &Policy) -> anyhow::Result<Admission> {
        if self.policy != *policy {
            self.versions += 1;
            let project = Project {
                disclosure: *policy,
                ..self.federation.project(self.versions, self.federation.options.approvals)
            };
            let signed = self.federation.sign(&project, "owner-0-0", EPOCH + self.versions, DECADE);
            let statement = receive(&signed, &self.roster, NOW)
                .map_err(|error| anyhow!("the project is not believed: {error:?}"))?;
            self.roster.take(&statement);
            self.policy = *policy;
        }
        self.tasks += 1;
        let mut submission = self.federation.task("researcher-0", self.tasks, [0]);
        let declared = |given: &Given| DeclaredOutput {
            name: given.name.clone(),
            media_type: TABLE.to_owned(),
            columns: given.columns.clone(),
        };
        submission.outputs = given.iter().map(declared).collect();
        let signed = self.federation.sign(&submission, "researcher-0", NOW, 3_600);
        let submission = match receive(&signed, &self.roster, NOW)
            .map_err(|error| anyhow!("the task is not believed: {error:?}"))?
        {
            Statement::Submission(submission) => submission,
            _ => return Err(anyhow!("a submission came back as something else")),
        };
        let question = Question {
            submission: &submission,
            roster: &self.roster,
            tre: &self.federation.tre(0),
            replayed: false,
            open_tasks: 0,
            component: Some(&ComponentFacts::Usable),
            now: NOW,
        };
        admit(&question).map_err(|refusal| anyhow!("the task is refused: {refusal}"))?.context("the component is there")
    }
}

/// Checks outputs as a node does once a component has ended.
///
/// # Errors
/// [`Unreviewable`] when nobody can review them.
pub(crate) fn hold(admission: &Admission, given: Vec<Given>) -> Result<Held, Unreviewable> {
    let produced = given.into_iter().map(|given| (given.name, given.content)).collect();
    outputs::check(admission, produced, Context::default(), &[7; 32])
}
