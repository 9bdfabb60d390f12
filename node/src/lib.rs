//! node

pub mod cli;
pub mod config;
pub mod network;
pub mod statements;
pub mod clock;
pub mod custody;
pub mod door;
pub mod driver;
pub mod effects;
pub mod exchange;
pub mod execute;
pub mod identity;
pub mod journal;
pub mod service;
pub mod store;
