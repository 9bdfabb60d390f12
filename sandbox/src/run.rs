//! One run: a store of its own, a deadline, and an end that is either all declared outputs or a failure of a fixed kind.

mod failure;

use crate::bindings::AnalysisPre;
use crate::database::Session;
use crate::engine::{Component, Engine, Metering};
use crate::host::Host;
use crate::limits::{HOSTCALL_BYTES, Limits};
use crate::output::{DeclaredOutput, Outputs};
use crate::source::{self, Comparison};
pub use failure::{Failure, FailureKind};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use wasmtime::{Store, Trap, UpdateDeadline};

/// All that one run gets.
pub struct Task {
    /// What runs.
    pub component: Component,
    /// The approved parameters.
    pub parameters: BTreeMap<String, String>,
    /// The names that outputs may have; the component has to finish each of them.
    pub outputs: Vec<DeclaredOutput>,
    /// The datasets that the task declared and the data owner granted, each as one snapshot, by the name that the component opens.
    pub handles: BTreeMap<String, Arc<dyn Session>>,
    /// What it may use.
    pub limits: Limits,
    /// Turns to `true` to end the run at once. A sender that is gone cancels nothing.
    pub cancel: watch::Receiver<bool>,
    /// Gets the component's own word on how far it is, 0 to 1. It is the component's to choose, so it stays inside the TRE.
    pub progress: Option<watch::Sender<f32>>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("component", &self.component).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Why the host ended a component's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Stopped {
    #[error("the time limit was met")]
    Time,
    #[error("the run was cancelled")]
    Cancelled,
}

/// Runs a component to its end. Dropping the future ends the run too.
///
/// What the component wrote itself is then compared with the data that it could read ([`crate::output::SourceFacts`]): in the time that is left to
/// it, but at least 5 and at most 30 seconds.
///
/// The component computes on a thread of its own (tokio's for blocking work), so it never keeps a node's other tasks waiting; a panic in a host
/// function ends this run alone. Needs a tokio runtime with timers.
///
/// # Errors
///
/// Whatever keeps the component from finishing all declared outputs within its limits.
pub async fn run(engine: &Engine, mut task: Task) -> Result<Outputs, Failure> {
    if !wasmtime::Engine::same(task.component.pre().engine(), engine.wasmtime()) {
        return Err(Failure::host("the component was compiled by another engine"));
    }
    if task.limits.fuel.is_some() && engine.metering() == Metering::Epochs {
        return Err(Failure::host("the task has a fuel limit, and this engine counts none"));
    }
    // Waiting for a place is not the component's time.
    let place = tokio::select! {
        biased;
        () = cancelled(&mut task.cancel) => return Err(Failure::cancelled()),
        place = engine.place() => place,
    };
    let ticking = engine.tick();
    let engine = engine.clone();
    // Dropped with this future, whatever the reason.
    let (_here, wanted) = watch::channel(());
    let runtime = tokio::runtime::Handle::current();
    let running = tokio::task::spawn_blocking(move || {
        let end = runtime.block_on(execute(&engine, task, wanted));
        drop(ticking);
        drop(place);
        end
    });
    let ended = running.await;
    ended.unwrap_or_else(|_| Err(Failure::host("a host function panicked")))
}

async fn execute(engine: &Engine, task: Task, mut wanted: watch::Receiver<()>) -> Result<Outputs, Failure> {
    let Task { component, parameters, outputs, handles, limits, mut cancel, progress } = task;
    let host = Host::new(parameters, outputs, handles, progress, limits.clone());
    let started = Instant::now();
    let deadline = started + limits.wall;
    let mut store = Store::new(engine.wasmtime(), host);
    store.limiter(|host| &mut host.meter);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    let counted = engine.metering() == Metering::EpochsAndFuel;
    let fuel = limits.fuel.unwrap_or(u64::MAX);
    let fuelled = if counted { store.set_fuel(fuel) } else { Ok(()) };
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    store.set_epoch_deadline(1);
    let end = match fuelled {
        Err(error) => Err(error),
        // At each tick the component yields, and the three ends are asked again, in this order.
        Ok(()) => tokio::select! {
            biased;
            () = cancelled(&mut cancel) => Err(wasmtime::Error::new(Stopped::Cancelled)),
            _ = wanted.changed() => Err(wasmtime::Error::new(Stopped::Cancelled)),
            () = tokio::time::sleep_until(deadline.into()) => Err(wasmtime::Error::new(Stopped::Time)),
            end = call(component.pre(), &mut store) => end,
        },
    };
    let fuel_used = if counted { store.get_fuel().ok().map(|left| fuel - left) } else { None };
    let mut host = store.into_data();
    host.usage.wall = started.elapsed();
    host.usage.fuel = fuel_used;
    host.usage.memory_bytes = u64::try_from(host.meter.peak()).expect("a usize fits into a u64");
    match end {
        Ok(Ok(())) => {
            let read = host.read();
            let mut outputs = host.close()?;
            let until = Instant::now() + source::time(deadline.saturating_duration_since(Instant::now()));
            let mut comparison = Comparison::new(&outputs.outputs, read);
            // Whatever ends it early, the outputs are finished and what was found of the data in them stands.
            tokio::select! {
                biased;
                () = cancelled(&mut cancel) => {}
                _ = wanted.changed() => {}
                () = tokio::time::sleep_until(until.into()) => {}
                () = comparison.run(until) => {}
            }
            comparison.finish(&mut outputs.outputs);
            Ok(outputs)
        }
        Ok(Err(said)) => Err(Failure::new(FailureKind::Returned, said, host)),
        Err(error) => Err(Failure::new(kind(&error, &host), format!("{error:?}"), host)),
    }
}

/// One call of `run` in one new instance.
async fn call(pre: &AnalysisPre<Host>, store: &mut Store<Host>) -> wasmtime::Result<Result<(), String>> {
    let instance = pre.instantiate_async(&mut *store).await?;
    instance.call_run(store).await
}

async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        // nobody is left who could cancel
        std::future::pending::<()>().await;
    }
}

fn kind(error: &wasmtime::Error, host: &Host) -> FailureKind {
    match error.downcast_ref::<Stopped>() {
        Some(Stopped::Time) => return FailureKind::Time,
        Some(Stopped::Cancelled) => return FailureKind::Cancelled,
        None => {}
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::OutOfFuel)) {
        return FailureKind::Fuel;
    }
    // An allocator that gets no memory traps as it likes.
    if host.meter.met() { FailureKind::Memory } else { FailureKind::Trapped }
}

impl Host {
    /// The end of a component that returned without an error.
    fn close(self) -> Result<Outputs, Failure> {
        let Self { outputs, notes, usage, .. } = self;
        let (log, statements) = notes.close();
        match outputs.close() {
            Ok(outputs) => Ok(Outputs { outputs, statements, log, usage }),
            Err(missing) => Err(Failure::missing(&missing, log, statements, usage)),
        }
    }
}
