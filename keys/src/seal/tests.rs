//! What must hold of sealing: only the recipient opens, nothing changed opens, and no recipient stops the node.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// More than two chunks of 64 KiB, so that a chunk in the middle exists.
const LONG: usize = 150_000;

/// A quick work factor for tests.
const LOG_N: u8 = 4;

fn sealed(identity: &Identity, plaintext: &[u8]) -> Vec<u8> {
    let mut ciphertext = Vec::new();
    let recipient = parse_recipient(&identity.recipient()).unwrap();
    let size = seal(&[recipient], plaintext, &mut ciphertext).unwrap();
    assert_eq!(size, u64::try_from(plaintext.len()).unwrap());
    ciphertext
}

fn given(passphrase: &str) -> impl FnOnce() -> io::Result<Zeroizing<String>> {
    let passphrase = Zeroizing::new(passphrase.to_owned());
    move || Ok(passphrase)
}

fn not_asked() -> io::Result<Zeroizing<String>> {
    panic!("a passphrase was asked for")
}

/// The text of any 32 bytes as a recipient (BIP 173).
fn recipient_text(point: [u8; 32]) -> String {
    let mut values: Vec<u8> = (0..52_usize)
        .map(|group| {
            (0..5).fold(0, |value, bit| {
                let at = group * 5 + bit;
                let set = point.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
                value << 1 | u8::from(set)
            })
        })
        .collect();
    let polymod = |values: &[u8]| {
        values.iter().fold(1_u32, |sum, value| {
            let generators = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
            let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(*value);
            generators.iter().enumerate().fold(shifted, |sum_now, (i, generator)| {
                if sum >> 25 >> i & 1 == 1 { sum_now ^ generator } else { sum_now }
            })
        })
    };
    // `age` expanded: high bits, zero, low bits; then the data and six zeros.
    let expanded = [&[3, 3, 3, 0, 1, 7, 5][..], &values, &[0; 6]].concat();
    let checksum = polymod(&expanded) ^ 1;
    values.extend((0..6).map(|i| (checksum >> (5 * (5 - i)) & 31).to_le_bytes()[0]));
    let text: String = values.iter().map(|value| char::from(BECH32[usize::from(*value)])).collect();
    format!("age1{text}")
}

#[test]
fn what_is_sealed_opens_whatever_its_size() {
    let identity = Identity::generate();
    for size in [0, 1, 65_535, 65_536, 65_537, LONG] {
        let plaintext: Vec<u8> = (0..size).map(|i| i.to_le_bytes()[0]).collect();
        let ciphertext = sealed(&identity, &plaintext);
        assert!(ciphertext.starts_with(b"age-encryption.org/v1\n-> X25519 "));
        assert_eq!(open_all(&identity, &ciphertext[..], 1 << 20).unwrap(), plaintext);
        let mut streamed = Vec::new();
        open(&identity, &ciphertext[..]).unwrap().read_to_end(&mut streamed).unwrap();
        assert_eq!(streamed, plaintext);
    }
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let (ada, eve, mallory) = (Identity::generate(), Identity::generate(), Identity::generate());
    let recipients = [&ada, &eve].map(|identity| identity.recipient().parse().unwrap());
    let mut ciphertext = Vec::new();
    seal(&recipients, &b"counts"[..], &mut ciphertext).unwrap();
    for identity in [&ada, &eve] {
        assert_eq!(open_all(identity, &ciphertext[..], 6).unwrap(), b"counts");
    }
    assert!(matches!(open_all(&mallory, &ciphertext[..], 6), Err(OpenError::OtherRecipient)));
    assert!(matches!(open_all(&ada, &ciphertext[..], 5), Err(OpenError::TooLarge { limit: 5 })));
    assert!(matches!(seal(&[], &b"counts"[..], io::sink()), Err(SealError::NoRecipient)));
}

#[test]
fn a_ciphertext_cut_off_anywhere_does_not_open() {
    let identity = Identity::generate();
    let short = sealed(&identity, b"counts");
    for length in 0..short.len() {
        let result = open_all(&identity, &short[..length], 1 << 20);
        assert!(matches!(result, Err(OpenError::Damaged)), "{length}: {result:?}");
    }
    // At the borders of chunks too, where what is there is authentic.
    let long = sealed(&identity, &[7; LONG]);
    let header = long.len() - LONG - 3 * 16;
    for length in [header, header + 65_552, header + 2 * 65_552, long.len() - 1] {
        assert!(matches!(open_all(&identity, &long[..length], 1 << 20), Err(OpenError::Damaged)), "{length}");
    }
}

#[test]
fn a_ciphertext_with_a_flipped_bit_or_a_tail_does_not_open() {
    let identity = Identity::generate();
    let short = sealed(&identity, b"counts");
    for byte in 0..short.len() {
        let mut flipped = short.clone();
        flipped[byte] ^= 1;
        assert!(open_all(&identity, &flipped[..], 1 << 20).is_err(), "byte {byte}");
    }
    let mut long = sealed(&identity, &[7; LONG]);
    let middle = long.len() / 2;
    long[middle] ^= 0x80;
    assert!(matches!(open_all(&identity, &long[..], 1 << 20), Err(OpenError::Damaged)));
    for tail in [&b"\0"[..], &short] {
        let result = open_all(&identity, &[&short[..], tail].concat()[..], 1 << 20);
        assert!(matches!(result, Err(OpenError::Damaged)), "{result:?}");
    }
}

#[test]
fn recipients_come_back_from_their_text_and_secrets_are_not_taken_for_them() {
    let identity = Identity::generate();
    let text = identity.recipient();
    let recipient = parse_recipient(&format!(" {text}\n")).unwrap();
    assert_eq!(recipient.to_string(), text);
    let mistyped = if text.ends_with('q') { "p" } else { "q" };
    for wrong in ["", "age1", "ssh-ed25519 AAAA", &text[1..], &format!("{}{mistyped}", &text[..text.len() - 1])] {
        assert_eq!(parse_recipient(wrong), Err(ParseRecipientError::NotARecipient), "{wrong}");
    }
    assert_eq!(parse_recipient(identity.0.to_string().expose_secret()), Err(ParseRecipientError::Secret));
    assert_eq!(format!("{identity:?}"), format!("Identity({text})"));
}

#[test]
fn recipients_of_low_order_are_refused_before_they_could_stop_the_node() {
    for point in LOW_ORDER {
        for top_bit in [0, 0x80] {
            let mut point = point;
            point[31] |= top_bit;
            let text = recipient_text(point);
            assert_eq!(parse_recipient(&text), Err(ParseRecipientError::LowOrder), "{text}");
            // Why: age itself takes such a recipient and panics when it seals.
            let unchecked = Recipient(text.parse().unwrap());
            let sealed = std::panic::catch_unwind(|| seal(&[unchecked], &b"counts"[..], io::sink()).is_ok());
            assert!(sealed.is_err(), "{text}");
        }
    }
    // The same spelling by hand gives a recipient that is accepted: the base point, u = 9.
    assert!(parse_recipient(&recipient_text(ends(9, 0, 0))).is_ok());
}

#[test]
fn an_identity_file_is_private_and_opens_with_its_passphrase_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (locked, plain) = (folder.path().join("locked"), folder.path().join("plain"));
    let identity = Identity::generate();
    identity.create_file(&locked, Some("four plain words here"), LOG_N).unwrap();
    identity.create_file(&plain, None, LOG_N).unwrap();
    for path in [&locked, &plain] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Identity::generate().create_file(path, None, LOG_N);
        assert!(matches!(again, Err(CreateError::Place(PlaceError::Exists { .. }))));
    }
    assert!(!String::from_utf8_lossy(&fs::read(&locked).unwrap()).contains("AGE-SECRET-KEY"));
    assert_eq!(Identity::open_file(&plain, not_asked).unwrap().recipient(), identity.recipient());
    let opened = Identity::open_file(&locked, given("four plain words here")).unwrap();
    assert_eq!(opened.recipient(), identity.recipient());
    for wrong in ["four plain words", ""] {
        assert!(matches!(Identity::open_file(&locked, given(wrong)), Err(OpenFileError::WrongPassphrase { .. })));
    }
    let nobody = || Err(io::Error::other("no terminal"));
    assert!(matches!(Identity::open_file(&locked, nobody), Err(OpenFileError::NoPassphrase { .. })));
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(Identity::open_file(&plain, not_asked).unwrap_err().to_string().contains("chmod 600"));
}

#[test]
fn identity_files_that_are_weak_greedy_or_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one");
    let identity = Identity::generate();
    assert!(matches!(identity.create_file(&path, Some(""), LOG_N), Err(CreateError::EmptyPassphrase)));
    for log_n in [0, SCRYPT_LOG_N_MAX + 1, u8::MAX] {
        assert!(matches!(identity.create_file(&path, Some("word"), log_n), Err(CreateError::WorkFactor)));
    }
    assert!(!path.exists());
    identity.create_file(&path, Some("word"), LOG_N).unwrap();
    let sound = fs::read(&path).unwrap();

    // The work factor stands in the clear in the header's second line; nobody has to be asked to do that much.
    let end = sound.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0;
    let greedy = [&sound[..end - 1], b"30", &sound[end..]].concat();
    fs::write(&path, greedy).unwrap();
    let refused = Identity::open_file(&path, given("word"));
    assert!(matches!(refused, Err(OpenFileError::TooMuchWork { log_n: 30, .. })), "{refused:?}");

    let secret = identity.0.to_string();
    let two = format!("{0}\n{0}\n", secret.expose_secret());
    let to_somebody = sealed(&identity, secret.expose_secret().as_bytes());
    for wrong in [&b""[..], b"# a comment alone\n", b"AGE-SECRET-KEY-1QQQQ", &[0xff; 9], two.as_bytes(), &to_somebody] {
        fs::write(&path, wrong).unwrap();
        assert!(matches!(Identity::open_file(&path, not_asked), Err(OpenFileError::NotAnIdentity { .. })));
    }
    fs::write(&path, &sound[..sound.len() - 1]).unwrap();
    assert!(matches!(Identity::open_file(&path, given("word")), Err(OpenFileError::NotAnIdentity { .. })));
}
