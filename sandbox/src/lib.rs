//! What may run, and what it can reach: a WebAssembly component, the handles that it was given, and nothing else.
//!
//! The way through the crate: [`engine`] hands a component to a [`worker`], a process that is locked in ([`confinement`]) and compiles it; what it
//! made is kept in a [`cache`]; [`run`] gives it one worker with [`limits`] and answers its calls over a `channel`; its queries pass [`statement`] before a
//! [`database`] sees them; what the host itself computed carries evidence ([`witness`]); what it hands over is collected by [`output`], and what it
//! wrote itself is compared with the data by `source`. `host` answers a component's calls, `bindings` is the contract as Rust.
//!
//! A worker holds wasmtime, and nothing of value; everything else here runs in the node's own process and trusts no word of it.

mod bindings;
pub mod cache;
mod channel;
pub mod confinement;
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
pub mod worker;
