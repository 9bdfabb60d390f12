//! An engine whose workers are the program `sandbox-worker` of this crate.

use sandbox::cache::Cache;
use sandbox::confinement::Layer;
use sandbox::engine::{CompileLimits, Engine, Metering, Program, Settings};
use sandbox::worker::VERB;

/// What starts the workers of these tests.
pub(crate) fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_sandbox-worker"), [VERB.into()])
}

/// An engine on whatever this kernel gives; `confinement.rs` looks at what that is.
#[allow(dead_code, reason = "each test program has its own use for it")]
pub(crate) async fn engine(metering: Metering, cache: Option<Cache>) -> Engine {
    Engine::start(settings(metering, cache)).await.unwrap()
}

/// The settings of such an engine.
pub(crate) fn settings(metering: Metering, cache: Option<Cache>) -> Settings {
    Settings { program: program(), metering, accepted: Layer::ALL.to_vec(), compile: CompileLimits::default(), cache }
}
