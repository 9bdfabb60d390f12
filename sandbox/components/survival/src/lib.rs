//! The component `survival`: for each group and interval of a declared grid of times, how many leave and how many of them with the event,
//! counted by the host (tier T1). Curves and tests follow from the merged counts.
//!
//! The way: [`request`] reads the parameters; [`plan`] writes the one SELECT; [`run`] asks and hands on.

pub mod plan;
pub mod request;
pub mod run;
