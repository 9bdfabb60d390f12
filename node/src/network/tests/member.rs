//! A member under test: a real node of the network with an owner that judges and answers by rule.

use crate::network::*;
use protocol::wire::id::{Digest, NetworkId};
use protocol::wire::message::{PART_BYTES, Request, Response};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

/// Long enough for a busy machine; nothing waits for all of it but a failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a test heard of one member's events.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Announced(Vec<u8>),
    Connected(PeerKey, Role),
    Disconnected(PeerKey),
}

/// How the owner of a member under test behaves.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    /// `None` drops the slip.
    pub(super) judge: fn(&[u8]) -> Option<Verdict>,
    pub(super) answer: fn(Request) -> Option<Response>,
}

pub(super) const ACCEPTS: Owner = Owner {
    judge: |_| Some(Verdict::Accept),
    answer: |request| match request {
        Request::Blob { offset, .. } => {
            Some(Response::Part { total: 3 * PART_BYTES as u64, part: vec![offset.to_be_bytes()[7]; PART_BYTES] })
        }
        Request::Store { part, .. } if part.len() == PART_BYTES => Some(Response::Taken),
        Request::Inventory { .. } => {
            Some(Response::Statements { statements: vec![serde_bytes::ByteBuf::from(vec![0; ANSWER_BYTES])] })
        }
        _ => None,
    },
};

pub(super) struct Member {
    pub(super) network: Network,
    pub(super) heard: mpsc::UnboundedReceiver<Heard>,
    pub(super) members: watch::Sender<Members>,
}

pub(super) fn seed(of: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([of; 32])
}

pub(super) fn key(of: u8) -> PeerKey {
    peer::key_of(&peer::keypair(seed(of)).public().to_peer_id()).unwrap()
}

pub(super) fn keys(of: &[u8]) -> Members {
    Arc::new(of.iter().copied().map(key).collect::<BTreeSet<_>>())
}

pub(super) fn settings(listen: Option<&str>, dial: Vec<Multiaddr>, hub: bool) -> Settings {
    let listen = listen.iter().map(|address| address.parse().unwrap()).collect();
    Settings { network: NetworkId([42; 32]), listen, dial, hub, proxy: None }
}

impl Member {
    pub(super) async fn start(of: u8, members: &[u8], settings: Settings, owner: Owner) -> Self {
        let (sender, receiver) = watch::channel(keys(members));
        let (network, mut events) = start(seed(of), settings, receiver).await.unwrap();
        let (hears, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let _ = match event {
                    Event::Announced { bytes, verdict, .. } => {
                        if let Some(judged) = (owner.judge)(&bytes) {
                            verdict.give(judged);
                        }
                        hears.send(Heard::Announced(bytes))
                    }
                    Event::Asked { request, answer, .. } => {
                        if let Some(response) = (owner.answer)(request) {
                            answer.give(response);
                        }
                        Ok(())
                    }
                    Event::Connected { peer, role, .. } => hears.send(Heard::Connected(peer, role)),
                    Event::Disconnected { peer } => hears.send(Heard::Disconnected(peer)),
                };
            }
        });
        Self { network, heard, members: sender }
    }

    pub(super) async fn hub(of: u8, members: &[u8]) -> Self {
        Self::start(of, members, settings(Some("/ip4/127.0.0.1/tcp/0"), vec![], true), ACCEPTS).await
    }

    /// A TRE that listens nowhere.
    pub(super) async fn spoke(of: u8, members: &[u8], hub: &Self) -> Self {
        let dial = hub.network.local_addresses();
        Self::start(of, members, settings(None, dial, false), ACCEPTS).await
    }

    pub(super) async fn hear(&mut self) -> Heard {
        tokio::time::timeout(PATIENCE, self.heard.recv()).await.unwrap().unwrap()
    }

    pub(super) async fn hear_exactly(&mut self, expected: Heard) {
        assert_eq!(self.hear().await, expected);
    }

    pub(super) async fn hears_nothing_for(&mut self, time: Duration) {
        let heard = tokio::time::timeout(time, self.heard.recv()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }

    /// Waits until so many peers listen. A subscription travels in each direction for itself.
    pub(super) async fn is_heard_by(&self, listeners: usize) {
        let begun = Instant::now();
        while self.listeners().await < listeners {
            assert!(begun.elapsed() < PATIENCE, "nobody listens");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Announces as soon as somebody listens.
    pub(super) async fn announce_to(&self, listeners: usize, bytes: &[u8]) {
        self.is_heard_by(listeners).await;
        let published = self.network.announce(bytes.to_vec()).await.unwrap();
        assert!(matches!(published, Published::To(_)), "{published:?}");
    }

    /// How many peers take what is announced, found by announcing.
    pub(super) async fn listeners(&self) -> usize {
        let mut probe = PROBE.to_vec();
        probe.extend(getrandom::u64().unwrap().to_be_bytes());
        match self.network.announce(probe).await.unwrap() {
            Published::To(listeners) => listeners,
            Published::NobodyYet | Published::Before => 0,
        }
    }

    /// The next announcement that is no probe.
    pub(super) async fn hear_announced(&mut self) -> Vec<u8> {
        loop {
            match self.hear().await {
                Heard::Announced(bytes) if !bytes.starts_with(PROBE) => return bytes,
                _ => {}
            }
        }
    }

    /// Whether another announcement than a probe comes within `time`.
    pub(super) async fn hears_no_announcement_for(&mut self, time: Duration) {
        let heard = tokio::time::timeout(time, self.hear_announced()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }
}

pub(super) const PROBE: &[u8] = b"probe ";

pub(super) fn blob(offset: u64) -> Request {
    Request::Blob { digest: Digest([1; 32]), offset, hops: 0 }
}
