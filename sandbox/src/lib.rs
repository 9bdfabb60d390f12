//! What may run, and what it can reach: a WebAssembly component, the handles that it was given, and nothing else.
//!
//! The way through the crate: [`engine`] compiles a component and refuses any import outside `wit/analysis.wit`; [`run`] gives it one store
//! with [`limits`]; its queries pass [`statement`] before a [`database`] sees them; what the host itself computed carries evidence
//! ([`witness`]); what it hands over is collected by [`output`], and what it wrote itself is compared with the data by `source`. `host` answers a
//! component's calls, `bindings` is the contract as Rust.

mod bindings;
pub mod database;
pub mod engine;
mod host;
pub mod limits;
pub mod output;
pub mod run;
mod source;
pub mod statement;
pub mod value;
pub mod witness;
