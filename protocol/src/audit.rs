//! The audit of a fetched task: from the founding root to every released byte, from what lies in a folder and nothing else.
//!
//! Nobody is asked and no clock is read: every statement is verified as of its own issue, every quorum is counted again as of its release,
//! by the same [`decide`](crate::tre::decide) that opened custody.

mod believe;
mod chain;
pub mod log;

pub use believe::{Believed, believe};

use crate::aggregate::Answer;
use crate::delivery::Delivery;
use crate::disclosure::canonical::read_csv;
use crate::ingress::{Statement, Verified, founding_network};
use crate::record::submission::Submission;
use crate::trust::roster::Holder;
use crate::wire::id::NetworkId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How one step of an audit came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as it should be.
    Holds,
    /// Nothing is wrong; a person should read it.
    Note,
    /// It is not as it should be: nothing that rests on it may be used.
    Fails,
}

/// One step of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The TRE that it is about; none for what is common to all.
    pub tre: Option<String>,
    /// What was looked at.
    pub what: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, in a sentence.
    pub detail: String,
}

/// What became of a task at one TRE.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Released, and every step from the root to its bytes holds.
    Released(Box<Delivery>),
    /// The TRE refused, withheld, failed or was told to stop; the reason is its own.
    Declined(String),
    /// Nothing that could be used is here, and why.
    Missing(String),
}

/// What an audit found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The federation, where the statements name one.
    pub network: Option<NetworkId>,
    /// The task.
    pub submission: Option<Verified<Submission>>,
    /// Every step, in the order in which each rests on the ones before.
    pub steps: Vec<Step>,
    /// What became of the task at every TRE that was asked.
    pub fates: BTreeMap<String, Fate>,
}

impl Report {
    /// Whether no step fails.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.steps.iter().all(|step| step.verdict != Verdict::Fails)
    }

    /// Adds a step.
    pub fn step(&mut self, tre: Option<&str>, what: &str, verdict: Verdict, detail: impl Into<String>) {
        self.steps.push(Step { tre: tre.map(str::to_owned), what: what.to_owned(), verdict, detail: detail.into() });
    }

    /// What each TRE answered, for [`aggregate`](crate::aggregate::aggregate). A released table that cannot be read back fails a step.
    pub fn answers(&mut self) -> BTreeMap<String, Answer> {
        let mut unreadable = Vec::new();
        let answers = self.fates.iter().map(|(tre, fate)| {
            let answer = match fate {
                Fate::Released(delivery) => {
                    let tables = delivery.outputs.iter().map(|output| {
                        read_csv(&output.bytes, &output.schema)
                            .map(|table| (output.name.clone(), table))
                            .map_err(|error| (output.name.clone(), error))
                    });
                    match tables.collect::<Result<BTreeMap<_, _>, _>>() {
                        Ok(tables) => Answer::Released(tables),
                        Err((name, error)) => {
                            unreadable.push((tre.clone(), format!("the output `{name}` is not a table: {error}")));
                            Answer::Missing
                        }
                    }
                }
                Fate::Declined(reason) => Answer::Declined(reason.clone()),
                Fate::Missing(_) => Answer::Missing,
            };
            (tre.clone(), answer)
        });
        let answers = answers.collect();
        for (tre, detail) in unreadable {
            self.step(Some(&tre), "tables", Verdict::Fails, detail);
        }
        answers
    }
}

/// Audits the statements of one task and the decrypted deliveries, which are given by the TRE under whose name they lie. With `pinned` the
/// federation must be that one; without it the report tells which one it is, and a person compares.
#[must_use]
pub fn verify(statements: &[Vec<u8>], deliveries: &BTreeMap<String, Vec<u8>>, pinned: Option<NetworkId>) -> Report {
    let mut report = Report { network: None, submission: None, steps: Vec::new(), fates: BTreeMap::new() };
    let Some(network) = federation(statements, pinned, &mut report) else { return report };
    report.network = Some(network);
    let believed = believe(statements.iter().map(Vec::as_slice), network);
    for (id, verdict) in &believed.refused {
        report.step(
            None,
            "statement",
            Verdict::Fails,
            format!("the statement {} is not believed: {verdict}", id.short()),
        );
    }
    root(&believed, &mut report);
    let Some(submission) = task(&believed, &mut report) else { return report };
    report.submission = Some(submission.clone());
    for tre in deliveries.keys().filter(|tre| !submission.payload().audience.contains(tre)) {
        report.step(
            Some(tre),
            "delivery",
            Verdict::Fails,
            format!("{tre} was never asked, and yet a delivery lies under its name"),
        );
    }
    for tre in &submission.payload().audience {
        let delivery = deliveries.get(tre).map(Vec::as_slice);
        let fate =
            chain::follow(&chain::Chain { believed: &believed, submission: &submission, tre }, delivery, &mut report);
        report.fates.insert(tre.clone(), fate);
    }
    report
}

/// The one federation that the statements belong to.
fn federation(statements: &[Vec<u8>], pinned: Option<NetworkId>, report: &mut Report) -> Option<NetworkId> {
    let founding: BTreeSet<NetworkId> = statements.iter().filter_map(|bytes| founding_network(bytes).ok()).collect();
    let (network, verdict, detail) = match (pinned, founding.first()) {
        (_, None) => (None, Verdict::Fails, "there is no founding root among the statements".to_owned()),
        (Some(pinned), Some(_)) if founding.contains(&pinned) => (
            Some(pinned),
            Verdict::Holds,
            format!("the founding root is that of the federation {pinned}, as you asked"),
        ),
        (Some(pinned), Some(other)) => {
            (None, Verdict::Fails, format!("the founding root is that of the federation {other}, not of {pinned}"))
        }
        (None, Some(only)) if founding.len() == 1 => {
            (Some(*only), Verdict::Note, format!("compare the federation's id with the one you were given: {only}"))
        }
        (None, Some(_)) => {
            (None, Verdict::Fails, "there are founding roots of several federations among the statements".to_owned())
        }
    };
    report.step(None, "federation", verdict, detail);
    network
}

fn root(believed: &Believed, report: &mut Report) {
    let Some(root) = believed.roster.root() else {
        report.step(None, "root", Verdict::Fails, "the founding root does not have the signatures that it asks for");
        return;
    };
    let signed: BTreeSet<&str> = believed
        .statements
        .iter()
        .filter_map(|statement| match statement {
            Statement::Root(signed) if signed.payload() == root => Some(signed.signer().name.as_str()),
            _ => None,
        })
        .collect();
    let detail = format!(
        "`{}`, version {}, signed by {} of its {} root persons ({}); {} had to",
        root.network,
        root.version,
        signed.len(),
        root.persons().len(),
        listed(signed),
        root.threshold
    );
    report.step(None, "root", Verdict::Holds, detail);
}

/// The one submission, by a researcher whose key was good.
fn task(believed: &Believed, report: &mut Report) -> Option<Verified<Submission>> {
    let mut found = believed.statements.iter().filter_map(|statement| match statement {
        Statement::Submission(submission) => Some(submission),
        _ => None,
    });
    let (Some(submission), None) = (found.next(), found.next()) else {
        report.step(None, "task", Verdict::Fails, "there is not exactly one submission among the statements");
        return None;
    };
    let said = submission.payload();
    let key = submission.signer().key.id();
    if believed.roster.is_key_good(&key, submission.claims().issued) {
        report.step(None, "who asked", Verdict::Holds, believed.introduce(submission.signer()));
    } else {
        report.step(
            None,
            "who asked",
            Verdict::Fails,
            "the submitter's key was not enrolled, or was revoked before it signed",
        );
    }
    let detail = format!(
        "{}: `{}` in the project {}, component {}, over {}, asked of {}",
        submission.id(),
        said.title,
        said.project,
        said.component,
        listed(said.datasets.iter().map(String::as_str)),
        listed(said.audience.iter().map(String::as_str)),
    );
    report.step(None, "task", Verdict::Holds, detail);
    for statement in &believed.statements {
        let about = match statement {
            Statement::Cancellation(one) => Some(one.payload().task),
            Statement::Phase(one) => Some(one.payload().task),
            Statement::Run(one) => Some(one.payload().task),
            Statement::Attestation(one) => Some(one.payload().task),
            Statement::Release(one) => Some(one.payload().task),
            Statement::Comment(one) => Some(one.payload().task),
            _ => None,
        };
        if about.is_some_and(|task| task != submission.id()) {
            let detail = format!("the {} {} is about another task", statement.kind(), statement.id().short());
            report.step(None, "statement", Verdict::Fails, detail);
        }
    }
    Some(submission.clone())
}

impl Believed {
    /// Who a holder is and who enrolled the key, in a clause.
    #[must_use]
    pub fn introduce(&self, holder: &Holder) -> String {
        let enrollers: BTreeSet<&str> = self
            .statements
            .iter()
            .filter_map(|statement| match statement {
                Statement::KeyRecord(record) if record.payload().key == holder.key => {
                    let signer = record.signer();
                    (signer.key != holder.key).then_some(signer.name.as_str())
                }
                _ => None,
            })
            .collect();
        let by = if enrollers.is_empty() { "the root itself".to_owned() } else { listed(enrollers) };
        format!(
            "the {} {} of {}, key {}, enrolled by {by}",
            holder.kind,
            holder.name,
            holder.organisation,
            holder.key.fingerprint()
        )
    }
}

/// Names with commas, or `none`.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
