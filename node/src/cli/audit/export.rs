//! `quintes audit export`: a running TRE's log as one file, without a payload of anything that is not everyone's.

use crate::cli::link::{LinkOptions, online};
use crate::cli::speak::Speak;
use crate::door::{Answer, Ask};
use crate::store::write_durably;
use anyhow::{Context as _, bail};
use protocol::audit::log::{Export, verify_log};
use serde_json::json;
use std::path::PathBuf;

/// Whose log, and where to.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The file holds every entry that a checkpoint covers (what it is about as a digest, its kind, a coarse time), every checkpoint and cosignature,
the statements that it takes to believe them, and those statements of the log that are everyone's. Nothing under review is in it.

Example:
  quintes audit export --node ./london --out london.log")]
pub(super) struct Args {
    /// The file to write; it is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    link: LinkOptions,
}

/// Asks at the door, checks and writes.
pub(super) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    if args.out.exists() {
        bail!("`{}` is already there and is never overwritten; name another file", args.out.display());
    }
    let export = online(async {
        let mut link = args.link.open(None).await?;
        at_door(&mut link).await
    })?;
    let report = verify_log(&export, None);
    let bytes = export.to_bytes();
    write_durably(&args.out, &bytes)
        .with_context(|| format!("cannot write `{}`; check that the folder is yours", args.out.display()))?;
    speak.say(&format!(
        "{} entries up to epoch {}, {} releases, {} statements → {}",
        report.size,
        report.epoch,
        report.releases,
        export.statements.len(),
        args.out.display()
    ));
    if !report.ok() {
        speak.warn("the log does not hold; `quintes audit verify` says why");
    }
    speak.line(&args.out.display().to_string());
    speak.answer(json!({
        "file": args.out.display().to_string(), "bytes": bytes.len(), "tre": export.tre, "network": export.network,
        "size": report.size, "epoch": report.epoch, "newest": report.newest, "holds": report.ok(),
    }));
    Ok(())
}

/// The log of the node behind a door.
///
/// # Errors
/// Over the network, for a node that is no TRE, and when the conversation breaks.
pub(super) async fn at_door(link: &mut crate::cli::link::Link) -> anyhow::Result<Export> {
    match link.ask_at_door(&Ask::Log).await? {
        Answer::Log(bytes) => Ok(Export::from_bytes(&bytes)?.believable()),
        _ => bail!("the node answered another question; are both programs of the same version?"),
    }
}
