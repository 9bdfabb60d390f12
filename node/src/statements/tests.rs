//! Statement files: whole or not at all, and never a panic whatever is in them.

use super::{ReadError, WriteError, append, load, read, replace, write_new};
use keys::at_rest::PlaceError;
use keys::signer::{Signer as _, SoftKey};
use protocol::record::Payload;
use protocol::record::key_record::{HolderKind, KeyRecord};
use protocol::record::root::{Root, RootKey};
use protocol::record::stamp::{Stamp, sign};
use protocol::record::status::Status;
use protocol::wire::codec;
use protocol::wire::id::NetworkId;
use std::fs;
use std::path::Path;

const NOW: u64 = 1_800_000_000;

fn key() -> SoftKey {
    SoftKey::from_seed([1; 32])
}

fn root() -> Root {
    Root {
        network: "heart".to_owned(),
        version: 1,
        previous: None,
        threshold: 1,
        keys: vec![RootKey { person: "alice".to_owned(), organisation: "A".to_owned(), key: key().public() }],
        clock_skew_seconds: 60,
    }
}

fn network() -> NetworkId {
    NetworkId::of(&codec::encode(&root()).unwrap())
}

fn by<T: Payload>(signer: &SoftKey, issuer: &str, payload: &T, issued: u64, lifetime: u64) -> Vec<u8> {
    let nonce = [u8::try_from(issued % 251).unwrap(); 16];
    let stamp = Stamp { network: network(), issuer: issuer.to_owned(), issued, lifetime, nonce, place: None };
    sign(payload, &stamp, signer).unwrap()
}

fn signed_root() -> Vec<u8> {
    by(&key(), "alice", &root(), NOW, 1_000_000)
}

fn status(epoch: u64, issued: u64) -> Vec<u8> {
    by(&key(), "alice", &Status { epoch, root_version: 1, revocations: Vec::new() }, issued, 1_000)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_written_is_read_and_a_second_writing_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.quintes");
    let (one, two) = (signed_root(), status(1, NOW));
    write_new(&path, &[&one]).unwrap();
    assert_eq!(read(&path).unwrap(), std::slice::from_ref(&one));
    assert!(matches!(write_new(&path, &[&two]), Err(WriteError::Place(PlaceError::Exists { .. }))));
    assert_eq!(append(&path, &[&one, &two, &two]).unwrap(), 1);
    assert_eq!(append(&path, &[&two]).unwrap(), 0);
    assert_eq!(read(&path).unwrap(), [one.clone(), two.clone()]);
    replace(&path, &[&two]).unwrap();
    assert_eq!(read(&path).unwrap(), [two]);
    assert_eq!(names(folder.path()), ["a.quintes"]);
    assert!(matches!(replace(&folder.path().join("no/a.quintes"), &[&one]), Err(WriteError::Io { .. })));
}

#[test]
fn a_file_cut_at_any_byte_is_told_from_a_whole_one_and_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.quintes");
    let (one, two) = (signed_root(), status(1, NOW));
    let whole = [one.clone(), two.clone()].concat();
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        match read(&path) {
            Ok(found) if length == whole.len() => assert_eq!(found, [one.clone(), two.clone()]),
            Ok(found) => assert_eq!((found, length), (vec![one.clone()], one.len())),
            Err(ReadError::Empty { .. }) => assert_eq!(length, 0),
            Err(ReadError::CutShort { offset, .. }) => {
                assert_eq!(offset, if length > one.len() { one.len() } else { 0 })
            }
            Err(other) => panic!("{length}: {other}"),
        }
        if append(&path, &[&two]).is_err() {
            assert_eq!(fs::read(&path).unwrap(), &whole[..length], "what cannot be read is not touched");
        }
        assert_eq!(names(folder.path()), ["a.quintes"]);
    }
}

#[test]
fn foreign_bytes_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.quintes");
    let one = signed_root();
    let at = one.len();
    for (name, tail) in [
        ("text", b"hello".as_slice()),
        ("an integer", &[0x01]),
        ("another tag", &[0xd1, 0x84, 0x40, 0xa0, 0x40, 0x40]),
        ("a break", &[0xff]),
        ("deep", &[0x81; 100]),
        ("a reserved head", &[0x1c]),
    ] {
        fs::write(&path, [one.as_slice(), tail].concat()).unwrap();
        let error = read(&path).unwrap_err();
        let offset = match error {
            ReadError::NotAStatement { offset, .. } | ReadError::CutShort { offset, .. } => offset,
            other => panic!("{name}: {other}"),
        };
        assert_eq!(offset, at, "{name}");
    }
    // A head that promises more than any statement has.
    fs::write(&path, [vec![0x5a, 0xff, 0xff, 0xff, 0xff], vec![0; 100_000]].concat()).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("at byte 0: the statement has more than 65,536 bytes"));
    assert!(matches!(read(folder.path()), Err(ReadError::NotAFile { .. })));
    assert!(matches!(read(&folder.path().join("b")), Err(ReadError::Missing { .. })));
}

#[test]
fn a_folder_is_loaded_whatever_its_order_and_says_what_it_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bob = SoftKey::from_seed([2; 32]);
    let record = KeyRecord {
        kind: HolderKind::Person,
        name: "bob".to_owned(),
        organisation: "B".to_owned(),
        device: String::new(),
        key: bob.public(),
        recipient: None,
        peer: None,
    };
    // Names that sort against the order in which they are needed.
    write_new(&folder.path().join("0.quintes"), &[status(1, NOW - 5_000), status(2, NOW), status(3, NOW + 900)])
        .unwrap();
    write_new(&folder.path().join("1.quintes"), &[by(&key(), "alice", &record, NOW, 1_000)]).unwrap();
    write_new(&folder.path().join("2.quintes"), &[by(&bob, "bob", &record, NOW, 1_000)]).unwrap();
    write_new(
        &folder.path().join("3.quintes"),
        &[by(&bob, "bob", &Status { epoch: 9, root_version: 1, revocations: Vec::new() }, NOW, 9)],
    )
    .unwrap();
    write_new(&folder.path().join("9.quintes"), &[signed_root(), signed_root()]).unwrap();
    fs::write(folder.path().join("bad.quintes"), b"hello").unwrap();
    fs::write(folder.path().join("readme.txt"), b"hello").unwrap();
    fs::write(folder.path().join(".hidden.quintes"), b"hello").unwrap();
    let federation = load(&[folder.path().to_owned()], None, NOW + 1).unwrap();
    assert_eq!(federation.roster.network(), &network());
    assert_eq!(federation.roster.holder(&bob.public().id()).unwrap().name, "bob");
    assert_eq!(federation.roster.fresh_status(NOW + 1).unwrap().payload().epoch, 2);
    assert_eq!(federation.statements.len(), 5, "one root, two signatures of a key record, two statuses");
    assert_eq!(federation.expired.len(), 1);
    let refused: Vec<(&str, bool)> =
        federation.refused.iter().map(|one| (one.file.file_name().unwrap().to_str().unwrap(), one.early)).collect();
    assert_eq!(refused, [("bad.quintes", false), ("0.quintes", true)]);
}

#[test]
fn a_federation_is_named_by_one_root_or_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().to_owned()];
    assert!(matches!(load(&paths, None, NOW), Err(super::LoadError::NoRoot)));
    assert!(matches!(load(&[folder.path().join("no")], None, NOW), Err(super::LoadError::Missing { .. })));
    assert_eq!(load(&paths, Some(network()), NOW).unwrap().statements.len(), 0);
    write_new(&folder.path().join("1.quintes"), &[signed_root()]).unwrap();
    let other = Root { network: "lung".to_owned(), ..root() };
    let other_network = NetworkId::of(&codec::encode(&other).unwrap());
    let stamp = Stamp {
        network: other_network,
        issuer: "alice".to_owned(),
        issued: NOW,
        lifetime: 1_000,
        nonce: [7; 16],
        place: None,
    };
    write_new(&folder.path().join("2.quintes"), &[sign(&other, &stamp, &key()).unwrap()]).unwrap();
    assert!(matches!(load(&paths, None, NOW), Err(super::LoadError::SeveralRoots(found)) if found.len() == 2));
    let federation = load(&paths, Some(network()), NOW).unwrap();
    assert_eq!(federation.roster.root().unwrap().network, "heart");
    assert_eq!(federation.refused.len(), 1, "the other federation's root does not verify here");
}
