//! Where workers come from: one thread starts them, so that they die with the node, and keeps one ready, so that a task need not wait for it.
//!
//! The kernel ends a worker when the thread that started it ends (`prctl(2)`, PR_SET_PDEATHSIG). A thread of a runtime may end at any time, so there is one
//! thread that starts workers and lives as long as the engine.

use super::EngineError;
use super::process::Process;
use crate::channel::frame::receive;
use crate::channel::{Hello, MESSAGE_BYTES, VERSION};
use crate::confinement::{Layer, Layers};
use crate::worker::{COUNTING, VERB};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::sync::{Mutex, mpsc};

/// How long a worker may take until it is ready; it takes some milliseconds.
const READY: Duration = Duration::from_secs(30);

/// The bytes that are read from a worker at a time.
const BUFFER: usize = 16 * 1024;

/// How many workers that died while they waited are passed over before it is called a failure.
const DEAD: usize = 3;

/// How a worker keeps memory: pages that were once had are used again. Every batch would otherwise be mapped, and filled with zeros by the kernel, anew.
/// The names are of the GNU C library (its manual, section Memory Allocation Tunables); another one does not know them.
const TUNABLES: &str =
    "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864";

/// The program that is a worker: given the verb of workers, it calls [`crate::worker::main`].
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// This very program, which must know the verb.
    ///
    /// # Errors
    /// Where the system does not say which file it is.
    pub fn this() -> io::Result<Self> {
        // By this name it is the same file also after an update.
        let running = PathBuf::from("/proc/self/exe");
        let path = if cfg!(target_os = "linux") { running } else { std::env::current_exe()? };
        Ok(Self::at(path, [VERB.into()]))
    }

    /// Another program, with the words that make it a worker.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { path: path.into(), arguments: arguments.into_iter().collect() }
    }
}

/// What one worker may use, whatever it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Memory that it can write, in bytes.
    pub(super) bytes: u64,
    /// Time of processors, over all its threads.
    pub(super) processor: Duration,
}

impl Allowance {
    pub(crate) fn of(bytes: u64, processor: Duration) -> Self {
        Self { bytes, processor }
    }
}

/// A worker that is locked in and waits for its job.
struct Ready {
    process: Process,
    socket: UnixStream,
    hello: Hello,
}

/// A worker with its job. Dropping it ends it.
pub(crate) struct Worker {
    process: Process,
    /// The socket to it.
    pub(crate) socket: BufReader<tokio::net::UnixStream>,
}

impl Worker {
    /// Ends it at once and waits until it is gone; the signal that ended it, which is another than ours where it was gone before.
    pub(crate) async fn end(mut self) -> Option<i32> {
        match self.process.kill() {
            Some(told) => told.await.ok().flatten(),
            None => None,
        }
    }
}

/// Those who wait for a job: at most the first one, and the one that the thread keeps ready.
struct Waiting {
    first: Option<Ready>,
    ready: mpsc::Receiver<Result<Ready, EngineError>>,
}

/// The thread that starts workers, and the worker that is ready.
pub(super) struct Nursery {
    waiting: Mutex<Waiting>,
    accepted: Vec<Layer>,
    hello: Hello,
}

impl Nursery {
    /// Starts the thread, and waits for a first worker to see what this machine gives.
    pub(super) async fn open(program: Program, counting: bool, accepted: Vec<Layer>) -> Result<Self, EngineError> {
        let (give, mut ready) = mpsc::channel(1);
        let work = move || {
            // There is a place before a worker is started; none is started for nobody.
            while let Ok(place) = futures::executor::block_on(give.reserve()) {
                place.send(start(&program, counting));
            }
        };
        std::thread::Builder::new().name("sandbox-nursery".into()).spawn(work).map_err(EngineError::NotStarted)?;
        let first = ready.recv().await.unwrap_or(Err(EngineError::NotReady))?;
        let hello = first.hello.clone();
        let nursery = Self { waiting: Mutex::new(Waiting { first: Some(first), ready }), accepted, hello };
        nursery.look_at(&nursery.hello)?;
        Ok(nursery)
    }

    /// Whether a worker is as locked in as the operator wants, and of the engine that the first one had.
    fn look_at(&self, hello: &Hello) -> Result<(), EngineError> {
        let missing: Vec<_> =
            hello.layers.missing().into_iter().filter(|layer| !self.accepted.contains(layer)).collect();
        if !missing.is_empty() {
            return Err(EngineError::Unconfined(missing));
        }
        if hello.version == VERSION && hello.settings == self.hello.settings {
            Ok(())
        } else {
            Err(EngineError::NotReady)
        }
    }

    /// The layers that the first worker had.
    pub(super) fn layers(&self) -> &Layers {
        &self.hello.layers
    }

    /// What code must have been compiled for.
    pub(super) fn settings(&self) -> [u8; 32] {
        self.hello.settings
    }

    /// The worker that is ready, or the next one, with limits that it cannot change.
    pub(super) async fn take(&self, allowance: Allowance) -> Result<Worker, EngineError> {
        for _ in 0..DEAD {
            let mut waiting = self.waiting.lock().await;
            let next = match waiting.first.take() {
                Some(first) => first,
                None => waiting.ready.recv().await.unwrap_or(Err(EngineError::NotReady))?,
            };
            drop(waiting);
            let Ready { mut process, socket, hello } = next;
            self.look_at(&hello)?;
            // Whoever ended it while it waited ended nothing.
            if !process.is_alive() {
                continue;
            }
            process.limit(allowance).map_err(EngineError::NotStarted)?;
            let socket = tokio::net::UnixStream::from_std(socket).map_err(EngineError::NotStarted)?;
            return Ok(Worker { process, socket: BufReader::with_capacity(BUFFER, socket) });
        }
        Err(EngineError::NotReady)
    }
}

/// Starts a worker and waits until it is locked in.
fn start(program: &Program, counting: bool) -> Result<Ready, EngineError> {
    let (mut socket, theirs) = UnixStream::pair().map_err(EngineError::NotStarted)?;
    let child = Command::new(&program.path)
        .args(&program.arguments)
        .args(counting.then_some(COUNTING))
        .env_clear()
        .env("GLIBC_TUNABLES", TUNABLES)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(EngineError::NotStarted)?;
    let process = Process::new(child);
    socket.set_read_timeout(Some(READY)).map_err(EngineError::NotStarted)?;
    let hello: Hello = receive(&mut socket, MESSAGE_BYTES).map_err(|_| EngineError::NotReady)?;
    socket.set_nonblocking(true).map_err(EngineError::NotStarted)?;
    Ok(Ready { process, socket, hello })
}
