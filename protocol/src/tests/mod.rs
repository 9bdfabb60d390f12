//! What no single room can show: statements, roster, Safes, quorum and node together.
//!
//! [`world`] is a small federation; [`vectors`] holds the statements of `protocol/vectors` against what is written and refused here.

mod admission;
mod authority;
mod flips;
mod node;
mod quorum;
mod revocation;
mod rotation;
mod vectors;
mod world;
