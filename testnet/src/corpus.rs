//! `testnet corpus`: labelled outputs through the functions that a node calls, parity with ACRO, and what hidden data comes through.
//!
//! | file | what lives there |
//! |---|---|
//! | `case` | an output and its label; what counts as flagged |
//! | `study` | seeded people, and what a host witnesses when it tabulates them |
//! | `witnessed_safe`, `witnessed_bad` | tables that the host computed |
//! | `opaque_safe`, `opaque_bad` | outputs that a component computed |
//! | `tre` | admission, check and ledger, as a node calls them |
//! | `acro` | ACRO's verdicts beside ours |
//! | `hidden` | twelve encoders |

mod acro;
pub(crate) mod case;
mod hidden;
mod opaque_bad;
mod opaque_safe;
pub(crate) mod study;
pub(crate) mod tre;
mod witnessed_bad;
mod witnessed_safe;

use acro::Agreement;
use case::{Case, Label, flagged_of};
use hidden::Leak;
use node::ledger::Ledger;
use protocol::disclosure::check::NotReviewable;
use protocol::disclosure::rules::{Report, Rule};
use protocol::safes::outputs::Unreviewable;
use serde::Serialize;
use std::collections::BTreeSet;
use tre::{Tre, hold};

/// The least share of disclosive outputs that must be flagged by the rule that should.
const RECALL: f64 = 0.99;

/// The largest share of safe outputs that may be flagged.
const FALSE_ALARMS: f64 = 0.10;

/// What to print.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Figures {
    /// Labelled outputs.
    outputs: usize,
    /// The share of disclosive outputs that a rule flags which should.
    recall: f64,
    /// The share of safe outputs that any rule flags.
    false_alarms: f64,
    /// The share of verdicts on which ACRO and we agree, where both mean the same.
    acro_agreement: f64,
    /// The most bits that an encoder gets into the canonical form.
    hidden_bits: usize,
}

impl Figures {
    fn are_as_aimed_at(&self) -> bool {
        self.recall >= RECALL && self.false_alarms <= FALSE_ALARMS && self.hidden_bits == 0
    }
}

/// A labelled output, and which rules flag it.
struct Judged {
    case: Case,
    flags: BTreeSet<Rule>,
}

impl Judged {
    fn is_right(&self) -> bool {
        match self.case.label {
            Label::Safe => self.flags.is_empty(),
            Label::Bad(rules) => rules.iter().any(|rule| self.flags.contains(rule)),
        }
    }

    fn is_safe(&self) -> bool {
        self.case.label == Label::Safe
    }
}

/// Judges the whole corpus and prints; `false` when an aim is missed.
///
/// # Errors
/// When something could not be judged.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let (judged, agreement, leaks) = (judge()?, acro::compare()?, hidden::leaks()?);
    let figures = figures(&judged, &agreement, &leaks);
    if args.json {
        anstream::println!("{}", serde_json::to_string(&figures)?);
    } else {
        tell(&figures, &judged, &agreement, &leaks);
    }
    Ok(figures.are_as_aimed_at())
}

fn figures(judged: &[Judged], agreement: &Agreement, leaks: &[Leak]) -> Figures {
    let share = |safe: bool, right: bool| {
        let of = judged.iter().filter(|one| one.is_safe() == safe);
        let (count, hits) =
            of.fold((0_u32, 0_u32), |(count, hits), one| (count + 1, hits + u32::from(one.is_right() == right)));
        f64::from(hits) / f64::from(count.max(1))
    };
    Figures {
        outputs: judged.len(),
        recall: digits(share(false, true)),
        false_alarms: digits(share(true, false)),
        acro_agreement: digits(agreement.share()),
        hidden_bits: leaks.iter().map(|leak| leak.canonical).max().unwrap_or(0),
    }
}

/// Four digits behind the point.
fn digits(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

fn tell(figures: &Figures, judged: &[Judged], agreement: &Agreement, leaks: &[Leak]) {
    let Figures { outputs, recall, false_alarms, acro_agreement, hidden_bits } = figures;
    let safe = judged.iter().filter(|one| one.is_safe()).count();
    anstream::println!("outputs         {outputs} ({} disclosive, {safe} safe)", outputs - safe);
    anstream::println!("recall          {recall} (aim: {RECALL} and more)");
    anstream::println!("false alarms    {false_alarms} (aim: {FALSE_ALARMS} and less)");
    anstream::println!(
        "ACRO agreement  {acro_agreement} ({} verdicts on {} tables)",
        agreement.compared,
        agreement.tables
    );
    anstream::println!("hidden bits     {hidden_bits} of {} ({} channels)", hidden::SECRET_BITS, leaks.len());
    for one in judged.iter().filter(|one| !one.is_right()) {
        let words = |rules: &mut dyn Iterator<Item = &Rule>| rules.map(Rule::to_string).collect::<Vec<_>>().join(", ");
        let flags = if one.flags.is_empty() { "nothing".to_owned() } else { words(&mut one.flags.iter()) };
        match one.case.label {
            Label::Safe => anstream::println!("false alarm  {}: {flags}; safe because {}", one.case.name, one.case.why),
            Label::Bad(rules) => anstream::println!(
                "miss         {}: {flags}, not {}; disclosive because {}",
                one.case.name,
                words(&mut rules.iter()),
                one.case.why
            ),
        }
    }
    agreement.differing.iter().for_each(|differing| anstream::println!("not as ACRO  {differing}"));
    for Leak { channel, written, canonical } in leaks.iter().filter(|leak| leak.canonical > 0) {
        let written = written.map_or_else(String::new, |bits| format!(" of {bits} that were written"));
        anstream::println!("leak         {channel}: {canonical} bits{written}");
    }
}

/// Every case through a TRE.
fn judge() -> anyhow::Result<Vec<Judged>> {
    let mut tre = Tre::found()?;
    let untouched = tre.ledger()?;
    let cases = [witnessed_safe::cases(), witnessed_bad::cases(), opaque_safe::cases(), opaque_bad::cases()];
    cases
        .into_iter()
        .flatten()
        .map(|case| {
            let reports = reports(&mut tre, &untouched, &case)?;
            Ok(Judged { flags: flagged_of(&reports), case })
        })
        .collect()
}

/// What the rules and the ledger say of the outputs of a case, after what left earlier.
fn reports(tre: &mut Tre, untouched: &Ledger, case: &Case) -> anyhow::Result<Result<Vec<Report>, NotReviewable>> {
    let ledger = if case.earlier.is_empty() { untouched.clone() } else { tre.ledger()? };
    for earlier in &case.earlier {
        let given = vec![earlier.clone()];
        let held = hold(&tre.admission(&given, &case.policy)?, given)?;
        ledger.add(&held, &held.names(), 1)?;
    }
    let admission = tre.admission(&case.given, &case.policy)?;
    match hold(&admission, case.given.clone()) {
        Ok(held) => Ok(Ok(ledger.check(&held, tre.terms())?)),
        Err(Unreviewable::Not(reason)) => Ok(Err(reason)),
        Err(reason) => Err(reason.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn threat_33_the_rules_tell_safe_from_disclosive_outputs() {
        let judged = judge().unwrap();
        let names: BTreeSet<&str> = judged.iter().map(|one| one.case.name.as_str()).collect();
        assert_eq!(names.len(), judged.len(), "a name stands twice");
        assert!(judged.len() >= 300 && judged.iter().all(|one| !one.case.why.is_empty()));
        let figures = figures(&judged, &Agreement::default(), &[]);
        let wrong: Vec<&str> = judged.iter().filter(|one| !one.is_right()).map(|one| one.case.name.as_str()).collect();
        assert!(figures.are_as_aimed_at(), "{figures:?}: {wrong:#?}");
    }

    #[test]
    fn acro_and_we_agree_where_we_mean_the_same() {
        let agreement = acro::compare().unwrap();
        assert!(agreement.tables >= 60 && agreement.compared >= 1_000, "{} {}", agreement.tables, agreement.compared);
        assert_eq!(agreement.differing, [] as [&str; 0]);
    }

    #[test]
    fn threat_34_no_encoder_gets_a_bit_into_the_canonical_form() {
        let leaks = hidden::leaks().unwrap();
        assert!(leaks.iter().filter(|leak| leak.written.is_some()).count() >= 12);
        for leak in leaks {
            // the reader is real: it gets all of the secret from what the component wrote
            assert_eq!(leak.written.unwrap_or(hidden::SECRET_BITS), hidden::SECRET_BITS, "{}", leak.channel);
            assert_eq!(leak.canonical, 0, "{}", leak.channel);
        }
    }
}
