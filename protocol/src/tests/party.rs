//! Members of a small federation that answer their own effects: `north`, and those who see what it does.

use super::world::{LONG, NOW, START, World};
use crate::ingress::{Statement, Verified, receive};
use crate::lifecycle::Phase;
use crate::node::{Effect, Input, Node, Record, Step};
use crate::record::attestation::Attestation;
use crate::record::checkpoint::Checkpoint;
use crate::record::grant::Role;
use crate::record::run::Run;
use crate::record::submission::{Submission, TaskId};
use crate::safes::Tre;
use crate::safes::admission::ComponentFacts;
use crate::safes::outputs::Held;
use crate::wire::id::{Digest, StatementId};

/// A node that answers its own effects, keeps its records, and has what it says to others lie in `out`.
pub(super) struct Party {
    pub(super) name: &'static str,
    pub(super) node: Node,
    pub(super) records: Vec<Record>,
    pub(super) out: Vec<Vec<u8>>,
    pub(super) started: Vec<TaskId>,
    pub(super) opened: Vec<TaskId>,
    pub(super) checkpoints: usize,
    /// How often it was asked to look for what is lacking.
    pub(super) sought: usize,
    /// Whether custody takes longer to open than a test lasts.
    pub(super) slow: bool,
    pub(super) cosigned: Vec<StatementId>,
    /// How many records, leaves and covered leaves there were after each step, and the root.
    pub(super) history: Vec<(usize, u64, u64, Digest)>,
}

impl Party {
    pub(super) fn new(world: &mut World, name: &'static str, tre: Option<Tre>) -> Self {
        let node = Node::new(world.network, tre);
        let mut party = Self::of(name, node, Vec::new());
        for bytes in world.statements.clone() {
            party.hear(world, &bytes, NOW);
        }
        party.input(world, Input::CaughtUp, NOW);
        party.input(world, Input::Component { digest: Digest::of(b"component"), facts: ComponentFacts::Usable }, NOW);
        party
    }

    pub(super) fn of(name: &'static str, node: Node, records: Vec<Record>) -> Self {
        Self {
            name,
            node,
            records,
            out: Vec::new(),
            started: Vec::new(),
            opened: Vec::new(),
            checkpoints: 0,
            sought: 0,
            slow: false,
            cosigned: Vec::new(),
            history: Vec::new(),
        }
    }

    /// The node as it would be after a restart with the first `records` records.
    pub(super) fn restarted(&self, world: &mut World, records: usize, now: u64) -> Self {
        let kept = self.records[..records].to_vec();
        let tre = self.node.tre().cloned();
        let node = Node::replay(world.network, tre, kept.clone()).unwrap();
        let mut party = Self::of(self.name, node, kept);
        let step = party.node.resume(now);
        party.done(world, step, now);
        party
    }

    pub(super) fn hear(&mut self, world: &mut World, bytes: &[u8], now: u64) {
        if let Ok(statement) = receive(bytes, self.node.roster(), now) {
            self.input(world, Input::Statement(statement), now);
        }
    }

    pub(super) fn input(&mut self, world: &mut World, input: Input, now: u64) {
        let step = self.node.handle(input, now);
        self.done(world, step, now);
    }

    fn done(&mut self, world: &mut World, step: Step, now: u64) {
        self.records.extend(step.records);
        let log = self.node.log();
        self.history.push((self.records.len(), log.len(), self.node.covered(), log.root()));
        for effect in step.effects {
            match effect {
                Effect::Announce(bytes) | Effect::Tell(bytes) => self.out.push(bytes.to_vec()),
                Effect::Report(report) => {
                    let phase = crate::record::phase::Phase {
                        task: report.task,
                        tre: self.name.to_owned(),
                        phase: report.phase,
                        refusal: report.refusal,
                        failure: report.failure,
                    };
                    let bytes = world.sign(&phase, self.name, START, LONG);
                    self.hear(world, &bytes, now);
                }
                Effect::Open(release, logged) => {
                    self.opened.push(release.task());
                    if self.slow {
                        continue;
                    }
                    let said = release.statement(*logged, Digest::of(b"ciphertext"), super::world::SEALED);
                    let bytes = world.sign(&said, self.name, now, LONG);
                    self.hear(world, &bytes, now);
                }
                Effect::Checkpoint(checkpoint) => {
                    self.checkpoints += 1;
                    let bytes = world.sign(checkpoint.as_ref(), self.name, START, LONG);
                    self.hear(world, &bytes, now);
                }
                Effect::Cosign(cosignature) => {
                    self.cosigned.push(cosignature.checkpoint);
                    let bytes = world.sign(&cosignature, self.name, now, LONG);
                    self.hear(world, &bytes, now);
                }
                Effect::Publish(dataset) => {
                    let bytes = world.sign(dataset.as_ref(), self.name, now, LONG);
                    self.hear(world, &bytes, now);
                }
                Effect::Execute(admission) => self.started.push(admission.task()),
                Effect::Seek => self.sought += 1,
                Effect::Obtain(_) | Effect::Stop(_) | Effect::Recheck(_) | Effect::Members => {}
            }
        }
    }

    pub(super) fn phase(&self, task: &TaskId) -> Phase {
        self.node.tasks()[task].here().unwrap().phase()
    }

    /// Everything that others may have, those first on which others depend.
    pub(super) fn shareable(&self) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> =
            self.statements().filter(|bytes| self.node.may_share(&StatementId::of(bytes))).collect();
        all.sort_by_key(|bytes| self.node.kind(&StatementId::of(bytes)));
        all
    }

    pub(super) fn statements(&self) -> impl Iterator<Item = Vec<u8>> {
        self.records.iter().filter_map(|record| match record {
            Record::Statement { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
    }

    pub(super) fn catch_up_with(&mut self, world: &mut World, member: &Self, now: u64) {
        for bytes in member.shareable() {
            self.hear(world, &bytes, now);
        }
        self.input(world, Input::CaughtUp, now);
    }

    /// The checkpoints of a TRE's log that this node knows, in their order.
    pub(super) fn checkpoints_of(&self, world: &World, tre: &str) -> Vec<Verified<Checkpoint>> {
        let mut found: Vec<_> = self
            .statements()
            .filter_map(|bytes| match receive(&bytes, &world.roster, NOW) {
                Ok(Statement::Checkpoint(one)) if one.payload().tre == tre => Some(one),
                _ => None,
            })
            .collect();
        found.sort_by_key(|one| (one.payload().epoch, one.payload().size));
        found
    }
}

/// Lets everything that is said reach everybody else, until nothing is said any more.
pub(super) fn talk(world: &mut World, parties: &mut [&mut Party], now: u64) {
    loop {
        let said: Vec<(usize, Vec<u8>)> = parties
            .iter_mut()
            .enumerate()
            .flat_map(|(from, party)| std::mem::take(&mut party.out).into_iter().map(move |bytes| (from, bytes)))
            .collect();
        if said.is_empty() {
            return;
        }
        for (from, bytes) in said {
            for (to, party) in parties.iter_mut().enumerate().filter(|(to, _)| *to != from) {
                let _ = to;
                party.hear(world, &bytes, now);
            }
        }
    }
}

/// `north`, and the hub that sees what it does. `rex` operates `north`.
pub(super) fn federation() -> (World, Party, Party) {
    let mut world = World::new();
    world.grant("rex", Role::Operator, None, Some("north"), "root-b");
    let north = Party::new(&mut world, "north", Some(World::tre("north")));
    let hub = Party::new(&mut world, "hub", None);
    (world, north, hub)
}

pub(super) fn submit(world: &mut World, title: &str, north: &mut Party, hub: &mut Party) -> Verified<Submission> {
    let mut task = World::task("ruth");
    task.title = title.to_owned();
    let submission = world.submit(&task, "ruth");
    hub.hear(world, submission.bytes(), NOW);
    talk(world, &mut [hub, north], NOW);
    submission
}

/// What runs is held; gives an approval of everything.
pub(super) fn hold(world: &mut World, north: &mut Party, submission: &Verified<Submission>) -> (Held, Attestation) {
    let (held, run): (Held, Verified<Run>) = world.hold(submission);
    let yes = world.attestation(&held, &run, &[("first", true), ("second", true)]);
    let again = held.clone();
    north.input(world, Input::Held { held: Box::new(held), run: Box::new(run) }, NOW);
    (again, yes)
}

pub(super) fn approve(world: &mut World, north: &mut Party, hub: &mut Party, yes: &Attestation) {
    for owner in ["olga", "otto"] {
        let said = world.attest(yes, owner);
        north.hear(world, said.bytes(), NOW);
    }
    talk(world, &mut [north, hub], NOW);
}

/// `north` has released a task that two owners approved.
pub(super) fn after_a_release() -> (World, Party, Party, Verified<Submission>) {
    let (mut world, mut north, mut hub) = federation();
    let first = submit(&mut world, "first", &mut north, &mut hub);
    let (_, yes) = hold(&mut world, &mut north, &first);
    approve(&mut world, &mut north, &mut hub, &yes);
    assert_eq!(north.phase(&first.id()), Phase::Released);
    (world, north, hub, first)
}
