//! An exported log holds as it was written, and fails for every byte that is changed and every length that is cut.

use super::party::{Party, federation, hold, submit, talk};
use super::recovery::recovered;
use super::world::{NOW, World};
use crate::audit::Verdict;
use crate::audit::log::{Export, Unreadable, verify_log};
use crate::node::Input;
use crate::record::Kind;
use crate::wire::id::StatementId;
use serde_bytes::ByteBuf;

/// The log of a TRE that released one task and withheld another.
fn exported() -> (World, Party, Export) {
    let (mut world, mut north, mut hub) = federation();
    for (title, approve) in [("yes", true), ("no", false)] {
        let submission = submit(&mut world, title, &mut north, &mut hub);
        let (_, mut said) = hold(&mut world, &mut north, &submission);
        said.decisions.values_mut().for_each(|decision| decision.approve = approve);
        for owner in ["olga", "otto"] {
            let attestation = world.attest(&said, owner);
            north.hear(&mut world, attestation.bytes(), NOW);
        }
        talk(&mut world, &mut [&mut north, &mut hub], NOW);
    }
    north.input(&mut world, Input::Tick, NOW + 400);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 400);
    let export = export(&north);
    (world, north, export)
}

fn export(north: &Party) -> Export {
    let statements: Vec<Vec<u8>> = north.statements().collect();
    let find = |id: &StatementId| statements.iter().find(|bytes| StatementId::of(bytes) == *id).cloned();
    Export::of(&north.node, find).unwrap().believable()
}

fn holds(bytes: &[u8], world: &World) -> bool {
    Export::from_bytes(bytes).is_ok_and(|export| verify_log(&export, Some(world.network)).ok())
}

#[test]
fn a_whole_log_holds_and_says_what_it_holds() {
    let (world, north, export) = exported();
    let report = verify_log(&export, Some(world.network));
    assert!(report.ok(), "{:#?}", report.steps);
    assert_eq!((report.size, report.epoch, report.releases), (north.node.covered(), 0, 1));
    assert_eq!(report.newest, north.node.checkpoint().map(|head| head.id()));
    assert!(report.cosigners.contains("hub"));
    assert!(export.leaves.len() > 10);
    let unpinned = verify_log(&export, None);
    assert!(unpinned.ok() && unpinned.steps.iter().any(|step| step.detail.contains("compare the federation's id")));
    let other = crate::wire::id::NetworkId([1; 32]);
    assert!(!verify_log(&export, Some(other)).ok());
}

#[test]
fn nothing_private_is_in_it() {
    let (mut world, mut north, mut hub) = federation();
    let submission = submit(&mut world, "waits", &mut north, &mut hub);
    let (_, said) = hold(&mut world, &mut north, &submission);
    let attestation = world.attest(&said, "olga");
    north.hear(&mut world, attestation.bytes(), NOW);
    north.input(&mut world, Input::Tick, NOW + 400);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 400);
    let export = export(&north);
    let has = |kind: Kind| {
        export.statements.iter().any(|bytes| crate::wire::envelope::Signed::parse(bytes).unwrap().kind() == kind)
    };
    assert!(has(Kind::Submission) && has(Kind::Phase) && !has(Kind::Run) && !has(Kind::Attestation));
    let stands = |id: &StatementId| export.leaves.iter().any(|leaf| leaf.starts_with(&id.0));
    assert!(stands(&attestation.id()), "that it was said stands in the log");
    assert!(verify_log(&export, None).ok());
}

/// Row 76: every byte, each with one bit flipped, and every length.
#[test]
fn threat_76_every_flipped_byte_and_every_cut_is_detected() {
    let (world, _, mut export) = exported();
    // What the nodes have said is a log of its own, and small enough to try every byte.
    let nodes = ["north", "hub", "root-a", "root-b"];
    export.statements.retain(|bytes| {
        let signed = crate::wire::envelope::Signed::parse(bytes).unwrap();
        let of_nodes = signed.kind() != Kind::KeyRecord || ["north", "hub"].contains(&signed.claims().subject.as_str());
        signed.kind() != Kind::Grant && of_nodes && nodes.contains(&signed.claims().issuer.as_str())
    });
    let whole = export.to_bytes();
    assert!(holds(&whole, &world));
    let mut undetected = Vec::new();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        if holds(&changed, &world) {
            undetected.push(at);
        }
    }
    assert!(undetected.is_empty(), "{} of {} flips: {undetected:?}", undetected.len(), whole.len());
    for length in 0..whole.len() {
        assert!(Export::from_bytes(&whole[..length]).is_err(), "cut to {length}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert!(Export::from_bytes(&longer).is_err());
}

/// Whoever knows the layout can write a file that parses; what it says must still be signed for.
#[test]
fn threat_76_a_log_that_was_edited_with_care_fails_too() {
    type Edit = fn(&mut Export);
    let edits: [(&str, Edit); 9] = [
        ("an entry less at the end", |one| drop(one.leaves.pop())),
        ("an entry less in the middle", |one| drop(one.leaves.remove(4))),
        ("an entry more", |one| one.leaves.push(one.leaves[0].clone())),
        ("two entries swapped", |one| one.leaves.swap(2, 3)),
        ("another time", |one| one.leaves[3][39] ^= 1),
        ("no entries", |one| one.leaves.clear()),
        ("an entry that is none", |one| one.leaves[3].push(b'x')),
        ("another TRE", |one| one.tre = "south".to_owned()),
        ("another federation", |one| one.network = crate::wire::id::NetworkId([1; 32])),
    ];
    for (what, edit) in edits {
        let (world, _, mut export) = exported();
        edit(&mut export);
        assert!(!holds(&export.to_bytes(), &world), "{what}");
        assert!(!verify_log(&export, None).ok(), "{what}");
    }
    // Every statement, left out.
    let (_, _, export) = exported();
    let kind = |bytes: &ByteBuf| crate::wire::envelope::Signed::parse(bytes).unwrap().kind();
    for at in 0..export.statements.len() {
        let mut without = export.clone();
        let gone = kind(&without.statements.remove(at));
        let needed = matches!(gone, Kind::Root | Kind::Checkpoint | Kind::Release);
        let seen = verify_log(&without, None).ok();
        // Of two roots or key records one more signature than is needed can be missing, and a phase is only one word of many.
        assert!(!seen || !needed || gone == Kind::Root, "{gone}");
    }
    let mut disordered = export.clone();
    disordered.statements.swap(0, 1);
    assert_eq!(Export::from_bytes(&disordered.to_bytes()), Err(Unreadable::NotCanonical));
    let newer = Export { format: 2, ..export };
    assert_eq!(Export::from_bytes(&newer.to_bytes()), Err(Unreadable::Format));
}

#[test]
fn a_later_state_is_compared_entry_by_entry() {
    let (mut world, mut north, before) = exported();
    let mut hub = Party::new(&mut world, "hub", None);
    submit(&mut world, "later", &mut north, &mut hub);
    north.input(&mut world, Input::Tick, NOW + 1_000);
    talk(&mut world, &mut [&mut north, &mut hub], NOW + 1_000);
    let now = export(&north);
    let fails = |was: &Export, is: &Export| {
        was.compare(is)
            .iter()
            .filter(|step| step.verdict == Verdict::Fails)
            .map(|step| step.detail.clone())
            .collect::<Vec<_>>()
    };
    assert!(now.leaves.len() > before.leaves.len());
    assert!(fails(&before, &now).is_empty());
    assert!(fails(&now, &before).iter().any(|why| why.contains("are cut off")));
    let mut rewritten = now.clone();
    rewritten.leaves[2][0] ^= 1;
    assert!(fails(&before, &rewritten)[0].contains("entry 2 is another one"));
}

#[test]
fn a_log_that_lost_something_and_was_recovered_holds_and_says_so() {
    let (mut world, mut north, hub, recovery) = recovered();
    north.catch_up_with(&mut world, &hub, NOW + 1_500);
    let export = export(&north);
    let report = verify_log(&export, None);
    assert!(report.ok(), "{:#?}", report.steps);
    assert_eq!((report.epoch, report.newest), (1, north.node.checkpoint().map(|head| head.id())));
    assert!(report.steps.iter().any(|step| step.verdict == Verdict::Note && step.detail.contains(&recovery.reason)));
    // Without one of the two signatures nothing explains the gap.
    let is_recovery = |bytes: &&ByteBuf| crate::wire::envelope::Signed::parse(bytes).unwrap().kind() == Kind::Recovery;
    let signed: Vec<ByteBuf> = export.statements.iter().filter(is_recovery).cloned().collect();
    assert_eq!(signed.len(), 2);
    for one in signed {
        let mut without = export.clone();
        without.statements.retain(|bytes| *bytes != one);
        assert!(!verify_log(&without, None).ok());
    }
}
