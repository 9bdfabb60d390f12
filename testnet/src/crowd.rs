//! Many whole nodes in this process: journal, core and real sockets each, without a sandbox; and members that misbehave.

use crate::cluster::Watch;
use crate::fixture::federation::{Federation, Options};
use anyhow::{Context as _, anyhow};
use futures::future::try_join_all;
use keys::seal;
use keys::signer::SoftKey;
use node::config::{Mailbox, Notices};
use node::door::{Answer, Around, Ask};
use node::identity::Identity;
use node::network::{self, Event, Members, Multiaddr, Network, Verdict};
use node::service;
use protocol::record::payload::DAY;
use protocol::wire::envelope::Place;
use protocol::wire::id::StatementId;
use protocol::wire::message::{Request, Response};
use sandbox::engine::Program;
use sandbox::limits::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// How often doors are asked while waiting.
const POLL: Duration = Duration::from_millis(100);

/// How long a node may take to start and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The members of one federation, by their names: `hub-0` and so on.
pub struct Crowd {
    /// Who they are and what they sign.
    pub federation: Federation,
    folder: PathBuf,
    statements: Vec<Vec<u8>>,
    running: BTreeMap<String, Running>,
    silent: BTreeMap<String, Network>,
    submissions: u64,
}

struct Running {
    address: Option<Multiaddr>,
    watch: Watch,
    stop: watch::Sender<bool>,
    ended: JoinHandle<Result<(), service::ServiceError>>,
}

/// How a member takes part.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Listens, and forwards for everybody.
    pub hub: bool,
    /// Where it listens; a port of the system's choice when a hub is given none.
    pub listen: Option<Multiaddr>,
    /// Whom it dials.
    pub dial: Vec<Multiaddr>,
}

impl Crowd {
    /// A federation of so many members, none of which runs; their state lies in `folder`.
    ///
    /// # Errors
    /// When the clock is before 1970.
    pub fn found(folder: &Path, members: usize) -> anyhow::Result<Self> {
        // Every member is enrolled as a hub: a node without datasets, which holds and forwards what others say.
        let options = Options { tres: 1, hubs: members, owners_per_tre: 1, researchers: 1, ..Options::default() };
        let federation = Federation::new(7, options);
        let status = federation.status(2, BTreeSet::new(), now()?, DAY);
        let statements = federation.statements.iter().chain([&status]).map(|bytes| bytes.to_vec()).collect();
        Ok(Self {
            federation,
            folder: folder.to_owned(),
            statements,
            running: BTreeMap::new(),
            silent: BTreeMap::new(),
            submissions: 0,
        })
    }

    /// Every member that is started from now on knows these statements too.
    pub fn know(&mut self, statements: impl IntoIterator<Item = Vec<u8>>) {
        self.statements.extend(statements);
    }

    /// What every member knows at its start.
    #[must_use]
    pub fn statements(&self) -> &[Vec<u8>] {
        &self.statements
    }

    /// Signs a task at a place of the researcher's chain; its bytes.
    ///
    /// # Errors
    /// When the clock is before 1970.
    pub fn task_at(&mut self, place: Place) -> anyhow::Result<Vec<u8>> {
        self.submissions += 1;
        let task = self.federation.task("researcher-0", self.submissions, [0]);
        Ok(self.federation.sign_at(&task, "researcher-0", now()?, DAY, place).to_vec())
    }

    /// Everybody whom the federation knows, by the peer key.
    #[must_use]
    pub fn members(&self) -> Members {
        Arc::new(self.federation.actors().map(|one| *one.peer().as_bytes()).collect())
    }

    /// What a member says of its place among the others.
    ///
    /// # Errors
    /// When its door does not open.
    pub async fn around(&self, name: &str) -> anyhow::Result<Around> {
        match self.door(name)?.ask(&Ask::Around).await? {
            Answer::Around(around) => Ok(*around),
            _ => Err(anyhow!("{name} answered another question")),
        }
    }

    /// Where a member keeps its state.
    #[must_use]
    pub fn state(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Offers a statement at this member's door.
    ///
    /// # Errors
    /// When the member does not take it.
    pub async fn offer(&self, at: &str, statement: Vec<u8>) -> anyhow::Result<StatementId> {
        let id = StatementId::of(&statement);
        match self.door(at)?.ask(&Ask::Member(Request::Offer { statement })).await? {
            Answer::Member(Response::Taken) => Ok(id),
            other => Err(anyhow!("{at} did not take it: {other:?}")),
        }
    }

    /// Starts a member, or starts it again over the state that it left.
    ///
    /// # Errors
    /// When it does not start within a minute.
    pub async fn start(&mut self, name: &str, part: Part) -> anyhow::Result<()> {
        let actor = self.federation.actor(name);
        let state = self.state(name);
        let door = state.join("door.sock");
        let any = "/ip4/127.0.0.1/tcp/0".parse()?;
        let settings = service::Settings {
            name: name.to_owned(),
            tre: None,
            network: self.federation.network,
            state,
            listen: if part.hub { vec![part.listen.unwrap_or(any)] } else { Vec::new() },
            dial: part.dial,
            proxy: None,
            hub: part.hub,
            door: door.clone(),
            statements: self.statements.clone(),
            datasets: BTreeMap::new(),
            published: BTreeSet::new(),
            limits: Limits::default(),
            notices: Notices::default(),
            mailbox: part.hub.then(Mailbox::default),
            worker: Program::this()?,
            accepted: Vec::new(),
        };
        let identity = Identity {
            signing: Arc::new(SoftKey::from_seed(actor.signing_seed)),
            peer: Zeroizing::new(actor.peer_seed),
            custody: seal::Identity::generate(),
            compiled: Zeroizing::new(actor.signing_seed),
        };
        let (stop, stopped) = watch::channel(false);
        let (tell, told) = oneshot::channel();
        let ended = tokio::spawn(service::run(settings, identity, stopped, move |ready| {
            tell.send(ready.addresses.first().cloned()).ok();
        }));
        let address = tokio::time::timeout(PATIENCE, told).await?.with_context(|| format!("{name} did not start"))?;
        let watch = Watch::new(name, &door);
        // The door opens a moment later.
        let open = async {
            while watch.health().await.is_err() {
                tokio::time::sleep(POLL / 10).await;
            }
        };
        tokio::time::timeout(PATIENCE, open).await.with_context(|| format!("the door of {name} did not open"))?;
        self.running.insert(name.to_owned(), Running { address, watch, stop, ended });
        Ok(())
    }

    /// Stops a member as SIGTERM does.
    ///
    /// # Errors
    /// When it does not end within a minute, or not well.
    pub async fn stop(&mut self, name: &str) -> anyhow::Result<()> {
        let running = self.running.remove(name).ok_or_else(|| anyhow!("{name} does not run"))?;
        running.stop.send(true).ok();
        tokio::time::timeout(PATIENCE, running.ended).await???;
        Ok(())
    }

    /// Stops every member.
    ///
    /// # Errors
    /// As [`Crowd::stop`].
    pub async fn stop_all(&mut self) -> anyhow::Result<()> {
        for name in self.running.keys().cloned().collect::<Vec<_>>() {
            self.stop(&name).await?;
        }
        for (_, network) in std::mem::take(&mut self.silent) {
            network.stop().await;
        }
        Ok(())
    }

    /// A member that connects, subscribes, and then forwards nothing and answers nothing: gossip alone takes it for a good one.
    ///
    /// # Errors
    /// When its network does not start.
    pub async fn start_silent(&mut self, name: &str) -> anyhow::Result<Multiaddr> {
        let actor = self.federation.actor(name);
        let (keep, members) = watch::channel(self.members());
        let settings = network::Settings {
            network: self.federation.network,
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
            dial: Vec::new(),
            proxy: None,
            hub: true,
        };
        let (network, mut events) = network::start(Zeroizing::new(actor.peer_seed), settings, members).await?;
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                // Dropping a question declines to answer it.
                if let Event::Announced { verdict, .. } = event {
                    verdict.give(Verdict::Ignore);
                }
            }
            drop(keep);
        });
        let address = network.local_addresses().into_iter().next().context("a hub has an address")?;
        self.silent.insert(name.to_owned(), network);
        Ok(address)
    }

    /// Where others dial a running hub.
    ///
    /// # Errors
    /// When it does not run or listens nowhere.
    pub fn address(&self, name: &str) -> anyhow::Result<Multiaddr> {
        let running = self.running.get(name).and_then(|running| running.address.clone());
        running.ok_or_else(|| anyhow!("{name} has no address"))
    }

    /// The members that run.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    /// Somebody at this member's door submits a task; its id once the member has it on disk.
    ///
    /// # Errors
    /// When the member does not take it.
    pub async fn submit(&mut self, at: &str) -> anyhow::Result<StatementId> {
        self.submissions += 1;
        let submission = self.federation.task("researcher-0", self.submissions, [0]);
        self.offer(at, self.federation.sign(&submission, "researcher-0", now()?, DAY).to_vec()).await
    }

    /// Which of these statements a member lacks.
    ///
    /// # Errors
    /// When its door does not open.
    pub async fn lacks(&self, name: &str, ids: &BTreeSet<StatementId>) -> anyhow::Result<usize> {
        let mut lacking = ids.clone();
        let all: Vec<StatementId> = ids.iter().copied().collect();
        for asked in all.chunks(64) {
            let ask = Ask::Member(Request::Statements { ids: asked.to_vec() });
            let Answer::Member(Response::Statements { statements }) = self.door(name)?.ask(&ask).await? else {
                return Err(anyhow!("{name} answered another question"));
            };
            for bytes in statements {
                lacking.remove(&StatementId::of(&bytes));
            }
        }
        Ok(lacking.len())
    }

    /// Waits until every running member holds all of these; how long that took.
    ///
    /// # Errors
    /// With who lacks how many, when it takes longer than `within`.
    pub async fn until_all_hold(&self, ids: &BTreeSet<StatementId>, within: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        loop {
            let lacks =
                self.running.keys().map(async |name| Ok::<_, anyhow::Error>((name, self.lacks(name, ids).await?)));
            let lacking: Vec<_> = try_join_all(lacks).await?.into_iter().filter(|(_, count)| *count > 0).collect();
            if lacking.is_empty() {
                return Ok(began.elapsed());
            }
            if began.elapsed() > within {
                return Err(anyhow!("after {} s these lack statements: {lacking:?}", within.as_secs()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn door(&self, name: &str) -> anyhow::Result<&Watch> {
        Ok(&self.running.get(name).ok_or_else(|| anyhow!("{name} does not run"))?.watch)
    }
}

/// Now, in seconds since 1970.
pub(crate) fn now() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs())
}
