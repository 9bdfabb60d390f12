//! The checkpoints of one log: each signed in its time, each the beginning of the next, each with the root of the leaves, epoch by epoch.

use super::super::{Believed, Step, Verdict, listed};
use super::proof::forks_among;
use crate::ingress::{Statement, Verified};
use crate::log::recovery::{goes_on, is_vouched};
use crate::log::tree::{Leaf, Log, extends};
use crate::record::checkpoint::Checkpoint;
use crate::record::recovery::Recovery;
use crate::tre::digest_of;
use crate::wire::id::{Digest, NetworkId, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// What an audit of a log found.
#[derive(Clone, Debug)]
pub struct LogReport {
    /// The TRE.
    pub tre: String,
    /// The federation, once it is known.
    pub network: Option<NetworkId>,
    /// How many entries the newest checkpoint covers.
    pub size: u64,
    /// How often the log was recovered.
    pub epoch: u64,
    /// The newest checkpoint.
    pub newest: Option<StatementId>,
    /// When it was signed, seconds since 1970; coarse.
    pub issued: u64,
    /// The other nodes that have cosigned it.
    pub cosigners: BTreeSet<String>,
    /// How many releases stand in the log and rest on what it holds.
    pub releases: u64,
    /// Every step, in the order in which each rests on the ones before.
    pub steps: Vec<Step>,
}

impl LogReport {
    pub(super) fn new(tre: &str) -> Self {
        Self {
            tre: tre.to_owned(),
            network: None,
            size: 0,
            epoch: 0,
            newest: None,
            issued: 0,
            cosigners: BTreeSet::new(),
            releases: 0,
            steps: Vec::new(),
        }
    }

    /// Whether no step fails.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.steps.iter().all(|step| step.verdict != Verdict::Fails)
    }

    /// Adds a step.
    pub fn step(&mut self, what: &str, verdict: Verdict, detail: impl Into<String>) {
        let tre = Some(self.tre.clone());
        self.steps.push(Step { tre, what: what.to_owned(), verdict, detail: detail.into() });
    }

    pub(super) fn fails(&mut self, what: &str, detail: String) {
        self.step(what, Verdict::Fails, detail);
    }
}

/// Follows the checkpoints from the first to the newest and recomputes each root from the leaves.
pub(super) fn follow(believed: &Believed, leaves: &[Leaf], report: &mut LogReport) {
    let mut all: BTreeMap<StatementId, &Verified<Checkpoint>> = BTreeMap::new();
    for statement in &believed.statements {
        let Statement::Checkpoint(one) = statement else { continue };
        if one.payload().tre != report.tre {
            report.fails("checkpoint", format!("the checkpoint {} is of another TRE's log", one.id().short()));
        } else if !believed.roster.is_key_good(&one.signer().key.id(), one.claims().issued) {
            report.fails("checkpoint", format!("the TRE's key was revoked before the checkpoint {}", one.id().short()));
        }
        all.insert(one.id(), one);
    }
    for proved in forks_among(all.values().copied()) {
        report.fails("fork", proved.sentence());
    }
    let recoveries = recoveries(believed, &report.tre);
    let roots = roots(leaves, all.values().map(|one| one.payload().size));
    let mut lost: Option<&Verified<Checkpoint>> = None;
    let mut kept = Kept { size: 0, root: None };
    loop {
        let epoch = report.epoch;
        let chain = chain(&all, epoch, lost, &recoveries, report);
        let Some(last) = chain.last().copied() else { break };
        let beyond = chain.iter().position(|one| roots.get(&one.payload().size) != Some(&one.payload().root));
        let next = recoveries.iter().find(|recovery| recovery.lost == last.id() && recovery.epoch == epoch + 1);
        (report.newest, report.issued) = (Some(last.id()), last.claims().issued);
        kept = Kept { size: last.payload().size, root: Some(last.payload().root) };
        match (beyond, next) {
            (None, _) => report.step(
                "checkpoint",
                Verdict::Holds,
                format!("{} checkpoints, each the beginning of the next and the root of the entries", chain.len()),
            ),
            (Some(from), Some(recovery)) => report.step(
                "recovery",
                Verdict::Note,
                format!(
                    "{} of {} checkpoints of epoch {epoch} were lost, up to {} entries, and {} entries kept: {}",
                    chain.len() - from,
                    chain.len(),
                    last.payload().size,
                    recovery.size,
                    recovery.reason,
                ),
            ),
            (Some(from), None) => {
                let (size, cut) = (chain[from].payload().size, leaves.len());
                let why = if size > cut as u64 {
                    format!(
                        "the checkpoint {} has {size} entries, and only {cut} are here: the log was cut",
                        chain[from].id().short()
                    )
                } else {
                    format!(
                        "the first {size} entries do not have the root of the checkpoint {}: one was changed",
                        chain[from].id().short()
                    )
                };
                report.fails("checkpoint", why);
            }
        }
        let Some(recovery) = next else { break };
        kept = Kept { size: recovery.size, root: Some(recovery.root) };
        report.newest = None;
        lost = Some(last);
        report.epoch += 1;
    }
    report.size = kept.size;
    strays(&all, report);
    whole(leaves, &kept, report);
    cosigned(believed, &all, report);
}

/// What the newest checkpoint, or the newest recovery, says of the whole.
struct Kept {
    size: u64,
    root: Option<Digest>,
}

/// The chain of one epoch, from what follows nothing to what nothing follows.
fn chain<'a>(
    all: &BTreeMap<StatementId, &'a Verified<Checkpoint>>,
    epoch: u64,
    lost: Option<&Verified<Checkpoint>>,
    recoveries: &[&Recovery],
    report: &mut LogReport,
) -> Vec<&'a Verified<Checkpoint>> {
    let of_epoch = || all.values().copied().filter(|one| one.payload().epoch == epoch);
    let following: BTreeMap<Option<StatementId>, &Verified<Checkpoint>> =
        of_epoch().map(|one| (one.payload().previous, one)).collect();
    let mut chain: Vec<&Verified<Checkpoint>> = Vec::new();
    while let Some(next) = following.get(&chain.last().map(|last| last.id())) {
        let goes = match chain.last() {
            Some(before) => extends(next.payload(), before.payload()),
            None => lost.is_none_or(|lost| recoveries.iter().any(|one| goes_on(one, lost, next.payload()))),
        };
        if !goes {
            report.fails(
                "checkpoint",
                format!("the checkpoint {} does not prove that it extends the one before", next.id().short()),
            );
        }
        chain.push(next);
    }
    let left = of_epoch().count() - chain.len();
    if left > 0 {
        report.fails("checkpoint", format!("{left} checkpoints of epoch {epoch} follow one that is not here"));
    }
    chain
}

/// Checkpoints of epochs that no recovery began.
fn strays(all: &BTreeMap<StatementId, &Verified<Checkpoint>>, report: &mut LogReport) {
    let beyond = all.values().filter(|one| one.payload().epoch > report.epoch).count();
    if beyond > 0 {
        let why =
            format!("{beyond} checkpoints are of an epoch that no recovery by an operator and a data owner began");
        report.fails("recovery", why);
    }
}

/// Whether the newest word covers exactly the entries that are here.
fn whole(leaves: &[Leaf], kept: &Kept, report: &mut LogReport) {
    let (here, said) = (leaves.len() as u64, kept.size);
    let mut log = Log::default();
    leaves.iter().for_each(|leaf| log.push(leaf.clone()));
    match kept.root {
        None if here == 0 => report.step("entries", Verdict::Note, "the log has no checkpoint yet"),
        None => report.fails("entries", format!("{here} entries are here, and no checkpoint covers them")),
        Some(_) if here < said => report.fails("entries", format!("{} of {said} entries are cut off", said - here)),
        Some(_) if here > said => {
            report.fails("entries", format!("no checkpoint covers the last {} entries", here - said))
        }
        Some(root) if said > 0 && log.root() != root => {
            report.fails("entries", format!("the {said} entries do not have the root that was signed: one was changed"))
        }
        Some(_) => report.step("entries", Verdict::Holds, format!("{said} entries, every byte of them signed for")),
    }
}

/// Who else has seen it.
fn cosigned(believed: &Believed, all: &BTreeMap<StatementId, &Verified<Checkpoint>>, report: &mut LogReport) {
    let mut count = 0;
    for statement in &believed.statements {
        let Statement::Cosignature(one) = statement else { continue };
        let (said, signer) = (one.payload(), one.signer());
        if !all.contains_key(&said.checkpoint) {
            report.fails(
                "cosignature",
                format!("the cosignature {} is under no checkpoint that is here", one.id().short()),
            );
        }
        if said.tre == report.tre && believed.roster.is_key_good(&signer.key.id(), one.claims().issued) {
            count += 1;
            if Some(said.checkpoint) == report.newest {
                report.cosigners.insert(signer.name.clone());
            }
        }
    }
    if report.newest.is_some() {
        let by = listed(report.cosigners.iter().map(String::as_str));
        let verdict = if report.cosigners.is_empty() { Verdict::Note } else { Verdict::Holds };
        report.step("cosignatures", verdict, format!("{count}; the newest checkpoint is cosigned by {by}"));
    }
}

/// The recoveries of the log that an operator and a data owner stood behind when they signed, each payload once.
fn recoveries<'a>(believed: &'a Believed, tre: &str) -> Vec<&'a Recovery> {
    let mut by_payload: BTreeMap<Digest, Vec<&Verified<Recovery>>> = BTreeMap::new();
    for statement in &believed.statements {
        if let Statement::Recovery(one) = statement
            && one.payload().tre == tre
        {
            by_payload.entry(digest_of(one.payload())).or_default().push(one);
        }
    }
    let counts = |signed: &Vec<&Verified<Recovery>>| {
        is_vouched(&believed.roster, signed.iter().copied(), |signature| signature.claims().issued)
    };
    by_payload.into_values().filter(counts).filter_map(|signed| signed.first().map(|one| one.payload())).collect()
}

/// The root hash over the first so many leaves, for each of these sizes that there are leaves for.
fn roots(leaves: &[Leaf], sizes: impl Iterator<Item = u64>) -> BTreeMap<u64, Digest> {
    let sizes: BTreeSet<u64> = sizes.collect();
    let (mut log, mut roots) = (Log::default(), BTreeMap::new());
    for leaf in leaves {
        log.push(leaf.clone());
        if sizes.contains(&log.len()) {
            roots.insert(log.len(), log.root());
        }
    }
    roots
}
