//! Bytes on the wire and in a file: ids, the codec, the envelope, direct messages.

pub mod codec;
pub mod envelope;
pub mod id;
pub mod message;
