//! The founding of a test federation, by the real verbs in the order in which people would run them.

use super::layout::{DATASET, FEDERATION, HUB, Layout, PROJECT, RESEARCHER, ROOT, TRES};
use super::program::Runner;
use crate::fixture::omop::{self, Format};
use crate::narrate::Show;
use anyhow::{Context as _, anyhow, ensure};
use node::catalogue;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

/// The organisation that runs the federation and its hub.
const OFFICE: &str = "Federation Office";

/// How the data of each TRE is written: tidy, as a Windows database exports, and as OHDSI's Athena packs.
pub const FORMATS: [Format; 3] = [Format::Csv, Format::Windows, Format::Tabs];

/// What to found.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// About how many persons each TRE has.
    pub persons: u64,
    /// The seed of the data.
    pub seed: u64,
}

/// A port of the loopback interface that was free a moment ago.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("the loopback interface has no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Generates the data of every TRE at the same time, each on its own thread; the rows of all tables together.
///
/// # Errors
/// When a disk is full or cannot be written.
pub async fn generate(layout: &Layout, plan: Plan, runner: &Runner) -> anyhow::Result<u64> {
    let options = omop::Options::federation(plan.seed, u32::try_from(TRES.len())?, plan.persons);
    let bar = runner.narrator.progress("generating data", Some(options.len() as u64));
    let mut writing = tokio::task::JoinSet::new();
    for ((options, format), (tre, ..)) in options.into_iter().zip(FORMATS).zip(TRES) {
        let folder = layout.data(tre);
        writing.spawn_blocking(move || omop::generate(&folder, &omop::Options { format, ..options }));
    }
    let mut rows = 0;
    while let Some(written) = writing.join_next().await {
        let written = written.map_err(|_| anyhow!("generating data was interrupted"))?;
        let written = written.context("the data cannot be written; is the disk full?")?;
        rows += written.persons + written.visits + written.conditions + written.drugs + written.measurements;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// Makes keys, root, nodes, enrolments, grants, the project and a fresh status; the address at which others dial the hub.
///
/// The data has to be there already: a node's folder names the tables that it finds.
///
/// # Errors
/// With the verb that failed and what it said.
pub(super) async fn found(layout: &Layout, runner: &Runner) -> anyhow::Result<String> {
    components(layout)?;
    let people: Vec<(&str, &str)> =
        std::iter::once((RESEARCHER, "University D")).chain(TRES.iter().map(|(_, owner, at)| (*owner, *at))).collect();

    let root_key = format!("people/{ROOT}");
    let key = |name: &str| format!("people/{name}");
    let new_key = |name: &str, organisation: &str| -> Vec<String> {
        let words = ["key", "new", name, "--organisation", organisation, "--out", "people", "--no-passphrase"];
        words.map(ToOwned::to_owned).to_vec()
    };
    must(runner, &new_key(ROOT, OFFICE), Show::Lines(1)).await?;
    let init = ["network", "init", FEDERATION, "--person", ROOT, "--organisation", OFFICE, "--key", &root_key, "--yes"];
    runner.must(&init, Show::Lines(1)).await?;
    for (index, (name, organisation)) in people.iter().enumerate() {
        let show = if index == 0 { Show::Lines(1) } else { Show::Command };
        must(runner, &new_key(name, organisation), show).await?;
    }

    let address = nodes(layout, runner).await?;
    let requests: Vec<String> = people
        .iter()
        .map(|(name, _)| format!("people/{name}.request"))
        .chain(std::iter::once(HUB).chain(TRES.map(|(tre, ..)| tre)).map(|node| format!("nodes/{node}/{node}.request")))
        .collect();
    let mut enrol = vec!["network".to_owned(), "enrol".to_owned()];
    enrol.extend(requests);
    enrol.extend(["--key", &root_key, "--yes"].map(ToOwned::to_owned));
    must(runner, &enrol, Show::Command).await?;
    for (index, (tre, owner, _)) in TRES.iter().enumerate() {
        let show = if index == 0 { Show::Lines(1) } else { Show::Command };
        let grant = ["network", "grant", owner, "--role", "data-owner", "--tre", tre, "--key", &root_key, "--yes"];
        runner.must(&grant, show).await?;
    }

    let first_owner = TRES[0].1;
    let mut project: Vec<String> =
        ["project", "new", PROJECT, "--title", "Glycaemia and blood pressure"].map(ToOwned::to_owned).to_vec();
    project.extend(TRES.iter().flat_map(|(tre, ..)| ["--tre".to_owned(), (*tre).to_owned()]));
    project.extend(["--dataset", DATASET, "--admin", first_owner].map(ToOwned::to_owned));
    for shipped in catalogue::ALL {
        project.extend(["--component".to_owned(), format!("{name}=components/{name}.wasm", name = shipped.name)]);
    }
    project.extend(["--key".to_owned(), key(first_owner), "--yes".to_owned()]);
    must(runner, &project, Show::Lines(1)).await?;
    for (_, owner, _) in &TRES[1..] {
        runner.must(&["project", "sign", PROJECT, "--key", &key(owner), "--yes"], Show::Command).await?;
    }
    let grant = [
        "network",
        "grant",
        RESEARCHER,
        "--role",
        "researcher",
        "--project",
        PROJECT,
        "--key",
        &key(first_owner),
        "--yes",
    ];
    runner.must(&grant, Show::Command).await?;
    runner.must(&["network", "status", "--key", &root_key, "--yes"], Show::Lines(1)).await?;
    Ok(address)
}

/// Makes the folder of one more hub, enrols it, and adds it to whom each TRE dials; the address at which others dial it.
///
/// # Errors
/// With the verb that failed and what it said.
pub(super) async fn another_hub(
    layout: &Layout,
    runner: &Runner,
    name: &str,
    organisation: &str,
    before: &[&str],
) -> anyhow::Result<String> {
    let address = hub(runner, name, organisation, before).await?;
    let (request, key) = (format!("nodes/{name}/{name}.request"), format!("people/{ROOT}"));
    runner.must(&["network", "enrol", &request, "--key", &key, "--yes"], Show::Command).await?;
    let last = format!("\"{}\"", before.last().context("there is a first hub")?);
    for (tre, ..) in TRES {
        let path = layout.node(tre).join("node.toml");
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(&last), "{tre} does not dial {last}");
        fs::write(&path, text.replace(&last, &format!("{last}, \"{address}\"")))?;
    }
    Ok(address)
}

/// Makes the folder of a hub that dials these others; the address at which others dial it.
async fn hub(runner: &Runner, name: &str, organisation: &str, dialled: &[&str]) -> anyhow::Result<String> {
    let (folder, listen) = (format!("nodes/{name}"), format!("/ip4/127.0.0.1/tcp/{}", free_port()?));
    let mut init = vec!["node", "init", &folder, "--name", name, "--kind", "hub"];
    init.extend(["--organisation", organisation, "--listen", &listen]);
    dialled.iter().for_each(|address| init.extend(["--dial", address]));
    let made = runner.must(&[init.as_slice(), &["--json"]].concat(), Show::Nothing).await?.json()?;
    runner.narrator.command(&super::program::line(&init), "", Show::Command);
    let peer = made["peer"].as_str().ok_or_else(|| anyhow!("`quintes node init` did not say the hub's peer id"))?;
    Ok(format!("{listen}/p2p/{peer}"))
}

/// Makes the folders of the hub and of every TRE, which dial the hub alone.
async fn nodes(layout: &Layout, runner: &Runner) -> anyhow::Result<String> {
    let address = hub(runner, HUB, OFFICE, &[]).await?;
    for (tre, owner, organisation) in TRES {
        let (folder, data) = (format!("nodes/{tre}"), format!("data/{tre}"));
        let init = [
            "node",
            "init",
            &folder,
            "--name",
            tre,
            "--kind",
            "tre",
            "--organisation",
            organisation,
            "--dial",
            &address,
            "--data",
            &data,
            "--dataset",
            DATASET,
            "--publish-schema",
            "--data-owner",
            owner,
        ];
        runner.must(&init, Show::Command).await?;
    }
    accept_this_kernel(layout, runner).await?;
    debug_assert!(layout.node(HUB).exists(), "the hub's folder was made");
    Ok(address)
}

/// A test federation holds made-up data: where this kernel does not give a lock, the TREs accept it, and it is said.
async fn accept_this_kernel(layout: &Layout, runner: &Runner) -> anyhow::Result<()> {
    let config = format!("nodes/{}/node.toml", TRES[0].0);
    // Exit code 1 is no surprise here: nobody is enrolled yet.
    let checked = runner.run(&["node", "check", "--config", &config, "--json"], Show::Nothing).await?.json()?;
    let missing = &checked["confinement"]["missing"];
    if missing.as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    runner
        .narrator
        .say(&format!("this kernel does not give {missing}: the test TREs accept it, a real one should not"));
    for (tre, ..) in TRES {
        let path = layout.node(tre).join("node.toml");
        let text = fs::read_to_string(&path)?;
        fs::write(&path, text.replace("accept_missing = []", &format!("accept_missing = {missing}")))?;
    }
    Ok(())
}

/// Writes the shipped components where a project can name them.
fn components(layout: &Layout) -> anyhow::Result<()> {
    fs::create_dir_all(layout.components())?;
    for shipped in catalogue::ALL {
        let path: PathBuf = layout.components().join(format!("{}.wasm", shipped.name));
        fs::write(&path, shipped.bytes).with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    Ok(())
}

async fn must(runner: &Runner, args: &[String], show: Show) -> anyhow::Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    runner.must(&args, show).await.map(|_| ())
}
