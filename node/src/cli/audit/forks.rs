//! `quintes audit forks`: who has told two stories, of a log, of a task or with a person's key, found anew from what a node holds, and the proof as a file.

use super::contradiction;
use crate::cli::desk::FederationOptions;
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::statements;
use anyhow::Context as _;
use protocol::audit::log::{contradictions, forks};
use protocol::record::Kind;
use protocol::wire::envelope::Signed;
use protocol::wire::id::StatementId;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Where to look, and where to write the proof.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Nobody is believed: what the node holds is verified here. A proof holds the two statements and what it takes to believe them; anybody can
check it with `quintes audit verify --proof FILE`. A TRE that has told two stories is cosigned by nobody any more. Of two statements that a
person's key has put at one place in its chain neither starts a task; the key stays good, for its holder may have signed on two machines.
Of two runs or releases that a TRE tells of one task, believe neither before its operator has said why: a restored node can have made them.

Example:
  quintes audit forks --node ./hub --out .")]
pub(super) struct Args {
    /// Write a proof of each fork into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Looks and writes.
pub(super) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let (known, said) = online(async {
        let mut link = args.link.open(None).await?;
        let known = link.known(&args.federation).await?;
        let ids =
            link.inventory(&[Kind::Checkpoint, Kind::Submission, Kind::Cancellation, Kind::Run, Kind::Release]).await?;
        Ok((known, link.statements(&ids).await?))
    })?;
    let all = || known.statements.iter().chain(&said);
    let found = forks(all().map(Vec::as_slice), known.network);
    let chains = contradictions(all().map(Vec::as_slice), known.network);
    let mut told = Vec::new();
    for one in &found {
        let file = args.out.as_ref().map(|folder| folder.join(format!("fork-{}.{}", one.tre, statements::EXTENSION)));
        if let Some(file) = &file {
            let pair = [one.first.bytes().to_vec(), one.second.bytes().to_vec()];
            write(file, proof(&one.tre, pair, &known.statements), speak)?;
        }
        speak.line(&one.sentence());
        told.push(json!({
            "tre": one.tre, "first": one.first.id(), "second": one.second.id(), "says": one.sentence(),
            "file": file.map(|file| file.display().to_string()),
        }));
    }
    let mut contradicting = Vec::new();
    for one in &chains {
        let name = format!("fork-{}-{}.{}", one.author, one.second.short(), statements::EXTENSION);
        let file = args.out.as_ref().map(|folder| folder.join(name));
        if let Some(file) = &file {
            let pair = said.iter().filter(|bytes| [one.first, one.second].contains(&StatementId::of(bytes))).cloned();
            write(file, proof(&one.author, pair, &known.statements), speak)?;
        }
        speak.line(&plain(&one.sentence()));
        let mut told = contradiction(one);
        told["says"] = json!(one.sentence());
        told["file"] = json!(file.map(|file| file.display().to_string()));
        contradicting.push(told);
    }
    if found.is_empty() && chains.is_empty() {
        speak.say(&format!(
            "nobody has told two stories, in {} checkpoints, submissions, cancellations, runs and releases",
            said.len()
        ));
    }
    speak.answer(json!({ "forks": told, "contradictions": contradicting, "looked_at": said.len() }));
    Ok(())
}

fn write(file: &Path, proof: Vec<Vec<u8>>, speak: &Speak) -> anyhow::Result<()> {
    statements::write_new(file, &proof).context("the proof was not written")?;
    speak.say(&format!("  → {}", file.display()));
    Ok(())
}

/// The two statements, every root and the key records of who has signed them.
fn proof(author: &str, pair: impl IntoIterator<Item = Vec<u8>>, known: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let needed = |bytes: &&Vec<u8>| {
        Signed::parse(bytes).is_ok_and(|signed| match signed.kind() {
            Kind::Root => true,
            Kind::KeyRecord => signed.claims().subject == author,
            _ => false,
        })
    };
    known.iter().filter(needed).cloned().chain(pair).collect()
}
