//! `start`: what it costs to begin a component: compiled for the first time, taken from disk, and with everything in place.

use super::warm::{PAUSE, bare, component, engine, ours};
use super::{Baseline, Figure, Samples};
use crate::narrate::Narrator;
use anyhow::anyhow;
use sandbox::cache::Cache;
use std::time::{Duration, Instant};

/// The component that is compiled: Rust, as most are.
const STATISTICS: &[u8] = include_bytes!("../../../sandbox/components/prebuilt/statistics.wasm");

/// At most so many compilations.
const MOST: u32 = 10;

/// The three figures.
pub(super) async fn measure(samples: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let compilations = samples.min(MOST);
    let bar = narrator.progress("starts", Some(3));
    let folder = tempfile::tempdir()?;
    let idle = component("i32.const 0")?;
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for number in 0..compilations {
        let folder = folder.path().join(number.to_string());
        let key = [7; 32];
        let fresh = engine(Some(Cache::open(&folder, key)?)).await?;
        let began = Instant::now();
        let sha256 = fresh.compile(STATISTICS).await?.sha256();
        cold.push(began.elapsed());
        drop(fresh);
        // As after a restart: nothing in memory.
        let again = engine(Some(Cache::open(&folder, key)?)).await?;
        let began = Instant::now();
        again.known(&sha256).await.ok_or_else(|| anyhow!("the compiled component was not kept"))?;
        cached.push(began.elapsed());
    }
    bar.inc(1);
    let bare_compile = tokio::task::spawn_blocking(move || bare_compile(compilations)).await??;
    bar.inc(1);
    let engine = engine(None).await?;
    let idle_component = engine.compile(&idle).await?;
    let instantiate = ours(&engine, &idle_component, samples, PAUSE).await?;
    let bare_instance = tokio::task::spawn_blocking(move || bare(&idle, samples)).await??.0;
    bar.finish_and_clear();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let (cold, cached) = (Samples::new(cold), Samples::new(cached));
    let compile = Baseline {
        name: "bare wasmtime compiles the same component in its own process, p50",
        value: ms(bare_compile.percentile(50)),
    };
    let instance = Baseline {
        name: "bare wasmtime in its own process: store, instance and an empty call, p50",
        value: ms(bare_instance.percentile(50)),
    };
    Ok(vec![
        Figure::new("start", "cold_compile", ms(cold.percentile(50)), "ms", &compile, cold.len()),
        Figure::new("start", "cached_load", ms(cached.percentile(50)), "ms", &compile, cached.len()),
        Figure::new("start", "instantiate_p50", ms(instantiate.percentile(50)), "ms", &instance, instantiate.len()),
    ])
}

fn bare_compile(samples: u32) -> anyhow::Result<Samples> {
    let mut took = Vec::new();
    for _ in 0..samples {
        let engine = wasmtime::Engine::default();
        let began = Instant::now();
        let compiled = wasmtime::component::Component::from_binary(&engine, STATISTICS);
        took.push(began.elapsed());
        compiled.map_err(|error| anyhow!("bare wasmtime does not compile: {error}"))?;
    }
    Ok(Samples::new(took))
}
