//! `quintes network enrol`: a root person signs the key records of persons and nodes, which makes them members.

use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::network::sign::sign_key_record;
use crate::cli::speak::Speak;
use crate::statements;
use anyhow::bail;
use protocol::ingress::Statement;
use protocol::wire::id::StatementId;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Whom to enrol.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Compare the fingerprint with what the person tells you, by another way than the file came.

Example:
  quintes network enrol bob.request london/london.request --key alice")]
pub(crate) struct Args {
    /// The request files of `quintes key new` and `quintes node init`.
    #[arg(required = true)]
    requests: Vec<PathBuf>,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Enrols everybody in the files, or nobody when one of them cannot be believed.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut wanted: BTreeSet<StatementId> = BTreeSet::new();
    for file in &args.requests {
        wanted.extend(statements::read(file)?.iter().map(|bytes| StatementId::of(bytes)));
    }
    // Without a folder there is no root, and a request alone founds nothing.
    args.federation.load(&[], crate::clock::now())?;
    let mut desk = Desk::open(&args.federation, &args.signing, &args.requests, speak)?;
    desk.root_person("enrol anybody")?;
    if let Some(refused) = desk.federation.refused.iter().find(|one| one.id.is_some_and(|id| wanted.contains(&id))) {
        bail!("`{}` was not believed: {}", refused.file.display(), refused.reason);
    }
    let found: Vec<Statement> =
        desk.federation.statements.iter().filter(|one| wanted.contains(&one.id())).cloned().collect();
    if let Some(other) = found.iter().find(|one| !matches!(one, Statement::KeyRecord(_))) {
        bail!("a {} is no request to be enrolled; give the `.request` file", other.kind());
    }
    if found.is_empty() {
        bail!("no request is in force; ask for new ones");
    }
    let mut enrolled = Vec::new();
    for statement in &found {
        let Statement::KeyRecord(record) = statement else { continue };
        let record = record.payload();
        if !sign_key_record(&mut desk, record)? {
            speak.say(&format!("{} is enrolled by your signature already", record.name));
        }
        desk.keep(statement)?;
        enrolled.push(record.name.clone());
    }
    desk.finish(json!({ "enrolled": enrolled }));
    Ok(())
}
