//! What a component starts from. [`bindings`] is `sandbox/wit/analysis.wit` in Rust; [`parameter`] reads what the researcher
//! gave; [`handle`] opens the database handle that was meant; [`reason`] says in a sentence what the host refused.
//!
//! A component of your own: a `cdylib` that implements [`bindings::Guest`] and calls `guest::bindings::export!`, as `../sql` does.

pub mod bindings;
pub mod handle;
pub mod parameter;
pub mod reason;
