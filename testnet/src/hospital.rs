//! The hospital's network as it is: every TRE behind a firewall that drops whatever comes in, one of them behind a proxy too, the researcher elsewhere.
//!
//! Real processes in network namespaces, and three hubs that different members run. The question goes to one TRE through a hub's circuit and by
//! gossip to the others; each answer comes back through a circuit. The firewalls' counters and the kernel's sockets say that nothing but outbound
//! connections was used. Then the weather turns bad: the street is cut in two and mended, and loses every fifth packet.

mod street;
mod weather;

use crate::cluster::{Cluster, Plan, Program, RESEARCHER, ROOT, Runner, TRES, owner_of, until};
use crate::narrate::{Narrator, Show, Voice};
use anyhow::{Context as _, anyhow, bail, ensure};
use node::network::Place;
use node::statements;
use protocol::lifecycle::Phase;
use protocol::record::submission::TaskId;
use protocol::wire::id::StatementId;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use street::{House, Out, Street, address};
use weather::Weather;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the proxy listens.
const PROXY_PORT: u16 = 3128;

/// The hubs: the federation's own, and those of two other members.
const HUBS: [House; 3] =
    [House { name: "hub", number: 1 }, House { name: "hub-b", number: 4 }, House { name: "hub-c", number: 5 }];
const RESEARCH: House = House { name: "research", number: 2 };
const PROXY: House = House { name: "proxy", number: 3 };
const HOSPITALS: [House; 3] =
    [House { name: "tre-a", number: 11 }, House { name: "tre-b", number: 12 }, House { name: "tre-c", number: 13 }];

/// The hospital behind the proxy.
const PROXIED: usize = 1;

/// How much data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// About how many persons each TRE has.
    #[arg(long, default_value_t = 200)]
    persons: u64,
    /// The seed of the data.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    #[command(flatten)]
    weather: Weather,
}

/// Runs it.
///
/// # Errors
/// Without root or what it needs, and when anything is not as it should be.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let plan = Plan { persons: args.persons, seed: args.seed };
    runtime.block_on(shown(plan, &args.weather)).map(|()| true)
}

async fn shown(plan: Plan, weather: &Weather) -> anyhow::Result<()> {
    let narrator = Narrator::new(Voice::Stdout);
    let program = Program::this()?;
    let street =
        Street::build(&everybody().collect::<Vec<_>>()).context("network namespaces need root and iproute2")?;
    let mut cluster = Cluster::found(program.clone(), None, plan, narrator).await?;
    narrator.heading("two more hubs, of other members");
    for (hub, organisation) in HUBS[1..].iter().zip(["University D", "National Library"]) {
        cluster.another_hub(hub.name, organisation).await?;
    }
    narrator.heading(
        "a street of network namespaces: three hubs, a researcher, a proxy, and three hospitals that let nothing in",
    );
    move_in(&mut cluster, &street, &program)?;
    for (index, hospital) in HOSPITALS.into_iter().enumerate() {
        let out = if index == PROXIED { Out::Only(PROXY, PROXY_PORT) } else { Out::Anywhere };
        street.close(hospital, out)?;
    }
    let _proxy = Proxy::start(&street, cluster.layout.folder())?;
    cluster.start().await?;
    for (tre, ..) in TRES {
        wait_placed(&mut cluster, tre).await?;
    }
    narrator.say("the hubs and the TREs run; each TRE has a place at each hub");

    let outside = within(&cluster, &street, RESEARCH);
    knock(&street, &outside).await?;
    let (first, ..) = TRES[0];
    let (last, ..) = TRES[PROXIED];
    let [own, other, _] = HUBS;
    ask_and_fetch(&cluster, &outside, &way(&cluster, first, own).await?, &way(&cluster, last, own).await?).await?;

    narrator.heading("the first hub is killed: the others do its work at once");
    cluster.kill_node(own.name).await?;
    ask_and_fetch(&cluster, &outside, &way(&cluster, last, other).await?, &way(&cluster, first, other).await?).await?;
    cluster.start_node(own.name)?;
    for (tre, ..) in TRES {
        wait_placed(&mut cluster, tre).await?;
    }
    narrator.say("it was started again: the places at it are made again, nobody is told");

    narrator.heading("what the firewalls and the kernel say");
    for (index, hospital) in HOSPITALS.into_iter().enumerate() {
        let seen = inspect(&cluster, &street, hospital, index == PROXIED)?;
        narrator.say(&seen);
    }
    weather.turn(&cluster, &street).await?;
    narrator.heading("a TRE is removed: a root person revokes its key, and the hub hears of it");
    remove(&cluster, &outside, TRES[2].0).await?;
    cluster.stop().await
}

fn everybody() -> impl Iterator<Item = House> {
    HUBS.into_iter().chain([RESEARCH, PROXY]).chain(HOSPITALS)
}

/// Runs verbs in a house.
fn within(cluster: &Cluster, street: &Street, house: House) -> Runner {
    Runner { program: cluster.runner.program.within(&street.space(house)), ..cluster.runner.clone() }
}

/// Gives every node its house: the addresses of the hubs, the programs in their namespaces, and the proxy in one configuration.
fn move_in(cluster: &mut Cluster, street: &Street, program: &Program) -> anyhow::Result<()> {
    let mut moves = Vec::new();
    for ((_, dialled), house) in cluster.hubs().zip(HUBS) {
        let (listens, _) = dialled.split_once("/p2p/").context("an address says whom")?;
        moves.push((listens.to_owned(), listens.replace("127.0.0.1", &address(house))));
    }
    let moved = |text: &str| moves.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    cluster.hub = moved(&cluster.hub);
    for (_, dialled) in &mut cluster.other_hubs {
        *dialled = moved(dialled);
    }
    for house in HUBS.into_iter().chain(HOSPITALS) {
        let path = cluster.layout.node(house.name).join("node.toml");
        let mut text = moved(&fs::read_to_string(&path)?);
        if house == HOSPITALS[PROXIED] {
            let proxy = format!("http://{}:{PROXY_PORT}", address(PROXY));
            text.push_str(&format!("\n[proxy]\naddress = \"{proxy}\"\ncredentials_file = \"proxy.password\"\n"));
            keys::at_rest::place_new(
                &path.with_file_name("proxy.password"),
                b"tre-b:secret\n",
                keys::at_rest::PRIVATE,
            )?;
        }
        fs::write(&path, text)?;
        cluster.places.insert(house.name.to_owned(), program.within(&street.space(house)));
    }
    Ok(())
}

/// A proxy in its own house; it ends when this is dropped.
struct Proxy(Child);

impl Proxy {
    fn start(street: &Street, folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("tinyproxy.conf");
        let log = folder.join("logs/tinyproxy.log");
        fs::create_dir_all(folder.join("logs"))?;
        let settings = format!(
            "Port {PROXY_PORT}\nTimeout 600\nMaxClients 50\nBasicAuth tre-b secret\nLogLevel Connect\nLogFile \"{}\"\n",
            log.display()
        );
        fs::write(&file, settings)?;
        let child = Command::new("ip")
            .args(["netns", "exec", &street.space(PROXY), "tinyproxy", "-d", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("tinyproxy cannot be started: install it")?;
        Ok(Self(child))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until others reach a TRE through every hub.
async fn wait_placed(cluster: &mut Cluster, tre: &str) -> anyhow::Result<()> {
    let circuit = |address: &&String| address.contains("/p2p-circuit/");
    cluster.wait_for(tre, |health| health.addresses.iter().filter(circuit).count() == HUBS.len()).await
}

/// Where others reach a TRE through this hub.
async fn way(cluster: &Cluster, tre: &str, hub: House) -> anyhow::Result<String> {
    let at = format!("/ip4/{}/", address(hub));
    let addresses = cluster.watch(tre).health().await?.addresses;
    let way = addresses.into_iter().find(|address| address.starts_with(&at) && address.contains("/p2p-circuit/"));
    way.with_context(|| format!("{tre} had a place at {} a moment ago", hub.name))
}

/// Knocks at a hospital from the street: the firewall takes no notice, and counts.
async fn knock(street: &Street, outside: &Runner) -> anyhow::Result<()> {
    let (before, _) = street.dropped(HOSPITALS[0])?;
    let straight = format!("/ip4/{}/tcp/4001/p2p/{}", address(HOSPITALS[0]), some_peer(outside)?);
    let said =
        outside.run(&["status", "--node", &straight, "--key", &format!("people/{RESEARCHER}")], Show::Nothing).await?;
    ensure!(said.code == Some(1), "a hospital was reached straight: {}", said.stdout);
    let (after, _) = street.dropped(HOSPITALS[0])?;
    ensure!(after > before, "the firewall has counted nothing");
    outside.narrator.say(&format!(
        "a straight call to {}: dropped {} packets, no answer",
        HOSPITALS[0].name,
        after - before
    ));
    Ok(())
}

/// The hub's peer id: any will do for a call that nobody answers.
fn some_peer(outside: &Runner) -> anyhow::Result<String> {
    let config = node::config::Config::read(&outside.folder.join(format!("nodes/{}/node.toml", TRES[0].0)))?;
    let hub = config.dial.first().context("the TRE dials the hub")?.to_string();
    Ok(hub.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Asks every TRE how many persons it has, by whom this address reaches.
async fn count_persons(from: &Runner, asked: &str, show: Show) -> anyhow::Result<TaskId> {
    let key = format!("people/{RESEARCHER}");
    let what = ["--component", "statistics", "--param", "table=person", "--param", "analysis=count", "--all-tres"];
    let whom = ["--project", crate::cluster::PROJECT, "--key", &key, "--node", asked, "--yes", "--anyway"];
    let said = from.must(&[["submit"].as_slice(), &what, &whom].concat(), show).await?;
    said.stdout.trim().parse().ok().context("`quintes submit` says the task's id")
}

/// The TRE's data owner approves all outputs of a task.
async fn approve(cluster: &Cluster, task: &TaskId, tre: &str, show: Show) -> anyhow::Result<()> {
    let (id, owner, node) = (task.to_string(), format!("people/{}", owner_of(tre)), format!("nodes/{tre}"));
    let approve = ["review", "approve", &id, "--reason", "counts above ten", "--key", &owner, "--node", &node, "--yes"];
    cluster.runner.must(&approve, show).await.map(|_| ())
}

/// Asks every TRE through the circuit to one of them, lets the owners approve, and fetches through the circuit to another.
async fn ask_and_fetch(cluster: &Cluster, outside: &Runner, asked: &str, fetched: &str) -> anyhow::Result<()> {
    let key = format!("people/{RESEARCHER}");
    let task = count_persons(outside, asked, Show::Lines(1)).await?;
    let id = task.to_string();
    for (tre, ..) in TRES {
        cluster.watch(tre).until_phase(&task, Phase::Held, PATIENCE).await?;
        approve(cluster, &task, tre, Show::Command).await?;
    }
    let out = format!("results-{}", task.short());
    let fetch = ["fetch", &id, "--out", &out, "--wait", "--timeout", "60", "--key", &key, "--node", fetched];
    outside.must(&fetch, Show::Lines(3)).await?;
    outside.must(&["verify", &out], Show::Lines(1)).await?;
    Ok(())
}

/// Revokes a TRE's key: it loses its connection, and the place at which others reached it.
async fn remove(cluster: &Cluster, outside: &Runner, tre: &str) -> anyhow::Result<()> {
    let folder = cluster.layout.federation();
    let files =
        || -> anyhow::Result<BTreeSet<PathBuf>> { fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect() };
    let record = statements::read(&folder.join(format!("key-{tre}-by-{tre}.quintes")))?;
    let id = StatementId::of(record.first().context("a key record is a statement")?).to_string();
    let (before, way) = (files()?, way(cluster, tre, HUBS[0]).await?);
    let root = format!("people/{ROOT}");
    let revoke = ["network", "revoke", &id, "--reason", "the hospital leaves", "--key", &root, "--yes"];
    cluster.runner.must(&revoke, Show::Command).await?;
    let new = files()?.difference(&before).next().context("a revocation was signed")?.clone();
    let revocation = statements::read(&new)?.into_iter().next().context("a revocation is a statement")?;

    let (hub, removed) = (cluster.watch(crate::cluster::HUB), cluster.watch(tre));
    let all = hub.health().await?.peers.len();
    let began = Instant::now();
    hub.offer(revocation).await?.map_err(|reason| anyhow!("the hub does not take the revocation: {reason}"))?;
    until(
        PATIENCE,
        || format!("{tre} is still connected"),
        async || {
            let gone = hub.health().await?.peers.len() < all && removed.health().await?.peers.is_empty();
            Ok(gone.then_some(()))
        },
    )
    .await?;
    let took = began.elapsed();
    ensure!(took < Duration::from_secs(5), "{tre} was connected for {took:?} after its key was revoked");
    let said =
        outside.run(&["status", "--node", &way, "--key", &format!("people/{RESEARCHER}")], Show::Nothing).await?;
    ensure!(said.code == Some(1), "a removed TRE was reached: {}", said.stdout);
    outside.narrator.say(&format!("{tre}: connection and place gone {} ms after the hub heard", took.as_millis()));
    Ok(())
}

/// Holds a hospital to it: nobody listens, and every connection goes to the hub, or to the proxy alone.
fn inspect(cluster: &Cluster, street: &Street, hospital: House, proxied: bool) -> anyhow::Result<String> {
    let pid = cluster.node(hospital.name).context("the TRE runs")?.pid();
    let sockets = Street::sockets(pid)?;
    let place = |(_, hub): (&str, &str)| hub.parse().ok().as_ref().and_then(Place::of).map(|place| place.to_string());
    let hubs: Option<BTreeSet<String>> = cluster.hubs().map(place).collect();
    let hubs = hubs.context("every hub has an address")?;
    let allowed = if proxied { BTreeSet::from([format!("{}:{PROXY_PORT}", address(PROXY))]) } else { hubs };
    ensure!(sockets.listening.is_empty(), "{} listens: {:?}", hospital.name, sockets.listening);
    if sockets.far.is_empty() || sockets.far.iter().any(|far| !allowed.contains(far)) {
        bail!("{} is connected to {:?}, and only {allowed:?} are allowed", hospital.name, sockets.far);
    }
    let (dropped, refused) = street.dropped(hospital)?;
    Ok(format!(
        "{}: nobody listens; {} connections, all to {}; {dropped} packets dropped on their way in, {refused} on their way out",
        hospital.name,
        sockets.far.len(),
        if proxied { "the proxy" } else { "the hubs" },
    ))
}
