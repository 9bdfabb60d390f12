//! What a component starts from. [`bindings`] is `sandbox/wit/analysis.wit` in Rust; [`parameter`] reads what the researcher
//! gave; [`name`] lets plain names alone into SQL; [`handle`] opens the database handle that was meant; [`rows`] writes the one SELECT that
//! the host is asked about; [`column`] reads a batch; [`output`] writes a CSV; [`reason`] says in a sentence what the host refused.
//!
//! A component of your own: a `cdylib` that implements [`bindings::Guest`] and calls `guest::bindings::export!`, as the example `spread` does.

pub mod bindings;
pub mod column;
pub mod handle;
pub mod name;
pub mod output;
pub mod parameter;
pub mod reason;
pub mod rows;
