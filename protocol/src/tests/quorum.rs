//! Who counts and who does not: each way in which an approval is worth nothing, and what one no is worth.

use super::world::{NOW, START, World, nowhere, other_commitment, other_task, recipient};
use crate::ingress::Verified;
use crate::record::attestation::{Attestation, Decision};
use crate::record::grant::Role;
use crate::record::key_record::HolderKind;
use crate::record::run::Run;
use crate::record::submission::Submission;
use crate::safes::outputs::Held;
use crate::tre::{Blocked, Case, Outcome, decide};
use crate::wire::id::StatementId;
use std::collections::BTreeMap;

/// A task of `ruth` that is held at `north`, where two persons must approve.
struct Review {
    world: World,
    submission: Verified<Submission>,
    held: Held,
    run: Verified<Run>,
    said: Vec<Verified<Attestation>>,
}

const YES: [(&str, bool); 2] = [("first", true), ("second", true)];

impl Review {
    fn of(mut world: World) -> Self {
        let submission = world.submit(&World::task("ruth"), "ruth");
        let (held, run) = world.hold(&submission);
        Self { world, submission, held, run, said: Vec::new() }
    }

    fn new() -> Self {
        Self::of(World::new())
    }

    fn draft(&self, decisions: &[(&str, bool)]) -> Attestation {
        self.world.attestation(&self.held, &self.run, decisions)
    }

    fn say(&mut self, attestation: &Attestation, by: &str) -> StatementId {
        let said = self.world.attest(attestation, by);
        let id = said.id();
        self.said.push(said);
        id
    }

    fn decide(&self, now: u64) -> Result<Outcome, Blocked> {
        decide(&Case {
            submission: &self.submission,
            run: &self.run,
            outputs: &self.held.names(),
            attestations: &self.said,
            checks: &self.held.checks(),
            standing: None,
            data_owners: Some(&World::tre("north").data_owners),
            roster: &self.world.roster,
            now,
        })
    }

    /// How many approvals the first output lacks.
    fn missing(&self) -> u64 {
        match self.decide(NOW) {
            Ok(Outcome::Open { missing }) => missing["first"],
            Ok(Outcome::Release(_)) => 0,
            other => panic!("neither open nor released: {other:?}"),
        }
    }

    /// One approval of `olga`, and this one.
    fn with_second(by: &str, change: impl FnOnce(&mut Attestation)) -> u64 {
        let mut review = Self::new();
        let yes = review.draft(&YES);
        review.say(&yes, "olga");
        assert_eq!(review.missing(), 1);
        let mut second = yes;
        change(&mut second);
        review.say(&second, by);
        review.missing()
    }
}

#[test]
fn two_owners_release_exactly_what_they_approved() {
    let mut review = Review::new();
    assert_eq!(review.missing(), 2);
    let yes = review.draft(&YES);
    let ids = [review.say(&yes, "olga"), review.say(&yes, "otto")];
    let Ok(Outcome::Release(release)) = review.decide(NOW) else { panic!("a release") };
    assert_eq!(release.outputs(), &review.held.names());
    assert_eq!(release.commitment(), review.held.commitment());
    assert_eq!(release.recipient(), recipient("ruth"));
    let statement = release.statement(nowhere(), crate::wire::id::Digest::of(b"ciphertext"), super::world::SEALED);
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    assert_eq!(statement.attestations, sorted);
    assert!(release.allows(&statement));
    type Change = fn(&mut crate::record::release::Release);
    let changes: [Change; 9] = [
        |said| said.outputs.truncate(1),
        |said| said.recipient = recipient("rex"),
        |said| said.commitment = other_commitment(),
        |said| said.attestations.truncate(1),
        |said| said.task = other_task(),
        |said| said.tre = "south".to_owned(),
        |said| said.run = other_task(),
        |said| said.project = other_task(),
        |said| said.status = other_task(),
    ];
    for change in changes {
        let mut changed = statement.clone();
        change(&mut changed);
        assert!(!release.allows(&changed), "{changed:?}");
    }
}

/// The matrix: one owner has approved; each of these second approvals adds nothing.
#[test]
fn each_of_these_approvals_counts_for_nothing() {
    assert_eq!(Review::with_second("otto", |_| {}), 0, "the one that counts");
    assert_eq!(Review::with_second("olga", |_| {}), 1, "the same person again");
    assert_eq!(Review::with_second("ruth", |_| {}), 1, "the submitter, whom the configuration names an owner");
    assert_eq!(Review::with_second("oda", |_| {}), 1, "the owner of another TRE");
    assert_eq!(Review::with_second("carl", |_| {}), 1, "a checker, where checkers do not count");
    assert_eq!(Review::with_second("rex", |_| {}), 1, "a researcher");
    assert_eq!(Review::with_second("root-b", |_| {}), 1, "a root person");
    assert_eq!(Review::with_second("otto", |said| said.commitment = other_commitment()), 1, "other bytes");
    assert_eq!(Review::with_second("otto", |said| said.run = other_task()), 1, "another run");
    assert_eq!(Review::with_second("otto", |said| said.task = other_task()), 1, "another task");
    assert_eq!(Review::with_second("otto", |said| said.tre = "south".to_owned()), 1, "another TRE");
    assert_eq!(Review::with_second("otto", |said| said.project = other_task()), 1, "another policy");
    let more = |said: &mut Attestation| {
        said.decisions.insert("third".to_owned(), Decision { approve: true, reason: String::new() });
    };
    assert_eq!(Review::with_second("otto", more), 1, "an output that nobody holds");
    let only_second = |said: &mut Attestation| {
        said.decisions.remove("first");
    };
    assert_eq!(Review::with_second("otto", only_second), 1, "a decision on another output");
}

#[test]
fn two_keys_of_one_person_are_one_person() {
    let mut world = World::new();
    let mut record = World::record("olga", HolderKind::Person);
    record.key = keys::signer::Signer::public(&super::world::key("olga's laptop"));
    record.peer = None;
    let stamp = |nonce| crate::record::stamp::Stamp {
        network: world.network,
        issuer: "olga".to_owned(),
        issued: START,
        lifetime: 1_000,
        nonce: [nonce; 16],
        place: None,
    };
    let own = crate::record::stamp::sign(&record, &stamp(1), &super::world::key("olga's laptop")).unwrap();
    world.take(own, START).unwrap();
    world.say(&record, "root-a", START);
    let mut review = Review::of(world);
    let yes = review.draft(&YES);
    review.say(&yes, "olga");
    let stamp = crate::record::stamp::Stamp {
        network: review.world.network,
        issuer: "olga".to_owned(),
        issued: NOW,
        lifetime: 1_000,
        nonce: [2; 16],
        place: None,
    };
    let laptop = crate::record::stamp::sign(&yes, &stamp, &super::world::key("olga's laptop")).unwrap();
    let Ok(crate::ingress::Statement::Attestation(second)) = review.world.take(laptop, NOW) else {
        panic!("an attestation")
    };
    assert_eq!(second.signer().name, "olga");
    review.said.push(second);
    assert_eq!(review.missing(), 1);
}

#[test]
fn who_is_excluded_does_not_count_and_a_checker_counts_where_the_policy_says_so() {
    let mut world = World::new();
    let mut project = World::project(2);
    project.egress.excluded = vec!["otto".to_owned()];
    project.egress.checkers_count = true;
    world.propose(&project, "olga");
    world.cosign(&project, "otto");
    let mut review = Review::of(world);
    let yes = review.draft(&YES);
    review.say(&yes, "olga");
    review.say(&yes, "otto");
    assert_eq!(review.missing(), 1, "otto is excluded");
    review.say(&yes, "carl");
    assert_eq!(review.missing(), 0);
}

#[test]
fn an_owner_needs_both_the_grant_and_the_configuration() {
    let mut world = World::new();
    world.grant("rex", Role::DataOwner, None, Some("north"), "root-b");
    let mut review = Review::of(world);
    let yes = review.draft(&YES);
    review.say(&yes, "olga");
    review.say(&yes, "rex");
    assert_eq!(review.missing(), 1, "the grant alone is not enough at the TRE");
}

#[test]
fn an_approval_of_an_earlier_version_of_the_project_does_not_count_and_a_rejection_does() {
    let mut review = Review::new();
    let yes = review.draft(&YES);
    review.say(&yes, "olga");
    let mut mixed = yes.clone();
    mixed.decisions.insert("second".to_owned(), Decision { approve: false, reason: String::new() });
    review.say(&mixed, "otto");
    review.world.propose(&World::project(2), "olga");
    review.world.cosign(&World::project(2), "otto");
    let Ok(Outcome::Open { missing }) = review.decide(NOW) else { panic!("open") };
    assert_eq!(missing, BTreeMap::from([("first".to_owned(), 2), ("second".to_owned(), 0)]));
    let mut first = review.draft(&YES);
    first.decisions.remove("second");
    review.say(&first, "olga");
    review.say(&first, "otto");
    let Ok(Outcome::Release(release)) = review.decide(NOW) else { panic!("a release") };
    assert_eq!(release.outputs().iter().collect::<Vec<_>>(), ["first"], "the no under version 1 still stands");
}

#[test]
fn one_no_is_enough_and_only_its_own_person_can_take_it_back() {
    let mut review = Review::new();
    let (yes, no) = (review.draft(&YES), review.draft(&[("first", false), ("second", true)]));
    review.say(&yes, "olga");
    let rejected = review.say(&no, "otto");
    let conflict = BTreeMap::from([("first".to_owned(), 1), ("second".to_owned(), 0)]);
    let conflict = Ok(Outcome::Open { missing: conflict });
    assert_eq!(review.decide(NOW), conflict, "two persons disagree, and nothing leaves");

    let mut by_another = yes.clone();
    by_another.supersedes = Some(rejected);
    review.say(&by_another, "olga");
    assert_eq!(review.decide(NOW), conflict, "nobody takes back another person's no");

    review.say(&yes, "otto");
    assert_eq!(review.decide(NOW), conflict, "a yes beside the no is not a yes instead of it");

    let mut instead = yes;
    instead.supersedes = Some(rejected);
    review.say(&instead, "otto");
    let Ok(Outcome::Release(release)) = review.decide(NOW) else { panic!("a release") };
    assert_eq!(release.outputs().len(), 2);
}

#[test]
fn a_no_that_nobody_contradicts_leaves_the_rest_to_be_released() {
    let mut review = Review::new();
    let mut some = review.draft(&YES);
    some.decisions.remove("first");
    review.say(&some, "olga");
    let no = review.draft(&[("first", false), ("second", true)]);
    review.say(&no, "otto");
    let Ok(Outcome::Release(release)) = review.decide(NOW) else { panic!("a release") };
    assert_eq!(release.outputs().iter().collect::<Vec<_>>(), ["second"]);
}

#[test]
fn what_was_superseded_or_withdrawn_counts_no_more() {
    let mut review = Review::new();
    let yes = review.draft(&YES);
    let olgas = review.say(&yes, "olga");
    let first = review.say(&yes, "otto");
    assert_eq!(review.missing(), 0);
    let mut no = review.draft(&[("first", false), ("second", false)]);
    no.supersedes = Some(first);
    review.say(&no, "otto");
    assert_eq!(review.missing(), 1, "they disagree");
    let mut withdrawn = review.draft(&[]);
    withdrawn.supersedes = Some(olgas);
    review.say(&withdrawn, "olga");
    assert_eq!(review.decide(NOW), Ok(Outcome::Withhold));
}

/// What another release has revealed since is a new doubt.
#[test]
fn an_approval_of_other_findings_counts_for_nothing_and_a_rejection_does() {
    let mut review = Review::new();
    let mut yes = review.draft(&YES);
    review.say(&yes, "olga");
    yes.report.findings = crate::wire::id::Digest::of(b"other findings");
    review.say(&yes, "otto");
    assert_eq!(review.missing(), 1);
    let mut no = yes.clone();
    no.decisions.values_mut().for_each(|decision| decision.approve = false);
    review.say(&no, "otto");
    assert_eq!(
        review.decide(NOW),
        Ok(Outcome::Open { missing: ["first", "second"].map(|name| (name.to_owned(), 1)).into() })
    );
}

#[test]
fn an_attestation_counts_until_it_expires() {
    let mut review = Review::new();
    let yes = review.draft(&YES);
    review.say(&yes, "olga");
    let brief = review.world.sign(&yes, "otto", NOW, 10);
    let Ok(crate::ingress::Statement::Attestation(brief)) = review.world.take(brief, NOW) else {
        panic!("an attestation")
    };
    review.said.push(brief);
    assert!(matches!(review.decide(NOW + 9), Ok(Outcome::Release(_))));
    assert!(matches!(review.decide(NOW + 10), Ok(Outcome::Open { .. })));
}

#[test]
fn nothing_is_decided_while_trust_is_stale_or_the_project_is_gone() {
    let mut review = Review::new();
    let yes = review.draft(&YES);
    review.say(&yes, "olga");
    review.say(&yes, "otto");
    assert!(matches!(review.decide(START + 86_400), Err(Blocked::Stale(_))));
    let grants = ["olga", "otto"].map(|owner| review.world.grants[owner]);
    for grant in grants {
        review.world.revoke(grant, "root-b", NOW);
    }
    assert_eq!(review.decide(NOW), Err(Blocked::ProjectGone));
}

#[test]
fn nobody_fills_the_room_of_the_owners() {
    let mut review = Review::new();
    let (mut node, _) = review.world.node(Some(World::tre("north")));
    let yes = review.draft(&YES);
    for _ in 0..300 {
        let bytes = review.world.sign(&yes, "rex", NOW, 1_000);
        super::world::feed(&mut node, &bytes, NOW);
    }
    let by_owner = review.world.sign(&yes, "olga", NOW, 1_000);
    super::world::feed(&mut node, &by_owner, NOW);
    let kept = node.tasks()[&review.submission.id()].attestations();
    assert!(kept.iter().any(|said| said.signer().name == "olga"), "{} are kept", kept.len());
    assert!(kept.len() < 50);
}
