//! `quintes node run`: a node in the foreground, until it is told to stop.

use crate::cli::node_check::{Level, findings};
use crate::cli::speak::Speak;
use crate::cli::worker_program;
use crate::clock::now;
use crate::config::{Config, ProxySettings};
use crate::dataset;
use crate::descriptors;
use crate::identity::Identity;
use crate::service::{self, Settings};
use crate::statements::{self, EXTENSION};
use anyhow::Context as _;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The crates whose log is written: what a library says could hold a query's text or an engine's error, and a log leaves the node.
const OURS: [&str; 4] = ["node", "protocol", "sandbox", "keys"];

/// Which node, and how much it tells.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Says its addresses on stdout once it is ready; its log goes to stderr. SIGTERM or Ctrl-C stops it in order.

Example:
  quintes node run --config ./london/node.toml")]
pub(crate) struct Args {
    /// The node.toml.
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
    /// How much to log: off, error, warn, info, debug.
    #[arg(long, env = "QUINTES_LOG", value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
}

/// Runs the node until a signal.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let config = Config::read(&args.config)?;
    keep_panics_quiet();
    listen_to_ourselves(args.log, config.log.json);
    tracing::info!(descriptors = descriptors::raise(), "files and connections that may be open at once");
    // A node that is not ready for tasks starts all the same and refuses them; what is missing is said here and by `node check`.
    for finding in findings(&args.config, now()) {
        let (field, sentence, remedy) = (finding.field, finding.sentence, finding.remedy);
        match finding.level {
            Level::Error => tracing::warn!(field, "{sentence}; {remedy}"),
            Level::Warning => tracing::info!(field, "{sentence}; {remedy}"),
        }
    }
    let identity = Identity::open(&config.state)
        .context("the node's keys cannot be used; see `quintes node check`, or make a node with `quintes node init`")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the system gave no threads")?;
    let settings = Settings {
        name: config.name.clone(),
        tre: (!config.is_hub()).then(|| config.tre()),
        network: config.network,
        state: config.state.clone(),
        listen: config.listen.clone(),
        dial: config.dial.clone(),
        hub: config.is_hub(),
        proxy: config
            .proxy
            .as_ref()
            .map(ProxySettings::open)
            .transpose()
            .context("the proxy's credentials cannot be used")?,
        door: config.door_socket(),
        statements: config.federation.as_deref().map(statements_in).transpose()?.unwrap_or_default(),
        datasets: if config.is_hub() { BTreeMap::new() } else { runtime.block_on(dataset::open_all(&config))? },
        published: config.published(),
        limits: config.limits.sandbox(),
        notices: config.notices.clone(),
        mailbox: config.is_hub().then_some(config.mailbox),
        worker: worker_program().context("the system does not say which file this program is")?,
        accepted: config.confinement.accept_missing.clone(),
    };
    runtime.block_on(until_told(settings, identity, speak))
}

async fn until_told(settings: Settings, identity: Identity, speak: &Speak) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        stop.send_replace(true);
    });
    service::run(settings, identity, stopped, |ready| {
        let addresses: Vec<String> = ready.addresses.iter().map(ToString::to_string).collect();
        for address in &addresses {
            speak.line(address);
        }
        speak.answer(json!({ "addresses": addresses, "door": ready.door.display().to_string() }));
        speak.say(&format!("ready; the door is {}", ready.door.display()));
    })
    .await?;
    Ok(())
}

/// A panic's message may hold a row: only the place goes to the log (threat 41). The task that panicked fails; the node goes on.
fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, "a fault in the program; please report the place");
    }));
}

/// Writes our own log to stderr, and nobody else's.
pub(crate) fn listen_to_ourselves(level: LevelFilter, json: bool) {
    let filter = Targets::new().with_targets(OURS.map(|target| (target, level)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // A second node in one process keeps the first one's log.
    let _ =
        if json { registry.with(lines.json()).try_init() } else { registry.with(lines.with_ansi(false)).try_init() };
}

/// Every statement of the federation's folder; the node verifies each as if a peer had said it.
fn statements_in(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Peers may bring everything; `node check` says that the folder is not there.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read the folder `{}`", folder.display())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read the folder `{}`", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            match statements::read(&path) {
                Ok(statements) => found.extend(statements),
                Err(error) => tracing::warn!(%error, "a statement file was left out"),
            }
        }
    }
    Ok(found)
}
