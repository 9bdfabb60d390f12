//! What a person decides on outputs, with a reason each, and the attestations that say so.

use super::Examined;
use protocol::disclosure::rules::Verdict;
use protocol::ingress::Verified;
use protocol::record::attestation::{Attestation, Decision};
use protocol::safes::outputs::{HeldOutput, summarise};
use protocol::wire::id::StatementId;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Why a decision is none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecisionError {
    /// A name that is no output.
    #[error("there is no output `{name}`; there are {known}")]
    NoSuchOutput {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Both yes and no.
    #[error("the output `{0}` is approved and rejected at once; decide")]
    Both(String),
    /// No output named at all.
    #[error("no output was decided on; name one, or approve or reject all of them")]
    Nothing,
    /// The researcher would read nothing.
    #[error("`{0}` is rejected without a reason; give one, the researcher reads it")]
    NoReason(String),
    /// A broken rule is overruled in silence.
    #[error("`{0}` breaks a rule; whoever lets it out says why: give a reason")]
    NoReasonAgainstRules(String),
    /// Nothing of this person stands.
    #[error("{0} has no decision on this task that could be withdrawn")]
    NothingToWithdraw(String),
}

/// What a person decides, before it is an attestation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The outputs that may leave.
    pub approve: BTreeSet<String>,
    /// The outputs that may not.
    pub reject: BTreeSet<String>,
    /// What holds for every output that is not named: nothing, yes or no.
    pub others: Option<bool>,
    /// Why, where an output has no reason of its own. The researcher reads it.
    pub reason: String,
    /// Why, for single outputs.
    pub reasons: BTreeMap<String, String>,
}

impl Choice {
    /// One decision for each output that is decided, out of the outputs that there are.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub fn decisions(&self, outputs: &[HeldOutput]) -> Result<BTreeMap<String, Decision>, DecisionError> {
        let known = || outputs.iter().map(|output| output.name.as_str());
        for name in self.approve.iter().chain(&self.reject).chain(self.reasons.keys()) {
            if !known().any(|output| output == name) {
                let known = known().collect::<Vec<_>>().join(", ");
                return Err(DecisionError::NoSuchOutput { name: name.clone(), known });
            }
        }
        if let Some(both) = self.approve.intersection(&self.reject).next() {
            return Err(DecisionError::Both(both.clone()));
        }
        let mut decided = BTreeMap::new();
        for output in outputs {
            let name = &output.name;
            let approve = if self.approve.contains(name) {
                true
            } else if self.reject.contains(name) {
                false
            } else if let Some(others) = self.others {
                others
            } else {
                continue;
            };
            let reason = self.reasons.get(name).unwrap_or(&self.reason);
            if reason.trim().is_empty() {
                if !approve {
                    return Err(DecisionError::NoReason(name.clone()));
                }
                if output.report.verdict >= Verdict::Fail {
                    return Err(DecisionError::NoReasonAgainstRules(name.clone()));
                }
            }
            decided.insert(name.clone(), Decision { approve, reason: reason.clone() });
        }
        if decided.is_empty() { Err(DecisionError::Nothing) } else { Ok(decided) }
    }
}

impl Examined {
    /// What `person` signs for this choice, in this order. What the person decided before and does not decide again stands: the first
    /// attestation replaces the newest earlier one of the same person as a whole. Where two of a person stand side by side, because two
    /// windows were open at once, the others are withdrawn.
    ///
    /// # Errors
    /// [`DecisionError`].
    pub fn attest(&self, choice: &Choice, person: &str) -> Result<Vec<Attestation>, DecisionError> {
        let heads = self.heads(person);
        let mut decisions = BTreeMap::new();
        for (name, decision) in heads.iter().rev().flat_map(|one| &one.payload().decisions) {
            // As the quorum counts: who has said both has said no.
            let kept: &mut Decision = decisions.entry(name.clone()).or_insert_with(|| decision.clone());
            if kept.approve && !decision.approve {
                *kept = decision.clone();
            }
        }
        decisions.extend(choice.decisions(&self.review.outputs)?);
        let (newest, others) = heads.split_last().map_or((None, [].as_slice()), |(last, rest)| (Some(last.id()), rest));
        let mut signed = vec![self.attestation(decisions, newest)];
        signed.extend(self.withdrawals(others));
        Ok(signed)
    }

    /// What `person` signs to take back every decision on this task: an attestation without decisions over each that stands.
    ///
    /// # Errors
    /// [`DecisionError::NothingToWithdraw`].
    pub fn withdraw(&self, person: &str) -> Result<Vec<Attestation>, DecisionError> {
        let withdrawn: Vec<Attestation> = self.withdrawals(&self.heads(person)).collect();
        if withdrawn.is_empty() { Err(DecisionError::NothingToWithdraw(person.to_owned())) } else { Ok(withdrawn) }
    }

    fn withdrawals(&self, heads: &[&Verified<Attestation>]) -> impl Iterator<Item = Attestation> {
        heads
            .iter()
            .filter(|one| !one.payload().decisions.is_empty())
            .map(|one| self.attestation(BTreeMap::new(), Some(one.id())))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn attestation(&self, decisions: BTreeMap<String, Decision>, supersedes: Option<StatementId>) -> Attestation {
        Attestation {
            task: self.submission.id(),
            tre: self.review.tre.clone(),
            run: self.run,
            commitment: self.commitment,
            project: self.project_statement,
            decisions,
            report: summarise(&self.review.outputs),
            supersedes,
        }
    }

    /// The attestations of a person that no later one of the same person supersedes, oldest first. More than one stands when two windows
    /// were open at once.
    #[must_use]
    pub fn heads(&self, person: &str) -> Vec<&Verified<Attestation>> {
        let own = || self.attestations.iter().filter(|one| one.signer().name == person);
        let superseded: BTreeSet<StatementId> = own().filter_map(|one| one.payload().supersedes).collect();
        let mut heads: Vec<_> = own().filter(|one| !superseded.contains(&one.id())).collect();
        heads.sort_by_key(|one| (one.claims().issued, one.id()));
        heads
    }

    /// The newest attestation of a person that stands.
    #[must_use]
    pub fn standing(&self, person: &str) -> Option<&Verified<Attestation>> {
        self.heads(person).pop()
    }
}
