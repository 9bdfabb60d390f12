//! Forks: two signed checkpoints of one TRE, or two statements of one person's key, that cannot both be true, found among statements of any
//! origin.

use super::super::believe;
use crate::chain::{Chains, Contradiction};
use crate::ingress::{Statement, Verified};
use crate::log::witness::fork;
use crate::record::checkpoint::Checkpoint;
use crate::wire::id::{NetworkId, StatementId};
use std::collections::{BTreeMap, BTreeSet};

/// A proved fork.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The TRE that told two stories.
    pub tre: String,
    /// One of the two checkpoints.
    pub first: Verified<Checkpoint>,
    /// The other.
    pub second: Verified<Checkpoint>,
}

impl Proved {
    /// What the two say, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (one, other) = (self.first.payload(), self.second.payload());
        let ids = format!("{} and {}", self.first.id().short(), self.second.id().short());
        let what = if one.size == other.size && one.root != other.root {
            format!("describe {} entries of epoch {} differently", one.size, one.epoch)
        } else if one.previous == other.previous {
            match one.previous {
                Some(previous) => format!("both follow the checkpoint {}", previous.short()),
                None => format!("both begin epoch {}", one.epoch),
            }
        } else {
            "follow each other, and the proof of growth is false".to_owned()
        };
        format!("{} has told two stories of its log: the checkpoints {ids} {what}", self.tre)
    }
}

/// The forks that these statements prove, one for each TRE and epoch at most; the federation must be this one. Whatever is needed to believe
/// the checkpoints must be among the statements: the roots and the key records.
#[must_use]
pub fn forks<'a>(statements: impl IntoIterator<Item = &'a [u8]>, network: NetworkId) -> Vec<Proved> {
    let believed = believe(statements, network);
    let checkpoints = believed.statements.iter().filter_map(|statement| match statement {
        Statement::Checkpoint(one) if believed.roster.is_key_good(&one.signer().key.id(), one.claims().issued) => {
            Some(one)
        }
        _ => None,
    });
    forks_among(checkpoints)
}

/// The contradictions in chains that these statements prove ([`crate::chain`]); what is needed to believe them must be among them, as for
/// [`forks`].
#[must_use]
pub fn contradictions<'a>(statements: impl IntoIterator<Item = &'a [u8]>, network: NetworkId) -> Vec<Contradiction> {
    let believed = believe(statements, network);
    let mut chains = Chains::default();
    for one in &believed.statements {
        if believed.roster.is_key_good(&one.signer().key.id(), one.claims().issued) {
            chains.take(one, one.claims().issued, |_| true);
        }
    }
    chains.contradictions().to_vec()
}

/// Contradictions between checkpoints that are believed already.
pub(super) fn forks_among<'a>(checkpoints: impl Iterator<Item = &'a Verified<Checkpoint>>) -> Vec<Proved> {
    type Log<'a> = (&'a str, u64);
    let mut by_id: BTreeMap<StatementId, &Verified<Checkpoint>> = BTreeMap::new();
    let mut by_size: BTreeMap<(Log<'_>, u64), &Verified<Checkpoint>> = BTreeMap::new();
    let mut by_previous: BTreeMap<(Log<'_>, Option<StatementId>), &Verified<Checkpoint>> = BTreeMap::new();
    let all: Vec<&Verified<Checkpoint>> = checkpoints.collect();
    by_id.extend(all.iter().map(|one| (one.id(), *one)));
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for one in all {
        let said = one.payload();
        let log = (said.tre.as_str(), said.epoch);
        let others = [
            Some(*by_size.entry((log, said.size)).or_insert(one)),
            Some(*by_previous.entry((log, said.previous)).or_insert(one)),
            said.previous.and_then(|id| by_id.get(&id).copied()),
        ];
        let other = others.into_iter().flatten().find(|other| fork(other, one).is_some());
        if let Some(other) = other.filter(|_| told.insert(log)) {
            found.push(Proved { tre: said.tre.clone(), first: other.clone(), second: one.clone() });
        }
    }
    found
}
