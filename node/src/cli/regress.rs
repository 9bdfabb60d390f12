//! `quintes regress`: a model that is fitted in rounds, shown so far, and the next round asked for until nothing moves any more.
//!
//! Each round is a task of its own, which every TRE admits, computes and reviews like any other. All that goes from one round to the next are
//! the coefficients, as parameters of the task.

use crate::cli::aggregate::{self, derived};
use crate::cli::desk::{FederationOptions, SigningOptions};
use crate::cli::fetch;
use crate::cli::link::{LinkOptions, online};
use crate::cli::passphrase::PassphraseOption;
use crate::cli::speak::{Speak, plain};
use crate::cli::submit;
use anyhow::{anyhow, bail};
use protocol::aggregate::Round;
use protocol::record::submission::{Submission, TaskId};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The component, and its output.
const REGRESSION: &str = "regression";

/// More rounds than any model needs that has an estimate.
const MOST_ROUNDS: u32 = 30;

/// Where the model stands, and how it goes on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Logistic and Poisson models take about six rounds. Each is a task of its own, and every TRE reviews it. Without --submit this shows the model so
far, and the command for the next round. With --submit --wait it goes on by itself, round by round, as the TREs release them.

Example:
  quintes submit --component regression --project stroke --all-tres --param family=logistic --param table=person \\
      --param outcome=died --param 'predictors=age,sex[M|F]'
  quintes fetch 3fa8 --wait --out died
  quintes regress died --submit --wait")]
pub(crate) struct Args {
    /// The folder of the last round, as `quintes fetch` wrote it.
    dir: PathBuf,
    /// Ask for the next round.
    #[arg(long)]
    submit: bool,
    /// With --submit: wait for every TRE, fetch the round into a folder beside this one, and go on until the model has converged.
    #[arg(long, requires = "submit")]
    wait: bool,
    /// With --submit: your key.
    #[arg(long, env = "QUINTES_KEY", value_name = "FILE|agent:FILE.pub")]
    key: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseOption,
    /// Sign without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

/// Shows, and goes on.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut dir = args.dir.clone();
    let mut before: Option<Vec<String>> = None;
    loop {
        let gathered = aggregate::gather(std::slice::from_ref(&dir), args.federation.network)?;
        let outcome = aggregate::judge(&gathered)?;
        let Some(merged) = outcome.shown.outputs.get(REGRESSION) else {
            bail!("`{}` holds no output `{REGRESSION}`; fetch a task of the component `{REGRESSION}`", dir.display());
        };
        if before.as_ref().is_some_and(|before| *before != merged.contributors) {
            bail!(
                "this round is from {}, the one before from others; begin again with the TREs that release every round",
                plain(&merged.contributors.join(", "))
            );
        }
        before = Some(merged.contributors.clone());
        aggregate::tell(&outcome, speak);
        derived::show(&outcome.analysis, None, speak);
        let told = derived::told(&outcome.analysis);
        let Some(round) = outcome.analysis.round.clone() else {
            if outcome.analysis.tables.iter().all(|derived| derived.table.rows.is_empty()) {
                bail!("there is no model yet: the note above says why");
            }
            speak.line("least squares: one round is all");
            speak.answer(json!({ "derived": told, "converged": true, "final": outcome.is_final() }));
            return Ok(());
        };
        speak.line(&format!(
            "round {}: the largest step is {:.1e} standard deviations{}",
            round.round,
            round.largest_step,
            if round.converged { "; the model has converged" } else { "" }
        ));
        let mut answer = json!({
            "derived": told, "round": round.round, "largest_step": round.largest_step, "converged": round.converged,
            "final": outcome.is_final(), "folder": dir.display().to_string(),
        });
        if round.converged {
            speak.answer(answer);
            return Ok(());
        }
        if round.round >= MOST_ROUNDS {
            bail!(
                "after {MOST_ROUNDS} rounds nothing has converged; take fewer terms, or look whether one tells the outcome apart"
            );
        }
        let after = beside(&dir, round.round + 1);
        if !args.submit {
            let next = format!("quintes regress {} --submit --wait", dir.display());
            speak.say(&format!("  → next: {next}"));
            answer["next"] = json!(next);
            speak.answer(answer);
            return Ok(());
        }
        let task = next(args, &gathered.submission, &round, speak)?;
        speak.say(&format!("  → round {} is submitted as {}", round.round + 1, task.short()));
        if !args.wait {
            let next = format!(
                "quintes fetch {} --wait --out {out} && quintes regress {out} --submit",
                task.short(),
                out = after.display()
            );
            speak.say(&format!("  → next: {next}"));
            answer["next"] = json!(next);
            answer["task"] = json!(task);
            speak.answer(answer);
            return Ok(());
        }
        fetch::when_released(task, &after, &signing(args)?, &args.link, &args.federation, speak)?;
        dir = after;
    }
}

/// The folder of a round: `died` is followed by `died-round1`, `died-round2`, ….
fn beside(dir: &Path, round: u32) -> PathBuf {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let first = match name.rsplit_once("-round") {
        Some((first, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => first,
        _ => name.as_str(),
    };
    dir.with_file_name(format!("{first}-round{round}"))
}

fn signing(args: &Args) -> anyhow::Result<SigningOptions> {
    let key = args.key.clone().ok_or_else(|| anyhow!("give your key with --key, or in QUINTES_KEY"))?;
    Ok(SigningOptions { key, passphrase: args.passphrase.clone(), yes: args.yes })
}

/// Submits the next round as the same task with the coefficients so far.
fn next(args: &Args, submission: &Submission, round: &Round, speak: &Speak) -> anyhow::Result<TaskId> {
    let signing = signing(args)?;
    let signer = signing.open(speak)?;
    let again =
        submit::Args::again(submission, REGRESSION, &round.next, args.link.clone(), args.federation.clone(), signing);
    online(async {
        let mut link = args.link.open(args.key.as_deref()).await?;
        let mut known = link.known(&args.federation).await?;
        Ok(submit::place(&again, signer, &mut link, &mut known, speak).await?.0)
    })
}

#[cfg(test)]
mod tests {
    use super::beside;
    use std::path::Path;

    #[test]
    fn rounds_lie_beside_each_other() {
        for (dir, round, after) in [
            ("a/died", 1, "a/died-round1"),
            ("died-round1", 2, "died-round2"),
            ("all-rounds", 1, "all-rounds-round1"),
            ("x-round", 1, "x-round-round1"),
        ] {
            assert_eq!(beside(Path::new(dir), round), Path::new(after));
        }
    }
}
