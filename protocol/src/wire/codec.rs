//! Deterministic CBOR (RFC 8949 section 4.2.1) for payloads: one value has one encoding, and any other is refused.

use ciborium::Value;
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use thiserror::Error;

/// The largest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The deepest nesting of a payload.
pub const MAX_DEPTH: usize = 16;

/// Why bytes are not a payload of ours.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CodecError {
    /// More than [`MAX_PAYLOAD_BYTES`].
    #[error("the payload has {0} bytes; at most 65,536 are allowed")]
    TooLarge(usize),
    /// Not CBOR, cut short, or nested deeper than [`MAX_DEPTH`].
    #[error("the bytes are not well-formed CBOR of at most 16 levels")]
    Malformed,
    /// Well-formed, but not the one deterministic encoding: order, lengths, duplicates, trailing bytes.
    #[error("the bytes are not in deterministic CBOR")]
    NotDeterministic,
    /// A float, a tag, an undefined value or a key that is not text.
    #[error("a payload holds text-keyed maps, arrays, texts, bytes, integers, booleans and nulls only")]
    ForbiddenType,
    /// Deterministic CBOR, but not the fields that this kind of statement has.
    #[error("the fields do not fit the kind of statement: {0}")]
    Fields(String),
}

/// Encodes `value` deterministically.
///
/// # Errors
/// [`CodecError`] when the value holds a float, a tag or a non-text key, or is too large.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let tree = Value::serialized(value).map_err(|e| CodecError::Fields(e.to_string()))?;
    let bytes = encode_tree(tree)?;
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// Decodes bytes that must be the deterministic encoding of a `T`.
///
/// # Errors
/// [`CodecError`], for anything that [`encode`] would not have written.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    let tree = parse(bytes)?;
    if encode_tree(tree.clone())? != bytes {
        return Err(CodecError::NotDeterministic);
    }
    tree.deserialized().map_err(|e| CodecError::Fields(e.to_string()))
}

/// Parses exactly one CBOR item; trailing bytes are refused.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, CodecError> {
    let mut rest = io::Cursor::new(bytes);
    let tree: Value =
        ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).map_err(|_| CodecError::Malformed)?;
    if usize::try_from(rest.position()) == Ok(bytes.len()) { Ok(tree) } else { Err(CodecError::NotDeterministic) }
}

fn encode_tree(tree: Value) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&sorted(tree)?, &mut bytes).map_err(|_| CodecError::Malformed)?;
    Ok(bytes)
}

/// RFC 8949 section 4.2.1: keys in the bytewise order of their encodings. For text keys that is shorter first, then by bytes.
fn sorted(tree: Value) -> Result<Value, CodecError> {
    match tree {
        Value::Map(entries) => {
            let mut keyed = entries
                .into_iter()
                .map(|(key, value)| match key {
                    Value::Text(key) => Ok((key, sorted(value)?)),
                    _ => Err(CodecError::ForbiddenType),
                })
                .collect::<Result<Vec<_>, _>>()?;
            keyed.sort_by(|(a, _), (b, _)| (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes())));
            if keyed.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(CodecError::NotDeterministic);
            }
            Ok(Value::Map(keyed.into_iter().map(|(key, value)| (Value::Text(key), value)).collect()))
        }
        Value::Array(items) => items.into_iter().map(sorted).collect::<Result<_, _>>().map(Value::Array),
        plain @ (Value::Integer(_) | Value::Bytes(_) | Value::Text(_) | Value::Bool(_) | Value::Null) => Ok(plain),
        _ => Err(CodecError::ForbiddenType),
    }
}

#[cfg(test)]
mod tests {
    use super::{CodecError, decode, encode};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Sample = BTreeMap<String, Vec<i64>>;

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(sample: Sample) {
            let bytes = encode(&sample).expect("a map of integers has an encoding");
            prop_assert_eq!(decode::<Sample>(&bytes), Ok(sample));
        }

        #[test]
        fn whatever_decodes_is_the_one_encoding(bytes: Vec<u8>) {
            if let Ok(sample) = decode::<Sample>(&bytes) {
                prop_assert_eq!(encode(&sample), Ok(bytes));
            }
        }
    }

    #[test]
    fn each_other_encoding_is_refused() {
        let cases: [(&str, &[u8], CodecError); 7] = [
            ("trailing byte", &[0xa0, 0x00], CodecError::NotDeterministic),
            ("indefinite length", &[0xbf, 0xff], CodecError::NotDeterministic),
            ("non-minimal integer", &[0xa1, 0x61, b'a', 0x81, 0x18, 0x01], CodecError::NotDeterministic),
            ("duplicate key", &[0xa2, 0x61, b'a', 0x80, 0x61, b'a', 0x80], CodecError::NotDeterministic),
            ("unsorted keys", &[0xa2, 0x61, b'b', 0x80, 0x61, b'a', 0x80], CodecError::NotDeterministic),
            ("float", &[0xa1, 0x61, b'a', 0x81, 0xf9, 0x3c, 0x00], CodecError::ForbiddenType),
            ("cut short", &[0xa1, 0x61], CodecError::Malformed),
        ];
        for (name, bytes, error) in cases {
            assert_eq!(decode::<Sample>(bytes), Err(error), "{name}");
        }
        let deep = [vec![0x81; 17], vec![0x80]].concat();
        assert_eq!(decode::<Sample>(&deep), Err(CodecError::Malformed));
    }
}
