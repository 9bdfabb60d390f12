//! `quintes network import` and `export`: statements travel as files where no network reaches.

use crate::cli::desk::{FederationOptions, place, told};
use crate::cli::link::LinkOptions;
use crate::cli::speak::Speak;
use crate::cli::words;
use crate::clock::now;
use crate::statements;
use anyhow::bail;
use protocol::wire::id::StatementId;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What to take in.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  quintes network import heart.quintes --federation ./federation")]
pub(crate) struct ImportArgs {
    /// Statement files, or folders of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Bring them to this running node instead: its folder on this machine, or its address in the network.
    #[arg(long, value_name = "PATH|ADDRESS")]
    node: Option<String>,
    /// With which key to connect over the network.
    #[arg(long, env = "QUINTES_PEER_KEY", value_name = "FILE.peer")]
    peer_key: Option<PathBuf>,
    #[command(flatten)]
    federation: FederationOptions,
}

/// What to give away.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  quintes network export heart.quintes --federation ./federation")]
pub(crate) struct ExportArgs {
    /// The file to write; it is never overwritten.
    file: PathBuf,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Places every statement that verifies; what does not is named, and the exit code says so.
pub(crate) fn import(args: &ImportArgs, speak: &Speak) -> anyhow::Result<()> {
    if args.node.is_some() {
        let (node, peer_key) = (args.node.clone(), args.peer_key.clone());
        let link = LinkOptions { node, peer_key, ..LinkOptions::default() };
        return super::offer::run(&args.files, &args.federation, &link, speak);
    }
    let now = now();
    let held: BTreeSet<StatementId> = match args.federation.load(&[], now) {
        Ok(held) => held.all().map(protocol::ingress::Statement::id).collect(),
        // There may be no folder or no root yet: the files may bring one.
        Err(_) => BTreeSet::new(),
    };
    let federation = args.federation.load(&args.files, now)?;
    let mut taken = Vec::new();
    for statement in federation.statements.iter().filter(|one| !held.contains(&one.id())) {
        let path = place(&args.federation.federation, statement)?;
        speak.say(&format!("  → {} in {}", words::title(statement), path.display()));
        speak.line(&statement.id().to_string());
        taken.push(told(statement, Some(&path)));
    }
    let within = |one: &&statements::Refused| !one.file.starts_with(&args.federation.federation);
    let refused: Vec<&statements::Refused> = federation.refused.iter().filter(within).collect();
    for one in &refused {
        speak.warn(&format!("{}: {}", one.file.display(), one.reason));
    }
    speak.say(&format!(
        "{} new statements, {} expired, {} refused",
        taken.len(),
        federation.expired.len(),
        refused.len()
    ));
    if refused.is_empty() {
        speak.answer(json!({ "network": federation.roster.network().to_string(), "statements": taken }));
        return Ok(());
    }
    bail!(
        "{} of the files' statements were not believed ({}); what was believed is in the folder, ask for the rest again",
        refused.len(),
        refused.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>().join("; "),
    )
}

/// Writes the folder's statements as one CBOR sequence, each after what it needs.
pub(crate) fn export(args: &ExportArgs, speak: &Speak) -> anyhow::Result<()> {
    let federation = args.federation.load(&[], now())?;
    let bytes: Vec<&[u8]> = federation.statements.iter().map(|one| one.bytes().as_ref()).collect();
    statements::write_new(&args.file, &bytes)?;
    speak.say(&format!("{} statements → {}", bytes.len(), args.file.display()));
    speak.line(&args.file.display().to_string());
    speak.answer(json!({ "file": args.file.display().to_string(), "count": bytes.len() }));
    Ok(())
}
