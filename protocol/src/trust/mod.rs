//! Who may speak as whom: the root, the roster of keys, grants, quorums and freshness.

pub mod authority;
pub mod freshness;
pub mod quorum;
pub mod roster;
