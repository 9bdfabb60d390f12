//! `quintes standing`: what data owners let go without a person: signed by as many as must approve, shown, and withdrawn by any of them at once.

use crate::catalogue;
use crate::cli::date::utc;
use crate::cli::desk::{Desk, FederationOptions, SigningOptions, place, told};
use crate::cli::link::{Link, LinkOptions, online};
use crate::cli::network::revoke::is_revoked;
use crate::cli::network::sign::require_data_owner;
use crate::cli::speak::{Speak, plain};
use crate::cli::words::{self, Words};
use crate::clock::now;
use crate::door::{Answer, Ask};
use crate::statements::{self, Federation};
use anyhow::{anyhow, bail};
use protocol::disclosure::rules::{RULES_VERSION, checker_digest};
use protocol::ingress::{Statement, Verified};
use protocol::record::payload::DAY;
use protocol::record::project::Project;
use protocol::record::revocation::Revocation;
use protocol::record::standing_approval::StandingApproval;
use protocol::record::{Kind, Payload as _};
use protocol::tre::digest_of;
use protocol::wire::id::Digest;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The verbs of standing approvals.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Propose a standing approval, or sign one that another owner has proposed.
    Sign(Box<SignArgs>),
    /// Show standing approvals: who signed, how many are missing, how many tasks went today.
    List(ListArgs),
    /// Withdraw your signature: from then on everything waits for a person again.
    Withdraw(WithdrawArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Outputs of one component leave without a person when every rule passes on evidence of the TRE's own. It counts once as many data owners of the
TRE have signed it as the project asks for approvals. The first owner names everything; the others sign the same words by its name or its file.

Examples:
  quintes standing sign weekly-counts --project stroke --component statistics --tre london --per-day 5 --days 30 --key alice --node ./london
  quintes standing sign weekly-counts --key bob --node ./london")]
struct SignArgs {
    /// Its name: lower-case letters, digits and -_.@; or a statement file that holds it.
    name: String,
    /// The project; without it the proposed standing approval of this name is signed.
    #[arg(long, requires_all = ["component", "tre", "per_day"])]
    project: Option<String>,
    /// The component, by its name in the project or its SHA-256.
    #[arg(long, value_name = "NAME|DIGEST", requires = "project")]
    component: Option<String>,
    /// The TRE whose outputs may leave.
    #[arg(long)]
    tre: Option<String>,
    /// How many tasks a day (UTC) may leave at most.
    #[arg(long, value_name = "N", requires = "project", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    per_day: Option<u64>,
    /// For how many days your signature counts, at most 90.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=90))]
    days: u64,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  quintes standing list --node ./london")]
struct ListArgs {
    /// Show withdrawn and expired ones too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
One withdrawal ends a standing approval for all who signed it, and it never returns: sign another one under another name.

Example:
  quintes standing withdraw weekly-counts --reason \"two tasks looked alike\" --key bob --node ./london")]
struct WithdrawArgs {
    /// Its name.
    name: String,
    /// Why, for people.
    #[arg(long, default_value = "withdrawn")]
    reason: String,
    /// At which TRE, when several have one of this name.
    #[arg(long)]
    tre: Option<String>,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Runs the verb.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    online(async {
        match args.verb {
            Verb::Sign(args) => sign(&args, speak).await,
            Verb::List(args) => list(&args, speak).await,
            Verb::Withdraw(args) => withdraw(&args, speak).await,
        }
    })
}

/// What is known: of the node and the folder, or of the folder alone.
async fn gather(
    link: &LinkOptions,
    options: &FederationOptions,
    key: Option<&str>,
) -> anyhow::Result<(Option<Link>, Federation)> {
    if link.node.is_none() {
        return Ok((None, options.load(&[], now())?));
    }
    let mut link = link.open(key).await?;
    let mut known = link.known(options).await?;
    let ids = link.inventory(&[Kind::StandingApproval]).await?;
    known.statements.extend(link.statements(&ids).await?);
    Ok((Some(link), known.now()))
}

/// Brings a statement to the node at once, or says how it gets there.
async fn bring(link: Option<&mut Link>, statement: &Statement, speak: &Speak) -> anyhow::Result<()> {
    match link {
        Some(link) => {
            link.offer(statement.bytes()).await?;
            speak.say("  → the node has it");
        }
        None => speak.say("next: bring it to the TRE's node with `quintes network import FILE --node …`"),
    }
    Ok(())
}

async fn sign(args: &SignArgs, speak: &Speak) -> anyhow::Result<()> {
    let signer = args.signing.open(speak)?;
    let (mut link, federation) = gather(&args.link, &args.federation, Some(&args.signing.key)).await?;
    let mut desk = Desk::at(federation, &args.federation.federation, signer, args.signing.yes, now(), speak);
    let me = desk.me()?.name;
    let approval = match &args.project {
        Some(project) => drafted(args, project, &desk)?,
        None => proposed(args, &mut desk)?,
    };
    require_data_owner(&desk, &me, std::slice::from_ref(&approval.tre))?;
    let project = counting(&desk.federation, &approval, desk.now)?;
    if let Some(by) = Of::payload(&desk.federation, &approval).withdrawn(desk.now) {
        bail!("{by} has withdrawn `{}`, and it never returns; sign another one under another name", approval.name);
    }
    if Of::payload(&desk.federation, &approval).signatures.iter().any(|one| one.signer().name == me) {
        bail!("{me} has signed this standing approval already; `quintes standing list` shows who is missing");
    }
    if project.egress.excluded.contains(&me) {
        bail!("the project excludes {me} from decisions; ask another data owner");
    }
    let lifetime = args.days * DAY;
    let words = says(&approval, &project, desk.now + lifetime);
    let statement = desk.sign(&approval, &me, lifetime, &words)?;
    bring(link.as_mut(), &statement, speak).await?;
    let of = Of::payload(&desk.federation, &approval);
    let missing = of.missing(&desk.federation, &project, desk.now);
    match missing {
        0 => speak.say(&format!(
            "it counts at {}: at most {} tasks a day leave without a person until {}; `quintes standing withdraw {}` ends it",
            approval.tre,
            approval.per_day,
            utc(of.until(desk.now)),
            approval.name
        )),
        more => speak.say(&format!(
            "{more} more data owners of {} must sign it: `quintes standing sign {}`",
            approval.tre, approval.name
        )),
    }
    desk.finish(
        json!({ "name": approval.name, "tre": approval.tre, "missing": missing, "payload": digest_of(&approval) }),
    );
    Ok(())
}

/// What the command line says.
fn drafted(args: &SignArgs, project: &str, desk: &Desk<'_>) -> anyhow::Result<StandingApproval> {
    let (Some(component), Some(tre), Some(per_day)) = (&args.component, &args.tre, args.per_day) else {
        bail!("a new standing approval names --component, --tre and --per-day");
    };
    let chosen = desk.federation.roster.project_at(project, tre, desk.now);
    let chosen = chosen.ok_or_else(|| {
        anyhow!("the project {project} does not count at {tre}; `quintes project show` lists where each counts")
    })?;
    let named = chosen.project.components.iter().find(|one| one.name == *component).map(|one| one.digest);
    // A project that allows every component names none; then those that come with the program go by their names.
    let named = named.or_else(|| catalogue::named(component).map(catalogue::BuiltIn::digest));
    let digest: Digest = match (named, component.parse()) {
        (Some(digest), _) => digest,
        (None, Ok(digest)) => digest,
        (None, Err(_)) => {
            let names: Vec<&str> = chosen.project.components.iter().map(|one| one.name.as_str()).collect();
            bail!(
                "the project names no component {component}; it names: {}; or give 64 hexadecimal digits of its SHA-256",
                words::listed(&names)
            )
        }
    };
    if !chosen.project.components.is_empty() && chosen.project.components.iter().all(|one| one.digest != digest) {
        bail!("the project does not allow this component; a standing approval of it would never count");
    }
    let approval = StandingApproval {
        name: args.name.clone(),
        tre: tre.clone(),
        project: project.to_owned(),
        policy: digest_of(&chosen.project),
        component: digest,
        rules: RULES_VERSION.to_owned(),
        checker: checker_digest(),
        per_day,
    };
    let taken = standing(&desk.federation)
        .find(|one| (&one.payload().name, &one.payload().tre) == (&approval.name, tre) && *one.payload() != approval);
    if let Some(taken) = taken.filter(|one| Of::payload(&desk.federation, one.payload()).withdrawn(desk.now).is_none())
    {
        bail!(
            "{} has proposed another standing approval under the name `{}`; sign that one by its name alone, or take another name",
            taken.signer().name,
            approval.name
        );
    }
    Ok(approval)
}

/// The one that others have proposed, under this name or in this file.
fn proposed(args: &SignArgs, desk: &mut Desk<'_>) -> anyhow::Result<StandingApproval> {
    let file = Path::new(&args.name);
    let mut wanted: BTreeSet<Digest> = BTreeSet::new();
    if file.is_file() {
        for bytes in statements::read(file)? {
            let statement = desk
                .federation
                .receive(&bytes, desk.now)
                .map_err(|verdict| anyhow!("`{}` was not believed: {verdict}", file.display()))?;
            if let Statement::StandingApproval(one) = statement {
                wanted.insert(digest_of(one.payload()));
            }
        }
    } else {
        let named = standing(&desk.federation).filter(|one| {
            let said = one.payload();
            said.name == args.name && args.tre.as_ref().is_none_or(|tre| said.tre == *tre)
        });
        wanted.extend(
            named
                .filter(|one| Of::payload(&desk.federation, one.payload()).withdrawn(desk.now).is_none())
                .map(|one| digest_of(one.payload())),
        );
    }
    let found = |digest: &Digest| {
        standing(&desk.federation).find(|one| digest_of(one.payload()) == *digest).map(|one| one.payload().clone())
    };
    match wanted.iter().collect::<Vec<_>>().as_slice() {
        [one] => found(one).ok_or_else(|| anyhow!("the standing approval has expired; propose it again")),
        [] => bail!(
            "nobody has proposed a standing approval `{}`; propose it with --project, --component, --tre and --per-day",
            plain(&args.name)
        ),
        _ => bail!("several standing approvals are called `{}`; name the TRE with --tre, or a file", plain(&args.name)),
    }
}

/// The project as it counts at the TRE now, when the approval is for exactly that version.
fn counting(federation: &Federation, approval: &StandingApproval, now: u64) -> anyhow::Result<Project> {
    let chosen = federation.roster.project_at(&approval.project, &approval.tre, now).map(|chosen| chosen.project);
    match chosen {
        Some(project) if digest_of(&project) == approval.policy => Ok(project),
        Some(project) => bail!(
            "`{}` is for another version of the project {} than counts at {} now (version {}); propose a new one",
            approval.name,
            approval.project,
            approval.tre,
            project.version
        ),
        None => bail!("the project {} does not count at {} any more", approval.project, approval.tre),
    }
}

/// What leaves without a person, until when, how many a day.
fn says(approval: &StandingApproval, project: &Project, until: u64) -> Words {
    let component = project.components.iter().find(|one| one.digest == approval.component);
    let named = component.map_or_else(String::new, |one| format!("{}, ", one.name));
    let egress = &project.egress;
    vec![
        ("name", approval.name.clone()),
        (
            "leaves without a person",
            format!("outputs of {} in {}, version {}", approval.tre, project.name, project.version),
        ),
        ("made by", format!("the component {named}SHA-256 {}", approval.component)),
        (
            "when",
            "every rule passes for every output, on figures that the TRE itself has counted; anything else waits"
                .to_owned(),
        ),
        ("rules", format!("version {}, checker {}", approval.rules, approval.checker.short())),
        ("at most", format!("{} tasks a day (UTC)", approval.per_day)),
        ("until", utc(until)),
        (
            "counts when",
            format!(
                "{} distinct data owners of {} have signed the same; the submitter never counts",
                egress.approvals, approval.tre
            ),
        ),
        (
            "ends",
            "at once when any of them withdraws, and for a task about which a person has decided anything".to_owned(),
        ),
    ]
}

fn standing(federation: &Federation) -> impl Iterator<Item = &Verified<StandingApproval>> {
    federation.statements.iter().filter_map(|statement| match statement {
        Statement::StandingApproval(one) => Some(one),
        _ => None,
    })
}

/// One standing approval and everyone who signed it.
struct Of<'a> {
    federation: &'a Federation,
    signatures: Vec<&'a Verified<StandingApproval>>,
}

impl<'a> Of<'a> {
    fn payload(federation: &'a Federation, payload: &StandingApproval) -> Self {
        let all = federation.all().filter_map(|statement| match statement {
            Statement::StandingApproval(one) => Some(one),
            _ => None,
        });
        Self { federation, signatures: all.filter(|one| one.payload() == payload).collect() }
    }

    /// Who has withdrawn, of those who own or owned the data.
    fn withdrawn(&self, now: u64) -> Option<&'a str> {
        let roster = &self.federation.roster;
        let ended = self.signatures.iter().find(|one| {
            let (by, tre) = (&one.signer().name, &one.payload().tre);
            let owned = |at| roster.is_data_owner(by, tre, at);
            is_revoked(self.federation, &one.id(), now) && (owned(now) || owned(one.claims().issued))
        });
        ended.map(|one| one.signer().name.as_str())
    }

    /// Those whose signature counts now.
    fn counted(&self, now: u64) -> impl Iterator<Item = &'a Verified<StandingApproval>> {
        let roster = &self.federation.roster;
        self.signatures.clone().into_iter().filter(move |one| {
            let signer = one.signer();
            now < one.claims().expires
                && roster.is_key_good(&signer.key.id(), now)
                && roster.is_data_owner(&signer.name, &one.payload().tre, now)
        })
    }

    fn until(&self, now: u64) -> u64 {
        self.counted(now).map(|one| one.claims().expires).min().unwrap_or(now)
    }

    /// How many owners must sign still. Whom the TRE's own configuration names as owners only its node knows.
    fn missing(&self, federation: &Federation, project: &Project, now: u64) -> u64 {
        debug_assert!(std::ptr::eq(self.federation, federation), "one federation at a time");
        let excluded = &project.egress.excluded;
        let persons: BTreeSet<&str> = self.counted(now).map(|one| one.signer().name.as_str()).collect();
        let counted = persons.iter().filter(|person| excluded.iter().all(|one| one != *person)).count();
        project.egress.approvals.saturating_sub(counted as u64)
    }
}

async fn list(args: &ListArgs, speak: &Speak) -> anyhow::Result<()> {
    let (link, federation) = gather(&args.link, &args.federation, None).await?;
    let used = match link {
        Some(mut link) => match link.ask_at_door(&Ask::Health).await {
            Ok(Answer::Health(health)) => Some((health.name.clone(), health.log.standing_used)),
            // Over the network nobody tells.
            Ok(_) | Err(_) => None,
        },
        None => None,
    };
    let now = now();
    let payloads: BTreeMap<Digest, &StandingApproval> = federation
        .all()
        .filter_map(|statement| match statement {
            Statement::StandingApproval(one) => Some((digest_of(one.payload()), one.payload())),
            _ => None,
        })
        .collect();
    let (mut rows, mut told) = (Vec::new(), Vec::new());
    for (digest, approval) in payloads {
        let of = Of::payload(&federation, approval);
        let project = counting(&federation, approval, now);
        let missing = project.as_ref().map_or(0, |project| of.missing(&federation, project, now));
        let (state, over) = match (of.withdrawn(now), &project) {
            (Some(by), _) => (format!("withdrawn by {by}"), true),
            (None, Err(why)) => (why.to_string(), true),
            (None, Ok(_)) if of.counted(now).next().is_none() => ("expired".to_owned(), true),
            (None, Ok(_)) if missing > 0 => (format!("{missing} more must sign"), false),
            (None, Ok(_)) => (format!("counts until {}", utc(of.until(now))), false),
        };
        if over && !args.all {
            continue;
        }
        let today = used.as_ref().filter(|(tre, _)| *tre == approval.tre);
        let today = today.map(|(_, used)| used.get(&digest).copied().unwrap_or_default());
        let component = project.as_ref().ok().and_then(|project| {
            project.components.iter().find(|one| one.digest == approval.component).map(|one| one.name.clone())
        });
        let component = component.unwrap_or_else(|| approval.component.short());
        let by: BTreeSet<&str> = of.signatures.iter().map(|one| one.signer().name.as_str()).collect();
        let by: Vec<&str> = by.into_iter().collect();
        let of_day = today
            .map_or_else(|| format!("? of {}", approval.per_day), |used| format!("{used} of {}", approval.per_day));
        rows.push(vec![
            approval.name.clone(),
            approval.tre.clone(),
            approval.project.clone(),
            component.clone(),
            of_day,
            by.join(", "),
            plain(&state),
        ]);
        told.push(json!({
            "name": approval.name, "tre": approval.tre, "project": approval.project, "component": approval.component,
            "component_name": component, "per_day": approval.per_day, "used_today": today, "signed_by": by, "missing": missing,
            "until": of.until(now), "state": state, "over": over, "payload": digest,
        }));
    }
    if rows.is_empty() {
        speak
            .say("nothing leaves without a person; with --all withdrawn and expired standing approvals are listed too");
    } else {
        speak.table(&["name", "TRE", "project", "component", "today", "signed by", "state"], &rows);
    }
    speak.answer(json!({ "standing": told }));
    Ok(())
}

async fn withdraw(args: &WithdrawArgs, speak: &Speak) -> anyhow::Result<()> {
    let signer = args.signing.open(speak)?;
    let (mut link, federation) = gather(&args.link, &args.federation, Some(&args.signing.key)).await?;
    let mut desk = Desk::at(federation, &args.federation.federation, signer, args.signing.yes, now(), speak);
    let me = desk.me()?.name;
    let named: Vec<Verified<StandingApproval>> = standing(&desk.federation)
        .filter(|one| {
            let said = one.payload();
            said.name == args.name && args.tre.as_ref().is_none_or(|tre| said.tre == *tre)
        })
        .cloned()
        .collect();
    let mine: Vec<&Verified<StandingApproval>> = named.iter().filter(|one| one.signer().name == me).collect();
    let open: Vec<&&Verified<StandingApproval>> =
        mine.iter().filter(|one| !is_revoked(&desk.federation, &one.id(), desk.now)).collect();
    match (named.is_empty(), mine.is_empty(), open.is_empty()) {
        (true, ..) => {
            bail!("there is no standing approval `{}`; `quintes standing list` shows them", plain(&args.name))
        }
        (_, true, _) => {
            let by: BTreeSet<&str> = named.iter().map(|one| one.signer().name.as_str()).collect();
            let by = by.into_iter().collect::<Vec<_>>().join(" or ");
            bail!(
                "{me} has not signed `{}`; {by} can withdraw, or a root person with `quintes network revoke`",
                plain(&args.name)
            )
        }
        (_, _, true) => bail!("{me} has withdrawn `{}` already; nothing to do", plain(&args.name)),
        _ => {}
    }
    let targets: Vec<(protocol::wire::id::StatementId, Statement)> =
        open.iter().map(|one| (one.id(), Statement::StandingApproval((**one).clone()))).collect();
    for (target, standing) in &targets {
        let revocation = Revocation { target: *target, reason: args.reason.clone() };
        let mut words = words::revocation(&revocation, Some(standing));
        words.push(("so that", "nothing leaves by it any more, whoever else has signed it".to_owned()));
        let statement = desk.sign_unplaced(&revocation, &me, Revocation::MAX_LIFETIME_SECONDS, &words)?;
        // First to the node: what leaves by it must stop now, also when the folder cannot be written.
        bring(link.as_mut(), &statement, speak).await?;
        let path = place(&args.federation.federation, &statement)?;
        speak.say(&format!("  → {}", path.display()));
        speak.line(&statement.id().to_string());
        speak.answer(json!({ "withdrawn": target, "name": args.name, "statements": [told(&statement, Some(&path))] }));
    }
    Ok(())
}
