//! Public keys: 32 bytes of Ed25519 that are safe to trust, their ids, their texts, and strict verification.

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteArray, Bytes};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The algorithm's name in an OpenSSH key (RFC 8709 section 4).
const ALGORITHM: &str = "ssh-ed25519";

/// What precedes the 32 bytes in an OpenSSH key blob: the name and the key are length-prefixed (RFC 4251 section 5).
const BLOB_PREFIX: &[u8; 19] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// The size of an OpenSSH Ed25519 key blob, in bytes.
const BLOB_BYTES: usize = BLOB_PREFIX.len() + 32;

/// Why 32 bytes are not a public key that may be trusted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidKey {
    /// The bytes decode to no point of the curve.
    #[error("the bytes are no point of the Ed25519 curve; ask the owner for the key again")]
    NotAPoint,
    /// The point has small order, so a signature could fit almost any message.
    #[error("the key is of small order and could sign anything; ask the owner for a new key")]
    SmallOrder,
    /// The point has another encoding, which would give one key two ids (RFC 8032 section 5.1.3).
    #[error("the key is not in its canonical encoding; ask the owner for the key again")]
    NotCanonical,
}

/// Why a text is not an OpenSSH public key line. The text is never repeated, since people paste private keys by mistake.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseKeyError {
    /// A private key where a public one belongs.
    #[error("this is a private key; give the line of the `.pub` file beside it, and show the private one to nobody")]
    Private,
    /// A key for another algorithm.
    #[error("only `ssh-ed25519` keys are accepted; make one with `ssh-keygen -t ed25519`")]
    OtherAlgorithm,
    /// Not `ssh-ed25519`, one base64 word, and perhaps a comment.
    #[error("the text is not one line `ssh-ed25519 AAAA… comment`; copy the whole line of the `.pub` file")]
    NotALine,
    /// The line is well formed, the key in it is not.
    #[error(transparent)]
    Invalid(#[from] InvalidKey),
}

/// The signature was not made over this message with this key, or not in the one strict form.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the signature does not verify under the key it names")]
pub struct BadSignature;

/// Why a text is not a key id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a key id is 32 hexadecimal digits")]
pub struct NotAKeyId;

/// An Ed25519 public key (RFC 8032 section 5.1): a canonical point that is not of small order.
///
/// A byte string of 32 bytes in CBOR; the OpenSSH line without a comment in JSON and TOML, as for [`Display`](fmt::Display).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with these 32 bytes.
    ///
    /// # Errors
    /// [`InvalidKey`] when they are no point, a point of small order, or not the point's canonical encoding.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidKey> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidKey::NotAPoint)?;
        if key.is_weak() {
            return Err(InvalidKey::SmallOrder);
        }
        if key.to_edwards().compress().to_bytes() != bytes {
            return Err(InvalidKey::NotCanonical);
        }
        Ok(Self(bytes))
    }

    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id that statements carry as `kid`.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest: [u8; 32] = Sha256::digest(self.0).into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        KeyId(id)
    }

    /// Checks a signature (RFC 8032 section 5.1.7) in the strict form: canonical S, canonical R, neither point of small
    /// order, no cofactor. Nodes that disagree on a signature would disagree on who may release, so there is no other check.
    ///
    /// # Errors
    /// [`BadSignature`], without saying which check failed.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
            .map_err(|_| BadSignature)
    }

    /// The fingerprint as `ssh-keygen -l` and `ssh-add -l` print it: `SHA256:` and 43 characters of unpadded base64.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.blob());
        format!("SHA256:{}", Base64Unpadded::encode_string(&digest))
    }

    /// The key as OpenSSH encodes it (RFC 8709 section 4).
    fn blob(&self) -> [u8; BLOB_BYTES] {
        let mut blob = [0; BLOB_BYTES];
        let (prefix, key) = blob.split_at_mut(BLOB_PREFIX.len());
        prefix.copy_from_slice(BLOB_PREFIX);
        key.copy_from_slice(&self.0);
        blob
    }
}

/// The OpenSSH line without a comment: `ssh-ed25519 AAAA…`.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM} {}", Base64::encode_string(&self.blob()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

/// Takes the OpenSSH line, with or without a comment.
impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let line = text.trim();
        if line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY") {
            return Err(ParseKeyError::Private);
        }
        if line.contains(['\n', '\r']) {
            return Err(ParseKeyError::NotALine);
        }
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some(ALGORITHM) => {}
            Some(name) if ["ssh-", "ecdsa-", "sk-"].iter().any(|start| name.starts_with(start)) => {
                return Err(ParseKeyError::OtherAlgorithm);
            }
            _ => return Err(ParseKeyError::NotALine),
        }
        let mut blob = [0; BLOB_BYTES];
        let decoded =
            Base64::decode(words.next().unwrap_or_default(), &mut blob).map_err(|_| ParseKeyError::NotALine)?;
        let key = decoded.strip_prefix(BLOB_PREFIX).ok_or(ParseKeyError::NotALine)?;
        let key = <[u8; 32]>::try_from(key).map_err(|_| ParseKeyError::NotALine)?;
        Ok(Self::from_bytes(key)?)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            Bytes::new(&self.0).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            let bytes = ByteArray::<32>::deserialize(deserializer)?;
            Self::from_bytes(bytes.into_array()).map_err(D::Error::custom)
        }
    }
}

/// The first 16 bytes of SHA-256 over a public key's 32 bytes: it finds the key record, and the record's key decides.
///
/// A byte string of 16 bytes in CBOR, 32 hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

/// 32 lower-case hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        // `from_str_radix` alone would take `+f` for a byte.
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAKeyId);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| NotAKeyId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            Bytes::new(&self.0).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            Ok(Self(ByteArray::<16>::deserialize(deserializer)?.into_array()))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::signer::{Signer as _, SoftKey};

    /// The group order L, little-endian (RFC 8032 section 5.1).
    const GROUP_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

    fn bytes<const N: usize>(hexadecimal: &str) -> [u8; N] {
        assert_eq!(hexadecimal.len(), 2 * N);
        std::array::from_fn(|i| u8::from_str_radix(&hexadecimal[2 * i..2 * i + 2], 16).unwrap())
    }

    fn key() -> SoftKey {
        SoftKey::from_seed([7; 32])
    }

    #[test]
    fn every_encoding_of_a_small_order_point_is_refused() {
        let zeros = "00".repeat(30);
        let ones = "ff".repeat(30);
        let mut encodings = vec![
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".to_owned(),
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85".to_owned(),
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".to_owned(),
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa".to_owned(),
        ];
        for (first, last) in [("00", "00"), ("00", "80"), ("01", "00"), ("01", "80")] {
            encodings.push(format!("{first}{zeros}{last}"));
        }
        for (first, last) in [("ec", "7f"), ("ec", "ff"), ("ed", "7f"), ("ed", "ff"), ("ee", "7f"), ("ee", "ff")] {
            encodings.push(format!("{first}{ones}{last}"));
        }
        for encoding in encodings {
            assert_eq!(PublicKey::from_bytes(bytes(&encoding)), Err(InvalidKey::SmallOrder), "{encoding}");
        }
    }

    #[test]
    fn bytes_that_are_no_point_or_another_encoding_of_one_are_refused() {
        let mut not_points = 0;
        let mut not_canonical = 0;
        // The 19 values of y from p to 2^255 - 1 all have a smaller canonical form.
        for last in 0xed..=0xff {
            let mut encoding = [0xff; 32];
            encoding[0] = last;
            encoding[31] = 0x7f;
            match PublicKey::from_bytes(encoding) {
                Err(InvalidKey::NotAPoint) => not_points += 1,
                Err(InvalidKey::NotCanonical) => not_canonical += 1,
                Err(InvalidKey::SmallOrder) => {}
                Ok(_) => panic!("y = {last:x} was accepted"),
            }
        }
        assert!(not_points > 0 && not_canonical > 0);
    }

    #[test]
    fn rfc_8032_section_7_1_test_3_verifies() {
        let key =
            PublicKey::from_bytes(bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")).unwrap();
        let signature = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        assert_eq!(key.verify(&[0xaf, 0x82], &signature), Ok(()));
        assert_eq!(key.verify(&[0xaf, 0x83], &signature), Err(BadSignature));
    }

    #[test]
    fn a_malleated_signature_is_refused() {
        let order = bytes::<32>(GROUP_ORDER);
        for round in 0..64_u8 {
            let message = [round; 9];
            let signature = key().sign(&message).unwrap();
            assert_eq!(key().public().verify(&message, &signature), Ok(()));
            // S + L satisfies the same equation; only the range check refuses it.
            let mut malleated = signature;
            let mut carry = 0;
            for (digit, addend) in malleated[32..].iter_mut().zip(order) {
                let sum = u16::from(*digit) + u16::from(addend) + carry;
                *digit = sum.to_le_bytes()[0];
                carry = sum >> 8;
            }
            assert_eq!(carry, 0, "S + L fits 32 bytes");
            assert_eq!(key().public().verify(&message, &malleated), Err(BadSignature));
        }
    }

    #[test]
    fn each_flipped_bit_of_a_signature_is_refused() {
        let signature = key().sign(b"release").unwrap();
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key().public().verify(b"release", &flipped), Err(BadSignature), "bit {bit}");
        }
    }

    #[test]
    fn the_text_comes_back_with_or_without_a_comment() {
        for seed in 0..64 {
            let public = SoftKey::from_seed([seed; 32]).public();
            let text = public.to_string();
            assert!(text.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
            assert_eq!(text.parse(), Ok(public));
            assert_eq!(format!("{text} ada@example.org of the registry\n").parse(), Ok(public));
        }
    }

    #[test]
    fn texts_that_are_no_public_key_say_what_to_do() {
        let text = key().public().to_string();
        let not_a_line = [
            "",
            "ssh-ed25519",
            "ada",
            &text[..text.len() - 1],
            &format!("{text}A"),
            &format!("{text}===="),
            &format!("{text}\n{text}"),
            &text.replace("ssh-ed25519 AAAAC3", "ssh-ed25519 AAAAD3"),
        ];
        for wrong in not_a_line {
            assert_eq!(wrong.parse::<PublicKey>(), Err(ParseKeyError::NotALine), "{wrong}");
        }
        assert_eq!("ssh-rsa AAAA".parse::<PublicKey>(), Err(ParseKeyError::OtherAlgorithm));
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl";
        assert_eq!(private.parse::<PublicKey>(), Err(ParseKeyError::Private));
        let small = PublicKey([0; 32]).to_string();
        assert_eq!(small.parse::<PublicKey>(), Err(ParseKeyError::Invalid(InvalidKey::SmallOrder)));
    }

    #[test]
    fn a_key_id_is_half_of_the_digest_and_comes_back_from_its_text() {
        let public =
            PublicKey::from_bytes(bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")).unwrap();
        let id = public.id();
        assert_eq!(id.0[..], Sha256::digest(public.as_bytes())[..16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "+f000000000000000000000000000000", &id.to_string()[1..], &format!("{id}0"), &"é".repeat(16)]
        {
            assert_eq!(wrong.parse::<KeyId>(), Err(NotAKeyId), "{wrong}");
        }
    }

    #[test]
    fn keys_and_ids_are_byte_strings_in_cbor_and_text_in_json() {
        let public = key().public();
        let both = (public, public.id());
        let mut cbor = Vec::new();
        ciborium::into_writer(&both, &mut cbor).unwrap();
        // Array of 2; byte strings of 32 and of 16 (RFC 8949 section 3.1).
        assert_eq!((cbor.len(), &cbor[..3], cbor[35]), (1 + 34 + 17, &[0x82, 0x58, 32][..], 0x50));
        assert_eq!(ciborium::from_reader::<(PublicKey, KeyId), _>(&cbor[..]).unwrap(), both);
        let json = serde_json::to_string(&both).unwrap();
        assert_eq!(json, format!("[\"{public}\",\"{}\"]", public.id()));
        assert_eq!(serde_json::from_str::<(PublicKey, KeyId)>(&json).unwrap(), both);
        // A key of small order does not enter by deserialisation either.
        cbor[3..35].fill(0);
        assert!(ciborium::from_reader::<(PublicKey, KeyId), _>(&cbor[..]).is_err());
    }
}
