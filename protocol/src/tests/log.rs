//! The log among nodes: it grows by the journal alone, others cosign only what grows, and two stories end that.

use super::party::{Party, after_a_release, federation, hold, submit, talk};
use super::world::{LONG, NOW, World, other_task};
use crate::audit::log::forks;
use crate::ingress::{Statement, Verified, receive};
use crate::log::tree::{Log, extends};
use crate::log::witness::fork;
use crate::node::{Input, Node};
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::recovery::Recovery;
use crate::record::{Kind, Payload as _};
use crate::wire::id::{Digest, StatementId};

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
pub(super) struct Told {
    pub(super) world: World,
    log: Log,
}

impl Told {
    pub(super) fn new() -> Self {
        let mut log = Log::default();
        (0..40_u64).for_each(|number| log.push_statement(&StatementId::of(&number.to_be_bytes()), Kind::Run, number));
        Self { world: World::new(), log }
    }

    pub(super) fn first(&self, size: u64) -> Log {
        let mut log = Log::default();
        let leaves = self.log.leaves().take(usize::try_from(size).unwrap());
        leaves.for_each(|leaf| log.push_statement(&leaf.statement().unwrap(), Kind::Run, leaf.at()));
        log
    }

    pub(super) fn draft(&self, size: u64, previous: Option<&Verified<Checkpoint>>) -> Checkpoint {
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

    pub(super) fn say(&mut self, checkpoint: &Checkpoint) -> Verified<Checkpoint> {
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
