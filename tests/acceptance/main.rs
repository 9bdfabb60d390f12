//! Acceptance: the whole house seen from outside.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod architecture;
mod bundle;
mod cli;
mod confined;
mod crash;
mod delivery;
mod eclipse;
mod egress;
mod engines;
mod federation;
mod forged;
mod liars;
mod metadata;
mod pipeline;
mod refusals;
mod rounds;
mod transfer;
mod withheld;
