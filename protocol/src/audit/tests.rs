//! An audit holds for what was released, and fails for anything that was changed, left out or swapped.

use super::{Fate, Report, Verdict, verify};
use crate::delivery::Delivery;
use crate::disclosure::policy::Policy;
use crate::ingress::{Statement, Verified, founding_network, receive};
use crate::log::tree::Log;
use crate::record::attestation::{Attestation, Decision};
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::grant::{Grant, Role};
use crate::record::key_record::{HolderKind, KeyRecord};
use crate::record::project::{Egress, Project};
use crate::record::release::{Logged, Sealed};
use crate::record::revocation::Revocation;
use crate::record::root::{Root, RootKey};
use crate::record::run::Run;
use crate::record::stamp::{Stamp, sign};
use crate::record::status::Status;
use crate::record::submission::{DeclaredOutput, Submission, TABLE};
use crate::record::{Kind, Payload};
use crate::safes::Tre;
use crate::safes::admission::{ComponentFacts, Question, admit};
use crate::safes::outputs::{Content, Context, Held, SourceFacts, check, summarise};
use crate::tre::{Case, Outcome, decide};
use crate::trust::roster::Roster;
use crate::wire::codec;
use crate::wire::id::{Digest, NetworkId, StatementId};
use keys::signer::{Signer as _, SoftKey};
use std::collections::{BTreeMap, BTreeSet};

const NOW: u64 = 1_800_000_000;

/// A federation of two TREs, from its root to what left them.
struct World {
    network: NetworkId,
    roster: Roster,
    statements: Vec<Vec<u8>>,
    deliveries: BTreeMap<String, Vec<u8>>,
    nonce: u8,
}

fn key(name: &str) -> SoftKey {
    SoftKey::from_seed(Digest::of(name.as_bytes()).0)
}

impl World {
    fn sign<T: Payload>(&mut self, payload: &T, by: &str, at: u64) -> Statement {
        self.nonce += 1;
        let stamp = Stamp {
            network: self.network,
            issuer: by.to_owned(),
            issued: at,
            lifetime: T::MAX_LIFETIME_SECONDS,
            nonce: [self.nonce; 16],
            place: None,
        };
        let bytes = sign(payload, &stamp, &key(by)).unwrap();
        let statement = receive(&bytes, &self.roster, at).unwrap();
        self.roster.take(&statement);
        self.statements.push(bytes);
        statement
    }

    fn enrol(&mut self, name: &str, kind: HolderKind) {
        let record = KeyRecord {
            kind,
            name: name.to_owned(),
            organisation: "Here".to_owned(),
            device: String::new(),
            key: key(name).public(),
            recipient: (kind == HolderKind::Person).then(|| "age1recipient".to_owned()),
            peer: Some(key(&format!("{name}'s peer")).public()),
        };
        self.sign(&record, name, NOW);
        self.sign(&record, "root", NOW);
    }

    fn grant(&mut self, person: &str, role: Role, tre: Option<&str>, by: &str) {
        let project = (role == Role::Researcher).then(|| "p".to_owned());
        let tre = tre.map(str::to_owned);
        let grant =
            Grant { person: person.to_owned(), role, project, tre, datasets: None, may_delegate: false, parent: None };
        self.sign(&grant, by, NOW);
    }

    /// The whole way, as two nodes would have gone it.
    fn new() -> Self {
        let root = Root {
            network: "net".to_owned(),
            version: 1,
            previous: None,
            threshold: 1,
            keys: vec![RootKey {
                person: "root".to_owned(),
                organisation: "Here".to_owned(),
                key: key("root").public(),
            }],
            clock_skew_seconds: 60,
        };
        let network = NetworkId::of(&codec::encode(&root).unwrap());
        let mut world = Self {
            network,
            roster: Roster::new(network),
            statements: Vec::new(),
            deliveries: BTreeMap::new(),
            nonce: 0,
        };
        world.sign(&root, "root", NOW);
        assert_eq!(founding_network(&world.statements[0]).unwrap(), network);
        for name in ["researcher", "owner-a", "owner-b"] {
            world.enrol(name, HolderKind::Person);
        }
        for tre in ["a", "b"] {
            world.enrol(tre, HolderKind::Tre);
            world.grant(&format!("owner-{tre}"), Role::DataOwner, Some(tre), "root");
        }
        let project = Project {
            name: "p".to_owned(),
            version: 2,
            title: "A project".to_owned(),
            tres: vec!["a".to_owned(), "b".to_owned()],
            datasets: vec!["d".to_owned()],
            admins: vec!["owner-a".to_owned()],
            components: Vec::new(),
            disclosure: Policy::default(),
            egress: Egress::default(),
        };
        let signed = ["a", "b"].map(|tre| world.sign(&project, &format!("owner-{tre}"), NOW).id());
        world.grant("researcher", Role::Researcher, None, "owner-a");
        let status = Status { epoch: 1, root_version: 1, revocations: Vec::new() };
        world.sign(&status, "root", NOW);
        let submission = Submission {
            project: "p".to_owned(),
            title: "How many".to_owned(),
            component: Digest::of(b"component"),
            component_bytes: 9,
            parameters: BTreeMap::new(),
            datasets: vec!["d".to_owned()],
            outputs: ["kept", "shown"]
                .map(|name| DeclaredOutput { name: name.to_owned(), media_type: TABLE.to_owned(), columns: None })
                .to_vec(),
            audience: vec!["a".to_owned(), "b".to_owned()],
            reply_to: "age1recipient".to_owned(),
        };
        let Statement::Submission(submission) = world.sign(&submission, "researcher", NOW + 10) else {
            panic!("a submission")
        };
        world.release("a", &submission, signed[0]);
        world.release("b", &submission, signed[1]);
        world
    }

    /// One TRE's part: admit, check, attest, decide, release.
    fn release(&mut self, tre: &str, submission: &Verified<Submission>, project: StatementId) {
        let owner = format!("owner-{tre}");
        let here = Tre {
            name: tre.to_owned(),
            datasets: BTreeSet::from(["d".to_owned()]),
            data_owners: BTreeSet::from([owner.clone()]),
            running: 1,
            waiting: 1,
            component_bytes: 100,
            cosignatures: 0,
        };
        let question = Question {
            submission,
            roster: &self.roster,
            tre: &here,
            replayed: false,
            open_tasks: 0,
            component: Some(&ComponentFacts::Usable),
            now: NOW + 11,
        };
        let admission = admit(&question).unwrap().unwrap();
        let produced = |name: &str, text: &str| {
            (name.to_owned(), Content::Opaque { bytes: text.as_bytes().to_vec(), source: SourceFacts::default() })
        };
        let produced = vec![produced("kept", "n\n3\n"), produced("shown", &format!("site,n\n{tre},1200\n"))];
        let held = check(&admission, produced, Context::default(), &Digest::of(tre.as_bytes()).0).unwrap();
        let run = Run {
            task: submission.id(),
            tre: tre.to_owned(),
            component: submission.payload().component,
            snapshots: BTreeMap::from([("d".to_owned(), Digest::of(b"data"))]),
            finished: NOW,
            commitment: held.commitment(),
        };
        let Statement::Run(run) = self.sign(&run, tre, NOW + 20) else { panic!("a run") };
        let attestation = self.attest(&held, &run, project);
        let Statement::Attestation(attestation) = self.sign(&attestation, &owner, NOW + 30) else {
            panic!("an attestation")
        };
        let case = Case {
            submission,
            run: &run,
            outputs: &held.names(),
            attestations: &[attestation],
            checks: &held.checks(),
            standing: None,
            data_owners: Some(&here.data_owners),
            roster: &self.roster,
            now: NOW + 40,
        };
        let Outcome::Release(release) = decide(&case).unwrap() else { panic!("a release") };
        let delivery = Delivery::of(&held, &release);
        let logged = self.log(&release, tre);
        self.sign(
            &release.statement(logged, Digest::of(b"ciphertext"), Sealed { root: Digest::of(b"root"), bytes: 10 }),
            tre,
            NOW + 40,
        );
        self.deliveries.insert(tre.to_owned(), delivery.to_bytes());
    }

    /// The TRE's log, with a checkpoint that the other TRE has cosigned.
    fn log(&mut self, release: &crate::tre::Release, tre: &str) -> Logged {
        let mut log = Log::default();
        for (kind, id) in [Kind::Run, Kind::Attestation].into_iter().zip(release.grounds()) {
            log.push_statement(&id, kind, NOW + 35);
        }
        let checkpoint = Checkpoint {
            tre: tre.to_owned(),
            epoch: 0,
            size: log.len(),
            root: log.root(),
            previous: None,
            previous_size: 0,
            proof: Vec::new(),
        };
        let checkpoint = self.sign(&checkpoint, tre, NOW + 36).id();
        let other = if tre == "a" { "b" } else { "a" };
        let cosignature = self.sign(&Cosignature { tre: tre.to_owned(), checkpoint }, other, NOW + 37).id();
        let inclusions = release.grounds().filter_map(|id| log.inclusion(&id, log.len())).collect();
        Logged { checkpoint, cosignatures: vec![cosignature], inclusions }
    }

    fn attest(&self, held: &Held, run: &Verified<Run>, project: StatementId) -> Attestation {
        let decision = |approve, reason: &str| Decision { approve, reason: reason.to_owned() };
        Attestation {
            task: held.task(),
            tre: held.tre().to_owned(),
            run: run.id(),
            commitment: held.commitment(),
            project,
            decisions: BTreeMap::from([
                ("kept".to_owned(), decision(false, "three people")),
                ("shown".to_owned(), decision(true, "a large count")),
            ]),
            report: summarise(held.outputs()),
            supersedes: None,
        }
    }

    fn audit(&self) -> Report {
        verify(&self.statements, &self.deliveries, Some(self.network))
    }
}

fn failures(report: &Report) -> String {
    let failed = report.steps.iter().filter(|step| step.verdict == Verdict::Fails);
    failed.map(|step| format!("{}: {}\n", step.what, step.detail)).collect()
}

#[test]
fn the_whole_chain_holds_and_says_who_did_what() {
    let mut report = World::new().audit();
    assert!(report.ok(), "{}", failures(&report));
    let said: String = report.steps.iter().map(|step| format!("{}\n", step.detail)).collect();
    for part in [
        "enrolled by root",
        "owner-b rejected `kept` (three people), approved `shown` (a large count)",
        "granted by owner-a",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let released = |tre: &str| match &report.fates[tre] {
        Fate::Released(delivery) => delivery.outputs[0].bytes.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(released("a"), b"site,n\na,1200\n");
    assert_eq!(report.answers().len(), 2);
    assert!(report.ok());
}

#[test]
fn an_unpinned_federation_is_for_a_person_to_compare() {
    let world = World::new();
    let report = verify(&world.statements, &world.deliveries, None);
    assert!(
        report.ok()
            && report.steps[0].verdict == Verdict::Note
            && report.steps[0].detail.contains(&world.network.to_string())
    );
    let report = verify(&world.statements, &world.deliveries, Some(NetworkId::of(b"another")));
    assert!(!report.ok() && report.submission.is_none());
}

#[test]
fn no_statement_can_be_dropped_and_none_be_changed() {
    let world = World::new();
    for place in 0..world.statements.len() {
        let mut statements = world.statements.clone();
        statements.remove(place);
        let report = verify(&statements, &world.deliveries, Some(world.network));
        assert!(!report.ok(), "without statement {place}");
        let bytes = &world.statements[place];
        for at in (0..bytes.len()).step_by(31) {
            let mut statements = world.statements.clone();
            statements[place][at] ^= 1;
            let report = verify(&statements, &world.deliveries, Some(world.network));
            assert!(!report.ok(), "statement {place} with a bit of byte {at} flipped");
        }
    }
}

#[test]
fn no_byte_of_a_delivery_can_be_changed() {
    let world = World::new();
    let bytes = &world.deliveries["a"];
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut deliveries = world.deliveries.clone();
            deliveries.get_mut("a").unwrap()[at] ^= bit;
            let report = verify(&world.statements, &deliveries, Some(world.network));
            assert!(!report.ok(), "byte {at}");
            assert!(matches!(report.fates["b"], Fate::Released(_)), "the other TRE's part is as good as before");
        }
    }
    let mut deliveries = world.deliveries.clone();
    deliveries.get_mut("a").unwrap().push(0);
    assert!(!verify(&world.statements, &deliveries, Some(world.network)).ok(), "a byte more");
}

#[test]
fn deliveries_under_each_others_names_are_refused() {
    let world = World::new();
    let swapped = BTreeMap::from([
        ("a".to_owned(), world.deliveries["b"].clone()),
        ("b".to_owned(), world.deliveries["a"].clone()),
    ]);
    let report = verify(&world.statements, &swapped, Some(world.network));
    assert!(failures(&report).matches("under the name of another TRE").count() == 2, "{}", failures(&report));
    let foreign = BTreeMap::from([("c".to_owned(), world.deliveries["b"].clone())]);
    assert!(failures(&verify(&world.statements, &foreign, Some(world.network))).contains("never asked"));
}

#[test]
fn what_was_not_fetched_is_missing_and_nothing_is_wrong() {
    let mut world = World::new();
    world.deliveries.remove("b");
    let report = world.audit();
    assert!(report.ok(), "{}", failures(&report));
    assert!(matches!(&report.fates["b"], Fate::Missing(why) if why.contains("not fetched")));
}

#[test]
fn the_submitters_own_approval_releases_nothing() {
    let mut world = World::new();
    // Everything is signed by those who could sign it; only the person is the wrong one.
    world.grant("researcher", Role::DataOwner, Some("a"), "root");
    let report = world.audit();
    assert!(report.ok(), "{}", failures(&report));
    let attestation = world.statements.iter().find_map(|bytes| match receive(bytes, &world.roster, NOW + 30) {
        Ok(Statement::Attestation(one)) if one.payload().tre == "a" => Some(one),
        _ => None,
    });
    let attestation = attestation.unwrap();
    let own = world.sign(attestation.payload(), "researcher", NOW + 30);
    let released = world.statements.iter().find_map(|bytes| match receive(bytes, &world.roster, NOW + 40) {
        Ok(Statement::Release(one)) if one.payload().tre == "a" => Some(one),
        _ => None,
    });
    let released = released.unwrap();
    world.statements.retain(|bytes| StatementId::of(bytes) != released.id());
    let forged = crate::record::release::Release { attestations: vec![own.id()], ..released.payload().clone() };
    world.sign(&forged, "a", NOW + 40);
    assert!(failures(&world.audit()).contains("do not let these outputs out"), "{}", failures(&world.audit()));
}

#[test]
fn a_veto_that_was_not_counted_is_noted() {
    let mut world = World::new();
    let found = world.statements.iter().find_map(|bytes| match receive(bytes, &world.roster, NOW + 30) {
        Ok(Statement::Attestation(one)) if one.payload().tre == "a" => Some(one.payload().clone()),
        _ => None,
    });
    let mut veto = found.unwrap();
    veto.decisions.get_mut("shown").unwrap().approve = false;
    world.grant("owner-b", Role::DataOwner, Some("a"), "root");
    world.sign(&veto, "owner-b", NOW + 39);
    let report = world.audit();
    assert!(report.ok(), "{}", failures(&report));
    assert!(report.steps.iter().any(|step| step.verdict == Verdict::Note && step.detail.contains("was not counted")));
}

/// A revocation that is dated within a clock's difference (60 s) of the release (at `NOW + 40`) may have reached the TRE after it.
#[test]
fn a_revocation_counts_where_the_tre_must_have_known_of_it() {
    let revoked_at = |at: u64| {
        let mut world = World::new();
        let owner = world.statements.iter().find_map(|bytes| match receive(bytes, &world.roster, NOW + 30) {
            Ok(Statement::Grant(one)) if one.payload().person == "owner-a" => Some(one.id()),
            _ => None,
        });
        world.sign(&Revocation { target: owner.unwrap(), reason: "left".to_owned() }, "root", at);
        let report = world.audit();
        let noted = report.steps.iter().any(|step| step.verdict == Verdict::Note && step.what == "revocation");
        (report.ok(), noted)
    };
    assert_eq!(revoked_at(NOW + 41), (true, false), "after the release");
    assert_eq!(revoked_at(NOW + 40), (true, true), "in the same second");
    assert_eq!(revoked_at(NOW + 40 - 60), (true, true), "as old as clocks may differ");
    assert_eq!(revoked_at(NOW + 40 - 61), (false, false), "older");
}

/// What lowers a quorum needs as many owners as the quorum before asked for. A TRE that passed that over is found out.
#[test]
fn a_version_that_too_few_have_signed_lets_nothing_out() {
    let after = |approvals: u64, two_owners: bool| {
        let mut world = World::new();
        let found = world.statements.iter().find_map(|bytes| match receive(bytes, &world.roster, NOW + 30) {
            Ok(Statement::Project(one)) => Some(one.payload().clone()),
            _ => None,
        });
        let second = found.unwrap();
        let first = Project { version: 1, egress: Egress { approvals, ..second.egress.clone() }, ..second };
        world.sign(&first, "owner-a", NOW);
        if two_owners {
            world.grant("owner-b", Role::DataOwner, Some("a"), "root");
        }
        failures(&world.audit())
    };
    assert_eq!(after(1, false), "");
    assert_eq!(after(2, true), "", "both have signed the second version");
    assert!(after(2, false).starts_with("quorum: "), "one of two has");
}
