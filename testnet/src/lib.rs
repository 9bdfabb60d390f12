//! testnet

pub mod event;
pub mod fixture;
pub mod invariant;
pub mod scenario;
pub mod sim;
