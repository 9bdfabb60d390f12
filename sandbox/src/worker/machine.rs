//! Wasmtime: its settings, a compilation, and one run of one component.
//!
//! Cranelift alone, no WASI and no proposal that guests do not need: what is not in `wit/analysis.wit` cannot be linked, so a component that
//! asks for more is refused by the name of what it asked for, before a byte of it is compiled. Memory is allocated on demand, because one process
//! has one component, and filled by copying, because a file in memory is a file.

use super::ear::Ear;
use super::load::load;
use super::meter::Meter;
use super::structure;
use super::stub::Stub;
use crate::bindings::{Analysis, AnalysisPre};
use crate::channel::{End, Outcome, Said, TEXT_BYTES};
use crate::engine::Unusable;
use crate::limits::HOSTCALL_BYTES;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::hash::{Hash as _, Hasher};
use std::io::BufReader;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, Store, Strategy, Trap, WasmBacktraceDetails, WasmFeatures};

/// The engine of this process.
pub(super) struct Machine {
    engine: wasmtime::Engine,
    linker: Linker<Stub>,
    counting: bool,
}

impl Machine {
    /// Starts the engine.
    pub(super) fn new(counting: bool) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&config(counting))?;
        let mut linker = Linker::new(&engine);
        Analysis::add_to_linker::<_, HasSelf<_>>(&mut linker, |stub| stub)?;
        Ok(Self { engine, linker, counting })
    }

    /// SHA-256 over everything that makes compiled code fit: wasmtime's version, its settings, this processor, and our own rules for components.
    pub(super) fn settings(&self) -> [u8; 32] {
        let mut digest = Digesting(Sha256::new());
        env!("CARGO_PKG_VERSION").hash(&mut digest);
        crate::channel::VERSION.hash(&mut digest);
        self.engine.precompile_compatibility_hash().hash(&mut digest);
        digest.0.finalize().into()
    }

    /// Checks a component, compiles it, and sees that it fits the contract.
    pub(super) fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, Unusable> {
        structure::check(wasm)?;
        let invalid = |error: wasmtime::Error| Unusable::Invalid(short(&format!("{error:#}")));
        let component = Component::from_binary(&self.engine, wasm).map_err(invalid)?;
        let instance = self.linker.instantiate_pre(&component).map_err(invalid)?;
        AnalysisPre::new(instance).map_err(|_| Unusable::NoRun)?;
        component.serialize().map_err(invalid)
    }

    /// Runs compiled code to its end and tells the node which end that was.
    pub(super) fn run(
        &self,
        code: Vec<u8>,
        memory_bytes: u64,
        fuel: Option<u64>,
        socket: BufReader<File>,
        out: File,
    ) -> std::io::Result<()> {
        let ear = Ear::open(socket)?;
        let component = match load(&self.engine, &code) {
            Ok(component) => component,
            Err(error) => {
                let outcome = Outcome::NotLoaded(short(&format!("{error:#}")));
                return Stub::new(ear, out, Meter::new(0)).say(&Said::End(End {
                    outcome,
                    memory_bytes: 0,
                    fuel: None,
                }));
            }
        };
        drop(code);
        let mut store = Store::new(&self.engine, Stub::new(ear, out, Meter::new(memory_bytes)));
        store.limiter(|stub| stub.meter());
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        let fuel = fuel.unwrap_or(u64::MAX);
        let end = self.call(&mut store, &component, fuel);
        let left = if self.counting { store.get_fuel().ok() } else { None };
        let mut stub = store.into_data();
        let outcome = match end {
            Ok(returned) => Outcome::Returned(returned.map_err(|said| short(&said))),
            Err(error) => {
                let text = short(&format!("{error:?}"));
                if matches!(error.downcast_ref::<Trap>(), Some(Trap::OutOfFuel)) {
                    Outcome::Fuel(text)
                } else if stub.meter().met() {
                    // An allocator that gets no memory traps as it likes.
                    Outcome::Memory(text)
                } else {
                    Outcome::Trapped(text)
                }
            }
        };
        let memory_bytes = u64::try_from(stub.meter().peak()).expect("a usize fits into a u64");
        stub.say(&Said::End(End { outcome, memory_bytes, fuel: left.map(|left| fuel - left) }))
    }

    /// One call of `run` in one new instance.
    fn call(&self, store: &mut Store<Stub>, component: &Component, fuel: u64) -> wasmtime::Result<Result<(), String>> {
        if self.counting {
            store.set_fuel(fuel)?;
        }
        let instance = Analysis::instantiate(&mut *store, component, &self.linker)?;
        instance.call_run(store)
    }
}

/// The beginning of a text, as much as a message takes.
fn short(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES)].to_owned()
}

/// A hash function of the standard library's shape over SHA-256.
struct Digesting(Sha256);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn config(counting: bool) -> Config {
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
    config.consume_fuel(counting);
    // Read from an environment variable by default; there is none.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    // The limit on the size of files is nothing, for files in memory too.
    config.memory_init_cow(false);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config
}
