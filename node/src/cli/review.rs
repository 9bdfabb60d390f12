//! `quintes review`: what waits for a data owner, what it is in every detail, and the decision, signed over exactly the bytes shown.

mod carry;
pub(crate) mod comment;
mod decide;
mod list;
mod said;
mod serve;
pub(crate) mod show;

use crate::cli::desk::{FederationOptions, read_public};
use crate::cli::link::{Known, Link};
use crate::cli::speak::{Speak, plain};
use crate::door::{Answer, Ask, Review, Waiting};
use anyhow::{anyhow, bail};
use keys::keyfile;
use protocol::audit::Believed;
use protocol::record::submission::TaskId;
use protocol::trust::roster::Roster;
use std::path::Path;

/// The verbs of a reviewer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List what waits for review at this TRE, and what ran before.
    List(list::Args),
    /// Show who asked, what ran, the outputs and what the rules say about them.
    Show(show::Args),
    /// Sign that outputs may leave.
    Approve(decide::ApproveArgs),
    /// Sign that outputs may not leave.
    Reject(decide::RejectArgs),
    /// Take your decision back, while nothing has left.
    Withdraw(decide::WithdrawArgs),
    /// Ask the submitter something; the task stays held until you decide.
    Return(comment::ReturnArgs),
    /// Say something to the other reviewers, or to every member.
    Comment(comment::CommentArgs),
    /// Write a review into a sealed file, for a machine without a network.
    Export(carry::ExportArgs),
    /// Show and decide a review from a sealed file, without a network.
    Sign(carry::SignArgs),
    /// Serve the review page for your browser.
    Serve(serve::Args),
    /// Bring a decision that was signed elsewhere to the node.
    Import(carry::ImportArgs),
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    match args.verb {
        Verb::List(args) => list::run(&args, speak),
        Verb::Show(args) => show::run(&args, speak),
        Verb::Approve(args) => decide::approve(&args, speak),
        Verb::Reject(args) => decide::reject(&args, speak),
        Verb::Withdraw(args) => decide::withdraw(&args, speak),
        Verb::Return(args) => comment::ask_back(&args, speak),
        Verb::Comment(args) => comment::comment(&args, speak),
        Verb::Export(args) => carry::export(&args, speak),
        Verb::Serve(args) => serve::run(&args, speak),
        Verb::Sign(args) => carry::sign(&args, speak),
        Verb::Import(args) => carry::import(&args, speak),
    }
}

/// The person to whom a key belongs. Only its public half is read: looking needs no passphrase.
fn viewer(key: &str, roster: &Roster) -> anyhow::Result<String> {
    let public = match key.strip_prefix("agent:") {
        Some(public) => read_public(Path::new(public))?,
        None => read_public(&keyfile::public_path(Path::new(key)))?,
    };
    let holder = roster.holder(&public.id()).ok_or_else(|| {
        anyhow!("the key {} belongs to nobody in this federation; give another with --key", public.fingerprint())
    })?;
    Ok(holder.name)
}

/// As [`viewer`], with what the node knows of the federation; nobody without a key.
async fn open_viewer(
    key: Option<&str>,
    link: &mut Link,
    federation: &FederationOptions,
) -> anyhow::Result<Option<String>> {
    match key {
        Some(key) => Ok(Some(viewer(key, &link.known(federation).await?.now().roster)?)),
        None => Ok(None),
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
    further.extend([review.submission.clone(), review.project.clone()]);
    known.with(&further)
}
