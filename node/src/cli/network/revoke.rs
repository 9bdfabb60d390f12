//! `quintes network revoke`: a statement that no longer counts, by its issuer, an ancestor's issuer or a root person.

use crate::cli::desk::{Desk, FederationOptions, SigningOptions, root_persons};
use crate::cli::network::grant::grants_to;
use crate::cli::speak::Speak;
use crate::cli::words;
use crate::statements::Federation;
use anyhow::{anyhow, bail};
use protocol::ingress::Statement;
use protocol::record::Payload;
use protocol::record::revocation::Revocation;
use protocol::wire::id::StatementId;
use serde_json::json;
use std::collections::BTreeSet;

/// The fewest hexadecimal digits that may stand for an id.
const MIN_PREFIX: usize = 4;

/// What to revoke.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Revoking any statement of a key record revokes its key. Nodes act on a revocation as soon as they see it; a new status makes
sure that none runs without it.

Examples:
  quintes network revoke 3f2a91c0 --reason \"left the hospital\" --key alice
  quintes network revoke bob --reason \"?\" --key alice     (lists bob's statements)")]
pub(crate) struct Args {
    /// The statement's id or the beginning of it; a person's name lists the person's statements.
    target: String,
    /// Why, for people.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// Revokes.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let mut desk = Desk::open(&args.federation, &args.signing, &[], speak)?;
    let me = desk.me()?;
    let target = by_prefix(&desk.federation, &args.target)?.clone();
    if matches!(target, Statement::Revocation(_)) {
        bail!("a revocation is never taken back; make a new grant or enrol a new key instead");
    }
    if is_revoked(&desk.federation, &target.id(), desk.now) {
        bail!("{} ({}) was revoked already; nothing to do", target.id().short(), words::title(&target));
    }
    let issuers = issuers(&desk.federation, &target);
    if !issuers.contains(&me.name) && !desk.federation.roster.is_root_person(&me.name) {
        bail!(
            "{} cannot revoke this; only {} or a root person ({}) can",
            me.name,
            issuers.into_iter().collect::<Vec<_>>().join(" or "),
            root_persons(&desk.federation),
        );
    }
    let revocation = Revocation { target: target.id(), reason: args.reason.clone() };
    desk.sign(&revocation, &me.name, Revocation::MAX_LIFETIME_SECONDS, &words::revocation(&revocation, Some(&target)))?;
    speak.say("next: a root person runs `quintes network status`, so that no node works without knowing it");
    desk.finish(json!({ "revoked": target.id().to_string() }));
    Ok(())
}

/// The one statement whose id begins so.
///
/// # Errors
/// With the candidates when there are several, or with a person's statements when a name was given.
pub(crate) fn by_prefix<'a>(federation: &'a Federation, text: &str) -> anyhow::Result<&'a Statement> {
    let prefix = text.to_ascii_lowercase();
    let is_id = prefix.len() >= MIN_PREFIX && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found: Vec<&Statement> =
        federation.all().filter(|one| is_id && one.id().to_string().starts_with(&prefix)).collect();
    if let [one] = found.as_slice() {
        return Ok(one);
    }
    if !found.is_empty() {
        return Err(anyhow!("`{text}` begins several ids; give more of one of these: {}", candidates(&found)));
    }
    let named: Vec<&Statement> = about(federation, text);
    if !named.is_empty() {
        return Err(anyhow!("{text} is a name; name one of these statements by its id: {}", candidates(&named)));
    }
    if is_id {
        bail!("no statement's id begins with `{text}`; `quintes network show` lists them")
    }
    bail!(
        "`{text}` is neither an id (at least {MIN_PREFIX} hexadecimal digits) nor the name of anybody here; `quintes network show` lists them"
    )
}

/// What was said about a holder: its key records and its grants.
fn about<'a>(federation: &'a Federation, name: &str) -> Vec<&'a Statement> {
    let records = federation.statements.iter();
    let mut found: Vec<&Statement> =
        records.filter(|one| matches!(one, Statement::KeyRecord(record) if record.payload().name == name)).collect();
    found.extend(grants_to(federation.statements.iter(), name));
    found
}

fn candidates(statements: &[&Statement]) -> String {
    let lines = statements.iter().map(|one| format!("{} ({})", one.id().short(), words::title(one)));
    lines.collect::<Vec<_>>().join("; ")
}

/// Who issued a statement or, for a grant, one of its ancestors.
fn issuers(federation: &Federation, target: &Statement) -> BTreeSet<String> {
    let mut issuers = BTreeSet::from([target.signer().name.clone()]);
    let mut link = target;
    // A chain of grants is short, and each id is a digest over its parent's, so that it cannot be a circle.
    while let Statement::Grant(grant) = link {
        let parent = grant.payload().parent.and_then(|id| federation.all().find(|one| one.id() == id));
        let Some(parent) = parent else { break };
        issuers.insert(parent.signer().name.clone());
        link = parent;
    }
    issuers
}

/// Whether a statement was revoked by somebody who may, as the roster counts it.
pub(crate) fn is_revoked(federation: &Federation, target: &StatementId, now: u64) -> bool {
    let Some(statement) = federation.all().find(|one| one.id() == *target) else { return false };
    let issuers = issuers(federation, statement);
    federation.statements.iter().any(|one| {
        matches!(one, Statement::Revocation(revocation)
            if revocation.payload().target == *target
                && revocation.claims().issued <= now
                && (issuers.contains(&one.signer().name) || federation.roster.is_root_person(&one.signer().name)))
    })
}
