//! `quintes audit verify`: an exported log, a node's state, or the proof of a fork, checked without asking anybody.

use super::{contradiction, state, tell};
use crate::cli::speak::Speak;
use crate::statements;
use anyhow::{Context as _, bail};
use protocol::audit::log::{Export, contradictions, forks, verify_log};
use protocol::audit::{Step, Verdict};
use protocol::ingress::founding_network;
use protocol::wire::id::NetworkId;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The largest exported log that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// What to check.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A file alone is checked against itself: every entry against the signed roots, every checkpoint against the one before, every signature and
cosignature, and that each release rests on what the log held before it. With --state the node's own state is checked as well: its journal,
its log and what lies in custody; with both, that the state still has everything that the file has. With --proof two checkpoints of one TRE, or
two statements of one key, are shown to contradict each other.

Examples:
  quintes audit verify london.log --network 9f3c…
  quintes audit verify --state ./london
  quintes audit verify last-month.log --state ./london
  quintes audit verify --proof fork-london.quintes")]
pub(super) struct Args {
    /// The file that `quintes audit export` wrote.
    #[arg(required_unless_present_any = ["state", "proof"])]
    file: Option<PathBuf>,
    /// The folder, or the node.toml, of a node on this machine, running or stopped.
    #[arg(long, value_name = "DIR", conflicts_with = "proof")]
    state: Option<PathBuf>,
    /// Statement files that hold two statements which contradict each other.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "file")]
    proof: Vec<PathBuf>,
    /// The federation's id.
    #[arg(long, env = "QUINTES_NETWORK", value_name = "ID")]
    network: Option<NetworkId>,
}

/// Verifies.
pub(super) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    if !args.proof.is_empty() {
        return proof(args, speak);
    }
    let earlier = args.file.as_deref().map(read).transpose()?;
    let (mut steps, now) = match &args.state {
        Some(place) => state::examine(place, speak)?,
        None => (Vec::new(), None),
    };
    let shown = now.as_ref().or(earlier.as_ref());
    let mut answer = json!({});
    if let Some(export) = shown {
        let report = verify_log(export, args.network);
        answer = json!({
            "tre": report.tre, "network": report.network, "size": report.size, "epoch": report.epoch, "newest": report.newest,
            "issued": report.issued, "cosigners": report.cosigners, "releases": report.releases,
        });
        steps.extend(report.steps);
    }
    if let (Some(earlier), Some(now)) = (&earlier, &now) {
        let before = verify_log(earlier, args.network);
        steps.extend(before.steps.into_iter().filter(|step| step.verdict == Verdict::Fails));
        steps.extend(earlier.compare(now));
    }
    let failure = match (&args.state, &args.file) {
        (Some(_), _) => {
            "the node's state is not what it was; restore it from a backup, and let `quintes audit recover` say so"
        }
        (None, _) => "do not rely on this file; ask the TRE for it again, and other nodes what they have cosigned",
    };
    tell(&steps, answer, failure, speak)
}

fn read(path: &Path) -> anyhow::Result<Export> {
    let failed = || format!("cannot read `{}`; name the file that `quintes audit export` wrote", path.display());
    if fs::metadata(path).with_context(failed)?.len() > MAX_BYTES {
        bail!("`{}` is larger than any log; is it the right file?", path.display());
    }
    let bytes = fs::read(path).with_context(failed)?;
    Export::from_bytes(&bytes).with_context(|| format!("`{}` does not hold", path.display()))
}

/// Whether the files prove that a TRE or a person's key has told two stories. Here the proof of a wrong is what holds.
fn proof(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for file in &args.proof {
        all.extend(statements::read(file)?);
    }
    let founding = all.iter().find_map(|bytes| founding_network(bytes).ok());
    let Some(network) = args.network.or(founding) else {
        bail!("the files hold no founding root; give the file that `quintes audit forks` wrote, which does");
    };
    let proved = forks(all.iter().map(Vec::as_slice), network);
    let found = contradictions(all.iter().map(Vec::as_slice), network);
    if proved.is_empty() && found.is_empty() {
        bail!("the files prove nothing: no two statements in them are believed and contradict each other");
    }
    let step = |tre, detail| Step { tre, what: "fork".to_owned(), verdict: Verdict::Holds, detail };
    let logs = proved.iter().map(|one| step(Some(one.tre.clone()), one.sentence()));
    let steps: Vec<Step> = logs.chain(found.iter().map(|one| step(None, one.sentence()))).collect();
    let contradictions: Vec<_> = found.iter().map(contradiction).collect();
    let told = proved.iter().map(|one| json!({ "tre": one.tre, "first": one.first.id(), "second": one.second.id() }));
    let answer = json!({ "network": network, "forks": told.collect::<Vec<_>>(), "contradictions": contradictions });
    if args.network.is_none() {
        speak.say(&format!("compare the federation's id with the one you were given: {network}"));
    }
    tell(&steps, answer, "", speak)
}
