//! The roster: every key, grant, project and revocation that is known, and which of them count at a given time.

use crate::ingress::{Statement, Verified};
use crate::record::grant::Grant;
use crate::record::key_record::{HolderKind, KeyRecord};
use crate::record::project::Project;
use crate::record::revocation::Revocation;
use crate::record::root::{Root, RootKey};
use crate::record::status::Status;
use crate::wire::codec;
use crate::wire::id::{Digest, NetworkId, StatementId};
use keys::key::{KeyId, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// By how much clocks may differ before a root is known, in seconds.
const DEFAULT_SKEW_SECONDS: u64 = 120;

/// The holder of a key: a person or a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Person, TRE or hub.
    pub kind: HolderKind,
    /// The name in the roster.
    pub name: String,
    /// The organisation.
    pub organisation: String,
    /// The signing key.
    pub key: PublicKey,
    /// Where results are encrypted to.
    pub recipient: Option<String>,
    /// The libp2p identity.
    pub peer: Option<PublicKey>,
}

impl Holder {
    pub(crate) fn of_root_key(key: &RootKey) -> Self {
        Self {
            kind: HolderKind::Person,
            name: key.person.clone(),
            organisation: key.organisation.clone(),
            key: key.key,
            recipient: None,
            peer: None,
        }
    }

    pub(crate) fn of_key_record(record: &KeyRecord) -> Self {
        Self {
            kind: record.kind,
            name: record.name.clone(),
            organisation: record.organisation.clone(),
            key: record.key,
            recipient: record.recipient.clone(),
            peer: record.peer,
        }
    }
}

/// One payload and everyone who signed it.
#[derive(Clone, Debug)]
pub(crate) struct Cosigned<T> {
    pub(crate) payload: T,
    pub(crate) signatures: BTreeMap<KeyId, Verified<T>>,
}

/// What is known of a federation. Grows only; [`Roster::take`] is the only way in.
#[derive(Clone, Debug)]
pub struct Roster {
    network: NetworkId,
    /// The accepted chain, oldest first, with each payload's digest.
    roots: Vec<(Digest, Root)>,
    root_candidates: BTreeMap<Digest, Cosigned<Root>>,
    key_records: BTreeMap<Digest, Cosigned<KeyRecord>>,
    /// The key records that name a key; of those that are enrolled, the newest counts.
    records_by_key: BTreeMap<KeyId, BTreeSet<Digest>>,
    pub(crate) grants: BTreeMap<StatementId, Verified<Grant>>,
    pub(crate) projects: BTreeMap<Digest, Cosigned<Project>>,
    revocations: BTreeMap<StatementId, Vec<Verified<Revocation>>>,
    pub(crate) revocation_ids: BTreeSet<StatementId>,
    pub(crate) statuses: BTreeMap<(u64, StatementId), Verified<Status>>,
}

/// How many statuses of one person are kept: older ones prove nothing that a newer one does not. Counted for each person, because anyone who
/// is enrolled can sign one, and only those of root persons ever count.
const STATUSES_KEPT: usize = 16;

/// How many proposed roots are kept.
const ROOT_CANDIDATES: usize = 64;

impl Roster {
    /// Knows nothing but the federation's id.
    #[must_use]
    pub fn new(network: NetworkId) -> Self {
        Self {
            network,
            roots: Vec::new(),
            root_candidates: BTreeMap::new(),
            key_records: BTreeMap::new(),
            records_by_key: BTreeMap::new(),
            grants: BTreeMap::new(),
            projects: BTreeMap::new(),
            revocations: BTreeMap::new(),
            revocation_ids: BTreeSet::new(),
            statuses: BTreeMap::new(),
        }
    }

    /// The federation.
    #[must_use]
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The current root, once one is accepted.
    #[must_use]
    pub fn root(&self) -> Option<&Root> {
        self.roots.last().map(|(_, root)| root)
    }

    /// By how much clocks may differ, in seconds.
    #[must_use]
    pub fn clock_skew_seconds(&self) -> u64 {
        self.root().map_or(DEFAULT_SKEW_SECONDS, |root| root.clock_skew_seconds)
    }

    /// Adds a statement about trust. Statements about tasks are no concern of the roster.
    pub fn take(&mut self, statement: &Statement) {
        match statement {
            Statement::Root(root) => {
                // Anyone may propose a root to itself; those that no root person has signed make room for others.
                if self.root_candidates.len() >= ROOT_CANDIDATES {
                    let mut digests: BTreeSet<Digest> = self.roots.iter().map(|(digest, _)| *digest).collect();
                    digests.insert(Digest(self.network.0));
                    let persons: BTreeSet<KeyId> =
                        self.root().into_iter().flat_map(|root| &root.keys).map(|key| key.key.id()).collect();
                    self.root_candidates.retain(|digest, candidate| {
                        digests.contains(digest) || candidate.signatures.keys().any(|key| persons.contains(key))
                    });
                }
                cosign(&mut self.root_candidates, root);
                self.advance_root();
            }
            Statement::KeyRecord(record) => {
                let digest = cosign(&mut self.key_records, record);
                self.records_by_key.entry(record.payload().key.id()).or_default().insert(digest);
            }
            Statement::Grant(grant) => {
                self.grants.insert(grant.id(), grant.clone());
            }
            Statement::Project(project) => {
                cosign(&mut self.projects, project);
            }
            Statement::Revocation(revocation) => {
                if self.revocation_ids.insert(revocation.id()) {
                    self.revocations.entry(revocation.payload().target).or_default().push(revocation.clone());
                }
            }
            Statement::Status(status) => {
                self.statuses.insert((status.payload().epoch, status.id()), status.clone());
                let by = &status.signer().name;
                let own = |(_, other): &(&(u64, StatementId), &Verified<Status>)| other.signer().name == *by;
                if self.statuses.iter().filter(own).count() > STATUSES_KEPT {
                    let oldest = self.statuses.iter().find(own).map(|(place, _)| *place);
                    oldest.map(|place| self.statuses.remove(&place));
                }
            }
            Statement::Submission(_)
            | Statement::Cancellation(_)
            | Statement::Phase(_)
            | Statement::Run(_)
            | Statement::Attestation(_)
            | Statement::Release(_)
            | Statement::StandingApproval(_)
            | Statement::Recovery(_)
            | Statement::Dataset(_)
            | Statement::Comment(_)
            | Statement::Checkpoint(_)
            | Statement::Cosignature(_) => {}
        }
    }

    /// Accepts the next root for as long as one has its quorum: the threshold of the old persons and of the new.
    fn advance_root(&mut self) {
        while let Some(next) = self.root_candidates.iter().find(|(digest, root)| self.is_next(digest, root)) {
            let accepted = (*next.0, next.1.payload.clone());
            self.roots.push(accepted);
        }
    }

    fn is_next(&self, digest: &Digest, candidate: &Cosigned<Root>) -> bool {
        let root = &candidate.payload;
        let signed = |keys: &[RootKey]| {
            let persons: BTreeSet<&str> = keys
                .iter()
                .filter(|key| candidate.signatures.contains_key(&key.key.id()))
                .map(|key| key.person.as_str())
                .collect();
            persons.len() as u64
        };
        let own = signed(&root.keys) >= root.threshold;
        match self.roots.last() {
            None => own && root.version == 1 && digest.0 == self.network.0,
            Some((current, old)) => {
                own && root.version == old.version + 1
                    && root.previous == Some(*current)
                    && signed(&old.keys) >= old.threshold
            }
        }
    }

    /// The root person that holds this key in the current root. A key that a root leaves out counts no more, and neither does what it has
    /// enrolled, unless a key of the current root has signed that too (The Update Framework, section 6.1).
    pub(crate) fn root_holder(&self, key: &KeyId) -> Option<Holder> {
        let root = self.root()?;
        root.keys.iter().find(|root_key| root_key.key.id() == *key).map(Holder::of_root_key)
    }

    /// The root person that held this key in any accepted root: who may have signed one root or the next.
    pub(crate) fn past_root_holder(&self, key: &KeyId) -> Option<Holder> {
        let keys = self.roots.iter().rev().flat_map(|(_, root)| &root.keys);
        keys.into_iter().find(|root_key| root_key.key.id() == *key).map(Holder::of_root_key)
    }

    /// Whether the person is a root person now.
    #[must_use]
    pub fn is_root_person(&self, person: &str) -> bool {
        self.root().is_some_and(|root| root.persons().contains(person))
    }

    /// The holder of an enrolled key: by a key record that the key itself and a root person signed, or by the root.
    #[must_use]
    pub fn holder(&self, key: &KeyId) -> Option<Holder> {
        let enrolled = self.enrolment(key).map(|record| Holder::of_key_record(&record.payload));
        match (enrolled, self.root_holder(key)) {
            // A root person's key record adds the recipient and the network identity.
            (Some(record), Some(root)) if record.name == root.name && record.kind == root.kind => Some(record),
            (_, Some(root)) => Some(root),
            (record, None) => record,
        }
    }

    fn enrolment(&self, key: &KeyId) -> Option<&Cosigned<KeyRecord>> {
        let enrolled = self.records_of(key).filter_map(|record| {
            let by_itself = record.signatures.get(&record.payload.key.id())?;
            let by_enroller = record.signatures.keys().any(|signer| self.root_holder(signer).is_some());
            by_enroller.then_some((by_itself.claims().issued, by_itself.id(), record))
        });
        enrolled.max_by_key(|(issued, id, _)| (*issued, *id)).map(|(_, _, record)| record)
    }

    fn records_of(&self, key: &KeyId) -> impl Iterator<Item = &Cosigned<KeyRecord>> {
        self.records_by_key.get(key).into_iter().flatten().filter_map(|digest| self.key_records.get(digest))
    }

    /// Whether the key was revoked by `at`: one of the statements that name it was. A revoked key never returns.
    #[must_use]
    pub fn is_key_revoked(&self, key: &KeyId, at: u64) -> bool {
        self.records_of(key)
            .flat_map(|record| record.signatures.values())
            .any(|signature| self.is_revoked(&signature.id(), &signature.signer().name, None, at))
    }

    /// Whether the key is enrolled and not revoked.
    #[must_use]
    pub fn is_key_good(&self, key: &KeyId, at: u64) -> bool {
        self.holder(key).is_some() && !self.is_key_revoked(key, at)
    }

    /// Whether the person is a root person or was one: what such a person has revoked stays revoked under every later root.
    fn was_root_person(&self, person: &str) -> bool {
        self.roots.iter().any(|(_, root)| root.persons().contains(person))
    }

    /// Whether a statement was revoked by `at`, by someone who may: its issuer, an ancestor's issuer or a root person of any root.
    pub(crate) fn is_revoked(&self, target: &StatementId, issuer: &str, parent: Option<&StatementId>, at: u64) -> bool {
        let mut issuers = vec![issuer.to_owned()];
        let mut ancestor = parent.and_then(|id| self.grants.get(id));
        while let Some(grant) = ancestor {
            if issuers.len() > crate::record::grant::MAX_DEPTH {
                break;
            }
            issuers.push(grant.signer().name.clone());
            ancestor = grant.payload().parent.as_ref().and_then(|id| self.grants.get(id));
        }
        self.revocations.get(target).into_iter().flatten().any(|revocation| {
            let by = &revocation.signer().name;
            revocation.claims().issued <= at && (issuers.contains(by) || self.was_root_person(by))
        })
    }

    /// Everyone who is enrolled and not revoked, in the order of their keys.
    #[must_use]
    pub fn holders(&self, at: u64) -> Vec<Holder> {
        let root = self.root().into_iter().flat_map(|root| root.keys.iter().map(|key| key.key.id()));
        let keys: BTreeSet<KeyId> = self.records_by_key.keys().copied().chain(root).collect();
        keys.iter().filter(|key| self.is_key_good(key, at)).filter_map(|key| self.holder(key)).collect()
    }

    /// The libp2p identities that may connect.
    #[must_use]
    pub fn members(&self, at: u64) -> BTreeSet<PublicKey> {
        self.holders(at).into_iter().filter_map(|holder| holder.peer).collect()
    }

    /// Every project that anyone has signed, with the persons who signed it; newest version first within a name.
    #[must_use]
    pub fn projects(&self) -> Vec<(&Project, BTreeSet<&str>)> {
        let mut projects: Vec<_> = self
            .projects
            .values()
            .map(|project| {
                let persons = project.signatures.values().map(|signature| signature.signer().name.as_str()).collect();
                (&project.payload, persons)
            })
            .collect();
        projects.sort_by(|(a, _), (b, _)| (&a.name, b.version).cmp(&(&b.name, a.version)));
        projects
    }

    /// How many of each there are, for people.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            root_version: self.root().map_or(0, |root| root.version),
            keys: self.records_by_key.len(),
            grants: self.grants.len(),
            projects: self.projects.len(),
            revocations: self.revocation_ids.len(),
        }
    }

    /// Every grant that is known, revoked and expired ones included.
    pub fn grants(&self) -> impl Iterator<Item = &Verified<Grant>> {
        self.grants.values()
    }
}

/// How many statements of each kind a roster knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The current root's version; 0 when there is none.
    pub root_version: u64,
    /// Keys.
    pub keys: usize,
    /// Grants.
    pub grants: usize,
    /// Projects and their versions.
    pub projects: usize,
    /// Revocations.
    pub revocations: usize,
}

/// Adds one signature to the payload that it signs; a second one by the same key replaces nothing.
fn cosign<T: crate::record::Payload>(into: &mut BTreeMap<Digest, Cosigned<T>>, statement: &Verified<T>) -> Digest {
    let bytes = codec::encode(statement.payload()).expect("a verified payload was decoded from its one encoding");
    let digest = Digest::of(&bytes);
    into.entry(digest)
        .or_insert_with(|| Cosigned { payload: statement.payload().clone(), signatures: BTreeMap::new() })
        .signatures
        .entry(statement.signer().key.id())
        .or_insert_with(|| statement.clone());
    digest
}
