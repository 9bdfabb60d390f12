//! `quintes audit forks`: who has told two stories of a log, found anew from the checkpoints that a node holds, and the proof as a file.

use crate::cli::desk::FederationOptions;
use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::Speak;
use crate::statements;
use anyhow::Context as _;
use protocol::audit::log::{Proved, forks};
use protocol::record::Kind;
use protocol::wire::envelope::Signed;
use serde_json::json;
use std::path::PathBuf;

/// Where to look, and where to write the proof.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Nobody is believed: the node's checkpoints are verified here. A proof holds the two checkpoints and what it takes to believe them; anybody can
check it with `quintes audit verify --proof FILE`. A TRE that has told two stories is cosigned by nobody any more.

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
    let (known, checkpoints) = online(async {
        let mut link = args.link.open(None).await?;
        let known = link.known(&args.federation).await?;
        let ids = link.inventory(&[Kind::Checkpoint]).await?;
        Ok((known, link.statements(&ids).await?))
    })?;
    let all = || known.statements.iter().chain(&checkpoints);
    let found = forks(all().map(Vec::as_slice), known.network);
    let mut told = Vec::new();
    for one in &found {
        let file = args.out.as_ref().map(|folder| folder.join(format!("fork-{}.{}", one.tre, statements::EXTENSION)));
        if let Some(file) = &file {
            let proof = proof(one, &known.statements);
            statements::write_new(file, &proof).context("the proof was not written")?;
            speak.say(&format!("  → {}", file.display()));
        }
        speak.line(&one.sentence());
        told.push(json!({
            "tre": one.tre, "first": one.first.id(), "second": one.second.id(), "says": one.sentence(),
            "file": file.map(|file| file.display().to_string()),
        }));
    }
    if found.is_empty() {
        speak.say(&format!("no TRE has told two stories, in {} checkpoints", checkpoints.len()));
    }
    speak.answer(json!({ "forks": told, "checkpoints": checkpoints.len() }));
    Ok(())
}

/// The two checkpoints, every root and the key records of the TRE.
fn proof(one: &Proved, known: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let needed = |bytes: &&Vec<u8>| {
        Signed::parse(bytes).is_ok_and(|signed| match signed.kind() {
            Kind::Root => true,
            Kind::KeyRecord => signed.claims().subject == one.tre,
            _ => false,
        })
    };
    let checkpoints = [one.first.bytes().to_vec(), one.second.bytes().to_vec()];
    known.iter().filter(needed).cloned().chain(checkpoints).collect()
}
