//! Statements with one fault each, under good signatures wherever the fault is not the signature.

mod datasets;

use super::super::world::{NOW, START, World, key, nowhere, other_commitment};
use super::{InvalidVector, bytes, code, hex};
use crate::ingress::receive;
use crate::record::attestation::{Attestation, Decision, ReportSummary};
use crate::record::cancellation::Cancellation;
use crate::record::checkpoint::{Checkpoint, Cosignature};
use crate::record::comment::{Comment, Readers};
use crate::record::key_record::HolderKind;
use crate::record::payload::DAY;
use crate::record::recovery::Recovery;
use crate::record::release::Release;
use crate::record::revocation::Revocation;
use crate::record::run::Run;
use crate::record::standing_approval::StandingApproval;
use crate::record::{Kind, Payload};
use crate::wire::codec;
use crate::wire::envelope::{Claims, Place, seal};
use crate::wire::id::{Digest, NetworkId, StatementId};
use ciborium::Value;
use coset::iana::Algorithm;
use coset::{
    CborSerializable as _, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, TaggedCborSerializable as _,
};
use keys::signer::{Signer, SoftKey};
use std::collections::BTreeMap;

/// Makes statements with one fault each.
struct Forge {
    world: World,
    vectors: Vec<InvalidVector>,
}

impl Forge {
    fn add(&mut self, fault: &str, statement: &[u8]) {
        self.add_at(fault, NOW, statement);
    }

    fn add_at(&mut self, fault: &str, now: u64, statement: &[u8]) {
        let verdict = receive(statement, &self.world.roster, now).expect_err(fault);
        self.vectors.push(InvalidVector {
            fault: fault.to_owned(),
            now,
            expected: code(&verdict),
            statement: hex(statement),
        });
    }

    fn payload() -> Vec<u8> {
        codec::encode(&Cancellation { task: StatementId::of(b"task"), reason: String::new() }).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            issuer: "ruth".to_owned(),
            subject: StatementId::of(b"task").to_string(),
            expires: START + DAY,
            not_before: START,
            issued: START,
            nonce: [5; 16],
            place: None,
        }
    }

    fn seal(&self, kind: Kind, claims: &Claims, payload: Vec<u8>, by: &str) -> Vec<u8> {
        seal(kind, claims, payload, &self.world.network, &key(by)).unwrap()
    }

    /// A payload in its own words under a good signature, valid or not.
    fn sealed<T: Payload>(&self, payload: &T, by: &str, lifetime: u64) -> Vec<u8> {
        let claims = Claims {
            issuer: by.to_owned(),
            subject: payload.subject(),
            expires: START + 90 + lifetime,
            issued: START + 90,
            not_before: START + 90,
            ..Self::claims()
        };
        self.seal(T::KIND, &claims, codec::encode(payload).unwrap(), by)
    }

    /// A cancellation by `ruth` with another payload under a good signature.
    fn with_payload(&self, payload: Vec<u8>) -> Vec<u8> {
        self.seal(Kind::Cancellation, &Self::claims(), payload, "ruth")
    }

    fn with_claims(&self, change: impl FnOnce(&mut Claims)) -> Vec<u8> {
        let mut claims = Self::claims();
        change(&mut claims);
        self.seal(Kind::Cancellation, &claims, Self::payload(), "ruth")
    }

    fn good(&self) -> Vec<u8> {
        self.with_payload(Self::payload())
    }

    /// The good statement's parts, to be put together otherwise.
    fn parts(&self) -> CoseSign1 {
        CoseSign1::from_tagged_slice(&self.good()).unwrap()
    }

    /// Signs whatever header there is, as the profile would have it signed.
    fn with_header(&self, protected: Header, unprotected: Header) -> Vec<u8> {
        let aad = format!("quintes/v1/{}/cancellation", self.world.network);
        let signer: SoftKey = key("ruth");
        CoseSign1Builder::new()
            .protected(protected)
            .unprotected(unprotected)
            .payload(Self::payload())
            .create_signature(aad.as_bytes(), |message| signer.sign(message).unwrap().to_vec())
            .build()
            .to_tagged_vec()
            .unwrap()
    }

    fn with_protected(&self, change: impl FnOnce(&mut Header)) -> Vec<u8> {
        let mut header = self.parts().protected.header;
        change(&mut header);
        self.with_header(header, Header::default())
    }

    /// Signs a protected header that is given as bytes, in an array that is given as a value.
    fn with_raw_header(&self, protected: Vec<u8>) -> Vec<u8> {
        let aad = format!("quintes/v1/{}/cancellation", self.world.network);
        let structure = Value::Array(vec![
            Value::Text("Signature1".to_owned()),
            Value::Bytes(protected.clone()),
            Value::Bytes(aad.into_bytes()),
            Value::Bytes(Self::payload()),
        ]);
        let signature = key("ruth").sign(&cbor(&structure)).unwrap();
        let parts = vec![
            Value::Bytes(protected),
            Value::Map(Vec::new()),
            Value::Bytes(Self::payload()),
            Value::Bytes(signature.to_vec()),
        ];
        cbor(&Value::Tag(18, Box::new(Value::Array(parts))))
    }

    fn with_claims_value(&self, change: impl FnOnce(&mut Vec<(Value, Value)>)) -> Vec<u8> {
        self.with_protected(|header| {
            let Some((_, Value::Map(entries))) = header.rest.first_mut() else { panic!("the claims") };
            change(entries);
        })
    }
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

pub(super) fn invalid() -> (World, Vec<InvalidVector>) {
    let mut world = World::new();
    let record = world.key_records["rex"];
    world.revoke(record, "root-b", START + 10);
    let mut forge = Forge { world, vectors: Vec::new() };
    assert!(receive(&forge.good(), &forge.world.roster, NOW).is_ok(), "what the faults are made from is good");
    envelope(&mut forge);
    headers(&mut forge);
    claims(&mut forge);
    payloads(&mut forge);
    signatures(&mut forge);
    signers(&mut forge);
    rules(&mut forge);
    (forge.world, forge.vectors)
}

fn envelope(forge: &mut Forge) {
    let good = forge.good();
    forge.add("no bytes", &[]);
    forge.add("not CBOR", b"\xff\xff");
    forge.add("untagged", &good[1..]);
    let mut other_tag = good.clone();
    other_tag[0] = 0xd1;
    forge.add("tag 17 (COSE_Mac0)", &other_tag);
    forge.add("cut short", &good[..good.len() - 1]);
    forge.add("trailing byte", &[&good[..], &[0]].concat());
    forge.add("tag in two bytes", &[&[0xd8, 0x12], &good[1..]].concat());
    let indefinite = [&[0xd2, 0x9f], &good[2..], &[0xff]].concat();
    forge.add("array of indefinite length", &indefinite);
    let five = {
        let parts = forge.parts().to_vec().unwrap();
        let Ok(Value::Array(mut parts)) = ciborium::from_reader(parts.as_slice()) else { panic!("an array") };
        parts.push(Value::Null);
        cbor(&Value::Tag(18, Box::new(Value::Array(parts))))
    };
    forge.add("five elements", &five);
    let mut detached = forge.parts();
    detached.payload = None;
    forge.add("detached payload", &detached.to_tagged_vec().unwrap());
    for (fault, length) in [("signature of 63 bytes", 63), ("signature of 65 bytes", 65), ("no signature", 0)] {
        let mut cut = forge.parts();
        cut.signature.resize(length, 0);
        forge.add(fault, &cut.to_tagged_vec().unwrap());
    }
}

fn headers(forge: &mut Forge) {
    let unprotected = |header: Header, forge: &Forge| forge.with_header(forge.parts().protected.header, header);
    forge.add(
        "alg EdDSA (-8)",
        &forge.with_protected(|header| {
            header.alg = Some(coset::RegisteredLabelWithPrivate::Assigned(Algorithm::EdDSA));
        }),
    );
    forge.add("no alg", &forge.with_protected(|header| header.alg = None));
    forge.add("alg in the unprotected header only", &{
        let mut header = forge.parts().protected.header;
        header.alg = None;
        forge.with_header(header, HeaderBuilder::new().algorithm(Algorithm::Ed25519).build())
    });
    forge.add("alg in both headers", &unprotected(HeaderBuilder::new().algorithm(Algorithm::Ed25519).build(), forge));
    forge.add(
        "something in the unprotected header",
        &unprotected(HeaderBuilder::new().value(1_000, Value::from(1)).build(), forge),
    );
    forge.add(
        "unknown critical header",
        &forge.with_protected(|header| {
            header.crit = vec![coset::RegisteredLabelWithPrivate::Text("unheard-of".to_owned())];
            header.rest.push((Label::Text("unheard-of".to_owned()), Value::from(1)));
        }),
    );
    forge.add(
        "critical header without its label",
        &forge.with_protected(|header| {
            header.crit = vec![coset::RegisteredLabelWithPrivate::Text("unheard-of".to_owned())];
        }),
    );
    forge.add("one header more", &forge.with_protected(|header| header.rest.push((Label::Int(1_000), Value::from(1)))));
    forge.add("no content type", &forge.with_protected(|header| header.content_type = None));
    let content = |text: &str, forge: &Forge| {
        forge.with_protected(|header| header.content_type = Some(coset::ContentType::Text(text.to_owned())))
    };
    forge.add("content type of no kind", &content("application/vnd.quintes.wish.v1+cbor", forge));
    forge.add("content type of another version", &content("application/vnd.quintes.cancellation.v2+cbor", forge));
    forge.add("content type in capitals", &content("application/vnd.quintes.CANCELLATION.v1+cbor", forge));
    forge.add(
        "content type as a number",
        &forge.with_protected(|header| {
            header.content_type = Some(coset::ContentType::Assigned(coset::iana::CoapContentFormat::Cbor));
        }),
    );
    forge.add("content type of another kind", &content("application/vnd.quintes.submission.v1+cbor", forge));
    forge.add("key id of 15 bytes", &forge.with_protected(|header| header.key_id.truncate(15)));
    forge.add("key id of 17 bytes", &forge.with_protected(|header| header.key_id.push(0)));
    forge.add("no key id", &forge.with_protected(|header| header.key_id.clear()));
    let map = forge.parts().protected.header;
    let Ok(Value::Map(entries)) = ciborium::from_reader::<Value, _>(map.to_vec().unwrap().as_slice()) else {
        panic!("a header is a map")
    };
    let mut reversed = entries.clone();
    reversed.reverse();
    forge.add("protected header in another order", &forge.with_raw_header(cbor(&Value::Map(reversed))));
    let mut doubled = entries.clone();
    doubled.push(entries[0].clone());
    forge.add("protected header with a label twice", &forge.with_raw_header(cbor(&Value::Map(doubled))));
    let plain = cbor(&Value::Map(entries));
    let longer = [&[0xb8, plain[0] & 0x1f], &plain[1..]].concat();
    forge.add("protected header of a length in two bytes", &forge.with_raw_header(longer));
    let indefinite = [&[0xbf], &plain[1..], &[0xff]].concat();
    forge.add("protected header of indefinite length", &forge.with_raw_header(indefinite));
    forge.add("protected header with a trailing byte", &forge.with_raw_header([&plain[..], &[0xf6]].concat()));
}

fn claims(forge: &mut Forge) {
    forge.add("no claims", &forge.with_protected(|header| header.rest.clear()));
    forge.add("claims under another label", &forge.with_protected(|header| header.rest[0].0 = Label::Int(16)));
    let labels = [("iss", 0), ("sub", 1), ("exp", 2), ("nbf", 3), ("iat", 4), ("cti", 5)];
    for (label, place) in labels {
        let without = forge.with_claims_value(|entries| drop(entries.remove(place)));
        forge.add(&format!("claims without {label}"), &without);
    }
    forge.add(
        "a claim more",
        &forge.with_claims_value(|entries| entries.push((Value::from(3), Value::Text("all".into())))),
    );
    forge.add("claims in another order", &forge.with_claims_value(|entries| entries.swap(0, 1)));
    forge.add("claims with another label", &forge.with_claims_value(|entries| entries[5].0 = Value::from(8)));
    forge.add("a claim twice", &forge.with_claims_value(|entries| entries[1] = entries[0].clone()));
    forge.add("cti of 15 bytes", &forge.with_claims_value(|entries| entries[5].1 = Value::Bytes(vec![5; 15])));
    forge.add("iat as a float", &forge.with_claims_value(|entries| entries[4].1 = Value::Float(1.8e9)));
    forge.add("iat below zero", &forge.with_claims_value(|entries| entries[4].1 = Value::from(-1)));
    forge.add("iss as bytes", &forge.with_claims_value(|entries| entries[0].1 = Value::Bytes(b"ruth".to_vec())));
    let label = Value::from(-65_537);
    let place = |number: i64, previous: Value| Value::Array(vec![Value::from(number), previous]);
    let before = || Value::Bytes(vec![5; 32]);
    for (fault, place) in [
        ("a place without a number", Value::Array(vec![before()])),
        ("place 0", place(0, Value::Null)),
        ("a first place that follows", place(1, before())),
        ("a second place that follows nothing", place(2, Value::Null)),
        ("a place after 31 bytes", place(2, Value::Bytes(vec![5; 31]))),
        ("no place, said in words", Value::Null),
    ] {
        forge.add(fault, &forge.with_claims_value(|entries| entries.push((label.clone(), place))));
    }
    let revocation = Revocation { target: StatementId::of(b"grant"), reason: String::new() };
    let first =
        Claims { subject: revocation.subject(), place: Some(Place { number: 1, previous: None }), ..Forge::claims() };
    let revocation = codec::encode(&revocation).unwrap();
    forge.add("a place for a kind without one", &forge.seal(Kind::Revocation, &first, revocation, "ruth"));
    forge.add("issuer is not the holder of the key", &forge.with_claims(|claims| claims.issuer = "olga".to_owned()));
    forge.add(
        "subject is not what the payload is about",
        &forge.with_claims(|claims| claims.subject = "other".to_owned()),
    );
    forge.add("valid for longer than the kind allows", &forge.with_claims(|claims| claims.expires = START + 31 * DAY));
    forge.add(
        "expires when it is issued",
        &forge.with_claims(|claims| {
            claims.expires = START + 90;
            claims.issued = START + 90;
            claims.not_before = START + 90;
        }),
    );
    forge.add(
        "expires before it is issued",
        &forge.with_claims(|claims| {
            claims.expires = START + 95;
            claims.issued = START + 99;
        }),
    );
    let good = forge.good();
    forge.add_at("expired", START + DAY + 60, &good);
    forge.add_at("issued after now", START - 61, &good);
    forge.add("not valid yet", &forge.with_claims(|claims| claims.not_before = NOW + 61));
}

fn payloads(forge: &mut Forge) {
    let payload = Forge::payload();
    // The map's two entries, in their order: `task` (4 letters) before `reason` (6).
    let (task, reason) = (&payload[1..payload.len() - 8], &payload[payload.len() - 8..]);
    let raw: [(&str, Vec<u8>); 13] = [
        ("empty payload", Vec::new()),
        ("payload cut short", payload[..payload.len() - 1].to_vec()),
        ("payload with a trailing byte", [&payload[..], &[0xf6]].concat()),
        ("payload of indefinite length", [&[0xbf], &payload[1..], &[0xff]].concat()),
        ("payload of a length in two bytes", [&[0xb8, 2], &payload[1..]].concat()),
        ("payload in another order", [&[0xa2], reason, task].concat()),
        ("payload with a field twice", [&[0xa3], task, reason, reason].concat()),
        ("payload without a field", [&[0xa1], task].concat()),
        ("payload with a tag", [&[0xc1], &payload[..]].concat()),
        ("payload that is an array", vec![0x80]),
        ("payload with text of a length in two bytes", [&[0xa2], task, &reason[..7], &[0x78, 0x00]].concat()),
        ("payload 17 levels deep", [vec![0x81; 17], vec![0x80]].concat()),
        ("payload with text that is not UTF-8", [&[0xa2], task, &reason[..7], &[0x61, 0xff]].concat()),
    ];
    for (fault, payload) in raw {
        forge.add(fault, &forge.with_payload(payload));
    }
    let Ok(Value::Map(entries)) = ciborium::from_reader::<Value, _>(payload.as_slice()) else { panic!("a map") };
    let with = |key: Value, value: Value| {
        let mut entries = entries.clone();
        entries.insert(0, (key, value));
        cbor(&Value::Map(entries))
    };
    forge.add("payload with an unknown field", &forge.with_payload(with(Value::Text("a".into()), Value::from(1))));
    forge.add("payload with a float", &forge.with_payload(with(Value::Text("a".into()), Value::Float(1.5))));
    forge.add("payload with a key that is a number", &forge.with_payload(with(Value::from(1), Value::from(1))));
    let undefined = [&[0xa3, 0x61, b'a', 0xf7], task, reason].concat();
    forge.add("payload with undefined", &forge.with_payload(undefined));
    let mut as_integers = entries.clone();
    as_integers[0].1 = Value::Array(StatementId::of(b"task").0.iter().map(|byte| Value::from(*byte)).collect());
    forge.add("bytes as an array of integers", &forge.with_payload(cbor(&Value::Map(as_integers))));
    let long = Cancellation { task: StatementId::of(b"task"), reason: "x".repeat(1_001) };
    forge.add("a reason that is too long", &forge.with_payload(codec::encode(&long).unwrap()));
    let control = Cancellation { task: StatementId::of(b"task"), reason: "\u{7}".to_owned() };
    forge.add("a reason with a control character", &forge.with_payload(codec::encode(&control).unwrap()));
    let mut path = World::task("ruth");
    path.datasets = vec!["../omop".to_owned()];
    let claims = Claims { subject: "study".to_owned(), ..Forge::claims() };
    forge.add("a name that is a path", &forge.seal(Kind::Submission, &claims, codec::encode(&path).unwrap(), "ruth"));
}

fn signatures(forge: &mut Forge) {
    let other = |change: fn(&mut CoseSign1), forge: &Forge| {
        let mut parts = forge.parts();
        change(&mut parts);
        parts.to_tagged_vec().unwrap()
    };
    forge.add("a changed bit in the signature", &other(|parts| parts.signature[0] ^= 1, forge));
    forge.add("a signature of zeros", &other(|parts| parts.signature.fill(0), forge));
    forge.add("S + L (malleated)", &other(|parts| malleate(&mut parts.signature), forge));
    let changed = {
        let mut parts = forge.parts();
        let reason = Cancellation { task: StatementId::of(b"task"), reason: "x".to_owned() };
        parts.payload = Some(codec::encode(&reason).unwrap());
        parts.to_tagged_vec().unwrap()
    };
    forge.add("another payload under the same signature", &changed);
    let elsewhere = NetworkId::of(b"another federation");
    let signed = seal(Kind::Cancellation, &Forge::claims(), Forge::payload(), &elsewhere, &key("ruth")).unwrap();
    forge.add("signed for another network", &signed);
    let as_attestation = {
        let mut parts = forge.parts();
        parts.protected.header.content_type = Some(coset::ContentType::Text(Kind::Attestation.content_type()));
        parts.protected.original_data = None;
        parts.to_tagged_vec().unwrap()
    };
    forge.add("signed as another kind", &as_attestation);
    let by_another = {
        let mut parts = forge.parts();
        parts.protected.header.key_id = key("olga").public().id().0.to_vec();
        parts.protected.original_data = None;
        parts.to_tagged_vec().unwrap()
    };
    forge.add("the key id of another", &by_another);
}

/// Adds the group order to S (RFC 8032 section 5.1): the same equation holds, and a strict verifier refuses it.
fn malleate(signature: &mut [u8]) {
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0_u16;
    for (digit, addend) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*digit) + u16::from(addend) + carry;
        *digit = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

fn signers(forge: &mut Forge) {
    forge.add("a key that nobody enrolled", &{
        let claims = Claims { issuer: "mallory".to_owned(), ..Forge::claims() };
        forge.seal(Kind::Cancellation, &claims, Forge::payload(), "mallory")
    });
    forge.add("a key that was revoked before", &{
        let claims = Claims { issuer: "rex".to_owned(), issued: START + 10, not_before: START + 10, ..Forge::claims() };
        forge.seal(Kind::Cancellation, &claims, Forge::payload(), "rex")
    });
    let run = Run {
        task: StatementId::of(b"task"),
        tre: "north".to_owned(),
        component: Digest::of(b"component"),
        snapshots: BTreeMap::new(),
        finished: START,
        commitment: other_commitment(),
    };
    let run = codec::encode(&run).unwrap();
    for (fault, by) in
        [("a person signs a run", "ruth"), ("a TRE signs a run of another", "south"), ("a hub signs a run", "hub")]
    {
        let claims = Claims { issuer: by.to_owned(), ..Forge::claims() };
        forge.add(fault, &forge.seal(Kind::Run, &claims, run.clone(), by));
    }
    let claims = Claims { issuer: "north".to_owned(), ..Forge::claims() };
    forge.add("a TRE cancels", &forge.seal(Kind::Cancellation, &claims, Forge::payload(), "north"));
    let attestation = Attestation {
        task: StatementId::of(b"task"),
        tre: "north".to_owned(),
        run: StatementId::of(b"run"),
        commitment: other_commitment(),
        project: StatementId::of(b"project"),
        decisions: BTreeMap::from([("first".to_owned(), Decision { approve: true, reason: String::new() })]),
        report: ReportSummary {
            rules: "1".to_owned(),
            checker: Digest::of(b"checker"),
            findings: Digest::of(b"findings"),
            failed: 0,
            review: 0,
        },
        supersedes: None,
    };
    forge.add("a TRE attests", &forge.seal(Kind::Attestation, &claims, codec::encode(&attestation).unwrap(), "north"));
    let record = codec::encode(&World::record("mallory", HolderKind::Person)).unwrap();
    let claims = Claims { issuer: "ruth".to_owned(), subject: "mallory".to_owned(), ..Forge::claims() };
    forge.add(
        "a key record by neither its key nor a root person",
        &forge.seal(Kind::KeyRecord, &claims, record, "ruth"),
    );
    let root = codec::encode(&World::root(2, Some(Digest::of(b"root")), &["root-a"], 1)).unwrap();
    let claims = Claims { issuer: "ruth".to_owned(), subject: "net".to_owned(), ..Forge::claims() };
    forge.add("a root by neither an old nor a new root person", &forge.seal(Kind::Root, &claims, root, "ruth"));
}

/// The rules of the kinds about logs, standing approvals and comments.
fn rules(forge: &mut Forge) {
    fn seal<T: Payload>(forge: &Forge, payload: &T, by: &str, lifetime: u64) -> Vec<u8> {
        forge.sealed(payload, by, lifetime)
    }
    let checkpoint = Checkpoint {
        tre: "north".to_owned(),
        epoch: 0,
        size: 5,
        root: Digest::of(b"root"),
        previous: Some(StatementId::of(b"before")),
        previous_size: 3,
        proof: vec![Digest::of(b"hash")],
    };
    forge.add("a person signs a checkpoint", &seal(forge, &checkpoint, "ruth", DAY));
    forge.add("a TRE signs a checkpoint of another's log", &seal(forge, &checkpoint, "south", DAY));
    let shrunk = Checkpoint { size: 3, ..checkpoint.clone() };
    forge.add("a checkpoint of a log that did not grow", &seal(forge, &shrunk, "north", DAY));
    let orphan = Checkpoint { previous: None, ..checkpoint };
    forge.add("a checkpoint that follows leaves and no checkpoint", &seal(forge, &orphan, "north", DAY));
    let cosignature = Cosignature { tre: "north".to_owned(), checkpoint: StatementId::of(b"checkpoint") };
    forge.add("a TRE cosigns its own log", &seal(forge, &cosignature, "north", DAY));
    forge.add("a person cosigns a log", &seal(forge, &cosignature, "olga", DAY));
    let approval = StandingApproval {
        name: "monthly".to_owned(),
        tre: "north".to_owned(),
        project: "study".to_owned(),
        policy: Digest::of(b"project"),
        component: Digest::of(b"component"),
        rules: "1".to_owned(),
        checker: Digest::of(b"checker"),
        per_day: 1,
    };
    forge.add("a TRE signs a standing approval", &seal(forge, &approval, "north", DAY));
    forge.add("a standing approval for 91 days", &seal(forge, &approval, "olga", 91 * DAY));
    let unlimited = StandingApproval { per_day: 0, ..approval };
    forge.add("a standing approval for no task a day", &seal(forge, &unlimited, "olga", DAY));
    datasets::faults(forge);
    let comment = Comment {
        task: StatementId::of(b"task"),
        tre: "north".to_owned(),
        output: None,
        text: "Why?".to_owned(),
        to: Readers::Reviewers,
        question: true,
        answers: None,
    };
    forge.add("a question that the submitter may not read", &seal(forge, &comment, "olga", DAY));
    let silent = Comment { text: " ".to_owned(), question: false, ..comment };
    forge.add("a comment that says nothing", &seal(forge, &silent, "olga", DAY));
    let recovery = Recovery {
        tre: "north".to_owned(),
        epoch: 0,
        lost: StatementId::of(b"checkpoint"),
        size: 1,
        root: Digest::of(b"root"),
        reason: "the disk failed".to_owned(),
    };
    forge.add("a recovery of the first epoch", &seal(forge, &recovery, "olga", DAY));
    let report = ReportSummary {
        rules: "1".to_owned(),
        checker: Digest::of(b"checker"),
        findings: Digest::of(b"findings"),
        failed: 0,
        review: 0,
    };
    let undecided = Attestation {
        task: StatementId::of(b"task"),
        tre: "north".to_owned(),
        run: StatementId::of(b"run"),
        commitment: other_commitment(),
        project: StatementId::of(b"project"),
        decisions: BTreeMap::new(),
        report: report.clone(),
        supersedes: None,
    };
    forge.add("an attestation that decides nothing and withdraws nothing", &seal(forge, &undecided, "olga", DAY));
    let release = Release {
        task: StatementId::of(b"task"),
        tre: "north".to_owned(),
        run: StatementId::of(b"run"),
        attestations: vec![StatementId::of(b"attestation")],
        standing: vec![StatementId::of(b"approval")],
        checks: report,
        log: nowhere(),
        project: StatementId::of(b"project"),
        status: StatementId::of(b"status"),
        commitment: other_commitment(),
        outputs: vec!["first".to_owned()],
        ciphertext: Digest::of(b"ciphertext"),
        ciphertext_bytes: 10,
        ciphertext_root: Digest::of(b"root"),
        recipient: "age1".to_owned(),
    };
    forge.add("a release by persons and by a standing approval", &seal(forge, &release, "north", DAY));
    let by_nobody = Release { attestations: Vec::new(), standing: Vec::new(), ..release };
    forge.add("a release by nobody", &seal(forge, &by_nobody, "north", DAY));
    let question = Comment { question: true, to: Readers::Members, text: "Why?".to_owned(), ..silent };
    let encoded = codec::encode(&question).unwrap();
    let Ok(Value::Map(mut entries)) = ciborium::from_reader::<Value, _>(encoded.as_slice()) else { panic!("a map") };
    entries.retain(|(name, _)| *name != Value::Text("answers".into()));
    let claims = Claims { issuer: "olga".to_owned(), subject: question.subject(), ..Forge::claims() };
    let shorter = forge.seal(Kind::Comment, &claims, cbor(&Value::Map(entries)), "olga");
    forge.add("payload without an optional field", &shorter);
}
