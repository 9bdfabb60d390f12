//! `quintes dataset`: what a dataset exposes, and what keeps it from being opened.

use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::config::{Config, Dataset};
use crate::dataset::{OpenError, open};
use anyhow::{Context as _, bail};
use sandbox::database::{Database, Fault, Relation};
use sandbox::statement::admit;
use sandbox::value::{ColumnData, ColumnType};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How long counting the rows of a dataset may take.
const COUNTING: Duration = Duration::from_secs(300);

/// The verbs of a dataset.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say what each dataset exposes, and what makes it unsafe with what mends it.
    Check(Check),
}

/// Which datasets.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Opens each dataset as the node would. Relations, columns and types are shown, of the rows only how many digits their number has.
Exit code 1 when one cannot be opened: the node would not open it either.

Examples:
  quintes dataset check --config ./london/node.toml
  quintes dataset check --config ./london/node.toml omop --json")]
pub(crate) struct Check {
    /// Only this dataset.
    name: Option<String>,
    /// The node.toml.
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let Verb::Check(check) = &args.verb;
    let config = Config::read(&check.config)?;
    let wanted = |dataset: &&Dataset| check.name.as_ref().is_none_or(|name| *name == dataset.name);
    let datasets: Vec<&Dataset> = config.datasets.iter().filter(wanted).collect();
    if datasets.is_empty() {
        let there: Vec<&str> = config.datasets.iter().map(|dataset| dataset.name.as_str()).collect();
        bail!("`{}` has no such dataset; it has: {}", check.config.display(), there.join(", "));
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the system gave no threads")?;
    let (mut answers, mut is_ok) = (Vec::new(), true);
    for dataset in datasets {
        let answer = runtime.block_on(look(dataset, speak));
        is_ok &= answer["ok"] == json!(true);
        answers.push(answer);
    }
    speak.answer(json!({ "ok": is_ok, "datasets": answers }));
    if is_ok { Ok(()) } else { Err(AlreadySaid.into()) }
}

async fn look(dataset: &Dataset, speak: &Speak) -> Value {
    let (name, engine) = (&dataset.name, dataset.engine().name());
    match open(dataset).await {
        Ok(database) => {
            speak.line(&format!("{name}: {engine}, safe to open"));
            let sizes = sizes(database.as_ref()).await;
            let relations = database.relations().iter().zip(sizes).map(|(relation, size)| shown(relation, size, speak));
            json!({ "name": name, "engine": engine, "ok": true, "relations": relations.collect::<Vec<_>>() })
        }
        Err(error) => {
            speak.line(&format!("{name}: {engine}, not opened"));
            let faults = faults(&error);
            for Fault { sentence, remedy } in &faults {
                speak.line(&format!("  error: {sentence}\n    {remedy}"));
            }
            let faults = faults.iter().map(|fault| json!({ "sentence": fault.sentence, "remedy": fault.remedy }));
            json!({ "name": name, "engine": engine, "ok": false, "faults": faults.collect::<Vec<_>>() })
        }
    }
}

/// What is unsafe, or else the one thing that is wrong.
fn faults(error: &OpenError) -> Vec<Fault> {
    if !error.faults().is_empty() {
        let plainly = |fault: &Fault| Fault { sentence: plain(&fault.sentence), remedy: plain(&fault.remedy) };
        return error.faults().iter().map(plainly).collect();
    }
    let text = error.to_string();
    let (sentence, remedy) = text.split_once(": ").unwrap_or((&text, "correct it"));
    // what a server said goes to its operator, on this machine
    let said = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    vec![Fault { sentence: plain(&format!("{sentence}{said}")), remedy: plain(remedy) }]
}

fn shown(relation: &Relation, size: &'static str, speak: &Speak) -> Value {
    let subject = relation.subject.as_deref();
    let role = subject.map_or_else(|| "reference data".to_owned(), |subject| format!("subject {subject}"));
    speak.line(&format!("  {}: {size}, {role}", relation.name));
    let columns = relation.columns.iter().map(|column| {
        let ty = type_name(column.ty);
        speak.line(&format!("    {} {ty}{}", column.name, if column.nullable { "" } else { ", never null" }));
        json!({ "name": column.name, "type": ty, "nullable": column.nullable })
    });
    let columns: Vec<Value> = columns.collect();
    json!({ "name": relation.name, "size": size, "subject": subject, "columns": columns })
}

/// How many rows each relation has, as a class.
async fn sizes(database: &dyn Database) -> Vec<&'static str> {
    let Ok(session) = database.begin(COUNTING).await else {
        return vec!["not counted"; database.relations().len()];
    };
    let mut sizes = Vec::new();
    for relation in database.relations() {
        let counted = async {
            let sql = format!("SELECT count(*) AS n FROM {}", relation.name);
            let statement = admit(&sql, database.dialect(), database.relations()).ok()?;
            let batch = session.query(&statement, &[]).await.ok()?.next().await.ok()??;
            match &batch.columns.first()?.data {
                ColumnData::Int64(counts) => counts.first().copied(),
                _ => None,
            }
        };
        sizes.push(counted.await.map_or("not counted", size_class));
    }
    sizes
}

fn size_class(rows: i64) -> &'static str {
    match rows {
        ..=0 => "no rows",
        1..=9 => "fewer than 10 rows",
        10..=99 => "tens of rows",
        100..=999 => "hundreds of rows",
        1_000..=999_999 => "thousands of rows",
        1_000_000..=999_999_999 => "millions of rows",
        1_000_000_000.. => "billions of rows",
    }
}

fn type_name(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "boolean",
        ColumnType::Int64 => "int64",
        ColumnType::Float64 => "float64",
        ColumnType::Decimal => "decimal",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytes",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
    }
}
