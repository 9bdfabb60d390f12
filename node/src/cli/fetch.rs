//! `quintes fetch`: what was released, decrypted, compared with what was attested, and kept with everything that proves it.

mod ciphertext;

use crate::cli::desk::{FederationOptions, SigningOptions};
use crate::cli::link::{Link, LinkOptions, beside, online};
use crate::cli::passphrase::PassphraseOption;
use crate::cli::speak::{AlreadySaid, Speak, plain};
use crate::cli::tasks::{self, Followed};
use crate::folder;
use crate::store::private_directory;
use anyhow::{Context as _, anyhow, bail};
use keys::seal::{self, Identity};
use protocol::audit::{Believed, Fate, Report, Verdict};
use protocol::delivery::Delivery;
use protocol::record::release::Release;
use protocol::record::submission::TaskId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The largest delivery, in bytes of plaintext: 50 outputs of 16 MiB and what stands beside them.
const DELIVERY_BYTES: u64 = 1024 * 1024 * 1024;

/// What to fetch.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Writes DIR/<tre>/<output>.csv for every TRE that released, and DIR/statements.quintes with the whole chain, which `quintes verify DIR` checks
without a network. What was fetched before stays; a fetch that is cut off, here or at the node, goes on where it stopped.

Example:
  quintes fetch 3fa8 --key bob --node /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo… --out stroke")]
pub(crate) struct Args {
    /// The beginning of the task's id.
    id: String,
    /// The folder to write; without it the task's short id.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Fetch from this TRE only.
    #[arg(long = "tre", value_name = "TRE")]
    tres: Vec<String>,
    /// Wait until every TRE has ended.
    #[arg(long)]
    wait: bool,
    /// With --wait: for how long, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    timeout: Option<u64>,
    /// Your key, beside which the age identity (.age) and the peer key (.peer) lie.
    #[arg(long, env = "QUINTES_KEY", value_name = "FILE|agent:FILE.pub")]
    key: String,
    /// The age identity that opens results, when it lies elsewhere.
    #[arg(long, value_name = "FILE.age")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseOption,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

/// How one TRE's part came out.
enum Part {
    Here,
    NotHere(String),
}

/// What was fetched.
pub(crate) struct Brought {
    dir: PathBuf,
    report: Report,
    parts: BTreeMap<String, Part>,
    task: TaskId,
}

/// Fetches.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let Brought { dir, report, parts, task } = bring(args, speak)?;
    tell(&dir, &report, &parts, task, speak)
}

/// Fetches a task as soon as every TRE has ended.
pub(crate) fn when_released(
    task: TaskId,
    dir: &Path,
    signing: &SigningOptions,
    link: &LinkOptions,
    federation: &FederationOptions,
    speak: &Speak,
) -> anyhow::Result<()> {
    let args = Args {
        id: task.to_string(),
        out: Some(dir.to_owned()),
        tres: Vec::new(),
        wait: true,
        timeout: None,
        key: signing.key.clone(),
        identity: None,
        passphrase: signing.passphrase.clone(),
        link: link.clone(),
        federation: federation.clone(),
    };
    bring(&args, speak)?.all_here()
}

impl Brought {
    fn all_here(&self) -> anyhow::Result<()> {
        let missing: Vec<String> = (self.parts.iter())
            .filter_map(|(tre, part)| match part {
                Part::Here => None,
                Part::NotHere(reason) => Some(format!("{tre}: {}", plain(reason))),
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        bail!(
            "not every TRE released this round ({}); what is here lies in `{}`",
            missing.join("; "),
            self.dir.display()
        )
    }
}

fn bring(args: &Args, speak: &Speak) -> anyhow::Result<Brought> {
    let path = args.identity.clone().unwrap_or_else(|| beside(&args.key, "age"));
    let identity = Identity::open_file(&path, || args.passphrase.get(&format!("`{}`", path.display()), speak))
        .context("results cannot be decrypted without your age identity; give it with --identity")?;
    online(async {
        let mut link = args.link.open(Some(&args.key)).await?;
        let task = tasks::find(&mut link, &args.id).await?;
        let mut known = link.known(&args.federation).await?;
        if args.wait {
            tasks::watch(&mut link, &mut known, task, args.timeout.map(Duration::from_secs), speak).await?;
        }
        known.refresh(&mut link).await?;
        let (followed, believed) = tasks::follow(&mut link, &known, task).await?;
        let wanted = wanted(&args.tres, &followed)?;
        let dir = args.out.clone().unwrap_or_else(|| PathBuf::from(task.short()));
        same_task(&dir, task)?;
        private_directory(&dir)
            .with_context(|| format!("cannot make the folder `{}`; name another with --out", dir.display()))?;
        let mut parts = BTreeMap::new();
        for tre in wanted {
            let standing = &followed.tres[&tre];
            let part = match &standing.release {
                None => Part::NotHere(standing.words()),
                Some(release) => match fetch(&mut link, args, release, &identity, &dir, speak).await {
                    Ok(()) => Part::Here,
                    Err(error) => Part::NotHere(format!("not used: {error:#}")),
                },
            };
            parts.insert(tre, part);
        }
        let report = folder::conclude(&dir, &chain(&believed), known.network)?;
        Ok(Brought { dir, report, parts, task })
    })
}

/// The TREs that were named, or all.
fn wanted(named: &[String], followed: &Followed) -> anyhow::Result<BTreeSet<String>> {
    if let Some(other) = named.iter().find(|tre| !followed.tres.contains_key(*tre)) {
        let asked: Vec<&str> = followed.tres.keys().map(String::as_str).collect();
        bail!("the task was not asked of `{}`; it was asked of {}", plain(other), asked.join(", "));
    }
    Ok(if named.is_empty() { followed.tres.keys().cloned().collect() } else { named.iter().cloned().collect() })
}

/// A folder is one task's.
fn same_task(dir: &Path, task: TaskId) -> anyhow::Result<()> {
    if !dir.join(folder::STATEMENTS).exists() {
        return Ok(());
    }
    let report = folder::audit(dir, None)
        .with_context(|| format!("`{}` cannot be read; name another folder with --out", dir.display()))?;
    match report.submission.map(|submission| submission.id()) {
        Some(other) if other != task => {
            bail!("`{}` holds the task {}; name another folder with --out", dir.display(), other.short())
        }
        _ => Ok(()),
    }
}

/// One TRE's part: ciphertext, plaintext, comparison, files.
async fn fetch(
    link: &mut Link,
    args: &Args,
    release: &Release,
    identity: &Identity,
    dir: &Path,
    speak: &Speak,
) -> anyhow::Result<()> {
    let partial = ciphertext::fetch(link, args, release, dir, speak).await?;
    let sealed = std::fs::File::open(&partial).with_context(|| format!("cannot read `{}`", partial.display()))?;
    let plaintext = seal::open_all(identity, std::io::BufReader::new(sealed), DELIVERY_BYTES)?;
    let delivery = Delivery::from_bytes(&plaintext)?;
    delivery.check(release)?;
    folder::place(dir, &delivery)?;
    ciphertext::forget(dir, &partial);
    Ok(())
}

/// The statements that the folder keeps: everything about trust and everything about the task that is believed.
fn chain(believed: &Believed) -> Vec<Vec<u8>> {
    believed.statements.iter().map(|statement| statement.bytes().to_vec()).collect()
}

fn tell(
    dir: &Path,
    report: &Report,
    parts: &BTreeMap<String, Part>,
    task: TaskId,
    speak: &Speak,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut told: BTreeMap<&str, Value> = BTreeMap::new();
    let mut missing = 0_usize;
    for (tre, part) in parts {
        let (words, here) = match (part, report.fates.get(tre)) {
            (Part::Here, Some(Fate::Released(delivery))) => {
                let outputs: Vec<&str> = delivery.outputs.iter().map(|output| output.name.as_str()).collect();
                (format!("{} in {}", outputs.join(", "), dir.join(tre).display()), true)
            }
            (Part::NotHere(reason), _) => (reason.clone(), false),
            (Part::Here, _) => {
                let step =
                    report.steps.iter().find(|step| step.tre.as_ref() == Some(tre) && step.verdict == Verdict::Fails);
                let why = step.map_or_else(|| "it was not released".to_owned(), |step| step.detail.clone());
                (format!("not to be used: {why}"), false)
            }
        };
        missing += usize::from(!here);
        told.insert(tre, json!({ "here": here, "words": words }));
        rows.push(vec![tre.clone(), plain(&words)]);
    }
    speak.table(&["TRE", "part"], &rows);
    let answer = json!({ "ok": missing == 0, "task": task, "folder": dir.display().to_string(), "tres": told });
    if missing == 0 {
        speak.say(&format!(
            "verified from the root to the last byte; `quintes verify {}` repeats that without a network",
            dir.display()
        ));
        speak.answer(answer);
        return Ok(());
    }
    speak.answer(answer);
    let error = anyhow!(
        "{missing} of {} parts are not here; what is here is verified, fetch the rest later or ask those TREs",
        parts.len()
    );
    if speak.is_json() {
        speak.say(&error.to_string());
        return Err(AlreadySaid.into());
    }
    Err(error)
}
