//! Shells that do wrong on purpose, so that each invariant is seen to notice.

use crate::fixture::federation::FIRST_OUTPUT;
use crate::scenario::Sabotage;
use crate::sim::host::{Deed, Performed};
use crate::sim::machine::Fed;
use crate::sim::truth::What;
use crate::sim::world::World;
use protocol::ingress::receive;
use protocol::lifecycle::Phase;
use protocol::node::{Effect, Record};
use protocol::record::Kind;
use protocol::record::comment::Readers;
use protocol::record::commitment::Commitment;
use protocol::record::payload::{DAY, DECADE};
use protocol::record::release::Logged;
use protocol::record::submission::TaskId;
use protocol::safes::outputs::summarise;
use protocol::wire::id::{Digest, StatementId};
use std::sync::Arc;

impl World {
    /// What a shell that does wrong makes of a statement instead of giving it to the core.
    pub fn taken_wrongly(&mut self, at: usize, id: StatementId, bytes: &Arc<[u8]>) -> Option<Fed> {
        let wrong = match self.options.sabotage? {
            Sabotage::TakesForged if self.truth.forged.contains(&id) => true,
            // Written, and never shown to the core.
            Sabotage::HidesForks if self.truth.twins.contains(&id) => {
                matches!(self.truth.statements.get(&id).map(|said| &said.what), Some(What::Checkpoint(said)) if said.tre != self.hosts[at].name)
            }
            Sabotage::HidesGaps => {
                let place = self.truth.statements.get(&id).and_then(|said| said.place.as_ref());
                let before = place.and_then(|place| place.previous);
                before.is_some_and(|before| !self.hosts[at].ledger.learned.contains_key(&before))
            }
            Sabotage::HidesStories => {
                self.truth.other_stories(&id).any(|other| self.hosts[at].ledger.learned.contains_key(other))
            }
            Sabotage::ForgetsSubmissions if self.truth.submission(&id).is_some() => return Some(Fed::Taken),
            Sabotage::IgnoresLoss if self.hosts[at].lost.contains_key(&id) => {
                self.tell_lost(at, id);
                return Some(Fed::Taken);
            }
            _ => false,
        };
        if wrong && !self.hosts[at].ledger.learned.contains_key(&id) {
            let now = self.now(at);
            self.write(at, now, vec![Record::Statement { bytes: bytes.to_vec(), at: now }]);
        }
        wrong.then_some(Fed::Taken)
    }

    /// Pushes a word between reviewers to the neighbours.
    pub fn tell_private(&mut self, at: usize, id: StatementId, bytes: &Arc<[u8]>) {
        let private = matches!(
            self.truth.statements.get(&id).map(|said| &said.what),
            Some(What::Comment { to: Readers::Reviewers, .. })
        );
        if private && self.sabotaged(Sabotage::TellsPrivateComments) {
            self.spread(at, bytes);
        }
    }

    /// Runs what the core has refused.
    pub fn run_refused(&mut self, at: usize, effects: &[Effect]) {
        let refused = effects.iter().find_map(|effect| match effect {
            Effect::Report(report) if report.phase == Phase::Refused => Some(report.task),
            _ => None,
        });
        if let Some(task) = refused.filter(|_| self.sabotaged(Sabotage::RunsRefused)) {
            let ledger = &self.hosts[at].ledger;
            let (records, leaves) = (ledger.entries.len(), ledger.leaves.len());
            self.hosts[at].performed.push(Performed { deed: Deed::Ran(task), records, leaves });
            let now = self.now(at);
            self.write(at, now, vec![Record::Started { task }]);
        }
    }

    /// What a shell writes into a release about the log.
    pub fn logged(&self, logged: &Logged) -> Logged {
        if self.sabotaged(Sabotage::ReleasesUnlogged) {
            return Logged { cosignatures: Vec::new(), inclusions: Vec::new(), ..logged.clone() };
        }
        logged.clone()
    }

    /// The time that a shell writes into a release.
    #[must_use]
    pub fn dated(&self, now: u64) -> u64 {
        if self.sabotaged(Sabotage::BackdatesReleases) { now - DAY } else { now }
    }

    /// A shell that breaks the rule: writes a release that nobody attested.
    pub fn release_unattested(&mut self, at: usize, task: TaskId, run: StatementId, commitment: Commitment) {
        let name = self.hosts[at].name.clone();
        let status = self.truth.statements.iter().find(|(_, said)| said.kind == Kind::Status).map(|(id, _)| *id);
        let Some(status) = status else { return };
        let release = protocol::record::release::Release {
            task,
            tre: name.clone(),
            run,
            attestations: vec![run],
            standing: Vec::new(),
            checks: summarise(&[]),
            log: Logged { checkpoint: run, cosignatures: Vec::new(), inclusions: Vec::new() },
            project: run,
            status,
            commitment,
            outputs: vec![FIRST_OUTPUT.to_owned()],
            ciphertext: Digest([0; 32]),
            ciphertext_bytes: 0,
            ciphertext_root: Digest([0; 32]),
            recipient: "age1".to_owned(),
        };
        let now = self.now(at);
        let bytes = self.federation.sign(&release, &name, now, DECADE);
        if receive(&bytes, &self.roster, now).is_ok() {
            self.made(&bytes, now);
            self.write(at, now, vec![Record::Statement { bytes: bytes.to_vec(), at: now }]);
        }
    }
}
