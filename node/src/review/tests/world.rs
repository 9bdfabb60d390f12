//! A federation of one TRE with two data owners, whose core holds a task: statements, signatures and rules are the real ones.

use crate::door::{Review, queue};
use crate::review::{Examined, examine};
use keys::signer::{Signer as _, SoftKey};
use protocol::audit::{Believed, believe};
use protocol::ingress::receive;
use protocol::node::{Effect, Input, Node, Step};
use protocol::record::Payload;
use protocol::record::checkpoint::Cosignature;
use protocol::record::grant::{Grant, Role};
use protocol::record::key_record::{HolderKind, KeyRecord};
use protocol::record::payload::{DAY, DECADE};
use protocol::record::project::{Egress, Project};
use protocol::record::root::{Root, RootKey};
use protocol::record::run::Run;
use protocol::record::stamp::{Stamp, sign};
use protocol::record::status::Status;
use protocol::record::submission::{DeclaredOutput, Submission, TABLE, TaskId};
use protocol::safes::Tre;
use protocol::safes::admission::{Admission, ComponentFacts};
use protocol::safes::outputs::{Content, Context, Held, SourceFacts, check};
use protocol::wire::codec;
use protocol::wire::id::{Digest, NetworkId, StatementId};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};

/// When everything happens.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The TRE, its core, and what was said.
pub(crate) struct World {
    pub(crate) core: Node,
    network: NetworkId,
    said: Vec<Vec<u8>>,
    held: BTreeMap<TaskId, Held>,
    nonce: u64,
    pub(crate) now: u64,
}

fn key(name: &str) -> SoftKey {
    SoftKey::from_seed(Digest::of(name.as_bytes()).0)
}

impl World {
    /// Olga and otto own the data, ruth asks, mallory is a member and nothing else. The project asks for so many persons.
    pub(crate) fn new(approvals: u64) -> Self {
        let root = Root {
            network: "net".to_owned(),
            version: 1,
            previous: None,
            threshold: 1,
            keys: vec![RootKey { person: "root".to_owned(), organisation: String::new(), key: key("root").public() }],
            clock_skew_seconds: 60,
        };
        let network = NetworkId::of(&codec::encode(&root).unwrap());
        let tre = Tre {
            name: "north".to_owned(),
            datasets: BTreeSet::from(["omop".to_owned()]),
            data_owners: ["olga", "otto"].map(str::to_owned).into(),
            running: 4,
            waiting: 4,
            component_bytes: 1_000,
            cosignatures: 1,
        };
        let core = Node::new(network, Some(tre));
        let mut world = Self { core, network, said: Vec::new(), held: BTreeMap::new(), nonce: 0, now: NOW };
        world.say(&root, "root");
        for (name, kind) in [
            ("olga", HolderKind::Person),
            ("otto", HolderKind::Person),
            ("ruth", HolderKind::Person),
            ("mallory", HolderKind::Person),
            ("north", HolderKind::Tre),
            ("hub", HolderKind::Hub),
        ] {
            let record = KeyRecord {
                kind,
                name: name.to_owned(),
                organisation: String::new(),
                device: String::new(),
                key: key(name).public(),
                recipient: (kind == HolderKind::Person).then(|| format!("age1{name}")),
                peer: Some(key(&format!("{name}'s peer")).public()),
            };
            world.say(&record, name);
            world.say(&record, "root");
        }
        for (person, role, tre, by) in [
            ("olga", Role::DataOwner, Some("north"), "root"),
            ("otto", Role::DataOwner, Some("north"), "root"),
            ("ruth", Role::Researcher, None, "olga"),
        ] {
            let project = (role == Role::Researcher).then(|| "study".to_owned());
            let tre = tre.map(str::to_owned);
            let person = person.to_owned();
            world.say(&Grant { person, role, project, tre, datasets: None, may_delegate: false, parent: None }, by);
        }
        let project = Project {
            name: "study".to_owned(),
            version: 1,
            title: "A study".to_owned(),
            tres: vec!["north".to_owned()],
            datasets: vec!["omop".to_owned()],
            admins: vec!["olga".to_owned()],
            components: Vec::new(),
            disclosure: protocol::disclosure::policy::Policy::default(),
            egress: Egress { approvals, ..Egress::default() },
        };
        world.say(&project, "olga");
        let bytes = world.sign(&Status { epoch: 1, root_version: 1, revocations: Vec::new() }, "root", DAY);
        world.take(bytes);
        world.core.handle(Input::CaughtUp, NOW);
        world
    }

    /// Signs without saying.
    pub(crate) fn sign<T: Payload>(&mut self, payload: &T, by: &str, lifetime: u64) -> Vec<u8> {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let stamp =
            Stamp { network: self.network, issuer: by.to_owned(), issued: self.now, lifetime, nonce, place: None };
        sign(payload, &stamp, &key(by)).unwrap()
    }

    /// Lets the core take a statement and does what it asks for, as the shell would.
    pub(crate) fn take(&mut self, bytes: Vec<u8>) -> StatementId {
        let statement = receive(&bytes, self.core.roster(), self.now).unwrap();
        let id = statement.id();
        self.said.push(bytes);
        let step = self.core.handle(Input::Statement(statement), self.now);
        self.attend(step);
        id
    }

    /// Signs and says.
    pub(crate) fn say<T: Payload>(&mut self, payload: &T, by: &str) -> StatementId {
        let bytes = self.sign(payload, by, T::MAX_LIFETIME_SECONDS);
        self.take(bytes)
    }

    /// Feeds anything else.
    pub(crate) fn input(&mut self, input: Input) {
        let step = self.core.handle(input, self.now);
        self.attend(step);
    }

    fn attend(&mut self, step: Step) {
        for effect in step.effects {
            match effect {
                Effect::Obtain(digest) => self.input(Input::Component { digest, facts: ComponentFacts::Usable }),
                Effect::Execute(admission) => self.hold(&admission),
                Effect::Checkpoint(checkpoint) => {
                    let bytes = self.sign(checkpoint.as_ref(), "north", DECADE);
                    let cosignature = Cosignature { tre: "north".to_owned(), checkpoint: StatementId::of(&bytes) };
                    self.take(bytes);
                    self.say(&cosignature, "hub");
                }
                Effect::Open(release, logged) => {
                    self.say(
                        &release.statement(
                            *logged,
                            Digest::of(b"ciphertext"),
                            protocol::record::release::Sealed { root: Digest::of(b"root"), bytes: 10 },
                        ),
                        "north",
                    );
                }
                Effect::Report(_)
                | Effect::Announce(_)
                | Effect::Tell(_)
                | Effect::Stop(_)
                | Effect::Recheck(_)
                | Effect::Cosign(_)
                | Effect::Publish(_)
                | Effect::Seek
                | Effect::Members => {}
            }
        }
    }

    fn hold(&mut self, admission: &Admission) {
        let produced = ["first", "second"].map(|name| {
            let source = SourceFacts::default();
            (name.to_owned(), Content::Opaque { bytes: b"n\n120\n".to_vec(), source })
        });
        let held = check(admission, produced.into(), Context::default(), &[7; 32]).unwrap();
        let run = Run {
            task: held.task(),
            tre: "north".to_owned(),
            component: admission.component(),
            snapshots: BTreeMap::new(),
            finished: NOW,
            commitment: held.commitment(),
        };
        let bytes = self.sign(&run, "north", DECADE);
        let Ok(protocol::ingress::Statement::Run(run)) = receive(&bytes, self.core.roster(), self.now) else {
            panic!("a run")
        };
        self.said.push(bytes);
        self.held.insert(held.task(), held.clone());
        self.input(Input::Held { held: Box::new(held), run: Box::new(run) });
    }

    /// Ruth asks something; it is held when this returns.
    pub(crate) fn submit(&mut self, title: &str) -> TaskId {
        let output = |name: &str| DeclaredOutput { name: name.to_owned(), media_type: TABLE.to_owned(), columns: None };
        let submission = Submission {
            project: "study".to_owned(),
            title: title.to_owned(),
            component: Digest::of(b"component"),
            component_bytes: 9,
            parameters: BTreeMap::new(),
            datasets: vec!["omop".to_owned()],
            outputs: vec![output("first"), output("second")],
            audience: vec!["north".to_owned()],
            reply_to: "age1ruth".to_owned(),
        };
        let bytes = self.sign(&submission, "ruth", DAY);
        let task = self.take(bytes);
        assert!(self.held.contains_key(&task), "held");
        task
    }

    pub(crate) fn waiting(&self, task: &TaskId) -> crate::door::Waiting {
        queue::about(&self.core, &self.core.tasks()[task], self.now).unwrap()
    }

    /// What the door would show.
    pub(crate) fn review(&self, task: &TaskId) -> Review {
        let known = &self.core.tasks()[task];
        let run = &known.runs()["north"];
        let tre = self.core.tre().unwrap();
        let statements = std::iter::once(run.bytes())
            .chain(known.attestations().iter().map(|one| one.bytes()))
            .chain(queue::comments(&self.core, known, tre).map(|one| one.bytes()));
        Review {
            waiting: self.waiting(task),
            tre: "north".to_owned(),
            run: Some(run.id()),
            commitment: Some(run.payload().commitment),
            project_statement: self.core.roster().project_at("study", "north", self.now).map(|one| one.statement),
            submission: known.submission().bytes().to_vec(),
            statements: statements.map(|bytes| ByteBuf::from(bytes.to_vec())).collect(),
            project: Vec::new(),
            earlier: queue::earlier(&self.core, task),
            meetings: Vec::new(),
            outputs: self.held[task].outputs().to_vec(),
            context: crate::door::ContextView::default(),
            note: None,
        }
    }

    pub(crate) fn believed(&self) -> Believed {
        believe(self.said.iter().map(Vec::as_slice), self.network)
    }

    /// The review as a person sees it.
    pub(crate) fn seen_by(&self, task: &TaskId, person: &str) -> Examined {
        examine(self.review(task), &self.believed()).unwrap().blind(Some(person))
    }
}
