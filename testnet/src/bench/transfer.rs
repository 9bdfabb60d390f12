//! `transfer`: 256 MiB from one node to another, end to end with encryption, beside a Noise stream and a raw TCP copy of as many bytes.

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

/// The size of the result, in bytes.
const BYTES: usize = 256 << 20;

/// What is written and read at once by the copies that it is compared with.
const PIECE: usize = 64 * 1024;

/// Each is measured so often; the fastest counts, because only disturbances make one slower.
const ROUNDS: usize = 3;

/// The figures, in MB/s.
pub(super) async fn measure(narrator: Narrator) -> anyhow::Result<Vec<Figure>> {
    let bar = narrator.progress("rounds of 256 MiB", Some(ROUNDS as u64));
    let (mut tcp, mut noise, mut slices, mut whole) = (0_f64, 0_f64, 0_f64, 0_f64);
    for _ in 0..ROUNDS {
        tcp = tcp.max(tokio::task::spawn_blocking(raw).await??);
        noise = noise.max(noise_stream().await?);
        let (of_slices, of_all) = result().await?;
        (slices, whole) = (slices.max(of_slices), whole.max(of_all));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let by_noise = Baseline { name: "one TCP and Noise stream, nothing encrypted twice", value: noise };
    let by_tcp = Baseline { name: "a raw TCP copy on loopback", value: tcp };
    let figure = |name, value, baseline: &Baseline| Figure::new("transfer", name, value, "MB/s", baseline, ROUNDS);
    Ok(vec![
        figure("encrypted_vs_noise", whole, &by_noise),
        figure("encrypted_vs_tcp", whole, &by_tcp),
        figure("slices_vs_noise", slices, &by_noise),
    ])
}

/// The rate since `began`, in MB/s.
fn rate(began: Instant) -> f64 {
    f64::from(u32::try_from(BYTES).unwrap_or(u32::MAX)) / 1e6 / began.elapsed().as_secs_f64()
}

fn raw() -> anyhow::Result<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let sender = std::thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let piece = vec![7; PIECE];
        (0..BYTES / PIECE).try_for_each(|_| stream.write_all(&piece))
    });
    let began = Instant::now();
    let mut stream = std::net::TcpStream::connect(address)?;
    let (mut piece, mut left) = (vec![0; PIECE], BYTES);
    while left > 0 {
        let length = stream.read(&mut piece)?;
        ensure!(length > 0, "the copy was cut");
        left -= length;
    }
    let rate = rate(began);
    sender.join().map_err(|_| anyhow::anyhow!("the sender stopped"))??;
    Ok(rate)
}

async fn noise_stream() -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let sender = tokio::spawn(async move {
        let (socket, _) = listener.accept().await?;
        let key = Keypair::ed25519_from_bytes([1; 32])?;
        let (_, mut stream) = noise::Config::new(&key)?.upgrade_inbound(Socket(socket), "/noise").await?;
        let piece = vec![7; PIECE];
        for _ in 0..BYTES / PIECE {
            stream.write_all(&piece).await?;
        }
        stream.close().await?;
        Ok::<_, anyhow::Error>(())
    });
    let socket = TcpStream::connect(address).await?;
    let key = Keypair::ed25519_from_bytes([2; 32])?;
    let (_, mut stream) = noise::Config::new(&key)?.upgrade_outbound(Socket(socket), "/noise").await?;
    let began = Instant::now();
    let (mut piece, mut left) = (vec![0; PIECE], BYTES);
    while left > 0 {
        let length = stream.read(&mut piece).await?;
        ensure!(length > 0, "the stream was cut");
        left -= length;
    }
    let rate = rate(began);
    sender.await??;
    Ok(rate)
}

/// tokio's socket as libp2p's Noise reads and writes it.
struct Socket(TcpStream);

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
async fn result() -> anyhow::Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let identity = Identity::generate();
    let recipient = seal::parse_recipient(&identity.recipient())?;
    let plaintext: Arc<[u8]> = vec![7; BYTES].into();
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

    let began = Instant::now();
    let sealing = store.clone();
    let text = plaintext.clone();
    let file = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let mut ciphertext = Vec::new();
        seal::seal(&[recipient], &text[..], &mut ciphertext)?;
        Ok(sealing.seal(&ciphertext)?)
    })
    .await??;
    let sent = Instant::now();
    let path = folder.path().join("arriving");
    let mut arrival = Arrival::at(&path, file)?;
    let answers = stream::iter(arrival.questions(0))
        .map(|asked| {
            let client = &client;
            async move { client.ask(asked).await.ok() }
        })
        .buffered(IN_FLIGHT);
    arrival.take_all(answers, |_| {}).await?;
    let of_slices = rate(sent);
    let opened = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<u8>> {
        let sealed = std::fs::File::open(&path)?;
        Ok(seal::open_all(&identity, io::BufReader::new(sealed), u64::MAX - 1)?)
    })
    .await??;
    let whole = rate(began);
    ensure!(opened[..] == plaintext[..], "other bytes arrived");
    network.stop().await;
    Ok((of_slices, whole))
}
