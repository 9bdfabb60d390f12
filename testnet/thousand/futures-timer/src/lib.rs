//! Timers by the virtual clock, under the name by which libp2p asks for timers.

pub use clock::Delay;
