//! One run: a worker of its own, a deadline, and an end that is either all declared outputs or a failure of a fixed kind.

mod failure;

use crate::channel::frame::{self, FrameError};
use crate::channel::{Answer, Call, End, Job, MESSAGE_BYTES, Outcome, Said, TEXT_BYTES, WRITE_BYTES};
use crate::database::Session;
use crate::engine::{Allowance, Component, Engine, Metering, Worker};
use crate::host::{Host, Reply, Unanswered, shown};
use crate::limits::Limits;
use crate::output::{DeclaredOutput, Outputs};
use crate::source::{self, Comparison};
pub use failure::{Failure, FailureKind};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// What a worker may allocate beside the component's own memory: its code, the values of one call on their way, stacks, wasmtime itself.
const BESIDE_BYTES: u64 = 256 * 1024 * 1024;

/// How much more of a processor's time a worker may have than its run has time: it is ended before.
const BESIDE_TIME: Duration = Duration::from_secs(10);

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

/// Why a conversation with a worker ended before its component did.
#[derive(Debug, Error)]
enum Broken {
    #[error("the time limit was met")]
    Time,
    #[error("the run was cancelled")]
    Cancelled,
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Runs a component to its end. Dropping the future ends the run too.
///
/// What the component wrote itself is then compared with the data that it could read ([`crate::output::SourceFacts`]): in the time that is left to
/// it, but at least 5 and at most 30 seconds.
///
/// The component computes in a process of its own, which is killed at the deadline; the host functions that it calls compute on a thread of their own
/// (tokio's for blocking work), so that a node's other tasks never wait. A panic in a host function ends this run alone. Needs a tokio runtime
/// with timers and sockets.
///
/// # Errors
///
/// Whatever keeps the component from finishing all declared outputs within its limits.
pub async fn run(engine: &Engine, mut task: Task) -> Result<Outputs, Failure> {
    if !engine.fits(&task.component) {
        return Err(Failure::host("the component was compiled by another engine"));
    }
    if task.limits.fuel.is_some() && engine.metering() == Metering::Time {
        return Err(Failure::host("the task has a fuel limit, and this engine counts none"));
    }
    // Waiting for a place and a worker is not the component's time.
    let place = tokio::select! {
        biased;
        () = cancelled(&mut task.cancel) => return Err(Failure::cancelled()),
        place = engine.place() => place,
    };
    let code = u64::try_from(task.component.code().len()).expect("a usize fits into a u64");
    let bytes = task.limits.memory_bytes.saturating_add(BESIDE_BYTES).saturating_add(code.saturating_mul(3));
    let allowance = Allowance::of(bytes, task.limits.wall.saturating_add(BESIDE_TIME));
    let worker = match engine.worker(allowance).await {
        Ok(worker) => worker,
        Err(error) => {
            tracing::error!(%error, "a task could not be run");
            return Err(Failure::host(&error.to_string()));
        }
    };
    let engine = engine.clone();
    // Dropped with this future, whatever the reason.
    let (_here, wanted) = watch::channel(());
    let runtime = tokio::runtime::Handle::current();
    let running = tokio::task::spawn_blocking(move || {
        let end = runtime.block_on(execute(worker, task, wanted));
        // The thread that workers hang on lives as long as an engine does.
        drop(engine);
        drop(place);
        end
    });
    let ended = running.await;
    ended.unwrap_or_else(|_| Err(Failure::host("a host function panicked")))
}

async fn execute(mut worker: Worker, task: Task, mut wanted: watch::Receiver<()>) -> Result<Outputs, Failure> {
    let Task { component, parameters, outputs, handles, limits, mut cancel, progress } = task;
    let mut host = Host::new(parameters, outputs, handles, progress, limits.clone());
    let started = Instant::now();
    let deadline = started + limits.wall;
    let end = tokio::select! {
        biased;
        () = cancelled(&mut cancel) => Err(Broken::Cancelled),
        _ = wanted.changed() => Err(Broken::Cancelled),
        () = tokio::time::sleep_until(deadline.into()) => Err(Broken::Time),
        end = converse(&mut worker.socket, &mut host, component.code(), &limits) => end,
    };
    host.usage.wall = started.elapsed();
    let death = worker.end().await;
    match end {
        Ok(End { outcome, memory_bytes, fuel }) => {
            // A worker says what it likes; no more than the limits is believed.
            host.usage.fuel = limits.fuel.map_or(fuel, |limit| fuel.map(|fuel| fuel.min(limit)));
            host.usage.memory_bytes = memory_bytes.min(limits.memory_bytes);
            match outcome {
                Outcome::Returned(Ok(())) => finish(host, deadline, cancel, wanted).await,
                Outcome::Returned(Err(said)) => Err(Failure::new(FailureKind::Returned, shown_lines(&said), host)),
                Outcome::Trapped(text) => Err(Failure::new(FailureKind::Trapped, shown_lines(&text), host)),
                Outcome::Memory(text) => Err(Failure::new(FailureKind::Memory, shown_lines(&text), host)),
                Outcome::Fuel(text) => Err(Failure::new(FailureKind::Fuel, shown_lines(&text), host)),
                Outcome::NotLoaded(text) => Err(Failure::new(FailureKind::Host, shown_lines(&text), host)),
            }
        }
        Err(broken) => {
            let kind = match &broken {
                Broken::Time => FailureKind::Time,
                Broken::Cancelled => FailureKind::Cancelled,
                Broken::Unanswered(Unanswered::TooManyHandles) => FailureKind::Trapped,
                Broken::Unanswered(Unanswered::NoSuchHandle) | Broken::Frame(_) => {
                    tracing::error!(
                        death,
                        "the worker of a component broke off or said what no worker says; it was ended"
                    );
                    FailureKind::Host
                }
            };
            let signal = death.filter(|_| kind == FailureKind::Host).map(|signal| format!("; signal {signal}"));
            Err(Failure::new(kind, format!("{broken}{}", signal.unwrap_or_default()), host))
        }
    }
}

/// Hands the component over and answers its calls until its end.
async fn converse(
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &mut Host,
    code: &[u8],
    limits: &Limits,
) -> Result<End, Broken> {
    let length = u64::try_from(code.len()).expect("a usize fits into a u64");
    let job = Job::Run { code: length, memory_bytes: limits.memory_bytes, fuel: limits.fuel };
    frame::write(socket, &job, &[code]).await.map_err(FrameError::from)?;
    loop {
        let call = match frame::read(socket, MESSAGE_BYTES).await? {
            Said::Call(call) => call,
            Said::End(end) => return Ok(end),
        };
        let bytes = match &call {
            Call::Write(_, length) => frame::read_raw(socket, *length, WRITE_BYTES).await?,
            _ => Vec::new(),
        };
        let sent = match host.answer(call, &bytes).await? {
            Reply::Plain(answer) => frame::write(socket, &answer, &[]).await,
            Reply::Batch(batch) => {
                frame::write(socket, &Answer::Batch(Ok(Some(batch.shape.clone()))), &batch.buffers()).await
            }
            Reply::Arrow(bytes) => {
                let length = u64::try_from(bytes.len()).expect("a usize fits into a u64");
                frame::write(socket, &Answer::Arrow(Ok(Some(length))), &[&bytes]).await
            }
        };
        sent.map_err(FrameError::from)?;
    }
}

/// The outputs of a component that returned, compared with the data.
async fn finish(
    host: Host,
    deadline: Instant,
    mut cancel: watch::Receiver<bool>,
    mut wanted: watch::Receiver<()>,
) -> Result<Outputs, Failure> {
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

async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        // nobody is left who could cancel
        std::future::pending::<()>().await;
    }
}

/// A text of several lines, such as a backtrace, as it can be shown.
fn shown_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| shown(line, TEXT_BYTES)).collect();
    lines.join("\n")
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
