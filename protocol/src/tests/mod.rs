//! What no single room can show: statements, roster, Safes, quorum and node together.
//!
//! [`world`] is a small federation; [`vectors`] holds the statements of `protocol/vectors` against what is written and refused here.

mod admission;
mod authority;
mod chain;
mod datasets;
mod exported;
mod flips;
mod log;
mod node;
mod party;
mod quorum;
mod recovery;
mod revocation;
mod rotation;
mod standing;
mod vectors;
mod world;
