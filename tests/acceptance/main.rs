//! Acceptance: the whole house seen from outside.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod architecture;
