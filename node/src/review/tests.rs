//! What a reviewer can decide, and what cannot be signed.

mod queue;
mod two;
pub(crate) mod world;

use super::{Choice, DecisionError, grouped};
use protocol::disclosure::canonical::{canonicalise, parse_csv};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::{Checkable, check};
use protocol::record::commitment::Salt;
use protocol::safes::outputs::HeldOutput;
use std::collections::BTreeSet;

fn outputs() -> Vec<HeldOutput> {
    let policy = Policy::default();
    let output = |name: &str| {
        let canonical = canonicalise(&parse_csv(b"n\n100\n").unwrap(), &policy.form(None)).unwrap();
        let report = check(&Checkable::Opaque { canonical: &canonical }, &policy);
        let (schema, bytes) = (canonical.schema().to_vec(), canonical.bytes().to_vec());
        HeldOutput { name: name.to_owned(), schema, bytes, salt: Salt::derive(&[1; 32], name), report }
    };
    vec![output("count"), output("mean")]
}

fn choice(approve: &[&str], reject: &[&str], others: Option<bool>) -> Choice {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    let reason = "looked at it".to_owned();
    Choice { approve: names(approve), reject: names(reject), others, reason, ..Choice::default() }
}

#[test]
fn each_output_has_the_decision_that_names_it_and_others_stay_open() {
    let decided = |choice: Choice| {
        let decisions = choice.decisions(&outputs()).unwrap();
        decisions.into_iter().map(|(name, decision)| (name, decision.approve)).collect::<Vec<_>>()
    };
    assert_eq!(decided(choice(&[], &[], Some(true))), [("count".to_owned(), true), ("mean".to_owned(), true)]);
    assert_eq!(decided(choice(&["count"], &[], None)), [("count".to_owned(), true)]);
    assert_eq!(decided(choice(&["count"], &["mean"], None)), [("count".to_owned(), true), ("mean".to_owned(), false)]);
    assert_eq!(decided(choice(&[], &["mean"], Some(true))), [("count".to_owned(), true), ("mean".to_owned(), false)]);
}

#[test]
fn a_decision_on_nothing_on_both_sides_or_on_another_name_is_none() {
    let refused = |choice: Choice| choice.decisions(&outputs()).unwrap_err();
    assert_eq!(refused(choice(&[], &[], None)), DecisionError::Nothing);
    assert_eq!(refused(choice(&["count"], &["count"], None)), DecisionError::Both("count".to_owned()));
    let other = DecisionError::NoSuchOutput { name: "sum".to_owned(), known: "count, mean".to_owned() };
    assert_eq!(refused(choice(&["sum"], &[], None)), other);
}

#[test]
fn each_output_has_its_own_reason_and_a_no_always_has_one() {
    let mut mixed = choice(&["count"], &["mean"], None);
    mixed.reasons.insert("mean".to_owned(), "a hospital alone".to_owned());
    let decisions = mixed.decisions(&outputs()).unwrap();
    assert_eq!(
        (decisions["count"].reason.as_str(), decisions["mean"].reason.as_str()),
        ("looked at it", "a hospital alone")
    );
    mixed.reason.clear();
    assert!(mixed.decisions(&outputs()).is_ok(), "a yes where no rule is broken needs none");
    mixed.reasons.clear();
    assert_eq!(mixed.decisions(&outputs()).unwrap_err(), DecisionError::NoReason("mean".to_owned()));
    mixed.reasons.insert("sum".to_owned(), "what?".to_owned());
    assert!(matches!(mixed.decisions(&outputs()), Err(DecisionError::NoSuchOutput { .. })), "a reason for nothing");
}

#[test]
fn whoever_lets_a_broken_rule_pass_says_why() {
    let mut outputs = outputs();
    outputs[0].report.verdict = protocol::disclosure::rules::Verdict::Fail;
    let silent = Choice { others: Some(true), ..Choice::default() };
    assert_eq!(silent.decisions(&outputs).unwrap_err(), DecisionError::NoReasonAgainstRules("count".to_owned()));
    assert!(Choice { reason: "published before".to_owned(), ..silent }.decisions(&outputs).is_ok());
}

#[test]
fn digits_are_read_out_in_fours() {
    let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_eq!(grouped(digest), "0123 4567 89ab cdef 0123 4567 89ab cdef");
}
