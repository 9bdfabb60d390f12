//! `quintes catalogue`: what TREs say of their datasets (names and types, never contents), and which components a project allows.

mod saved;

use crate::catalogue;
use crate::cli::desk::{FederationOptions, place};
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::cli::words::listed;
use crate::clock::now;
use crate::statements::Federation;
use anyhow::{Context as _, anyhow, bail};
use keys::at_rest::{PUBLIC, place_new};
use protocol::ingress::{Statement, Verified};
use protocol::record::Kind;
use protocol::record::dataset::{Dataset, Schema};
use protocol::record::project::Project;
pub(crate) use saved::{Saved, find};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Of what to show the catalogue.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Without a node, what the federation folder holds is shown. A TRE publishes a dataset's schema when its operator has said so.

Examples:
  quintes catalogue --project stroke --key bob --node /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…
  quintes catalogue --dataset london/omop --save omop.json
  quintes try --component statistics --mock omop.json --param analysis=count --param table=person")]
pub(crate) struct Args {
    /// Only this project: its TREs, datasets and components.
    #[arg(long)]
    project: Option<String>,
    /// Only this dataset of this TRE.
    #[arg(long = "dataset", value_name = "TRE/DATASET")]
    datasets: Vec<String>,
    /// Write the schemas that are shown into a new file, for `quintes try --mock`.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Keep the TREs' signed statements in the federation folder, for use without a node.
    #[arg(long)]
    keep: bool,
    /// Your key, beside which the peer key lies.
    #[arg(long, env = "QUINTES_KEY", value_name = "FILE|agent:FILE.pub")]
    key: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Shows the catalogue.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let federation = if args.link.node.is_some() { asked(args)? } else { args.federation.load(&[], now())? };
    let projects = projects(&federation, args.project.as_deref())?;
    let published = newest(&federation);
    let shown: Vec<&Verified<Dataset>> = published
        .values()
        .copied()
        .filter(|one| is_wanted(&one.payload().tre, &one.payload().name, args, &projects))
        .collect();
    for wanted in &args.datasets {
        if !shown.iter().any(|one| *wanted == name_of(one.payload())) {
            bail!(
                "{} has published no schema; ask its operator for `publish_schema = true`, or see all with `quintes catalogue`",
                plain(wanted)
            );
        }
    }
    if args.keep {
        for one in &shown {
            let path = place(&args.federation.federation, &Statement::Dataset((*one).clone()))?;
            speak.say(&format!("  → {}", path.display()));
        }
    }
    let saved = Saved { datasets: shown.iter().map(|one| one.payload().clone()).collect() };
    if let Some(file) = &args.save {
        place_new(file, saved.to_json().as_bytes(), PUBLIC).context("the schemas were not saved")?;
        speak.say(&format!("  → {} schemas in {}", saved.datasets.len(), file.display()));
    }
    let unpublished = unpublished(&published, args, &projects);
    for project in &projects {
        show_project(project, speak);
    }
    for one in &saved.datasets {
        show_dataset(one, speak);
    }
    for (tre, name) in &unpublished {
        speak.line(&format!("\n{tre}/{name}: its schema is not published; ask the TRE"));
    }
    if projects.is_empty() && saved.datasets.is_empty() {
        speak.say("no project and no published schema is known here; name a member's node with --node");
    }
    let unpublished: Vec<String> = unpublished.into_iter().map(|(tre, name)| format!("{tre}/{name}")).collect();
    speak.answer(json!({
        "projects": projects.iter().map(|project| told_project(project)).collect::<Vec<_>>(),
        "datasets": saved.datasets,
        "unpublished": unpublished,
    }));
    Ok(())
}

/// What the folder and a node know together.
fn asked(args: &Args) -> anyhow::Result<Federation> {
    online(async {
        let mut link = args.link.open(args.key.as_deref()).await?;
        let mut federation = link.known(&args.federation).await?.now();
        let ids = link.inventory(&[Kind::Dataset]).await?;
        for bytes in link.statements(&ids).await? {
            // What is not believed here is not shown.
            let _ = federation.receive(&bytes, now());
        }
        Ok(federation)
    })
}

/// The newest word of each TRE about each of its datasets, where its key is still good and it has not taken it back.
pub(crate) fn newest(federation: &Federation) -> BTreeMap<(String, String), &Verified<Dataset>> {
    let mut newest: BTreeMap<(String, String), &Verified<Dataset>> = BTreeMap::new();
    for statement in &federation.statements {
        let Statement::Dataset(one) = statement else { continue };
        if !federation.roster.is_key_good(&one.signer().key.id(), now()) {
            continue;
        }
        let said = one.payload();
        let place = |one: &Verified<Dataset>| (one.payload().version, one.claims().issued, one.id());
        let known = newest.entry((said.tre.clone(), said.name.clone())).or_insert(one);
        if place(known) < place(one) {
            *known = one;
        }
    }
    newest.retain(|_, one| one.payload().schema.is_some());
    newest
}

/// The newest version of each project, or of the one that was named.
fn projects<'a>(federation: &'a Federation, wanted: Option<&str>) -> anyhow::Result<Vec<&'a Project>> {
    let mut names = BTreeSet::new();
    let all: Vec<&Project> = federation
        .roster
        .projects()
        .into_iter()
        .map(|(project, _)| project)
        .filter(|project| names.insert(project.name.as_str()))
        .collect();
    let Some(wanted) = wanted else { return Ok(all) };
    let found = all.iter().find(|project| project.name == wanted).copied();
    let found = found.ok_or_else(|| {
        let names: Vec<&str> = names.into_iter().collect();
        anyhow!("there is no project `{}` in this federation; there is {}", plain(wanted), listed(&names))
    })?;
    Ok(vec![found])
}

fn name_of(dataset: &Dataset) -> String {
    format!("{}/{}", dataset.tre, dataset.name)
}

fn is_wanted(tre: &str, name: &str, args: &Args, projects: &[&Project]) -> bool {
    let in_project = |project: &&Project| {
        project.tres.iter().any(|one| one == tre) && project.datasets.iter().any(|one| one == name)
    };
    let named = args.datasets.is_empty() || args.datasets.iter().any(|wanted| *wanted == format!("{tre}/{name}"));
    named && (args.project.is_none() || projects.iter().any(in_project))
}

/// What projects name and TREs have not published. Whether a TRE has a dataset at all nobody else knows.
fn unpublished(
    published: &BTreeMap<(String, String), &Verified<Dataset>>,
    args: &Args,
    projects: &[&Project],
) -> BTreeSet<(String, String)> {
    let named = projects.iter().flat_map(|project| {
        project.tres.iter().flat_map(|tre| project.datasets.iter().map(|name| (tre.clone(), name.clone())))
    });
    named
        .filter(|(tre, name)| args.datasets.is_empty() && !published.contains_key(&(tre.clone(), name.clone())))
        .collect()
}

fn show_project(project: &Project, speak: &Speak) {
    speak.line(&format!("project {} (version {}): {}", project.name, project.version, plain(&project.title)));
    speak.line(&format!("  at {}, over {}", listed(&project.tres), listed(&project.datasets)));
    if project.components.is_empty() {
        speak.line("  any component may run");
    }
    for one in &project.components {
        let ours = catalogue::with_digest(&one.digest);
        let what = ours.map_or(String::new(), |ours| format!(" ({}, comes with the program)", ours.what));
        speak.line(&format!("  component {}, SHA-256 {}{what}", one.name, one.digest));
    }
}

fn told_project(project: &Project) -> Value {
    json!({
        "name": project.name, "version": project.version, "title": project.title, "tres": project.tres, "datasets": project.datasets,
        "components": project.components.iter().map(|one| json!({
            "name": one.name, "digest": one.digest, "comes_with_the_program": catalogue::with_digest(&one.digest).is_some(),
        })).collect::<Vec<_>>(),
    })
}

fn show_dataset(dataset: &Dataset, speak: &Speak) {
    let Some(schema) = &dataset.schema else { return };
    speak.line(&format!("\n{} (version {}, SQL of {})", name_of(dataset), dataset.version, schema.dialect));
    speak.table(&["table", "column", "type", ""], &rows(schema));
    if schema.left_out > 0 {
        speak.line(&format!("… {} further tables, which the TRE could not describe here; ask it", schema.left_out));
    }
}

fn rows(schema: &Schema) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for relation in &schema.relations {
        for (number, column) in relation.columns.iter().enumerate() {
            let note = match (relation.subject.as_ref() == Some(&column.name), column.nullable) {
                (true, _) => "names the person",
                (false, true) => "may be empty",
                (false, false) => "",
            };
            let table = if number == 0 { plain(&relation.name) } else { String::new() };
            rows.push(vec![table, plain(&column.name), column.ty.to_string(), note.to_owned()]);
        }
    }
    rows
}
