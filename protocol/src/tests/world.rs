//! A small federation: three root persons, two TREs with their data owners, a checker, two researchers and a hub.

use crate::disclosure::policy::Policy;
use crate::ingress::{Statement, Verdict, Verified, receive};
use crate::node::{Effect, Input, Node, Record, Step};
use crate::record::Payload;
use crate::record::attestation::{Attestation, Decision};
use crate::record::checkpoint::Cosignature;
use crate::record::commitment::Commitment;
use crate::record::grant::{Grant, Role};
use crate::record::key_record::{HolderKind, KeyRecord};
use crate::record::payload::{DAY, DECADE};
use crate::record::project::{AllowedComponent, Egress, Project};
use crate::record::release::{Logged, Sealed};
use crate::record::revocation::Revocation;
use crate::record::root::{Root, RootKey};
use crate::record::run::Run;
use crate::record::stamp::{Stamp, sign};
use crate::record::status::Status;
use crate::record::submission::{DeclaredOutput, Submission, TABLE, TaskId};
use crate::safes::Tre;
use crate::safes::admission::{ComponentFacts, Question, admit};
use crate::safes::outputs::{Content, Context, Held, SourceFacts, check, summarise};
use crate::trust::roster::Roster;
use crate::wire::codec;
use crate::wire::envelope::Place;
use crate::wire::id::{Digest, NetworkId, StatementId};
use keys::signer::{Signer as _, SoftKey};
use std::collections::{BTreeMap, BTreeSet};

/// When the federation begins.
pub(super) const START: u64 = 1_800_000_000;

/// When most tests ask.
pub(super) const NOW: u64 = START + 100;

/// The root persons.
pub(super) const ROOTS: [&str; 3] = ["root-a", "root-b", "root-c"];

/// The persons beside them. `olga` and `otto` own the data of `north`, `oda` that of `south`, `carl` checks outputs at `north`.
pub(super) const PERSONS: [&str; 6] = ["olga", "otto", "oda", "carl", "ruth", "rex"];

/// The key of a name.
pub(super) fn key(name: &str) -> SoftKey {
    SoftKey::from_seed(Digest::of(name.as_bytes()).0)
}

/// A recipient of a name; nobody encrypts to it here.
pub(super) fn recipient(name: &str) -> String {
    format!("age1{name}")
}

/// The statements that were made, and a roster that knows all of them.
pub(super) struct World {
    pub(super) network: NetworkId,
    pub(super) roster: Roster,
    pub(super) statements: Vec<Vec<u8>>,
    /// The key records as a root person signed them.
    pub(super) key_records: BTreeMap<String, StatementId>,
    /// The same as their own keys signed them.
    pub(super) own_records: BTreeMap<String, StatementId>,
    pub(super) grants: BTreeMap<String, StatementId>,
    pub(super) projects: BTreeMap<String, StatementId>,
    nonce: u64,
}

impl World {
    pub(super) fn root(version: u64, previous: Option<Digest>, persons: &[&str], threshold: u64) -> Root {
        let key = |person: &&str| RootKey {
            person: (*person).to_owned(),
            organisation: "Here".to_owned(),
            key: key(person).public(),
        };
        let keys = persons.iter().map(key).collect();
        Root { network: "net".to_owned(), version, previous, threshold, keys, clock_skew_seconds: 60 }
    }

    /// Only the root: nobody is enrolled.
    pub(super) fn founded() -> Self {
        let root = Self::root(1, None, &ROOTS, 2);
        let network = NetworkId::of(&codec::encode(&root).unwrap());
        let mut world = Self {
            network,
            roster: Roster::new(network),
            statements: Vec::new(),
            key_records: BTreeMap::new(),
            own_records: BTreeMap::new(),
            grants: BTreeMap::new(),
            projects: BTreeMap::new(),
            nonce: 0,
        };
        world.say(&root, "root-a", START);
        world.say(&root, "root-b", START);
        world
    }

    /// Everybody is enrolled, the grants are made, the project is signed and trust is fresh.
    pub(super) fn new() -> Self {
        let mut world = Self::founded();
        for person in PERSONS {
            world.enrol(person, HolderKind::Person);
        }
        for tre in ["north", "south"] {
            world.enrol(tre, HolderKind::Tre);
        }
        world.enrol("hub", HolderKind::Hub);
        for (owner, tre) in [("olga", "north"), ("otto", "north"), ("oda", "south")] {
            world.grant(owner, Role::DataOwner, None, Some(tre), "root-a");
        }
        world.grant("carl", Role::OutputChecker, None, Some("north"), "olga");
        world.grant("ruth", Role::Researcher, Some("study"), None, "olga");
        world.propose(&Self::project(1), "olga");
        world.propose(&Self::project(1), "oda");
        world.status(1, DAY);
        world
    }

    pub(super) fn project(version: u64) -> Project {
        Project {
            name: "study".to_owned(),
            version,
            title: "A study".to_owned(),
            tres: vec!["north".to_owned(), "south".to_owned()],
            datasets: vec!["omop".to_owned()],
            admins: vec!["olga".to_owned()],
            components: vec![AllowedComponent { name: "counts".to_owned(), digest: Digest::of(b"component") }],
            disclosure: Policy::default(),
            egress: Egress { approvals: 2, checkers_count: false, excluded: Vec::new() },
        }
    }

    /// Signs without believing.
    pub(super) fn sign<T: Payload>(&mut self, payload: &T, by: &str, at: u64, lifetime: u64) -> Vec<u8> {
        self.sign_at(payload, by, at, lifetime, None)
    }

    /// Signs at a place in the signer's chain.
    pub(super) fn sign_at<T: Payload>(
        &mut self,
        payload: &T,
        by: &str,
        at: u64,
        lifetime: u64,
        place: Option<Place>,
    ) -> Vec<u8> {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let stamp = Stamp { network: self.network, issuer: by.to_owned(), issued: at, lifetime, nonce, place };
        sign(payload, &stamp, &key(by)).unwrap()
    }

    /// Takes bytes as a node would.
    pub(super) fn take(&mut self, bytes: Vec<u8>, at: u64) -> Result<Statement, Verdict> {
        let statement = receive(&bytes, &self.roster, at)?;
        self.roster.take(&statement);
        self.statements.push(bytes);
        Ok(statement)
    }

    /// Signs and believes.
    pub(super) fn say<T: Payload>(&mut self, payload: &T, by: &str, at: u64) -> Statement {
        let bytes = self.sign(payload, by, at, T::MAX_LIFETIME_SECONDS);
        self.take(bytes, at).unwrap()
    }

    pub(super) fn record(name: &str, kind: HolderKind) -> KeyRecord {
        KeyRecord {
            kind,
            name: name.to_owned(),
            organisation: "Here".to_owned(),
            device: String::new(),
            key: key(name).public(),
            recipient: (kind == HolderKind::Person).then(|| recipient(name)),
            peer: Some(key(&format!("{name}'s peer")).public()),
        }
    }

    pub(super) fn enrol(&mut self, name: &str, kind: HolderKind) {
        let record = Self::record(name, kind);
        let own = self.say(&record, name, START).id();
        self.own_records.insert(name.to_owned(), own);
        let by_root = self.say(&record, "root-a", START).id();
        self.key_records.insert(name.to_owned(), by_root);
    }

    pub(super) fn grant(&mut self, person: &str, role: Role, project: Option<&str>, tre: Option<&str>, by: &str) {
        let grant = Grant {
            person: person.to_owned(),
            role,
            project: project.map(str::to_owned),
            tre: tre.map(str::to_owned),
            datasets: None,
            may_delegate: false,
            parent: None,
        };
        let id = self.say(&grant, by, START).id();
        self.grants.insert(person.to_owned(), id);
    }

    pub(super) fn propose(&mut self, project: &Project, by: &str) -> StatementId {
        let id = self.say(project, by, START).id();
        self.projects.insert(by.to_owned(), id);
        id
    }

    /// A further signature, later than the first: decisions go on naming that one.
    pub(super) fn cosign(&mut self, project: &Project, by: &str) -> StatementId {
        self.say(project, by, START + 1).id()
    }

    pub(super) fn status(&mut self, epoch: u64, lifetime: u64) -> StatementId {
        self.status_naming(epoch, lifetime, Vec::new())
    }

    pub(super) fn status_naming(&mut self, epoch: u64, lifetime: u64, revocations: Vec<StatementId>) -> StatementId {
        let root_version = self.roster.root().unwrap().version;
        let bytes = self.sign(&Status { epoch, root_version, revocations }, "root-a", START, lifetime);
        self.take(bytes, START).unwrap().id()
    }

    pub(super) fn revoke(&mut self, target: StatementId, by: &str, at: u64) -> StatementId {
        self.say(&Revocation { target, reason: String::new() }, by, at).id()
    }

    pub(super) fn task(researcher: &str) -> Submission {
        let output = |name: &str| DeclaredOutput { name: name.to_owned(), media_type: TABLE.to_owned(), columns: None };
        Submission {
            project: "study".to_owned(),
            title: "How many".to_owned(),
            component: Digest::of(b"component"),
            component_bytes: 9,
            parameters: BTreeMap::new(),
            datasets: vec!["omop".to_owned()],
            outputs: vec![output("first"), output("second")],
            audience: vec!["north".to_owned(), "south".to_owned()],
            reply_to: recipient(researcher),
        }
    }

    pub(super) fn submit(&mut self, task: &Submission, by: &str) -> Verified<Submission> {
        self.submit_for(task, by, DAY)
    }

    pub(super) fn submit_for(&mut self, task: &Submission, by: &str, lifetime: u64) -> Verified<Submission> {
        let bytes = self.sign(task, by, START + 50, lifetime);
        self.submitted(bytes)
    }

    /// A submission after `previous` in the chain of its signer.
    pub(super) fn submit_after(
        &mut self,
        task: &Submission,
        by: &str,
        previous: Option<&Verified<Submission>>,
    ) -> Verified<Submission> {
        let number = previous.and_then(|before| before.claims().place.as_ref()).map_or(1, |place| place.number + 1);
        let place = Place { number, previous: previous.map(Verified::id) };
        let bytes = self.sign_at(task, by, START + 50, DAY, Some(place));
        self.submitted(bytes)
    }

    fn submitted(&mut self, bytes: Vec<u8>) -> Verified<Submission> {
        match self.take(bytes, START + 50) {
            Ok(Statement::Submission(submission)) => submission,
            other => panic!("a submission, not {other:?}"),
        }
    }

    pub(super) fn tre(name: &str) -> Tre {
        let owners: &[&str] = if name == "north" { &["olga", "otto", "ruth"] } else { &["oda"] };
        Tre {
            name: name.to_owned(),
            datasets: BTreeSet::from(["omop".to_owned()]),
            data_owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
            running: 1,
            waiting: 4,
            component_bytes: 1_000,
            cosignatures: 1,
        }
    }

    /// What `north` holds once the task ran, and the run that says so.
    pub(super) fn hold(&mut self, submission: &Verified<Submission>) -> (Held, Verified<Run>) {
        let tre = Self::tre("north");
        let question = Question {
            submission,
            roster: &self.roster,
            tre: &tre,
            replayed: false,
            open_tasks: 0,
            component: Some(&ComponentFacts::Usable),
            now: NOW,
        };
        let admission = admit(&question).unwrap().unwrap();
        let outputs = ["first", "second"].map(|name| {
            (name.to_owned(), Content::Opaque { bytes: b"n\n20\n".to_vec(), source: SourceFacts::default() })
        });
        let held = check(&admission, outputs.into(), Context::default(), &[7; 32]).unwrap();
        let run = Run {
            task: submission.id(),
            tre: "north".to_owned(),
            component: submission.payload().component,
            snapshots: BTreeMap::new(),
            finished: START,
            commitment: held.commitment(),
        };
        let Statement::Run(run) = self.say(&run, "north", NOW) else { panic!("a run") };
        (held, run)
    }

    /// A decision on the outputs of a run, as a reviewer would sign it.
    pub(super) fn attestation(&self, held: &Held, run: &Verified<Run>, decisions: &[(&str, bool)]) -> Attestation {
        Attestation {
            task: held.task(),
            tre: "north".to_owned(),
            run: run.id(),
            commitment: held.commitment(),
            project: self.projects["olga"],
            decisions: decisions
                .iter()
                .map(|(name, approve)| ((*name).to_owned(), Decision { approve: *approve, reason: String::new() }))
                .collect(),
            report: summarise(held.outputs()),
            supersedes: None,
        }
    }

    pub(super) fn attest(&mut self, attestation: &Attestation, by: &str) -> Verified<Attestation> {
        match self.say(attestation, by, NOW) {
            Statement::Attestation(attestation) => attestation,
            _ => panic!("an attestation"),
        }
    }

    /// Performs what a step asks of the log: `north` signs the checkpoint and the hub cosigns it. Gives the records and the other effects.
    pub(super) fn attend(&mut self, node: &mut Node, step: Step, now: u64) -> Step {
        let mut done = Step { records: step.records, effects: Vec::new() };
        let mut effects: std::collections::VecDeque<Effect> = step.effects.into();
        while let Some(effect) = effects.pop_front() {
            let Effect::Checkpoint(checkpoint) = effect else {
                done.effects.push(effect);
                continue;
            };
            let bytes = self.sign(checkpoint.as_ref(), &checkpoint.tre, now, LONG);
            let cosignature = Cosignature { tre: checkpoint.tre.clone(), checkpoint: StatementId::of(&bytes) };
            let cosigned = self.sign(&cosignature, "hub", now, LONG);
            for bytes in [bytes, cosigned] {
                let step = feed(node, &bytes, now);
                self.statements.push(bytes);
                done.records.extend(step.records);
                effects.extend(step.effects);
            }
        }
        done
    }

    /// A node that has taken everything so far, and its records.
    pub(super) fn node(&self, tre: Option<Tre>) -> (Node, Vec<Record>) {
        let mut node = Node::new(self.network, tre);
        node.handle(Input::CaughtUp, START);
        let mut records = Vec::new();
        for bytes in &self.statements {
            records.extend(feed(&mut node, bytes, NOW).records);
        }
        (node, records)
    }
}

/// What a release says of a ciphertext that nobody looks at.
pub(super) const SEALED: Sealed = Sealed { root: Digest([7; 32]), bytes: 10 };

/// A place in a log where nothing stands.
pub(super) fn nowhere() -> Logged {
    Logged { checkpoint: other_task(), cosignatures: Vec::new(), inclusions: Vec::new() }
}

/// Lets a node take bytes.
pub(super) fn feed(node: &mut Node, bytes: &[u8], now: u64) -> Step {
    let statement = receive(bytes, node.roster(), now).unwrap();
    node.handle(Input::Statement(statement), now)
}

/// A commitment that no run made.
pub(super) fn other_commitment() -> Commitment {
    Commitment::to(&BTreeMap::from([("first".to_owned(), Digest::of(b"other"))]))
}

/// A task that nobody submitted.
pub(super) fn other_task() -> TaskId {
    StatementId::of(b"another task")
}

/// Ten years, for what ends by revocation.
pub(super) const LONG: u64 = DECADE;
