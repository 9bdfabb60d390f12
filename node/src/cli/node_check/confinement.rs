//! What locks components in on this machine, tried: a confined process is started and attempts what it must not be able to do.

use super::Findings;
use crate::config::Config;
use sandbox::confinement::{Layer, Probe};
use sandbox::engine::{CompileLimits, Engine, EngineError, Metering, Program, Settings};
use serde::Serialize;

/// The field of node.toml by which an operator accepts less.
const FIELD: &str = "confinement.accept_missing";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Found {
    /// The layers in force, by name.
    held: Vec<&'static str>,
    /// The layers that this kernel does not give.
    missing: Vec<&'static str>,
    /// The version of Landlock's interface; 0 where there is none.
    landlock_abi: i32,
    /// What was attempted, and refused.
    refused: Vec<String>,
}

impl Found {
    /// One sentence for each layer, and one for what was tried.
    pub(super) fn sentences(&self) -> Vec<String> {
        let layers = Layer::ALL.into_iter().map(|layer| {
            let version = if layer == Layer::Landlock && self.landlock_abi > 0 {
                format!(", version {}", self.landlock_abi)
            } else {
                String::new()
            };
            let here = self.held.contains(&layer.name());
            format!("{} ({layer}{version}): {}", if here { "confined" } else { "not confined" }, promise(layer))
        });
        let tried = (!self.refused.is_empty()).then(|| format!("tried and refused: {}", self.refused.join(", ")));
        layers.chain(tried).collect()
    }
}

fn promise(layer: Layer) -> &'static str {
    match layer {
        Layer::NoNewPrivileges => "a component's process gains no right and has no capability",
        Layer::Seccomp => "the kernel ends it at any system call that computing does not need",
        Layer::Landlock => "it can open no file",
        Layer::NetworkNamespace => "it has no network",
        Layer::NotDumpable => "nobody looks into it, and it leaves no core dump",
    }
}

/// Starts a confined process and looks. A hub runs no components.
pub(super) fn check(config: &Config, findings: &mut Findings) -> Option<Found> {
    if config.is_hub() {
        return None;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    match runtime.block_on(look()) {
        Ok((found, holes)) => {
            for layer in Layer::ALL.into_iter().filter(|layer| found.missing.contains(&layer.name())) {
                let sentence = format!("this kernel does not give {layer}: {}, elsewhere", promise(layer));
                if config.confinement.accept_missing.contains(&layer) {
                    findings.warning(FIELD, sentence, "it is accepted; use a newer kernel when you can");
                } else {
                    findings.error(FIELD, sentence, format!("use a newer kernel, or add \"{layer}\" to accept it"));
                }
            }
            for probe in holes {
                let sentence = format!("a component's process was able to {probe}");
                findings.error("", sentence, "do not run components on this machine, and please report it");
            }
            Some(found)
        }
        Err(error) => {
            findings.failure("", &error);
            None
        }
    }
}

async fn look() -> Result<(Found, Vec<Probe>), EngineError> {
    let engine = Engine::start(Settings {
        program: Program::this().map_err(EngineError::NotStarted)?,
        metering: Metering::Time,
        accepted: Layer::ALL.to_vec(),
        compile: CompileLimits::default(),
        cache: None,
    })
    .await?;
    let layers = engine.layers();
    let mut found = Found {
        held: layers.held.iter().map(|layer| layer.name()).collect(),
        missing: layers.missing().into_iter().map(Layer::name).collect(),
        landlock_abi: layers.landlock_abi,
        refused: Vec::new(),
    };
    let mut holes = Vec::new();
    for probe in Probe::ALL {
        if engine.probe(probe).await?.holds() {
            found.refused.push(probe.to_string());
        } else {
            holes.push(probe);
        }
    }
    Ok((found, holes))
}
