//! Roots follow each other by the threshold of the old persons and of the new, and a key that is left out counts no more.

use super::world::{NOW, ROOTS, START, World, key};
use crate::ingress::{Statement, receive};
use crate::record::grant::Role;
use crate::record::key_record::HolderKind;
use crate::record::payload::DAY;
use crate::record::root::Root;
use crate::trust::roster::Roster;
use crate::wire::codec;
use crate::wire::id::Digest;
use keys::signer::Signer as _;

fn digest(root: &Root) -> Digest {
    Digest::of(&codec::encode(root).unwrap())
}

fn first() -> Root {
    World::root(1, None, &ROOTS, 2)
}

/// The next root has `root-d` in the place of `root-a`.
fn next() -> Root {
    World::root(2, Some(digest(&first())), &["root-b", "root-c", "root-d"], 2)
}

fn version(world: &World) -> u64 {
    world.roster.root().map_or(0, |root| root.version)
}

/// Which signatures are there, and whether the next root is accepted.
#[test]
fn the_next_root_needs_the_threshold_of_the_old_and_of_the_new() {
    let cases: [(&[&str], u64); 7] = [
        (&["root-b"], 1),
        (&["root-a", "root-d"], 1),
        (&["root-a", "root-b"], 1),
        (&["root-b", "root-d"], 1),
        (&["root-b", "root-c"], 2),
        (&["root-a", "root-b", "root-d"], 2),
        (&["root-d", "root-b", "root-a"], 2),
    ];
    for (signers, expected) in cases {
        let mut world = World::founded();
        for by in signers {
            world.say(&next(), by, START);
        }
        assert_eq!(version(&world), expected, "{signers:?}");
    }
}

#[test]
fn a_root_that_skips_a_version_or_forgets_its_predecessor_is_not_accepted() {
    let mut skips = next();
    skips.version = 3;
    let mut forgets = next();
    forgets.previous = Some(Digest::of(b"another root"));
    let mut alone = World::root(1, None, &["root-d"], 1);
    alone.network = "net".to_owned();
    for root in [skips, forgets] {
        let mut world = World::founded();
        world.say(&root, "root-b", START);
        world.say(&root, "root-c", START);
        assert_eq!(version(&world), 1);
    }
    let mut world = World::founded();
    world.say(&alone, "root-d", START);
    assert_eq!(world.roster.root(), Some(&first()), "another first root founds another federation");
}

#[test]
fn two_keys_of_one_person_are_not_a_threshold() {
    let mut root = first();
    let second = super::world::key("root-a's laptop");
    root.keys.push(crate::record::root::RootKey {
        person: "root-a".to_owned(),
        organisation: "Here".to_owned(),
        key: second.public(),
    });
    let network = crate::wire::id::NetworkId::of(&codec::encode(&root).unwrap());
    let mut roster = Roster::new(network);
    for (number, signer) in [key("root-a"), second].into_iter().enumerate() {
        let stamp = crate::record::stamp::Stamp {
            network,
            issuer: "root-a".to_owned(),
            issued: START,
            lifetime: DAY,
            nonce: [u8::try_from(number).unwrap(); 16],
            place: None,
        };
        let bytes = crate::record::stamp::sign(&root, &stamp, &signer).unwrap();
        roster.take(&receive(&bytes, &roster, START).unwrap());
    }
    assert!(roster.root().is_none());
}

fn rotated() -> World {
    let mut world = World::new();
    for by in ["root-b", "root-c"] {
        world.say(&next(), by, START);
    }
    assert_eq!(version(&world), 2);
    world
}

#[test]
fn a_root_person_who_was_left_out_makes_no_owner_and_no_status() {
    let mut world = rotated();
    assert!(world.roster.fresh_status(NOW).is_err(), "the status was for the root before");
    world.status(2, DAY);
    assert!(world.roster.fresh_status(NOW).is_err(), "root-a signed it");
    let status = crate::record::status::Status { epoch: 3, root_version: 2, revocations: Vec::new() };
    let bytes = world.sign(&status, "root-d", START, DAY);
    world.take(bytes, START).unwrap();
    assert!(world.roster.fresh_status(NOW).is_ok());
    world.grant("rex", Role::DataOwner, None, Some("north"), "root-a");
    assert!(!world.roster.is_data_owner("rex", "north", NOW));
    world.grant("rex", Role::DataOwner, None, Some("north"), "root-b");
    world.say(&World::record("rex", HolderKind::Person), "root-d", START);
    assert!(world.roster.is_data_owner("rex", "north", NOW));
}

#[test]
fn what_only_the_left_out_key_enrolled_counts_again_once_a_present_one_signs_it() {
    let mut world = rotated();
    let ruth = key("ruth").public().id();
    assert!(!world.roster.is_key_good(&ruth, NOW), "root-a alone had enrolled her");
    world.say(&World::record("ruth", HolderKind::Person), "root-d", START);
    assert!(world.roster.is_key_good(&ruth, NOW));
    assert!(!world.roster.is_key_good(&key("root-a").public().id(), NOW));
    let new = World::record("mallory", HolderKind::Person);
    world.say(&new, "mallory", START);
    world.say(&new, "root-a", START);
    assert!(!world.roster.is_key_good(&key("mallory").public().id(), NOW), "root-a enrols nobody any more");
}

/// A person who stays gets a new key; the old one, which may have been stolen, speaks for nobody.
#[test]
fn a_root_persons_old_key_has_no_power_after_the_person_got_a_new_one() {
    let mut world = World::new();
    let mut root = World::root(2, Some(digest(&first())), &ROOTS, 2);
    root.keys[0].key = key("root-a's new key").public();
    for by in ["root-b", "root-c"] {
        world.say(&root, by, START);
    }
    assert!(world.roster.is_root_person("root-a"));
    world.status(2, DAY);
    assert!(world.roster.fresh_status(NOW).is_err(), "the old key signed it");
    let grants = world.roster.is_data_owner("olga", "north", NOW);
    assert!(!grants, "the old key granted it");
}

#[test]
fn what_a_former_root_person_has_revoked_stays_revoked() {
    let mut world = World::new();
    let record = world.key_records["ruth"];
    world.revoke(record, "root-a", START);
    for by in ["root-b", "root-c"] {
        world.say(&next(), by, START);
    }
    world.say(&World::record("ruth", HolderKind::Person), "root-d", START);
    assert!(!world.roster.is_key_good(&key("ruth").public().id(), NOW), "a revoked key never returns");
}

/// Anyone may propose roots to itself: the real next root is accepted all the same.
#[test]
fn proposed_roots_do_not_push_out_the_one_that_root_persons_sign() {
    let mut world = World::founded();
    world.say(&next(), "root-b", START);
    for number in 0..200 {
        let name = format!("mallory-{number}");
        let root = World::root(2, Some(digest(&first())), &[&name], 1);
        world.say(&root, &name, START);
    }
    assert_eq!(version(&world), 1);
    world.say(&next(), "root-c", START);
    assert_eq!(version(&world), 2);
}

/// A newcomer takes the whole chain, in whatever order its parts come.
#[test]
fn a_newcomer_reaches_the_same_root_in_any_order() {
    let mut world = rotated();
    let third = World::root(3, Some(digest(&next())), &["root-d"], 1);
    for by in ["root-d", "root-b"] {
        world.say(&third, by, START);
    }
    assert_eq!(version(&world), 3);
    let mut waiting: Vec<Vec<u8>> = world.statements.iter().rev().cloned().collect();
    let mut newcomer = Roster::new(world.network);
    for _ in 0..5 {
        waiting.retain(|bytes| match receive(bytes, &newcomer, NOW) {
            Ok(statement) => {
                newcomer.take(&statement);
                false
            }
            Err(_) => true,
        });
    }
    assert_eq!(newcomer.root(), world.roster.root());
    let roots = waiting
        .iter()
        .filter(|bytes| crate::wire::envelope::Signed::parse(bytes).unwrap().kind() == crate::record::Kind::Root);
    assert_eq!(roots.count(), 0);
    let late = receive(&world.statements[0], &newcomer, NOW).unwrap();
    assert!(matches!(late, Statement::Root(_)), "an old root's signatures can still be believed");
}
