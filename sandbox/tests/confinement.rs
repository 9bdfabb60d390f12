//! What locks a worker in, tried from both sides; and what is left of a node when a worker is killed, bombed or orphaned.
//!
//! One test after the other: they look at the children of this process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod engine;
mod processes;

use processes::{children, children_of, is_alive, peak, until};
use sandbox::cache::Cache;
use sandbox::confinement::{Layer, Probe, Refused};
use sandbox::engine::{
    CompileLimits, Component, Engine, EngineError, Metering, NotCompiled, Program, Settings, Unusable,
};
use sandbox::limits::Limits;
use sandbox::run::{Failure, FailureKind, Task, run};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, watch};

static ONE: Mutex<()> = Mutex::const_new(());

/// `SIGSYS`: what the kernel ends a process with that makes a forbidden system call.
const SIGSYS: i32 = 31;
/// `SIGKILL`.
const SIGKILL: i32 = 9;
/// Permission denied.
const EACCES: i32 = 13;
/// No memory.
const ENOMEM: i32 = 12;

async fn alone() -> MutexGuard<'static, ()> {
    let one = ONE.lock().await;
    until("no worker of the test before is left", || children().is_empty()).await;
    one
}

/// A component without imports whose `run` is `body`.
fn component(items: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m (memory (export "memory") 1) {items} (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func (export "run") (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory")))))"#
    );
    wat::parse_str(text).unwrap()
}

fn task(component: Component, wall: Duration) -> Task {
    let (_, cancel) = watch::channel(false);
    Task {
        component,
        parameters: BTreeMap::new(),
        outputs: Vec::new(),
        handles: BTreeMap::new(),
        limits: Limits { wall, ..Limits::default() },
        cancel,
        progress: None,
    }
}

async fn idle(engine: &Engine) {
    let component = engine.compile(&component("", "i32.const 0")).await.unwrap();
    run(engine, task(component, Duration::from_secs(60))).await.unwrap();
}

#[tokio::test]
async fn threat_24_what_a_worker_must_not_do_is_refused_by_the_kernel() {
    let _one = alone().await;
    let engine = engine::engine(Metering::Time, None).await;
    let layers = engine.layers().clone();
    // Every kernel that this is built for has these.
    for layer in [Layer::NoNewPrivileges, Layer::Seccomp, Layer::NotDumpable] {
        assert!(layers.held.contains(&layer), "{layer} is missing");
    }
    assert_eq!(layers.held.contains(&Layer::Landlock), layers.landlock_abi > 0);
    for probe in Probe::ALL {
        let refused = engine.probe(probe).await.unwrap();
        let expected = match probe {
            Probe::ReadFile | Probe::MakeFile | Probe::ReadEnvironment | Probe::ReadParent => Refused::Error(EACCES),
            Probe::OpenSocket | Probe::StartProgram | Probe::Trace | Probe::Signal => Refused::Killed(SIGSYS),
            Probe::Allocate => Refused::Error(ENOMEM),
        };
        assert_eq!(refused, expected, "{probe}");
        assert!(refused.holds());
    }
    idle(&engine).await;
}

#[tokio::test]
async fn threat_24_a_kernel_that_gives_less_is_refused_unless_the_operator_accepts_it() {
    let _one = alone().await;
    let strict = Settings { accepted: Vec::new(), ..engine::settings(Metering::Time, None) };
    let missing = engine::engine(Metering::Time, None).await.layers().missing();
    match Engine::start(strict).await {
        Ok(engine) => assert!(missing.is_empty() && engine.layers().missing().is_empty()),
        Err(EngineError::Unconfined(named)) => assert_eq!(named, missing),
        Err(error) => panic!("{error}"),
    }
    // A program that is no worker is not taken for one.
    let program = Program::at("/bin/true", []);
    let refused = Engine::start(Settings { program, ..engine::settings(Metering::Time, None) }).await;
    assert!(matches!(refused, Err(EngineError::NotReady)));
}

/// What a worker has and should not have. Only root may look at all.
fn what_it_has(worker: u32) -> Vec<String> {
    let about = |name: &str| std::fs::read(format!("/proc/{worker}/{name}")).unwrap_or_default();
    let mut found = Vec::new();
    // how it keeps memory is all that it is told; the C library puts zeros between the settings while it reads them
    let told = about("environ");
    let told = told.split(|byte| *byte == 0).map(|one| one.strip_prefix(b"GLIBC_TUNABLES=").unwrap_or(one));
    if !told.filter(|one| !one.is_empty()).all(|one| one.starts_with(b"glibc.malloc.")) {
        found.push("an environment".to_owned());
    }
    let words = about("cmdline");
    let words: Vec<_> = words.split(|byte| *byte == 0).skip(1).filter(|word| !word.is_empty()).collect();
    if words != [sandbox::worker::VERB.as_bytes()] {
        found.push("another command line".to_owned());
    }
    let open = std::fs::read_dir(format!("/proc/{worker}/fd")).into_iter().flatten().filter_map(Result::ok);
    for target in open.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok()) {
        let target = target.to_string_lossy().into_owned();
        if !target.starts_with("socket:") && target != "/dev/null" {
            found.push(target);
        }
    }
    if std::fs::read_link(format!("/proc/{worker}/cwd")).is_ok_and(|place| place.to_str() != Some("/")) {
        found.push("another folder".to_owned());
    }
    found
}

#[tokio::test]
async fn threat_62_a_worker_has_no_environment_and_no_descriptor_of_the_nodes() {
    let _one = alone().await;
    // What a program that starts a node may leave open in it.
    let secret = std::fs::File::open("/etc/passwd").unwrap();
    let engine = engine::engine(Metering::Time, None).await;
    assert!(std::env::vars_os().count() > 0);
    let workers = children();
    assert!(!workers.is_empty());
    for worker in workers {
        // One may have been born this very moment, and not be locked in yet.
        until("a worker has nothing of the node's", || what_it_has(worker).is_empty()).await;
    }
    drop((engine, secret));
}

#[tokio::test]
async fn threat_22_a_compile_bomb_costs_its_worker_alone() {
    let _one = alone().await;
    // Two MiB of code within every limit on shape: a compiler needs seconds and hundreds of MiB for it.
    let body = "local.get 0 i32.const 12345 i32.mul local.set 0 ".repeat(80_000);
    let functions: String = (0..3).map(|_| format!("(func (local i32) {body})")).collect();
    let bomb = component(&functions, "i32.const 0");
    let before = peak();
    for compile in [
        CompileLimits { wall: Duration::from_millis(100), ..CompileLimits::default() },
        CompileLimits { bytes: 48 * 1024 * 1024, ..CompileLimits::default() },
    ] {
        let engine = Engine::start(Settings { compile, ..engine::settings(Metering::Time, None) }).await.unwrap();
        match engine.compile(&bomb).await {
            Err(NotCompiled::Unusable(Unusable::Costly(..))) => {}
            other => panic!("{other:?}"),
        }
        // The next component meets a worker of its own.
        idle(&engine).await;
    }
    let grown = peak().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "the node itself took {grown} bytes for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_in_mid_run_is_a_failure_and_nothing_more() {
    let _one = alone().await;
    let engine = engine::engine(Metering::Time, None).await;
    let looping = engine.compile(&component("", "(loop $l br $l) unreachable")).await.unwrap();
    let running = {
        let engine = engine.clone();
        tokio::spawn(async move { run(&engine, task(looping, Duration::from_secs(300))).await })
    };
    // The one that computes is the one to kill; those that wait use no time.
    let mut computing = None;
    until("a worker computes", || {
        computing = children().into_iter().find(|worker| ticks(*worker) > 20);
        computing.is_some()
    })
    .await;
    let worker = rustix::process::Pid::from_raw(i32::try_from(computing.unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
    let failure: Failure = running.await.unwrap().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Host);
    assert!(failure.detail_for_reviewer().contains(&format!("signal {SIGKILL}")), "{}", failure.detail_for_reviewer());
    // And one that is killed while it waits is not even a failure.
    for waiting in children() {
        let waiting = rustix::process::Pid::from_raw(i32::try_from(waiting).unwrap()).unwrap();
        let _ = rustix::process::kill_process(waiting, rustix::process::Signal::KILL);
    }
    until("those who waited are dead", || children().is_empty()).await;
    idle(&engine).await;
}

/// The time that a process has computed, in ticks of a hundredth of a second (`proc(5)`, utime).
fn ticks(process: u32) -> u64 {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = line.rfind(')').map_or("", |end| &line[end + 1..]);
    fields.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// Not a test by itself: the node of the next test, which starts an engine and then waits to be killed.
#[tokio::test]
async fn a_node_that_waits_to_be_killed() {
    if std::env::var_os("QUINTES_TEST_WAITS").is_none() {
        return;
    }
    let engine = engine::engine(Metering::Time, None).await;
    let looping = engine.compile(&component("", "(loop $l br $l) unreachable")).await.unwrap();
    // It computes, so it cannot notice the end of its socket.
    println!("ready");
    let _ = run(&engine, task(looping, Duration::from_secs(300))).await;
}

#[tokio::test]
async fn threat_62_a_node_that_is_killed_takes_its_workers_with_it() {
    let _one = alone().await;
    let mut node = Command::new(std::env::current_exe().unwrap())
        .args(["a_node_that_waits_to_be_killed", "--exact", "--nocapture"])
        .env("QUINTES_TEST_WAITS", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(node.stdout.take().unwrap());
    assert!(said.lines().map_while(Result::ok).any(|line| line.ends_with("ready")), "the node did not start");
    until("a worker computes", || children_of(node.id()).into_iter().any(|worker| ticks(worker) > 10)).await;
    let workers = children_of(node.id());
    node.kill().unwrap();
    node.wait().unwrap();
    until("the workers are gone", || !workers.iter().any(|worker| is_alive(*worker))).await;
}

#[tokio::test]
async fn threat_24_compiled_code_on_disk_is_used_again_and_never_when_it_was_touched() {
    let _one = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("compiled");
    let start = async |key: [u8; 32]| engine::engine(Metering::Time, Some(Cache::open(&folder, key).unwrap())).await;
    let wasm = component("", "i32.const 0");
    let sha256 = start([7; 32]).await.compile(&wasm).await.unwrap().sha256();
    let engine = start([7; 32]).await;
    let component = engine.known(&sha256).await.expect("it is there after a restart");
    run(&engine, task(component, Duration::from_secs(60))).await.unwrap();
    // An engine of other settings has other code.
    let counting = engine::engine(Metering::TimeAndFuel, Some(Cache::open(&folder, [7; 32]).unwrap())).await;
    assert!(counting.known(&sha256).await.is_none());
    // Another node's key opens nothing, and what it did not make is gone.
    assert!(start([8; 32]).await.known(&sha256).await.is_none());
    let engine = start([7; 32]).await;
    assert!(engine.known(&sha256).await.is_none());
    engine.compile(&wasm).await.unwrap();
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&file, bytes).unwrap();
    let engine = start([7; 32]).await;
    assert!(engine.known(&sha256).await.is_none());
    idle(&engine).await;
}
