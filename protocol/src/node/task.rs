//! What a node knows of one task: from its submission, from every TRE that spoke about it, and from its own work on it.

use crate::ingress::Verified;
use crate::lifecycle::{self, Event, Phase};
use crate::record;
use crate::record::attestation::{Attestation, ReportSummary};
use crate::record::comment::Comment;
use crate::record::run::Run;
use crate::record::submission::{Submission, TaskId};
use crate::safes::Refusal;
use crate::safes::admission::Admission;
use crate::tre::Release;
use crate::wire::id::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// One task.
#[derive(Clone, Debug)]
pub struct Task {
    pub(super) submission: Verified<Submission>,
    pub(super) here: Option<Local>,
    pub(super) phases: BTreeMap<String, Verified<record::phase::Phase>>,
    pub(super) runs: BTreeMap<String, Verified<Run>>,
    pub(super) attestations: Vec<Verified<Attestation>>,
    pub(super) comments: Vec<Verified<Comment>>,
    pub(super) releases: BTreeMap<String, Verified<record::release::Release>>,
}

/// A task's life at this TRE.
#[derive(Clone, Debug)]
pub struct Local {
    pub(super) phase: Phase,
    pub(super) received: u64,
    pub(super) admission: Option<Admission>,
    pub(super) refusal: Option<Refusal>,
    pub(super) failure: Option<String>,
    pub(super) outputs: BTreeSet<String>,
    pub(super) checks: Option<ReportSummary>,
    pub(super) passes: bool,
    pub(super) contributors: Option<Digest>,
    pub(super) opening: Option<Release>,
    pub(super) reporting: Option<Phase>,
    /// Whether the shell was told to run it since this process began.
    pub(super) executing: bool,
}

/// The most attestations of one person that are kept for one task: enough to change one's mind. Counted for each person, so that nobody can
/// fill the room of the data owners.
const ATTESTATIONS: usize = 16;

/// The most comments of one person that are kept for one task at one TRE.
const COMMENTS: usize = 64;

impl Task {
    pub(super) fn new(submission: Verified<Submission>, received_here: Option<u64>) -> Self {
        Self {
            submission,
            here: received_here.map(|received| Local {
                phase: Phase::Received,
                received,
                admission: None,
                refusal: None,
                failure: None,
                outputs: BTreeSet::new(),
                checks: None,
                passes: false,
                contributors: None,
                opening: None,
                reporting: None,
                executing: false,
            }),
            phases: BTreeMap::new(),
            runs: BTreeMap::new(),
            attestations: Vec::new(),
            comments: Vec::new(),
            releases: BTreeMap::new(),
        }
    }

    /// The submission.
    #[must_use]
    pub fn submission(&self) -> &Verified<Submission> {
        &self.submission
    }

    /// The task's life at this TRE, if it was asked.
    #[must_use]
    pub fn here(&self) -> Option<&Local> {
        self.here.as_ref()
    }

    /// The latest word of each TRE.
    #[must_use]
    pub fn phases(&self) -> &BTreeMap<String, Verified<record::phase::Phase>> {
        &self.phases
    }

    /// The run of each TRE that has made its run known.
    #[must_use]
    pub fn runs(&self) -> &BTreeMap<String, Verified<Run>> {
        &self.runs
    }

    /// What people have said, at every TRE.
    #[must_use]
    pub fn attestations(&self) -> &[Verified<Attestation>] {
        &self.attestations
    }

    /// What was said beside the decisions, at every TRE.
    #[must_use]
    pub fn comments(&self) -> &[Verified<Comment>] {
        &self.comments
    }

    /// The release of each TRE that has released.
    #[must_use]
    pub fn releases(&self) -> &BTreeMap<String, Verified<record::release::Release>> {
        &self.releases
    }

    pub(super) fn take_phase(&mut self, phase: &Verified<record::phase::Phase>) {
        let said = phase.payload();
        if !self.submission.payload().audience.contains(&said.tre) {
            return;
        }
        let later = self.phases.get(&said.tre).is_none_or(|known| said.phase.rank() > known.payload().phase.rank());
        if later {
            self.phases.insert(said.tre.clone(), phase.clone());
        }
    }

    /// One manifest per task and TRE: the first run counts.
    pub(super) fn take_run(&mut self, run: &Verified<Run>) {
        if self.submission.payload().audience.contains(&run.payload().tre) {
            self.runs.entry(run.payload().tre.clone()).or_insert_with(|| run.clone());
        }
    }

    pub(super) fn take_attestation(&mut self, attestation: &Verified<Attestation>) {
        let said = (&attestation.signer().name, &attestation.payload().tre);
        let same = self.attestations.iter().filter(|other| (&other.signer().name, &other.payload().tre) == said);
        if same.count() < ATTESTATIONS {
            self.attestations.push(attestation.clone());
        }
    }

    pub(super) fn take_comment(&mut self, comment: &Verified<Comment>) {
        let said = (&comment.signer().name, &comment.payload().tre);
        let same = self.comments.iter().filter(|other| (&other.signer().name, &other.payload().tre) == said);
        if same.count() < COMMENTS {
            self.comments.push(comment.clone());
        }
    }

    pub(super) fn take_release(&mut self, release: &Verified<record::release::Release>, here: bool) {
        let said = release.payload();
        if self.submission.payload().audience.contains(&said.tre) {
            self.releases.entry(said.tre.clone()).or_insert_with(|| release.clone());
        }
        if let Some(local) = self.here.as_mut().filter(|_| here) {
            local.step(Event::Approve);
            local.opening = None;
        }
    }

    /// What this TRE last said about the task.
    pub(super) fn reported(&self, tre: &str) -> Option<Phase> {
        self.phases.get(tre).map(|phase| phase.payload().phase)
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.submission.id()
    }
}

impl Local {
    /// Moves on when the lifecycle allows it; tells whether it did.
    pub(super) fn step(&mut self, event: Event) -> bool {
        lifecycle::next(self.phase, event).map(|phase| self.phase = phase).is_ok()
    }

    /// Where the task stands here.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When it arrived here, seconds since 1970.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Why it was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// What went wrong; a code.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The leave to run, once there is one.
    #[must_use]
    pub fn admission(&self) -> Option<&Admission> {
        self.admission.as_ref()
    }

    /// What the checks say of the held outputs, once there are any.
    #[must_use]
    pub fn checks(&self) -> Option<&ReportSummary> {
        self.checks.as_ref()
    }

    /// The digest of who stands behind the held outputs, as custody was written; it stands in the log.
    #[must_use]
    pub fn contributors(&self) -> Option<Digest> {
        self.contributors
    }

    /// The held outputs' names.
    #[must_use]
    pub fn outputs(&self) -> &BTreeSet<String> {
        &self.outputs
    }
}
