//! `warm_start`: what it costs to start a component that is compiled already, through the sandbox and in bare wasmtime.

use super::{Baseline, Figure, Samples};
use crate::narrate::Narrator;
use anyhow::{Context as _, anyhow};
use sandbox::cache::Cache;
use sandbox::confinement::Layer;
use sandbox::engine::{CompileLimits, Component, Engine, Metering, Program, Settings};
use sandbox::limits::Limits;
use sandbox::run::{Task, run};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, Store};

/// A component whose `run` does nothing, and one whose `run` counts to a hundred thousand.
const IDLE: &str = "i32.const 0";
const BUSY: &str = "(local $i i32)
    (local.set $i (i32.const 100000))
    (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    i32.const 0";

/// A component of the analysis world without imports; `body` returns the address of a `result<_, string>`, which is ok at 0.
pub(super) fn component(body: &str) -> anyhow::Result<Vec<u8>> {
    let text = format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func (export "run") (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory")))))"#
    );
    wat::parse_str(text).context("the component's text is wrong")
}

/// Instance and call, each through the sandbox and without it.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let bar = narrator.progress("warm starts", Some(3));
    let (idle, busy) = (component(IDLE)?, component(BUSY)?);
    let engine = engine(None).await?;
    let ours_idle = ours(&engine, &engine.compile(&idle).await?, samples, Duration::ZERO).await?;
    bar.inc(1);
    let ours_busy = ours(&engine, &engine.compile(&busy).await?, samples, Duration::ZERO).await?;
    bar.inc(1);
    let (bare_instance, bare_call) = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        Ok((bare(&idle, samples)?.0, bare(&busy, samples)?.1))
    })
    .await??;
    bar.finish_and_clear();
    let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
    let instance = Baseline {
        name: "bare wasmtime with a pool: store, instance and an empty call, p50",
        value: microseconds(bare_instance.percentile(50)),
    };
    let call = Baseline {
        name: "bare wasmtime: a call that counts to 100,000, p50",
        value: microseconds(bare_call.percentile(50)),
    };
    let work = ours_busy.percentile(50).saturating_sub(ours_idle.percentile(50));
    Ok(vec![
        Figure::new(
            "warm_start",
            "instantiate_p50",
            microseconds(ours_idle.percentile(50)),
            "µs",
            &instance,
            ours_idle.len(),
        ),
        Figure::new("warm_start", "call_p50", microseconds(work), "µs", &call, ours_busy.len()),
    ])
}

/// How long a worker takes at most until it is ready, under no load.
pub(super) const PAUSE: Duration = Duration::from_millis(60);

/// An engine whose workers are this program, on whatever this kernel gives.
pub(super) async fn engine(cache: Option<Cache>) -> anyhow::Result<Engine> {
    let settings = Settings {
        program: Program::this()?,
        metering: Metering::Time,
        accepted: Layer::ALL.to_vec(),
        compile: CompileLimits::default(),
        cache,
    };
    Ok(Engine::start(settings).await?)
}

/// Whole runs as a node does them: a place, a locked-in worker, the code handed over and loaded, an instance, the call.
/// After each `pause` a next worker is ready; without one, the figure is that of a queue that never empties.
pub(super) async fn ours(
    engine: &Engine,
    component: &Component,
    samples: u32,
    pause: Duration,
) -> anyhow::Result<Samples> {
    let mut took = Vec::new();
    for round in 0..samples + samples / 10 {
        let (_switch, cancel) = watch::channel(false);
        let task = Task {
            component: component.clone(),
            parameters: BTreeMap::new(),
            outputs: Vec::new(),
            handles: BTreeMap::new(),
            limits: Limits::default(),
            cancel,
            progress: None,
        };
        tokio::time::sleep(pause).await;
        let began = Instant::now();
        let ended = run(engine, task).await;
        let elapsed = began.elapsed();
        ended.map_err(|failure| anyhow!("the component failed: {}", failure.kind()))?;
        if round >= samples / 10 {
            took.push(elapsed);
        }
    }
    Ok(Samples::new(took))
}

/// Store, instance and call together, and the call alone.
pub(super) fn bare(wasm: &[u8], samples: u32) -> anyhow::Result<(Samples, Samples)> {
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::pooling());
    let engine = wasmtime::Engine::new(&config).map_err(|error| anyhow!("bare wasmtime does not start: {error}"))?;
    let failed = |error: wasmtime::Error| anyhow!("bare wasmtime failed: {error}");
    let component = wasmtime::component::Component::from_binary(&engine, wasm).map_err(failed)?;
    let instance = Linker::<()>::new(&engine).instantiate_pre(&component).map_err(failed)?;
    let (mut whole, mut calls) = (Vec::new(), Vec::new());
    for round in 0..samples + samples / 10 {
        let began = Instant::now();
        let mut store = Store::new(&engine, ());
        let instance = instance.instantiate(&mut store).map_err(failed)?;
        let run = instance.get_typed_func::<(), (Result<(), String>,)>(&mut store, "run").map_err(failed)?;
        let called = Instant::now();
        let ended = run.call(&mut store, ()).map_err(failed)?.0;
        let call = called.elapsed();
        drop(store);
        ended.map_err(|said| anyhow!("the component failed: {said}"))?;
        if round >= samples / 10 {
            whole.push(began.elapsed());
            calls.push(call);
        }
    }
    Ok((Samples::new(whole), Samples::new(calls)))
}
