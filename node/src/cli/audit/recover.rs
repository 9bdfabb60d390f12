//! `quintes audit recover`: an operator and a data owner say that a node restored from a backup may go on, and what it has lost.

use crate::cli::date::utc;
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{Link, LinkOptions, online};
use crate::cli::speak::Speak;
use crate::cli::words::{self, Words};
use crate::clock::now;
use crate::door::{Answer, Ask, Health};
use crate::logbook::Behind;
use anyhow::{anyhow, bail};
use protocol::ingress::{Statement, Verified};
use protocol::record::Kind;
use protocol::record::Payload as _;
use protocol::record::grant::Role;
use protocol::record::recovery::Recovery;
use protocol::trust::authority::Wanted;
use serde_json::json;
use std::collections::BTreeSet;

/// Which node, and why.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A node that was restored from a backup finds among its peers a checkpoint that it has signed and does not remember. It neither starts nor releases
anything until two persons, an operator and a data owner of the TRE, have signed one recovery. Whoever runs this first says why; the other one
runs the same command and signs the same words.

Examples:
  quintes audit recover --node ./london --reason \"disk failed, Sunday's backup\" --key oscar
  quintes audit recover --node ./london --key alice")]
pub(super) struct Args {
    /// What happened, for people; whoever signs second may leave it out.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Signs, or signs too.
pub(super) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let signer = args.signing.open(speak)?;
    online(async {
        let mut link = args.link.open(Some(&args.signing.key)).await?;
        let health = health(&mut link).await?;
        let Some(behind) = &health.log.behind else {
            bail!("{} remembers everything that it has signed for; there is nothing to recover", health.name);
        };
        let mut known = link.known(&args.federation).await?;
        let ids = link.inventory(&[Kind::Recovery]).await?;
        known.statements.extend(link.statements(&ids).await?);
        let yes = args.signing.yes;
        let mut desk = Desk::at(known.now(), &args.federation.federation, signer, yes, now(), speak);
        let me = desk.me()?.name;
        let role = role(&desk, &me, &health.name)?;
        let proposed = proposed(&desk, &health.name, behind);
        let recovery = match (&proposed, &args.reason) {
            (Some(proposed), _) => proposed.payload().clone(),
            (None, Some(reason)) => begin(&health, behind, reason)?,
            (None, None) => bail!("nobody has proposed a recovery yet; say what happened with --reason"),
        };
        if signers(&desk, &recovery).contains(&me) {
            bail!("{me} has signed this recovery; {}", missing(&desk, &recovery));
        }
        if proposed.is_some() && args.reason.is_some() {
            speak.warn("a recovery is proposed already: its reason stands, and yours is left out");
        }
        let words = said(&recovery, &health, behind, role);
        let statement = desk.sign(&recovery, &me, Recovery::MAX_LIFETIME_SECONDS, &words)?;
        link.offer(statement.bytes()).await?;
        let after = self::health(&mut link).await?;
        let goes_on = after.log.behind.is_none();
        if goes_on {
            speak
                .say(&format!("{} goes on, in epoch {} of its log; other nodes are told", after.name, after.log.epoch));
        } else {
            speak.say(&missing(&desk, &recovery));
        }
        desk.finish(json!({ "tre": after.name, "epoch": recovery.epoch, "recovered": goes_on, "lost": recovery.lost }));
        Ok(())
    })
}

async fn health(link: &mut Link) -> anyhow::Result<Health> {
    match link.ask_at_door(&Ask::Health).await? {
        Answer::Health(health) => Ok(*health),
        _ => bail!("the node answered another question; are both programs of the same version?"),
    }
}

fn has_role(desk: &Desk<'_>, person: &str, role: Role, tre: &str) -> bool {
    let wanted = Wanted { person, role, project: None, tre, datasets: &[] };
    desk.federation.roster.authority(&wanted, desk.now).is_some()
}

/// As what the signer signs.
fn role(desk: &Desk<'_>, me: &str, tre: &str) -> anyhow::Result<&'static str> {
    match (has_role(desk, me, Role::Operator, tre), has_role(desk, me, Role::DataOwner, tre)) {
        (true, true) => Ok("operator or data owner; another person must be the other"),
        (true, false) => Ok("operator"),
        (false, true) => Ok("data owner"),
        (false, false) => bail!(
            "{me} is neither operator nor data owner of {tre}; a root person makes operators with `quintes network grant PERSON --role operator --tre {tre}`"
        ),
    }
}

fn recovery_of(statement: &Statement) -> Option<&Verified<Recovery>> {
    if let Statement::Recovery(recovery) = statement { Some(recovery) } else { None }
}

/// What somebody with a role has proposed for exactly this loss.
fn proposed(desk: &Desk<'_>, tre: &str, behind: &Behind) -> Option<Verified<Recovery>> {
    let all = desk.federation.statements.iter().filter_map(recovery_of);
    let fitting = all.filter(|one| {
        let (said, by) = (one.payload(), one.signer().name.as_str());
        said.tre == tre
            && said.lost == behind.checkpoint
            && (has_role(desk, by, Role::Operator, tre) || has_role(desk, by, Role::DataOwner, tre))
    });
    fitting.min_by_key(|one| (one.claims().issued, one.id())).cloned()
}

fn signers(desk: &Desk<'_>, recovery: &Recovery) -> BTreeSet<String> {
    let all = desk.federation.statements.iter().filter_map(recovery_of);
    all.filter(|one| one.payload() == recovery).map(|one| one.signer().name.clone()).collect()
}

/// Who must sign still, in a sentence.
fn missing(desk: &Desk<'_>, recovery: &Recovery) -> String {
    let signed = signers(desk, recovery);
    let any = |role| signed.iter().any(|person| has_role(desk, person, role, &recovery.tre));
    let who = match (any(Role::Operator), any(Role::DataOwner)) {
        (true, false) => "a data owner",
        (false, true) => "an operator",
        _ => "a second person, so that one is an operator and the other a data owner,",
    };
    format!("next: {who} of {} runs `quintes audit recover --node …` and signs the same", recovery.tre)
}

fn begin(health: &Health, behind: &Behind, reason: &str) -> anyhow::Result<Recovery> {
    let root = health.log.root.ok_or_else(|| anyhow!("{} is a hub and has no log", health.name))?;
    let epoch = behind.epoch.checked_add(1).ok_or_else(|| {
        anyhow!("the lost checkpoint has the last epoch there is: its key is in other hands; enrol the TRE under another name")
    })?;
    Ok(Recovery {
        tre: health.name.clone(),
        epoch,
        lost: behind.checkpoint,
        size: health.log.size,
        root,
        reason: reason.to_owned(),
    })
}

/// What is lost and what follows, in words.
fn said(recovery: &Recovery, health: &Health, behind: &Behind, role: &str) -> Words {
    let mut words = vec![
        ("TRE", recovery.tre.clone()),
        ("you are", role.to_owned()),
        (
            "was signed for",
            format!("{} entries, checkpoint {} of {}", behind.size, behind.checkpoint.short(), utc(behind.issued)),
        ),
        ("is left", format!("{} entries of this node's journal, root {}", recovery.size, recovery.root.short())),
        ("known to agree", format!("the first {} entries", health.log.covered)),
        ("begins", format!("epoch {} of the log", recovery.epoch)),
    ];
    let back: Vec<String> =
        behind.forgotten.iter().map(|(task, phase)| format!("{} (was {phase})", task.short())).collect();
    words.push(("called back", words::listed(&back)));
    words.push((
        "is forgotten",
        "decisions and releases of the time that was lost, where nobody else knows them".to_owned(),
    ));
    words.push((
        "standing approvals",
        "release nothing before tomorrow (UTC): how many left today is not known".to_owned(),
    ));
    words.push(("reason", recovery.reason.clone()));
    words
}
