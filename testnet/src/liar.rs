//! A member that passes every question on to an honest node's door, and changes what it answers.

use anyhow::Context as _;
use node::door::{Answer, Ask, Visitor};
use node::network::{self, Event, Members, Multiaddr, Network, Verdict};
use protocol::wire::id::NetworkId;
use protocol::wire::message::{Request, Response};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// What becomes of an honest answer; none declines.
pub type Change = fn(&Request, Response) -> Option<Response>;

/// A member that lies. It forwards nothing that it hears, and ends when it is dropped.
pub struct Liar {
    /// Where others dial it.
    pub address: Multiaddr,
    network: Network,
    changed: Arc<AtomicU64>,
    _members: watch::Sender<Members>,
}

impl Liar {
    /// Listens at `listen` with the peer key of `seed`, admits these members, and answers as the node behind `door` does, but for `change`.
    ///
    /// # Errors
    /// When its network does not start.
    pub async fn start(
        federation: NetworkId,
        seed: [u8; 32],
        listen: Multiaddr,
        members: Members,
        door: &Path,
        change: Change,
    ) -> anyhow::Result<Self> {
        let (keep, members) = watch::channel(members);
        let settings =
            network::Settings { network: federation, listen: vec![listen], dial: Vec::new(), proxy: None, hub: true };
        let (network, mut events) = network::start(Zeroizing::new(seed), settings, members).await?;
        let address = network.local_addresses().into_iter().next().context("a hub has an address")?;
        let (door, changed) = (door.to_owned(), Arc::new(AtomicU64::new(0)));
        let counted = changed.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Announced { verdict, .. } => verdict.give(Verdict::Ignore),
                    Event::Asked { request, answer, .. } => {
                        let (door, counted) = (door.clone(), counted.clone());
                        tokio::spawn(async move {
                            let honest = ask(&door, request.clone()).await;
                            let said = honest.clone().and_then(|response| change(&request, response));
                            counted.fetch_add(u64::from(said != honest), Ordering::Relaxed);
                            if let Some(said) = said {
                                answer.give(said);
                            }
                        });
                    }
                    Event::Connected { .. } | Event::Disconnected { .. } => {}
                }
            }
        });
        Ok(Self { address, network, changed, _members: keep })
    }

    /// Announces something to whoever is connected; how many listened.
    ///
    /// # Errors
    /// When its network has stopped.
    pub async fn announce(&self, bytes: Vec<u8>) -> anyhow::Result<usize> {
        Ok(match self.network.announce(bytes).await? {
            network::Published::To(listeners) => listeners,
            network::Published::NobodyYet | network::Published::Before => 0,
        })
    }

    /// How many answers were changed or declined.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changed.load(Ordering::Relaxed)
    }
}

async fn ask(door: &Path, request: Request) -> Option<Response> {
    let mut visitor = Visitor::knock(door).await.ok()?;
    match visitor.ask(&Ask::Member(request)).await.ok()? {
        Answer::Member(response) => Some(response),
        _ => None,
    }
}
