//! Which statements two members lack of each other's: their ids in the order of time, compared by negentropy in frames of 60 kB.
//!
//! A round is a conversation: [`begin`] makes the first frame, the other member gives [`answer`]s, and [`compare`] says after each one what is
//! missing on which side and which frame comes next. Who answers keeps nothing between two frames. A round over equal sets is one frame each
//! way, whatever their size.

mod index;

pub use index::Index;

use crate::record::Kind;
use crate::wire::id::StatementId;
use negentropy::{Id, Negentropy};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The largest frame, in bytes.
pub const FRAME_BYTES: usize = 60_000;

/// A share of the statements of a federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// The kinds before `submission`: who may what, and what is no longer so. Nothing else can be believed without them.
    Trust,
    /// Everything about tasks and logs.
    Tasks,
}

impl Share {
    /// Both, in the order in which they are compared.
    pub const ALL: [Self; 2] = [Self::Trust, Self::Tasks];

    /// The share that a kind belongs to.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        if kind < Kind::Submission { Self::Trust } else { Self::Tasks }
    }
}

/// A frame that is not one of negentropy's (version 1), or is longer than [`FRAME_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("what the member says of its statements is not in this version of the protocol; ask another one")]
pub struct BadFrame;

/// What a frame has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// What the other member holds and this one does not.
    pub missing_here: Vec<StatementId>,
    /// What this member holds and the other one does not.
    pub missing_there: Vec<StatementId>,
    /// What to ask next; none when everything was compared.
    pub next: Option<Vec<u8>>,
}

/// The first frame of a round.
#[must_use]
pub fn begin(index: &Index) -> Vec<u8> {
    speaker(index).initiate().expect("an index in order can be divided")
}

/// What to say to a frame of a member that began a round.
///
/// # Errors
/// [`BadFrame`].
pub fn answer(index: &Index, frame: &[u8]) -> Result<Vec<u8>, BadFrame> {
    bounded(frame)?;
    speaker(index).reconcile(frame).map_err(|_| BadFrame)
}

/// What the answer to this member's own frame tells.
///
/// # Errors
/// [`BadFrame`].
pub fn compare(index: &Index, frame: &[u8]) -> Result<Compared, BadFrame> {
    bounded(frame)?;
    let mut speaker = speaker(index);
    speaker.set_initiator();
    let (mut there, mut here) = (Vec::new(), Vec::new());
    let next = speaker.reconcile_with_ids(frame, &mut there, &mut here).map_err(|_| BadFrame)?;
    let named = |ids: Vec<Id>| ids.into_iter().map(|id| StatementId(id.to_bytes())).collect();
    Ok(Compared { missing_here: named(here), missing_there: named(there), next })
}

fn speaker(index: &Index) -> Negentropy<'_, Index> {
    let limit = u64::try_from(FRAME_BYTES).unwrap_or(u64::MAX);
    Negentropy::borrowed(index, limit).expect("the limit is more than 4,096 bytes")
}

fn bounded(frame: &[u8]) -> Result<(), BadFrame> {
    if frame.len() > FRAME_BYTES { Err(BadFrame) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
