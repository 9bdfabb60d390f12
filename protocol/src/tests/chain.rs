//! Chains among nodes: what is kept back is known to be lacking and holds up nothing, and two stories are proved and start nothing.

use super::party::{Party, after_a_release, federation};
use super::world::{LONG, NOW, START, World, other_commitment};
use crate::audit::log::contradictions;
use crate::chain::Lack;
use crate::ingress::Verified;
use crate::lifecycle::Phase;
use crate::record::Kind;
use crate::record::cancellation::Cancellation;
use crate::record::payload::DAY;
use crate::record::run::Run;
use crate::record::submission::Submission;
use crate::safes::refusal::Refusal;
use crate::wire::envelope::Place;
use crate::wire::id::StatementId;

fn ask(world: &mut World, title: &str, previous: Option<&Verified<Submission>>) -> Verified<Submission> {
    let task = Submission { title: title.to_owned(), ..World::task("ruth") };
    world.submit_after(&task, "ruth", previous)
}

fn lacking(party: &Party, now: u64) -> Vec<(StatementId, Lack)> {
    party.node.chains().lacking(now).map(|(id, lack)| (*id, lack.clone())).collect()
}

fn end(party: &Party, task: &Verified<Submission>) -> (Phase, Option<Refusal>) {
    let here = party.node.tasks()[&task.id()].here().unwrap();
    (here.phase(), here.refusal())
}

#[test]
fn threat_5_what_is_kept_back_is_known_by_whose_it_is_and_its_number_and_holds_up_nothing() {
    let (mut world, mut north, _) = federation();
    let first = ask(&mut world, "first", None);
    let second = ask(&mut world, "second", Some(&first));
    let third = ask(&mut world, "third", Some(&second));
    north.hear(&mut world, first.bytes(), NOW);
    assert_eq!((lacking(&north, NOW), north.sought), (vec![], 0));
    north.hear(&mut world, third.bytes(), NOW + 7);
    let lack = Lack {
        author: "ruth".to_owned(),
        kind: Kind::Submission,
        number: 2,
        next: third.id(),
        since: NOW + 7,
        until: START + 50 + DAY,
    };
    assert_eq!((lacking(&north, NOW + 7), north.sought), (vec![(second.id(), lack.clone())], 1));
    assert_eq!(end(&north, &third).0, Phase::Admitted, "it waits for nobody but the one that runs");
    assert!(north.started.contains(&first.id()));
    let again = north.restarted(&mut world, north.records.len(), NOW + 8);
    assert_eq!(lacking(&again, NOW + 8), [(second.id(), lack)]);
    assert_eq!(lacking(&north, START + 50 + DAY), [], "what names it is over");
    north.hear(&mut world, second.bytes(), NOW + 9);
    assert_eq!((lacking(&north, NOW + 9), north.sought), (vec![], 1));
    assert!(north.node.chains().contradictions().is_empty());
}

#[test]
fn threat_5_of_two_submissions_at_one_place_neither_runs_and_everybody_holds_the_proof() {
    let (mut world, mut north, mut hub) = federation();
    let first = ask(&mut world, "first", None);
    let one = ask(&mut world, "one story", Some(&first));
    let other = ask(&mut world, "another story", Some(&first));
    let later = ask(&mut world, "later", Some(&other));
    for (party, order) in [(&mut north, [&first, &one, &other, &later]), (&mut hub, [&later, &other, &one, &first])] {
        for said in order {
            party.hear(&mut world, said.bytes(), NOW);
        }
        let [proved] = party.node.chains().contradictions() else { panic!("one contradiction at {}", party.name) };
        assert_eq!(proved.author, "ruth");
        let both = [proved.first, proved.second];
        assert!(both.contains(&one.id()) && both.contains(&other.id()), "{}: {}", party.name, proved.sentence());
        assert!(both.iter().all(|id| party.node.may_share(id)), "the proof goes to everybody");
    }
    assert_eq!(end(&north, &first), (Phase::Running, None));
    // There is room for another one.
    let cancellation = Cancellation { task: first.id(), reason: "a mistake".to_owned() };
    let cancellation = world.sign(&cancellation, "ruth", NOW, DAY);
    north.hear(&mut world, &cancellation, NOW);
    for said in [&one, &other] {
        assert_eq!(end(&north, said), (Phase::Refused, Some(Refusal::Replayed)));
    }
    assert_eq!(end(&north, &later), (Phase::Running, None), "the key stays good");
    let proof: Vec<&[u8]> = world.statements.iter().map(Vec::as_slice).collect();
    assert_eq!(contradictions(proof.clone(), world.network).len(), 1);
    let without: Vec<&[u8]> = proof.into_iter().filter(|bytes| StatementId::of(bytes) != one.id()).collect();
    assert!(contradictions(without, world.network).is_empty(), "one story alone proves nothing");
}

#[test]
fn threat_5_one_that_runs_ends_and_a_cancellation_counts_on_whichever_side_it_stands() {
    let (mut world, mut north, _) = federation();
    let first = ask(&mut world, "first", None);
    let one = ask(&mut world, "one story", Some(&first));
    north.hear(&mut world, one.bytes(), NOW);
    assert_eq!(end(&north, &one), (Phase::Running, None));
    let other = ask(&mut world, "another story", Some(&first));
    north.hear(&mut world, other.bytes(), NOW);
    assert_eq!([end(&north, &one).0, end(&north, &other).0], [Phase::Cancelled, Phase::Refused]);
    north.hear(&mut world, first.bytes(), NOW);
    assert_eq!(end(&north, &first), (Phase::Running, None));
    let place = Place { number: 2, previous: Some(first.id()) };
    let cancellation = Cancellation { task: first.id(), reason: "a mistake".to_owned() };
    let cancellation = world.sign_at(&cancellation, "ruth", NOW, DAY, Some(place));
    north.hear(&mut world, &cancellation, NOW);
    assert_eq!(end(&north, &first), (Phase::Cancelled, None));
    assert_eq!(north.node.chains().contradictions().len(), 2);
}

#[test]
fn threat_5_who_counts_wrong_contradicts_itself_in_either_order() {
    for turned in [false, true] {
        let (mut world, mut north, _) = federation();
        let first = ask(&mut world, "first", None);
        let place = Place { number: 5, previous: Some(first.id()) };
        let task = Submission { title: "fifth".to_owned(), ..World::task("ruth") };
        let fifth = world.sign_at(&task, "ruth", START + 50, DAY, Some(place));
        let mut order = [first.bytes().to_vec(), fifth];
        if turned {
            order.reverse();
        }
        order.iter().for_each(|bytes| north.hear(&mut world, bytes, NOW));
        assert_eq!(north.node.chains().contradictions().len(), 1, "turned: {turned}");
    }
}

#[test]
fn threat_6_a_checkpoint_that_is_kept_back_is_known_to_be_lacking() {
    let (mut world, north, _, _) = after_a_release();
    let heads: Vec<Vec<u8>> = north
        .records
        .iter()
        .filter_map(|record| match record {
            crate::node::Record::Statement { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
        .filter(|bytes| crate::wire::envelope::Signed::parse(bytes).unwrap().kind() == Kind::Checkpoint)
        .collect();
    let size = north.node.log().len();
    let next = crate::record::checkpoint::Checkpoint {
        tre: "north".to_owned(),
        epoch: 0,
        size: size + 1,
        root: crate::wire::id::Digest([7; 32]),
        previous: Some(StatementId::of(&heads[heads.len() - 1])),
        previous_size: size,
        proof: Vec::new(),
    };
    let next = world.sign(&next, "north", NOW, LONG);
    let mut late = Party::new(&mut world, "hub", None);
    late.hear(&mut world, &next, NOW);
    let [(id, lack)] = &lacking(&late, NOW)[..] else { panic!("one is lacking") };
    assert_eq!((*id, lack.author.as_str(), lack.number), (StatementId::of(&heads[heads.len() - 1]), "north", size));
    late.hear(&mut world, &heads[heads.len() - 1], NOW);
    assert!(lacking(&late, NOW).iter().all(|(other, _)| other != id));
}

#[test]
fn threat_6_two_runs_or_two_releases_of_one_task_are_proved_to_everybody() {
    let (mut world, _, mut hub, task) = after_a_release();
    assert!(hub.node.chains().contradictions().is_empty(), "a task runs once and leaves once");
    let released = hub.node.tasks()[&task.id()].releases()["north"].clone();
    let first = hub.node.tasks()[&task.id()].runs()["north"].clone();
    let other = Run { commitment: other_commitment(), ..first.payload().clone() };
    let other = world.sign(&other, "north", NOW, LONG);
    hub.hear(&mut world, &other, NOW);
    let again = world.sign(released.payload(), "north", NOW + 1, LONG);
    hub.hear(&mut world, &again, NOW + 1);
    let third = world.sign(released.payload(), "north", NOW + 2, LONG);
    hub.hear(&mut world, &third, NOW + 2);
    let proved: Vec<_> = hub.node.chains().contradictions().iter().map(|one| (one.once, one.second)).collect();
    let expected = [(Kind::Run, &other), (Kind::Release, &again)];
    assert_eq!(proved, expected.map(|(kind, bytes)| (Some((kind, task.id())), StatementId::of(bytes))));
    for one in hub.node.chains().contradictions() {
        assert_eq!(one.author, "north");
        assert!([one.first, one.second].iter().all(|id| hub.node.may_share(id)), "the proof goes to everybody");
    }
    assert_eq!(hub.node.tasks()[&task.id()].runs()["north"].id(), first.id(), "what came first stays");
    let later = hub.restarted(&mut world, hub.records.len(), NOW + 2);
    assert_eq!(later.node.chains().contradictions(), hub.node.chains().contradictions());
    let said: Vec<Vec<u8>> = hub.statements().chain(world.statements.clone()).collect();
    assert_eq!(contradictions(said.iter().map(Vec::as_slice), world.network).len(), 2, "nobody is believed");
}
