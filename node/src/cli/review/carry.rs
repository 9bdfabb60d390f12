//! `quintes review export`, `sign` and `import`: a review goes to a machine without a network as a sealed file, the decision comes back.

use super::decide::{choice, sign as decide};
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{Known, LinkOptions, beside, online};
use crate::cli::speak::{Speak, plain};
use crate::clock::now;
use crate::review::bundle::Bundle;
use crate::statements;
use anyhow::{Context as _, anyhow, bail};
use keys::at_rest::{self, PRIVATE};
use keys::seal::Identity;
use protocol::record::Kind;
use protocol::wire::envelope::Signed;
use serde_bytes::ByteBuf;
use serde_json::json;
use std::path::PathBuf;

/// The largest sealed file, in bytes.
const MAX_BYTES: u64 = 300 * 1024 * 1024;

/// What to carry away.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The file holds outputs that have not been released. It is sealed to the reviewer, whose key record names the recipient.

Example:
  quintes review export 3fa8 review.sealed --for carol --node ./london")]
pub(super) struct ExportArgs {
    /// The beginning of the task's id.
    id: String,
    /// The file to write; it is never overwritten.
    file: PathBuf,
    /// The reviewer who can open it.
    #[arg(long = "for", value_name = "PERSON")]
    reviewer: String,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

/// What to decide without a network.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  quintes review sign review.sealed --approve --reason \"nothing rare\" --key carol --out decision.quintes")]
pub(super) struct SignArgs {
    /// The sealed review.
    file: PathBuf,
    /// Approve every output, or with names these.
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with = "show")]
    approve: Option<Vec<String>>,
    /// Reject every output, or with names these.
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with = "show")]
    reject: Option<Vec<String>>,
    /// Show the review and sign nothing.
    #[arg(long)]
    show: bool,
    /// Why; the researcher reads it.
    #[arg(long, default_value = "")]
    reason: String,
    /// Show every row, not only the first 40.
    #[arg(long)]
    all_rows: bool,
    /// The file for the decision; it is never overwritten.
    #[arg(long, value_name = "FILE.quintes", required_unless_present = "show")]
    out: Option<PathBuf>,
    /// The age identity that opens the review, when it does not lie beside the key.
    #[arg(long, value_name = "FILE.age")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// What to bring back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  quintes review import decision.quintes --node ./london")]
pub(super) struct ImportArgs {
    /// The decision.
    file: PathBuf,
    #[command(flatten)]
    link: LinkOptions,
}

pub(super) fn export(args: &ExportArgs, speak: &Speak) -> anyhow::Result<()> {
    let (review, known) = online(async {
        let mut link = args.link.open(None).await?;
        super::open(&mut link, &args.id, &args.federation).await
    })?;
    let federation = known.now();
    let holders = federation.roster.holders(now());
    let recipient =
        holders.iter().find(|holder| holder.name == args.reviewer).and_then(|holder| holder.recipient.clone());
    let recipient = recipient.ok_or_else(|| {
        anyhow!("{} is not enrolled with a recipient to which the review could be sealed; send `quintes key request` to a root person", plain(&args.reviewer))
    })?;
    let task = review.waiting.task;
    let bundle = Bundle {
        network: known.network,
        statements: known.statements.into_iter().map(ByteBuf::from).collect(),
        review,
    };
    at_rest::place_new(&args.file, &bundle.seal(&recipient)?, PRIVATE)?;
    speak.say(&format!("  → sealed to {}: outputs that have not been released are in it", args.reviewer));
    speak.line(&args.file.display().to_string());
    speak.answer(json!({ "task": task, "file": args.file.display().to_string(), "for": args.reviewer }));
    Ok(())
}

pub(super) fn sign(args: &SignArgs, speak: &Speak) -> anyhow::Result<()> {
    let path = args.identity.clone().unwrap_or_else(|| beside(&args.signing.key, "age"));
    let identity = Identity::open_file(&path, || args.signing.passphrase.get(&format!("`{}`", path.display()), speak))
        .context("the review cannot be opened without your age identity; give it with --identity")?;
    let sealed = at_rest::read_private(&args.file, MAX_BYTES)?;
    let Bundle { network, statements, review } = Bundle::open(&sealed, &identity)?;
    let expected = args.federation.network(now()).context(
        "this machine does not know the federation; give --network with its id, or --federation with a folder that holds its root",
    )?;
    if network != expected {
        bail!(
            "the review is of the federation {network}, not of {expected}; sign nothing, and ask where the file is from"
        );
    }
    let known = Known { network, statements: statements.into_iter().map(ByteBuf::into_vec).collect() };
    if args.show {
        let believed = super::believed(&review, &known);
        let examined = crate::review::examine(review, &believed)?;
        speak.answer(super::show::show(&examined, super::show::Part { outputs: &[], all_rows: args.all_rows }, speak));
        return Ok(());
    }
    let chosen = match (&args.approve, &args.reject) {
        (None, None) => bail!("nothing was decided; give --approve or --reject, or look at it with --show"),
        (None, Some(rejected)) => choice(&[], rejected, &args.reason, false),
        (Some(approved), rejected) => choice(approved, rejected.as_deref().unwrap_or_default(), &args.reason, true),
    };
    let out = args.out.as_ref().ok_or_else(|| anyhow!("no file for the decision; give --out FILE.quintes"))?;
    let signer = args.signing.open(speak)?;
    let mut desk = Desk::at(known.now(), &args.federation.federation, signer, args.signing.yes, now(), speak);
    let (statement, task) = decide(review, &known, &chosen, args.all_rows, &mut desk)?;
    statements::write_new(out, &[statement.bytes()])?;
    speak.say(&format!("  → {}: carry it back, and run `quintes review import` there", out.display()));
    speak.line(&statement.id().to_string());
    speak.answer(json!({ "task": task, "attestation": statement.id(), "file": out.display().to_string() }));
    Ok(())
}

pub(super) fn import(args: &ImportArgs, speak: &Speak) -> anyhow::Result<()> {
    let decisions = statements::read(&args.file)?;
    let other = decisions.iter().any(|bytes| Signed::parse(bytes).map(|signed| signed.kind()) != Ok(Kind::Attestation));
    if other {
        bail!(
            "`{}` holds other statements than decisions; take those in with `quintes network import`",
            args.file.display()
        );
    }
    online(async {
        let mut link = args.link.open(None).await?;
        let mut taken = Vec::new();
        for bytes in &decisions {
            link.offer(bytes).await?;
            let id = protocol::wire::id::StatementId::of(bytes);
            speak.line(&id.to_string());
            taken.push(id);
        }
        speak.say("  → the node has it; once every output is decided, approved ones are released and the others stay");
        speak.answer(json!({ "attestations": taken }));
        Ok(())
    })
}
