//! What may be said, by whom, in what order; what is safe to let out. Pure: no clock, no randomness, no files, no network.
//!
//! The way of the data through this crate:
//!
//! | step | room |
//! |---|---|
//! | bytes become statements | [`wire`] (codec, envelope), [`record`] (one file for each kind) |
//! | a statement is believed | [`ingress`], with [`trust`] (roster, authority, freshness, quorum) |
//! | a task may run | [`safes`] (people, projects, data, settings), in the order of [`lifecycle`] |
//! | outputs may be reviewed | [`safes::outputs`], with [`disclosure`] |
//! | outputs may leave | [`tre`] |
//! | it is written where nobody can rewrite it | [`log`] |
//! | what a node does with all that | [`node`] |
//! | what two members lack of each other's | [`reconcile`] |
//! | what is kept back, and who tells two stories | [`chain`], [`log`] |
//! | parts of several TREs become one | [`aggregate`] |
//! | all of that is checked again, by anybody, later | [`audit`] |

pub mod aggregate;
pub mod audit;
pub mod chain;
pub mod delivery;
pub mod disclosure;
pub mod ingress;
pub mod lifecycle;
pub mod log;
pub mod node;
pub mod reconcile;
pub mod record;
pub mod safes;
pub mod tre;
pub mod trust;
pub mod wire;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
