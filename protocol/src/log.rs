//! The transparency log: every decision of a TRE is a leaf of a Merkle tree (RFC 6962) that only grows, and other nodes say that it does.
//!
//! The log is no store of its own: it follows from the journal, leaf by leaf, so that a node that was replayed has the same tree.
//! [`tree`] is a TRE's own log; [`witness`] is what a node has seen of the logs of others; [`witness::fork`] is the proof that one of them
//! told two stories; [`recovery`] says when a log may go on although something of it was lost.

pub mod recovery;
pub mod tree;
pub mod witness;
