//! The way to a node: its door on this machine, or its address in the network.

use crate::arrival::IN_FLIGHT;
use crate::cli::desk::FederationOptions;
use crate::clock::now;
use crate::config::{Address, Config, ProxySettings};
use crate::door::{Answer, Ask, Visitor};
use crate::network::client::Client;
use crate::network::{Multiaddr, Proxy, ProxyAddress};
use crate::statements::Federation;
use anyhow::{Context as _, anyhow, bail};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use keys::at_rest;
use protocol::audit::{Believed, believe};
use protocol::record::Kind;
use protocol::record::submission::TaskId;
use protocol::wire::envelope::Signed;
use protocol::wire::id::{Digest, NetworkId, StatementId};
use protocol::wire::message::{PART_BYTES, Request, Response};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The kinds that say who may what: all that is needed to verify the rest.
const TRUST: [Kind; 6] = [Kind::Root, Kind::KeyRecord, Kind::Grant, Kind::Revocation, Kind::Status, Kind::Project];

/// The most ids that one question for statements may name (`WIRE.md`, "Direct streams").
const STATEMENTS_ASKED: usize = 64;

/// Which node to ask.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LinkOptions {
    /// The node: its door's socket, its folder or node.toml on this machine; or its address in the network, which ends in /p2p/…. Several,
    /// with commas between them, are asked in this order: the next one where one does not answer.
    #[arg(long, env = "QUINTES_NODE", value_name = "PATH|ADDRESS[,…]")]
    pub(crate) node: Option<String>,
    /// With which key to connect over the network; without it the `.peer` file beside your key.
    #[arg(long, env = "QUINTES_PEER_KEY", value_name = "FILE.peer")]
    pub(crate) peer_key: Option<PathBuf>,
    /// An HTTP proxy to dial through: http://HOST:PORT.
    #[arg(long, env = "QUINTES_PROXY", value_name = "URL")]
    pub(crate) proxy: Option<ProxyAddress>,
    /// A file with `user:password` for the proxy, which only you can read.
    #[arg(long, env = "QUINTES_PROXY_CREDENTIALS", value_name = "FILE")]
    pub(crate) proxy_credentials: Option<PathBuf>,
}

/// A node that answers.
pub(crate) struct Link {
    way: Way,
    /// Which of the nodes that were named it is.
    at: usize,
}

enum Way {
    Door(Visitor),
    Stream(Client),
}

/// What is known of a federation: its id, and every statement about trust, from the node and from the folder.
pub(crate) struct Known {
    /// The federation, as this side knows it.
    pub(crate) network: NetworkId,
    /// Tagged bytes each; nothing of them is believed yet.
    pub(crate) statements: Vec<Vec<u8>>,
}

/// Runs what talks to a node.
///
/// # Errors
/// Whatever the future says.
pub(crate) fn online<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("the system gave no threads; close other programs")?.block_on(work)
}

impl LinkOptions {
    /// Knocks or dials. `key` is what was given as `--key`: the peer key lies beside it.
    ///
    /// # Errors
    /// With what to do: no node is named, none answers, or it does not admit us.
    pub(crate) async fn open(&self, key: Option<&str>) -> anyhow::Result<Link> {
        self.open_one(key, 0..self.named().len()).await
    }

    /// The next one of the nodes that were named, after this one and around; none of those to `avoid`.
    ///
    /// # Errors
    /// As [`LinkOptions::open`], and when every node is to be avoided.
    pub(crate) async fn next(&self, link: &Link, avoid: &BTreeSet<usize>, key: Option<&str>) -> anyhow::Result<Link> {
        let count = self.named().len();
        let turn = (1..=count).map(|step| (link.at + step) % count.max(1)).filter(|at| !avoid.contains(at));
        self.open_one(key, turn).await
    }

    /// Whether there is another node than one to ask.
    pub(crate) fn has_several(&self) -> bool {
        self.named().len() > 1
    }

    fn named(&self) -> Vec<&str> {
        match &self.node {
            // A path may have a comma in it.
            Some(path) if Path::new(path).exists() => vec![path],
            Some(nodes) => nodes.split(',').map(str::trim).filter(|node| !node.is_empty()).collect(),
            None => Vec::new(),
        }
    }

    /// The first of these that answers; what is wrong with the last one where none does.
    async fn open_one(&self, key: Option<&str>, turn: impl Iterator<Item = usize>) -> anyhow::Result<Link> {
        let named = self.named();
        let mut trouble = anyhow!(
            "no node is named; give --node with the node's folder on this machine or its address, or set QUINTES_NODE"
        );
        for at in turn {
            match self.way(named[at], key).await {
                Ok(way) => return Ok(Link { way, at }),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    async fn way(&self, node: &str, key: Option<&str>) -> anyhow::Result<Way> {
        let path = Path::new(node);
        if !path.exists()
            && let Ok(address) = node.parse::<Multiaddr>()
            && !address.is_empty()
        {
            let seed = self.peer_seed(key)?;
            return Ok(Way::Stream(Client::connect(seed, address, self.proxy()?).await?));
        }
        Ok(Way::Door(Visitor::knock(&door_of(path)?).await?))
    }

    fn proxy(&self) -> anyhow::Result<Option<Proxy>> {
        let Some(address) = self.proxy.clone() else { return Ok(None) };
        let credentials_file = self.proxy_credentials.clone();
        let proxy = ProxySettings { address: Address(address), credentials_file }.open();
        Ok(Some(proxy.context("the proxy's credentials cannot be used; give another file with --proxy-credentials")?))
    }

    fn peer_seed(&self, key: Option<&str>) -> anyhow::Result<Zeroizing<[u8; 32]>> {
        let path = match (&self.peer_key, key) {
            (Some(path), _) => path.clone(),
            (None, Some(key)) => beside(key, "peer"),
            (None, None) => {
                bail!("a node in the network is asked with a peer key; give --peer-key FILE.peer, or --key")
            }
        };
        let bytes =
            at_rest::read_private(&path, 32).context("the peer key cannot be used; give another with --peer-key")?;
        let seed: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| anyhow!("`{}` is no peer key; make keys with `quintes key new`", path.display()))?;
        Ok(Zeroizing::new(seed))
    }
}

/// The file that lies beside a key under the same name, whether the key is a file or in an agent.
pub(crate) fn beside(key: &str, ending: &str) -> PathBuf {
    let stem = match key.strip_prefix("agent:") {
        Some(public) => public.strip_suffix(".pub").unwrap_or(public),
        None => key,
    };
    PathBuf::from(format!("{stem}.{ending}"))
}

/// The socket of a node on this machine: given itself, by the node's folder, or by its configuration.
pub(crate) fn door_of(path: &Path) -> anyhow::Result<PathBuf> {
    let configured = |file: &Path| -> anyhow::Result<PathBuf> {
        let config = Config::read(file).context("the node's door cannot be found by its configuration")?;
        Ok(config.door_socket())
    };
    if path.is_dir() {
        let file = path.join("node.toml");
        let within = ["door.sock", "state/door.sock"].map(|name| path.join(name));
        return match within.into_iter().find(|socket| socket.exists()) {
            _ if file.exists() => configured(&file),
            Some(socket) => Ok(socket),
            None => {
                bail!("`{}` is no folder of a running node: it has neither node.toml nor door.sock", path.display())
            }
        };
    }
    if path.extension().is_some_and(|extension| extension == "toml") {
        return configured(path);
    }
    Ok(path.to_owned())
}

impl Link {
    /// Which of the nodes that were named it is, from 0.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Asks what any member may ask.
    ///
    /// # Errors
    /// When the conversation breaks.
    pub(crate) async fn ask(&mut self, request: Request) -> anyhow::Result<Response> {
        match &mut self.way {
            Way::Stream(client) => Ok(client.ask(request).await?),
            Way::Door(visitor) => match visitor.ask(&Ask::Member(request)).await? {
                Answer::Member(response) => Ok(response),
                Answer::No(reason) => bail!("the node said no: {reason}"),
                _ => bail!("the node answered another question; are both programs of the same version?"),
            },
        }
    }

    /// Asks many questions; the answers come in their order, and none where the conversation broke. A few travel at once.
    pub(crate) fn answers<'a>(
        &'a mut self,
        asked: impl Iterator<Item = Request> + Send + 'a,
    ) -> BoxStream<'a, Option<Response>> {
        match &mut self.way {
            Way::Stream(client) => {
                let client = &*client;
                let answers = stream::iter(asked).map(move |request| async move { client.ask(request).await.ok() });
                answers.buffered(IN_FLIGHT).boxed()
            }
            Way::Door(visitor) => stream::unfold((visitor, asked), |(visitor, mut asked)| async move {
                let request = asked.next()?;
                let answer = match visitor.ask(&Ask::Member(request)).await {
                    Ok(Answer::Member(response)) => Some(response),
                    Ok(_) | Err(_) => None,
                };
                Some((answer, (visitor, asked)))
            })
            .boxed(),
        }
    }

    /// Asks what only people on the node's own machine may ask.
    ///
    /// # Errors
    /// Over the network, and when the conversation breaks or the node says no.
    pub(crate) async fn ask_at_door(&mut self, ask: &Ask) -> anyhow::Result<Answer> {
        match &mut self.way {
            Way::Door(visitor) => match visitor.ask(ask).await? {
                Answer::No(reason) => bail!("{reason}"),
                answer => Ok(answer),
            },
            Way::Stream(_) => {
                bail!(
                    "this can only be asked on the node's own machine; give --node with the node's folder or its door's socket there"
                )
            }
        }
    }

    /// Offers a statement; it is durable at the node when this returns.
    ///
    /// # Errors
    /// With the node's reason when it does not take it.
    pub(crate) async fn offer(&mut self, statement: &[u8]) -> anyhow::Result<()> {
        match self.ask(Request::Offer { statement: statement.to_vec() }).await? {
            Response::Taken => Ok(()),
            Response::NotTaken { reason } => bail!("the node did not take the statement: {reason}"),
            _ => bail!("the node answered another question; are both programs of the same version?"),
        }
    }

    /// Hands over a component, part by part.
    ///
    /// # Errors
    /// With the node's reason when it does not take a part.
    pub(crate) async fn store(&mut self, component: &[u8]) -> anyhow::Result<()> {
        let (digest, total) = (Digest::of(component), component.len() as u64);
        let mut offset = 0;
        for part in component.chunks(PART_BYTES) {
            match self.ask(Request::Store { digest, offset, total, part: part.to_vec() }).await? {
                Response::Taken => offset += part.len() as u64,
                Response::NotTaken { reason } => bail!("the node did not take the component: {reason}"),
                _ => bail!("the node answered another question; are both programs of the same version?"),
            }
        }
        Ok(())
    }

    /// The ids that the node holds of these kinds.
    ///
    /// # Errors
    /// When the conversation breaks.
    pub(crate) async fn inventory(&mut self, kinds: &[Kind]) -> anyhow::Result<Vec<StatementId>> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            match self.ask(Request::Inventory { after, kinds: kinds.to_vec() }).await? {
                Response::Inventory { ids, more } => {
                    // A page that does not go on would be asked for for ever.
                    let last = ids.last().copied().filter(|last| after.is_none_or(|after| *last > after));
                    all.extend(ids);
                    match (more, last) {
                        (true, Some(_)) => after = last,
                        _ => return Ok(all),
                    }
                }
                _ => bail!("the node answered another question; are both programs of the same version?"),
            }
        }
    }

    /// The statements with these ids, as far as the node gives them.
    ///
    /// # Errors
    /// When the conversation breaks.
    pub(crate) async fn statements(&mut self, ids: &[StatementId]) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut missing: Vec<StatementId> = ids.to_vec();
        let mut found = Vec::new();
        while !missing.is_empty() {
            let asked: Vec<StatementId> = missing.iter().take(STATEMENTS_ASKED).copied().collect();
            let Response::Statements { statements } = self.ask(Request::Statements { ids: asked.clone() }).await?
            else {
                bail!("the node answered another question; are both programs of the same version?");
            };
            // A node gives as many as fit; what it gives of the first ones and what it does not have at all are told apart by asking again.
            let given: BTreeSet<StatementId> = statements.iter().map(|bytes| StatementId::of(bytes)).collect();
            if given.is_empty() {
                missing.drain(..asked.len());
            } else {
                missing.retain(|id| !given.contains(id));
            }
            found.extend(statements.into_iter().map(serde_bytes::ByteBuf::into_vec));
            if !given.iter().any(|id| asked.contains(id)) && !given.is_empty() {
                bail!("the node gave other statements than it was asked for; ask another node");
            }
        }
        Ok(found)
    }

    /// Everything that the node may tell about a task; none when it does not know it.
    ///
    /// # Errors
    /// When the conversation breaks.
    pub(crate) async fn about(&mut self, task: TaskId) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        match self.ask(Request::About { task }).await? {
            Response::Statements { statements } => {
                Ok(Some(statements.into_iter().map(serde_bytes::ByteBuf::into_vec).collect()))
            }
            Response::Unknown => Ok(None),
            _ => bail!("the node answered another question; are both programs of the same version?"),
        }
    }

    /// Collects every statement about trust, from the folder and the node. The federation's id comes from this side alone: a node cannot
    /// tell whom to believe.
    ///
    /// # Errors
    /// When the federation's id is not known here, or the conversation breaks.
    pub(crate) async fn known(&mut self, options: &FederationOptions) -> anyhow::Result<Known> {
        let network = options.network(now()).context(
            "the federation is not known on this side; give --network with its id, or --federation with a folder that holds its root",
        )?;
        let mut statements: Vec<Vec<u8>> = Vec::new();
        if options.federation.exists() {
            let local = crate::statements::load(std::slice::from_ref(&options.federation), Some(network), now())?;
            statements.extend(local.all().map(|statement| statement.bytes().to_vec()));
        }
        let mut known = Known { network, statements };
        known.refresh(self).await?;
        Ok(known)
    }
}

impl Known {
    /// Asks the node for what it has learnt since.
    ///
    /// # Errors
    /// When the conversation breaks.
    pub(crate) async fn refresh(&mut self, link: &mut Link) -> anyhow::Result<()> {
        let held: BTreeSet<StatementId> = self.statements.iter().map(|bytes| StatementId::of(bytes)).collect();
        let ids = link.inventory(&TRUST).await?;
        let missing: Vec<StatementId> = ids.into_iter().filter(|id| !held.contains(id)).collect();
        self.statements.extend(link.statements(&missing).await?);
        Ok(())
    }

    /// What counts now.
    pub(crate) fn now(&self) -> Federation {
        let mut federation = Federation::empty(self.network);
        let mut waiting: Vec<_> =
            self.statements.iter().filter_map(|bytes| Some((Signed::parse(bytes).ok()?.kind(), bytes))).collect();
        waiting.sort_by_key(|(kind, _)| *kind);
        loop {
            let before = waiting.len();
            waiting.retain(|(_, bytes)| federation.receive(bytes, now()).is_err());
            if waiting.is_empty() || waiting.len() == before {
                return federation;
            }
        }
    }

    /// What was true when it was said, with further statements.
    pub(crate) fn with(&self, further: &[Vec<u8>]) -> Believed {
        believe(self.statements.iter().chain(further).map(Vec::as_slice), self.network)
    }
}
