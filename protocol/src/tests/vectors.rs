//! The vectors of `protocol/vectors`, for every implementation in every language: one valid statement of each kind, and one invalid
//! statement for each way to be invalid.
//!
//! Both files are made here and compared with what is committed. After a change of the format this test fails and prints the file that it
//! expected, between two lines of `----`.

mod faults;

use super::world::{NOW, World};
use crate::ingress::{Rejected, Verdict, receive};
use crate::lifecycle::Phase;
use crate::log::tree::Log;
use crate::record::cancellation::Cancellation;
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::comment::{Comment, Readers};
use crate::record::dataset::{Column, ColumnType, Dataset, Relation, Schema};
use crate::record::recovery::Recovery;
use crate::record::release::{Logged, Release};
use crate::record::standing_approval::StandingApproval;
use crate::record::{Kind, Payload as _};
use crate::tre::digest_of;
use crate::trust::roster::Roster;
use crate::wire::codec::{self, CodecError};
use crate::wire::envelope::{MAX_STATEMENT_BYTES, Malformed, Place};
use crate::wire::id::{Digest, NetworkId, StatementId};
use faults::invalid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const VALID: &str = include_str!("../../vectors/valid.json");
const INVALID: &str = include_str!("../../vectors/invalid.json");

/// A statement that is believed at `now`.
pub(super) struct Sample {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    pub(super) now: u64,
}

/// One statement of each kind, and the roster that believes them.
pub(super) fn samples() -> (Roster, Vec<Sample>) {
    let (world, samples) = make();
    (world.roster, samples)
}

fn make() -> (World, Vec<Sample>) {
    let mut world = World::new();
    let submission = world.submit_after(&World::task("ruth"), "ruth", None);
    let (held, run) = world.hold(&submission);
    let yes = world.attestation(&held, &run, &[("first", true), ("second", false)]);
    let attestation = world.attest(&yes, "olga").id();
    let phase = crate::record::phase::Phase {
        task: submission.id(),
        tre: "north".to_owned(),
        phase: Phase::Held,
        refusal: None,
        failure: None,
    };
    world.say(&phase, "north", NOW);
    let mut log = Log::default();
    log.push_statement(&run.id(), Kind::Run, NOW);
    log.push_statement(&attestation, Kind::Attestation, NOW);
    let first = Checkpoint {
        tre: "north".to_owned(),
        epoch: 0,
        size: log.len(),
        root: log.root(),
        previous: None,
        previous_size: 0,
        proof: Vec::new(),
    };
    let checkpoint = world.say(&first, "north", NOW).id();
    let cosignature = world.say(&Cosignature { tre: "north".to_owned(), checkpoint }, "hub", NOW).id();
    let approval = StandingApproval {
        name: "monthly".to_owned(),
        tre: "north".to_owned(),
        project: "study".to_owned(),
        policy: digest_of(&World::project(1)),
        component: Digest::of(b"component"),
        rules: held.checks().rules,
        checker: held.checks().checker,
        per_day: 3,
    };
    world.say(&approval, "olga", NOW);
    let recovery = Recovery {
        tre: "north".to_owned(),
        epoch: 1,
        lost: checkpoint,
        size: 1,
        root: Digest::of(b"root"),
        reason: "the disk failed".to_owned(),
    };
    world.say(&recovery, "olga", NOW);
    world.say(&dataset(), "north", NOW);
    let comment = Comment {
        task: submission.id(),
        tre: "north".to_owned(),
        output: Some("first".to_owned()),
        text: "How many of these were admitted twice?".to_owned(),
        to: Readers::Members,
        question: true,
        answers: None,
    };
    world.say(&comment, "olga", NOW);
    let release = Release {
        task: submission.id(),
        tre: "north".to_owned(),
        run: run.id(),
        attestations: vec![attestation],
        standing: Vec::new(),
        checks: held.checks(),
        log: Logged {
            checkpoint,
            cosignatures: vec![cosignature],
            inclusions: [run.id(), attestation].iter().filter_map(|id| log.inclusion(id, log.len())).collect(),
        },
        project: world.projects["olga"],
        status: StatementId::of(b"status"),
        commitment: held.commitment(),
        outputs: vec!["first".to_owned()],
        ciphertext: Digest::of(b"ciphertext"),
        ciphertext_bytes: 10,
        ciphertext_root: Digest::of(b"root"),
        recipient: super::world::recipient("ruth"),
    };
    world.say(&release, "north", NOW);
    let cancellation = Cancellation { task: submission.id(), reason: "a question too many".to_owned() };
    let place = Place { number: 2, previous: Some(submission.id()) };
    let cancellation = world.sign_at(&cancellation, "ruth", NOW, Cancellation::MAX_LIFETIME_SECONDS, Some(place));
    world.take(cancellation, NOW).unwrap();
    let grant = world.grants["carl"];
    world.revoke(grant, "olga", NOW);
    let kind = |bytes: &[u8]| crate::wire::envelope::Signed::parse(bytes).unwrap().kind();
    let sample = |wanted: Kind| {
        let bytes = world.statements.iter().find(|bytes| kind(bytes) == wanted).unwrap().clone();
        Sample { kind: wanted, bytes, now: NOW }
    };
    let samples = Kind::ALL.map(sample).into();
    (world, samples)
}

/// What `north` publishes of its one dataset.
pub(in crate::tests) fn dataset() -> Dataset {
    let column = |name: &str, ty, nullable| Column { name: name.to_owned(), ty, nullable };
    let concept = Relation {
        name: "concept".to_owned(),
        subject: None,
        columns: vec![column("concept_id", ColumnType::Int64, false), column("concept_name", ColumnType::Text, true)],
    };
    let person = Relation {
        name: "person".to_owned(),
        subject: Some("person_id".to_owned()),
        columns: vec![
            column("person_id", ColumnType::Int64, false),
            column("birth_datetime", ColumnType::Timestamp, true),
            column("weight", ColumnType::Decimal, true),
        ],
    };
    Dataset {
        tre: "north".to_owned(),
        name: "omop".to_owned(),
        version: 1,
        schema: Some(Schema { dialect: "datafusion".to_owned(), relations: vec![concept, person], left_out: 2 }),
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidFile {
    about: String,
    /// What must be believed first, in this order.
    roster: Vec<String>,
    network: NetworkId,
    vectors: Vec<ValidVector>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidVector {
    kind: Kind,
    now: u64,
    id: StatementId,
    issuer: String,
    /// The 32 bytes under which it verifies.
    key: String,
    external_aad: String,
    /// The deterministic CBOR inside.
    payload: String,
    statement: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InvalidFile {
    about: String,
    roster: Vec<String>,
    network: NetworkId,
    vectors: Vec<InvalidVector>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InvalidVector {
    fault: String,
    now: u64,
    expected: String,
    statement: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
}

/// The verdict in words that do not depend on this language: `reject/malformed/algorithm`.
fn code(verdict: &Verdict) -> String {
    let name = |text: String| {
        let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
        text[..end].to_owned()
    };
    let path = match verdict {
        Verdict::Ignore(why) => vec!["ignore".to_owned(), name(format!("{why:?}"))],
        Verdict::Reject(Rejected::Malformed(why)) => {
            vec!["reject".into(), "malformed".into(), name(format!("{why:?}"))]
        }
        Verdict::Reject(Rejected::Codec(why)) => vec!["reject".into(), "codec".into(), name(format!("{why:?}"))],
        Verdict::Reject(Rejected::Invalid(why)) => vec!["reject".into(), "invalid".into(), why.field.to_owned()],
        Verdict::Reject(why) => vec!["reject".to_owned(), name(format!("{why:?}"))],
    };
    let kebab = |text: &String| {
        text.char_indices().fold(String::new(), |mut word, (place, letter)| {
            if letter.is_ascii_uppercase() && place > 0 {
                word.push('-');
            }
            word.push(letter.to_ascii_lowercase());
            word
        })
    };
    path.iter().map(kebab).collect::<Vec<_>>().join("/")
}

fn compare<T: Serialize + PartialEq + for<'de> Deserialize<'de>>(name: &str, committed: &str, made: &T) {
    let same = serde_json::from_str::<T>(committed).is_ok_and(|read| read == *made);
    if !same {
        println!("----\n{}\n----", serde_json::to_string_pretty(made).unwrap());
        panic!("protocol/vectors/{name} is not what is written and refused here; the right file was printed");
    }
}

#[test]
fn the_valid_vectors_are_these_and_are_believed() {
    let (world, samples) = make();
    let vector = |sample: &Sample| {
        let signed = crate::wire::envelope::Signed::parse(&sample.bytes).unwrap();
        let statement = receive(&sample.bytes, &world.roster, sample.now).unwrap();
        let public = statement.signer().key;
        let payload = signed.verify(&public, &world.network).unwrap();
        ValidVector {
            kind: sample.kind,
            now: sample.now,
            id: statement.id(),
            issuer: statement.claims().issuer.clone(),
            key: hex(public.as_bytes()),
            external_aad: format!("quintes/v1/{}/{}", world.network, sample.kind),
            payload: hex(payload),
            statement: hex(&sample.bytes),
        }
    };
    let made = ValidFile {
        about: "One statement of each kind. Hexadecimal. `roster` is what must be believed first, in its order."
            .to_owned(),
        roster: World::new().statements.iter().map(|statement| hex(statement)).collect(),
        network: world.network,
        vectors: samples.iter().map(vector).collect(),
    };
    let kinds: BTreeSet<Kind> = made.vectors.iter().map(|vector| vector.kind).collect();
    assert_eq!(kinds, BTreeSet::from(Kind::ALL));
    compare("valid.json", VALID, &made);

    // And from the file alone, as another implementation would.
    let file: ValidFile = serde_json::from_str(VALID).unwrap();
    let mut roster = Roster::new(file.network);
    for statement in &file.roster {
        roster.take(&receive(&bytes(statement), &roster, NOW).unwrap());
    }
    for vector in &file.vectors {
        assert_eq!(receive(&bytes(&vector.statement), &roster, vector.now).unwrap().id(), vector.id, "{}", vector.kind);
    }
}

#[test]
fn the_invalid_vectors_are_these_and_each_is_refused_for_its_fault() {
    let (world, vectors) = invalid();
    let made = InvalidFile {
        about: "One statement for each way to be invalid. Hexadecimal. `expected` is the verdict on whoever sends it."
            .to_owned(),
        roster: world.statements.iter().map(|statement| hex(statement)).collect(),
        network: world.network,
        vectors,
    };
    compare("invalid.json", INVALID, &made);
    let file: InvalidFile = serde_json::from_str(INVALID).unwrap();
    let mut roster = Roster::new(file.network);
    for statement in &file.roster {
        roster.take(&receive(&bytes(statement), &roster, NOW).unwrap());
    }
    for vector in &file.vectors {
        let verdict = receive(&bytes(&vector.statement), &roster, vector.now).unwrap_err();
        assert_eq!(code(&verdict), vector.expected, "{}", vector.fault);
    }
    let named: BTreeSet<&str> = file.vectors.iter().map(|vector| vector.fault.as_str()).collect();
    assert_eq!(named.len(), file.vectors.len(), "each fault has one name");
    let reached: BTreeSet<&str> = file.vectors.iter().map(|vector| vector.expected.as_str()).collect();
    let all = [
        "reject/malformed/not-sign1",
        "reject/malformed/algorithm",
        "reject/malformed/content-type",
        "reject/malformed/key-id",
        "reject/malformed/claims",
        "reject/malformed/not-canonical",
        "reject/malformed/no-payload",
        "reject/malformed/signature-length",
        "reject/codec/malformed",
        "reject/codec/not-deterministic",
        "reject/codec/forbidden-type",
        "reject/codec/fields",
        "reject/invalid/reason",
        "reject/bad-signature",
        "reject/claims",
        "reject/wrong-signer",
        "ignore/unknown-key",
        "ignore/revoked-key",
        "ignore/expired",
        "ignore/not-yet-valid",
    ];
    for expected in all {
        assert!(reached.contains(expected), "no vector reaches {expected}");
    }
}

/// The one fault that is too large for a file of vectors.
#[test]
fn a_statement_of_more_than_64_kib_is_refused_before_it_is_read() {
    let (roster, samples) = samples();
    let mut large = samples[0].bytes.clone();
    large.resize(MAX_STATEMENT_BYTES + 1, 0);
    assert_eq!(receive(&large, &roster, NOW), Err(Verdict::Reject(Malformed::TooLarge.into())));
    assert_eq!(
        codec::decode::<Cancellation>(&vec![0; codec::MAX_PAYLOAD_BYTES + 1]),
        Err(CodecError::TooLarge(65_537))
    );
}
