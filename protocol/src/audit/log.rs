//! The audit of a TRE's log: one file, checked from the founding root to the last leaf, by anybody and without asking.
//!
//! Nothing in the file is taken on trust: each leaf is bound by the root of a signed checkpoint, each statement by its signature, and the
//! frame by its one encoding. A file that was cut to an earlier checkpoint is an earlier truth; what others have cosigned since tells.

mod chain;
mod proof;

pub use chain::LogReport;
pub use proof::{Proved, contradictions, forks};

use super::{Report, Step, Verdict, believe, federation, root};
use crate::ingress::{self, Ignored, Statement, Verified};
use crate::log::tree::Leaf;
use crate::node::Node;
use crate::record::Kind;
use crate::record::release::Release;
use crate::wire::envelope::Signed;
use crate::wire::id::{NetworkId, StatementId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The layout that is written.
const FORMAT: u64 = 1;

/// What is needed to believe the rest.
const TRUST: [Kind; 4] = [Kind::Root, Kind::KeyRecord, Kind::Grant, Kind::Revocation];

/// A TRE's log as one file, in deterministic CBOR (RFC 8949 section 4.2.1): its leaves as far as a checkpoint covers them, every checkpoint and
/// cosignature, what it takes to believe them, and those of its statements that everyone may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The TRE.
    pub tre: String,
    /// The layout: 1.
    pub format: u64,
    /// The bytes of each leaf, in order (`WIRE.md`, "Log").
    pub leaves: Vec<ByteBuf>,
    /// The federation.
    pub network: NetworkId,
    /// Tagged bytes each, in ascending order of their ids.
    pub statements: Vec<ByteBuf>,
}

/// Why bytes are no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// Not CBOR of this layout, or cut short.
    #[error("it is no exported log, or was cut short or changed; export it again with `quintes audit export`")]
    Malformed,
    /// A newer program wrote it.
    #[error("it has a layout that this program does not know; use a newer quintes")]
    Format,
    /// Readable, and not what would have been written: an order, a repetition, a byte too many.
    #[error(
        "it is not in the one encoding that is written: it was changed; export it again with `quintes audit export`"
    )]
    NotCanonical,
}

impl Export {
    /// The log of a TRE's node, whose statements `bytes` finds; none for a node that is no TRE.
    #[must_use]
    pub fn of(node: &Node, bytes: impl Fn(&StatementId) -> Option<Vec<u8>>) -> Option<Self> {
        let tre = node.tre()?.name.clone();
        let covered = node.covered();
        let is_about =
            |statement: &[u8], what: &str| Signed::parse(statement).is_ok_and(|signed| signed.claims().subject == what);
        let mut found: BTreeMap<StatementId, Vec<u8>> = BTreeMap::new();
        let (mut checkpoints, mut cosignatures) = (BTreeSet::new(), Vec::new());
        for id in node.known() {
            let Some(kind) = node.kind(id) else { continue };
            let public = node.may_share(id) && node.log().holds(id, covered);
            let of_the_log = matches!(kind, Kind::Recovery | Kind::Checkpoint | Kind::Cosignature);
            if !(TRUST.contains(&kind) || of_the_log || public) {
                continue;
            }
            let Some(statement) = bytes(id) else { continue };
            match kind {
                Kind::Cosignature => {
                    cosignatures.push((*id, statement));
                    continue;
                }
                Kind::Recovery | Kind::Checkpoint if !is_about(&statement, &tre) => continue,
                Kind::Checkpoint => {
                    checkpoints.insert(id.to_string());
                }
                _ => {}
            }
            found.insert(*id, statement);
        }
        found.extend(cosignatures.into_iter().filter(|(_, statement)| {
            Signed::parse(statement).is_ok_and(|signed| checkpoints.contains(&signed.claims().subject))
        }));
        let leaves = node.log().leaves().take(usize::try_from(covered).unwrap_or(usize::MAX));
        Some(Self {
            tre,
            format: FORMAT,
            leaves: leaves.map(|leaf| ByteBuf::from(leaf.as_ref())).collect(),
            network: *node.roster().network(),
            statements: found.into_values().map(ByteBuf::from).collect(),
        })
    }

    /// The same without what proves nothing to anybody: a node's signature from after its key was revoked, before anybody had heard of that. It
    /// verifies every signature, which is no work for where the node's state is read.
    #[must_use]
    pub fn believable(mut self) -> Self {
        let standing: BTreeSet<StatementId> =
            self.leaves.iter().filter_map(|bytes| Leaf::from_bytes(bytes)?.statement()).collect();
        let believed = believe(self.statements.iter().map(|bytes| bytes.as_slice()), self.network);
        let refused: BTreeSet<StatementId> =
            believed.refused.iter().map(|(id, _)| *id).filter(|id| !standing.contains(id)).collect();
        self.statements.retain(|bytes| !refused.contains(&StatementId::of(bytes)));
        self
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).expect("writing to memory does not fail");
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Unreadable`]; nothing of it may be used.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let export: Self = ciborium::from_reader(bytes).map_err(|_| Unreadable::Malformed)?;
        if export.format != FORMAT {
            return Err(Unreadable::Format);
        }
        let ids: Vec<StatementId> = export.statements.iter().map(|one| StatementId::of(one)).collect();
        if export.to_bytes() != bytes || !ids.is_sorted_by(|a, b| a < b) {
            return Err(Unreadable::NotCanonical);
        }
        Ok(export)
    }

    /// What has become of this log in a later state of it: entries that differ, or are not there any more.
    #[must_use]
    pub fn compare(&self, later: &Self) -> Vec<Step> {
        let step =
            |verdict, detail: String| Step { tre: Some(self.tre.clone()), what: "since".to_owned(), verdict, detail };
        if (&self.tre, &self.network) != (&later.tre, &later.network) {
            return vec![step(Verdict::Fails, "the two are not logs of one TRE in one federation".to_owned())];
        }
        let differs = self.leaves.iter().zip(&later.leaves).position(|(was, is)| was != is);
        let (was, is) = (self.leaves.len(), later.leaves.len());
        let known: BTreeSet<&ByteBuf> = later.statements.iter().collect();
        let gone = self.statements.iter().filter(|statement| !known.contains(statement)).count();
        let mut steps = vec![match differs {
            Some(at) => {
                step(Verdict::Fails, format!("entry {at} is another one than it was: the log was rewritten from there"))
            }
            None if is < was => {
                step(Verdict::Fails, format!("{} of {was} entries are cut off: there are {is}", was - is))
            }
            None => {
                step(Verdict::Holds, format!("all {was} earlier entries are as they were; {} came since", is - was))
            }
        }];
        if gone > 0 {
            steps.push(step(Verdict::Fails, format!("{gone} statements that were there are missing")));
        }
        steps
    }
}

/// Audits an exported log. With `pinned` the federation must be that one; without it the report tells which one it is.
#[must_use]
pub fn verify_log(export: &Export, pinned: Option<NetworkId>) -> LogReport {
    let mut head = Report { network: None, submission: None, steps: Vec::new(), fates: BTreeMap::new() };
    let statements: Vec<Vec<u8>> = export.statements.iter().map(|bytes| bytes.to_vec()).collect();
    let network = federation(&statements, Some(pinned.unwrap_or(export.network)), &mut head);
    let mut report = LogReport::new(&export.tre);
    let Some(network) = network.filter(|network| *network == export.network) else {
        report.steps = head.steps;
        report.fails("federation", "the file is of another federation".to_owned());
        return report;
    };
    report.network = Some(network);
    let believed = believe(statements.iter().map(Vec::as_slice), network);
    root(&believed, &mut head);
    report.steps = head.steps;
    if pinned.is_none() {
        let detail = format!("compare the federation's id with the one you were given: {network}");
        report.step("federation", Verdict::Note, detail);
    }
    let Some(leaves) = leaves(export, &mut report) else { return report };
    for (id, verdict) in &believed.refused {
        let taken = leaves.iter().any(|leaf| leaf.statement() == Some(*id));
        if taken && matches!(verdict, ingress::Verdict::Ignore(Ignored::RevokedKey)) {
            let detail =
                format!("the statement {} was taken before the TRE had heard that its key was revoked", id.short());
            report.step("statement", Verdict::Note, detail);
        } else {
            report.fails("statement", format!("the statement {} is not believed: {verdict}", id.short()));
        }
    }
    chain::follow(&believed, &leaves, &mut report);
    present(&believed.statements, &leaves, &mut report);
    report
}

/// The leaves, each once.
fn leaves(export: &Export, report: &mut LogReport) -> Option<Vec<Leaf>> {
    let leaves: Option<Vec<Leaf>> = export.leaves.iter().map(|bytes| Leaf::from_bytes(bytes)).collect();
    let Some(leaves) = leaves else {
        report.fails("entries", "an entry is no entry of any log: it was changed".to_owned());
        return None;
    };
    let mut once = BTreeSet::new();
    if let Some(twice) = leaves.iter().filter_map(Leaf::statement).find(|id| !once.insert(*id)) {
        report.fails("entries", format!("the statement {} stands in the log twice", twice.short()));
    }
    Some(leaves)
}

/// Every statement that is here and belongs into the log stands there as what it is, and no release stands there that is not here.
fn present(statements: &[Statement], leaves: &[Leaf], report: &mut LogReport) {
    let places: BTreeMap<StatementId, &str> =
        leaves.iter().filter_map(|leaf| Some((leaf.statement()?, leaf.what()))).collect();
    let (mut found, mut releases) = (0, BTreeMap::new());
    for statement in statements {
        let kind = statement.kind();
        if TRUST.contains(&kind) || matches!(kind, Kind::Recovery | Kind::Checkpoint | Kind::Cosignature) {
            continue;
        }
        if places.get(&statement.id()) == Some(&kind.name()) {
            found += 1;
        } else {
            report.fails("inclusion", format!("the {kind} {} does not stand in the log", statement.id().short()));
        }
        if let Statement::Release(release) = statement {
            releases.insert(release.id(), release);
        }
    }
    report.step(
        "inclusion",
        Verdict::Holds,
        format!("{found} statements are here, and stand in the log as what they are"),
    );
    for (id, _) in places.iter().filter(|(_, what)| **what == Kind::Release.name()) {
        match releases.get(id) {
            Some(release) => grounds(release, statements, report),
            None => report
                .fails("release", format!("the log holds the release {}, which was left out of the file", id.short())),
        }
    }
}

/// Whether a release could rest on what it names in the log: the run and all that let it out stood there, and others had seen it.
fn grounds(release: &Verified<Release>, statements: &[Statement], report: &mut LogReport) {
    let said = release.payload();
    let checkpoint = statements.iter().find_map(|statement| match statement {
        Statement::Checkpoint(one) if one.id() == said.log.checkpoint => Some(one.payload()),
        _ => None,
    });
    let grounds = std::iter::once((said.run, Kind::Run))
        .chain(said.attestations.iter().map(|id| (*id, Kind::Attestation)))
        .chain(said.standing.iter().map(|id| (*id, Kind::StandingApproval)));
    let proved = checkpoint.is_some_and(|checkpoint| {
        let mut grounds = grounds;
        grounds
            .all(|(id, kind)| said.log.inclusions.iter().any(|one| one.statement == id && one.holds(kind, checkpoint)))
    });
    let seen = said.log.cosignatures.iter().all(|id| {
        let mut here = statements.iter();
        here.any(|one| {
            matches!(one, Statement::Cosignature(cosignature)
            if cosignature.id() == *id && cosignature.payload().checkpoint == said.log.checkpoint)
        })
    });
    let what = format!("of {} to `{}`", said.task.short(), said.outputs.join(", "));
    match (proved, seen) {
        (true, true) => report.releases += 1,
        (false, _) => {
            report.fails("release", format!("the release {what} is not proved to rest on what the log holds"))
        }
        (true, false) => report.fails("release", format!("a cosignature that the release {what} names is not here")),
    }
}
