//! The engine as a node sees it: confined workers that compile and run, and the compiled components that it remembers.
//!
//! Nothing here touches a component's bytes but to pass them on: they are parsed, compiled and run in a worker (`crate::worker`), which the node
//! ends when it takes too long. What a worker compiled is kept by the component's digest, in memory and in a [`Cache`].

mod nursery;
mod process;
mod unusable;

use crate::cache::Cache;
use crate::channel::frame::FrameError;
use crate::channel::{self, CODE_BYTES, Compiled, Job, MESSAGE_BYTES, Probed};
use crate::confinement::{Layer, Layers, Probe, Refused};
use nursery::Nursery;
pub use nursery::Program;
pub(crate) use nursery::{Allowance, Worker};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
pub use unusable::Unusable;

/// The largest component, in bytes: twice what componentize-py makes.
pub const MAX_COMPONENT_BYTES: usize = 32 * 1024 * 1024;

/// The most runs at a time in one engine; further ones wait.
pub const RUNS: u32 = 16;

/// The most compiled components that are remembered.
const REMEMBERED: usize = 8;

/// The most bytes of native code that are remembered.
const REMEMBERED_BYTES: usize = 64 * 1024 * 1024;

/// The cores that a compilation may keep busy.
const CORES: u32 = 64;

/// What a probe may allocate, in bytes.
const PROBE_BYTES: u64 = 256 * 1024 * 1024;

/// How long a probe may take.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// How an engine ends a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metering {
    /// By time alone.
    #[default]
    Time,
    /// By time, and by a count of instructions that is the same in every run; costs 12 to 20 % of speed.
    TimeAndFuel,
}

/// What one compilation may cost. Wasmtime does not treat an expensive compilation as a fault: 6.5 GB and a minute have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// From its start to its end; componentize-js takes half a minute on a loaded machine.
    pub wall: Duration,
    /// What it may allocate, in bytes.
    pub bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { wall: Duration::from_secs(120), bytes: 3 * 1024 * 1024 * 1024 }
    }
}

/// What an engine is made of.
#[derive(Debug)]
pub struct Settings {
    /// The program that is a worker.
    pub program: Program,
    /// How a component is ended.
    pub metering: Metering,
    /// The layers of confinement whose absence the operator accepts.
    pub accepted: Vec<Layer>,
    /// What one compilation may cost.
    pub compile: CompileLimits,
    /// Where compiled components are kept; without one they are compiled again after a restart.
    pub cache: Option<Cache>,
}

/// Why there is no engine, or no worker.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The program that is to be a worker does not start.
    #[error(
        "the confined process that runs components does not start; check the limits on processes, memory and address space"
    )]
    NotStarted(#[source] std::io::Error),
    /// It started and is no worker.
    #[error(
        "the confined process that runs components ends before it is ready; check the limits on processes, memory and address space"
    )]
    NotReady,
    /// The kernel gives less than is asked for.
    #[error("this kernel does not lock components in as it should: {} missing; use another kernel, or accept it in `confinement.accept_missing`", names(.0))]
    Unconfined(Vec<Layer>),
}

fn names(layers: &[Layer]) -> String {
    layers.iter().map(|layer| layer.name()).collect::<Vec<_>>().join(", ")
}

/// Why there is no compiled component.
#[derive(Debug, Error)]
pub enum NotCompiled {
    /// It is the component's fault.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// It is not.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Workers, and what they compiled. Cloning it shares it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    nursery: Nursery,
    compile: CompileLimits,
    cache: Option<Cache>,
    remembered: Mutex<VecDeque<Component>>,
    runs: Arc<Semaphore>,
    /// One compilation at a time takes all cores already.
    compiling: tokio::sync::Mutex<()>,
    metering: Metering,
}

/// A compiled component that imports nothing but the contract. Cloning it shares the code.
#[derive(Clone)]
pub struct Component {
    sha256: [u8; 32],
    settings: [u8; 32],
    code: Arc<Vec<u8>>,
}

impl Component {
    /// SHA-256 of the bytes that it was compiled from.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The native code, for a worker alone.
    pub(crate) fn code(&self) -> &[u8] {
        &self.code
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
    /// Starts an engine: a first worker is locked in and waits. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// Where no worker starts, or the kernel does not lock it in as the operator wants.
    pub async fn start(settings: Settings) -> Result<Self, EngineError> {
        let Settings { program, metering, accepted, compile, cache } = settings;
        let nursery = Nursery::open(program, metering == Metering::TimeAndFuel, accepted).await?;
        let permits = usize::try_from(RUNS).expect("a u32 fits into a usize here");
        let inner = Inner {
            nursery,
            compile,
            cache,
            remembered: Mutex::default(),
            runs: Arc::new(Semaphore::new(permits)),
            compiling: tokio::sync::Mutex::default(),
            metering,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What locks the workers of this engine in.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        self.inner.nursery.layers()
    }

    /// Checks and compiles a component in a worker, or finds it among the remembered or on disk.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the component itself; or no worker could be had.
    pub async fn compile(&self, wasm: &[u8]) -> Result<Component, NotCompiled> {
        if wasm.len() > MAX_COMPONENT_BYTES {
            return Err(Unusable::TooLarge(wasm.len()).into());
        }
        let sha256: [u8; 32] = Sha256::digest(wasm).into();
        if let Some(component) = self.known(&sha256).await {
            return Ok(component);
        }
        let _one = self.inner.compiling.lock().await;
        if let Some(component) = self.remembered(&sha256) {
            return Ok(component);
        }
        let code = self.compile_in_worker(wasm).await?;
        let component = Component { sha256, settings: self.inner.nursery.settings(), code: Arc::new(code) };
        self.remember(component.clone());
        self.keep(component.clone()).await;
        Ok(component)
    }

    async fn compile_in_worker(&self, wasm: &[u8]) -> Result<Vec<u8>, NotCompiled> {
        let CompileLimits { wall, bytes } = self.inner.compile;
        // Every core of a large machine may work on it.
        let mut worker = self.worker(Allowance::of(bytes, wall.saturating_mul(CORES))).await?;
        let length = u64::try_from(wasm.len()).expect("a usize fits into a u64");
        let talk = async {
            channel::frame::write(&mut worker.socket, &Job::Compile { component: length }, &[wasm]).await?;
            let Compiled(compiled) = channel::frame::read(&mut worker.socket, MESSAGE_BYTES).await?;
            match compiled {
                Ok(length) => Ok(Ok(channel::frame::read_raw(&mut worker.socket, length, CODE_BYTES).await?)),
                Err(unusable) => Ok(Err(unusable.cleaned())),
            }
        };
        let end: Result<Result<_, FrameError>, _> = tokio::time::timeout(wall, talk).await;
        match end {
            Ok(Ok(compiled)) => Ok(compiled?),
            // Too long, too much, or a compiler that broke: the worker alone pays.
            Ok(Err(_)) | Err(_) => {
                let death = worker.end().await;
                tracing::warn!(death, "a component could not be compiled within the limits");
                Err(Unusable::Costly(wall.as_secs(), bytes / 1024 / 1024).into())
            }
        }
    }

    /// A component that was compiled before, by the SHA-256 of its bytes: in memory, or on disk.
    pub async fn known(&self, sha256: &[u8; 32]) -> Option<Component> {
        if let Some(component) = self.remembered(sha256) {
            return Some(component);
        }
        let (engine, sha256) = (self.clone(), *sha256);
        let settings = self.inner.nursery.settings();
        let read = move || Some(engine.inner.cache.as_ref()?.get(&sha256, &settings)?.into_code());
        let code = tokio::task::spawn_blocking(read).await.ok()??;
        let component = Component { sha256, settings, code: Arc::new(code) };
        self.remember(component.clone());
        Some(component)
    }

    /// A component that is in memory.
    #[must_use]
    pub fn remembered(&self, sha256: &[u8; 32]) -> Option<Component> {
        let mut remembered = self.inner.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let position = remembered.iter().position(|component| component.sha256 == *sha256)?;
        let component = remembered.remove(position)?;
        remembered.push_back(component.clone());
        Some(component)
    }

    fn remember(&self, component: Component) {
        let mut remembered = self.inner.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|other| other.sha256 != component.sha256);
        remembered.push_back(component);
        while remembered.len() > REMEMBERED
            || remembered.iter().map(|component| component.code.len()).sum::<usize>() > REMEMBERED_BYTES
        {
            remembered.pop_front();
        }
    }

    /// Writes the code to disk. A full disk costs a compilation later and nothing else.
    async fn keep(&self, component: Component) {
        let engine = self.clone();
        let write = move || match &engine.inner.cache {
            Some(cache) => cache.put(&component.sha256, &component.settings, &component.code),
            None => Ok(()),
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
            tracing::warn!(%error, "a compiled component could not be kept; it is compiled again after a restart");
        }
    }

    /// Lets a worker try what it must not be able to do.
    ///
    /// # Errors
    ///
    /// Where no worker could be had.
    pub async fn probe(&self, probe: Probe) -> Result<Refused, EngineError> {
        let mut worker = self.worker(Allowance::of(PROBE_BYTES, PROBE_TIME)).await?;
        let talk = async {
            channel::frame::write(&mut worker.socket, &Job::Probe(probe), &[]).await?;
            channel::frame::read(&mut worker.socket, MESSAGE_BYTES).await
        };
        let end: Result<Result<Probed, FrameError>, _> = tokio::time::timeout(PROBE_TIME, talk).await;
        match end {
            Ok(Ok(Probed(refused))) => Ok(refused),
            _ => Ok(worker.end().await.map_or(Refused::Not, Refused::Killed)),
        }
    }

    /// A locked-in worker that has done nothing yet.
    pub(crate) async fn worker(&self, allowance: Allowance) -> Result<Worker, EngineError> {
        self.inner.nursery.take(allowance).await
    }

    /// Whether a component was compiled for these workers.
    pub(crate) fn fits(&self, component: &Component) -> bool {
        component.settings == self.inner.nursery.settings()
    }

    pub(crate) fn metering(&self) -> Metering {
        self.inner.metering
    }

    /// Waits for one of the [`RUNS`] places.
    pub(crate) async fn place(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.inner.runs).acquire_owned().await.expect("the semaphore is never closed")
    }
}
