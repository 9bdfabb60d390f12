//! `quintes node doctor`: whether a node reaches its hubs and is admitted there, has the right time, all statements and fresh trust.
//!
//! A running node is asked at its door. What it does not reach is tried step by step: the name, the connection, the proxy, the key, the admission.

use crate::cli::date::utc;
use crate::cli::link::{LinkOptions, online};
use crate::cli::node_check::{Level, findings};
use crate::cli::peers;
use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::clock::now;
use crate::config::{Config, ProxySettings};
use crate::door::Around;
use crate::door::around::SEE_WHY;
use crate::identity::Identity;
use crate::network::client::{Client, ConnectError};
use crate::network::{Multiaddr, Place, Proxy};
use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// How long a connection may take before it counts as none: a firewall that drops says nothing.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many statements may be on their way.
const ON_THE_WAY: u64 = 20;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Works whether the node runs or not; run it as the node's own user. Exit code 1 when something is wrong.

Example:
  quintes node doctor --config ./london/node.toml")]
pub(crate) struct Args {
    /// The node.toml.
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Look {
    ok: bool,
    what: &'static str,
    sentence: String,
}

/// What was looked at, in order.
#[derive(Default)]
struct Looks(Vec<Look>);

impl Looks {
    fn add(&mut self, ok: bool, what: &'static str, sentence: impl AsRef<str>) {
        self.0.push(Look { ok, what, sentence: plain(sentence.as_ref()) });
    }
}

/// Looks, and tells.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let config = Config::read(&args.config)?;
    let looks = online(examine(&config, args))?;
    for look in &looks.0 {
        speak.line(&format!("{}: {}: {}", if look.ok { "ok" } else { "wrong" }, look.what, look.sentence));
    }
    let wrong = looks.0.iter().filter(|look| !look.ok).count();
    speak.say(&format!("{}: looked at {}, wrong: {wrong}", args.config.display(), looks.0.len()));
    speak.answer(json!({ "ok": wrong == 0, "looks": looks.0 }));
    if wrong == 0 { Ok(()) } else { Err(AlreadySaid.into()) }
}

async fn examine(config: &Config, args: &Args) -> anyhow::Result<Looks> {
    let mut looks = Looks::default();
    let door = config.door_socket().display().to_string();
    let link = LinkOptions { node: Some(door), ..LinkOptions::default() };
    let around = match link.open(None).await {
        Ok(mut link) => Some(peers::ask(&mut link).await?),
        Err(_) => None,
    };
    match &around {
        Some(around) => looks.add(true, "node", format!("it runs; members connected: {}", around.neighbours.len())),
        None => looks.add(false, "node", "it does not run, or is another user's: start it with `quintes node run`"),
    }
    let proxy = match config.proxy.as_ref().map(ProxySettings::open).transpose() {
        Ok(proxy) => proxy,
        Err(error) => {
            looks.add(false, "proxy", error.to_string());
            return Ok(looks);
        }
    };
    if config.dial.is_empty() && !config.is_hub() {
        looks.add(
            false,
            "hubs",
            "node.toml dials nobody: give `dial` the address of a hub, better of two that different members run",
        );
    }
    for address in &config.dial {
        if let Some(known) = around.as_ref().and_then(|around| connected(around, address)) {
            looks.add(true, "hub", known);
            continue;
        }
        let seed =
            Identity::open(&config.state).context("the node's keys cannot be used; run this as the node's user")?.peer;
        match reach(address, proxy.clone(), seed).await {
            Ok(sentence) => looks.add(true, "hub", sentence),
            Err(sentence) => looks.add(false, "hub", sentence),
        }
    }
    match around {
        Some(around) => place(&around, &mut looks),
        None => files(args, &mut looks),
    }
    Ok(looks)
}

/// What a running node knows of a hub that it is connected to.
fn connected(around: &Around, address: &Multiaddr) -> Option<String> {
    let address = address.to_string();
    let hub = around.dialled.iter().find(|one| one.connected && one.addresses.contains(&address))?;
    let known = around.neighbours.iter().find(|one| one.name == hub.name)?;
    let took = known.round_trip.map_or_else(String::new, |took| format!(", answers in {took} ms"));
    Some(format!("{} is connected since {}{took}", hub.name, utc(known.since)))
}

/// Tries an address step by step.
async fn reach(address: &Multiaddr, proxy: Option<Proxy>, seed: Zeroizing<[u8; 32]>) -> Result<String, String> {
    let place = Place::of(address)
        .ok_or_else(|| format!("`{address}` is no address of a host and a TCP port: correct `dial` in node.toml"))?;
    match &proxy {
        Some(proxy) => drop(proxy.connect(&place).await.map_err(|error| error.to_string())?),
        None => straight(&place).await?,
    }
    match Client::connect(seed, address.clone(), proxy).await {
        Ok(_) => Ok(format!("{place} answers, is the expected node, and admits this one")),
        Err(ConnectError::Refused(_)) => Err(format!(
            "{place} answers, is the expected node, and does not admit this one: ask a root person whether this node is enrolled and not revoked, and that node's operator whether it knows (`quintes network import … --node`)"
        )),
        Err(error @ ConnectError::WrongNode(_)) => Err(format!(
            "{error}; ask its operator for the right one: either it has new keys, or somebody stands between"
        )),
        Err(ConnectError::Unreachable { .. }) => Err(format!(
            "{place} takes connections and does not speak as a node: check the port, and whether something between reads along"
        )),
        Err(ConnectError::HungUp { .. }) => Err(format!(
            "{place} takes connections and hangs up before it says who it is: it takes few handshakes at once from an address that it does not know, so try again in half a minute; if it stays so, check the port, and whether something between reads along"
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// A name that resolves, and a port that answers.
async fn straight(place: &Place) -> Result<(), String> {
    let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
    let found: Vec<_> = found.map(Iterator::collect).unwrap_or_default();
    if found.is_empty() {
        return Err(format!(
            "the name {} does not resolve: check it, and this machine's name servers; behind a proxy, name it in [proxy]",
            place.host
        ));
    }
    match tokio::time::timeout(PATIENCE, TcpStream::connect(found.as_slice())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!(
            "{place} cannot be reached ({error}): ask its operator whether it runs, and your network's whether TCP to port {} may go out",
            place.port
        )),
        Err(_) => Err(format!(
            "{place} does not answer within 8 s, as behind a firewall that drops: ask your network's operator to let TCP to port {} out, or for a proxy",
            place.port
        )),
    }
}

/// What a running node says of its clock, of what it lacks, and of trust.
fn place(around: &Around, looks: &mut Looks) {
    match around.ahead {
        Some(ahead) => {
            let wrong = around.degraded.iter().find(|sentence| sentence.starts_with("this clock"));
            let right = format!("it differs from the members' by {} ms", ahead.unsigned_abs());
            looks.add(wrong.is_none(), "clock", wrong.unwrap_or(&right));
        }
        None => looks.add(true, "clock", "no member has said what time it is there yet"),
    }
    let behind =
        around.neighbours.iter().filter(|one| one.lag.is_some_and(|lag| lag > ON_THE_WAY)).max_by_key(|one| one.lag);
    match behind {
        Some(one) => looks.add(
            false,
            "statements",
            format!(
                "{} has {} that are not here: they come within five minutes; if they do not, the log says why they are not taken",
                one.name,
                one.lag.unwrap_or_default()
            ),
        ),
        None => looks.add(true, "statements", "no connected member has more than what may be on its way"),
    }
    for one in &around.missing {
        looks.add(false, "chains", peers::kept_back(one));
    }
    match &around.freshness {
        Ok(until) => looks.add(true, "status", format!("fresh until {}", utc(*until))),
        Err(stale) => looks.add(false, "status", stale),
    }
    for sentence in around.degraded.iter().filter(|sentence| !sentence.starts_with("this clock")) {
        // Why stands above.
        looks.add(false, "peers", sentence.trim_end_matches(SEE_WHY).trim_end_matches("; "));
    }
    for sentence in &around.advice {
        looks.add(true, "advice", sentence);
    }
}

/// What the files say, where there is no running node to ask.
fn files(args: &Args, looks: &mut Looks) {
    for finding in
        findings(&args.config, now()).into_iter().filter(|one| one.level == Level::Error || one.field == "federation")
    {
        looks.add(false, "files", format!("{}; {}", finding.sentence, finding.remedy));
    }
}
