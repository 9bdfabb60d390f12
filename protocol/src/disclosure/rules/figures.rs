//! The rules over single figures that the host witnessed: threshold, dominance, degrees of freedom, and the counts that figures imply.

use crate::disclosure::canonical::{Canonical, Place};
use crate::disclosure::hiding::Hidden;
use crate::disclosure::policy::Policy;
use crate::disclosure::report::{About, Book, Rule, Verdict};
use crate::disclosure::table::{Column, Evidence, Measure, Role, Witnessed};

/// How many columns a model was made for: those of which a table has covariances, from three on. Two may be a correlation alone.
pub(crate) fn fitted(columns: &[Column]) -> i64 {
    let mut sources: Vec<&str> = Vec::new();
    for column in columns {
        if let Role::Measure(measure @ Measure::Covariance(_, _)) = &column.role {
            sources.extend(measure.sources());
        }
    }
    sources.sort_unstable();
    sources.dedup();
    if sources.len() < 3 { 0 } else { i64::try_from(sources.len()).unwrap_or(i64::MAX) }
}

/// What is left of the rows behind a variance or covariance when a mean, or every column of a model, is fitted.
fn freedom(evidence: &Evidence, fitted: i64) -> i64 {
    let rows = i64::try_from(evidence.rows).unwrap_or(i64::MAX);
    if fitted == 0 { evidence.degrees_of_freedom } else { evidence.degrees_of_freedom.min(rows.saturating_sub(fitted)) }
}

/// The subjects that a figure is about, as the threshold counts them.
fn subjects(evidence: &Evidence) -> u64 {
    // Each subject has a row; where the evidence says otherwise, the smaller number counts.
    let subjects = evidence.subjects.min(evidence.rows);
    if evidence.apart > 0 { subjects.min(evidence.apart) } else { subjects }
}

/// Whether a figure breaks a rule by its own evidence; `fitted` is that of its table.
pub(crate) fn fails(measure: &Measure, evidence: &Evidence, fitted: i64, policy: &Policy) -> bool {
    let few = subjects(evidence) < policy.threshold;
    few || match measure {
        Measure::Sum(_) | Measure::Mean(_) => {
            p_ratio(evidence, policy) == Verdict::Fail || nk_share(evidence, policy) == Verdict::Fail
        }
        Measure::Variance(_) | Measure::Covariance(_, _) => {
            freedom(evidence, fitted) < policy.minimum_degrees_of_freedom
        }
        Measure::Count | Measure::Subjects | Measure::CountOf(_) => false,
    }
}

/// Looks at every figure that is not blank.
pub(crate) fn check(book: &mut Book, canonical: &Canonical, witnessed: &Witnessed, hidden: &Hidden, policy: &Policy) {
    if canonical.table().rows.is_empty() {
        book.note(Rule::MinimumThreshold, Verdict::Review, About::Output, || {
            "The table has no row: decide whether it may be known that nobody is in it.".to_owned()
        });
    }
    let fitted = fitted(canonical.schema());
    for row in 0..canonical.table().rows.len() {
        // Host-made tables keep the order of their columns; rows were sorted.
        let Some(origin) = canonical.origin(Place { row, column: 0 }).map(|origin| origin.row) else { continue };
        let beside = witnessed.evidence.get(origin);
        let blank = |column: usize| hidden.is(Place { row: origin, column });
        let evidence = |column: usize| -> Option<Evidence> { if blank(column) { None } else { *beside?.get(column)? } };
        let mut figures = 0;
        for (column, described) in canonical.schema().iter().enumerate() {
            let place = Place { row, column };
            match (&described.role, evidence(column)) {
                (Role::Key, _) => {}
                (_, None) if blank(column) => {
                    figures += 1;
                    book.pass(Rule::MinimumThreshold);
                }
                (Role::Measure(measure), Some(evidence)) => {
                    figures += 1;
                    check_figure(book, place, measure, &evidence, fitted, policy);
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

fn check_figure(book: &mut Book, place: Place, measure: &Measure, evidence: &Evidence, fitted: i64, policy: &Policy) {
    let mut note = |rule, verdict, reason: &dyn Fn() -> String| {
        book.note(rule, verdict, About::Cell(place), reason);
    };
    let enough = if subjects(evidence) < policy.threshold { Verdict::Fail } else { Verdict::Pass };
    let told_apart = evidence.subjects.min(evidence.rows) >= policy.threshold;
    note(Rule::MinimumThreshold, enough, &|| {
        if told_apart {
            format!(
                "This figure is about a column of zeros and ones, which tells fewer than {} subjects apart from the others.",
                policy.threshold
            )
        } else {
            format!("Fewer than {} subjects stand behind this figure.", policy.threshold)
        }
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
            let few = freedom(evidence, fitted) < policy.minimum_degrees_of_freedom;
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
    let sum_of = |x: &String| canonical.table().column_of(&Role::Measure(Measure::Sum(x.clone())));
    for column in columns {
        let implied = match &canonical.schema()[column].role {
            Role::Measure(Measure::CountOf(_)) => true,
            // A sum divided by its mean is a count.
            Role::Measure(Measure::Mean(x)) => sum_of(x).and_then(&evidence).is_some(),
            Role::Measure(_) | Role::Key | Role::Opaque => false,
        };
        if !implied {
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
                    "The difference between the count behind this figure and the group's shows that fewer than {} have no value here.",
                    policy.threshold
                )
            });
        }
    }
}
