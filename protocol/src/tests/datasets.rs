//! What a TRE publishes of its datasets: once, again when it changes, and taken back; and what others keep of it.

use super::party::{Party, federation, talk};
use super::vectors::dataset;
use super::world::{LONG, NOW, START, World};
use crate::node::Input;
use crate::record::Kind;
use crate::record::dataset::{Dataset, Schema};
use crate::wire::id::StatementId;
use std::collections::BTreeMap;

fn schemas(left_out: &[(&str, u64)]) -> BTreeMap<String, Schema> {
    let schema = |left_out| Schema { left_out, ..dataset().schema.unwrap() };
    left_out.iter().map(|(name, left_out)| ((*name).to_owned(), schema(*left_out))).collect()
}

/// The newest that a party knows of north's `omop`: its version, and what it left out where it has a schema.
fn known(party: &Party) -> Option<(u64, Option<u64>)> {
    let newest = party.node.datasets().get(&("north".to_owned(), "omop".to_owned()))?.payload();
    Some((newest.version, newest.schema.as_ref().map(|schema| schema.left_out)))
}

fn statements(party: &Party) -> usize {
    let known = party.node.known().iter().filter(|id| party.node.kind(id) == Some(Kind::Dataset));
    known.filter(|id| party.node.may_share(id)).count()
}

#[test]
fn a_schema_is_published_once_again_when_it_changes_and_taken_back_when_the_operator_says_so() {
    let (mut world, mut north, mut hub) = federation();
    north.input(&mut world, Input::Schemas(schemas(&[("omop", 0)])), NOW);
    talk(&mut world, &mut [&mut north, &mut hub], NOW);
    assert_eq!((known(&north), known(&hub)), (Some((1, Some(0))), Some((1, Some(0)))));
    // The same after a restart says nothing new.
    let all = north.records.len();
    let mut again = north.restarted(&mut world, all, NOW + 10);
    again.input(&mut world, Input::CaughtUp, NOW + 10);
    again.input(&mut world, Input::Schemas(schemas(&[("omop", 0)])), NOW + 10);
    assert_eq!((known(&again), again.records.len()), (Some((1, Some(0))), all));
    // Another schema, and then none.
    again.input(&mut world, Input::Schemas(schemas(&[("omop", 3)])), NOW + 20);
    talk(&mut world, &mut [&mut again, &mut hub], NOW + 20);
    assert_eq!((known(&again), known(&hub)), (Some((2, Some(3))), Some((2, Some(3)))));
    again.input(&mut world, Input::Schemas(BTreeMap::new()), NOW + 30);
    talk(&mut world, &mut [&mut again, &mut hub], NOW + 30);
    assert_eq!((known(&again), known(&hub)), (Some((3, None)), Some((3, None))));
    assert_eq!((statements(&again), statements(&hub)), (1, 1), "only the newest is kept and shared");
    // What was never published is not taken back.
    again.input(&mut world, Input::Schemas(BTreeMap::new()), NOW + 40);
    assert_eq!(known(&again), Some((3, None)));
}

#[test]
fn nothing_is_published_before_others_can_believe_it_or_before_the_node_knows_what_it_said() {
    let (mut world, _, mut hub) = federation();
    let empty = crate::node::Node::new(world.network, Some(World::tre("north")));
    let mut new = Party::of("north", empty.clone(), Vec::new());
    new.input(&mut world, Input::Schemas(schemas(&[("omop", 0)])), NOW);
    assert_eq!(known(&new), None, "it is not enrolled yet");
    let mut new = Party::of("north", empty, Vec::new());
    for bytes in world.statements.clone() {
        new.hear(&mut world, &bytes, NOW);
    }
    new.input(&mut world, Input::Schemas(schemas(&[("omop", 0)])), NOW);
    assert_eq!(known(&new), None, "it has not heard from anybody yet");
    new.input(&mut world, Input::CaughtUp, NOW);
    assert_eq!(known(&new), Some((1, Some(0))));
    // A hub has nothing to publish.
    hub.input(&mut world, Input::Schemas(schemas(&[("omop", 0)])), NOW);
    assert!(hub.node.datasets().is_empty());
}

#[test]
fn an_older_word_changes_nothing_in_whatever_order_it_comes() {
    let (mut world, _, mut hub) = federation();
    let said = |world: &mut World, version, left_out, at| {
        let schema = Schema { left_out, ..dataset().schema.unwrap() };
        world.sign(&Dataset { version, schema: Some(schema), ..dataset() }, "north", at, LONG)
    };
    let first = said(&mut world, 1, 1, START + 60);
    let second = said(&mut world, 2, 2, START + 50);
    let later = said(&mut world, 2, 3, START + 55);
    for (bytes, expected) in [(&second, 2), (&first, 2), (&later, 3), (&second, 3), (&first, 3)] {
        hub.hear(&mut world, bytes, NOW);
        assert_eq!(known(&hub).unwrap().1, Some(expected));
    }
    assert!(hub.node.may_share(&StatementId::of(&later)));
    assert!(![&first, &second].into_iter().any(|bytes| hub.node.may_share(&StatementId::of(bytes))));
    // And after a restart.
    let all = hub.records.len();
    let again = hub.restarted(&mut world, all, NOW);
    assert_eq!((known(&again), statements(&again)), (known(&hub), 1));
}

#[test]
fn a_tre_is_remembered_with_256_datasets_and_not_more() {
    let (mut world, _, mut hub) = federation();
    for number in 0..258 {
        let one = Dataset { name: format!("d{number}"), schema: None, ..dataset() };
        let bytes = world.sign(&one, "north", NOW, LONG);
        hub.hear(&mut world, &bytes, NOW);
    }
    assert_eq!((hub.node.datasets().len(), statements(&hub)), (256, 256));
    let bytes = world.sign(&Dataset { tre: "south".to_owned(), ..dataset() }, "south", NOW, LONG);
    hub.hear(&mut world, &bytes, NOW);
    assert_eq!(hub.node.datasets().len(), 257, "another TRE has its own");
}
