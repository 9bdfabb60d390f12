//! The engine: one wasmtime for all runs, what it accepts as a component, and the compiled components that it remembers.
//!
//! Cranelift alone, no WASI and no proposal that guests do not need: what is not in `wit/analysis.wit` cannot be linked, so a component that
//! asks for more is refused by the name of what it asked for, before a byte of it is compiled.

mod structure;
mod ticker;

use crate::bindings::{Analysis, AnalysisPre};
use crate::host::Host;
use crate::limits;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use ticker::Ticker;
pub(crate) use ticker::Ticking;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{
    Config, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmBacktraceDetails, WasmFeatures,
};

/// The largest component, in bytes: twice what componentize-py makes.
pub const MAX_COMPONENT_BYTES: usize = 32 * 1024 * 1024;

/// The most runs at a time in one engine: the pool is sized for them, so a run waits instead of failing for want of a slot.
pub const RUNS: u32 = 16;

/// The most compiled components that are remembered.
const REMEMBERED: usize = 8;

/// The most bytes of components (before compilation) that are remembered: native code is about three times as large.
const REMEMBERED_BYTES: usize = 64 * 1024 * 1024;

/// How an engine interrupts a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metering {
    /// By time alone.
    #[default]
    Epochs,
    /// By time, and by a count of instructions that is the same in every run; costs 12 to 20 % of speed.
    EpochsAndFuel,
}

/// Why there is no engine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Wasmtime refused its configuration, or the contract cannot be linked.
    #[error("the WebAssembly engine does not start on this machine")]
    Wasmtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that interrupts components did not start.
    #[error("the thread that interrupts components does not start; raise the limit on threads")]
    Thread(#[source] std::io::Error),
}

/// Why bytes are not a component that can run here. The text names only what the component's author wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Larger than [`MAX_COMPONENT_BYTES`].
    #[error(
        "the component has {0} bytes, more than the {MAX_COMPONENT_BYTES} allowed: strip it, or leave libraries out"
    )]
    TooLarge(usize),
    /// Not a WebAssembly component at all.
    #[error("these bytes are not a WebAssembly component: check that the right file was given")]
    NotWebAssembly,
    /// A core module.
    #[error("this is a core WebAssembly module: wrap it as a component of the world `quintes:analysis/analysis`")]
    CoreModule,
    /// Too many, or too large, parts: a compiler would spend minutes or gigabytes on it.
    #[error("the component has too many or too large {0}")]
    Structure(&'static str),
    /// It imports what no TRE offers.
    #[error("the component imports what a TRE does not offer: {}; build it without WASI", .0.join(", "))]
    Imports(Vec<String>),
    /// It has no `run`, or one of another type.
    #[error(
        "the component does not export `run: func() -> result<_, string>`: build it for the world `quintes:analysis/analysis`"
    )]
    NoRun,
    /// It does not validate, needs a proposal that is off, or uses the contract with other types.
    #[error("the component is not valid here: {0}")]
    Invalid(String),
}

/// One wasmtime for all runs. Cloning it shares it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<Host>,
    remembered: Mutex<VecDeque<(usize, Component)>>,
    runs: Arc<Semaphore>,
    ticker: Ticker,
    metering: Metering,
}

/// A compiled component that imports nothing but the contract. Cloning it shares the code.
#[derive(Clone)]
pub struct Component {
    pre: AnalysisPre<Host>,
    sha256: [u8; 32],
}

impl Component {
    /// SHA-256 of the bytes that it was compiled from.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    pub(crate) fn pre(&self) -> &AnalysisPre<Host> {
        &self.pre
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Component(")?;
        self.sha256[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("metering", &self.inner.metering).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts an engine. Cheap: address space is reserved, not memory.
    ///
    /// # Errors
    ///
    /// Where this machine cannot run it at all.
    pub fn new(metering: Metering) -> Result<Self, EngineError> {
        // A machine that limits address space (`ulimit -v`) refuses the pool's reservation; runs then allocate on demand, 8 µs slower.
        let engine = wasmtime::Engine::new(&config(metering, true))
            .or_else(|_| wasmtime::Engine::new(&config(metering, false)))
            .map_err(|error| EngineError::Wasmtime(error.into()))?;
        let mut linker = Linker::new(&engine);
        Analysis::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)
            .map_err(|error| EngineError::Wasmtime(error.into()))?;
        let ticker = Ticker::start(&engine).map_err(EngineError::Thread)?;
        let permits = usize::try_from(RUNS).expect("a u32 fits into a usize here");
        let inner = Inner {
            engine,
            linker,
            remembered: Mutex::default(),
            runs: Arc::new(Semaphore::new(permits)),
            ticker,
            metering,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Checks and compiles a component, or finds it among the remembered. Takes up to seconds of all cores: call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the component itself.
    pub fn compile(&self, wasm: &[u8]) -> Result<Component, Unusable> {
        if wasm.len() > MAX_COMPONENT_BYTES {
            return Err(Unusable::TooLarge(wasm.len()));
        }
        let sha256: [u8; 32] = Sha256::digest(wasm).into();
        if let Some(component) = self.remembered(&sha256) {
            return Ok(component);
        }
        structure::check(wasm)?;
        let invalid = |error: wasmtime::Error| Unusable::Invalid(format!("{error:#}"));
        let component = wasmtime::component::Component::from_binary(&self.inner.engine, wasm).map_err(invalid)?;
        let instance = self.inner.linker.instantiate_pre(&component).map_err(invalid)?;
        let pre = AnalysisPre::new(instance).map_err(|_| Unusable::NoRun)?;
        let component = Component { pre, sha256 };
        self.remember(wasm.len(), component.clone());
        Ok(component)
    }

    /// A component that was compiled before, by the SHA-256 of its bytes.
    #[must_use]
    pub fn remembered(&self, sha256: &[u8; 32]) -> Option<Component> {
        let mut remembered = self.inner.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let position = remembered.iter().position(|(_, component)| component.sha256 == *sha256)?;
        let entry = remembered.remove(position)?;
        let component = entry.1.clone();
        remembered.push_back(entry);
        Some(component)
    }

    fn remember(&self, bytes: usize, component: Component) {
        let mut remembered = self.inner.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|(_, other)| other.sha256 != component.sha256);
        remembered.push_back((bytes, component));
        while remembered.len() > REMEMBERED
            || remembered.iter().map(|(bytes, _)| bytes).sum::<usize>() > REMEMBERED_BYTES
        {
            remembered.pop_front();
        }
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.engine
    }

    pub(crate) fn metering(&self) -> Metering {
        self.inner.metering
    }

    /// Waits for one of the [`RUNS`] places.
    pub(crate) async fn place(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.inner.runs).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Interrupts components every few milliseconds for as long as the guard lives.
    pub(crate) fn tick(&self) -> Ticking {
        self.inner.ticker.tick()
    }
}

fn config(metering: Metering, pooled: bool) -> Config {
    let mut config = Config::new();
    // Winch had a sandbox escape; Cranelift alone is compiled in, this line keeps it so.
    config.strategy(Strategy::Cranelift);
    // The same bits on every machine: no NaN payload to hide a message in.
    config.cranelift_nan_canonicalization(true);
    config.wasm_features(WasmFeatures::RELAXED_SIMD, false);
    // A shared memory and a second thread make a clock.
    config.wasm_features(WasmFeatures::THREADS, false);
    config.wasm_features(WasmFeatures::SHARED_EVERYTHING_THREADS, false);
    config.shared_memory(false);
    // Nothing that Rust, Python or JavaScript guests need, so nothing to attack.
    for feature in [
        WasmFeatures::MEMORY64,
        WasmFeatures::MULTI_MEMORY,
        WasmFeatures::TAIL_CALL,
        WasmFeatures::WIDE_ARITHMETIC,
        WasmFeatures::CUSTOM_PAGE_SIZES,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::GC,
        WasmFeatures::FUNCTION_REFERENCES,
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::LEGACY_EXCEPTIONS,
        WasmFeatures::CM_ASYNC,
        WasmFeatures::CM_THREADING,
        WasmFeatures::CM_ERROR_CONTEXT,
    ] {
        config.wasm_features(feature, false);
    }
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.consume_fuel(metering == Metering::EpochsAndFuel);
    // Read from an environment variable by default; a library reads none.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(RUNS)
            .total_core_instances(RUNS * limits::CORE_INSTANCES)
            .max_core_instances_per_component(limits::CORE_INSTANCES)
            .max_core_instance_size(4 * 1024 * 1024)
            .max_component_instance_size(4 * 1024 * 1024)
            .total_memories(RUNS * limits::MEMORIES)
            .max_memories_per_component(limits::MEMORIES)
            .total_tables(RUNS * limits::TABLES)
            .max_tables_per_component(limits::TABLES)
            .max_tables_per_module(limits::TABLES)
            .table_elements(limits::TABLE_ELEMENTS)
            .total_stacks(RUNS);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    } else {
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    }
    config
}
