//! A node's configuration: `node.toml`, strict about every field, with all defaults in one place and units in the names.

mod dataset;
mod mailbox;
mod notices;
mod proxy;
mod text;

pub use dataset::{Dataset, Engine, Flight, Postgres, Source, tables_in};
pub use mailbox::Mailbox;
pub use notices::{Mail, MailAddress, NotReachable, Notices, Webhook};
pub use proxy::{Address, ProxySettings};
pub use text::{ConfigError, Place};

use libp2p::Multiaddr;
use protocol::record::key_record::HolderKind;
use protocol::safes::tre::Tre;
use protocol::wire::id::NetworkId;
use sandbox::confinement::Layer;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The largest configuration, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// One MiB, in bytes.
const MIB: u64 = 1024 * 1024;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// Holds data, runs tasks.
    Tre,
    /// Forwards announcements between those who dial it; holds no data.
    Hub,
}

impl From<NodeKind> for HolderKind {
    fn from(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Tre => Self::Tre,
            NodeKind::Hub => Self::Hub,
        }
    }
}

/// The whole of `node.toml`. Relative paths have been made relative to the file's folder by [`Config::read`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's name in the roster.
    pub name: String,
    /// A TRE or a hub.
    pub kind: NodeKind,
    /// Whose node it is.
    pub organisation: String,
    /// The federation's id: 64 hexadecimal digits.
    pub network: NetworkId,
    /// Where the node keeps its keys, journal and custody; readable by the node alone.
    pub state: PathBuf,
    /// A folder of statement files that is read at the start; peers bring the rest.
    pub federation: Option<PathBuf>,
    /// Where the node listens, for example `/ip4/0.0.0.0/tcp/4001`; a TRE need not listen at all.
    #[serde(default)]
    pub listen: Vec<Multiaddr>,
    /// Whom the node dials, for example `/dns4/hub.example.org/tcp/4001/p2p/12D3Koo…`.
    #[serde(default)]
    pub dial: Vec<Multiaddr>,
    /// Through what the node dials, `[proxy]`.
    pub proxy: Option<ProxySettings>,
    /// The persons whom this TRE accepts as data owners; each also needs a grant.
    #[serde(default)]
    pub data_owners: Vec<String>,
    /// The datasets, `[[dataset]]`.
    #[serde(default, rename = "dataset")]
    pub datasets: Vec<Dataset>,
    /// What a task may use, `[limits]`.
    #[serde(default)]
    pub limits: Limits,
    /// The door for people on this machine, `[door]`.
    #[serde(default)]
    pub door: Door,
    /// The log on stderr, `[log]`.
    #[serde(default)]
    pub log: Log,
    /// The log that other nodes witness, `[transparency]`.
    #[serde(default)]
    pub transparency: Transparency,
    /// Whom the node tells that something waits or was decided, `[notices]`.
    #[serde(default)]
    pub notices: Notices,
    /// What locks components in, `[confinement]`.
    #[serde(default)]
    pub confinement: Confinement,
    /// What a hub keeps for others, `[mailbox]`.
    #[serde(default)]
    pub mailbox: Mailbox,
}

/// What the operator accepts where the kernel does not lock the process of a component in as it should. Nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Confinement {
    /// The layers that may be missing; where another one is missing, the node runs nothing.
    pub accept_missing: Vec<Layer>,
}

/// What others must have seen before anything leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transparency {
    /// How many other nodes must have cosigned the log; fewer where the federation has fewer.
    pub cosignatures: u64,
}

impl Default for Transparency {
    fn default() -> Self {
        Self { cosignatures: 1 }
    }
}

/// What a task may use. Each field has a default, which [`Limits::default`] states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Instructions, roughly; 0 = time alone.
    pub fuel: u64,
    /// A component's memory, in MiB.
    pub memory_mb: u64,
    /// From the start of a run to its end, in seconds.
    pub wall_seconds: u64,
    /// The largest output, in MiB.
    pub output_mb: u64,
    /// The most outputs of a task.
    pub outputs: usize,
    /// The rows that may reach a component, over all its queries.
    pub rows: u64,
    /// The rows that may reach a component, in MiB.
    pub rows_mb: u64,
    /// The most queries of a task.
    pub queries: u32,
    /// The tasks that run at once.
    pub running: usize,
    /// The tasks that may wait; a further one is refused as busy.
    pub waiting: usize,
    /// The largest component, in MiB.
    pub component_mb: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let sandbox = sandbox::limits::Limits::default();
        Self {
            fuel: 0,
            memory_mb: sandbox.memory_bytes / MIB,
            wall_seconds: sandbox.wall.as_secs(),
            output_mb: sandbox.output_bytes / MIB,
            outputs: sandbox.outputs,
            rows: sandbox.rows,
            rows_mb: sandbox.bytes / MIB,
            queries: sandbox.queries,
            running: 1,
            waiting: 100,
            component_mb: 32,
        }
    }
}

impl Limits {
    /// The limits of one run, as the sandbox takes them.
    #[must_use]
    pub fn sandbox(&self) -> sandbox::limits::Limits {
        sandbox::limits::Limits {
            fuel: (self.fuel > 0).then_some(self.fuel),
            memory_bytes: self.memory_mb.saturating_mul(MIB),
            wall: Duration::from_secs(self.wall_seconds),
            output_bytes: self.output_mb.saturating_mul(MIB),
            outputs: self.outputs,
            rows: self.rows,
            bytes: self.rows_mb.saturating_mul(MIB),
            queries: self.queries,
            ..sandbox::limits::Limits::default()
        }
    }

    /// The largest component, in bytes.
    #[must_use]
    pub fn component_bytes(&self) -> u64 {
        self.component_mb.saturating_mul(MIB)
    }

    /// The fields that are 0 and must not be.
    pub(crate) fn zeros(&self) -> Vec<&'static str> {
        let counts = [
            ("memory_mb", self.memory_mb == 0),
            ("wall_seconds", self.wall_seconds == 0),
            ("output_mb", self.output_mb == 0),
            ("outputs", self.outputs == 0),
            ("rows", self.rows == 0),
            ("rows_mb", self.rows_mb == 0),
            ("queries", self.queries == 0),
            ("running", self.running == 0),
            ("waiting", self.waiting == 0),
            ("component_mb", self.component_mb == 0),
        ];
        counts.into_iter().filter(|(_, zero)| *zero).map(|(name, _)| name).collect()
    }
}

/// The door for people on this machine: a socket that only those can open who can enter its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    /// The socket; `door.sock` in the state folder when it is not given.
    pub socket: Option<PathBuf>,
}

/// The log on stderr. It never holds rows, outputs, query text or an engine's errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// One JSON object a line, for machines.
    pub json: bool,
}

impl Config {
    /// Reads and parses a configuration; relative paths in it begin at its folder.
    ///
    /// # Errors
    /// [`ConfigError`], with the line and, for a misspelt field, the nearest one there is.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ConfigError::Missing { path: path.to_owned() },
            _ => ConfigError::Io { path: path.to_owned(), source },
        };
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ConfigError::NotAFile { path: path.to_owned() });
        }
        let mut text = String::new();
        fs::File::open(path).map_err(failed)?.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
        let mut config = text::parse(path, &text)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.begin_paths_at(folder);
        Ok(config)
    }

    /// An absolute path stays what it is.
    fn begin_paths_at(&mut self, folder: &Path) {
        let paths = std::iter::once(&mut self.state)
            .chain(&mut self.federation)
            .chain(&mut self.door.socket)
            .chain(self.proxy.iter_mut().flat_map(|proxy| &mut proxy.credentials_file))
            .chain(self.datasets.iter_mut().flat_map(Dataset::paths));
        for path in paths {
            *path = folder.join(&*path);
        }
    }

    /// Whether the node forwards for others.
    #[must_use]
    pub fn is_hub(&self) -> bool {
        self.kind == NodeKind::Hub
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal.redb")
    }

    /// The door's socket.
    #[must_use]
    pub fn door_socket(&self) -> PathBuf {
        self.door.socket.clone().unwrap_or_else(|| self.state.join("door.sock"))
    }

    /// The datasets of which the operator lets every member know what they look like.
    #[must_use]
    pub fn published(&self) -> BTreeSet<String> {
        let shown = self.datasets.iter().filter(|dataset| dataset.publish_schema);
        shown.map(|dataset| dataset.name.clone()).collect()
    }

    /// What the TRE says about itself. A hub has no data and no data owners, so that nothing runs on it.
    #[must_use]
    pub fn tre(&self) -> Tre {
        let datasets = self.datasets.iter().filter(|_| !self.is_hub());
        Tre {
            name: self.name.clone(),
            datasets: datasets.map(|dataset| dataset.name.clone()).collect(),
            data_owners: self.data_owners.iter().cloned().collect(),
            running: self.limits.running,
            waiting: self.limits.waiting,
            component_bytes: self.limits.component_bytes(),
            cosignatures: self.transparency.cosignatures,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
