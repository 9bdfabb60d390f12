//! A revocation takes effect at every point: at the announcement, before the start, while a task runs, and at the release.

use super::world::{NOW, START, World, feed, key};
use crate::ingress::{Ignored, Statement, Verdict, Verified, receive};
use crate::lifecycle::Phase;
use crate::node::{Effect, Input, Node};
use crate::record::payload::DAY;
use crate::record::release::Logged;
use crate::record::submission::Submission;
use crate::safes::Refusal;
use crate::safes::admission::ComponentFacts;
use crate::wire::id::Digest;
use keys::signer::Signer as _;

fn usable() -> Input {
    Input::Component { digest: Digest::of(b"component"), facts: ComponentFacts::Usable }
}

fn phase(node: &Node, submission: &Verified<Submission>) -> Phase {
    node.tasks()[&submission.id()].here().unwrap().phase()
}

/// `north` with a task of `ruth` that runs there.
fn running() -> (World, Node, Verified<Submission>) {
    let mut world = World::new();
    let (mut node, _) = world.node(Some(World::tre("north")));
    node.handle(usable(), NOW);
    let submission = world.submit(&World::task("ruth"), "ruth");
    feed(&mut node, submission.bytes(), NOW);
    assert_eq!(phase(&node, &submission), Phase::Running);
    (world, node, submission)
}

fn revoke(world: &mut World, node: &mut Node, who: &str, now: u64) {
    let record = world.key_records[who];
    world.revoke(record, "root-b", now);
    feed(node, world.statements.last().unwrap(), now);
}

#[test]
fn what_a_revoked_key_signs_later_is_ignored_at_the_door() {
    let mut world = World::new();
    let record = world.key_records["ruth"];
    world.revoke(record, "root-b", NOW);
    let earlier = world.sign(&World::task("ruth"), "ruth", NOW - 1, DAY);
    let later = world.sign(&World::task("ruth"), "ruth", NOW, DAY);
    assert!(receive(&earlier, &world.roster, NOW).is_ok(), "history stays readable");
    assert_eq!(receive(&later, &world.roster, NOW), Err(Verdict::Ignore(Ignored::RevokedKey)));
}

#[test]
fn a_key_can_revoke_itself_and_a_stranger_cannot_revoke_it() {
    for (by, goes) in [("ruth", true), ("root-c", true), ("rex", false), ("olga", false)] {
        let mut world = World::new();
        // A record counts by its own key's signature and by a root person's: to take back either is enough.
        let record = if by == "ruth" { world.own_records["ruth"] } else { world.key_records["ruth"] };
        world.revoke(record, by, NOW);
        assert_eq!(!world.roster.is_key_good(&key("ruth").public().id(), NOW), goes, "{by}");
    }
}

#[test]
fn what_waits_for_a_revoked_key_never_starts() {
    let (mut world, mut node, _) = running();
    let mut task = World::task("ruth");
    task.title = "How many more".to_owned();
    let second = world.submit(&task, "ruth");
    feed(&mut node, second.bytes(), NOW);
    assert_eq!(phase(&node, &second), Phase::Admitted, "one runs at a time");
    revoke(&mut world, &mut node, "ruth", NOW);
    assert_eq!(phase(&node, &second), Phase::Refused);
    assert_eq!(node.tasks()[&second.id()].here().unwrap().refusal(), Some(Refusal::KeyNotGood));
}

#[test]
fn what_runs_for_a_revoked_key_is_stopped() {
    let (mut world, mut node, submission) = running();
    let record = world.key_records["ruth"];
    world.revoke(record, "root-b", NOW);
    let step = feed(&mut node, world.statements.last().unwrap(), NOW);
    assert!(step.effects.contains(&Effect::Stop(submission.id())));
    assert_eq!(phase(&node, &submission), Phase::Cancelled);
}

/// What excuses a running task from asking again must not excuse it from this.
#[test]
fn it_is_stopped_also_when_the_task_has_expired_or_trust_is_stale() {
    for now in [START + 60, START + DAY + 1] {
        let mut world = World::new();
        let (mut node, _) = world.node(Some(World::tre("north")));
        node.handle(usable(), NOW);
        let lifetime = if now < START + DAY { 5 } else { 2 * DAY };
        let submission = world.submit_for(&World::task("ruth"), "ruth", lifetime);
        feed(&mut node, submission.bytes(), START + 51);
        assert_eq!(phase(&node, &submission), Phase::Running);
        node.handle(Input::Tick, now);
        assert_eq!(phase(&node, &submission), Phase::Running, "time alone stops nothing");
        revoke(&mut world, &mut node, "ruth", now);
        assert_eq!(phase(&node, &submission), Phase::Cancelled, "at {now}");
    }
}

/// `north` with outputs of a task that two owners have approved: custody is being opened.
fn opening() -> (World, Node, Verified<Submission>, (crate::tre::Release, Logged)) {
    let (mut world, mut node, submission) = running();
    let (held, run) = world.hold(&submission);
    let yes = world.attestation(&held, &run, &[("first", true), ("second", true)]);
    let held_step = node.handle(Input::Held { held: Box::new(held), run: Box::new(run) }, NOW);
    assert!(!held_step.effects.iter().any(|effect| matches!(effect, Effect::Open(..))));
    let mut release = None;
    for by in ["olga", "otto"] {
        let attestation = world.attest(&yes, by);
        let step = feed(&mut node, attestation.bytes(), NOW);
        for effect in world.attend(&mut node, step, NOW).effects {
            if let Effect::Open(open, logged) = effect {
                release = Some((*open, *logged));
            }
        }
    }
    (world, node, submission, release.expect("two owners approved"))
}

fn released(world: &mut World, node: &mut Node, opening: &(crate::tre::Release, Logged), now: u64) -> usize {
    let said = opening.0.statement(opening.1.clone(), Digest::of(b"ciphertext"), super::world::SEALED);
    let bytes = world.sign(&said, "north", now, super::world::LONG);
    let statement = receive(&bytes, node.roster(), now).unwrap();
    assert!(matches!(statement, Statement::Release(_)));
    node.handle(Input::Statement(statement), now).records.len()
}

#[test]
fn without_a_revocation_it_is_released() {
    let (mut world, mut node, submission, release) = opening();
    assert!(released(&mut world, &mut node, &release, NOW) > 0);
    assert_eq!(phase(&node, &submission), Phase::Released);
}

#[test]
fn a_release_does_not_outlive_a_key_or_a_grant_that_it_rests_on() {
    for who in ["ruth", "otto"] {
        let (mut world, mut node, submission, release) = opening();
        revoke(&mut world, &mut node, who, NOW);
        assert_eq!(released(&mut world, &mut node, &release, NOW), 0, "the key of {who}");
        assert_eq!(phase(&node, &submission), Phase::Held);
        let (mut world, mut node, submission, release) = opening();
        let grant = world.grants[who];
        world.revoke(grant, "root-b", NOW);
        feed(&mut node, world.statements.last().unwrap(), NOW);
        assert_eq!(released(&mut world, &mut node, &release, NOW), 0, "the grant of {who}");
        assert_eq!(phase(&node, &submission), Phase::Held);
    }
}

/// Opening custody takes time, and time alone can end what it rests on.
#[test]
fn a_release_that_comes_after_the_status_has_expired_is_not_taken() {
    let (mut world, mut node, submission, release) = opening();
    assert_eq!(released(&mut world, &mut node, &release, START + DAY), 0);
    assert_eq!(phase(&node, &submission), Phase::Held);
}

#[test]
fn a_veto_that_comes_while_custody_is_opened_stops_the_release() {
    let (mut world, mut node, submission, release) = opening();
    let known = node.tasks()[&submission.id()].clone();
    let mut no = known.attestations()[1].payload().clone();
    for decision in no.decisions.values_mut() {
        decision.approve = false;
    }
    no.supersedes = Some(known.attestations()[1].id());
    let veto = world.attest(&no, "otto");
    feed(&mut node, veto.bytes(), NOW);
    assert_eq!(phase(&node, &submission), Phase::Held, "the two disagree");
    assert_eq!(released(&mut world, &mut node, &release, NOW), 0);
}
