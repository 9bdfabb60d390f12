//! The people of a run: researchers who submit, repeat and call back; a root person who revokes and renews; and those who forge.

use crate::fixture::federation::{Actor, COMPONENT, DATASET, EPOCH};
use crate::sim::truth::What;
use crate::sim::world::{Pending, World};
use protocol::lifecycle::Phase;
use protocol::record::Payload;
use protocol::record::grant::{Grant, Role};
use protocol::record::key_record::HolderKind;
use protocol::record::payload::{DAY, DECADE};
use protocol::record::stamp::{Stamp, sign};
use protocol::record::submission::{Submission, TaskId};
use protocol::wire::envelope::Place;
use protocol::wire::id::{Digest, NetworkId, StatementId};
use std::sync::Arc;

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A task is submitted; the number makes it unlike any other.
    Submit(u64),
    /// An old submission comes again: with its nonce on another task, or as it was.
    Repeat(u64),
    /// A task is called back.
    Cancel,
    /// A data owner of this TRE looks at what is held.
    Review(usize),
    /// A key or a grant is revoked.
    Revoke,
    /// The status is renewed.
    Renew,
    /// A new version of the project, or a second signature on the old one.
    Propose,
    /// Somebody forges.
    Forge(u64),
    /// Somebody says a word about a task; the number makes it unlike any other.
    Comment(u64),
    /// Data owners of this TRE sign a standing approval.
    Stand(usize),
    /// An operator and a data owner of this TRE let it go on from its backup.
    Recover(usize),
    /// A TRE signs a second checkpoint beside one of its log; so often it had none yet.
    Equivocate(u64),
}

impl World {
    /// Lets a person act.
    pub fn act(&mut self, act: Act) {
        match act {
            Act::Submit(number) => self.submit(number),
            Act::Repeat(number) => self.repeat(number),
            Act::Cancel => self.call_back(),
            Act::Review(tre) => self.review(tre),
            Act::Revoke => self.revoke(),
            Act::Renew => {
                self.renew(self.scenario.status_seconds);
                if !self.healed {
                    let delay = self.scenario.status_seconds * self.dice.between(400, 1_300);
                    self.later(delay, Pending::Act(Act::Renew));
                }
            }
            Act::Propose => self.propose(),
            Act::Forge(number) => self.forge(number),
            Act::Comment(number) => self.comment(number),
            Act::Stand(tre) => self.stand(tre),
            Act::Recover(tre) => self.recover(tre),
            Act::Equivocate(tries) => self.equivocate(tries),
        }
    }

    /// Hands a statement to a node.
    pub fn offer(&mut self, to: usize, bytes: Arc<[u8]>) {
        let delay = self.dice.between(1, 300);
        self.later(delay, Pending::Offer { to, bytes, tries: 0 });
    }

    pub(super) fn tres(&self) -> usize {
        self.federation.options.tres
    }

    pub(super) fn any_host(&mut self) -> usize {
        self.dice.below(self.hosts.len())
    }

    fn submit(&mut self, number: u64) {
        let who = match self.dice.below(10) {
            // Enrolled, and no researcher.
            0 => "owner-1-0".to_owned(),
            // A data owner who is a researcher too.
            1 | 2 => "owner-0-1".to_owned(),
            other => format!("researcher-{}", other % 2),
        };
        let mut audience: Vec<usize> = (0..self.tres()).filter(|_| self.dice.permille(700)).collect();
        if audience.is_empty() {
            audience.push(0);
        }
        let mut task = self.federation.task(&who, number, audience);
        match self.dice.below(14) {
            0 => task.component = Digest::of(b"another component"),
            1 => task.datasets.push("elsewhere".to_owned()),
            2 => task.reply_to = self.federation.actor("hub-0").recipient.clone(),
            3 => task.component_bytes = u64::MAX / 2,
            _ => {}
        }
        let lifetime = if self.dice.permille(150) { self.dice.between(2, 20) } else { DAY / 4 };
        let at = self.true_now();
        // Some sign on two machines that know nothing of each other.
        let twice = self.options.byzantine && self.dice.permille(120);
        let chain = self.truth.chains.get(&who).map_or(&[][..], Vec::as_slice);
        let before = &chain[..chain.len().saturating_sub(usize::from(twice))];
        let place = Place { number: before.len() as u64 + 1, previous: before.last().copied() };
        let twice = before.len() < chain.len();
        let bytes = self.federation.sign_at(&task, &who, at, lifetime, place);
        let id = self.made(&bytes, at);
        if twice {
            self.truth.stories.insert(id);
        } else {
            self.truth.chains.entry(who.clone()).or_default().push(id);
        }
        self.say(format!("{who} submits {}{}", id.short(), if twice { " beside another" } else { "" }));
        let to = self.any_host();
        self.offer(to, bytes);
    }

    pub(super) fn submissions(&self) -> Vec<TaskId> {
        self.truth.statements.keys().filter(|id| self.truth.submission(id).is_some()).copied().collect()
    }

    fn repeat(&mut self, number: u64) {
        let known = self.submissions();
        let Some(id) = self.dice.pick(&known).copied() else { return };
        let Some((said, old)) = self.truth.submission(&id).map(|(said, old)| (said.clone(), old.clone())) else {
            return;
        };
        let bytes = if self.dice.permille(500) {
            said.bytes
        } else {
            let at = self.true_now();
            let mut task = old;
            task.title = format!("repeated {number}");
            let bytes = self.federation.sign_with(&task, &said.by, at, DAY / 4, said.nonce);
            self.made(&bytes, at);
            bytes
        };
        self.say(format!("{} repeats {}", said.by, id.short()));
        let to = self.any_host();
        self.offer(to, bytes);
    }

    fn call_back(&mut self) {
        let known = self.submissions();
        let Some(id) = self.dice.pick(&known).copied() else { return };
        let Some(submitter) = self.truth.submission(&id).map(|(said, _)| said.by.clone()) else { return };
        let by = match self.dice.below(3) {
            0 => submitter,
            1 => format!("owner-{}-0", self.dice.below(self.tres())),
            // It is nobody's business: nothing follows.
            _ => "researcher-1".to_owned(),
        };
        self.cancel(id, &by);
    }

    /// Calls a task back, by this person, at every node.
    pub fn cancel(&mut self, task: TaskId, by: &str) {
        let at = self.true_now();
        let bytes = self.federation.cancellation(task, by, at);
        self.made(&bytes, at);
        self.say(format!("{by} calls {} back", task.short()));
        let to = self.any_host();
        self.offer(to, bytes);
    }

    fn revoke(&mut self) {
        let researcher = format!("researcher-{}", self.dice.below(2));
        let owner = format!(
            "owner-{}-{}",
            self.dice.below(self.tres()),
            self.dice.below(self.federation.options.owners_per_tre)
        );
        let who = if self.dice.permille(500) { researcher } else { owner };
        let standing: Vec<StatementId> = self
            .truth
            .statements
            .iter()
            .filter(|(_, said)| matches!(said.what, What::StandingApproval(_)))
            .map(|(id, _)| *id)
            .collect();
        let withdrawn = self.dice.pick(&standing).copied().filter(|_| self.dice.permille(500));
        let target = if withdrawn.is_some() {
            withdrawn
        } else if self.dice.permille(600) {
            self.federation.key_records.get(&who).map(|records| records[1])
        } else {
            self.federation.grants.get(&who).copied()
        };
        let Some(target) = target else { return };
        let at = self.true_now();
        // Whoever signed a standing approval may take it back.
        let signer = withdrawn.and_then(|id| self.truth.statements.get(&id)).map(|said| said.by.clone());
        let by = signer.filter(|_| self.dice.permille(700)).unwrap_or_else(|| "root-0".to_owned());
        let bytes = self.federation.revocation(target, &by, at);
        self.made(&bytes, at);
        self.say(format!("{by} revokes {}", target.short()));
        let to = self.any_host();
        self.offer(to, bytes);
        if self.dice.permille(500) {
            self.renew(self.scenario.status_seconds);
        }
    }

    /// A new status that names every revocation.
    pub fn renew(&mut self, seconds: u64) {
        self.epoch += 1;
        let revocations = self
            .truth
            .statements
            .iter()
            .filter(|(_, said)| matches!(said.what, What::Revocation(_)))
            .map(|(id, _)| *id)
            .collect();
        let at = self.true_now();
        let bytes = self.federation.status(self.epoch, revocations, at, seconds);
        self.made(&bytes, at);
        self.say(format!("root-0 signs status {} for {seconds} s", self.epoch));
        let to = self.any_host();
        self.offer(to, bytes);
    }

    fn propose(&mut self) {
        let tre = self.dice.below(self.tres());
        let options = self.federation.options;
        let owners = u64::try_from(options.owners_per_tre).expect("owners are few");
        let (project, by) = if self.dice.permille(500) {
            (self.federation.project(1, options.approvals), format!("owner-{tre}-1"))
        } else {
            (self.federation.project(2, (options.approvals + 1).min(owners)), format!("owner-{tre}-0"))
        };
        let at = self.true_now();
        let bytes = self.federation.sign(&project, &by, at, DECADE);
        self.made(&bytes, at);
        self.say(format!("{by} signs version {} of the project", project.version));
        self.offer(tre, bytes);
    }

    /// Statements of which none may change anything.
    fn forge(&mut self, number: u64) {
        let at = self.true_now();
        let known = self.submissions();
        let real = self.dice.pick(&known).copied();
        let outsider = Actor::new(u64::MAX, "researcher-0", HolderKind::Person);
        let forged: Option<Arc<[u8]>> = match self.dice.below(7) {
            // A bit changed.
            0 => real
                .and_then(|id| self.truth.statements.get(&id).map(|said| said.bytes.clone()))
                .map(|bytes| self.flip(&bytes)),
            // A real key, for another network.
            1 => Some(self.elsewhere(&self.federation.task("researcher-0", number, 0..1), "researcher-0", at)),
            // A key that nobody enrolled.
            2 => {
                let task = self.federation.task("researcher-0", number, 0..1);
                let stamp = Stamp {
                    network: self.federation.network,
                    issuer: "researcher-0".to_owned(),
                    issued: at,
                    lifetime: DAY,
                    nonce: [7; 16],
                    place: None,
                };
                sign(&task, &stamp, outsider.key()).ok().map(Into::into)
            }
            // A name that somebody has, under a key that the somebody does not have: the record is well made, and enrols nobody.
            3 => {
                let impostor = Actor::new(u64::MAX, "owner-0-0", HolderKind::Person);
                let stamp = Stamp {
                    network: self.federation.network,
                    issuer: impostor.name.clone(),
                    issued: at,
                    lifetime: DECADE,
                    nonce: [1; 16],
                    place: None,
                };
                let bytes: Option<Arc<[u8]>> = sign(&impostor.record(), &stamp, impostor.key()).ok().map(Into::into);
                if let Some(bytes) = bytes {
                    self.made(&bytes, at);
                    let to = self.any_host();
                    self.offer(to, bytes);
                }
                None
            }
            // A researcher speaks as a TRE.
            4 => real.map(|task| {
                let phase = protocol::record::phase::Phase {
                    task,
                    tre: "tre-0".to_owned(),
                    phase: Phase::Released,
                    refusal: None,
                    failure: None,
                };
                self.federation.sign(&phase, "researcher-0", at, DAY)
            }),
            // A researcher grants: the statement is real, and worth nothing.
            5 => {
                let grant = Grant {
                    person: "researcher-1".to_owned(),
                    role: Role::DataOwner,
                    project: None,
                    tre: Some("tre-0".to_owned()),
                    datasets: None,
                    may_delegate: false,
                    parent: None,
                };
                let bytes = self.federation.sign(&grant, "researcher-1", at, DAY);
                self.made(&bytes, at);
                let to = self.any_host();
                self.offer(to, bytes);
                None
            }
            // An expired submission.
            _ => {
                let task = self.federation.task("researcher-0", number, 0..1);
                Some(self.federation.sign(&task, "researcher-0", EPOCH, 60))
            }
        };
        if let Some(bytes) = forged {
            self.truth.forged.insert(StatementId::of(&bytes));
            self.say(format!("somebody forges {}", StatementId::of(&bytes).short()));
            let to = self.any_host();
            self.offer(to, bytes);
        }
    }

    fn elsewhere<T: Payload>(&self, payload: &T, by: &str, at: u64) -> Arc<[u8]> {
        let network = NetworkId::of(b"another federation");
        let stamp = Stamp { network, issuer: by.to_owned(), issued: at, lifetime: DAY, nonce: [9; 16], place: None };
        sign(payload, &stamp, self.federation.actor(by).key()).expect("what the fixture signs is valid").into()
    }

    /// Whether the project has what a task asks for, as the simulator knows it.
    #[must_use]
    pub fn is_allowed(task: &Submission) -> bool {
        task.component == Digest::of(COMPONENT)
            && task.component_bytes == COMPONENT.len() as u64
            && task.datasets == [DATASET]
    }
}
