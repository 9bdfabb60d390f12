//! `quintes network sign`: one more signature under a root, a project or a key record; the payload stays the same.

use crate::cli::desk::{Desk, FederationOptions, SigningOptions, root_persons};
use crate::cli::speak::Speak;
use crate::cli::words;
use crate::statements;
use anyhow::{anyhow, bail};
use protocol::ingress::{Statement, Verified};
use protocol::record::Payload;
use protocol::record::key_record::KeyRecord;
use protocol::record::project::Project;
use protocol::record::root::Root;
use protocol::wire::id::StatementId;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What to sign.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  quintes network sign root-1-by-alice.quintes --key bob")]
pub(crate) struct Args {
    /// The file with the statement; what others signed in it comes into the folder too.
    file: PathBuf,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Signs every payload of the file that can be co-signed, each once.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let wanted: BTreeSet<StatementId> =
        statements::read(&args.file)?.iter().map(|bytes| StatementId::of(bytes)).collect();
    let mut desk = Desk::open(&args.federation, &args.signing, std::slice::from_ref(&args.file), speak)?;
    if let Some(refused) = desk.federation.refused.iter().find(|one| one.id.is_some_and(|id| wanted.contains(&id))) {
        bail!("`{}` was not believed: {}", args.file.display(), refused.reason);
    }
    let found: Vec<Statement> =
        desk.federation.statements.iter().filter(|one| wanted.contains(&one.id())).cloned().collect();
    let mut signed = 0;
    for statement in &found {
        signed += usize::from(match statement {
            Statement::Root(root) => sign_root(&mut desk, root)?,
            Statement::Project(project) => sign_project(&mut desk, project.payload())?,
            Statement::KeyRecord(record) => sign_key_record(&mut desk, record.payload())?,
            other => bail!("a {} has one signature only; only roots, projects and key records take more", other.kind()),
        });
        desk.keep(statement)?;
    }
    if found.is_empty() {
        bail!("`{}` holds no statement that is in force; ask for a new one", args.file.display());
    }
    if signed == 0 {
        speak.say("nothing to do: this key has signed all of it already");
    }
    let complete = desk.federation.roster.root().is_some();
    if !complete {
        speak.say("the root still needs further signatures before the federation can work");
    }
    desk.finish(json!({ "signed": signed, "complete": complete }));
    Ok(())
}

/// Whether the desk's own key has signed this payload.
fn has_signed<T: Payload>(desk: &Desk<'_>, payload: &T, of: fn(&Statement) -> Option<&Verified<T>>) -> bool {
    let key = desk.key();
    let mut signatures = desk.federation.statements.iter().filter_map(of);
    signatures.any(|one| one.payload() == payload && one.signer().key == key)
}

fn root_of(statement: &Statement) -> Option<&Verified<Root>> {
    if let Statement::Root(root) = statement { Some(root) } else { None }
}

fn key_record_of(statement: &Statement) -> Option<&Verified<KeyRecord>> {
    if let Statement::KeyRecord(record) = statement { Some(record) } else { None }
}

fn project_of(statement: &Statement) -> Option<&Verified<Project>> {
    if let Statement::Project(project) = statement { Some(project) } else { None }
}

fn sign_root(desk: &mut Desk<'_>, root: &Verified<Root>) -> anyhow::Result<bool> {
    let root = root.payload();
    if has_signed(desk, root, root_of) {
        return Ok(false);
    }
    let key = desk.key();
    let mine = |root: &Root| root.keys.iter().find(|one| one.key == key).map(|one| one.person.clone());
    let person = mine(root).or_else(|| desk.federation.roster.root().and_then(mine)).ok_or_else(|| {
        let persons: Vec<String> =
            root.keys.iter().map(|one| format!("{} ({})", one.person, one.key.fingerprint())).collect();
        anyhow!("the key {} is none of this root's; its root persons are {}", key.fingerprint(), persons.join(", "))
    })?;
    let network = *desk.federation.roster.network();
    desk.sign(root, &person, Root::MAX_LIFETIME_SECONDS, &words::root(root, &network))?;
    Ok(true)
}

/// Signs a key record as a root person; false when it was signed already.
pub(crate) fn sign_key_record(desk: &mut Desk<'_>, record: &KeyRecord) -> anyhow::Result<bool> {
    let me = desk.root_person("enrol anybody")?;
    let mut records = desk.federation.statements.iter().filter_map(key_record_of);
    if !records.any(|one| one.payload() == record && one.signer().key == record.key) {
        bail!("the key record of {} lacks the signature of its own key; ask for the request file itself", record.name);
    }
    // A root person's own key record is enrolled by its own signature, which the root makes count.
    if has_signed(desk, record, key_record_of) {
        return Ok(false);
    }
    refuse_taken_name(desk, record)?;
    desk.sign(record, &me.name, KeyRecord::MAX_LIFETIME_SECONDS, &words::key_record(record))?;
    Ok(true)
}

/// Two holders with one name could speak for each other.
fn refuse_taken_name(desk: &Desk<'_>, record: &KeyRecord) -> anyhow::Result<()> {
    let holders = desk.federation.roster.holders(desk.now);
    if desk.federation.roster.is_key_revoked(&record.key.id(), desk.now) {
        bail!(
            "the key {} of {} was revoked and never returns; ask for new keys",
            record.key.fingerprint(),
            record.name
        );
    }
    for holder in holders.iter().filter(|holder| holder.name == record.name) {
        if holder.kind != record.kind || holder.organisation != record.organisation {
            bail!(
                "{} is already the name of the {} of {}; ask for a request under another name",
                record.name,
                holder.kind,
                holder.organisation,
            );
        }
        if holder.key != record.key {
            desk.speak.warn(&format!(
                "{} already has the key {}; this is a further one: ask {} yourself whether it is theirs",
                record.name,
                holder.key.fingerprint(),
                record.name,
            ));
        }
    }
    Ok(())
}

/// Signs a project as a data owner of one of its TREs; false when it was signed already.
pub(crate) fn sign_project(desk: &mut Desk<'_>, project: &Project) -> anyhow::Result<bool> {
    if has_signed(desk, project, project_of) {
        return Ok(false);
    }
    let me = desk.me()?;
    require_data_owner(desk, &me.name, &project.tres)?;
    desk.sign(project, &me.name, Project::MAX_LIFETIME_SECONDS, &words::project(project))?;
    Ok(true)
}

/// Only a data owner of one of these TREs signs a project.
pub(crate) fn require_data_owner(desk: &Desk<'_>, person: &str, tres: &[String]) -> anyhow::Result<()> {
    let roster = &desk.federation.roster;
    if tres.iter().any(|tre| roster.is_data_owner(person, tre, desk.now)) {
        return Ok(());
    }
    let holders = roster.holders(desk.now);
    let owners: BTreeSet<&str> = holders
        .iter()
        .map(|holder| holder.name.as_str())
        .filter(|name| tres.iter().any(|tre| roster.is_data_owner(name, tre, desk.now)))
        .collect();
    if owners.is_empty() {
        bail!(
            "{person} is no data owner of {}, and nobody is yet; ask a root person ({}) for a grant",
            tres.join(", "),
            root_persons(&desk.federation),
        );
    }
    bail!("{person} is no data owner of {}; ask {}", tres.join(", "), owners.into_iter().collect::<Vec<_>>().join(", "),)
}
