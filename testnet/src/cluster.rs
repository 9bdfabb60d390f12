//! A real federation on this machine: a hub and three TREs as processes of their own, founded, watched, killed and started again.
//!
//! | file | what lives there |
//! |---|---|
//! | `layout` | the folder of a test federation, and its names |
//! | `program` | `quintes` as a person runs it |
//! | `ceremony` | data, keys, root, enrolments, grants, project, status |
//! | `process` | one node as a process |
//! | `watch` | what a node says at its door |

mod ceremony;
mod layout;
mod process;
mod program;
mod watch;

pub use ceremony::{FORMATS, Plan, free_port, generate};
pub use layout::{DATASET, FEDERATION, HUB, Layout, PROJECT, RESEARCHER, ROOT, TRES, owner_of};
pub use process::{NodeProcess, peak_rss_mb};
pub use program::{AS_QUINTES, Program, Runner, Said, be_quintes, line};
pub use watch::{Watch, until};

use crate::narrate::{Narrator, Show};
use anyhow::{Context as _, anyhow, bail};
use node::door::Health;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// How long a node may take until it is connected and knows the federation.
const READY: Duration = Duration::from_secs(30);

/// A federation in a folder, with whatever runs of it. Dropping it kills every node.
#[derive(Debug)]
pub struct Cluster {
    /// Where everything lies.
    pub layout: Layout,
    /// Runs verbs in the folder.
    pub runner: Runner,
    /// Where the hub is dialled.
    pub hub: String,
    /// The hubs that [`Cluster::another_hub`] made, with the addresses at which they are dialled.
    pub other_hubs: Vec<(String, String)>,
    /// Where a node runs when it does not run as the verbs do: in a network of its own, say.
    pub places: BTreeMap<String, Program>,
    /// How much the nodes log.
    pub log_level: &'static str,
    nodes: BTreeMap<String, NodeProcess>,
    folder: Folder,
}

/// The folder goes with the cluster, unless a person named it or wants to keep it.
#[derive(Debug)]
enum Folder {
    Kept,
    Temporary(TempDir),
}

impl Cluster {
    /// Generates the data and founds a federation; nothing runs yet. Without `folder` it lies in a temporary one that goes at the end.
    ///
    /// # Errors
    /// When the folder is not empty, or a verb fails.
    pub async fn found(
        program: Program,
        folder: Option<&Path>,
        plan: Plan,
        narrator: Narrator,
    ) -> anyhow::Result<Self> {
        let folder_kept = match folder {
            Some(path) => {
                fs::create_dir_all(path).with_context(|| format!("`{}` cannot be made", path.display()))?;
                if fs::read_dir(path)?.next().is_some() {
                    bail!("`{}` is not empty; name a new folder", path.display());
                }
                Folder::Kept
            }
            None => Folder::Temporary(tempfile::Builder::new().prefix("quintes-").tempdir()?),
        };
        let root = match (&folder_kept, folder) {
            (Folder::Temporary(made), _) => made.path().to_owned(),
            (Folder::Kept, path) => std::path::absolute(path.unwrap_or(Path::new(".")))?,
        };
        // a node refuses data that everybody on this machine can read
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700))?;
        let layout = Layout::new(&root);
        let runner = Runner { program, folder: root, narrator };
        narrator.heading(&format!("data: three hospitals, seed {}: CSV, a Windows export, and tabs", plan.seed));
        let rows = ceremony::generate(&layout, plan, &runner).await?;
        narrator.say(&format!("{rows} rows of OMOP CDM 5.4, each in the folder of its TRE"));
        narrator.heading("a federation: keys, root, enrolment, grants, a project, a fresh status");
        let hub = ceremony::found(&layout, &runner).await?;
        let (places, nodes) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { layout, runner, hub, other_hubs: Vec::new(), places, log_level: "info", nodes, folder: folder_kept })
    }

    /// A federation that was founded in this folder before; its status is made fresh.
    ///
    /// # Errors
    /// When the folder holds none.
    pub async fn reopen(program: Program, folder: &Path, narrator: Narrator) -> anyhow::Result<Self> {
        let root = std::path::absolute(folder)?;
        let layout = Layout::new(&root);
        let config = layout.node(TRES[0].0).join("node.toml");
        let config = node::config::Config::read(&config)
            .with_context(|| format!("`{}` holds no test federation; name another folder", root.display()))?;
        let hub = config.dial.first().ok_or_else(|| anyhow!("{} dials nobody", TRES[0].0))?.to_string();
        let runner = Runner { program, folder: root, narrator };
        runner.must(&["network", "status", "--key", &format!("people/{ROOT}"), "--yes"], Show::Command).await?;
        let (places, nodes) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { layout, runner, hub, other_hubs: Vec::new(), places, log_level: "info", nodes, folder: Folder::Kept })
    }

    /// Lets a temporary folder stay.
    pub fn keep(&mut self) {
        if let Folder::Temporary(made) = &mut self.folder {
            made.disable_cleanup(true);
        }
    }

    /// Founds one more hub, which another member runs: it dials the ones before, and every TRE dials it too. For nodes that do not run yet.
    ///
    /// # Errors
    /// With the verb that failed and what it said.
    pub async fn another_hub(&mut self, name: &str, organisation: &str) -> anyhow::Result<()> {
        let before: Vec<&str> = self.hubs().map(|(_, address)| address).collect();
        let address = ceremony::another_hub(&self.layout, &self.runner, name, organisation, &before).await?;
        self.other_hubs.push((name.to_owned(), address));
        Ok(())
    }

    /// Every hub's name, and where it is dialled.
    pub fn hubs(&self) -> impl Iterator<Item = (&str, &str)> {
        let others = self.other_hubs.iter().map(|(name, address)| (name.as_str(), address.as_str()));
        std::iter::once((HUB, self.hub.as_str())).chain(others)
    }

    /// The names of all nodes, the hubs first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.hubs().map(|(name, _)| name).chain(TRES.map(|(tre, ..)| tre)).map(ToOwned::to_owned).collect()
    }

    /// Starts every node and waits until each is connected and trusts the federation.
    ///
    /// # Errors
    /// When a node ends or is not ready in time; the sentence names its log.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let waiting = self.runner.narrator.progress("waiting for the nodes", None);
        for name in self.names() {
            self.start_node(&name)?;
        }
        for name in self.names() {
            self.wait_ready(&name).await?;
        }
        waiting.finish_and_clear();
        Ok(())
    }

    /// Starts one node and does not wait.
    ///
    /// # Errors
    /// When it runs already, or cannot be started.
    pub fn start_node(&mut self, name: &str) -> anyhow::Result<()> {
        if self.nodes.contains_key(name) {
            bail!("{name} runs already");
        }
        let config = self.layout.node(name).join("node.toml");
        let node = NodeProcess::start(
            self.places.get(name).unwrap_or(&self.runner.program),
            self.layout.folder(),
            &config,
            &self.layout.log(name),
            self.log_level,
        )?;
        self.nodes.insert(name.to_owned(), node);
        Ok(())
    }

    /// Waits until a node answers at its door, is connected, and has a fresh status.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub async fn wait_ready(&mut self, name: &str) -> anyhow::Result<()> {
        self.wait_for(name, |health| (!health.peers.is_empty() || name == HUB) && health.freshness.is_ok()).await
    }

    /// Waits until a node answers at its door and says what is wanted of it.
    ///
    /// # Errors
    /// When it ends or does not say so in time.
    pub async fn wait_for(&mut self, name: &str, wanted: impl Fn(&Health) -> bool) -> anyhow::Result<()> {
        let log = self.layout.log(name);
        let watch = self.watch(name);
        let node = self.nodes.get_mut(name).ok_or_else(|| anyhow!("{name} does not run"))?;
        let late = || format!("{name} is not ready; see `{}`", log.display());
        watch::until(READY, late, async || {
            if let Some(code) = node.ended() {
                bail!("{name} ended with {code:?}; see `{}`", log.display());
            }
            let health = watch.health().await;
            Ok(health.is_ok_and(|health| wanted(&health)).then_some(()))
        })
        .await
    }

    /// What a node says at its door.
    #[must_use]
    pub fn watch(&self, name: &str) -> Watch {
        Watch::new(name, &self.layout.door(name))
    }

    /// The running process of a node.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeProcess> {
        self.nodes.get(name)
    }

    /// SIGKILL: the node has no time for anything.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill_node(&mut self, name: &str) -> anyhow::Result<()> {
        self.nodes.remove(name).ok_or_else(|| anyhow!("{name} does not run"))?.kill().await
    }

    /// SIGTERM, and expects exit code 0.
    ///
    /// # Errors
    /// When it does not run, or ends in another way.
    pub async fn stop_node(&mut self, name: &str) -> anyhow::Result<()> {
        let node = self.nodes.remove(name).ok_or_else(|| anyhow!("{name} does not run"))?;
        match node.stop().await? {
            Some(0) => Ok(()),
            code => bail!("{name} ended with {code:?} after SIGTERM; see `{}`", self.layout.log(name).display()),
        }
    }

    /// Stops every node in order, TREs first.
    ///
    /// # Errors
    /// The first node that did not stop with exit code 0; the others were stopped too.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let running: Vec<String> = self.nodes.keys().rev().cloned().collect();
        let mut stopped = Ok(());
        for name in running {
            let end = self.stop_node(&name).await;
            stopped = stopped.and(end);
        }
        stopped
    }

    /// The most memory that any running node has held, in MiB.
    #[must_use]
    pub fn peak_rss_mb(&self) -> f64 {
        self.nodes.values().filter_map(NodeProcess::peak_rss_mb).fold(0.0, f64::max)
    }
}
