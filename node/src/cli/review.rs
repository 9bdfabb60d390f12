//! `quintes review`: what waits for a data owner, what it is in every detail, and the decision, signed over exactly the bytes shown.

mod carry;
mod decide;
mod show;

use crate::cli::date::utc;
use crate::cli::desk::FederationOptions;
use crate::cli::link::{Known, Link, LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::door::{Answer, Ask, Review, Waiting};
use anyhow::bail;
use protocol::audit::Believed;
use protocol::record::submission::TaskId;
use serde_json::json;

/// The verbs of a reviewer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List what waits for review at this TRE, and what ran before.
    List(ListArgs),
    /// Show who asked, what ran, the outputs and what the rules say about them.
    Show(show::Args),
    /// Sign that outputs may leave.
    Approve(decide::ApproveArgs),
    /// Sign that outputs may not leave.
    Reject(decide::RejectArgs),
    /// Write a review into a sealed file, for a machine without a network.
    Export(carry::ExportArgs),
    /// Show and decide a review from a sealed file, without a network.
    Sign(carry::SignArgs),
    /// Bring a decision that was signed elsewhere to the node.
    Import(carry::ImportArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  quintes review list --node ./london")]
struct ListArgs {
    /// Also what is decided, failed or called back.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    link: LinkOptions,
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list(&args, speak),
        Verb::Show(args) => show::run(&args, speak),
        Verb::Approve(args) => decide::approve(&args, speak),
        Verb::Reject(args) => decide::reject(&args, speak),
        Verb::Export(args) => carry::export(&args, speak),
        Verb::Sign(args) => carry::sign(&args, speak),
        Verb::Import(args) => carry::import(&args, speak),
    }
}

fn list(args: &ListArgs, speak: &Speak) -> anyhow::Result<()> {
    let waiting = online(async { reviews(&mut args.link.open(None).await?).await })?;
    let shown: Vec<&Waiting> =
        waiting.iter().filter(|one| args.all || one.phase == protocol::lifecycle::Phase::Held).collect();
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|one| {
            vec![
                one.task.short(),
                utc(one.received),
                one.submitter.clone(),
                one.project.clone(),
                plain(&one.title),
                one.phase.to_string(),
                stands(one),
            ]
        })
        .collect();
    if rows.is_empty() {
        speak.say("nothing waits for review here; with --all decided and failed tasks are listed too");
    } else {
        speak.table(&["task", "arrived", "by", "project", "title", "phase", "decision"], &rows);
    }
    speak.answer(json!({ "reviews": shown }));
    Ok(())
}

/// What is missing for a decision, in words.
fn stands(waiting: &Waiting) -> String {
    if let Some(blocked) = &waiting.blocked {
        return format!("blocked: {blocked}");
    }
    let by = if waiting.attested_by.is_empty() {
        String::new()
    } else {
        format!("; so far {}", waiting.attested_by.join(", "))
    };
    match &waiting.missing {
        None => by.trim_start_matches("; ").to_owned(),
        Some(missing) => {
            let open: Vec<String> = missing
                .iter()
                .filter(|(_, still)| **still > 0)
                .map(|(output, still)| format!("{output} ({still} more)"))
                .collect();
            if open.is_empty() { format!("complete{by}") } else { format!("waits for {}{by}", open.join(", ")) }
        }
    }
}

async fn reviews(link: &mut Link) -> anyhow::Result<Vec<Waiting>> {
    match link.ask_at_door(&Ask::Reviews).await? {
        Answer::Reviews(waiting) => Ok(waiting),
        _ => bail!("the node answered another question; are both programs of the same version?"),
    }
}

/// The one review whose task begins with `prefix`, with all that it takes to check it.
async fn open(link: &mut Link, prefix: &str, federation: &FederationOptions) -> anyhow::Result<(Review, Known)> {
    let prefix = prefix.to_ascii_lowercase();
    let found: Vec<TaskId> = reviews(link)
        .await?
        .into_iter()
        .map(|one| one.task)
        .filter(|task| task.to_string().starts_with(&prefix))
        .collect();
    let task = match found.as_slice() {
        [one] => *one,
        [] => bail!("no task here begins with `{}`; see `quintes review list --all`", plain(&prefix)),
        several => bail!("{} tasks here begin with `{}`; give more digits", several.len(), plain(&prefix)),
    };
    let known = link.known(federation).await?;
    match link.ask_at_door(&Ask::Review(task)).await? {
        Answer::Review(review) => Ok((*review, known)),
        _ => bail!("the node answered another question; are both programs of the same version?"),
    }
}

/// The federation's statements and those of the review, believed together.
fn believed(review: &Review, known: &Known) -> Believed {
    let mut further: Vec<Vec<u8>> = review.statements.iter().map(|bytes| bytes.to_vec()).collect();
    further.push(review.submission.clone());
    known.with(&further)
}
