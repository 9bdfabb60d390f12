//! `testnet transfer`: a large result through a hub that is killed again and again, first on its way into the hub's mailbox, then to the researcher
//! while the TRE is away; and how many bytes were sent twice.

use crate::cluster::{NodeProcess, Program};
use crate::crowd::{Crowd, Part, now};
use crate::fixture::federation::FIRST_OUTPUT;
use crate::narrate::{Narrator, Voice};
use crate::proxy::{Line, Proxy};
use anyhow::{Context as _, anyhow, ensure};
use futures::{StreamExt as _, stream};
use keys::key::PublicKey;
use keys::signer::{Signer as _, SoftKey};
use node::arrival::{Arrival, ArrivalError, IN_FLIGHT};
use node::identity::Identity;
use node::network::client::Client;
use node::network::{Multiaddr, address_with_peer};
use node::statements;
use node::store::Store;
use protocol::record::attestation::ReportSummary;
use protocol::record::commitment::Commitment;
use protocol::record::key_record::{HolderKind, KeyRecord};
use protocol::record::payload::DECADE;
use protocol::record::release::{Logged, Release, Sealed};
use protocol::record::stamp::{Stamp, sign};
use protocol::record::submission::TaskId;
use protocol::wire::id::{Digest, StatementId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

/// The hub's name.
const HUB: &str = "relay";

/// How long either half may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// How often one looks.
const POLL: Duration = Duration::from_millis(5);

/// How large, and how often the hub is killed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The size of the result, in MiB.
    #[arg(long, default_value_t = 1024)]
    mib: usize,
    /// How often the hub is killed in each half of the way.
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What it came to.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The result's size, in bytes.
    pub bytes: u64,
    /// How often the hub was killed in each half.
    pub kills: u64,
    /// Bytes on the line between the TRE and the hub, all of them.
    pub into_mailbox: u64,
    /// Bytes on the line between the hub and the researcher, all of them.
    pub to_researcher: u64,
    /// Bytes on that line for the same result without a kill.
    pub undisturbed: u64,
    /// How long it took from the release to the last byte.
    pub took: Duration,
}

impl Report {
    /// What was sent twice in the worse half, in percent of what an undisturbed transfer sends.
    #[must_use]
    pub fn resent_percent(&self) -> f64 {
        let more = |bytes: u64| exact(bytes.saturating_sub(self.undisturbed)) * 100.0 / exact(self.undisturbed);
        more(self.into_mailbox).max(more(self.to_researcher))
    }
}

/// Far below 2^53, so exact.
fn exact(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) * 1024.0
}

/// Sends; false when more than one percent was sent twice.
///
/// # Errors
/// When something did not arrive.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let narrator = Narrator::new(if args.json { Voice::Stderr } else { Voice::Stdout });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = send(Program::this()?, args.mib << 20, args.kills, Duration::ZERO) => report,
            _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
        }
    })?;
    let resent = report.resent_percent();
    narrator.say(&format!(
        "{} MiB through a hub that was killed {} times on the way in and {} times on the way out: {resent:.2} % sent twice, {:.1} s",
        report.bytes >> 20,
        report.kills,
        report.kills,
        report.took.as_secs_f64(),
    ));
    if args.json {
        let answer = json!({
            "ok": resent < 1.0, "bytes": report.bytes, "kills": report.kills, "into_mailbox": report.into_mailbox,
            "to_researcher": report.to_researcher, "undisturbed": report.undisturbed, "resent_percent": resent,
            "seconds": report.took.as_secs_f64(),
        });
        anstream::println!("{answer}");
    }
    Ok(resent < 1.0)
}

/// A hub as a process of its own, and how to start it again over what it left.
struct Hub {
    program: Program,
    folder: PathBuf,
    address: SocketAddr,
    process: Option<NodeProcess>,
}

impl Hub {
    fn start(&mut self) -> anyhow::Result<()> {
        let (config, log) = (self.folder.join("node.toml"), self.folder.join("log"));
        self.process = Some(NodeProcess::start(&self.program, &self.folder, &config, &log, "info")?);
        Ok(())
    }

    async fn kill(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Whether it has a whole file.
    fn holds(&self, file: &Sealed) -> bool {
        self.folder.join("state/blobs").join(format!("{}-{}", file.root, file.bytes)).exists()
    }

    /// How much of a file it has.
    fn has(&self, file: &Sealed) -> u64 {
        let path = self.folder.join("state/blobs").join(format!("{}-{}.arriving", file.root, file.bytes));
        std::fs::metadata(path).map_or(0, |found| found.len())
    }
}

/// Sends so many random bytes; each line holds up every 64 KiB by `slow`.
///
/// # Errors
/// When something did not arrive in time.
pub async fn send(program: Program, bytes: usize, kills: u64, slow: Duration) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let mut crowd = Crowd::found(folder.path(), 1)?;
    let mut hub = found_hub(&mut crowd, program, folder.path())?;
    hub.start()?;
    let inward = Proxy::to(hub.address).await?;
    let outward = Proxy::to(hub.address).await?;
    if !slow.is_zero() {
        inward.set(Line::Slow(slow));
        outward.set(Line::Slow(slow));
    }
    let peer = SoftKey::from_seed(*Identity::open(&hub.folder.join("state"))?.peer).public();
    let dialled = |line: &Proxy| -> anyhow::Result<Multiaddr> {
        let address = format!("/ip4/127.0.0.1/tcp/{}", line.address.port()).parse()?;
        address_with_peer(address, peer.as_bytes()).context("the hub's key is one")
    };
    crowd.start("tre-0", Part { dial: vec![dialled(&inward)?], ..Part::default() }).await?;
    let file = put(&crowd.state("tre-0"), bytes).await?;
    let began = Instant::now();
    release(&mut crowd, file).await?;

    // Into the mailbox.
    let mut killed = 0;
    timeout(PATIENCE, async {
        while !hub.holds(&file) {
            if killed < kills && hub.has(&file) > file.bytes / (kills + 1) * (killed + 1) {
                killed += 1;
                hub.kill().await?;
                hub.start()?;
            }
            sleep(POLL).await;
        }
        Ok::<_, anyhow::Error>(())
    })
    .await
    .context("the result did not come into the mailbox")??;
    ensure!(killed == kills, "the hub was killed {killed} times only: the result is too small");
    let into_mailbox = inward.passed();
    crowd.stop_all().await?;

    // To the researcher, while the TRE is away.
    let seed = crowd.federation.actor("researcher-0").peer_seed;
    let address = dialled(&outward)?;
    let first = folder.path().join("disturbed");
    fetch(&first, file, seed, &address, Some((&mut hub, kills))).await?;
    let to_researcher = outward.passed();
    let took = began.elapsed();
    fetch(&folder.path().join("undisturbed"), file, seed, &address, None).await?;
    let undisturbed = outward.passed() - to_researcher;
    let arrived = Arrival::at(&first, file)?.finish(&mut Vec::new());
    ensure!(arrived.is_ok(), "other bytes arrived");
    hub.kill().await?;
    Ok(Report { bytes: file.bytes, kills, into_mailbox, to_researcher, undisturbed, took })
}

/// Brings a file to `path` as `quintes fetch` does, killing the hub on the way.
async fn fetch(
    path: &Path,
    file: Sealed,
    seed: [u8; 32],
    address: &Multiaddr,
    mut hub: Option<(&mut Hub, u64)>,
) -> anyhow::Result<()> {
    let mut arrival = Arrival::at(path, file)?;
    let began = Instant::now();
    let mut killed = 0;
    while !arrival.is_whole() {
        ensure!(began.elapsed() < PATIENCE, "the result did not come to the researcher");
        let Ok(client) = Client::connect(Zeroizing::new(seed), address.clone(), None).await else {
            sleep(POLL * 20).await;
            continue;
        };
        let limit = match &hub {
            Some((_, kills)) if killed < *kills => file.bytes / (kills + 1) * (killed + 1),
            _ => u64::MAX,
        };
        let (told, mut length) = tokio::sync::watch::channel(arrival.length());
        let answers = stream::iter(arrival.questions(0))
            .map(|asked| {
                let client = &client;
                async move { client.ask(asked).await.ok() }
            })
            .buffered(IN_FLIGHT);
        let taking = arrival.take_all(answers, |length| {
            told.send_replace(length);
        });
        let due = async { length.wait_for(|length| *length >= limit).await.is_ok() };
        let kill = tokio::select! {
            taken = taking => match taken {
                Ok(()) => false,
                Err(ArrivalError::Cut | ArrivalError::Unknown) => {
                    sleep(POLL).await;
                    false
                }
                Err(error) => return Err(error.into()),
            },
            // Slices are on their way, and never arrive.
            due = due => due,
        };
        if let Some((hub, _)) = hub.as_mut().filter(|_| kill) {
            hub.kill().await?;
            hub.start()?;
            killed += 1;
        }
    }
    if let Some((_, kills)) = hub {
        ensure!(killed == kills, "the hub was killed {killed} times only: the result is too small");
    }
    Ok(())
}

/// Puts a random file into a node's store, as its custody does.
///
/// # Errors
/// When the disk fails.
pub async fn put(state: &Path, bytes: usize) -> anyhow::Result<Sealed> {
    let blobs = state.join("blobs");
    tokio::task::spawn_blocking(move || -> anyhow::Result<Sealed> {
        let mut content = vec![0; bytes];
        ChaCha8Rng::seed_from_u64(7).fill_bytes(&mut content);
        Ok(Store::open(blobs)?.seal(&content)?)
    })
    .await?
}

/// The TRE says that it has released the file.
async fn release(crowd: &mut Crowd, file: Sealed) -> anyhow::Result<StatementId> {
    let task = crowd.submit("tre-0").await?;
    let signed = released(crowd, task, file)?;
    crowd.offer("tre-0", signed).await
}

/// What `tre-0` signs when it has released a file for a task.
///
/// # Errors
/// When the clock is before 1970.
pub fn released(crowd: &Crowd, task: TaskId, file: Sealed) -> anyhow::Result<Vec<u8>> {
    let nothing = Digest([0; 32]);
    let release = Release {
        task,
        tre: "tre-0".to_owned(),
        run: task,
        attestations: vec![task],
        standing: Vec::new(),
        checks: ReportSummary { rules: "none".to_owned(), checker: nothing, findings: nothing, failed: 0, review: 0 },
        log: Logged { checkpoint: task, cosignatures: Vec::new(), inclusions: Vec::new() },
        project: task,
        status: task,
        commitment: Commitment::to(&BTreeMap::from([(FIRST_OUTPUT.to_owned(), nothing)])),
        outputs: vec![FIRST_OUTPUT.to_owned()],
        ciphertext: nothing,
        ciphertext_bytes: file.bytes,
        ciphertext_root: file.root,
        recipient: "age1".to_owned(),
    };
    Ok(crowd.federation.sign(&release, "tre-0", now()?, DECADE).to_vec())
}

/// Makes a hub with keys of its own, and enrols it.
fn found_hub(crowd: &mut Crowd, program: Program, folder: &Path) -> anyhow::Result<Hub> {
    let home = folder.join(HUB);
    let identity = Identity::create(&home.join("state"), HUB)?;
    let record = KeyRecord {
        kind: HolderKind::Hub,
        name: HUB.to_owned(),
        organisation: "fixture".to_owned(),
        device: "fixture".to_owned(),
        key: identity.signing.public(),
        recipient: None,
        peer: Some(PublicKey::from_bytes(*SoftKey::from_seed(*identity.peer).public().as_bytes())?),
    };
    let network = crowd.federation.network;
    let stamp =
        Stamp { network, issuer: HUB.to_owned(), issued: now()?, lifetime: DECADE, nonce: [7; 16], place: None };
    let own = sign(&record, &stamp, identity.signing.as_ref())?;
    let by_root = crowd.federation.sign(&record, "root-0", now()?, DECADE).to_vec();
    crowd.know([own, by_root]);
    std::fs::create_dir_all(home.join("federation"))?;
    statements::write_new(&home.join("federation/all.quintes"), crowd.statements())?;
    // Free now, and asked for again by this hub alone.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = format!(
        "name = \"{HUB}\"\nkind = \"hub\"\norganisation = \"fixture\"\nnetwork = \"{network}\"\nstate = \"state\"\nfederation = \"federation\"\nlisten = [\"/ip4/127.0.0.1/tcp/{}\"]\n",
        address.port(),
    );
    std::fs::write(home.join("node.toml"), config)?;
    Ok(Hub { program, folder: home, address, process: None })
}
