//! The federation's part of the check: enrolment, data owners, freshness, and what the files say about the clock.

use crate::cli::node_check::Findings;
use crate::config::{Config, NodeKind};
use crate::identity::signing_path;
use crate::statements::{self, Federation};
use keys::key::PublicKey;
use keys::keyfile;
use protocol::record::key_record::HolderKind;
use std::fs;

pub(super) fn check(config: &Config, now: u64, findings: &mut Findings) {
    let Some(folder) = &config.federation else {
        findings.warning(
            "federation",
            "no folder of statements is named, so that enrolment and grants cannot be checked here",
            "name one, or rely on what the peers bring",
        );
        return;
    };
    let federation = match statements::load(std::slice::from_ref(folder), Some(config.network), now) {
        Ok(federation) => federation,
        Err(error) => return findings.failure("federation", &error),
    };
    refused(&federation, findings);
    if federation.roster.root().is_none() {
        findings.error(
            "network",
            format!("`{}` holds no complete root of the federation {}", folder.display(), config.network),
            "correct the id, or import the root with all its signatures",
        );
        return;
    }
    enrolment(config, &federation, now, findings);
    if config.kind == NodeKind::Tre {
        for person in &config.data_owners {
            owner(config, &federation, person, now, findings);
        }
    }
    if let Err(stale) = federation.roster.fresh_status(now) {
        let text = stale.to_string();
        let (sentence, remedy) = text.split_once("; ").unwrap_or((&text, "ask a root person"));
        findings.warning("federation", format!("{sentence}, and nothing runs without a fresh one"), remedy);
    }
}

fn refused(federation: &Federation, findings: &mut Findings) {
    let early: Vec<_> = federation.refused.iter().filter(|one| one.early).collect();
    if let Some(first) = early.first() {
        findings.error(
            "",
            format!(
                "the clock is off: {} statements are dated in the future, first in `{}`",
                early.len(),
                first.file.display()
            ),
            "set the clock, and keep it by NTP; when it is right, ask the author for new ones",
        );
    }
    for one in federation.refused.iter().filter(|one| !one.early) {
        findings.warning(
            "federation",
            format!("`{}` holds {}", one.file.display(), one.reason),
            "ask for it again, or remove it",
        );
    }
}

fn enrolment(config: &Config, federation: &Federation, now: u64, findings: &mut Findings) {
    // The private key was looked at before; its public half tells whose it is.
    let public = fs::read_to_string(keyfile::public_path(&signing_path(&config.state)));
    let Some(key) = public.ok().and_then(|text| text.parse::<PublicKey>().ok()) else {
        let path = keyfile::public_path(&signing_path(&config.state));
        return findings.error(
            "state",
            format!("`{}` is missing or no public key", path.display()),
            "restore it from a backup",
        );
    };
    let roster = &federation.roster;
    let kind = HolderKind::from(config.kind);
    let remedy = format!("ask a root person to run `quintes network enrol {}.request`", config.name);
    match roster.holder(&key.id()) {
        None => findings.error("name", format!("the key of {} is not enrolled in the federation", config.name), remedy),
        Some(_) if roster.is_key_revoked(&key.id(), now) => {
            findings.error(
                "state",
                format!("the key of {} was revoked", config.name),
                "make a new node folder with `quintes node init`",
            );
        }
        Some(holder) if holder.kind != kind || holder.name != config.name => findings.error(
            "name",
            format!(
                "the key is enrolled as the {} {}, and the configuration says {kind} {}",
                holder.kind, holder.name, config.name
            ),
            "correct `name` and `kind`",
        ),
        Some(_) => {}
    }
}

fn owner(config: &Config, federation: &Federation, person: &str, now: u64, findings: &mut Findings) {
    let roster = &federation.roster;
    let enrolled = roster.holders(now).iter().any(|holder| holder.kind == HolderKind::Person && holder.name == person);
    if !enrolled {
        findings.error(
            "data_owners",
            format!("{person} is not enrolled in the federation"),
            "ask a root person to run `quintes network enrol`",
        );
    } else if !roster.is_data_owner(person, &config.name, now) {
        findings.error(
            "data_owners",
            format!("{person} has no grant as data owner of {}, or it has expired", config.name),
            format!(
                "ask a root person to run `quintes network grant {person} --role data-owner --tre {}`",
                config.name
            ),
        );
    }
}
