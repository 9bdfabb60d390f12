//! The node as a whole: what stays private, what a crash leaves, and that a replay is the node again.

use super::world::{NOW, START, World, feed};
use crate::ingress::{Statement, Verified};
use crate::lifecycle::Phase;
use crate::node::{Effect, Input, Node, Record, Step};
use crate::record::cancellation::Cancellation;
use crate::record::checkpoint::Cosignature;
use crate::record::comment::{Comment, Readers};
use crate::record::payload::DAY;
use crate::record::submission::{Submission, TaskId};
use crate::safes::admission::ComponentFacts;
use crate::wire::id::{Digest, StatementId};
use std::collections::BTreeMap;

/// A node whose records are kept as a shell would keep them, and which answers its own effects.
struct Shell {
    world: World,
    node: Node,
    records: Vec<Record>,
    /// For each state that was durable at some time: how many records, and where every task stood.
    history: Vec<(usize, BTreeMap<TaskId, Phase>)>,
    told: Vec<StatementId>,
}

impl Shell {
    fn new() -> Self {
        let world = World::new();
        let node = Node::new(world.network, Some(World::tre("north")));
        let mut shell = Self { world, node, records: Vec::new(), history: Vec::new(), told: Vec::new() };
        for bytes in shell.world.statements.clone() {
            shell.say(&bytes);
        }
        shell.input(Input::CaughtUp);
        shell.input(Input::Component { digest: Digest::of(b"component"), facts: ComponentFacts::Usable });
        shell
    }

    fn input(&mut self, input: Input) {
        let step = self.node.handle(input, NOW);
        self.done(step);
    }

    fn say(&mut self, bytes: &[u8]) {
        let step = feed(&mut self.node, bytes, NOW);
        self.done(step);
    }

    fn done(&mut self, step: Step) {
        self.records.extend(step.records);
        self.history.push((self.records.len(), phases(&self.node)));
        for effect in step.effects {
            match effect {
                Effect::Announce(bytes) | Effect::Tell(bytes) => self.told.push(StatementId::of(&bytes)),
                Effect::Report(report) => {
                    let phase = crate::record::phase::Phase {
                        task: report.task,
                        tre: "north".to_owned(),
                        phase: report.phase,
                        refusal: report.refusal,
                        failure: report.failure,
                    };
                    let bytes = self.world.sign(&phase, "north", START, super::world::LONG);
                    self.say(&bytes);
                }
                Effect::Open(release, logged) => {
                    let said = release.statement(*logged, Digest::of(b"ciphertext"), super::world::SEALED);
                    let bytes = self.world.sign(&said, "north", NOW, super::world::LONG);
                    self.say(&bytes);
                }
                Effect::Checkpoint(checkpoint) => {
                    let bytes = self.world.sign(checkpoint.as_ref(), "north", START, super::world::LONG);
                    let cosignature = Cosignature { tre: "north".to_owned(), checkpoint: StatementId::of(&bytes) };
                    let cosigned = self.world.sign(&cosignature, "hub", NOW, super::world::LONG);
                    self.say(&bytes);
                    self.say(&cosigned);
                }
                Effect::Obtain(_)
                | Effect::Execute(_)
                | Effect::Stop(_)
                | Effect::Recheck(_)
                | Effect::Cosign(_)
                | Effect::Publish(_)
                | Effect::Members
                | Effect::Seek => {}
            }
        }
    }

    fn submit(&mut self, title: &str) -> Verified<Submission> {
        let mut task = World::task("ruth");
        task.title = title.to_owned();
        let submission = self.world.submit(&task, "ruth");
        self.say(submission.bytes());
        submission
    }

    /// The outputs of a running task are held; gives the attestation of somebody who approves everything.
    fn hold(&mut self, submission: &Verified<Submission>) -> (StatementId, crate::record::attestation::Attestation) {
        let (held, run) = self.world.hold(submission);
        let yes = self.world.attestation(&held, &run, &[("first", true), ("second", true)]);
        let id = run.id();
        self.input(Input::Held { held: Box::new(held), run: Box::new(run) });
        (id, yes)
    }

    fn phase(&self, submission: &Verified<Submission>) -> Phase {
        phases(&self.node)[&submission.id()]
    }
}

fn phases(node: &Node) -> BTreeMap<TaskId, Phase> {
    node.tasks().iter().filter_map(|(id, task)| Some((*id, task.here()?.phase()))).collect()
}

#[test]
fn a_run_and_what_is_said_of_it_stay_here_until_it_is_decided() {
    for approve in [true, false] {
        let mut shell = Shell::new();
        let submission = shell.submit("one");
        let (run, mut said) = shell.hold(&submission);
        for decision in said.decisions.values_mut() {
            decision.approve = approve;
        }
        let first = shell.world.attest(&said, "olga");
        let second = shell.world.attest(&said, "otto");
        let is_public = |shell: &Shell, id: &StatementId| (shell.node.may_share(id), shell.told.contains(id));
        assert!(shell.node.known().contains(&run));
        assert_eq!(is_public(&shell, &run), (false, false));
        if approve {
            shell.say(first.bytes());
            assert_eq!(is_public(&shell, &first.id()), (false, false));
            assert!(!shell.node.about(&submission.id()).contains(&first.id()));
        }
        shell.say(second.bytes());
        let end = if approve { Phase::Released } else { Phase::Withheld };
        assert_eq!(shell.phase(&submission), end);
        for id in [run, second.id()] {
            assert_eq!(is_public(&shell, &id), (true, true), "once it is {end}");
        }
        assert!(!shell.node.may_share(&StatementId::of(b"unknown")));
    }
}

#[test]
fn a_run_that_is_called_back_stays_private() {
    let mut shell = Shell::new();
    let submission = shell.submit("one");
    let (run, said) = shell.hold(&submission);
    let attestation = shell.world.attest(&said, "olga");
    shell.say(attestation.bytes());
    let back = shell.world.say(&Cancellation { task: submission.id(), reason: String::new() }, "ruth", NOW);
    shell.say(back.bytes());
    assert_eq!(shell.phase(&submission), Phase::Cancelled);
    assert!(!shell.node.may_share(&run) && !shell.node.may_share(&attestation.id()));
    assert!(!shell.told.contains(&run) && !shell.told.contains(&attestation.id()));
}

#[test]
fn a_task_is_called_back_by_its_submitter_or_an_owner_here_and_nobody_else() {
    for (by, goes) in
        [("ruth", true), ("olga", true), ("oda", false), ("rex", false), ("carl", false), ("root-a", false)]
    {
        let mut shell = Shell::new();
        let submission = shell.submit("one");
        let back = shell.world.say(&Cancellation { task: submission.id(), reason: String::new() }, by, NOW);
        shell.say(back.bytes());
        assert_eq!(shell.phase(&submission) == Phase::Cancelled, goes, "{by}");
    }
}

#[test]
fn a_cancellation_that_comes_before_its_task_or_its_grant_is_remembered() {
    let mut shell = Shell::new();
    let submission = shell.world.submit(&World::task("ruth"), "ruth");
    let back = shell.world.say(&Cancellation { task: submission.id(), reason: String::new() }, "ruth", NOW);
    shell.say(back.bytes());
    shell.say(submission.bytes());
    assert_eq!(shell.phase(&submission), Phase::Cancelled);

    let mut world = World::new();
    let grant = world.statements.iter().find(|bytes| StatementId::of(bytes) == world.grants["otto"]).unwrap().clone();
    let mut node = Node::new(world.network, Some(World::tre("north")));
    node.handle(Input::CaughtUp, START);
    for bytes in world.statements.iter().filter(|bytes| **bytes != grant) {
        feed(&mut node, bytes, NOW);
    }
    node.handle(Input::Component { digest: Digest::of(b"component"), facts: ComponentFacts::Usable }, NOW);
    let submission = world.submit(&World::task("ruth"), "ruth");
    feed(&mut node, submission.bytes(), NOW);
    let back = world.say(&Cancellation { task: submission.id(), reason: String::new() }, "otto", NOW);
    feed(&mut node, back.bytes(), NOW);
    assert_eq!(phases(&node)[&submission.id()], Phase::Running, "otto is not known as an owner yet");
    feed(&mut node, &grant, NOW);
    assert_eq!(phases(&node)[&submission.id()], Phase::Cancelled);
}

/// Several tasks that end in every way; then the machine stops after each prefix of the journal that was ever durable.
#[test]
fn a_replay_of_every_durable_prefix_is_the_node_as_it_was() {
    let mut shell = Shell::new();
    let released = shell.submit("released");
    let failed = shell.submit("failed");
    let cancelled = shell.submit("cancelled");
    let (_, yes) = shell.hold(&released);
    for by in ["olga", "otto"] {
        let said = shell.world.attest(&yes, by);
        shell.say(said.bytes());
    }
    // Which of the two starts first is the order of their ids.
    let running = |shell: &Shell| {
        phases(&shell.node).into_iter().find(|(_, phase)| *phase == Phase::Running).map(|(task, _)| task)
    };
    let first = running(&shell).unwrap();
    shell.input(Input::Failed { task: first, code: "guest-trap".to_owned() });
    let second = running(&shell).unwrap();
    assert_eq!([first, second].iter().min(), [failed.id(), cancelled.id()].iter().min());
    let back = shell.world.say(&Cancellation { task: second, reason: String::new() }, "ruth", NOW);
    shell.say(back.bytes());
    let withheld = shell.submit("withheld");
    let (_, mut no) = shell.hold(&withheld);
    no.decisions.values_mut().for_each(|decision| decision.approve = false);
    let veto = shell.world.attest(&no, "otto");
    shell.say(veto.bytes());
    let mut refused = World::task("ruth");
    refused.component = Digest::of(b"another");
    let refused = shell.world.submit(&refused, "ruth");
    shell.say(refused.bytes());
    let step = shell.node.handle(Input::Tick, NOW + 5);
    shell.done(step);
    let last = shell.submit("still running");

    let ends: Vec<Phase> = [&released, &withheld, &refused, &last].map(|task| shell.phase(task)).to_vec();
    assert_eq!(ends, [Phase::Released, Phase::Withheld, Phase::Refused, Phase::Running]);
    assert!(shell.history.len() > 30);
    for (records, expected) in &shell.history {
        let prefix = shell.records[..*records].to_vec();
        let node = Node::replay(shell.world.network, Some(World::tre("north")), prefix).unwrap();
        assert_eq!(&phases(&node), expected, "after {records} records");
    }
    // A step is made durable whole, but even a torn one must be read without a fault.
    for records in 0..shell.records.len() {
        let prefix = shell.records[..records].to_vec();
        assert!(Node::replay(shell.world.network, Some(World::tre("north")), prefix).is_ok(), "{records} records");
    }
    let again = Node::replay(shell.world.network, Some(World::tre("north")), shell.records.clone()).unwrap();
    assert_eq!(again.known(), shell.node.known());
    for id in shell.node.known() {
        assert_eq!(again.may_share(id), shell.node.may_share(id), "{id}");
    }
}

#[test]
fn a_restarted_node_does_again_what_was_outstanding_and_nothing_else() {
    let mut shell = Shell::new();
    let submission = shell.submit("one");
    let replay = |shell: &Shell| {
        let mut node = Node::replay(shell.world.network, Some(World::tre("north")), shell.records.clone()).unwrap();
        let forgetful = node.resume(NOW);
        assert_eq!((executes(&forgetful), opens(&forgetful)), (0, 0), "it may have forgotten something");
        let step = node.handle(Input::CaughtUp, NOW);
        (node, step)
    };
    let (_, step) = replay(&shell);
    assert_eq!((executes(&step), step.records.len()), (1, 0), "the run begins again, and needs no new record");
    let (_, yes) = shell.hold(&submission);
    let (_, step) = replay(&shell);
    assert_eq!(executes(&step), 0, "what is held is not run again");
    for by in ["olga", "otto"] {
        let said = shell.world.attest(&yes, by);
        let step = feed(&mut shell.node, said.bytes(), NOW);
        shell.records.extend(step.records);
    }
    let (mut node, step) = replay(&shell);
    assert_eq!((executes(&step), opens(&step)), (0, 0), "others have not seen in the log why it may leave");
    let step = shell.world.attend(&mut node, step, NOW);
    assert_eq!((executes(&step), opens(&step)), (0, 1), "custody is opened again");
}

fn executes(step: &Step) -> usize {
    step.effects.iter().filter(|effect| matches!(effect, Effect::Execute(_))).count()
}

fn opens(step: &Step) -> usize {
    step.effects.iter().filter(|effect| matches!(effect, Effect::Open(..))).count()
}

/// It was started in time; only the machine was slow.
#[test]
fn a_run_that_a_crash_cut_short_begins_again_although_the_task_has_expired() {
    let mut world = World::new();
    let mut node = Node::new(world.network, Some(World::tre("north")));
    node.handle(Input::CaughtUp, START);
    let mut records = Vec::new();
    for bytes in &world.statements {
        records.extend(feed(&mut node, bytes, NOW).records);
    }
    let usable = Input::Component { digest: Digest::of(b"component"), facts: ComponentFacts::Usable };
    records.extend(node.handle(usable, NOW).records);
    let submission = world.submit_for(&World::task("ruth"), "ruth", 60);
    records.extend(feed(&mut node, submission.bytes(), START + 55).records);
    let mut again = Node::replay(world.network, Some(World::tre("north")), records.clone()).unwrap();
    again.resume(START + 500);
    let step = again.handle(Input::CaughtUp, START + 500);
    assert!(step.effects.iter().any(|effect| matches!(effect, Effect::Execute(_))));
    let mut stale = Node::replay(world.network, Some(World::tre("north")), records).unwrap();
    stale.resume(START + DAY);
    let step = stale.handle(Input::CaughtUp, START + DAY);
    assert!(
        !step.effects.iter().any(|effect| matches!(effect, Effect::Execute(_))),
        "while trust is stale nothing starts"
    );
}

#[test]
fn outputs_are_held_once_and_a_second_run_is_nobodys() {
    let mut shell = Shell::new();
    let submission = shell.submit("one");
    let (run, _) = shell.hold(&submission);
    let before = shell.records.len();
    let (second, _) = shell.hold(&submission);
    assert_ne!(run, second);
    assert_eq!(shell.records.len(), before);
    assert!(!shell.node.known().contains(&second));
}

#[test]
fn what_is_said_before_the_submission_arrives_is_not_lost() {
    let mut shell = Shell::new();
    let submission = shell.submit("one");
    let said: Vec<Vec<u8>> = shell
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Statement { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
        .collect();
    let mut hub = Node::new(shell.world.network, None);
    let order = said
        .iter()
        .filter(|bytes| StatementId::of(bytes) != submission.id())
        .chain([&submission.bytes().to_vec()])
        .cloned()
        .collect::<Vec<_>>();
    for bytes in order {
        feed(&mut hub, &bytes, NOW);
    }
    let word = hub.tasks()[&submission.id()].phases()["north"].payload().phase;
    assert_eq!(word, Phase::Running);
}

#[test]
fn the_same_statement_twice_is_one() {
    let mut shell = Shell::new();
    let submission = shell.submit("one");
    let before = shell.records.len();
    let step = feed(&mut shell.node, submission.bytes(), NOW);
    assert_eq!((step.records.len(), step.effects.len()), (0, 0));
    assert_eq!(shell.records.len(), before);
    assert!(matches!(
        crate::ingress::receive(submission.bytes(), shell.node.roster(), NOW),
        Ok(Statement::Submission(_))
    ));
}

#[test]
fn a_private_comment_that_comes_before_its_task_stays_here() {
    let mut shell = Shell::new();
    let submission = shell.world.submit(&World::task("ruth"), "ruth");
    let said = Comment {
        task: submission.id(),
        tre: "north".to_owned(),
        output: None,
        text: "one small hospital?".to_owned(),
        to: Readers::Reviewers,
        question: false,
        answers: None,
    };
    let comment = shell.world.say(&said, "olga", NOW);
    shell.say(comment.bytes());
    assert!(!shell.told.contains(&comment.id()) && !shell.node.may_share(&comment.id()));
    shell.say(submission.bytes());
    assert_eq!(shell.node.tasks()[&submission.id()].comments().len(), 1);
    assert!(!shell.told.contains(&comment.id()) && !shell.node.may_share(&comment.id()));
}

/// The effect may be performed twice, and two signatures are two statements.
#[test]
fn a_checkpoint_that_is_signed_twice_is_no_fork() {
    let mut shell = Shell::new();
    let submission = shell.submit("one");
    let (_, yes) = shell.hold(&submission);
    for by in ["olga", "otto"] {
        let said = shell.world.attest(&yes, by);
        shell.say(said.bytes());
    }
    let head = shell.node.checkpoint().unwrap().clone();
    let again = shell.world.say(head.payload(), "north", NOW);
    assert_ne!(again.id(), head.id());
    let before = shell.records.len();
    shell.say(again.bytes());
    assert!(shell.node.behind().is_none());
    assert_eq!((shell.records.len(), shell.told.contains(&again.id())), (before, false));
}

/// Signing takes a moment, in which a node can learn that it was restored from a backup.
#[test]
fn a_checkpoint_that_was_asked_for_before_a_loss_was_known_is_no_fork() {
    let mut shell = Shell::new();
    let submission = shell.submit("one");
    let (_, yes) = shell.hold(&submission);
    let backup = shell.records.clone();
    let said: Vec<_> = ["olga", "otto"].map(|by| shell.world.attest(&yes, by)).to_vec();
    said.iter().for_each(|said| shell.say(said.bytes()));
    let lost = shell.node.checkpoint().unwrap().clone();

    let mut node = Node::replay(shell.world.network, Some(World::tre("north")), backup).unwrap();
    node.resume(NOW);
    node.handle(Input::CaughtUp, NOW);
    let steps = said.iter().rev().map(|said| feed(&mut node, said.bytes(), NOW)).collect::<Vec<_>>();
    let asked = steps.into_iter().flat_map(|step| step.effects).find_map(|effect| match effect {
        Effect::Checkpoint(checkpoint) => Some(checkpoint),
        _ => None,
    });
    let signed = shell.world.say(asked.unwrap().as_ref(), "north", NOW);
    feed(&mut node, lost.bytes(), NOW);
    assert_eq!(node.behind().map(Verified::id), Some(lost.id()));
    let step = feed(&mut node, signed.bytes(), NOW);
    assert_eq!((step.records.len(), node.known().contains(&signed.id())), (0, false));
    assert!(!step.effects.iter().any(|effect| matches!(effect, Effect::Tell(bytes) if bytes == signed.bytes())));
}
