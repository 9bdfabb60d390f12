//! The log among nodes: it grows by the journal alone, others cosign only what grows, and a node that was restored from a backup does nothing
//! until two persons say so.

use super::world::{LONG, NOW, START, World, other_task};
use crate::audit::log::forks;
use crate::ingress::{Statement, Verified, receive};
use crate::lifecycle::Phase;
use crate::log::tree::{Log, extends};
use crate::log::witness::fork;
use crate::node::{Effect, Input, Node, Record, Step};
use crate::record::attestation::Attestation;
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::grant::Role;
use crate::record::key_record::HolderKind;
use crate::record::payload::DAY;
use crate::record::recovery::Recovery;
use crate::record::run::Run;
use crate::record::submission::{Submission, TaskId};
use crate::record::{Kind, Payload as _};
use crate::safes::Tre;
use crate::safes::admission::ComponentFacts;
use crate::safes::outputs::Held;
use crate::wire::id::{Digest, StatementId};
use std::collections::BTreeMap;

/// A node that answers its own effects, keeps its records, and has what it says to others lie in `out`.
pub(super) struct Party {
    pub(super) name: &'static str,
    pub(super) node: Node,
    pub(super) records: Vec<Record>,
    pub(super) out: Vec<Vec<u8>>,
    pub(super) started: Vec<TaskId>,
    pub(super) opened: Vec<TaskId>,
    pub(super) checkpoints: usize,
    /// Whether custody takes longer to open than a test lasts.
    pub(super) slow: bool,
    pub(super) cosigned: Vec<StatementId>,
    /// How many records, leaves and covered leaves there were after each step, and the root.
    history: Vec<(usize, u64, u64, Digest)>,
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

    fn of(name: &'static str, node: Node, records: Vec<Record>) -> Self {
        Self {
            name,
            node,
            records,
            out: Vec::new(),
            started: Vec::new(),
            opened: Vec::new(),
            checkpoints: 0,
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
                    let said = release.statement(*logged, Digest::of(b"ciphertext"), 10);
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
                Effect::Execute(admission) => self.started.push(admission.task()),
                Effect::Obtain(_) | Effect::Stop(_) | Effect::Recheck(_) | Effect::Members => {}
            }
        }
    }

    pub(super) fn phase(&self, task: &TaskId) -> Phase {
        self.node.tasks()[task].here().unwrap().phase()
    }

    /// Everything that others may have, those first on which others depend.
    fn shareable(&self) -> Vec<Vec<u8>> {
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
    fn checkpoints_of(&self, world: &World, tre: &str) -> Vec<Verified<Checkpoint>> {
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

fn approve(world: &mut World, north: &mut Party, hub: &mut Party, yes: &Attestation) {
    for owner in ["olga", "otto"] {
        let said = world.attest(yes, owner);
        north.hear(world, said.bytes(), NOW);
    }
    talk(world, &mut [north, hub], NOW);
}

/// `north` has released a task that two owners approved.
fn after_a_release() -> (World, Party, Party, Verified<Submission>) {
    let (mut world, mut north, mut hub) = federation();
    let first = submit(&mut world, "first", &mut north, &mut hub);
    let (_, yes) = hold(&mut world, &mut north, &first);
    approve(&mut world, &mut north, &mut hub, &yes);
    assert_eq!(north.phase(&first.id()), Phase::Released);
    (world, north, hub, first)
}

#[test]
fn a_release_waits_until_another_node_has_cosigned_what_it_rests_on() {
    let (mut world, mut north, mut hub) = federation();
    let task = submit(&mut world, "first", &mut north, &mut hub);
    let (_, yes) = hold(&mut world, &mut north, &task);
    let said: Vec<_> = ["olga", "otto"].map(|owner| world.attest(&yes, owner)).to_vec();
    said.iter().for_each(|one| north.hear(&mut world, one.bytes(), NOW));
    assert_eq!(
        (north.checkpoints, north.opened.len()),
        (1, 0),
        "a checkpoint is signed, and nothing leaves before it is seen"
    );
    let head = north.node.checkpoint().unwrap().clone();
    // The TRE itself, a stranger's cosignature of another log, and a person's are none.
    let foreign = Cosignature { tre: "south".to_owned(), checkpoint: head.id() };
    let foreign = world.sign(&foreign, "hub", NOW, LONG);
    north.hear(&mut world, &foreign, NOW);
    for (by, tre) in [("north", "north"), ("olga", "north")] {
        let own = Cosignature { tre: tre.to_owned(), checkpoint: head.id() };
        let own = world.sign(&own, by, NOW, LONG);
        assert!(receive(&own, &world.roster, NOW).is_err(), "{by}");
    }
    north.input(&mut world, Input::Tick, NOW + 1);
    assert_eq!(north.opened.len(), 0);
    talk(&mut world, &mut [&mut north, &mut hub], NOW);
    assert_eq!((hub.cosigned.as_slice(), north.opened.len()), ([head.id()].as_slice(), 1));
    let release = north.node.tasks()[&task.id()].releases()["north"].payload().clone();
    assert_eq!((release.log.checkpoint, release.log.cosignatures.len()), (head.id(), 1));
    for id in std::iter::once(&release.run).chain(&release.attestations) {
        assert!(release.log.inclusions.iter().any(|one| one.statement == *id));
    }
    assert!(release.log.inclusions.iter().all(|one| one.at % crate::tre::COARSE_SECONDS == 0), "times are coarse");
}

/// A busy node decides more often than others can answer: what was decided first must still leave.
#[test]
fn a_decision_does_not_push_the_one_before_out_of_its_turn() {
    let (mut world, mut north, mut hub) = federation();
    let first = submit(&mut world, "first", &mut north, &mut hub);
    let (_, yes) = hold(&mut world, &mut north, &first);
    let second = submit(&mut world, "second", &mut north, &mut hub);
    let (_, also) = hold(&mut world, &mut north, &second);
    let mut cosignatures = Vec::new();
    for (yes, owners) in [(&yes, ["olga", "otto"]), (&also, ["otto", "olga"])] {
        for owner in owners {
            let said = world.attest(yes, owner);
            north.hear(&mut world, said.bytes(), NOW);
            for bytes in std::mem::take(&mut north.out) {
                hub.hear(&mut world, &bytes, NOW);
            }
            cosignatures.append(&mut hub.out);
        }
    }
    assert_eq!(north.checkpoints, 1, "the second waits for the cosignatures of the first");
    for bytes in cosignatures {
        north.hear(&mut world, &bytes, NOW);
    }
    assert_eq!(north.opened, [first.id()]);
    talk(&mut world, &mut [&mut north, &mut hub], NOW);
    assert_eq!(north.opened, [first.id(), second.id()]);
    assert!(north.checkpoints >= 2);
}

#[test]
fn a_replay_of_every_prefix_of_the_journal_has_the_same_tree() {
    let (mut world, mut north, mut hub, _) = after_a_release();
    let second = submit(&mut world, "second", &mut north, &mut hub);
    let (_, mut no) = hold(&mut world, &mut north, &second);
    no.decisions.values_mut().for_each(|decision| decision.approve = false);
    let veto = world.attest(&no, "otto");
    north.hear(&mut world, veto.bytes(), NOW);
    north.input(&mut world, Input::Tick, NOW + 1_000);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 1_000);
    assert!(north.history.len() > 40 && north.checkpoints >= 2, "{} {}", north.history.len(), north.checkpoints);
    for (records, len, covered, root) in &north.history {
        let prefix = north.records[..*records].to_vec();
        let node = Node::replay(world.network, Some(World::tre("north")), prefix).unwrap();
        assert_eq!((node.log().len(), node.covered(), node.log().root()), (*len, *covered, *root), "{records} records");
        assert!(node.behind().is_none());
    }
    let chain = north.checkpoints_of(&world, "north");
    assert_eq!(chain.len(), north.checkpoints);
    for pair in chain.windows(2) {
        assert!(extends(pair[1].payload(), pair[0].payload()));
        assert_eq!(fork(&pair[0], &pair[1]), None);
    }
}

/// Checkpoints of a log of `north` that nobody runs: `(leaves, previous leaves)` each.
struct Told {
    world: World,
    log: Log,
}

impl Told {
    fn new() -> Self {
        let mut log = Log::default();
        (0..40_u64).for_each(|number| log.push_statement(&StatementId::of(&number.to_be_bytes()), Kind::Run, number));
        Self { world: World::new(), log }
    }

    fn first(&self, size: u64) -> Log {
        let mut log = Log::default();
        let leaves = self.log.leaves().take(usize::try_from(size).unwrap());
        leaves.for_each(|leaf| log.push_statement(&leaf.statement().unwrap(), Kind::Run, leaf.at()));
        log
    }

    fn draft(&self, size: u64, previous: Option<&Verified<Checkpoint>>) -> Checkpoint {
        let log = self.first(size);
        let before = previous.map_or(0, |one| one.payload().size);
        Checkpoint {
            tre: "north".to_owned(),
            epoch: 0,
            size,
            root: log.root(),
            previous: previous.map(Verified::id),
            previous_size: before,
            proof: log.consistency(before),
        }
    }

    fn say(&mut self, checkpoint: &Checkpoint) -> Verified<Checkpoint> {
        match self.world.say(checkpoint, "north", NOW) {
            Statement::Checkpoint(one) => one,
            _ => panic!("a checkpoint"),
        }
    }
}

#[test]
fn a_peer_cosigns_only_what_grows_out_of_all_that_it_has_seen() {
    let mut told = Told::new();
    let mut hub = Party::new(&mut told.world, "hub", None);
    let first = told.draft(3, None);
    let first = told.say(&first);
    let second = told.draft(7, Some(&first));
    let second = told.say(&second);
    let third = told.draft(20, Some(&second));
    let third = told.say(&third);
    hub.hear(&mut told.world, third.bytes(), NOW);
    hub.hear(&mut told.world, first.bytes(), NOW);
    assert_eq!(hub.cosigned, [first.id()], "what follows something unknown waits");
    hub.hear(&mut told.world, second.bytes(), NOW);
    assert_eq!(hub.cosigned, [first.id(), third.id()], "and only the newest is cosigned");
    hub.hear(&mut told.world, third.bytes(), NOW);
    assert_eq!(hub.cosigned.len(), 2, "once");
    let again = hub.restarted(&mut told.world, hub.records.len(), NOW);
    assert!(again.cosigned.len() <= 1 && again.node.forks().count() == 0);
}

/// Row 6 of the threats: a TRE that tells two stories is found out by whoever hears both, in either order, and two statements prove it.
#[test]
fn threat_06_two_stories_end_the_cosigning_and_prove_themselves() {
    type Story = fn(&Told, &Verified<Checkpoint>) -> Checkpoint;
    let other_root: Story = |told, first| Checkpoint { root: Digest::of(b"other"), ..told.draft(7, Some(first)) };
    let other_next: Story = |told, first| told.draft(9, Some(first));
    let begun_again: Story = |told, _| told.draft(5, None);
    for (what, story) in
        [("another root", other_root), ("another successor", other_next), ("another beginning", begun_again)]
    {
        for swapped in [false, true] {
            let mut told = Told::new();
            let mut hub = Party::new(&mut told.world, "hub", None);
            let first = told.draft(3, None);
            let first = told.say(&first);
            let second = told.draft(7, Some(&first));
            let second = told.say(&second);
            let other = story(&told, &first);
            let other = told.say(&other);
            let mut said = [&second, &other];
            if swapped {
                said.reverse();
            }
            hub.hear(&mut told.world, first.bytes(), NOW);
            said.iter().for_each(|one| hub.hear(&mut told.world, one.bytes(), NOW));
            let found: Vec<_> = hub.node.forks().collect();
            assert_eq!(found.len(), 1, "{what}");
            assert_eq!(found[0].0, "north");
            let before = hub.cosigned.len();
            let later = told.draft(30, Some(&second));
            let later = told.say(&later);
            hub.hear(&mut told.world, later.bytes(), NOW);
            assert_eq!(hub.cosigned.len(), before, "{what}: nothing of that log is cosigned any more");
            assert!(fork(&first, &other).is_some() || fork(&second, &other).is_some(), "{what}");
            // The proof travels: two statements and what it takes to believe them.
            let proof: Vec<&[u8]> = told.world.statements.iter().map(Vec::as_slice).collect();
            let proved = forks(proof, told.world.network);
            assert_eq!(proved.len(), 1, "{what}");
            assert!(proved[0].sentence().contains("north has told two stories"), "{}", proved[0].sentence());
            assert!(fork(&proved[0].first, &proved[0].second).is_some());
            let again = hub.restarted(&mut told.world, hub.records.len(), NOW);
            assert_eq!((again.node.forks().count(), again.cosigned.len()), (1, 0), "a restart forgets no fork");
        }
    }
}

#[test]
fn a_false_proof_of_growth_is_a_fork_by_itself() {
    let mut told = Told::new();
    let mut hub = Party::new(&mut told.world, "hub", None);
    let first = told.draft(3, None);
    let first = told.say(&first);
    let mut other = Log::default();
    (0..7_u64).for_each(|number| other.push_statement(&StatementId::of(&[9]), Kind::Run, number));
    (0..7_u64).for_each(|number| {
        other.push_statement(&StatementId::of(&[9, 9, u8::try_from(number).unwrap()]), Kind::Run, 0)
    });
    let lie = Checkpoint {
        root: other.root(),
        size: other.len(),
        proof: other.consistency(3),
        ..told.draft(7, Some(&first))
    };
    let lie = told.say(&lie);
    hub.hear(&mut told.world, first.bytes(), NOW);
    hub.hear(&mut told.world, lie.bytes(), NOW);
    assert_eq!((hub.cosigned.as_slice(), hub.node.forks().count()), ([first.id()].as_slice(), 1));
    assert!(fork(&first, &lie).is_some() && fork(&lie, &first).is_some());
}

#[test]
fn nobody_can_break_the_arithmetic_of_trees() {
    let told = Told::new();
    let plain = told.draft(3, None);
    let refused = |change: fn(&mut Checkpoint)| {
        let mut changed = plain.clone();
        change(&mut changed);
        changed.check().is_err()
    };
    assert!(plain.check().is_ok());
    assert!(refused(|one| one.size = u64::MAX));
    assert!(refused(|one| one.size = 1 << 49));
    assert!(refused(|one| one.size = 0));
    assert!(refused(|one| one.proof = vec![one.root]));
    assert!(refused(|one| one.previous_size = 1));
    assert!(refused(|one| one.previous = Some(other_task())));
    let huge = Checkpoint { size: 1 << 48, previous: Some(other_task()), previous_size: 3, ..plain.clone() };
    assert!(huge.check().is_ok());
    for hashes in 0..64 {
        let lie = Checkpoint { proof: vec![plain.root; hashes], ..huge.clone() };
        assert!(!extends(&lie, &plain), "{hashes}");
    }
    // Its own key in another's hands can stop a TRE, and no number of it can crash one.
    let (mut world, mut north, mut hub) = federation();
    let bomb = Checkpoint { epoch: u64::MAX, ..plain };
    let bomb = world.sign(&bomb, "north", NOW, LONG);
    north.hear(&mut world, &bomb, NOW);
    hub.hear(&mut world, &bomb, NOW);
    assert!(north.node.behind().is_some() && hub.cosigned.is_empty());
    let recovery = Recovery {
        tre: "north".to_owned(),
        epoch: 1,
        lost: StatementId::of(&bomb),
        size: 0,
        root: Digest::of(b""),
        reason: "x".to_owned(),
    };
    for by in ["rex", "olga"] {
        let signed = world.sign(&recovery, by, NOW, LONG);
        north.hear(&mut world, &signed, NOW);
    }
    assert!(north.node.behind().is_some());
}

/// `north` with one task released, one held with two approvals, one running and one admitted; the hub has seen all that may be seen.
fn busy() -> (World, Party, Party, BTreeMap<&'static str, TaskId>) {
    let (mut world, mut north, mut hub, first) = after_a_release();
    let held = submit(&mut world, "held", &mut north, &mut hub);
    let (_, yes) = hold(&mut world, &mut north, &held);
    let running = submit(&mut world, "running", &mut north, &mut hub);
    let admitted = submit(&mut world, "admitted", &mut north, &mut hub);
    north.input(&mut world, Input::Tick, NOW + 400);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 400);
    approve(&mut world, &mut north, &mut hub, &yes);
    let waiting = [("running", &running), ("admitted", &admitted)];
    assert_eq!(waiting.map(|(_, task)| north.phase(&task.id())), [Phase::Running, Phase::Admitted]);
    let mut tasks = BTreeMap::from([("first", first.id()), ("held", held.id())]);
    tasks.extend(waiting.map(|(name, task)| (name, task.id())));
    (world, north, hub, tasks)
}

/// Row 75: whatever part of the journal a backup has, the node does nothing before it has heard from a member, and nothing after it has heard
/// of a checkpoint of its own that it does not reach.
#[test]
fn threat_75_a_restored_backup_neither_starts_nor_releases() {
    let (mut world, north, hub, tasks) = busy();
    let newest = north.node.checkpoint().unwrap().id();
    let covered = north.node.covered();
    let at = NOW + 500;
    let (mut behind, mut whole) = (0, 0);
    for records in 0..=north.records.len() {
        let mut again = north.restarted(&mut world, records, at);
        again.input(&mut world, Input::Tick, at + 1);
        let knows_of_others = again
            .node
            .roster()
            .holders(at)
            .iter()
            .any(|holder| holder.kind != HolderKind::Person && holder.name != "north");
        if knows_of_others {
            assert!(
                again.started.is_empty() && again.opened.is_empty() && again.checkpoints == 0,
                "{records}: it has heard from nobody"
            );
            assert!(again.node.why_waiting(at).unwrap().contains("no other node has answered"));
        }
        let memory = again.node.log().len();
        again.catch_up_with(&mut world, &hub, at + 2);
        again.input(&mut world, Input::Tick, at + 1_000);
        let lost = memory < covered;
        assert_eq!(
            again.node.behind().map(Verified::id),
            lost.then_some(newest),
            "{records} of {}",
            north.records.len()
        );
        assert!(!again.opened.contains(&tasks["held"]), "{records}: what had left does not leave again");
        assert!(!again.started.contains(&tasks["held"]), "{records}: nor does it run again");
        if lost {
            behind += 1;
            assert!(
                again.started.is_empty() && again.opened.is_empty() && again.checkpoints == 0,
                "{records}: it has lost something"
            );
            assert!(again.node.why_waiting(at).unwrap().contains("restored from a backup"));
            // Also after the next restart.
            let later = again.restarted(&mut world, again.records.len(), at + 3);
            assert!(later.started.is_empty() && later.node.behind().is_some());
        } else {
            whole += 1;
        }
    }
    assert!(behind > 50 && whole > 0, "{behind} {whole}");
}

#[test]
fn what_was_decided_goes_on_after_an_honest_restart() {
    let (mut world, north, hub, tasks) = busy();
    let mut again = north.restarted(&mut world, north.records.len(), NOW + 500);
    assert!(again.started.is_empty());
    again.catch_up_with(&mut world, &hub, NOW + 501);
    assert_eq!(again.started, [tasks["running"]], "what was cut short begins again");
    assert!(again.node.behind().is_none());
}

/// A custody that was being opened when the node learnt that it is behind stays shut.
#[test]
fn a_release_under_way_is_not_taken_by_a_node_that_is_behind() {
    let (mut world, mut north, mut hub) = federation();
    let task = submit(&mut world, "first", &mut north, &mut hub);
    let (_, yes) = hold(&mut world, &mut north, &task);
    let said: Vec<_> = ["olga", "otto"].map(|owner| world.attest(&yes, owner)).to_vec();
    said.iter().for_each(|one| north.hear(&mut world, one.bytes(), NOW));
    let head = north.node.checkpoint().unwrap().id();
    let cosignature = world.sign(&Cosignature { tre: "north".to_owned(), checkpoint: head }, "hub", NOW, LONG);
    let statement = receive(&cosignature, north.node.roster(), NOW).unwrap();
    let step = north.node.handle(Input::Statement(statement), NOW);
    let open = step.effects.iter().find_map(|effect| match effect {
        Effect::Open(release, logged) => Some((release.clone(), logged.clone())),
        _ => None,
    });
    let (release, logged) = open.expect("custody is being opened");
    let further = Told::new();
    let unknown = world.sign(&further.draft(30, None), "north", NOW, LONG);
    north.hear(&mut world, &unknown, NOW);
    assert!(north.node.behind().is_some());
    let bytes = world.sign(&release.statement(*logged, Digest::of(b"ciphertext"), 10), "north", NOW, LONG);
    north.hear(&mut world, &bytes, NOW);
    assert_eq!(north.phase(&task.id()), Phase::Held);
    assert!(!north.node.known().contains(&StatementId::of(&bytes)));
}

/// `north` from a backup that ends before the second task was held, with everything that it lacks known to the hub.
fn restored() -> (World, Party, Party, BTreeMap<&'static str, TaskId>, Recovery) {
    let (mut world, north, mut hub, tasks) = busy();
    let cut = north
        .records
        .iter()
        .position(|record| matches!(record, Record::Held { task, .. } if *task == tasks["held"]))
        .unwrap();
    let mut again = north.restarted(&mut world, cut - 1, NOW + 500);
    again.catch_up_with(&mut world, &hub, NOW + 501);
    hub.out.clear();
    again.out.clear();
    let lost = again.node.behind().unwrap();
    let recovery = Recovery {
        tre: "north".to_owned(),
        epoch: 1,
        lost: lost.id(),
        size: again.node.log().len(),
        root: again.node.log().root(),
        reason: "the disk failed, and Sunday's backup was restored".to_owned(),
    };
    (world, again, hub, tasks, recovery)
}

fn recover(world: &mut World, north: &mut Party, recovery: &Recovery, by: &[&str]) {
    for person in by {
        let signed = world.sign(recovery, person, NOW + 510, LONG);
        north.hear(world, &signed, NOW + 511);
    }
}

#[test]
fn a_recovery_takes_an_operator_and_an_owner_and_the_right_words() {
    type Change = fn(&mut Recovery);
    let right: Change = |_| {};
    let cases: [(&str, Change, &[&str], bool); 13] = [
        ("an operator and an owner", right, &["rex", "olga"], true),
        ("in the other order", right, &["otto", "rex"], true),
        ("the operator alone", right, &["rex"], false),
        ("two owners", right, &["olga", "otto"], false),
        ("the operator twice", right, &["rex", "rex"], false),
        ("an owner of another TRE", right, &["rex", "oda"], false),
        ("root persons", right, &["root-a", "root-b", "root-c"], false),
        ("a checker and a researcher", right, &["carl", "ruth", "rex"], false),
        ("another checkpoint", |one| one.lost = other_task(), &["rex", "olga"], false),
        ("an epoch too many", |one| one.epoch = 2, &["rex", "olga"], false),
        ("another root", |one| one.root = Digest::of(b"other"), &["rex", "olga"], false),
        ("more leaves than there are", |one| one.size += 1_000, &["rex", "olga"], false),
        ("of another TRE", |one| one.tre = "south".to_owned(), &["rex", "olga"], false),
    ];
    for (what, change, by, counts) in cases {
        let (mut world, mut north, _, _, mut recovery) = restored();
        change(&mut recovery);
        recover(&mut world, &mut north, &recovery, by);
        assert_eq!((north.node.behind().is_none(), north.node.epoch()), (counts, u64::from(counts)), "{what}");
        assert_eq!(!north.started.is_empty() || north.checkpoints > 0, counts, "{what}");
        let again = north.restarted(&mut world, north.records.len(), NOW + 520);
        assert_eq!(again.node.epoch(), u64::from(counts), "{what}, after a restart");
    }
}

#[test]
fn two_signatures_under_two_payloads_are_no_recovery() {
    let (mut world, mut north, _, _, recovery) = restored();
    recover(&mut world, &mut north, &recovery, &["rex"]);
    let other = Recovery { reason: "another story".to_owned(), ..recovery };
    recover(&mut world, &mut north, &other, &["olga"]);
    assert!(north.node.behind().is_some());
}

#[test]
fn one_person_with_both_roles_is_not_two() {
    let (mut world, mut north, _, _, recovery) = restored();
    world.grant("olga", Role::Operator, None, Some("north"), "root-a");
    let grant = world.statements.last().unwrap().clone();
    north.hear(&mut world, &grant, NOW + 505);
    recover(&mut world, &mut north, &recovery, &["olga"]);
    assert!(north.node.behind().is_some());
    recover(&mut world, &mut north, &recovery, &["otto"]);
    assert!(north.node.behind().is_none(), "olga operates, otto owns");
}

/// A stolen key that was revoked since can date what it signs back; that does not help it.
#[test]
fn a_revoked_key_recovers_nothing_however_it_dates_its_word() {
    let (mut world, mut north, _, _, recovery) = restored();
    let target = world.key_records["rex"];
    world.revoke(target, "root-c", NOW + 505);
    let revocation = world.statements.last().unwrap().clone();
    north.hear(&mut world, &revocation, NOW + 505);
    for (by, at) in [("rex", NOW), ("olga", NOW + 510)] {
        let signed = world.sign(&recovery, by, at, LONG);
        assert!(receive(&signed, north.node.roster(), NOW + 511).is_ok(), "{by}");
        north.hear(&mut world, &signed, NOW + 511);
    }
    assert!(north.node.behind().is_some());
}

#[test]
fn a_recovery_counts_once_its_signers_are_known() {
    let (mut world, mut north, _, _, recovery) = restored();
    world.enrol("opal", HolderKind::Person);
    let records = world.statements.split_off(world.statements.len() - 2);
    records.iter().for_each(|bytes| north.hear(&mut world, bytes, NOW + 505));
    recover(&mut world, &mut north, &recovery, &["opal", "olga"]);
    assert!(north.node.behind().is_some());
    world.grant("opal", Role::Operator, None, Some("north"), "root-a");
    let grant = world.statements.last().unwrap().clone();
    north.hear(&mut world, &grant, NOW + 520);
    assert!(north.node.behind().is_none());
}

#[test]
fn after_a_recovery_the_log_goes_on_and_what_was_lost_is_called_back() {
    let (mut world, mut north, mut hub, tasks, recovery) = restored();
    let lost = hub.checkpoints_of(&world, "north");
    let mut forgotten = [tasks["held"], tasks["running"]];
    forgotten.sort_unstable();
    assert_eq!(north.node.forgotten(), forgotten, "others remember that one was released and one was started");
    recover(&mut world, &mut north, &recovery, &["rex", "olga"]);
    assert_eq!(forgotten.map(|task| north.phase(&task)), [Phase::Cancelled; 2]);
    assert_eq!(north.started, [tasks["admitted"]], "what ran in the time that was lost does not run again");
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 512);
    north.input(&mut world, Input::Tick, NOW + 900);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 900);
    let head = north.node.checkpoint().unwrap().clone();
    assert_eq!((head.payload().epoch, head.payload().previous), (1, None));
    assert_eq!(head.payload().previous_size, recovery.size, "it proves that it keeps what the recovery says");
    assert!(hub.cosigned.contains(&head.id()), "others follow");
    assert_eq!(hub.node.forks().count(), 0);
    // The old epoch changes nothing any more.
    let (size, root) = (north.node.log().len(), north.node.log().root());
    for old in lost.iter().filter(|one| one.payload().epoch == 0) {
        north.hear(&mut world, old.bytes(), NOW + 901);
    }
    let forged = Told::new();
    let forged = world.sign(&forged.draft(30, None), "north", NOW, LONG);
    north.hear(&mut world, &forged, NOW + 902);
    // Others must not hear of it: to them it proves a fork, and rightly.
    north.out.clear();
    assert!(north.node.behind().is_none());
    assert_eq!((north.node.log().len(), north.node.log().root()), (size, root));
    assert_eq!(north.node.checkpoint().map(Verified::id), Some(head.id()));
    // A signature that comes late, or the same again, moves nothing.
    recover(&mut world, &mut north, &recovery, &["otto", "rex"]);
    assert_eq!((north.node.epoch(), north.node.behind()), (1, None));
    // The next task goes the whole way.
    let submission = north.node.tasks()[&tasks["admitted"]].submission().clone();
    let (_, yes) = hold(&mut world, &mut north, &submission);
    approve(&mut world, &mut north, &mut hub, &yes);
    assert_eq!(north.phase(&tasks["admitted"]), Phase::Released);
}

/// Restored twice, the second time to before the first recovery: that one is spent.
#[test]
fn a_recovery_is_good_for_one_loss() {
    let (mut world, mut north, mut hub, _, recovery) = restored();
    let before = north.records.len();
    recover(&mut world, &mut north, &recovery, &["rex", "olga"]);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 512);
    north.input(&mut world, Input::Tick, NOW + 900);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 900);
    let head = north.node.checkpoint().unwrap().clone();
    for records in [before, before - 30, 60] {
        let mut again = north.restarted(&mut world, records, NOW + 1_000);
        again.catch_up_with(&mut world, &hub, NOW + 1_001);
        assert_eq!(again.node.behind().map(Verified::id), Some(head.id()), "{records}");
        again.input(&mut world, Input::Tick, NOW + 2_000);
        assert!(again.started.is_empty() && again.opened.is_empty() && again.checkpoints == 0, "{records}");
        let next = Recovery {
            epoch: 2,
            lost: head.id(),
            size: again.node.log().len(),
            root: again.node.log().root(),
            ..recovery.clone()
        };
        recover(&mut world, &mut again, &next, &["rex", "olga"]);
        assert_eq!((again.node.epoch(), again.node.behind()), (2, None), "{records}");
    }
}

/// Others follow a new epoch only if it goes on from the newest checkpoint that they know, and keeps what it says.
#[test]
fn others_follow_no_recovery_that_hides_or_rewrites_anything() {
    type Change = fn(&mut Recovery, &mut Checkpoint);
    let cases: [(&str, Change, &[&str], bool); 6] = [
        ("as it should be", |_, _| {}, &["rex", "olga"], true),
        ("nobody signed it", |_, _| {}, &[], false),
        ("one signed it", |_, _| {}, &["olga"], false),
        (
            "an older checkpoint is said to be the newest",
            |recovery, _| recovery.lost = other_task(),
            &["rex", "olga"],
            false,
        ),
        ("another root was kept", |recovery, _| recovery.root = Digest::of(b"other"), &["rex", "olga"], false),
        (
            "nothing was kept after all",
            |_, next| (next.previous_size, next.proof) = (0, Vec::new()),
            &["rex", "olga"],
            false,
        ),
    ];
    for (what, change, by, follows) in cases {
        let mut told = Told::new();
        told.world.grant("rex", Role::Operator, None, Some("north"), "root-b");
        let mut hub = Party::new(&mut told.world, "hub", None);
        let first = told.draft(3, None);
        let first = told.say(&first);
        let second = told.draft(7, Some(&first));
        let second = told.say(&second);
        let kept = told.first(5);
        let mut recovery = Recovery {
            tre: "north".to_owned(),
            epoch: 1,
            lost: second.id(),
            size: 5,
            root: kept.root(),
            reason: "x".to_owned(),
        };
        let log = told.first(12);
        let mut next = Checkpoint { epoch: 1, previous_size: 5, proof: log.consistency(5), ..told.draft(12, None) };
        change(&mut recovery, &mut next);
        for bytes in [first.bytes(), second.bytes()] {
            hub.hear(&mut told.world, bytes, NOW);
        }
        for person in by {
            let signed = told.world.sign(&recovery, person, NOW, LONG);
            hub.hear(&mut told.world, &signed, NOW);
        }
        let next = told.say(&next);
        hub.hear(&mut told.world, next.bytes(), NOW);
        assert_eq!(hub.cosigned.contains(&next.id()), follows, "{what}");
        // Whoever joins weeks later, when the owner of then is none any more, comes to the same.
        let grant = told.world.grants["olga"];
        told.world.revoke(grant, "root-b", NOW + 10 * DAY);
        let revocation = told.world.statements.last().unwrap().clone();
        hub.hear(&mut told.world, &revocation, NOW + 10 * DAY);
        let mut late = Party::of("hub", Node::new(told.world.network, None), Vec::new());
        let later = NOW + 80 * DAY;
        for bytes in hub.shareable() {
            late.hear(&mut told.world, &bytes, later);
        }
        assert_eq!(late.cosigned.contains(&next.id()), follows, "{what}, weeks later");
    }
}

/// `north` after a recovery that others follow.
pub(super) fn recovered() -> (World, Party, Party, Recovery) {
    let (mut world, mut north, mut hub, _, recovery) = restored();
    recover(&mut world, &mut north, &recovery, &["rex", "olga"]);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 512);
    north.input(&mut world, Input::Tick, NOW + 900);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 900);
    (world, north, hub, recovery)
}
