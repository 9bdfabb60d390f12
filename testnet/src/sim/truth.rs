//! What the simulator knows because it made it: every statement, who really signed it, every output, every promise.

use crate::fixture::federation::Federation;
use keys::key::KeyId;
use keys::signer::Signer as _;
use protocol::ingress::Statement;
use protocol::lifecycle::Phase;
use protocol::record::Kind;
use protocol::record::attestation::Attestation;
use protocol::record::checkpoint::Checkpoint;
use protocol::record::comment::Readers;
use protocol::record::commitment::Commitment;
use protocol::record::dataset::Dataset;
use protocol::record::grant::Role;
use protocol::record::recovery::Recovery;
use protocol::record::release::Release;
use protocol::record::standing_approval::StandingApproval;
use protocol::record::submission::{Submission, TaskId};
use protocol::tre::digest_of;
use protocol::wire::envelope::Place;
use protocol::wire::id::{Digest, StatementId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a statement says, as far as an invariant asks.
#[derive(Clone, Debug)]
pub enum What {
    /// A root or a key record.
    Trust,
    /// A grant of a role to a person, at a TRE or at all.
    Grant {
        /// To whom.
        person: String,
        /// As what.
        role: Role,
        /// Where.
        tre: Option<String>,
    },
    /// A revocation of this statement.
    Revocation(StatementId),
    /// A status.
    Status {
        /// Its number.
        epoch: u64,
        /// What it names.
        revocations: Vec<StatementId>,
    },
    /// A version of the project.
    Project {
        /// Its number.
        version: u64,
        /// How many persons must approve.
        approvals: u64,
        /// SHA-256 of its payload.
        digest: Digest,
    },
    /// A task.
    Submission(Box<Submission>),
    /// A task called back.
    Cancellation(TaskId),
    /// A phase of a task at a TRE.
    Phase {
        /// The task.
        task: TaskId,
        /// The TRE.
        tre: String,
        /// The phase.
        phase: Phase,
    },
    /// A run.
    Run {
        /// The task.
        task: TaskId,
        /// The TRE.
        tre: String,
        /// What it commits to.
        commitment: Commitment,
    },
    /// A decision.
    Attestation(Box<Attestation>),
    /// What left.
    Release(Box<Release>),
    /// A word about a task under review.
    Comment {
        /// The task.
        task: TaskId,
        /// Where it is under review.
        tre: String,
        /// Who may read it.
        to: Readers,
    },
    /// Leave to release without a person.
    StandingApproval(Box<StandingApproval>),
    /// Leave to go on from a backup.
    Recovery(Box<Recovery>),
    /// What a TRE publishes of a dataset.
    Dataset(Box<Dataset>),
    /// A TRE's word about its log.
    Checkpoint(Box<Checkpoint>),
    /// Another node's word about it.
    Cosignature(StatementId),
}

impl What {
    /// What a verified statement says.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        match statement {
            Statement::Root(_) | Statement::KeyRecord(_) => Self::Trust,
            Statement::Grant(said) => Self::Grant {
                person: said.payload().person.clone(),
                role: said.payload().role,
                tre: said.payload().tre.clone(),
            },
            Statement::Revocation(said) => Self::Revocation(said.payload().target),
            Statement::Status(said) => {
                Self::Status { epoch: said.payload().epoch, revocations: said.payload().revocations.clone() }
            }
            Statement::Project(said) => {
                let (project, digest) = (said.payload(), digest_of(said.payload()));
                Self::Project { version: project.version, approvals: project.egress.approvals, digest }
            }
            Statement::Submission(said) => Self::Submission(Box::new(said.payload().clone())),
            Statement::Cancellation(said) => Self::Cancellation(said.payload().task),
            Statement::Phase(said) => {
                let said = said.payload();
                Self::Phase { task: said.task, tre: said.tre.clone(), phase: said.phase }
            }
            Statement::Run(said) => {
                let said = said.payload();
                Self::Run { task: said.task, tre: said.tre.clone(), commitment: said.commitment }
            }
            Statement::Attestation(said) => Self::Attestation(Box::new(said.payload().clone())),
            Statement::Release(said) => Self::Release(Box::new(said.payload().clone())),
            Statement::Comment(said) => {
                let said = said.payload();
                Self::Comment { task: said.task, tre: said.tre.clone(), to: said.to }
            }
            Statement::StandingApproval(said) => Self::StandingApproval(Box::new(said.payload().clone())),
            Statement::Recovery(said) => Self::Recovery(Box::new(said.payload().clone())),
            Statement::Dataset(said) => Self::Dataset(Box::new(said.payload().clone())),
            Statement::Checkpoint(said) => Self::Checkpoint(Box::new(said.payload().clone())),
            Statement::Cosignature(said) => Self::Cosignature(said.payload().checkpoint),
        }
    }
}

/// A statement that its signer really made.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its kind.
    pub kind: Kind,
    /// Who signed it.
    pub by: String,
    /// When, by the signer's clock.
    pub issued: u64,
    /// Until when.
    pub expires: u64,
    /// What makes it unlike any other of its signer.
    pub nonce: [u8; 16],
    /// Where it stands in its signer's chain.
    pub place: Option<Place>,
    /// What it says.
    pub what: What,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// How many digits a number has that stands in an output.
pub const MARKER_DIGITS: usize = 9;

/// Everything that is so.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// What was really signed.
    pub statements: BTreeMap<StatementId, Said>,
    /// The same, as whoever knows of no revocation believes it.
    pub believed: BTreeMap<StatementId, Statement>,
    /// What was forged, changed on the way, or signed by nobody of the federation.
    pub forged: BTreeSet<StatementId>,
    /// Each output that a run made, by name.
    pub produced: BTreeMap<(TaskId, String, Commitment), BTreeMap<String, Vec<u8>>>,
    /// Numbers of [`MARKER_DIGITS`] digits that stand in outputs and nowhere else.
    pub markers: BTreeSet<Vec<u8>>,
    /// Submissions that a node has answered for.
    pub acknowledged: BTreeSet<(usize, TaskId)>,
    /// The key records by which a key is known, with its holder.
    pub keys: BTreeMap<StatementId, String>,
    /// The data owners of each TRE.
    pub owners: BTreeMap<String, BTreeSet<String>>,
    /// The key of each member.
    pub signing: BTreeMap<String, KeyId>,
    /// Where each member's results are encrypted to.
    pub recipients: BTreeMap<String, String>,
    /// Who may grant the role of researcher.
    pub admin: String,
    /// Everything that was ever put on the wire that must not be there, in words.
    pub leaks: Vec<String>,
    /// Words between reviewers that were put on the wire.
    pub told: Vec<String>,
    /// Checkpoints that a TRE signed beside the ones of its log.
    pub twins: BTreeSet<StatementId>,
    /// The chain of each person's key, without what it has signed beside it.
    pub chains: BTreeMap<String, Vec<StatementId>>,
    /// Everything that stands at a place in a chain.
    pub chained: BTreeSet<StatementId>,
    /// What a person signed at a place that was taken.
    pub stories: BTreeSet<StatementId>,
    /// What a TRE no longer knows of a task, because it was restored from a backup: where it stands there may be told twice.
    pub forgotten: BTreeSet<(TaskId, String)>,
}

impl Truth {
    /// The beginning of a federation.
    #[must_use]
    pub fn of(federation: &Federation) -> Self {
        let mut truth = Self { admin: "owner-0-0".to_owned(), ..Self::default() };
        for (holder, records) in &federation.key_records {
            truth.keys.extend(records.iter().map(|record| (*record, holder.clone())));
        }
        truth.signing.extend(federation.actors().map(|actor| (actor.name.clone(), actor.key().public().id())));
        truth.recipients.extend(federation.actors().map(|actor| (actor.name.clone(), actor.recipient.clone())));
        for tre in 0..federation.options.tres {
            let tre = federation.tre(tre);
            truth.owners.insert(tre.name, tre.data_owners);
        }
        truth
    }

    /// Notes a statement that its signer really made.
    pub fn note(&mut self, statement: &Statement) {
        let claims = statement.claims();
        let real = self.signing.get(&claims.issuer) == Some(&statement.signer().key.id());
        let by = if real { claims.issuer.clone() } else { format!("somebody who says to be {}", claims.issuer) };
        self.believed.entry(statement.id()).or_insert_with(|| statement.clone());
        if claims.place.is_some() {
            self.chained.insert(statement.id());
        }
        self.statements.entry(statement.id()).or_insert_with(|| Said {
            kind: statement.kind(),
            by: by.clone(),
            issued: claims.issued,
            expires: claims.expires,
            nonce: claims.nonce,
            place: claims.place.clone(),
            what: What::of(statement),
            bytes: statement.bytes().clone(),
        });
    }

    /// The statements that cannot stand in one chain with this one, because the same key has put them at its place.
    pub fn other_stories<'a>(&'a self, id: &'a StatementId) -> impl Iterator<Item = &'a StatementId> {
        let at = |id: &StatementId| {
            let said = self.statements.get(id)?;
            Some((said.by.as_str(), said.place.as_ref()?.previous))
        };
        let own = at(id);
        self.chained.iter().filter(move |other| *other != id && own.is_some() && at(other) == own)
    }

    /// The submission of a task.
    #[must_use]
    pub fn submission(&self, task: &TaskId) -> Option<(&Said, &Submission)> {
        let said = self.statements.get(task)?;
        match &said.what {
            What::Submission(submission) => Some((said, submission)),
            _ => None,
        }
    }

    /// Whether bytes hold a number that stands in outputs alone.
    #[must_use]
    pub fn holds_output(&self, bytes: &[u8]) -> bool {
        // Markers are digits: only where there is a digit can one begin.
        let digits = bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit());
        let mut run = (0, 0);
        for (place, _) in digits {
            run = if place > 0 && run.1 == place { (run.0, place + 1) } else { (place, place + 1) };
            if run.1 - run.0 >= MARKER_DIGITS && self.markers.contains(&bytes[run.1 - MARKER_DIGITS..run.1]) {
                return true;
            }
        }
        false
    }
}
