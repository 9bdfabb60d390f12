//! node

pub mod network;
