//! `quintes review export`, `sign` and `import`: a review goes to a machine without a network as a sealed file, the decision comes back.

use super::decide::{What, choice, sign as decide};
use super::show::{Part, earlier_outputs, show};
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{Known, LinkOptions, beside, online};
use crate::cli::speak::{Speak, plain};
use crate::clock::now;
use crate::review::bundle::Bundle;
use crate::review::examine;
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
    /// Approve every output, or with names these, each with a reason of its own where one is given.
    #[arg(long, value_name = "NAME[=REASON]", num_args = 0.., conflicts_with = "show")]
    approve: Option<Vec<String>>,
    /// Reject every output, or with names these.
    #[arg(long, value_name = "NAME[=REASON]", num_args = 0.., conflicts_with = "show")]
    reject: Option<Vec<String>>,
    /// Take your earlier decision back.
    #[arg(long, conflicts_with_all = ["show", "approve", "reject", "reason"])]
    withdraw: bool,
    /// Show the review and sign nothing.
    #[arg(long)]
    show: bool,
    /// Why, where an output has no reason of its own; the researcher reads it.
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
    let (review, earlier, known) = online(async {
        let mut link = args.link.open(None).await?;
        let (review, known) = super::open(&mut link, &args.id, &args.federation).await?;
        let earlier = earlier_outputs(&mut link, &review).await?;
        Ok((review, earlier, known))
    })?;
    // What is not checked here is not carried anywhere; and the reviewer sees there what may be seen here.
    let believed = super::believed(&review, &known);
    let review = examine(review, &believed)?.blind(Some(&args.reviewer)).review;
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
        earlier,
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
    let Bundle { network, statements, review, earlier } = Bundle::open(&sealed, &identity)?;
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
        let viewer = super::viewer(&args.signing.key, &known.now().roster)?;
        let examined = examine(review, &believed)?.blind(Some(&viewer));
        speak.answer(show(&examined, &earlier, Part { outputs: &[], all_rows: args.all_rows }, speak));
        return Ok(());
    }
    let chosen = match (&args.approve, &args.reject) {
        (None, None) if args.withdraw => None,
        (None, None) => bail!("nothing was decided; give --approve, --reject or --withdraw, or look at it with --show"),
        (None, Some(rejected)) => Some(choice(&[], rejected, &args.reason, false)),
        (Some(approved), rejected) => {
            Some(choice(approved, rejected.as_deref().unwrap_or_default(), &args.reason, true))
        }
    };
    let what = match &chosen {
        Some(choice) => What::Decide { choice, all_rows: args.all_rows },
        None => What::Withdraw,
    };
    let out = args.out.as_ref().ok_or_else(|| anyhow!("no file for the decision; give --out FILE.quintes"))?;
    let signer = args.signing.open(speak)?;
    let mut desk = Desk::at(known.now(), &args.federation.federation, signer, args.signing.yes, now(), speak);
    let signed = decide(review, &earlier, &known, &what, &mut desk)?;
    let bytes: Vec<&[u8]> = signed.statements.iter().map(|statement| statement.bytes().as_ref()).collect();
    statements::write_new(out, &bytes)?;
    speak.say(&format!("  → {}: carry it back, and run `quintes review import` there", out.display()));
    signed.tell(json!({ "file": out.display().to_string() }), speak);
    Ok(())
}

pub(super) fn import(args: &ImportArgs, speak: &Speak) -> anyhow::Result<()> {
    let decisions = statements::read(&args.file)?;
    let ours = [Ok(Kind::Attestation), Ok(Kind::Comment)];
    let kind = |bytes: &Vec<u8>| Signed::parse(bytes).map(|signed| signed.kind());
    if decisions.iter().any(|bytes| !ours.contains(&kind(bytes))) {
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
        speak.say("  → the node has it; `quintes review list` says what is still missing");
        speak.answer(json!({ "attestations": taken }));
        Ok(())
    })
}
