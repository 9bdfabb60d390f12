//! Standing approvals: what leaves without a person, and everything that must wait for one.

use super::party::{Party, federation, hold, submit, talk};
use super::world::{NOW, START, World};
use crate::ingress::{Statement, Verified};
use crate::lifecycle::Phase;
use crate::node::Input;
use crate::record::attestation::{Attestation, ReportSummary};
use crate::record::grant::Role;
use crate::record::payload::DAY;
use crate::record::project::{Egress, Project};
use crate::record::run::Run;
use crate::record::standing_approval::StandingApproval;
use crate::record::submission::{Submission, TaskId};
use crate::safes::outputs::Held;
use crate::tre::{Case, Outcome, Release, Standing, decide, digest_of};
use crate::wire::id::{Digest, StatementId};
use std::collections::BTreeMap;

/// A task of `ruth` that is held at `north`, where two owners must approve, and every rule passes on the host's own evidence.
struct Desk {
    world: World,
    submission: Verified<Submission>,
    held: Held,
    run: Verified<Run>,
    said: Vec<Verified<Attestation>>,
    approvals: Vec<Verified<StandingApproval>>,
    used: BTreeMap<Digest, u64>,
    passes: bool,
    checks: ReportSummary,
}

fn approval(checks: &ReportSummary, project: &Project) -> StandingApproval {
    StandingApproval {
        name: "monthly-counts".to_owned(),
        tre: "north".to_owned(),
        project: "study".to_owned(),
        policy: digest_of(project),
        component: Digest::of(b"component"),
        rules: checks.rules.clone(),
        checker: checks.checker,
        per_day: 2,
    }
}

fn sign(world: &mut World, approval: &StandingApproval, by: &str) -> Verified<StandingApproval> {
    match world.say(approval, by, NOW) {
        Statement::StandingApproval(one) => one,
        _ => panic!("a standing approval"),
    }
}

impl Desk {
    fn of(mut world: World) -> Self {
        let submission = world.submit(&World::task("ruth"), "ruth");
        let (held, run) = world.hold(&submission);
        let checks = held.checks();
        let (said, approvals, used) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { world, submission, held, run, said, approvals, used, passes: true, checks }
    }

    fn new() -> Self {
        Self::of(World::new())
    }

    fn draft(&self) -> StandingApproval {
        approval(&self.checks, &World::project(1))
    }

    fn sign(&mut self, approval: &StandingApproval, by: &[&str]) -> Vec<StatementId> {
        let signed = by.iter().map(|person| sign(&mut self.world, approval, person)).collect::<Vec<_>>();
        let ids = signed.iter().map(Verified::id).collect();
        self.approvals.extend(signed);
        ids
    }

    fn decide(&self, now: u64) -> Option<Release> {
        let case = Case {
            submission: &self.submission,
            run: &self.run,
            outputs: &self.held.names(),
            attestations: &self.said,
            checks: &self.checks,
            standing: Some(Standing { approvals: &self.approvals, passes: self.passes, used: &self.used }),
            data_owners: Some(&World::tre("north").data_owners),
            roster: &self.world.roster,
            now,
        };
        match decide(&case) {
            Ok(Outcome::Release(release)) => Some(release),
            _ => None,
        }
    }

    /// Whether it leaves when `by` have signed a standing approval that was changed so.
    fn leaves(by: &[&str], change: impl FnOnce(&mut StandingApproval)) -> bool {
        let mut desk = Self::new();
        let mut approval = desk.draft();
        change(&mut approval);
        desk.sign(&approval, by);
        desk.decide(NOW).is_some()
    }
}

const OWNERS: [&str; 2] = ["olga", "otto"];

#[test]
fn two_owners_let_a_component_go_and_the_release_says_by_which_approval() {
    let mut desk = Desk::new();
    assert!(desk.decide(NOW).is_none());
    let draft = desk.draft();
    let mut ids = desk.sign(&draft, &OWNERS);
    ids.sort_unstable();
    let release = desk.decide(NOW).unwrap();
    assert_eq!(release.outputs(), &desk.held.names());
    let said = release.statement(super::world::nowhere(), Digest::of(b"ciphertext"), super::world::SEALED);
    assert_eq!((said.standing, said.attestations), (ids, Vec::new()));
    assert_eq!(said.checks, desk.checks);
}

#[test]
fn what_is_not_exactly_covered_waits() {
    assert!(Desk::leaves(&OWNERS, |_| {}), "the one that covers");
    assert!(!Desk::leaves(&OWNERS, |one| one.tre = "south".to_owned()), "another TRE");
    assert!(!Desk::leaves(&OWNERS, |one| one.project = "other".to_owned()), "another project");
    assert!(!Desk::leaves(&OWNERS, |one| one.policy = digest_of(&World::project(2))), "another version of the project");
    assert!(!Desk::leaves(&OWNERS, |one| one.component = Digest::of(b"other")), "another component");
    assert!(!Desk::leaves(&OWNERS, |one| one.rules = "0".to_owned()), "other rules");
    assert!(!Desk::leaves(&OWNERS, |one| one.checker = Digest::of(b"other")), "another checker");
}

#[test]
fn only_distinct_owners_of_the_tre_count_and_never_the_submitter() {
    assert!(!Desk::leaves(&["olga"], |_| {}), "one of two");
    assert!(!Desk::leaves(&["olga", "olga"], |_| {}), "one person twice");
    assert!(!Desk::leaves(&["olga", "oda"], |_| {}), "the owner of another TRE");
    assert!(!Desk::leaves(&["olga", "carl"], |_| {}), "a checker");
    assert!(!Desk::leaves(&["olga", "rex", "root-a", "root-b"], |_| {}), "researchers and root persons");
    assert!(!Desk::leaves(&["olga", "ruth"], |_| {}), "the submitter, whom the configuration names an owner");
    let mut world = World::new();
    world.grant("ruth", Role::DataOwner, None, Some("north"), "root-a");
    let mut desk = Desk::of(world);
    let draft = desk.draft();
    desk.sign(&draft, &["olga", "ruth"]);
    assert!(desk.decide(NOW).is_none(), "the submitter, who is an owner");
    desk.sign(&draft, &["otto"]);
    assert!(desk.decide(NOW).is_some());
}

/// Checkers may count for what they looked at; nobody looks here.
#[test]
fn checkers_do_not_count_even_where_they_may_approve_outputs() {
    let mut world = World::new();
    let project = Project { egress: Egress { checkers_count: true, ..World::project(1).egress }, ..World::project(2) };
    world.propose(&project, "olga");
    world.cosign(&project, "otto");
    let mut desk = Desk::of(world);
    let mut draft = desk.draft();
    draft.policy = digest_of(&project);
    desk.sign(&draft, &["olga", "carl"]);
    assert!(desk.decide(NOW).is_none());
    desk.sign(&draft, &["otto"]);
    assert!(desk.decide(NOW).is_some());
}

#[test]
fn whom_the_project_excludes_does_not_count() {
    let mut world = World::new();
    let excluded = Egress { excluded: vec!["otto".to_owned()], ..World::project(1).egress };
    let project = Project { egress: excluded, ..World::project(2) };
    world.propose(&project, "olga");
    world.cosign(&project, "otto");
    let mut desk = Desk::of(world);
    let mut draft = desk.draft();
    draft.policy = digest_of(&project);
    desk.sign(&draft, &OWNERS);
    assert!(desk.decide(NOW).is_none());
}

#[test]
fn two_payloads_with_one_signature_each_are_none() {
    let mut desk = Desk::new();
    let draft = desk.draft();
    desk.sign(&draft, &["olga"]);
    desk.sign(&StandingApproval { per_day: 3, ..draft }, &["otto"]);
    assert!(desk.decide(NOW).is_none());
}

#[test]
fn opaque_outputs_and_any_finding_wait() {
    let mut desk = Desk::new();
    let draft = desk.draft();
    desk.sign(&draft, &OWNERS);
    desk.passes = false;
    assert!(desk.decide(NOW).is_none());
}

#[test]
fn it_ends_when_its_time_is_over() {
    let mut desk = Desk::new();
    let draft = desk.draft();
    desk.sign(&draft, &["olga"]);
    let brief = desk.world.sign(&draft, "otto", NOW, 100);
    let Ok(Statement::StandingApproval(brief)) = desk.world.take(brief, NOW) else { panic!("a standing approval") };
    desk.approvals.push(brief);
    assert!(desk.decide(NOW + 99).is_some());
    assert!(desk.decide(NOW + 100).is_none());
}

#[test]
fn the_cap_is_per_day() {
    let mut desk = Desk::new();
    let draft = desk.draft();
    desk.sign(&draft, &OWNERS);
    for (used, leaves) in [(0, true), (1, true), (2, false), (3, false)] {
        desk.used.insert(digest_of(&draft), used);
        assert_eq!(desk.decide(NOW).is_some(), leaves, "{used}");
    }
}

#[test]
fn the_first_owner_who_withdraws_ends_it_and_no_stranger_can() {
    let mut world = World::new();
    world.enrol("otis", crate::record::key_record::HolderKind::Person);
    world.grant("otis", Role::DataOwner, None, Some("north"), "root-a");
    let mut desk = Desk::of(world);
    let draft = desk.draft();
    let ids = desk.sign(&draft, &["olga", "otto", "oda", "rex"]);
    assert!(desk.decide(NOW).is_some());
    for (id, by) in [(ids[2], "oda"), (ids[3], "rex"), (ids[0], "rex"), (ids[0], "oda")] {
        desk.world.revoke(id, by, NOW);
        assert!(desk.decide(NOW).is_some(), "{by}");
    }
    // `otis` is an owner whom the TRE's configuration does not name.
    let stranger = desk.sign(&draft, &["otis"])[0];
    desk.world.revoke(stranger, "otis", NOW);
    assert!(desk.decide(NOW).is_some());
    desk.world.revoke(ids[1], "otto", NOW);
    assert!(desk.decide(NOW).is_none());
    // It does not come back by being signed again, nor by others; another name can.
    desk.sign(&draft, &["otto"]);
    assert!(desk.decide(NOW).is_none());
    desk.sign(&StandingApproval { name: "again".to_owned(), ..draft }, &OWNERS);
    assert!(desk.decide(NOW).is_some());
}

#[test]
fn a_root_person_ends_it_too() {
    let mut desk = Desk::new();
    let draft = desk.draft();
    let ids = desk.sign(&draft, &OWNERS);
    desk.world.revoke(ids[0], "root-c", NOW);
    assert!(desk.decide(NOW).is_none());
}

#[test]
fn three_owners_are_more_than_enough_until_one_of_them_withdraws() {
    let mut desk = Desk::of(World::new());
    desk.world.grant("ruth", Role::DataOwner, None, Some("north"), "root-a");
    let mut task = World::task("rex");
    task.title = "by rex".to_owned();
    desk.world.grant("rex", Role::Researcher, Some("study"), None, "olga");
    desk.submission = desk.world.submit(&task, "rex");
    let (held, run) = desk.world.hold(&desk.submission);
    (desk.held, desk.run) = (held, run);
    let draft = desk.draft();
    let ids = desk.sign(&draft, &["olga", "otto", "ruth"]);
    assert!(desk.decide(NOW).is_some());
    desk.world.revoke(ids[2], "ruth", NOW);
    assert!(desk.decide(NOW).is_none(), "two are left, and it is over all the same");
}

#[test]
fn where_a_person_has_decided_anything_persons_decide() {
    for approve in [true, false] {
        let mut desk = Desk::new();
        let draft = desk.draft();
        desk.sign(&draft, &OWNERS);
        let said = desk.world.attestation(&desk.held, &desk.run, &[("first", approve)]);
        let stranger = desk.world.attest(&said, "rex");
        desk.said.push(stranger);
        assert!(desk.decide(NOW).is_some(), "a stranger's word is none");
        let owner = desk.world.attest(&said, "olga");
        desk.said.push(owner);
        assert!(desk.decide(NOW).is_none(), "approve: {approve}");
    }
}

/// Row 68: a stolen key of one owner, even of one whose signature stands under a real approval already.
#[test]
fn threat_68_a_stolen_owner_key_releases_nothing_alone() {
    let mut desk = Desk::new();
    let draft = desk.draft();
    // It makes approvals of its own, as many as it likes.
    for name in ["a", "b", "c"] {
        desk.sign(&StandingApproval { name: name.to_owned(), per_day: 1_000, ..draft.clone() }, &["otto"]);
    }
    assert!(desk.decide(NOW).is_none());
    // With a second owner's honest signature, the cap of the day is what can be lost, until the key is revoked.
    desk.sign(&draft, &OWNERS);
    assert!(desk.decide(NOW).is_some());
    desk.used.insert(digest_of(&draft), draft.per_day);
    assert!(desk.decide(NOW).is_none());
    desk.used.clear();
    let record = desk.world.key_records["otto"];
    desk.world.revoke(record, "root-b", NOW);
    assert!(desk.decide(NOW).is_none(), "a revoked key stands behind nothing, also not behind what it signed before");
}

/// A task whose outputs are held with every rule passed.
fn clean(world: &mut World, north: &mut Party, hub: &mut Party, title: &str, now: u64) -> TaskId {
    let submission = submit(world, title, north, hub);
    let (held, _) = hold(world, north, &submission);
    north.input(
        world,
        Input::Rechecked { task: submission.id(), checks: changed(&held.checks(), title), passes: true },
        now,
    );
    talk(world, &mut [north, hub], now);
    submission.id()
}

/// What the checks would say of other outputs.
fn changed(checks: &ReportSummary, title: &str) -> ReportSummary {
    ReportSummary { findings: Digest::of(title.as_bytes()), failed: 0, review: 0, ..checks.clone() }
}

/// `north` with a standing approval of two tasks a day.
fn standing() -> (World, Party, Party, StandingApproval, Vec<StatementId>) {
    let (mut world, mut north, mut hub) = federation();
    let checks = ReportSummary {
        rules: crate::disclosure::rules::RULES_VERSION.to_owned(),
        checker: crate::disclosure::rules::checker_digest(),
        findings: Digest::of(b""),
        failed: 0,
        review: 0,
    };
    let draft = approval(&checks, &World::project(1));
    let mut ids = Vec::new();
    for owner in OWNERS {
        let signed = sign(&mut world, &draft, owner);
        ids.push(signed.id());
        north.hear(&mut world, signed.bytes(), NOW);
    }
    talk(&mut world, &mut [&mut north, &mut hub], NOW);
    (world, north, hub, draft, ids)
}

#[test]
fn a_node_releases_without_a_person_up_to_the_cap_and_again_the_next_day() {
    let (mut world, mut north, mut hub, draft, _) = standing();
    let tasks: Vec<TaskId> =
        ["one", "two", "three"].map(|title| clean(&mut world, &mut north, &mut hub, title, NOW)).to_vec();
    let phases = |party: &Party| tasks.iter().map(|task| party.phase(task)).collect::<Vec<_>>();
    assert_eq!(phases(&north), [Phase::Released, Phase::Released, Phase::Held]);
    assert_eq!(north.node.standing_used(NOW), BTreeMap::from([(digest_of(&draft), 2)]));
    // A restart forgets no count.
    let mut again = north.restarted(&mut world, north.records.len(), NOW + 10);
    again.catch_up_with(&mut world, &hub, NOW + 10);
    talk(&mut world, &mut [&mut again, &mut hub], NOW + 10);
    assert_eq!(phases(&again), [Phase::Released, Phase::Released, Phase::Held]);
    // The next day, under a status of that day.
    let tomorrow = (START / DAY + 1) * DAY + 1;
    let status = crate::record::status::Status { epoch: 2, root_version: 1, revocations: Vec::new() };
    let status = world.sign(&status, "root-a", START + DAY / 2, 3 * DAY);
    again.hear(&mut world, &status, tomorrow);
    hub.hear(&mut world, &status, tomorrow);
    again.input(&mut world, Input::Tick, tomorrow);
    talk(&mut world, &mut [&mut again, &mut hub], tomorrow);
    assert_eq!(phases(&again), [Phase::Released; 3]);
    assert_eq!(again.node.standing_used(tomorrow), BTreeMap::from([(digest_of(&draft), 1)]));
    assert_eq!(again.node.standing_used(NOW), BTreeMap::from([(digest_of(&draft), 2)]));
}

/// Custody takes time to open: what is being opened counts, so that ten tasks that are clean at one moment are not ten releases.
#[test]
fn what_is_being_released_counts_before_it_has_left() {
    let (mut world, mut north, mut hub, _, _) = standing();
    north.slow = true;
    for title in ["one", "two", "three", "four"] {
        clean(&mut world, &mut north, &mut hub, title, NOW);
    }
    north.input(&mut world, Input::Tick, NOW + 40);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 40);
    assert_eq!(north.opened.len(), 2);
    assert_eq!(north.node.standing_used(NOW).values().sum::<u64>(), 2);
}

#[test]
fn a_withdrawal_works_at_once_also_while_custody_is_being_opened() {
    let (mut world, mut north, mut hub, _, ids) = standing();
    let first = clean(&mut world, &mut north, &mut hub, "one", NOW);
    assert_eq!(north.phase(&first), Phase::Released);
    north.slow = true;
    let second = clean(&mut world, &mut north, &mut hub, "two", NOW);
    assert_eq!(north.opened, [first, second]);
    assert_eq!(north.node.standing_used(NOW).values().sum::<u64>(), 2);
    world.revoke(ids[1], "otto", NOW);
    let revocation = world.statements.last().unwrap().clone();
    north.hear(&mut world, &revocation, NOW);
    assert_eq!(north.node.standing_used(NOW).values().sum::<u64>(), 1, "what was being opened is given up");
    let third = clean(&mut world, &mut north, &mut hub, "three", NOW);
    assert_eq!((north.phase(&second), north.phase(&third), north.opened.len()), (Phase::Held, Phase::Held, 2));
}

#[test]
fn an_opaque_output_waits_for_a_person_at_the_node() {
    let (mut world, mut north, mut hub, _, _) = standing();
    let submission = submit(&mut world, "one", &mut north, &mut hub);
    hold(&mut world, &mut north, &submission);
    talk(&mut world, &mut [&mut north, &mut hub], NOW);
    assert_eq!((north.phase(&submission.id()), north.opened.len()), (Phase::Held, 0));
}

/// Old approvals make room for new ones, and nobody can fill the room of an owner.
#[test]
fn the_room_for_approvals_is_never_full_for_an_owner() {
    let (mut world, mut north, _, draft, _) = standing();
    for number in 0..260 {
        let one = StandingApproval { name: format!("n{number}"), ..draft.clone() };
        for by in ["rex", "olga"] {
            let bytes = world.sign(&one, by, NOW, 100);
            north.hear(&mut world, &bytes, NOW);
        }
    }
    let last = StandingApproval { name: "last".to_owned(), component: Digest::of(b"other"), ..draft };
    let mut hub = Party::new(&mut world, "hub", None);
    for owner in OWNERS {
        let bytes = world.sign(&last, owner, NOW + 200, DAY);
        north.hear(&mut world, &bytes, NOW + 200);
    }
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 200);
    assert!(north.node.known().len() > 500);
    assert_eq!(north.node.standing().filter(|one| one.payload().name == "last").count(), 2);
}
