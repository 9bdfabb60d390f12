//! testnet

pub mod fixture;
