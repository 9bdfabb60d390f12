//! Which figures of an output a data owner must look at, and why: exact where the host witnessed them, never more than a question where not.
//!
//! Every rule is a total function: whatever stands in the data, NaN and the infinities included, gives a verdict, and doubt is `review`.

use crate::disclosure::canonical::{Canonical, NotCanonical, Place};
pub use crate::disclosure::policy::{Policy, UnsoundPolicy};
use crate::disclosure::report::{About, Book, sentence};
pub use crate::disclosure::report::{
    Finding, LISTED_FINDINGS, RULES_VERSION, Report, Rule, Tally, Verdict, checker_digest,
};
use crate::disclosure::table::{Cell, CellType, Evidence, Measure, Role, Tier, Witnessed};

/// An output in its canonical form, with what the host knows about it.
#[derive(Clone, Copy, Debug)]
pub enum Checkable<'a> {
    /// T1. `canonical` was made from `witnessed`'s table.
    Witnessed {
        /// What would leave.
        canonical: &'a Canonical,
        /// What stays.
        witnessed: &'a Witnessed,
    },
    /// T2.
    Opaque {
        /// What would leave.
        canonical: &'a Canonical,
    },
}

/// Checks one output against a policy.
#[must_use]
pub fn check(output: &Checkable<'_>, policy: &Policy) -> Report {
    let canonical = match output {
        Checkable::Witnessed { canonical, .. } | Checkable::Opaque { canonical } => canonical,
    };
    let mut book = Book::new(canonical.schema());
    let tier = match output {
        Checkable::Witnessed { canonical, witnessed } => {
            check_witnessed(&mut book, canonical, witnessed, policy);
            Tier::Witnessed
        }
        Checkable::Opaque { canonical } => {
            check_opaque(&mut book, canonical, policy);
            Tier::Opaque
        }
    };
    for place in canonical.replaced() {
        book.note(Rule::NotFinite, Verdict::Review, About::Cell(*place), || {
            "This figure was not a finite number and is shown empty; ask why before it leaves.".to_owned()
        });
    }
    check_size(&mut book, canonical, policy);
    book.close(tier)
}

/// The report on an output that has no canonical form.
#[must_use]
pub fn refused(tier: Tier, refusal: &NotCanonical) -> Report {
    let rule = match refusal {
        NotCanonical::Payload(_) => Rule::Payload,
        NotCanonical::Formula(_) => Rule::Formula,
        _ => Rule::TypeAndSize,
    };
    let mut book = Book::new(&[]);
    book.note(rule, Verdict::Refused, About::Output, || sentence(&refusal.to_string()));
    book.close(tier)
}

/// Whether a task hands over no more outputs than the policy allows.
#[must_use]
pub fn check_count(outputs: usize, policy: &Policy) -> Finding {
    let (verdict, reason) = if exceeds(outputs, policy.maximum_outputs) {
        (Verdict::Refused, format!("The task hands over more than {} outputs.", policy.maximum_outputs))
    } else {
        (Verdict::Pass, format!("The task hands over at most {} outputs.", policy.maximum_outputs))
    };
    Finding { rule: Rule::TypeAndSize, verdict, row: None, column: None, reason }
}

fn check_size(book: &mut Book, canonical: &Canonical, policy: &Policy) {
    let bounds = [
        ("bytes", canonical.bytes().len(), policy.maximum_bytes),
        ("rows", canonical.table().rows.len(), policy.maximum_rows),
        ("columns", canonical.schema().len(), policy.maximum_columns),
    ];
    for (what, size, most) in bounds {
        let verdict = if exceeds(size, most) { Verdict::Refused } else { Verdict::Pass };
        book.note(Rule::TypeAndSize, verdict, About::Output, || {
            format!("The output has more than {most} {what}; ask for a summary.")
        });
    }
    // The canonical form has no room for either.
    book.pass(Rule::Payload);
    book.pass(Rule::Formula);
}

fn exceeds(size: usize, most: u64) -> bool {
    u64::try_from(size).unwrap_or(u64::MAX) > most
}

fn check_witnessed(book: &mut Book, canonical: &Canonical, witnessed: &Witnessed, policy: &Policy) {
    if canonical.table().rows.is_empty() {
        book.note(Rule::MinimumThreshold, Verdict::Review, About::Output, || {
            "The table has no row: decide whether it may be known that nobody is in it.".to_owned()
        });
    }
    for row in 0..canonical.table().rows.len() {
        let evidence = |column: usize| -> Option<Evidence> {
            let origin = canonical.origin(Place { row, column })?;
            *witnessed.evidence.get(origin.row)?.get(origin.column)?
        };
        let mut figures = 0;
        for (column, described) in canonical.schema().iter().enumerate() {
            let place = Place { row, column };
            match (&described.role, evidence(column)) {
                (Role::Key, _) => {}
                (Role::Measure(measure), Some(evidence)) => {
                    figures += 1;
                    check_figure(book, place, measure, &evidence, policy);
                }
                (Role::Measure(_), None) | (Role::Opaque, _) => {
                    book.note(Rule::MinimumThreshold, Verdict::Review, About::Cell(place), || {
                        "The node kept no evidence for this figure: a person must judge it.".to_owned()
                    });
                }
            }
        }
        if figures == 0 {
            book.note(Rule::MinimumThreshold, Verdict::Review, About::Row(row), || {
                "This row has no figure that the node vouches for: a person must judge it.".to_owned()
            });
        }
        check_differences(book, canonical, row, evidence, policy);
    }
}

fn check_figure(book: &mut Book, place: Place, measure: &Measure, evidence: &Evidence, policy: &Policy) {
    let mut note = |rule, verdict, reason: &dyn Fn() -> String| {
        book.note(rule, verdict, About::Cell(place), reason);
    };
    // Each subject has a row; where the evidence says otherwise, the smaller number counts.
    let subjects = evidence.subjects.min(evidence.rows);
    let enough = if subjects < policy.threshold { Verdict::Fail } else { Verdict::Pass };
    note(Rule::MinimumThreshold, enough, &|| {
        format!("Fewer than {} subjects stand behind this figure.", policy.threshold)
    });

    let finite = is_finite(evidence);
    note(Rule::NotFinite, if finite { Verdict::Pass } else { Verdict::Review }, &|| {
        "The data behind this figure holds values that are no finite numbers.".to_owned()
    });

    match measure {
        Measure::Sum(_) | Measure::Mean(_) => {
            let (p_ratio, nk) = (p_ratio(evidence, policy), nk_share(evidence, policy));
            let doubt = "The data behind this figure holds negative or unusual values, so that the rule cannot be computed: look at it.";
            note(Rule::DominancePRatio, p_ratio, &|| match p_ratio {
                Verdict::Fail => format!(
                    "One subject dominates this figure: without the two largest contributions, less than {} % of the largest remains.",
                    policy.p_ratio_percent
                ),
                _ => doubt.to_owned(),
            });
            note(Rule::DominanceNk, nk, &|| match nk {
                Verdict::Fail => format!(
                    "Two subjects dominate this figure: their contributions are {} % of the sum or more.",
                    policy.nk_share_percent
                ),
                _ => doubt.to_owned(),
            });
        }
        Measure::Variance(_) | Measure::Covariance(_, _) => {
            let few = evidence.degrees_of_freedom < policy.minimum_degrees_of_freedom;
            note(Rule::DegreesOfFreedom, if few { Verdict::Fail } else { Verdict::Pass }, &|| {
                format!("Fewer than {} degrees of freedom stand behind this figure.", policy.minimum_degrees_of_freedom)
            });
        }
        Measure::Count | Measure::Subjects | Measure::CountOf(_) => {}
    }
}

/// Whether no NaN and no infinity stands behind a figure.
fn is_finite(evidence: &Evidence) -> bool {
    evidence.special == 0 && [evidence.sum, evidence.largest, evidence.second].iter().all(|value| value.is_finite())
}

/// Whether the dominance rules can be computed; `None` = yes.
fn dominance_applies(evidence: &Evidence) -> Option<Verdict> {
    let Evidence { sum, largest, second, .. } = *evidence;
    // A sum of parts may differ from the parts' sum by rounding alone.
    let parts = largest + second;
    let contradicts = !parts.is_finite() || second < 0.0 || largest < second || sum < parts - parts.abs() * 1e-9;
    if !is_finite(evidence) || evidence.negatives > 0 || contradicts {
        Some(Verdict::Review)
    } else if largest == 0.0 {
        // ACRO calls a cell of zeros failed; nobody contributes to it.
        Some(if sum == 0.0 { Verdict::NotApplicable } else { Verdict::Review })
    } else {
        None
    }
}

/// (sum − largest − second) / largest, against the policy.
fn p_ratio(evidence: &Evidence, policy: &Policy) -> Verdict {
    dominance_applies(evidence).unwrap_or_else(|| {
        let rest = (evidence.sum - evidence.largest - evidence.second) / evidence.largest;
        compare(rest, policy.p_ratio_percent, |rest, bound| rest < bound)
    })
}

/// (largest + second) / sum, against the policy.
fn nk_share(evidence: &Evidence, policy: &Policy) -> Verdict {
    dominance_applies(evidence).unwrap_or_else(|| {
        let share = (evidence.largest + evidence.second) / evidence.sum;
        compare(share, policy.nk_share_percent, |share, bound| share >= bound)
    })
}

fn compare(ratio: f64, percent: u16, fails: fn(f64, f64) -> bool) -> Verdict {
    if !ratio.is_finite() {
        Verdict::Review
    } else if fails(ratio, f64::from(percent) / 100.0) {
        Verdict::Fail
    } else {
        Verdict::Pass
    }
}

/// The counts that two shown counts imply: who is in the group and has no value.
fn check_differences(
    book: &mut Book,
    canonical: &Canonical,
    row: usize,
    evidence: impl Fn(usize) -> Option<Evidence>,
    policy: &Policy,
) {
    let counts =
        |column: &usize| matches!(canonical.schema()[*column].role, Role::Measure(Measure::Count | Measure::Subjects));
    let columns = 0..canonical.schema().len();
    let Some(whole) = columns.clone().filter(counts).find_map(&evidence) else {
        return;
    };
    for column in columns {
        if !matches!(canonical.schema()[column].role, Role::Measure(Measure::CountOf(_))) {
            continue;
        }
        let Some(part) = evidence(column) else {
            continue;
        };
        let small = |whole: u64, part: u64| {
            let without = whole.abs_diff(part);
            without > 0 && without < policy.threshold
        };
        if small(whole.subjects, part.subjects) || small(whole.rows, part.rows) {
            let place = Place { row, column };
            book.note(Rule::MinimumThreshold, Verdict::Review, About::Cell(place), || {
                format!(
                    "The difference between this count and the group's shows that fewer than {} have no value here.",
                    policy.threshold
                )
            });
        }
    }
}

fn check_opaque(book: &mut Book, canonical: &Canonical, policy: &Policy) {
    for (rule, reason) in [
        (
            Rule::MinimumThreshold,
            format!(
                "The node did not compute these figures: make sure that at least {} subjects stand behind each.",
                policy.threshold
            ),
        ),
        (
            Rule::DominancePRatio,
            "The node did not compute these figures: make sure that no subject dominates a sum or a mean.".to_owned(),
        ),
        (
            Rule::DominanceNk,
            "The node did not compute these figures: make sure that no two subjects dominate a sum or a mean."
                .to_owned(),
        ),
        (
            Rule::DegreesOfFreedom,
            format!(
                "The node did not compute these figures: make sure that at least {} degrees of freedom stand behind what was fitted.",
                policy.minimum_degrees_of_freedom
            ),
        ),
        (
            Rule::Differencing,
            "The node did not see who stands behind these figures: compare them with what left before.".to_owned(),
        ),
    ] {
        book.note(rule, Verdict::Review, About::Output, || reason.clone());
    }
    book.pass(Rule::NotFinite);
    for (column, described) in canonical.schema().iter().enumerate() {
        let cells = || canonical.table().rows.iter().map(move |row| &row[column]);
        let whole = match described.ty {
            CellType::Integer => true,
            CellType::Real | CellType::Decimal => cells().filter_map(Cell::number).all(|value| value.fract() == 0.0),
            CellType::Boolean | CellType::Text | CellType::Date | CellType::Timestamp => false,
        };
        if !whole {
            continue;
        }
        for (row, cell) in cells().enumerate() {
            if looks_like_a_small_count(cell, policy.threshold) {
                book.note(Rule::MinimumThreshold, Verdict::Review, About::Cell(Place { row, column }), || {
                    format!("This looks like a count below the threshold of {}.", policy.threshold)
                });
            }
        }
    }
}

/// Whether a cell of a column of whole numbers lies between 1 and the threshold.
#[allow(clippy::cast_precision_loss, reason = "a threshold is far below 2^53")]
fn looks_like_a_small_count(cell: &Cell, threshold: u64) -> bool {
    cell.number().is_some_and(|value| value >= 1.0 && value < threshold as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
