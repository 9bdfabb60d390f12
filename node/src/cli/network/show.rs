//! `quintes network show`: what the folder says about the federation, as the roster counts it now.

use crate::cli::date::utc;
use crate::cli::desk::FederationOptions;
use crate::cli::network::revoke::is_revoked;
use crate::cli::speak::{Speak, plain};
use crate::cli::words;
use crate::clock::now;
use crate::statements::Federation;
use protocol::ingress::{Statement, Verified};
use protocol::record::grant::Grant;
use serde_json::{Value, json};

/// Of which federation.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    federation: FederationOptions,
}

/// Shows it.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let now = now();
    let federation = args.federation.load(&[], now)?;
    root(&federation, speak);
    members(&federation, now, speak);
    grants(&federation, now, speak);
    projects(&federation, now, speak);
    revocations(&federation, speak);
    let fresh = match federation.roster.fresh_status(now) {
        Ok(status) => {
            let text = format!("epoch {}, fresh until {}", status.payload().epoch, utc(status.claims().expires));
            speak.line(&format!("\nstatus: {text}"));
            json!({ "fresh": true, "epoch": status.payload().epoch, "expires": status.claims().expires })
        }
        Err(stale) => {
            speak.line(&format!("\nstatus: {stale}"));
            json!({ "fresh": false, "reason": stale.to_string() })
        }
    };
    for one in &federation.refused {
        speak.warn(&format!("{}: {}", one.file.display(), plain(&one.reason)));
    }
    speak.answer(data(&federation, now, &fresh));
    Ok(())
}

fn root(federation: &Federation, speak: &Speak) {
    let network = federation.roster.network();
    let Some(root) = federation.roster.root() else {
        speak.line(&format!("federation {network}: its root does not have its signatures yet"));
        for statement in &federation.statements {
            if let Statement::Root(root) = statement {
                let words = words::title(statement);
                speak.line(&format!("  {} (threshold {})", plain(&words), root.payload().threshold));
            }
        }
        return;
    };
    for (label, text) in words::root(root, network) {
        speak.line(&format!("{label:<12} {}", plain(&text)));
    }
}

fn members(federation: &Federation, now: u64, speak: &Speak) {
    let rows: Vec<Vec<String>> = federation
        .roster
        .holders(now)
        .into_iter()
        .map(|holder| {
            vec![
                holder.name.clone(),
                holder.kind.to_string(),
                plain(&holder.organisation),
                holder.key.fingerprint(),
                if holder.peer.is_some() { "enrolled" } else { "root key only" }.to_owned(),
            ]
        })
        .collect();
    section("members", &["name", "kind", "organisation", "key", "state"], &rows, speak);
}

fn grants(federation: &Federation, now: u64, speak: &Speak) {
    let rows: Vec<Vec<String>> = all_grants(federation)
        .map(|grant| {
            vec![
                grant.id().short(),
                words::granted(grant.payload()),
                grant.signer().name.clone(),
                utc(grant.claims().expires),
                state(federation, grant, now).to_owned(),
            ]
        })
        .collect();
    section("grants", &["id", "grant", "by", "until", "state"], &rows, speak);
}

fn projects(federation: &Federation, now: u64, speak: &Speak) {
    let rows: Vec<Vec<String>> = federation
        .roster
        .projects()
        .into_iter()
        .map(|(project, signers)| {
            let counts = crate::cli::project::counts_at(&federation.roster, project, now);
            vec![
                format!("{} {}", project.name, project.version),
                plain(&project.title),
                words::listed(&project.tres),
                words::listed(&signers.into_iter().collect::<Vec<_>>()),
                words::listed(&counts),
            ]
        })
        .collect();
    section("projects", &["project", "title", "TREs", "signed by", "counts at"], &rows, speak);
}

fn revocations(federation: &Federation, speak: &Speak) {
    let rows: Vec<Vec<String>> = federation
        .statements
        .iter()
        .filter_map(|one| match one {
            Statement::Revocation(revocation) => Some(revocation),
            _ => None,
        })
        .map(|revocation| {
            let target = revocation.payload().target;
            let what =
                federation.all().find(|one| one.id() == target).map_or("not known here".to_owned(), words::title);
            vec![target.short(), plain(&what), revocation.signer().name.clone(), plain(&revocation.payload().reason)]
        })
        .collect();
    section("revoked", &["id", "what", "by", "reason"], &rows, speak);
}

fn section(name: &str, heading: &[&str], rows: &[Vec<String>], speak: &Speak) {
    speak.line(&format!("\n{name}: {}", if rows.is_empty() { "none".to_owned() } else { rows.len().to_string() }));
    if !rows.is_empty() {
        speak.table(heading, rows);
    }
}

fn all_grants(federation: &Federation) -> impl Iterator<Item = &Verified<Grant>> {
    federation.all().filter_map(|one| match one {
        Statement::Grant(grant) => Some(grant),
        _ => None,
    })
}

fn state(federation: &Federation, grant: &Verified<Grant>, now: u64) -> &'static str {
    if is_revoked(federation, &grant.id(), now) {
        "revoked"
    } else if now >= grant.claims().expires {
        "expired"
    } else if federation.roster.is_key_revoked(&grant.signer().key.id(), now) {
        "its signer's key was revoked"
    } else {
        "in force"
    }
}

fn data(federation: &Federation, now: u64, fresh: &Value) -> Value {
    let roster = &federation.roster;
    let holders = roster.holders(now);
    json!({
        "network": roster.network().to_string(),
        "root": roster.root(),
        "members": holders.iter().map(|holder| json!({
            "name": holder.name, "kind": holder.kind, "organisation": holder.organisation, "key": holder.key.to_string(),
            "fingerprint": holder.key.fingerprint(), "recipient": holder.recipient, "peer": holder.peer,
        })).collect::<Vec<_>>(),
        "grants": all_grants(federation).map(|grant| json!({
            "id": grant.id().to_string(), "grant": grant.payload(), "issuer": grant.claims().issuer,
            "issued": grant.claims().issued, "expires": grant.claims().expires, "state": state(federation, grant, now),
        })).collect::<Vec<_>>(),
        "projects": roster.projects().into_iter().map(|(project, signers)| json!({
            "project": project, "signed_by": signers, "counts_at": crate::cli::project::counts_at(roster, project, now),
        })).collect::<Vec<_>>(),
        "revocations": federation.statements.iter().filter_map(|one| match one {
            Statement::Revocation(revocation) => Some(json!({
                "id": one.id().to_string(), "target": revocation.payload().target, "reason": revocation.payload().reason,
                "issuer": revocation.claims().issuer, "issued": revocation.claims().issued,
            })),
            _ => None,
        }).collect::<Vec<_>>(),
        "status": fresh,
        "expired": federation.expired.len(),
        "refused": federation.refused.iter().map(|one| json!({
            "file": one.file.display().to_string(), "id": one.id, "reason": one.reason,
        })).collect::<Vec<_>>(),
    })
}
