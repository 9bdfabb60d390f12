//! The attackers of `hostile`: processes of their own with the lowest priority, because a real attacker brings his own processors.

use super::transfer::Socket;
use anyhow::{Context as _, anyhow};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _, stream};
use libp2p::core::upgrade::OutboundConnectionUpgrade as _;
use libp2p::identity::Keypair;
use libp2p::noise;
use node::config::Config;
use node::descriptors;
use node::identity::Identity;
use node::network::{self, Multiaddr, Place, Settings, peer_of_address};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// The hidden word by which this program is an attacker.
pub const AS_ATTACKER: &str = "attack";

/// The lowest priority of nice(2).
const NICE: i32 = 19;

/// Strangers that knock, how far apart, and how many of them at once.
pub(super) const STRANGERS: u32 = 2_000;
const APART: Duration = Duration::from_millis(5);
const KNOCKING: usize = 64;

/// From how many addresses they come where they come from many.
const ADDRESSES: u32 = 500;

/// Connections that say nothing.
const HALF_OPEN: u64 = 5_000;

/// How long a member floods.
const FLOOD: Duration = Duration::from_secs(10);

/// A forgery, in bytes.
pub(super) const FORGERY: usize = 60_000;

/// How a stranger begins (multistream-select 1.0): the protocol's name, and what it wants to speak.
const WANTS_NOISE: &[u8] = b"\x13/multistream/1.0.0\n\x07/noise\n";
const WANTS_YAMUX: &[u8] = b"\x13/multistream/1.0.0\n\x0d/yamux/1.0.0\n";

/// What an attacker does to a hub.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Attack {
    /// Strangers with keys of their own, from one address or from many.
    Knock { hub: Multiaddr, spread: bool },
    /// Connections that say nothing, for as long as the attacker lives.
    HalfOpen { hub: Multiaddr },
    /// A member with a valid key says nothing but forgeries.
    Flood { hub: Multiaddr, config: PathBuf },
}

/// What an attack came to.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Done {
    /// Connections that were tried, or forgeries that were sent.
    pub(super) tried: u64,
    /// How many of the connections reached the end of their handshake.
    pub(super) named: u64,
    /// How long it took.
    pub(super) seconds: f64,
}

/// An attacker that runs; dropping it ends it.
pub(super) struct Attacker {
    child: Child,
    attack: String,
}

impl Attacker {
    /// Starts one.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(super) fn start(attack: &Attack) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the system does not say which file this program is")?;
        let attack = serde_json::to_string(attack)?;
        let child = Command::new(program)
            .args([AS_ATTACKER, &attack])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("an attacker cannot be started")?;
        Ok(Self { child, attack })
    }

    /// Waits until it has done what it does. It stays: half-open connections end with their process.
    ///
    /// # Errors
    /// When it could not.
    pub(super) async fn done(&mut self) -> anyhow::Result<Done> {
        let said = self.child.stdout.take().context("an attacker is asked once")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).await?;
        serde_json::from_str(&line).with_context(|| format!("the attack {} failed", self.attack))
    }
}

/// Lives as an attacker: attacks, says what it came to, and stays until stdin ends.
///
/// # Errors
/// When nothing could be attacked.
pub fn live(attack: &str) -> anyhow::Result<()> {
    rustix::process::nice(NICE)?;
    descriptors::raise();
    let attack = serde_json::from_str(attack)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let began = Instant::now();
    let (tried, named, open) = runtime
        .block_on(async {
            match attack {
                Attack::Knock { hub, spread } => {
                    let (tried, named) = knock(place(&hub)?, spread).await;
                    Ok((tried, named, Vec::new()))
                }
                Attack::HalfOpen { hub } => {
                    let open = half_open(place(&hub)?).await?;
                    Ok((open.len() as u64, 0, open))
                }
                Attack::Flood { hub, config } => Ok((flood(&Config::read(&config)?, &hub).await?, 0, Vec::new())),
            }
        })
        .map_err(|error: anyhow::Error| error.context("the attack came to nothing"))?;
    let done = Done { tried, named, seconds: began.elapsed().as_secs_f64() };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(&done)?)?;
    stdout.flush()?;
    // Until the benchmark lets go.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(open);
    Ok(())
}

fn place(hub: &Multiaddr) -> anyhow::Result<SocketAddr> {
    let place = Place::of(hub).context("the hub has a TCP address")?;
    Ok(SocketAddr::new(place.host.parse()?, place.port))
}

/// A connection from one of this machine's own addresses: 127.0.0.2, or where they are many, one for each number.
async fn connect(hub: SocketAddr, number: Option<u32>) -> std::io::Result<TcpStream> {
    let own = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 0)) + number.unwrap_or(0) % ADDRESSES);
    let own = if number.is_some() { own } else { Ipv4Addr::new(127, 0, 0, 2) };
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((own, 0)))?;
    socket.connect(hub).await
}

/// How many knocked, and how many of them the hub learned the names of; none gets in.
async fn knock(hub: SocketAddr, spread: bool) -> (u64, u64) {
    let began = tokio::time::Instant::now();
    let knocks = (0..STRANGERS).map(async |number| {
        tokio::time::sleep_until(began + APART * number).await;
        let mut seed = [0xee; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let socket = connect(hub, spread.then_some(number)).await?;
        introduce(socket, seed).await
    });
    let met: Vec<anyhow::Result<()>> = stream::iter(knocks).buffer_unordered(KNOCKING).collect().await;
    (met.len() as u64, met.iter().filter(|met| met.is_ok()).count() as u64)
}

/// A whole handshake, after which the hub hangs up.
async fn introduce(socket: TcpStream, seed: [u8; 32]) -> anyhow::Result<()> {
    let mut socket = Socket(socket);
    socket.write_all(WANTS_NOISE).await?;
    socket.read_exact(&mut [0; WANTS_NOISE.len()]).await?;
    let key = Keypair::ed25519_from_bytes(seed)?;
    let (_, mut stream) = noise::Config::new(&key)?.upgrade_outbound(socket, "/noise").await?;
    stream.write_all(WANTS_YAMUX).await?;
    stream.flush().await?;
    // An error is a hang-up too.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    Ok(())
}

async fn half_open(hub: SocketAddr) -> anyhow::Result<Vec<TcpStream>> {
    let mut open = Vec::new();
    for _ in 0..HALF_OPEN.min(descriptors::limit() / 2) {
        open.push(connect(hub, None).await?);
    }
    Ok(open)
}

/// As fast as the member's line takes them; how many.
async fn flood(config: &Config, hub: &Multiaddr) -> anyhow::Result<u64> {
    let identity = Identity::open(&config.state)?;
    let key = peer_of_address(hub).ok_or_else(|| anyhow!("the hub's address names its key"))?;
    let (_members, follow) = watch::channel(Arc::new(BTreeSet::from([key])));
    let settings =
        Settings { network: config.network, listen: Vec::new(), dial: vec![hub.clone()], hub: false, proxy: None };
    let (network, _events) = network::start(identity.peer, settings, follow).await?;
    let began = Instant::now();
    let mut sent = 0_u32;
    while began.elapsed() < FLOOD {
        let mut forgery = vec![0xff; FORGERY];
        forgery[..4].copy_from_slice(&sent.to_be_bytes());
        match network.announce(forgery).await {
            Ok(_) => sent += 1,
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    network.stop().await;
    Ok(sent.into())
}
