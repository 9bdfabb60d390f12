//! `quintes verify`: a fetched folder, checked from the root to the last byte without asking anybody.

use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::folder;
use anyhow::anyhow;
use protocol::audit::{Report, Verdict};
use protocol::wire::id::NetworkId;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Says who asked, what ran, under which rules, and who let it out, and checks each signature, grant, quorum and byte. Give the federation's id
with --network; without it the id is printed, and you compare it with the one that you were given.

Example:
  quintes verify stroke --network 9f3c…")]
pub(crate) struct Args {
    /// The folder that `quintes fetch` wrote.
    dir: PathBuf,
    /// The federation's id.
    #[arg(long, env = "QUINTES_NETWORK", value_name = "ID")]
    network: Option<NetworkId>,
}

/// Verifies.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut report = folder::audit(&args.dir, args.network)?;
    // Reading the tables back is a check of its own.
    report.answers();
    let rows: Vec<Vec<String>> = report
        .steps
        .iter()
        .map(|step| {
            vec![
                symbol(step.verdict).to_owned(),
                step.tre.clone().unwrap_or_default(),
                step.what.clone(),
                plain(&step.detail),
            ]
        })
        .collect();
    speak.table(&["", "TRE", "step", "found"], &rows);
    let failed = failures(&args.dir, &report);
    speak.answer(json!({
        "ok": report.ok(), "network": report.network, "task": report.submission.as_ref().map(|submission| submission.id()),
        "steps": report.steps, "files": failed,
    }));
    if report.ok() {
        speak.say("everything holds");
        return Ok(());
    }
    let error = broken(&failed);
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

/// The files in which something fails, each once.
fn failures(dir: &Path, report: &Report) -> BTreeSet<String> {
    let failed = report.steps.iter().filter(|step| step.verdict == Verdict::Fails);
    failed.map(|step| folder::file_of(dir, step).display().to_string()).collect()
}

fn broken(files: &BTreeSet<String>) -> anyhow::Error {
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    anyhow!("the folder does not hold; see {}: do not use it, and fetch it again into another folder", files.join(", "))
}

/// Audits a folder for a verb that only works with one that holds.
///
/// # Errors
/// Naming the files in which something fails.
pub(crate) fn sound(dir: &Path, network: Option<NetworkId>) -> anyhow::Result<Report> {
    let report = folder::audit(dir, network)?;
    if report.ok() { Ok(report) } else { Err(broken(&failures(dir, &report))) }
}

/// The steps of a report, as data.
pub(crate) fn notes(report: &Report) -> Vec<Value> {
    report.steps.iter().filter(|step| step.verdict == Verdict::Note).map(|step| json!(step)).collect()
}
