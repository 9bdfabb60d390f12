//! `quintes review approve` and `reject`: the decision in words, then signed over the commitment that was recomputed from the bytes shown.

use super::show::{Part, show};
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{Known, LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::cli::words::Words;
use crate::clock::now;
use crate::door::Review;
use crate::review::{Choice, Examined, examine, grouped};
use anyhow::bail;
use protocol::ingress::Statement;
use protocol::record::Payload as _;
use protocol::record::attestation::Attestation;
use protocol::record::grant::Role;
use protocol::trust::authority::Wanted;
use protocol::trust::roster::Holder;
use serde_json::json;
use std::collections::BTreeSet;

/// What to approve.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Without --output every output is approved. With it, those that are not named stay open until you decide on them too: name them with --reject,
or approve or reject them later. Nothing leaves before every output is decided.

Example:
  quintes review approve 3fa8 --reason \"counts over 10, nothing rare\" --key carol --node ./london")]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    about: About,
    /// Approve this output.
    #[arg(long = "output", value_name = "NAME")]
    outputs: Vec<String>,
    /// Reject this output, and approve the others.
    #[arg(long = "reject", value_name = "NAME")]
    rejected: Vec<String>,
}

/// What to reject.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  quintes review reject 3fa8 --reason \"a cell of three people\" --key carol --node ./london"
)]
pub(super) struct RejectArgs {
    #[command(flatten)]
    about: About,
    /// Reject this output only; the others stay open.
    #[arg(long = "output", value_name = "NAME")]
    outputs: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct About {
    /// The beginning of the task's id.
    id: String,
    /// Why; the researcher reads it.
    #[arg(long)]
    reason: String,
    /// Show every row before the question, not only the first 40.
    #[arg(long)]
    all_rows: bool,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// What was chosen on the command line, for all outputs that are named and those that are not.
pub(super) fn choice(approve: &[String], reject: &[String], reason: &str, without_names: bool) -> Choice {
    let others = match (approve.is_empty(), reject.is_empty()) {
        (true, true) => Some(without_names),
        // "All but these" is what somebody means who names only what must stay.
        (true, false) if without_names => Some(true),
        _ => None,
    };
    let names = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    Choice { approve: names(approve), reject: names(reject), others, reason: reason.to_owned() }
}

pub(super) fn approve(args: &ApproveArgs, speak: &Speak) -> anyhow::Result<()> {
    run(&args.about, &choice(&args.outputs, &args.rejected, &args.about.reason, true), speak)
}

pub(super) fn reject(args: &RejectArgs, speak: &Speak) -> anyhow::Result<()> {
    run(&args.about, &choice(&[], &args.outputs, &args.about.reason, false), speak)
}

fn run(about: &About, choice: &Choice, speak: &Speak) -> anyhow::Result<()> {
    let signer = about.signing.open(speak)?;
    online(async {
        let mut link = about.link.open(Some(&about.signing.key)).await?;
        let (review, known) = super::open(&mut link, &about.id, &about.federation).await?;
        let yes = about.signing.yes;
        let mut desk = Desk::at(known.now(), &about.federation.federation, signer, yes, now(), speak);
        let (statement, task) = sign(review, &known, choice, about.all_rows, &mut desk)?;
        link.offer(statement.bytes()).await?;
        speak.say("  → the node has it; once every output is decided, approved ones are released and the others stay");
        speak.line(&statement.id().to_string());
        speak.answer(json!({ "task": task, "attestation": statement.id() }));
        Ok(())
    })
}

/// Checks, shows, asks and signs.
pub(super) fn sign(
    review: Review,
    known: &Known,
    choice: &Choice,
    all_rows: bool,
    desk: &mut Desk<'_>,
) -> anyhow::Result<(Statement, protocol::record::submission::TaskId)> {
    let believed = super::believed(&review, known);
    let examined = examine(review, &believed)?;
    let me = desk.me()?;
    may_decide(&examined, &me, desk)?;
    let attestation = examined.attest(choice, &me.name)?;
    if desk.speak.is_interactive() {
        show(&examined, Part { outputs: &[], all_rows }, desk.speak);
    }
    let statement =
        desk.sign_unplaced(&attestation, &me.name, Attestation::MAX_LIFETIME_SECONDS, &words(&examined, &attestation))?;
    Ok((statement, examined.submission.id()))
}

/// Somebody whose decision would not count should not sign one.
fn may_decide(examined: &Examined, me: &Holder, desk: &Desk<'_>) -> anyhow::Result<()> {
    let (tre, project) = (&examined.review.tre, &examined.project);
    if examined.is_submitter(&me.name) {
        bail!("{} submitted this task, and a submitter never decides on it; ask another data owner of {tre}", me.name);
    }
    if project.egress.excluded.contains(&me.name) {
        bail!("the project {} excludes {} from decisions; ask another data owner of {tre}", project.name, me.name);
    }
    let roster = &desk.federation.roster;
    let datasets = &examined.submission.payload().datasets;
    let wanted = Wanted { person: &me.name, role: Role::OutputChecker, project: Some(project), tre, datasets };
    let checker = project.egress.checkers_count && roster.authority(&wanted, desk.now).is_some();
    if !roster.is_data_owner(&me.name, tre, desk.now) && !checker {
        bail!("{} is no data owner of {tre}, so the decision would not count; ask a root person for a grant", me.name);
    }
    if let Some(blocked) = &examined.review.waiting.blocked {
        desk.speak.warn(&format!("nothing can be released now: {blocked}"));
    }
    Ok(())
}

fn words(examined: &Examined, attestation: &Attestation) -> Words {
    let said = examined.submission.payload();
    let mut words = vec![
        ("task", format!("{} `{}`", examined.submission.id(), plain(&said.title))),
        ("asked by", format!("{} in {}", examined.submission.signer().name, said.project)),
        ("at", attestation.tre.clone()),
    ];
    for output in &examined.review.outputs {
        let text = match attestation.decisions.get(&output.name) {
            Some(decision) if decision.approve => format!("✓ {} MAY LEAVE ({})", output.name, decision.reason),
            Some(decision) => format!("✗ {} stays ({})", output.name, decision.reason),
            None => format!("… {} stays open; decide on it too", output.name),
        };
        words
            .push(("output", format!("{text}; {} bytes, the rules say {}", output.bytes.len(), output.report.verdict)));
    }
    let report = &attestation.report;
    words.push((
        "rules",
        format!("version {}, {} failed, {} for a person to judge", report.rules, report.failed, report.review),
    ));
    words.push(("commitment", format!("{} …", grouped(&attestation.commitment.to_string()))));
    if let Some(earlier) = &attestation.supersedes {
        words.push(("instead of", format!("your earlier decision {}", earlier.short())));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::choice;

    #[test]
    fn what_is_not_named_follows_from_what_is() {
        let name = |name: &str| vec![name.to_owned()];
        assert_eq!(choice(&[], &[], "", true).others, Some(true), "approve: all of them");
        assert_eq!(choice(&[], &[], "", false).others, Some(false), "reject: all of them");
        assert_eq!(choice(&name("a"), &[], "", true).others, None, "approve --output a: the others stay open");
        assert_eq!(choice(&[], &name("b"), "", true).others, Some(true), "approve --reject b: the others may leave");
        assert_eq!(choice(&[], &name("b"), "", false).others, None, "reject --output b: the others stay open");
        assert_eq!(choice(&name("a"), &name("b"), "", true).others, None);
    }
}
