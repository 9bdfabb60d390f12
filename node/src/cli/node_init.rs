//! `quintes node init`: a commented node.toml, the node's keys, and its request to be enrolled.

use crate::cli::desk::FederationOptions;
use crate::cli::key::write_request;
use crate::cli::speak::Speak;
use crate::cli::words;
use crate::clock::now;
use crate::config::{Config, NodeKind};
use crate::identity::Identity;
use anyhow::{Context as _, anyhow, bail};
use keys::at_rest;
use keys::signer::{Signer as _, SoftKey};
use libp2p::Multiaddr;
use protocol::record::Payload;
use protocol::record::key_record::KeyRecord;
use protocol::record::name::is_name;
use protocol::wire::id::NetworkId;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

mod place;

use place::{Place, list, quoted, written_path};

/// What the node is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Makes DIR/node.toml, DIR/state with the node's keys, and DIR/NAME.request for a root person. Nothing is ever overwritten.

Examples:
  quintes node init ./hub --name hub --kind hub --organisation \"Hospital A\" --listen /ip4/0.0.0.0/tcp/4001
  quintes node init ./london --name london --kind tre --organisation \"Hospital A\" --data-owner bob \\
      --data /srv/omop --dataset omop --subject person_id --dial /dns4/hub.example.org/tcp/4001/p2p/12D3Koo…")]
pub(crate) struct Args {
    /// The folder of the node.
    dir: PathBuf,
    /// The node's name in the federation: lower-case letters, digits and -_.@
    #[arg(long)]
    name: String,
    /// A TRE, which holds data, or a hub, which forwards.
    #[arg(long)]
    kind: NodeKind,
    /// Whose node it is.
    #[arg(long, value_name = "NAME")]
    organisation: String,
    /// Where the node listens; a TRE that dials a hub need not.
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<Multiaddr>,
    /// Whom the node dials; ends with /p2p/ and the other's peer id.
    #[arg(long, value_name = "MULTIADDR")]
    dial: Vec<Multiaddr>,
    #[command(flatten)]
    place: Place,
    /// Let every member know the names and types of the tables and columns, for `quintes catalogue`; never a row, never how many there are.
    #[arg(long, requires = "dataset")]
    publish_schema: bool,
    /// A person who answers for the data here; each also needs a grant.
    #[arg(long = "data-owner", value_name = "PERSON")]
    data_owners: Vec<String>,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Makes the node's folder, or nothing.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    for name in std::iter::once(&args.name).chain(&args.place.dataset).chain(&args.data_owners) {
        if !is_name(name) {
            bail!(
                "`{name}` is no name; take at most 64 lower-case letters, digits and -_.@, beginning with a letter or digit"
            );
        }
    }
    let network = args.federation.network(now())?;
    let tables = args.place.tables()?;
    let new = [PathBuf::from("state"), PathBuf::from(format!("{}.request", args.name)), PathBuf::from("node.toml")];
    for name in &new {
        let path = args.dir.join(name);
        if path.symlink_metadata().is_ok() {
            bail!("`{}` is already there and is never overwritten; choose another folder", path.display());
        }
    }
    fs::create_dir_all(&args.dir)
        .with_context(|| format!("cannot make the folder `{}`; name another", args.dir.display()))?;
    // Everything is made aside and moved at the end, node.toml last: a folder with a node.toml is whole.
    let number = getrandom::u64()
        .map_err(|error| anyhow!("the system gave no random bytes ({error}); see that /dev/urandom works"))?;
    let aside = Aside(args.dir.join(format!(".new-{number:016x}")));
    private_folder(&aside.0)?;
    let record = make(args, &aside.0, &network, &tables)?;
    for name in &new {
        fs::rename(aside.0.join(name), args.dir.join(name)).with_context(|| {
            format!("cannot place `{}`; check that the folder is yours", args.dir.join(name).display())
        })?;
    }
    drop(aside);
    let peer = record.peer.map(|peer| peer_id(&peer)).unwrap_or_default();
    let [_, request, config] = new.map(|name| args.dir.join(name).display().to_string());
    speak.say(&format!("made the {} {} in {}:", record.kind, record.name, args.dir.display()));
    speak.list(&words::key_record(&record));
    speak.say(&format!("  → {request}: give it to a root person, who runs `quintes network enrol`"));
    speak.say(&format!("  → {config}: read it, then run `quintes node check --config {config}`"));
    speak.say(&format!("others dial it at …/p2p/{peer}"));
    speak.line(&config);
    speak.answer(json!({
        "config": config, "request": request, "peer": peer, "fingerprint": record.key.fingerprint(), "tables": tables,
    }));
    Ok(())
}

/// A folder that goes when it is dropped.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        // What is left in it was never used; the error that is on its way matters more.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make(args: &Args, folder: &Path, network: &NetworkId, tables: &[String]) -> anyhow::Result<KeyRecord> {
    let state = folder.join("state");
    private_folder(&state)?;
    let identity = Identity::create(&state, &args.name)?;
    let record = KeyRecord {
        kind: args.kind.into(),
        name: args.name.clone(),
        organisation: args.organisation.clone(),
        device: String::new(),
        key: identity.signing.public(),
        recipient: None,
        peer: Some(SoftKey::from_seed(*identity.peer).public()),
    };
    record.check().map_err(|invalid| anyhow!("the request would not be valid ({invalid}); nothing was made"))?;
    write_request(&folder.join(&args.name), &record, network, identity.signing.as_ref())?;
    let text = commented(args, network, tables)?;
    at_rest::place_new(&folder.join("node.toml"), text.as_bytes(), at_rest::PUBLIC)?;
    // What was written must be what a node reads.
    Config::read(&folder.join("node.toml"))
        .context("the configuration cannot be written; report this as a fault of the program")?;
    Ok(record)
}

fn private_folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the folder `{}`; check that its parent is yours", path.display()))
}

/// How libp2p writes the key.
pub(crate) fn peer_id(key: &keys::key::PublicKey) -> String {
    libp2p::identity::ed25519::PublicKey::try_from_bytes(key.as_bytes())
        .map(|key| libp2p::identity::PublicKey::from(key).to_peer_id().to_string())
        .unwrap_or_default()
}

/// The configuration, every field explained. Values are quoted by the TOML writer, so that no path or name can break out.
fn commented(args: &Args, network: &NetworkId, tables: &[String]) -> anyhow::Result<String> {
    let kind = match args.kind {
        NodeKind::Tre => "tre",
        NodeKind::Hub => "hub",
    };
    let addresses = |all: &[Multiaddr]| list(all.iter().map(ToString::to_string).collect());
    let mut text = format!(
        "\
# The configuration of a Quintes node. `quintes node check --config FILE` says what is wrong with it.
# Relative paths begin at this file's folder.

# The node's name in the federation, as its enrolled key record says it.
name = {name}
# \"tre\" holds data and runs tasks; \"hub\" forwards announcements and holds nothing.
kind = {kind}
# Whose node it is.
organisation = {organisation}
# The federation's id. Compare it with what a root person tells you.
network = {network}

# Keys, journal and custody. Only the node's user may enter it (0700); back it up together with this file.
state = \"state\"
# Statement files that are read at every start. Peers bring the rest, so this line may go once the node is connected.
federation = {federation}

# Where the node listens. A TRE that dials hubs need not listen: others reach it through them. A hub listens on a public address.
listen = {listen}
# Whom the node dials, with the other's peer id: /dns4/hub.example.org/tcp/4001/p2p/12D3Koo…
# Two or three hubs that different members run: `quintes node doctor` says whether each answers.
dial = {dial}
",
        name = quoted(&args.name),
        kind = quoted(kind),
        organisation = quoted(&args.organisation),
        network = quoted(&network.to_string()),
        federation = written_path(&args.federation.federation)?,
        listen = addresses(&args.listen),
        dial = addresses(&args.dial),
    );
    if args.kind == NodeKind::Tre {
        write!(
            text,
            "
# The persons whom this TRE accepts as data owners. Each also needs the federation's grant; without any, every task is refused.
data_owners = {owners}
",
            owners = list(args.data_owners.clone()),
        )?;
        let (mark, name) = args.place.dataset.as_ref().map_or(("# ", quoted("omop")), |name| ("", quoted(name)));
        let place = args.place.commented(mark)?;
        let tables = if tables.is_empty() { vec!["person".to_owned()] } else { tables.to_vec() };
        write!(
            text,
            "
# A dataset. Repeat the block for a further one; `quintes dataset check` says what it exposes and whether it is safe.
{mark}[[dataset]]
# Its name, as projects use it.
{mark}name = {name}
# \"files\": a folder of CSV or Parquet files, one for each table; \"sqlite\": a file; \"postgres\": a server;
# \"flight\": a cluster behind Arrow Flight SQL.
{mark}engine = {engine}
{place}# The column that names the person of a row; tables without it are reference data.
{mark}subject = {subject}
# The tables that tasks may read. A file that is not named here does not exist for them.
{mark}tables = {tables}
# Whether every member may know the names and types of these tables and columns, so that researchers can write analyses for them
# (`quintes catalogue`, `quintes try --mock`). Rows, and how many there are, are never told. A name can tell something too: hence `false`.
{mark}publish_schema = {publish}
",
            engine = quoted(args.place.engine.name()),
            subject = quoted(&args.place.subject),
            tables = list(tables),
            publish = args.publish_schema,
        )?;
        text.push_str(&limits());
        text.push_str(
            "
# What the operator accepts where this kernel does not lock components in as it should; `quintes node check` says what it gives.
[confinement]
# Of \"no-new-privileges\", \"seccomp\", \"landlock\", \"network-namespace\", \"not-dumpable\". While another one is missing, the node does not start.
accept_missing = []
",
        );
    } else {
        text.push_str(&mailbox());
    }
    text.push_str(
        "
# An HTTP proxy through which the node dials, where the firewall lets nothing else out. The environment is not asked for one.
# [proxy]
# address = \"http://proxy.hospital.example:3128\"
# user:password on one line, in a file that only the node can read, where the proxy asks for it.
# credentials_file = \"proxy.password\"

[door]
# The socket for people on this machine; its folder decides who can open it.
# socket = \"state/door.sock\"

[log]
# One JSON object a line on stderr, for machines.
json = false

# Who is told that something waits for review, or was decided. Never told: data, titles, or what was decided.
# [notices]
# A program without a shell: the event is its last argument; QUINTES_EVENT, _TRE, _TASK, _PROJECT and _SUBMITTER are its environment.
# command = [\"/usr/local/bin/tell-reviewers\"]
# A POST of the same as JSON, over https.
# webhook = \"https://hooks.example.org/quintes\"
# Mail through this machine's sendmail.
# [notices.mail]
# from = \"quintes@hospital.example\"
# reviewers = [\"data-owners@hospital.example\"]
# researchers = { alice = \"alice@university.example\" }
",
    );
    Ok(text)
}

fn mailbox() -> String {
    let mailbox = crate::config::Mailbox::default();
    format!(
        "
# Released results that are kept for researchers, encrypted to them, while the TRE or they are away. These are the defaults.
[mailbox]
# For how many days after its release a result stays; 0 = no mailbox.
days = {}
# Room for the results of one TRE, and for all, in MiB. What came first stays.
tre_mb = {}
all_mb = {}
",
        mailbox.days, mailbox.tre_mb, mailbox.all_mb,
    )
}

fn limits() -> String {
    let limits = crate::config::Limits::default();
    format!(
        "
# What one task may use. These are the defaults.
[limits]
# Instructions, roughly; 0 leaves it to wall_seconds.
fuel = {}
# Memory of a component, in MiB.
memory_mb = {}
# From the start of a run to its end, in seconds.
wall_seconds = {}
# The largest output, in MiB, and how many there may be.
output_mb = {}
outputs = {}
# The rows that may reach a component over all its queries: how many, and in MiB.
rows = {}
rows_mb = {}
# Queries of one task.
queries = {}
# Tasks that run at once, and tasks that may wait; a further one is refused.
running = {}
waiting = {}
# The largest component, in MiB.
component_mb = {}
",
        limits.fuel,
        limits.memory_mb,
        limits.wall_seconds,
        limits.output_mb,
        limits.outputs,
        limits.rows,
        limits.rows_mb,
        limits.queries,
        limits.running,
        limits.waiting,
        limits.component_mb,
    )
}
