//! A running node: journal, core, network and door put together, and taken apart again in order.

use crate::clock::now;
use crate::config::{Mailbox, Notices};
use crate::custody::Custody;
use crate::door::{Door, DoorError};
use crate::driver::{self, Handle};
use crate::effects::{Effects, Seal, admitted};
use crate::exchange::{Asker, Exchange};
use crate::execute::Execution;
use crate::identity::Identity;
use crate::journal::{Journal, JournalError};
use crate::ledger::{Ledger, LedgerError, Released};
use crate::mailbox;
use crate::network::{self, Event, Multiaddr, PeerKey, Proxy, Role, Verdict};
use crate::notices;
use crate::rounds::Rounds;
use crate::schema;
use crate::store::{Store, private_directory};
use keys::signer::Signer as _;
use protocol::ingress;
use protocol::node::{Input, Node, ReplayError};
use protocol::safes::Tre;
use protocol::wire::id::NetworkId;
use sandbox::cache::Cache;
use sandbox::confinement::Layer;
use sandbox::database::Database;
use sandbox::engine::{self, CompileLimits, Engine, Metering, Program};
use sandbox::limits::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// How many messages of peers are looked at at the same time.
const AT_ONCE: usize = 256;

/// How long a stopping node waits for what is under way.
const FAREWELL: Duration = Duration::from_secs(10);

/// What a node is made of.
pub struct Settings {
    /// Its name in the roster.
    pub name: String,
    /// Its own policy as a TRE; none on a hub.
    pub tre: Option<Tre>,
    /// The federation.
    pub network: NetworkId,
    /// Where it keeps its state.
    pub state: PathBuf,
    /// Where it listens.
    pub listen: Vec<Multiaddr>,
    /// Whom it dials.
    pub dial: Vec<Multiaddr>,
    /// Whether it forwards for others.
    pub hub: bool,
    /// Through what it dials; straight to the others where there is nothing.
    pub proxy: Option<Proxy>,
    /// The door's socket.
    pub door: PathBuf,
    /// Statements from files, tagged bytes each.
    pub statements: Vec<Vec<u8>>,
    /// The datasets, by name.
    pub datasets: BTreeMap<String, Arc<dyn Database>>,
    /// Of these datasets it tells every member the names and types of tables and columns.
    pub published: BTreeSet<String>,
    /// What each run may use.
    pub limits: Limits,
    /// Whom it tells that something waits or was decided.
    pub notices: Notices,
    /// What it keeps for others; none on a TRE.
    pub mailbox: Option<Mailbox>,
    /// The program that is a confined worker.
    pub worker: Program,
    /// The layers of confinement that may be missing.
    pub accepted: Vec<Layer>,
}

/// Why a node did not start, or stopped.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The state directory.
    #[error("the state directory `{path}` cannot be used")]
    State {
        /// Where it is.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal's content.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The network.
    #[error("the network cannot be started")]
    Network(#[from] network::StartError),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] sandbox::engine::EngineError),
    /// The door.
    #[error(transparent)]
    Door(#[from] DoorError),
}

/// What a node tells once it is ready.
#[derive(Debug)]
pub struct Ready {
    /// Addresses that others can dial.
    pub addresses: Vec<Multiaddr>,
    /// The door's socket.
    pub door: PathBuf,
}

/// Runs a node until `stop` becomes true.
///
/// # Errors
/// [`ServiceError`]; the state is as it was at the last commit.
pub async fn run(
    settings: Settings,
    identity: Identity,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(&Ready),
) -> Result<(), ServiceError> {
    let state = |cause| ServiceError::State { path: settings.state.display().to_string(), cause };
    private_directory(&settings.state).map_err(state)?;
    let journal = Journal::open(&settings.state.join("journal.redb"))?;
    let core = Node::replay(settings.network, settings.tre.clone(), journal.records()?)?;
    tracing::info!(statements = core.known().len(), tasks = core.tasks().len(), "the journal was read");
    let store = Store::open(settings.state.join("blobs")).map_err(state)?;
    let custody = Custody::open(settings.state.join("custody"), identity.custody).map_err(state)?;

    let open = |_| Ledger::open(&settings.state.join("ledger.redb"), &custody, &Released::of(&core));
    let ledger = settings.tre.as_ref().map(open).transpose()?;

    let dialled = settings.dial.iter().filter_map(network::peer_of_address).collect();
    let (members, followed) = watch::channel(admitted(&core, &dialled, now()));
    let place = network::Settings {
        network: settings.network,
        listen: settings.listen,
        dial: settings.dial,
        hub: settings.hub,
        proxy: settings.proxy,
    };
    let (network, events) = network::start(identity.peer, place, followed).await?;

    let (driver, handle) = driver::new(core, journal);
    let exchange = Exchange::new(handle.clone(), network.clone(), store.clone());
    let schemas = schema::published(&settings.datasets, &settings.published);
    let execution = match ledger.clone() {
        Some(ledger) => Some(Execution {
            engine: Engine::start(engine::Settings {
                program: settings.worker,
                // Counting instructions costs 12 to 20 %: only where the operator limits them.
                metering: if settings.limits.fuel.is_some() { Metering::TimeAndFuel } else { Metering::Time },
                accepted: settings.accepted,
                compile: CompileLimits::default(),
                cache: Some(Cache::open(&settings.state.join("compiled"), *identity.compiled).map_err(state)?),
            })
            .await?,
            datasets: settings.datasets,
            limits: settings.limits,
            store: store.clone(),
            ledger,
        }),
        None => None,
    };
    tracing::info!(name = settings.name, key = %identity.signing.public().fingerprint(), "the node signs as");
    let blobs = store.clone();
    let effects = Effects {
        driver: handle.clone(),
        seal: Seal { network: settings.network, name: settings.name.clone(), key: identity.signing },
        network: network.clone(),
        exchange: exchange.clone(),
        store,
        custody: custody.clone(),
        execution: execution.clone(),
        members,
        dialled,
        running: BTreeMap::new(),
    };
    let mut driving = tokio::spawn(driver.run(effects, stop.clone()));
    import(&handle, settings.statements).await;
    handle.input(Input::Schemas(schemas)).await;

    let door = Door {
        driver: handle.clone(),
        exchange: exchange.clone(),
        custody,
        ledger,
        network: network.clone(),
        execution,
        name: settings.name,
    };
    let socket = settings.door.clone();
    let guests = stop.clone();
    let mut serving = tokio::spawn(async move { door.serve(&socket, guests).await });
    if let Some(tre) = settings.tre {
        tokio::spawn(notices::run(settings.notices, tre.name, handle.clone(), stop.clone()));
    }
    if let Some(mailbox) = settings.mailbox {
        tokio::spawn(mailbox::keep(mailbox, handle.clone(), exchange.clone(), blobs, stop.clone()));
    }
    let hearing = tokio::spawn(hear(events, handle, exchange, stop.clone()));
    ready(&Ready { addresses: network.local_addresses(), door: settings.door });

    let mut stopping = stop;
    let outcome = tokio::select! {
        driven = &mut driving => driven.unwrap_or(Ok(())).map_err(ServiceError::from),
        served = &mut serving => served.unwrap_or(Ok(())).map_err(ServiceError::from),
        () = crate::clock::stopped(&mut stopping) => Ok(()),
    };
    tracing::info!("the node stops");
    network.stop().await;
    hearing.abort();
    if !driving.is_finished() && outcome.is_ok() {
        // A commit that is under way is finished; what is not committed was acknowledged to nobody.
        if let Ok(Ok(driven)) = tokio::time::timeout(FAREWELL, driving).await {
            driven?;
        }
    }
    if !serving.is_finished() {
        tokio::time::timeout(FAREWELL, serving).await.ok();
    }
    outcome
}

/// Takes statements from files.
async fn import(driver: &Handle, statements: Vec<Vec<u8>>) {
    for (kind, taken) in driver.take_all(statements).await {
        if let Err(error) = taken {
            tracing::warn!(%kind, %error, "a statement from the federation folder was not taken");
        }
    }
}

/// Listens to the other members until the network ends.
async fn hear(mut events: mpsc::Receiver<Event>, driver: Handle, exchange: Exchange, mut stop: watch::Receiver<bool>) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut rounds = Rounds::new(Instant::now(), chance());
    let mut under_way = JoinSet::new();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = until(rounds.next()) => {
                if let Some(peer) = rounds.begin(Instant::now(), chance()) {
                    go_round(&mut under_way, &exchange, &driver, peer);
                }
                continue;
            }
            Some(ended) = under_way.join_next() => {
                if let Ok((peer, even)) = ended {
                    rounds.ended(&peer, even);
                }
                continue;
            }
            () = exchange.until_said() => {
                rounds.said(Instant::now());
                continue;
            }
            () = crate::clock::stopped(&mut stop) => return,
        };
        let Some(event) = event else { return };
        let Ok(permit) = at_once.clone().acquire_owned().await else { return };
        match event {
            Event::Announced { bytes, verdict, .. } => {
                let driver = driver.clone();
                tokio::spawn(async move {
                    verdict.give(judge(&driver, bytes).await);
                    drop(permit);
                });
            }
            Event::Asked { from, request, answer } => {
                let exchange = exchange.clone();
                let asker = if rounds.is_member(&from) { Asker::Node } else { Asker::Person };
                tokio::spawn(async move {
                    answer.give(exchange.answer(request, asker).await);
                    drop(permit);
                });
            }
            Event::Connected { role: Role::Client, .. } => {}
            Event::Connected { peer, role, outbound } => {
                rounds.connected(peer, role, outbound, Instant::now());
                // It may have what the mailbox lacks.
                exchange.heard();
            }
            Event::Disconnected { peer } => rounds.disconnected(&peer),
        }
    }
}

/// Waits for `time`, or for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Randomness for the time between two rounds. Where the system has none, it is always the same.
fn chance() -> u64 {
    getrandom::u64().unwrap_or(0)
}

/// An announcement is forwarded only after it was verified and is durable here.
async fn judge(driver: &Handle, bytes: Vec<u8>) -> Verdict {
    match driver.take(bytes).await {
        Ok(_) => Verdict::Accept,
        Err(driver::TakeError::Verdict(ingress::Verdict::Reject(reason))) => {
            tracing::warn!(%reason, "an announcement was rejected");
            Verdict::Reject
        }
        Err(_) => Verdict::Ignore,
    }
}

fn go_round(under_way: &mut JoinSet<(PeerKey, bool)>, exchange: &Exchange, driver: &Handle, peer: PeerKey) {
    let (exchange, driver) = (exchange.clone(), driver.clone());
    under_way.spawn(async move {
        let round = exchange.round(peer).await;
        // Beside the rounds: members that do not answer hold up nothing else.
        tokio::spawn(async move { exchange.seek().await });
        match round {
            Ok(round) => {
                if round.taken + round.brought > 0 {
                    tracing::info!(taken = round.taken, brought = round.brought, "went round with a member");
                }
                driver.input(Input::CaughtUp).await;
                (peer, round.even)
            }
            Err(error) => {
                tracing::debug!(%error, "a round ended early; the next one goes on");
                (peer, false)
            }
        }
    });
}
