//! Two reviewers and two windows: blinded decisions, conflict, withdrawal, and races that end in one state.

use super::world::World;
use crate::review::{Choice, DecisionError};
use protocol::lifecycle::Phase;
use protocol::record::attestation::Attestation;
use protocol::record::comment::{Comment, Readers};
use protocol::record::submission::TaskId;
use protocol::tre::Outcome;
use std::collections::BTreeMap;

fn all(yes: bool) -> Choice {
    Choice { others: Some(yes), reason: "looked at it".to_owned(), ..Choice::default() }
}

fn decide(world: &mut World, task: &TaskId, person: &str, choice: &Choice) {
    for attestation in world.seen_by(task, person).attest(choice, person).unwrap() {
        world.say(&attestation, person);
    }
}

fn whisper(task: TaskId, text: &str) -> Comment {
    let text = text.to_owned();
    Comment {
        task,
        tre: "north".to_owned(),
        output: None,
        text,
        to: Readers::Reviewers,
        question: false,
        answers: None,
    }
}

#[test]
fn what_others_decided_is_hidden_until_one_has_decided() {
    let mut world = World::new(2);
    let task = world.submit("How many");
    decide(&mut world, &task, "olga", &all(true));
    world.say(&whisper(task, "I let it out"), "olga");

    for person in [Some("otto"), None] {
        let blind = crate::review::examine(world.review(&task), &world.believed()).unwrap().blind(person);
        assert!(blind.blinded && blind.attestations.is_empty() && blind.comments.is_empty());
        assert_eq!(blind.review.statements.len(), 1, "the run alone: what is hidden is gone, not only unseen");
        assert_eq!(blind.review.waiting.attested_by, ["olga"], "who has decided is no secret");
        assert!(blind.review.waiting.missing.as_ref().unwrap().values().all(|still| *still == 1));
    }
    // A no of olga's looks the same to otto: even the number of missing persons tells nothing.
    let yes = serde_json::to_value(world.seen_by(&task, "otto").review.waiting).unwrap();
    decide(&mut world, &task, "olga", &Choice { reject: ["first".to_owned()].into(), ..all(true) });
    let no = serde_json::to_value(world.seen_by(&task, "otto").review.waiting).unwrap();
    assert_eq!(yes, no);
    // Half a decision of otto's opens nothing.
    decide(&mut world, &task, "otto", &Choice { approve: ["first".to_owned()].into(), others: None, ..all(true) });
    assert!(world.seen_by(&task, "otto").blinded);
    decide(&mut world, &task, "otto", &Choice { approve: ["second".to_owned()].into(), others: None, ..all(true) });
    let open = world.seen_by(&task, "otto");
    assert!(!open.blinded && open.comments.len() == 1);
    assert_eq!(open.review.waiting.conflict, ["first"], "both have decided: both are told that they disagree");
    assert_eq!(world.seen_by(&task, "olga").review.waiting.conflict, ["first"]);
    assert_eq!(world.waiting(&task).phase, Phase::Held, "nothing leaves, nothing is withheld");

    decide(&mut world, &task, "olga", &all(true));
    assert_eq!(world.waiting(&task).phase, Phase::Released);
    assert!(!world.seen_by(&task, "mallory").blinded, "what is over is for everyone here");
}

#[test]
fn one_reviewer_who_is_enough_is_not_blinded() {
    let mut world = World::new(1);
    let task = world.submit("How many");
    decide(&mut world, &task, "olga", &Choice { approve: ["first".to_owned()].into(), others: None, ..all(true) });
    let seen = world.seen_by(&task, "otto");
    assert!(!seen.blinded && seen.attestations.len() == 1);
}

#[test]
fn a_withdrawal_takes_back_all_that_a_person_decided() {
    let mut world = World::new(2);
    let task = world.submit("How many");
    let seen = world.seen_by(&task, "olga");
    assert_eq!(seen.withdraw("olga").unwrap_err(), DecisionError::NothingToWithdraw("olga".to_owned()));
    // Two windows were open: neither knew of the other.
    let tab = seen.attest(&all(true), "olga").unwrap();
    for _ in 0..2 {
        world.say(&tab[0], "olga");
    }
    let seen = world.seen_by(&task, "olga");
    assert_eq!(seen.heads("olga").len(), 2);
    let withdrawn = seen.withdraw("olga").unwrap();
    assert_eq!(withdrawn.len(), 2, "one for each that stands");
    for one in &withdrawn {
        world.say(one, "olga");
    }
    let waiting = world.waiting(&task);
    assert!(waiting.attested_by.is_empty() && waiting.decided.is_empty());
    assert!(waiting.missing.unwrap().values().all(|still| *still == 2));
    assert!(world.seen_by(&task, "olga").withdraw("olga").is_err(), "nothing stands any more");
    // And a decision after it counts again.
    decide(&mut world, &task, "olga", &all(true));
    assert_eq!(world.waiting(&task).missing.unwrap()["first"], 1);
}

#[test]
fn a_new_decision_takes_the_place_of_all_windows() {
    let mut world = World::new(2);
    let task = world.submit("How many");
    let seen = world.seen_by(&task, "olga");
    for choice in [all(false), all(true)] {
        world.say(&seen.attest(&choice, "olga").unwrap()[0], "olga");
    }
    assert_eq!(world.waiting(&task).phase, Phase::Withheld, "who says both says no, and one no is enough");

    let task = world.submit("How many again");
    decide(&mut world, &task, "otto", &all(true));
    let seen = world.seen_by(&task, "olga");
    for choice in [all(false), all(true)] {
        world.say(&seen.attest(&choice, "olga").unwrap()[0], "olga");
    }
    assert_eq!(world.waiting(&task).conflict, ["first", "second"]);
    decide(&mut world, &task, "olga", &all(true));
    assert_eq!(world.waiting(&task).phase, Phase::Released);
}

/// Every order in which the same statements can arrive.
fn orders<T: Clone>(of: &[T]) -> Vec<Vec<T>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in of.iter().enumerate() {
        let mut rest = of.to_vec();
        rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, first.clone());
            order
        }));
    }
    all
}

/// What is decided, told without ids and times.
fn state(world: &World, task: &TaskId) -> (Phase, Option<BTreeMap<String, u64>>, Vec<String>) {
    let waiting = world.waiting(task);
    (waiting.phase, waiting.missing, waiting.conflict)
}

/// Two windows of olga's and a double click, all made out of the same state: whatever arrives first, the end is the same.
#[test]
fn threat_71_two_windows_and_a_double_click_end_in_one_state() {
    let says = |world: &mut World, task: &TaskId, kinds: &[&str]| -> Vec<Vec<u8>> {
        decide(world, task, "olga", &all(true));
        let seen = world.seen_by(task, "olga");
        let made: Vec<Attestation> = kinds
            .iter()
            .map(|kind| match *kind {
                "withdraw" => seen.withdraw("olga").unwrap().remove(0),
                "yes" => seen.attest(&all(true), "olga").unwrap().remove(0),
                _ => {
                    let choice = Choice { reject: ["first".to_owned()].into(), ..all(true) };
                    seen.attest(&choice, "olga").unwrap().remove(0)
                }
            })
            .collect();
        made.iter().map(|one| world.sign(one, "olga", protocol::record::payload::DAY)).collect()
    };
    for (kinds, first_missing) in [
        (["yes", "yes", "yes"].as_slice(), 1),
        (&["yes", "withdraw"], 1),
        (&["withdraw", "withdraw"], 2),
        (&["yes", "no", "withdraw"], 0),
        (&["no", "withdraw", "no", "yes"], 0),
    ] {
        let mut ends = Vec::new();
        let places: Vec<usize> = (0..kinds.len()).collect();
        for order in orders(&places) {
            let mut world = World::new(2);
            let task = world.submit("How many");
            let statements = says(&mut world, &task, kinds);
            for at in order {
                world.take(statements[at].clone());
                world.take(statements[at].clone());
            }
            ends.push(state(&world, &task));
        }
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{kinds:?}: {ends:?}");
        assert_eq!(ends[0].1.as_ref().unwrap()["first"], first_missing, "{kinds:?}");
    }
}

/// A withdrawal that arrives when everything was decided changes nothing any more, and one that arrives before keeps it in.
#[test]
fn threat_71_approval_and_withdrawal_race_to_one_end() {
    for withdrawal_first in [true, false] {
        let mut world = World::new(2);
        let task = world.submit("How many");
        decide(&mut world, &task, "olga", &all(true));
        let back = world.seen_by(&task, "olga").withdraw("olga").unwrap().remove(0);
        let yes = world.seen_by(&task, "otto").attest(&all(true), "otto").unwrap().remove(0);
        if withdrawal_first {
            world.say(&back, "olga");
            world.say(&yes, "otto");
            assert_eq!(world.waiting(&task).phase, Phase::Held);
            let open = world.core.verdict(&task, world.now).unwrap().unwrap();
            assert!(matches!(open, Outcome::Open { missing } if missing.values().all(|still| *still == 1)));
        } else {
            world.say(&yes, "otto");
            assert_eq!(world.waiting(&task).phase, Phase::Released);
            world.say(&back, "olga");
            assert_eq!(world.waiting(&task).phase, Phase::Released, "what has left cannot be called back");
        }
    }
}
