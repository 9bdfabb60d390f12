//! `quintes audit`: a TRE's log, brought away, checked by anybody, recovered after a loss; and those who told two stories.

mod export;
mod forks;
mod recover;
mod state;
mod verify;

use crate::cli::speak::{AlreadySaid, Speak, plain};
use anyhow::anyhow;
use protocol::audit::{Step, Verdict};
use protocol::chain::Contradiction;
use serde_json::{Value, json};

/// The verbs of the log.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write a TRE's whole log into one file that anyone can check.
    Export(export::Args),
    /// Check an exported log, a node's own state, or the proof of a fork; offline.
    Verify(verify::Args),
    /// Let a node go on that was restored from a backup.
    Recover(recover::Args),
    /// Show who has told two stories, of a log, of a task or with a person's key, and write the proof.
    Forks(forks::Args),
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    match args.verb {
        Verb::Export(args) => export::run(&args, speak),
        Verb::Verify(args) => verify::run(&args, speak),
        Verb::Recover(args) => recover::run(&args, speak),
        Verb::Forks(args) => forks::run(&args, speak),
    }
}

/// A contradiction as JSON.
fn contradiction(one: &Contradiction) -> Value {
    let about = one.once.map(|(kind, task)| json!({ "kind": kind.to_string(), "task": task }));
    json!({ "author": one.author, "about": about, "first": one.first, "second": one.second })
}

/// Prints the steps of an audit, and fails when one fails.
fn tell(steps: &[Step], mut answer: Value, failure: &str, speak: &Speak) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| vec![symbol(step.verdict).to_owned(), step.what.clone(), plain(&step.detail)])
        .collect();
    speak.table(&["", "step", "found"], &rows);
    let failing = steps.iter().filter(|step| step.verdict == Verdict::Fails).count();
    answer["ok"] = json!(failing == 0);
    answer["steps"] = json!(steps);
    speak.answer(answer);
    if failing == 0 {
        speak.say("everything holds");
        return Ok(());
    }
    let error = anyhow!("{failing} of {} steps fail: {failure}", steps.len());
    if speak.is_json() {
        speak.say(&error.to_string());
        return Err(AlreadySaid.into());
    }
    Err(error)
}

/// Text and symbol together: neither colour nor shape alone carries the verdict.
fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "✓ holds",
        Verdict::Note => "· note",
        Verdict::Fails => "✗ FAILS",
    }
}
