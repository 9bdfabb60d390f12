//! What two members say to each other over a direct stream (`WIRE.md`, section "Direct streams"): statements and blobs, by digest.

use crate::reconcile::Share;
use crate::record::Kind;
use crate::record::release::Sealed;
use crate::record::submission::TaskId;
use crate::wire::id::{Digest, StatementId};
use serde::{Deserialize, Serialize};

/// The largest part of a blob in one answer, in bytes: a request-response message stays small enough to interleave.
pub const PART_BYTES: usize = 1024 * 1024;

/// The bytes of a released file that one answer holds, but for the last ones: four on their way are a megabyte, all that a cut can cost.
pub const SLICE_BYTES: u64 = 256 * 1024;

/// The most statement ids in one message; a longer inventory is asked for in pages.
pub const IDS_PER_MESSAGE: usize = 8_192;

/// A question to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Take this signed statement. `Taken` is answered only after it is durable.
    Offer {
        /// The tagged COSE_Sign1.
        #[serde(with = "serde_bytes")]
        statement: Vec<u8>,
    },
    /// Which statements do you hold? Ids in ascending order, at most [`IDS_PER_MESSAGE`].
    Inventory {
        /// Only ids greater than this one.
        after: Option<StatementId>,
        /// Only these kinds; none listed means every kind.
        kinds: Vec<Kind>,
    },
    /// What do you say to this frame of a round (negentropy version 1 over when statements were signed and their ids)?
    Reconcile {
        /// Of which statements.
        share: Share,
        /// At most [`crate::reconcile::FRAME_BYTES`].
        #[serde(with = "serde_bytes")]
        frame: Vec<u8>,
    },
    /// Everything that you hold about one task: its submission, cancellations, phases, runs, attestations and releases.
    About {
        /// The task.
        task: TaskId,
    },
    /// Give me these statements (at most 64 ids).
    Statements {
        /// Their ids.
        ids: Vec<StatementId>,
    },
    /// Give me [`SLICE_BYTES`] of a released ciphertext, or what is left of it, with the hashes that prove them.
    Slice {
        /// The file.
        file: Sealed,
        /// Where to begin, in bytes; a multiple of 16,384.
        offset: u64,
        /// How many further members may be asked for it; 0 = answer from what you have only.
        hops: u8,
    },
    /// Give me at most [`PART_BYTES`] of a component.
    Blob {
        /// SHA-256 of the whole blob.
        digest: Digest,
        /// Where to begin, in bytes.
        offset: u64,
        /// How many further members may be asked for it; 0 = answer from your own store only.
        hops: u8,
    },
    /// Keep this part of a component for a submission that follows.
    Store {
        /// SHA-256 of the whole component.
        digest: Digest,
        /// Where this part begins, in bytes.
        offset: u64,
        /// The whole component's size, in bytes.
        total: u64,
        /// The part, at most [`PART_BYTES`].
        #[serde(with = "serde_bytes")]
        part: Vec<u8>,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// The statement or part is durable here.
    Taken,
    /// The statement was not taken; the reason is a sentence for the sender.
    NotTaken {
        /// Why, and what to do.
        reason: String,
    },
    /// The ids asked for.
    Inventory {
        /// Ascending.
        ids: Vec<StatementId>,
        /// Whether more follow the last one.
        more: bool,
    },
    /// The frame that answers one.
    Reconcile {
        /// At most [`crate::reconcile::FRAME_BYTES`]; its version alone when nothing differs.
        #[serde(with = "serde_bytes")]
        frame: Vec<u8>,
    },
    /// The statements asked for that are held here.
    Statements {
        /// Tagged COSE_Sign1 each.
        statements: Vec<serde_bytes::ByteBuf>,
    },
    /// A slice of a released ciphertext.
    Slice {
        /// In the Bao encoding, with groups of 16 KiB and no length before it.
        #[serde(with = "serde_bytes")]
        slice: Vec<u8>,
    },
    /// A part of a blob.
    Part {
        /// The whole blob's size, in bytes.
        total: u64,
        /// At most [`PART_BYTES`], never empty unless `total` is 0.
        #[serde(with = "serde_bytes")]
        part: Vec<u8>,
    },
    /// Not held here, or not released.
    Unknown,
}
