//! What the door says of the queue: questions, stale approvals, what is blocked, what left before.

use super::world::{NOW, World};
use crate::review::Choice;
use protocol::node::Input;
use protocol::record::comment::{Comment, Readers};
use protocol::record::payload::DAY;
use protocol::record::submission::TaskId;
use protocol::wire::id::{Digest, StatementId};

fn comment(task: TaskId, question: bool, output: Option<&str>, answers: Option<StatementId>) -> Comment {
    Comment {
        task,
        tre: "north".to_owned(),
        output: output.map(str::to_owned),
        text: "which code list?".to_owned(),
        to: Readers::Members,
        question,
        answers,
    }
}

#[test]
fn a_question_returns_an_output_until_its_submitter_answers() {
    let mut world = World::new(1);
    let task = world.submit("How many");
    assert!(world.waiting(&task).returned.is_empty());
    let asked = world.say(&comment(task, true, Some("first"), None), "olga");
    assert_eq!(world.waiting(&task).returned, ["first"]);
    world.say(&comment(task, true, None, None), "otto");
    assert_eq!(world.waiting(&task).returned, ["", "first"]);
    // Only the submitter answers, and only this question.
    world.say(&comment(task, false, Some("first"), Some(asked)), "otto");
    assert_eq!(world.waiting(&task).returned, ["", "first"]);
    world.say(&comment(task, false, Some("first"), Some(asked)), "ruth");
    assert_eq!(world.waiting(&task).returned, [""]);
    assert_eq!(world.waiting(&task).comments, 4);
}

#[test]
fn threat_66_a_stranger_and_the_submitter_return_nothing() {
    let mut world = World::new(1);
    let task = world.submit("How many");
    world.say(&comment(task, true, None, None), "mallory");
    world.say(&comment(task, true, None, None), "ruth");
    let waiting = world.waiting(&task);
    assert!(waiting.returned.is_empty(), "{:?}", waiting.returned);
    assert_eq!(waiting.comments, 1, "the word of somebody who is nobody here is not listed");
    assert!(world.seen_by(&task, "olga").comments.iter().all(|one| one.signer().name == "ruth"));
}

#[test]
fn an_approval_under_other_findings_is_named_and_counts_no_more() {
    let mut world = World::new(2);
    let task = world.submit("How many");
    let yes = Choice { others: Some(true), reason: "fine".to_owned(), ..Choice::default() };
    for one in world.seen_by(&task, "olga").attest(&yes, "olga").unwrap() {
        world.say(&one, "olga");
    }
    assert!(world.waiting(&task).stale.is_empty());
    let mut checks = world.waiting(&task).checks.unwrap();
    checks.findings = Digest::of(b"something that left since meets it");
    world.input(Input::Rechecked { task, checks: checks.clone(), passes: false });
    let waiting = world.waiting(&task);
    assert_eq!((waiting.stale.as_slice(), waiting.checks), (["olga".to_owned()].as_slice(), Some(checks)));
    assert_eq!((waiting.missing.unwrap()["first"], waiting.decided.len()), (2, 0));
    assert!(world.seen_by(&task, "otto").review.waiting.stale.is_empty(), "otto is not told what olga decided");
}

#[test]
fn what_is_blocked_says_why() {
    let mut world = World::new(1);
    let task = world.submit("How many");
    assert_eq!(world.waiting(&task).blocked, None);
    world.now = NOW + 2 * DAY;
    assert!(world.waiting(&task).blocked.is_some(), "trust is stale");
}

#[test]
fn what_left_before_stands_beside_what_is_held() {
    let mut world = World::new(1);
    let before = world.submit("The first");
    let held = world.submit("The second");
    assert!(world.review(&held).earlier.is_empty());
    let first = Choice { approve: ["first".to_owned()].into(), ..Choice::default() };
    let choice = Choice { reject: ["second".to_owned()].into(), reason: "rare".to_owned(), ..first };
    for one in world.seen_by(&before, "olga").attest(&choice, "olga").unwrap() {
        world.say(&one, "olga");
    }
    let earlier = world.review(&held).earlier;
    assert_eq!(earlier.len(), 1);
    assert_eq!((earlier[0].task, earlier[0].title.as_str()), (before, "The first"));
    assert_eq!((earlier[0].outputs.as_slice(), earlier[0].released_at), (["first".to_owned()].as_slice(), NOW));
    assert!(world.review(&before).earlier.is_empty(), "a task is not earlier than itself");
}
