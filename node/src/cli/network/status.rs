//! `quintes network status`: a root person's word on which revocations there are, good for a day or a few.

use crate::cli::desk::{Desk, FederationOptions, SigningOptions, until};
use crate::cli::speak::Speak;
use crate::cli::words;
use anyhow::{anyhow, bail};
use protocol::ingress::Statement;
use protocol::record::payload::DAY;
use protocol::record::status::Status;
use protocol::wire::id::StatementId;
use serde_json::json;
use std::collections::BTreeSet;

/// For how long.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example, for a daily timer:
  quintes network status --key agent:alice.pub --yes")]
pub(crate) struct Args {
    /// For how many days it is good, at most 31. Shorter is safer: a node that was cut off stops sooner.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=31))]
    days: u64,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Makes a status with the next epoch.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut desk = Desk::open(&args.federation, &args.signing, &[], speak)?;
    let me = desk.root_person("make a status")?;
    // Expired ones count here: a node that knows one takes only a higher epoch for newer.
    let epochs = desk.federation.all().filter_map(|one| match one {
        Statement::Status(status) => Some(status.payload().epoch),
        _ => None,
    });
    let epoch = epochs
        .max()
        .unwrap_or(0)
        .checked_add(1)
        .ok_or_else(|| anyhow!("a status of the last epoch there is was made; found the federation anew"))?;
    let revocations: BTreeSet<StatementId> = desk.federation.statements.iter().filter_map(revocation_id).collect();
    let root_version = match desk.federation.roster.root() {
        Some(root) => root.version,
        None => bail!("the root is not complete; let its root persons sign it"),
    };
    let status = Status { epoch, root_version, revocations: revocations.into_iter().collect() };
    let lifetime = args.days * DAY;
    let statement = desk.sign(&status, &me.name, lifetime, &words::status(&status, desk.now + lifetime))?;
    speak.say(&format!("trust is fresh until {}", until(&statement)));
    desk.finish(
        json!({ "epoch": epoch, "revocations": status.revocations.len(), "expires": statement.claims().expires }),
    );
    Ok(())
}

fn revocation_id(statement: &Statement) -> Option<StatementId> {
    matches!(statement, Statement::Revocation(_)).then(|| statement.id())
}
