//! `transfer`: a result from one node to another, end to end with encryption, beside a Noise stream and a raw TCP copy of as many bytes; how fast, and
//! how fast for each processor that it keeps busy.

use super::{Baseline, Figure};
use crate::fixture::federation::{Federation, Options};
use crate::narrate::Narrator;
use anyhow::{Context as _, ensure};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _, stream};
use keys::seal::{self, Identity};
use libp2p::core::upgrade::{InboundConnectionUpgrade as _, OutboundConnectionUpgrade as _};
use libp2p::{identity::Keypair, noise};
use node::arrival::{Arrival, IN_FLIGHT};
use node::network::client::Client;
use node::network::{self, Event, Settings};
use node::store::Store;
use protocol::wire::message::{Request, Response};
use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// What is written and read at once by the copies that it is compared with.
const PIECE: usize = 64 * 1024;

/// Each is measured so often; the fastest counts, because only disturbances make one slower.
const ROUNDS: usize = 3;

/// Ticks of a second in proc_pid_stat(5), on every architecture that we know.
const TICKS: f64 = 100.0;

/// How fast bytes went, in MB/s: by the clock, and by the processor time of both ends together.
#[derive(Clone, Copy, Default)]
struct Rate {
    clock: f64,
    core: f64,
}

impl Rate {
    fn max(self, other: Self) -> Self {
        Self { clock: self.clock.max(other.clock), core: self.core.max(other.core) }
    }
}

/// When a way began, by both clocks.
struct Began(Instant, f64);

impl Began {
    fn now() -> anyhow::Result<Self> {
        Ok(Self(Instant::now(), processor_seconds()?))
    }

    fn rate(&self, bytes: usize) -> anyhow::Result<Rate> {
        let megabytes = f64::from(u32::try_from(bytes)?) / 1e6;
        let (clock, core) = (self.0.elapsed().as_secs_f64(), processor_seconds()? - self.1);
        Ok(Rate { clock: megabytes / clock, core: megabytes / core.max(1.0 / TICKS) })
    }
}

/// The processor time of all threads of this process until now, in seconds (`utime` and `stime` of proc_pid_stat(5)).
fn processor_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("the program's name is in brackets")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(f64::from(ticks) / TICKS)
}

/// The figures, in MB/s, of a result of so many MiB.
pub(super) async fn measure(mib: u32, narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let bytes = usize::try_from(mib)? << 20;
    let bar = narrator.progress("rounds", Some(ROUNDS as u64));
    let (mut tcp, mut noise, mut slices, mut whole) =
        (Rate::default(), Rate::default(), Rate::default(), Rate::default());
    for _ in 0..ROUNDS {
        tcp = tcp.max(tokio::task::spawn_blocking(move || raw(bytes)).await??);
        noise = noise.max(noise_stream(bytes).await?);
        let (of_slices, of_all) = result(bytes).await?;
        (slices, whole) = (slices.max(of_slices), whole.max(of_all));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let by_noise = Baseline { name: "one TCP and Noise stream, nothing encrypted twice", value: noise.clock };
    let by_tcp = Baseline { name: "a raw TCP copy on loopback", value: tcp.clock };
    let by_core = Baseline { name: "the same Noise stream, for each processor that it keeps busy", value: noise.core };
    let figure = |name, value, baseline: &Baseline| Figure::new("transfer", name, value, "MB/s", baseline, ROUNDS);
    Ok(vec![
        figure("encrypted_vs_noise", whole.clock, &by_noise),
        figure("encrypted_vs_tcp", whole.clock, &by_tcp),
        figure("encrypted_per_core", whole.core, &by_core),
        figure("slices_vs_noise", slices.clock, &by_noise),
        figure("slices_per_core", slices.core, &by_core),
    ])
}

fn raw(bytes: usize) -> anyhow::Result<Rate> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let sender = std::thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let piece = vec![7; PIECE];
        (0..bytes / PIECE).try_for_each(|_| stream.write_all(&piece))
    });
    let began = Began::now()?;
    let mut stream = std::net::TcpStream::connect(address)?;
    let (mut piece, mut left) = (vec![0; PIECE], bytes);
    while left > 0 {
        let length = stream.read(&mut piece)?;
        ensure!(length > 0, "the copy was cut");
        left -= length;
    }
    let rate = began.rate(bytes)?;
    sender.join().map_err(|_| anyhow::anyhow!("the sender stopped"))??;
    Ok(rate)
}

async fn noise_stream(bytes: usize) -> anyhow::Result<Rate> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let sender = tokio::spawn(async move {
        let (socket, _) = listener.accept().await?;
        let key = Keypair::ed25519_from_bytes([1; 32])?;
        let (_, mut stream) = noise::Config::new(&key)?.upgrade_inbound(Socket(socket), "/noise").await?;
        let piece = vec![7; PIECE];
        for _ in 0..bytes / PIECE {
            stream.write_all(&piece).await?;
        }
        stream.close().await?;
        Ok::<_, anyhow::Error>(())
    });
    let socket = TcpStream::connect(address).await?;
    let key = Keypair::ed25519_from_bytes([2; 32])?;
    let (_, mut stream) = noise::Config::new(&key)?.upgrade_outbound(Socket(socket), "/noise").await?;
    let began = Began::now()?;
    let (mut piece, mut left) = (vec![0; PIECE], bytes);
    while left > 0 {
        let length = stream.read(&mut piece).await?;
        ensure!(length > 0, "the stream was cut");
        left -= length;
    }
    let rate = began.rate(bytes)?;
    sender.await??;
    Ok(rate)
}

/// tokio's socket as libp2p's Noise reads and writes it.
pub(super) struct Socket(pub(super) TcpStream);

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(bytes);
        let read = tokio::io::AsyncRead::poll_read(Pin::new(&mut self.0), context, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(Pin::new(&mut self.0), context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(&mut self.0), context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut self.0), context)
    }
}

/// The rate of the slices alone, and of everything: encrypt and hash at the one end; send; verify, decrypt and hash at the other.
async fn result(bytes: usize) -> anyhow::Result<(Rate, Rate)> {
    let folder = tempfile::tempdir()?;
    let identity = Identity::generate();
    let recipient = seal::parse_recipient(&identity.recipient())?;
    let plaintext: Arc<[u8]> = vec![7; bytes].into();
    let store = Store::open(folder.path().join("blobs"))?;
    let federation = Federation::new(7, Options { tres: 1, hubs: 1, owners_per_tre: 1, ..Options::default() });
    let keys: BTreeSet<_> = federation.actors().map(|one| *one.peer().as_bytes()).collect();
    let (_keep, followed) = watch::channel(Arc::new(keys));
    let settings = Settings {
        network: federation.network,
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
        dial: Vec::new(),
        proxy: None,
        hub: true,
    };
    let seed = Zeroizing::new(federation.actor("hub-0").peer_seed);
    let (network, mut events) = network::start(seed, settings, followed).await?;
    let served = store.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Asked { request: Request::Slice { file, offset, .. }, answer, .. } = event {
                let store = served.clone();
                tokio::task::spawn_blocking(move || {
                    if let Ok(Some(slice)) = store.slice(&file, offset) {
                        answer.give(Response::Slice { slice });
                    }
                });
            }
        }
    });
    let seed = Zeroizing::new(federation.actor("researcher-0").peer_seed);
    let address = network.local_addresses().into_iter().next().context("the node listens")?;
    let client = Client::connect(seed, address, None).await?;

    let began = Began::now()?;
    let sealing = store.clone();
    let text = plaintext.clone();
    let file = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let mut ciphertext = Vec::new();
        seal::seal(&[recipient], &text[..], &mut ciphertext)?;
        Ok(sealing.seal(&ciphertext)?)
    })
    .await??;
    let sent = Began::now()?;
    let path = folder.path().join("arriving");
    let mut arrival = Arrival::at(&path, file)?;
    let answers = stream::iter(arrival.questions(0))
        .map(|asked| {
            let client = &client;
            async move { client.ask(asked).await.ok() }
        })
        .buffered(IN_FLIGHT);
    arrival.take_all(answers, |_| {}).await?;
    let of_slices = sent.rate(bytes)?;
    let opened = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<u8>> {
        let sealed = std::fs::File::open(&path)?;
        Ok(seal::open_all(&identity, io::BufReader::new(sealed), u64::MAX - 1)?)
    })
    .await??;
    let whole = began.rate(bytes)?;
    ensure!(opened[..] == plaintext[..], "other bytes arrived");
    network.stop().await;
    Ok((of_slices, whole))
}
