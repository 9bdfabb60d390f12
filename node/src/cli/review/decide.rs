//! `quintes review approve`, `reject` and `withdraw`: the decision in words, then signed over the commitment that was recomputed from the bytes shown.

use super::show::{Part, show};
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{Known, LinkOptions, online};
use crate::cli::speak::{Speak, plain};
use crate::cli::words::Words;
use crate::clock::now;
use crate::door::{EarlierOutput, Review};
use crate::review::words::in_words;
use crate::review::{Choice, Examined, examine, grouped};
use anyhow::bail;
use protocol::ingress::Statement;
use protocol::lifecycle::Phase;
use protocol::record::Payload as _;
use protocol::record::attestation::Attestation;
use protocol::record::grant::Role;
use protocol::record::submission::TaskId;
use protocol::trust::authority::Wanted;
use protocol::trust::roster::Holder;
use protocol::wire::id::StatementId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What to approve.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Without --output every output is approved. With it, those that are not named stay open until you decide on them too: name them with --reject,
or approve or reject them later. Nothing leaves before every output is decided. An output may have a reason of its own: NAME=REASON.

Examples:
  quintes review approve 3fa8 --reason \"counts over 10, nothing rare\" --key carol --node ./london
  quintes review approve 3fa8 --reason \"nothing rare\" --reject \"cells=one hospital alone\" --key carol --node ./london")]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    about: About,
    /// Approve this output, with a reason of its own where one is given.
    #[arg(long = "output", value_name = "NAME[=REASON]")]
    outputs: Vec<String>,
    /// Reject this output, and approve the others.
    #[arg(long = "reject", value_name = "NAME[=REASON]")]
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
    /// Reject this output only, with a reason of its own where one is given; the others stay open.
    #[arg(long = "output", value_name = "NAME[=REASON]")]
    outputs: Vec<String>,
}

/// What to take back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Your decisions on this task count no more, until you decide again. What has left stays out.

Example:
  quintes review withdraw 3fa8 --key carol --node ./london")]
pub(super) struct WithdrawArgs {
    /// The beginning of the task's id.
    id: String,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

#[derive(Debug, clap::Args)]
struct About {
    /// The beginning of the task's id.
    id: String,
    /// Why, where an output has no reason of its own; the researcher reads it.
    #[arg(long, default_value = "")]
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

/// What was chosen on the command line, for all outputs that are named and those that are not. A name may bring its own reason.
pub(super) fn choice(approve: &[String], reject: &[String], reason: &str, without_names: bool) -> Choice {
    let others = match (approve.is_empty(), reject.is_empty()) {
        (true, true) => Some(without_names),
        // "All but these" is what somebody means who names only what must stay.
        (true, false) if without_names => Some(true),
        _ => None,
    };
    let mut reasons = BTreeMap::new();
    let mut names = |given: &[String]| -> BTreeSet<String> {
        let each = given.iter().map(|one| match one.split_once('=') {
            Some((name, reason)) => {
                reasons.insert(name.to_owned(), reason.to_owned());
                name.to_owned()
            }
            None => one.clone(),
        });
        each.collect()
    };
    let (approve, reject) = (names(approve), names(reject));
    Choice { approve, reject, others, reason: reason.to_owned(), reasons }
}

pub(super) fn approve(args: &ApproveArgs, speak: &Speak) -> anyhow::Result<()> {
    decide(&args.about, &choice(&args.outputs, &args.rejected, &args.about.reason, true), speak)
}

pub(super) fn reject(args: &RejectArgs, speak: &Speak) -> anyhow::Result<()> {
    decide(&args.about, &choice(&[], &args.outputs, &args.about.reason, false), speak)
}

fn decide(about: &About, choice: &Choice, speak: &Speak) -> anyhow::Result<()> {
    let what = What::Decide { choice, all_rows: about.all_rows };
    run(&about.id, &what, &about.link, &about.federation, &about.signing, speak)
}

pub(super) fn withdraw(args: &WithdrawArgs, speak: &Speak) -> anyhow::Result<()> {
    run(&args.id, &What::Withdraw, &args.link, &args.federation, &args.signing, speak)
}

/// What is signed.
pub(super) enum What<'a> {
    /// A decision.
    Decide {
        /// Which.
        choice: &'a Choice,
        /// Whether every row is shown before it is asked for.
        all_rows: bool,
    },
    /// That earlier decisions count no more.
    Withdraw,
}

impl What<'_> {
    /// What comes of it, once the node has it.
    pub(super) fn outlook(&self) -> &'static str {
        match self {
            Self::Decide { .. } => "once every output is decided, approved ones are released and the others stay",
            Self::Withdraw => "your decisions count no more; decide again when you are ready",
        }
    }
}

fn run(
    id: &str,
    what: &What<'_>,
    link: &LinkOptions,
    federation: &FederationOptions,
    signing: &SigningOptions,
    speak: &Speak,
) -> anyhow::Result<()> {
    let signer = signing.open(speak)?;
    online(async {
        let mut link = link.open(Some(&signing.key)).await?;
        let (review, known) = super::open(&mut link, id, federation).await?;
        let earlier = super::show::earlier_outputs(&mut link, &review).await?;
        let mut desk = Desk::at(known.now(), &federation.federation, signer, signing.yes, now(), speak);
        let signed = sign(review, &earlier, &known, what, &mut desk)?;
        for statement in &signed.statements {
            link.offer(statement.bytes()).await?;
        }
        speak.say(&format!("  → the node has it; {}", what.outlook()));
        signed.tell(json!({}), speak);
        Ok(())
    })
}

/// What was signed on one task.
pub(super) struct Signed {
    task: TaskId,
    /// The first is the decision; what follows withdraws others of the same person.
    pub(super) statements: Vec<Statement>,
}

impl Signed {
    /// An id a line; or as JSON with further fields.
    pub(super) fn tell(&self, mut further: Value, speak: &Speak) {
        let ids: Vec<StatementId> = self.statements.iter().map(Statement::id).collect();
        ids.iter().for_each(|id| speak.line(&id.to_string()));
        further["task"] = json!(self.task);
        further["attestation"] = json!(ids.first());
        further["attestations"] = json!(ids);
        speak.answer(further);
    }
}

/// Checks, shows, asks and signs.
pub(super) fn sign(
    review: Review,
    earlier: &[EarlierOutput],
    known: &Known,
    what: &What<'_>,
    desk: &mut Desk<'_>,
) -> anyhow::Result<Signed> {
    let believed = super::believed(&review, known);
    let me = desk.me()?;
    let examined = examine(review, &believed)?.blind(Some(&me.name));
    let attestations = match what {
        What::Decide { choice, all_rows } => {
            may_decide(&examined, &me, desk)?;
            let attestations = examined.attest(choice, &me.name)?;
            if desk.speak.is_interactive() {
                show(&examined, earlier, Part { outputs: &[], all_rows: *all_rows }, desk.speak);
            }
            attestations
        }
        What::Withdraw => {
            if examined.review.waiting.phase != Phase::Held {
                bail!("the task is {} already; nothing can be taken back", examined.review.waiting.phase);
            }
            examined.withdraw(&me.name)?
        }
    };
    let mut statements = Vec::new();
    for attestation in &attestations {
        let words = words(&examined, attestation);
        statements.push(desk.sign_unplaced(attestation, &me.name, Attestation::MAX_LIFETIME_SECONDS, &words)?);
    }
    Ok(Signed { task: examined.submission.id(), statements })
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
    if examined.review.waiting.stale.contains(&me.name) {
        desk.speak.warn("the findings or the project have changed since you decided: look again before you sign");
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
    if attestation.decisions.is_empty() {
        words.push(("withdraws", "what you decided on this task counts no more".to_owned()));
    }
    for output in examined.review.outputs.iter().filter(|_| !attestation.decisions.is_empty()) {
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
    words.push(("in words", in_words(&attestation.commitment)));
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

    #[test]
    fn a_name_brings_its_own_reason() {
        let chosen = choice(&["a".to_owned()], &["b=too few = 3".to_owned()], "fine", true);
        assert!(chosen.approve.contains("a") && chosen.reject.contains("b"));
        assert_eq!((chosen.reason.as_str(), chosen.reasons["b"].as_str()), ("fine", "too few = 3"));
        assert_eq!(chosen.reasons.len(), 1);
    }
}
