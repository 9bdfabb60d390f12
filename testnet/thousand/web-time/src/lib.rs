//! Instants of the virtual clock, under the name by which libp2p asks for the time. Dates are the machine's: nothing waits for one.

pub use clock::Instant;
pub use std::time::{Duration, SystemTime, SystemTimeError, UNIX_EPOCH};
