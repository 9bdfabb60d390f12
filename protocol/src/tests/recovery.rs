//! A node that was restored from a backup does nothing until two persons say so; then it goes on, and others follow only what hides nothing.

use super::log::Told;
use super::party::{Party, after_a_release, approve, federation, hold, submit, talk};
use super::world::{LONG, NOW, World, other_task};
use crate::ingress::{Verified, receive};
use crate::lifecycle::Phase;
use crate::node::{Effect, Input, Node, Record};
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::grant::Role;
use crate::record::key_record::HolderKind;
use crate::record::payload::DAY;
use crate::record::recovery::Recovery;
use crate::record::submission::TaskId;
use crate::wire::id::{Digest, StatementId};
use std::collections::BTreeMap;

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
    let bytes =
        world.sign(&release.statement(*logged, Digest::of(b"ciphertext"), super::world::SEALED), "north", NOW, LONG);
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
