//! `quintes try`: a component on this machine, over your own files or made-up rows, as a TRE's reviewer would see it.

use crate::catalogue;
use crate::cli::catalogue::find;
use crate::cli::desk::FederationOptions;
use crate::cli::link::online;
use crate::cli::review::show::{Shown, show_output, told, what_ran};
use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::cli::submit::component::{Component, Found, here};
use crate::cli::submit::{Output, Parameter, declared, given};
use crate::cli::worker_program;
use crate::clock::now;
use crate::config::{Limits, tables_in};
use crate::schema;
use crate::trial::{NotReviewed, Trial, Tried, attempt};
use anyhow::{Context as _, anyhow, bail};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::Verdict;
use protocol::record::Payload as _;
use protocol::record::project::Project;
use protocol::record::submission::{DeclaredOutput, Submission};
use protocol::safes::outputs::HeldOutput;
use sandbox::database::Database;
use sandbox::database::datafusion::{DataFusionDatabase, Options};
use sandbox::database::mock;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The project that stands for none: the rules that projects start from.
const DEFAULTS: &str = "defaults";

/// What to try, and over which rows.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("rows-from").required(true).args(["data", "mock"]),
    after_long_help = "\
Runs on this machine under the default limits of a TRE, with the same guard before the data and the same disclosure rules behind the component.
No node, no key and no network is needed. A TRE also compares with all that has left it before; that only it can do.

Examples:
  quintes try --component spread.wasm --data ./data --output witnessed --output computed --param table=person --param column=age
  quintes try --component statistics --mock omop.json --rows 5000 --param analysis=count --param table=person"
)]
pub(crate) struct Args {
    /// What runs: a component's file, or one that comes with the program.
    #[arg(long, value_name = "FILE|NAME")]
    component: String,
    /// A folder of your own CSV, TSV or Parquet files, one for each table.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Rows are made up for a schema: a file that `quintes catalogue --save` wrote (FILE#TRE/DATASET where it has several), or TRE/DATASET of
    /// the federation folder.
    #[arg(long, value_name = "FILE|TRE/DATASET")]
    mock: Option<String>,
    /// How many rows each made-up table has, over as many persons.
    #[arg(long, value_name = "N", default_value_t = 1_000, conflicts_with = "data", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rows: u32,
    /// Another number makes up other rows.
    #[arg(long, value_name = "S", default_value_t = 1, conflicts_with = "data")]
    seed: u64,
    /// The column of your files that names the person of a row.
    #[arg(long, value_name = "COLUMN", default_value = "person_id")]
    subject: String,
    /// The name under which the component finds the data; the schema's, or `data`.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// What the component is told; @FILE reads the text from a file.
    #[arg(long = "param", value_name = "NAME=TEXT|NAME=@FILE")]
    parameters: Vec<Parameter>,
    /// An output that it may write, with the columns of a table of its own making.
    #[arg(long = "output", value_name = "NAME[=COLUMN,…]")]
    outputs: Vec<Output>,
    /// A project of the federation folder whose rules apply, or `defaults`.
    #[arg(long, value_name = "PROJECT", default_value = DEFAULTS)]
    project: String,
    /// Show every row, not only the first 40.
    #[arg(long)]
    all_rows: bool,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Tries it, shows what a reviewer would see, and says what a TRE would refuse.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let project = project(args)?;
    let listed = project.as_ref().map(|project| project.components.as_slice()).unwrap_or_default();
    let component = match here(&args.component, listed)? {
        Found::Here(component) => component,
        Found::Elsewhere(digest) => {
            bail!(
                "the project lists `{}` with SHA-256 {digest}, which this program does not have; give its file",
                args.component
            )
        }
    };
    let parameters = given(&args.parameters)?;
    let outputs = if args.outputs.is_empty() {
        component.outputs(&parameters)?
    } else {
        args.outputs.iter().map(|output| declared(&output.name, output.columns.clone())).collect()
    };
    let (dataset, database, _made_up) = open(args)?;
    let policy = project.as_ref().map_or_else(Policy::default, |project| project.disclosure);
    let mut refused = foreseen(project.as_ref(), &component, &parameters, &outputs, &dataset);
    let trial = Trial {
        component: component.bytes.clone(),
        parameters: parameters.clone(),
        outputs,
        dataset: dataset.clone(),
        database,
        worker: worker_program().context("the system does not say which file this program is")?,
        limits: Limits::default(),
        policy,
    };
    let tried = online(async { Ok(attempt(trial).await?) })?;
    let shown = Shown { parameters: &parameters, context: &tried.context, rules: &policy };
    speak.table(&["", ""], &head(&component, &dataset, &shown));
    let outputs = tried.outputs.as_deref().unwrap_or_default();
    for output in outputs {
        speak.line("");
        show_output(output, args.all_rows, speak);
    }
    if let Err(reason) = &tried.outputs {
        refused.push(sentence(reason));
    }
    speak.line("");
    if args.mock.is_some() {
        speak.line(
            "the rows are made up: the figures mean nothing, and only their shape and the rules can be looked at",
        );
    }
    conclude(outputs, &refused, speak);
    speak.answer(answer(&component, &dataset, &shown, &tried, &refused));
    if refused.is_empty() { Ok(()) } else { Err(AlreadySaid.into()) }
}

fn project(args: &Args) -> anyhow::Result<Option<Project>> {
    if args.project == DEFAULTS {
        return Ok(None);
    }
    let federation = args.federation.load(&[], now()).context("a project's rules stand in the federation folder")?;
    let projects = federation.roster.projects();
    let found = projects.iter().find(|(project, _)| project.name == args.project).map(|(project, _)| *project);
    let found = found.ok_or_else(|| {
        anyhow!(
            "there is no project `{}` in the federation folder; leave --project out for the defaults",
            plain(&args.project)
        )
    })?;
    Ok(Some(found.clone()))
}

/// The data: its name, the open database, and the folder of made-up rows for as long as they are needed.
fn open(args: &Args) -> anyhow::Result<(String, Arc<dyn Database>, Option<tempfile::TempDir>)> {
    let named = |fallback: &str| args.dataset.clone().unwrap_or_else(|| fallback.to_owned());
    if let Some(folder) = &args.data {
        let tables = tables_in(folder)
            .with_context(|| format!("cannot read the folder `{}`; check the path", folder.display()))?;
        if tables.is_empty() {
            bail!("`{}` holds no .csv, .tsv or .parquet file; give the folder of the tables", folder.display());
        }
        let tables = tables.into_iter().map(|(name, _)| name).collect();
        return Ok((named("data"), database(folder, tables, Some(args.subject.clone()))?, None));
    }
    let wanted = args.mock.as_deref().expect("clap asks for one of the two");
    let (name, schema) = find(wanted, &args.federation)?;
    let tables: Vec<mock::Table> = schema.relations.iter().map(schema::to_make_up).collect();
    let subject = tables.iter().find_map(|table| table.subject.clone());
    let folder =
        tempfile::tempdir().context("there is no room for made-up rows; set TMPDIR to a folder that has some")?;
    let rows = usize::try_from(args.rows).expect("a u32 fits into a usize here");
    mock::write(&tables, rows, args.seed, folder.path())?;
    let names = tables.into_iter().map(|table| table.name).collect();
    Ok((named(&name), database(folder.path(), names, subject)?, Some(folder)))
}

fn database(folder: &Path, tables: Vec<String>, subject: Option<String>) -> anyhow::Result<Arc<dyn Database>> {
    let options = Options { directory: folder.to_owned(), tables, subject, ..Options::default() };
    Ok(Arc::new(DataFusionDatabase::open(options).context("the data cannot be opened")?))
}

/// What a TRE would refuse before anything runs, as far as it can be seen from here.
fn foreseen(
    project: Option<&Project>,
    component: &Component,
    parameters: &BTreeMap<String, String>,
    outputs: &[DeclaredOutput],
    dataset: &str,
) -> Vec<String> {
    let submission = Submission {
        project: project.map_or("project", |project| &project.name).to_owned(),
        title: component.name.clone(),
        component: component.digest,
        component_bytes: component.bytes.len() as u64,
        parameters: parameters.clone(),
        datasets: vec![dataset.to_owned()],
        outputs: outputs.to_vec(),
        audience: vec!["tre".to_owned()],
        reply_to: "age1".to_owned(),
    };
    let mut refused = Vec::new();
    if let Err(invalid) = submission.check() {
        refused.push(format!("the submission would not be valid ({invalid})"));
    }
    let Some(project) = project else { return refused };
    if !project.components.is_empty() && !project.components.iter().any(|one| one.digest == component.digest) {
        let names: Vec<&str> = project.components.iter().map(|one| one.name.as_str()).collect();
        refused.push(format!(
            "the project {} does not allow this component; it lists {}",
            project.name,
            names.join(", ")
        ));
    }
    if !project.datasets.iter().any(|one| one == dataset) {
        refused.push(format!(
            "the dataset {dataset} is not part of the project {}; it has {}; name the one you mean with --dataset",
            project.name,
            project.datasets.join(", ")
        ));
    }
    refused
}

fn head(component: &Component, dataset: &str, shown: &Shown<'_>) -> Vec<Vec<String>> {
    let ours = catalogue::with_digest(&component.digest).map_or("", |_| ", comes with the program");
    let mut head = vec![
        ("component", format!("{}, SHA-256 {}{ours}", component.name, component.digest)),
        ("dataset", dataset.to_owned()),
    ];
    head.extend(what_ran(shown));
    head.into_iter().map(|(label, text)| vec![label.to_owned(), text]).collect()
}

fn sentence(reason: &NotReviewed) -> String {
    let lines = reason.to_string();
    lines.lines().map(plain).collect::<Vec<_>>().join("\n  ")
}

fn conclude(outputs: &[HeldOutput], refused: &[String], speak: &Speak) {
    for reason in refused {
        speak.line(&format!("✗ a TRE would refuse it: {reason}"));
    }
    if !refused.is_empty() {
        return;
    }
    let worst = outputs.iter().map(|output| output.report.verdict).max();
    speak.line(match worst {
        Some(Verdict::Fail | Verdict::Refused) => {
            "a TRE would run it; figures that fail a rule stay there unless a data owner decides otherwise"
        }
        Some(Verdict::Review) | None => "a TRE would run it; a data owner would look at it and decide",
        Some(Verdict::Pass | Verdict::NotApplicable) => {
            "a TRE would run it and every rule passes; a data owner decides, or has decided by a standing approval"
        }
    });
}

fn answer(component: &Component, dataset: &str, shown: &Shown<'_>, tried: &Tried, refused: &[String]) -> Value {
    let outputs = tried.outputs.as_deref().unwrap_or_default();
    json!({
        "ok": refused.is_empty(),
        "component": component.digest, "component_name": component.name, "dataset": dataset, "parameters": shown.parameters,
        "statements": shown.context.statements, "log": shown.context.log, "thresholds": shown.rules,
        "outputs": outputs.iter().map(told).collect::<Vec<_>>(),
        "refused": refused,
        "used": {
            "milliseconds": u64::try_from(tried.usage.wall.as_millis()).unwrap_or(u64::MAX), "memory_bytes": tried.usage.memory_bytes,
            "queries": tried.usage.queries, "rows": tried.usage.rows, "bytes": tried.usage.bytes,
            "witnessed_rows": tried.usage.witnessed_rows,
        },
    })
}
