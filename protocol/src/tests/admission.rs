//! Each way in which the Safes say no, reached; and the one in which they say yes.

use super::world::{NOW, START, World, feed, recipient};
use crate::lifecycle::Phase;
use crate::node::{Input, Node};
use crate::record::payload::DAY;
use crate::record::submission::Submission;
use crate::safes::admission::{ComponentFacts, Question, admit};
use crate::safes::{Admission, Refusal, Tre};
use crate::wire::id::Digest;
use std::collections::BTreeSet;

/// Everything that an answer depends on.
struct Asked {
    world: World,
    task: Submission,
    by: &'static str,
    lifetime: u64,
    tre: Tre,
    replayed: bool,
    open_tasks: usize,
    facts: Option<ComponentFacts>,
    now: u64,
}

impl Asked {
    /// What is admitted.
    fn well() -> Self {
        Self {
            world: World::new(),
            task: World::task("ruth"),
            by: "ruth",
            lifetime: DAY,
            tre: World::tre("north"),
            replayed: false,
            open_tasks: 3,
            facts: Some(ComponentFacts::Usable),
            now: NOW,
        }
    }

    fn answer(mut self) -> Result<Option<Admission>, Refusal> {
        let submission = self.world.submit_for(&self.task, self.by, self.lifetime);
        admit(&Question {
            submission: &submission,
            roster: &self.world.roster,
            tre: &self.tre,
            replayed: self.replayed,
            open_tasks: self.open_tasks,
            component: self.facts.as_ref(),
            now: self.now,
        })
    }
}

#[test]
fn what_every_safe_allows_is_admitted_with_the_project_that_counts_here() {
    let asked = Asked::well();
    let project = asked.world.projects["olga"];
    let admission = asked.answer().unwrap().unwrap();
    assert_eq!((admission.tre(), admission.submitter()), ("north", "ruth"));
    assert_eq!(admission.project_statement(), project);
}

#[test]
fn while_the_component_is_on_its_way_the_answer_is_not_yet() {
    assert_eq!(Asked { facts: None, ..Asked::well() }.answer(), Ok(None));
}

/// One change for each refusal, and every refusal has one.
#[test]
fn each_refusal_is_reached_by_one_change() {
    type Change = fn(&mut Asked);
    let changes: [(Refusal, Change); 21] = [
        (Refusal::NotConfigured, |asked| asked.tre.datasets.clear()),
        (Refusal::NotConfigured, |asked| asked.tre.data_owners.clear()),
        (Refusal::Expired, |asked| {
            asked.lifetime = 20;
            asked.now = START + 70;
        }),
        (Refusal::Replayed, |asked| asked.replayed = true),
        (Refusal::StaleStatus, |asked| asked.now = START + DAY),
        (Refusal::StaleStatus, |asked| {
            let unknown = crate::wire::id::StatementId::of(b"a revocation that is not here");
            asked.world.status_naming(2, DAY, vec![unknown]);
        }),
        (Refusal::KeyNotGood, |asked| {
            let record = asked.world.key_records["ruth"];
            asked.world.revoke(record, "root-b", NOW);
        }),
        (Refusal::ReplyTo, |asked| asked.task.reply_to = recipient("rex")),
        (Refusal::ProjectNotSigned, |asked| asked.task.project = "other".to_owned()),
        (Refusal::ProjectNotSigned, |asked| {
            let grant = asked.world.grants["olga"];
            asked.world.revoke(grant, "root-a", NOW);
        }),
        (Refusal::ProjectNotHere, |asked| {
            let mut project = World::project(2);
            project.tres = vec!["south".to_owned()];
            asked.world.propose(&project, "olga");
            asked.world.cosign(&project, "otto");
        }),
        (Refusal::NotOnProject, |asked| {
            asked.by = "rex";
            asked.task.reply_to = recipient("rex");
        }),
        (Refusal::NotOnProject, |asked| {
            let grant = asked.world.grants["ruth"];
            asked.world.revoke(grant, "olga", NOW);
        }),
        (Refusal::DatasetNotGranted, |asked| asked.task.datasets = vec!["elsewhere".to_owned()]),
        (Refusal::DatasetNotGranted, |asked| asked.tre.datasets = BTreeSet::from(["other".to_owned()])),
        (Refusal::ComponentNotAllowed, |asked| asked.task.component = Digest::of(b"another")),
        (Refusal::ComponentUnavailable, |asked| asked.facts = Some(ComponentFacts::Unavailable)),
        (Refusal::ComponentUnusable, |asked| asked.facts = Some(ComponentFacts::Unusable(String::new()))),
        (Refusal::ComponentUnusable, |asked| asked.task.component_bytes = 1_001),
        (Refusal::Busy, |asked| asked.open_tasks = 4),
        (Refusal::Busy, |asked| {
            asked.open_tasks = 4;
            asked.facts = None;
        }),
    ];
    for (number, (refusal, change)) in changes.iter().enumerate() {
        let mut asked = Asked::well();
        change(&mut asked);
        assert_eq!(asked.answer(), Err(*refusal), "change {number}");
    }
    let reached: BTreeSet<Refusal> = changes.into_iter().map(|(refusal, _)| refusal).collect();
    assert_eq!(reached, BTreeSet::from(Refusal::ALL));
}

fn ready(world: &World) -> Node {
    let (mut node, _) = world.node(Some(World::tre("north")));
    node.handle(Input::Component { digest: Digest::of(b"component"), facts: ComponentFacts::Usable }, NOW);
    node
}

#[test]
fn a_node_refuses_a_nonce_that_it_has_seen() {
    let mut world = World::new();
    let mut node = ready(&world);
    let mut task = World::task("ruth");
    let stamp = |world: &World| crate::record::stamp::Stamp {
        network: world.network,
        issuer: "ruth".to_owned(),
        issued: START + 50,
        lifetime: DAY,
        nonce: [9; 16],
        place: None,
    };
    let key = super::world::key("ruth");
    let first = crate::record::stamp::sign(&task, &stamp(&world), &key).unwrap();
    task.title = "How many now".to_owned();
    let second = crate::record::stamp::sign(&task, &stamp(&world), &key).unwrap();
    let ids = [first, second].map(|bytes| {
        feed(&mut node, &bytes, NOW);
        world.take(bytes, NOW).unwrap().id()
    });
    let [first, second] = ids.map(|id| node.tasks()[&id].here().unwrap());
    assert_eq!(first.phase(), Phase::Running);
    assert_eq!((second.phase(), second.refusal()), (Phase::Refused, Some(Refusal::Replayed)));
}

#[test]
fn a_node_that_has_as_many_tasks_as_it_takes_is_busy() {
    let mut world = World::new();
    let mut node = ready(&world);
    let mut phases = Vec::new();
    for number in 0..6 {
        let mut task = World::task("ruth");
        task.title = format!("question {number}");
        let submission = world.submit(&task, "ruth");
        feed(&mut node, submission.bytes(), NOW);
        let here = node.tasks()[&submission.id()].here().unwrap();
        phases.push((here.phase(), here.refusal()));
    }
    let busy = (Phase::Refused, Some(Refusal::Busy));
    let waits = (Phase::Admitted, None);
    assert_eq!(phases, [(Phase::Running, None), waits, waits, waits, busy, busy]);
}

#[test]
fn a_node_waits_a_moment_for_what_may_still_be_on_its_way() {
    let mut world = World::new();
    let (mut node, _) = world.node(Some(World::tre("north")));
    node.handle(Input::Component { digest: Digest::of(b"component"), facts: ComponentFacts::Usable }, NOW);
    let mut task = World::task("rex");
    task.reply_to = recipient("rex");
    let submission = world.submit(&task, "rex");
    feed(&mut node, submission.bytes(), NOW);
    let phase = |node: &Node| node.tasks()[&submission.id()].here().unwrap().phase();
    assert_eq!(phase(&node), Phase::Received);
    let late = {
        world.grant("rex", crate::record::grant::Role::Researcher, Some("study"), None, "olga");
        world.statements.last().unwrap().clone()
    };
    feed(&mut node, &late, NOW + 1);
    assert_eq!(phase(&node), Phase::Running);

    let (mut patient, _) = World::new().node(Some(World::tre("north")));
    feed(&mut patient, submission.bytes(), NOW);
    patient.handle(Input::Tick, NOW + 1);
    assert_eq!(phase(&patient), Phase::Received);
    patient.handle(Input::Tick, NOW + 2);
    assert_eq!(phase(&patient), Phase::Refused);
}
