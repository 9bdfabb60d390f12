//! `quintes network grant`: a role for a person, checked before signing against everything that others will check.

use crate::cli::desk::{Desk, FederationOptions, SigningOptions, root_persons, until};
use crate::cli::network::revoke::{by_prefix, is_revoked};
use crate::cli::speak::Speak;
use crate::cli::words;
use anyhow::{anyhow, bail};
use clap::ValueEnum;
use protocol::ingress::Statement;
use protocol::record::Payload;
use protocol::record::grant::{Grant, Role};
use protocol::record::key_record::HolderKind;
use protocol::record::payload::DAY;
use protocol::record::project::Project;
use protocol::trust::authority::Wanted;
use protocol::trust::roster::Roster;
use protocol::wire::id::StatementId;
use serde_json::json;
use std::collections::BTreeSet;

/// What to grant.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Root persons make data owners and output checkers; data owners make output checkers and researchers at their own TRE; a
project's admins make its researchers.

Examples:
  quintes network grant bob --role data-owner --tre london --key alice
  quintes network grant eve --role researcher --project stroke --days 30 --key bob")]
pub(crate) struct Args {
    /// The person's name in the federation.
    person: String,
    /// As what.
    #[arg(long)]
    role: RoleName,
    /// In which project; a researcher's grant names one.
    #[arg(long)]
    project: Option<String>,
    /// At which TRE; a data owner's and an output checker's grant names one.
    #[arg(long)]
    tre: Option<String>,
    /// Over which datasets only.
    #[arg(long = "dataset", value_name = "DATASET")]
    datasets: Vec<String>,
    /// For how many days, at most 90.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=90))]
    days: u64,
    /// The person may grant a part of it to others.
    #[arg(long)]
    may_delegate: bool,
    /// The grant out of which this one is made; without it the one that allows it is looked for.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Researcher,
    DataOwner,
    OutputChecker,
    Operator,
}

/// Grants.
pub(crate) fn run(args: Args, speak: &Speak) -> anyhow::Result<()> {
    let mut desk = Desk::open(&args.federation, &args.signing, &[], speak)?;
    let me = desk.me()?;
    let mut grant = Grant {
        person: args.person,
        role: match args.role {
            RoleName::Researcher => Role::Researcher,
            RoleName::DataOwner => Role::DataOwner,
            RoleName::OutputChecker => Role::OutputChecker,
            RoleName::Operator => Role::Operator,
        },
        project: args.project,
        tre: args.tre,
        datasets: (!args.datasets.is_empty()).then_some(args.datasets),
        may_delegate: args.may_delegate,
        parent: None,
    };
    grant.check().map_err(|invalid| anyhow!("the grant would not be valid ({invalid}); nothing was signed"))?;
    let parents: Vec<Option<StatementId>> = match &args.parent {
        Some(prefix) => vec![Some(by_prefix(&desk.federation, prefix)?.id())],
        None => std::iter::once(None).chain(delegable(&desk, &me.name, &grant).into_iter().map(Some)).collect(),
    };
    let tres = tres_of(&desk.federation.roster, &grant, desk.now)?;
    let may = parents.into_iter().find(|parent| {
        grant.parent = *parent;
        tres.iter().any(|(tre, project)| may_grant(&desk, &me.name, &grant, tre, project.as_ref()))
    });
    grant.parent = may.ok_or_else(|| refusal(&desk, &me.name, &grant))?;
    warn_unknown(&desk, &grant);
    let lifetime = args.days * DAY;
    let statement = desk.sign(&grant, &me.name, lifetime, &words::grant(&grant, desk.now + lifetime))?;
    let roster = &desk.federation.roster;
    let counts: Vec<&str> = tres
        .iter()
        .filter(|(tre, project)| roster.authority(&wanted(&grant, tre, project.as_ref()), desk.now).is_some())
        .map(|(tre, _)| tre.as_str())
        .collect();
    speak.say(&format!("it counts at {} until {}", words::listed(&counts), until(&statement)));
    let counts = json!(counts);
    desk.finish(json!({ "counts_at": counts }));
    Ok(())
}

/// The grants of this person that may be delegated and hold the wanted one.
fn delegable(desk: &Desk<'_>, person: &str, grant: &Grant) -> Vec<StatementId> {
    let held = desk.federation.roster.grants();
    held.filter(|held| {
        held.payload().person == person
            && held.payload().may_delegate
            && grant.is_within(held.payload())
            && !is_revoked(&desk.federation, &held.id(), desk.now)
    })
    .map(|held| held.id())
    .collect()
}

/// Where the grant could count, with the project as it stands there: as the TRE's data owner signed it, or else its newest version.
fn tres_of(roster: &Roster, grant: &Grant, now: u64) -> anyhow::Result<Vec<(String, Option<Project>)>> {
    let newest = |name: &String| {
        roster.projects().into_iter().find(|(project, _)| project.name == *name).map(|(project, _)| project.clone())
    };
    let Some(name) = &grant.project else {
        return Ok(grant.tre.iter().map(|tre| (tre.clone(), None)).collect());
    };
    let newest = newest(name).ok_or_else(|| {
        let known: BTreeSet<&str> = roster.projects().iter().map(|(project, _)| project.name.as_str()).collect();
        anyhow!(
            "there is no project {name}; the projects are: {}",
            words::listed(&known.into_iter().collect::<Vec<_>>())
        )
    })?;
    let tres = grant.tre.as_ref().map_or_else(|| newest.tres.clone(), |tre| vec![tre.clone()]);
    if let Some(tre) = tres.iter().find(|tre| !newest.tres.contains(tre)) {
        bail!("{tre} takes no part in {name}; its TREs are {}", newest.tres.join(", "));
    }
    Ok(tres
        .into_iter()
        .map(|tre| {
            let project = roster.project_at(name, &tre, now).map_or_else(|| newest.clone(), |chosen| chosen.project);
            (tre, Some(project))
        })
        .collect())
}

fn wanted<'a>(grant: &'a Grant, tre: &'a str, project: Option<&'a Project>) -> Wanted<'a> {
    Wanted {
        person: &grant.person,
        role: grant.role,
        project,
        tre,
        datasets: grant.datasets.as_deref().unwrap_or_default(),
    }
}

/// The rule of the roster (`trust/authority`), asked before the statement exists: a first grant by the grantor's own standing, a delegated
/// one out of a grant that counts for the grantor.
fn may_grant(desk: &Desk<'_>, grantor: &str, grant: &Grant, tre: &str, project: Option<&Project>) -> bool {
    let roster = &desk.federation.roster;
    let owns = || grant.tre.as_deref() == Some(tre) && roster.is_data_owner(grantor, tre, desk.now);
    let Some(parent) = grant.parent else {
        return match grant.role {
            Role::DataOwner | Role::Operator => roster.is_root_person(grantor),
            Role::OutputChecker => roster.is_root_person(grantor) || owns(),
            Role::Researcher => {
                project.is_some_and(|project| project.admins.iter().any(|admin| admin == grantor)) || owns()
            }
        };
    };
    let fits = roster.grants().find(|held| held.id() == parent).is_some_and(|held| {
        held.payload().person == grantor && held.payload().may_delegate && grant.is_within(held.payload())
    });
    let as_grantor = Wanted { person: grantor, ..wanted(grant, tre, project) };
    fits && roster.authority(&as_grantor, desk.now).is_some()
}

/// Why not, and who could.
fn refusal(desk: &Desk<'_>, grantor: &str, grant: &Grant) -> anyhow::Error {
    if grant.parent.is_some() {
        return anyhow!(
            "{grantor} cannot grant this out of {}: it is another person's, may not be delegated, is narrower, or no longer counts",
            grant.parent.map(|id| id.short()).unwrap_or_default(),
        );
    }
    let roster = &desk.federation.roster;
    let owners = |tre: &str| -> BTreeSet<String> {
        let holders = roster.holders(desk.now);
        holders.into_iter().map(|holder| holder.name).filter(|name| roster.is_data_owner(name, tre, desk.now)).collect()
    };
    let mut could: BTreeSet<String> = grant.tre.iter().flat_map(|tre| owners(tre)).collect();
    match grant.role {
        Role::DataOwner | Role::Operator => could = BTreeSet::new(),
        Role::OutputChecker => {}
        Role::Researcher => {
            let projects = roster.projects();
            let named = projects.iter().filter(|(project, _)| Some(&project.name) == grant.project.as_ref());
            could.extend(named.flat_map(|(project, _)| project.admins.iter().cloned()));
        }
    }
    if grant.role != Role::Researcher {
        could.extend(roster.root().into_iter().flat_map(|root| root.persons()).map(ToOwned::to_owned));
    }
    let could: Vec<String> = could.into_iter().collect();
    if could.is_empty() {
        anyhow!(
            "{grantor} cannot make a {}, and nobody can yet; ask a root person ({})",
            grant.role,
            root_persons(&desk.federation)
        )
    } else {
        anyhow!("{grantor} cannot make a {} there; ask {}", grant.role, could.join(" or "))
    }
}

fn warn_unknown(desk: &Desk<'_>, grant: &Grant) {
    let holders = desk.federation.roster.holders(desk.now);
    let knows = |kind, name: &str| holders.iter().any(|holder| holder.kind == kind && holder.name == name);
    if !knows(HolderKind::Person, &grant.person) {
        desk.speak.warn(&format!("no person {} is enrolled (yet); the grant counts once there is one", grant.person));
    }
    if let Some(tre) = grant.tre.as_ref().filter(|tre| !knows(HolderKind::Tre, tre)) {
        desk.speak.warn(&format!("no TRE {tre} is enrolled (yet); check the name"));
    }
}

/// The grant statements of a federation that name a person.
pub(crate) fn grants_to<'a>(statements: impl Iterator<Item = &'a Statement>, person: &str) -> Vec<&'a Statement> {
    statements.filter(|one| matches!(one, Statement::Grant(grant) if grant.payload().person == person)).collect()
}
