//! Role × project × TRE: who may do what, by whose grant, and how far a grant can be handed on.

use super::world::{NOW, PERSONS, START, World};
use crate::record::grant::{Grant, Role};
use crate::record::payload::DAY;
use crate::record::project::Project;
use crate::trust::authority::Wanted;
use crate::wire::id::StatementId;

const ROLES: [Role; 3] = [Role::Researcher, Role::DataOwner, Role::OutputChecker];

fn other_project() -> Project {
    let mut project = World::project(1);
    project.name = "other".to_owned();
    project.admins = vec!["otto".to_owned()];
    project
}

fn may(world: &World, person: &str, role: Role, project: Option<&Project>, tre: &str, datasets: &[&str]) -> bool {
    let datasets: Vec<String> = datasets.iter().map(|name| (*name).to_owned()).collect();
    world.roster.authority(&Wanted { person, role, project, tre, datasets: &datasets }, NOW).is_some()
}

/// The whole matrix of the small federation: every person, role, project and TRE; only these may.
#[test]
fn the_matrix_is_exactly_this() {
    let mut world = World::new();
    world.propose(&other_project(), "olga");
    let (study, other) = (World::project(1), other_project());
    let allowed = |person: &str, role: Role, project: &str, tre: &str| match role {
        Role::DataOwner => matches!((person, tre), ("olga" | "otto", "north") | ("oda", "south")),
        Role::OutputChecker => (person, tre) == ("carl", "north"),
        Role::Operator => false,
        Role::Researcher => (person, project) == ("ruth", "study"),
    };
    let mut yes = 0;
    for person in PERSONS.into_iter().chain(super::world::ROOTS) {
        for role in ROLES {
            for project in [&study, &other] {
                for tre in ["north", "south"] {
                    let may = may(&world, person, role, Some(project), tre, &["omop"]);
                    assert_eq!(
                        may,
                        allowed(person, role, &project.name, tre),
                        "{person} {role} {} {tre}",
                        project.name
                    );
                    yes += usize::from(may);
                }
            }
        }
    }
    assert_eq!(yes, 6 + 2 + 2);
}

/// Whoever grants what is not theirs to grant has signed a true statement that is worth nothing.
#[test]
fn a_grant_counts_only_from_those_who_may_give_it() {
    let study = World::project(1);
    // (who grants, which role, where, whether it counts at north, and at south)
    let cases = [
        ("root-a", Role::DataOwner, Some("north"), true, false),
        ("root-c", Role::DataOwner, Some("south"), false, true),
        ("olga", Role::DataOwner, Some("north"), false, false),
        ("oda", Role::DataOwner, Some("north"), false, false),
        ("rex", Role::DataOwner, Some("north"), false, false),
        ("root-a", Role::OutputChecker, Some("north"), true, false),
        ("otto", Role::OutputChecker, Some("north"), true, false),
        ("oda", Role::OutputChecker, Some("north"), false, false),
        ("carl", Role::OutputChecker, Some("north"), false, false),
        ("olga", Role::Researcher, None, true, true),
        ("oda", Role::Researcher, None, false, false),
        ("oda", Role::Researcher, Some("south"), false, true),
        ("otto", Role::Researcher, Some("north"), true, false),
        ("otto", Role::Researcher, Some("south"), false, false),
        ("root-a", Role::Researcher, None, false, false),
        ("ruth", Role::Researcher, None, false, false),
        ("carl", Role::Researcher, Some("north"), false, false),
    ];
    for (by, role, tre, north, south) in cases {
        let mut world = World::new();
        let project = (role == Role::Researcher).then_some("study");
        world.grant("rex", role, project, tre, by);
        let at = |tre| may(&world, "rex", role, Some(&study), tre, &["omop"]);
        assert_eq!((at("north"), at("south")), (north, south), "{by} grants {role} at {tre:?}");
    }
}

fn researcher(person: &str, datasets: Option<&[&str]>, may_delegate: bool, parent: Option<StatementId>) -> Grant {
    Grant {
        person: person.to_owned(),
        role: Role::Researcher,
        project: Some("study".to_owned()),
        tre: None,
        datasets: datasets.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        may_delegate,
        parent,
    }
}

#[test]
fn a_child_is_a_subset_of_its_parent_and_three_deep_at_most() {
    let study = World::project(1);
    let mut world = World::new();
    let first = world.say(&researcher("carl", Some(&["omop", "notes"]), true, None), "olga", START).id();
    let second = world.say(&researcher("oda", Some(&["omop"]), true, Some(first)), "carl", START).id();
    let third = world.say(&researcher("rex", Some(&["omop"]), true, Some(second)), "oda", START).id();
    assert!(may(&world, "rex", Role::Researcher, Some(&study), "north", &["omop"]));
    assert!(!may(&world, "rex", Role::Researcher, Some(&study), "north", &["notes"]), "less than the grandparent's");
    world.say(&researcher("otto", Some(&["omop"]), false, Some(third)), "rex", START);
    assert!(!may(&world, "otto", Role::Researcher, Some(&study), "north", &["omop"]), "a fourth link");
    world.say(&researcher("otto", Some(&["omop", "notes"]), false, Some(second)), "oda", START);
    assert!(!may(&world, "otto", Role::Researcher, Some(&study), "north", &["omop"]), "wider than its parent");
    world.say(&researcher("otto", Some(&["omop"]), false, Some(second)), "ruth", START);
    assert!(!may(&world, "otto", Role::Researcher, Some(&study), "north", &["omop"]), "another's to hand on");
    world.say(&researcher("otto", None, false, Some(second)), "oda", START);
    assert!(
        !may(&world, "otto", Role::Researcher, Some(&study), "north", &["omop"]),
        "every dataset is wider than one"
    );
    let ends = world.say(&researcher("olga", Some(&["omop"]), false, Some(first)), "carl", START).id();
    world.say(&researcher("otto", Some(&["omop"]), false, Some(ends)), "olga", START);
    assert!(
        !may(&world, "otto", Role::Researcher, Some(&study), "north", &["omop"]),
        "a parent that may not be handed on"
    );
    world.revoke(first, "olga", NOW);
    for person in ["carl", "oda", "rex"] {
        assert!(
            !may(&world, person, Role::Researcher, Some(&study), "north", &["omop"]),
            "{person}, once the first link is gone"
        );
    }
}

#[test]
fn an_ancestors_issuer_may_revoke_a_child_and_a_stranger_may_not() {
    let study = World::project(1);
    for (by, goes) in
        [("carl", true), ("olga", true), ("root-b", true), ("oda", false), ("rex", false), ("otto", false)]
    {
        let mut world = World::new();
        let first = world.say(&researcher("carl", None, true, None), "olga", START).id();
        let second = world.say(&researcher("rex", None, false, Some(first)), "carl", START).id();
        world.revoke(second, by, NOW);
        assert_eq!(!may(&world, "rex", Role::Researcher, Some(&study), "north", &["omop"]), goes, "{by}");
        assert!(may(&world, "carl", Role::Researcher, Some(&study), "north", &["omop"]));
    }
}

#[test]
fn a_grant_ends_when_it_expires() {
    let mut world = World::new();
    let bytes = world.sign(&researcher("rex", None, false, None), "olga", START, 200);
    world.take(bytes, START).unwrap();
    let project = World::project(1);
    let wanted = Wanted { person: "rex", role: Role::Researcher, project: Some(&project), tre: "north", datasets: &[] };
    assert!(world.roster.authority(&wanted, START - 1).is_none(), "before it begins");
    assert!(world.roster.authority(&wanted, START + 199).is_some());
    assert!(world.roster.authority(&wanted, START + 200).is_none());
}

#[test]
fn a_later_version_needs_as_many_owners_as_the_one_before_asks_for() {
    let mut world = World::new();
    let version =
        |world: &World, tre: &str| world.roster.project_at("study", tre, NOW).map(|chosen| chosen.project.version);
    assert_eq!((version(&world, "north"), version(&world, "south")), (Some(1), Some(1)));
    let mut lower = World::project(2);
    lower.egress.approvals = 1;
    world.propose(&lower, "otto");
    assert_eq!(version(&world, "north"), Some(1), "nobody lowers a quorum of two alone");
    world.propose(&World::project(4), "rex");
    assert_eq!(version(&world, "north"), Some(1), "who owns no data here signs nothing that counts here");
    world.cosign(&lower, "olga");
    assert_eq!((version(&world, "north"), version(&world, "south")), (Some(2), Some(1)));
    world.propose(&World::project(3), "olga");
    assert_eq!(version(&world, "north"), Some(3), "a quorum of one is one person's to change");
    let otto = world.key_records["otto"];
    world.revoke(otto, "root-a", NOW);
    assert_eq!(version(&world, "north"), Some(1), "otto's key is gone, and with it what rested on it");
}

#[test]
fn only_a_root_persons_status_makes_trust_fresh_and_nobody_pushes_it_out() {
    let mut world = World::new();
    for epoch in 100..300 {
        let status = crate::record::status::Status { epoch, root_version: 1, revocations: Vec::new() };
        let bytes = world.sign(&status, "rex", START, DAY);
        world.take(bytes, START).unwrap();
    }
    let fresh = world.roster.fresh_status(NOW).unwrap();
    assert_eq!((fresh.payload().epoch, fresh.signer().name.as_str()), (1, "root-a"));
    for epoch in 2..60 {
        world.status(epoch, DAY);
    }
    assert_eq!(world.roster.fresh_status(NOW).unwrap().payload().epoch, 59);
    world.status(60, 50);
    assert!(
        world.roster.fresh_status(NOW).is_err(),
        "a newer one that has expired is not passed over for an older one"
    );
}
