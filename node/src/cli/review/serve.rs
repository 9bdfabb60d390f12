//! `quintes review serve`: the review page, for the browser of a reviewer on this machine.

use crate::cli::desk::FederationOptions;
use crate::cli::link::{LinkOptions, door_of, online};
use crate::cli::node_run::listen_to_ourselves;
use crate::cli::speak::Speak;
use crate::page::{Neighbours, Site, Source, own_account, serve};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::level_filters::LevelFilter;

/// How many addresses may wait to be printed.
const UNREAD: usize = 64;

/// Where the page is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Prints an address that opens the page once; after it was used, the next one. Stop with Ctrl-C.

A browser keeps its key for one address: keep the port. Only your own account's programs are heard; name others with --account. Elsewhere than on
this machine's loopback interface the page needs a proxy with https before it, without which no browser signs.

Example:
  quintes review serve --node ./london")]
pub(super) struct Args {
    /// The node's door, when it is not found by --node.
    #[arg(long, value_name = "SOCKET", conflicts_with = "node")]
    door: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7080")]
    listen: SocketAddr,
    /// A further name under which browsers reach the page, for example that of a proxy: host, or host:port.
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    hosts: Vec<String>,
    /// A further account of this machine whose browser may connect, by its number (`id -u NAME`).
    #[arg(long = "account", value_name = "UID")]
    accounts: Vec<u32>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

pub(super) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut link = args.link.clone();
    if let Some(door) = &args.door {
        link.node = Some(door.display().to_string());
    }
    let Some(node) = &link.node else {
        bail!("no node is named; give --node with the node's folder on this machine, or --door with its socket");
    };
    let door = door_of(Path::new(node))?;
    if args.listen.ip().is_unspecified() && args.hosts.is_empty() {
        bail!("`{}` is no address that a browser can name; give the page's name with --host", args.listen);
    }
    if !args.listen.ip().is_loopback() {
        speak.warn(&format!(
            "{} can be reached from other machines: put a proxy with https before it, and name it with --host",
            args.listen
        ));
    }
    listen_to_ourselves(LevelFilter::INFO, speak.is_json());
    online(async {
        let known = link.open(None).await?.known(&args.federation).await?;
        let source = Source::new(door, known.network, known.statements);
        let tre = source.name().await?;
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| {
            format!("`{}` cannot be listened on; is another page there? give another with --listen", args.listen)
        })?;
        let listening = listener.local_addr().context("the system does not say where it listens")?;
        let own = own_account().context("the system does not say whose this process is")?;
        let accounts: BTreeSet<u32> = args.accounts.iter().copied().chain(std::iter::once(own)).collect();
        let neighbours = Neighbours::new(listener, accounts).context("the system does not say where it listens")?;
        let (told, mut addresses) = mpsc::channel(UNREAD);
        let site = Site::new(source, tre.clone(), listening, &args.hosts, told)?;
        speak.say(&format!("the review page of {tre}; each address opens it once; Ctrl-C ends it"));
        let mut terminated = signal(SignalKind::terminate()).context("the system takes no signals")?;
        let mut interrupted = signal(SignalKind::interrupt()).context("the system takes no signals")?;
        let told = async {
            while let Some(address) = addresses.recv().await {
                speak.line(&address);
                speak.answer(json!({ "address": address }));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = serve(neighbours, site) => served.context("the page cannot be served any more"),
            () = told => Ok(()),
            _ = terminated.recv() => Ok(()),
            _ = interrupted.recv() => Ok(()),
        }
    })
}
