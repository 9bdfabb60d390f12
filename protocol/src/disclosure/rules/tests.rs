//! Each rule at its bound, and that no data, however poisoned, passes.

use super::*;
use crate::disclosure::canonical::{canonicalise, parse_csv};
use crate::disclosure::contributors::Contributors;
use crate::disclosure::table::{Cell, CellType, Column, Evidence, Measure, Role, Table};
use proptest::prelude::*;

/// Evidence that every rule accepts: 40 subjects of a similar size.
fn sound() -> Evidence {
    Evidence {
        rows: 50,
        subjects: 40,
        sum: 400.0,
        largest: 12.0,
        second: 11.0,
        negatives: 0,
        special: 0,
        degrees_of_freedom: 49,
        apart: 0,
    }
}

/// A witnessed row: a key and one figure for each measure.
fn witnessed(figures: &[(Measure, Evidence)]) -> Witnessed {
    let mut columns = vec![Column { name: "k".into(), ty: CellType::Text, role: Role::Key }];
    columns.extend(figures.iter().map(|(measure, _)| Column {
        name: measure.column_name(),
        ty: CellType::Real,
        role: Role::Measure(measure.clone()),
    }));
    let mut row = vec![Cell::Text("a".into())];
    row.extend(figures.iter().map(|_| Cell::Real(31.5)));
    let mut evidence = vec![None];
    evidence.extend(figures.iter().map(|(_, evidence)| Some(*evidence)));
    Witnessed {
        table: Table { columns, rows: vec![row] },
        evidence: vec![evidence],
        contributors: Contributors::default(),
    }
}

fn report(witnessed: &Witnessed) -> Report {
    let policy = Policy::default();
    let canonical = canonicalise(&witnessed.table, &policy.form(None)).unwrap();
    check(&Checkable::Witnessed { canonical: &canonical, witnessed }, &policy)
}

fn opaque(csv: &str, policy: &Policy) -> Report {
    let canonical = canonicalise(&parse_csv(csv.as_bytes()).unwrap(), &policy.form(None)).unwrap();
    check(&Checkable::Opaque { canonical: &canonical }, policy)
}

/// The verdict of one rule over the figure of one measure.
fn verdict(rule: Rule, measure: Measure, evidence: Evidence) -> Verdict {
    let report = report(&witnessed(&[(measure, evidence)]));
    report.findings.iter().filter(|finding| finding.rule == rule).map(|finding| finding.verdict).max().unwrap()
}

fn x() -> String {
    "x".to_owned()
}

#[test]
fn a_sound_witnessed_table_passes() {
    let figures = [
        Measure::Count,
        Measure::Subjects,
        Measure::CountOf(x()),
        Measure::Sum(x()),
        Measure::Mean(x()),
        Measure::Variance(x()),
        Measure::Covariance(x(), "y".into()),
    ];
    let report = report(&witnessed(&figures.map(|measure| (measure, sound()))));
    assert_eq!(report.verdict, Verdict::Pass, "{report:?}");
    assert_eq!(report.summary, "Every rule holds (computed by the node).");
    assert_eq!(report.tallies[&Rule::MinimumThreshold].pass, 7);
    assert_eq!(report.tallies[&Rule::DominanceNk].pass, 2);
    assert_eq!(report.tallies[&Rule::DegreesOfFreedom].pass, 2);
}

#[test]
fn the_threshold_counts_subjects_and_not_rows() {
    let with = |rows, subjects| verdict(Rule::MinimumThreshold, Measure::Count, Evidence { rows, subjects, ..sound() });
    assert_eq!(with(10, 10), Verdict::Pass);
    assert_eq!(with(1_000, 9), Verdict::Fail);
    assert_eq!(with(9, 10), Verdict::Fail);
    assert_eq!(with(0, 0), Verdict::Fail);
}

#[test]
fn every_figure_has_its_own_count() {
    let few = Evidence { subjects: 9, rows: 9, ..sound() };
    let report = report(&witnessed(&[(Measure::Subjects, sound()), (Measure::Mean(x()), few)]));
    assert_eq!(report.verdict, Verdict::Fail);
    let failed: Vec<_> = report.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].row, failed[0].column.as_deref()), (Some(0), Some("mean_x")));
    assert_eq!(failed[0].reason, "Fewer than 10 subjects stand behind this figure.");
}

#[test]
fn a_small_number_without_a_value_is_an_implied_count() {
    let with = |rows, subjects| {
        let part = Evidence { rows, subjects, ..sound() };
        report(&witnessed(&[(Measure::Count, sound()), (Measure::CountOf(x()), part)])).verdict
    };
    assert_eq!(with(50, 40), Verdict::Pass);
    assert_eq!(with(49, 40), Verdict::Review);
    assert_eq!(with(40, 39), Verdict::Review);
    assert_eq!(with(40, 30), Verdict::Pass);
}

#[test]
fn the_p_ratio_fails_below_its_bound() {
    let with = |sum| {
        verdict(Rule::DominancePRatio, Measure::Sum(x()), Evidence { sum, largest: 100.0, second: 50.0, ..sound() })
    };
    assert_eq!(with(160.0), Verdict::Pass);
    assert_eq!(with(159.9), Verdict::Fail);
}

#[test]
fn the_nk_share_fails_at_its_bound() {
    let with =
        |sum| verdict(Rule::DominanceNk, Measure::Mean(x()), Evidence { sum, largest: 60.0, second: 30.0, ..sound() });
    assert_eq!(with(100.0), Verdict::Fail);
    assert_eq!(with(100.1), Verdict::Pass);
}

#[test]
fn dominance_is_not_computed_where_it_means_nothing() {
    let with = |change: fn(&mut Evidence)| {
        let mut evidence = sound();
        change(&mut evidence);
        (
            verdict(Rule::DominancePRatio, Measure::Sum(x()), evidence),
            verdict(Rule::DominanceNk, Measure::Sum(x()), evidence),
        )
    };
    let both = |verdict| (verdict, verdict);
    assert_eq!(with(|evidence| evidence.negatives = 1), both(Verdict::Review));
    assert_eq!(with(|evidence| evidence.special = 1), both(Verdict::Review));
    assert_eq!(with(|evidence| evidence.largest = f64::NAN), both(Verdict::Review));
    assert_eq!(with(|evidence| evidence.sum = f64::INFINITY), both(Verdict::Review));
    // more than the sum, in the wrong order, below zero
    assert_eq!(with(|evidence| evidence.largest = 1e9), both(Verdict::Review));
    assert_eq!(with(|evidence| evidence.second = 13.0), both(Verdict::Review));
    assert_eq!(with(|evidence| evidence.second = -1.0), both(Verdict::Review));
    let zeros = |evidence: &mut Evidence| (evidence.sum, evidence.largest, evidence.second) = (0.0, 0.0, 0.0);
    assert_eq!(with(zeros), both(Verdict::NotApplicable));
}

#[test]
fn extremes_of_a_double_do_not_slip_through() {
    // sum / largest overflows
    let tiny = Evidence { sum: f64::MAX, largest: f64::MIN_POSITIVE, second: 0.0, ..sound() };
    assert_eq!(verdict(Rule::DominancePRatio, Measure::Sum(x()), tiny), Verdict::Review);
    // largest + second overflows
    let huge = Evidence { sum: f64::MAX, largest: f64::MAX, second: f64::MAX, ..sound() };
    assert_eq!(verdict(Rule::DominanceNk, Measure::Sum(x()), huge), Verdict::Review);
}

#[test]
fn degrees_of_freedom_fail_below_their_bound() {
    for measure in [Measure::Variance(x()), Measure::Covariance(x(), "y".into())] {
        let with = |degrees_of_freedom| {
            verdict(Rule::DegreesOfFreedom, measure.clone(), Evidence { degrees_of_freedom, ..sound() })
        };
        assert_eq!(with(10), Verdict::Pass);
        assert_eq!(with(9), Verdict::Fail);
        assert_eq!(with(i64::MIN), Verdict::Fail);
    }
}

#[test]
fn who_is_told_apart_by_a_share_is_enough_people() {
    for measure in [Measure::Mean(x()), Measure::Sum(x()), Measure::Variance(x()), Measure::Covariance(x(), "y".into())]
    {
        let with = |apart| verdict(Rule::MinimumThreshold, measure.clone(), Evidence { apart, ..sound() });
        assert_eq!(with(0), Verdict::Pass, "no column of zeros and ones");
        assert_eq!(with(10), Verdict::Pass);
        assert_eq!(with(9), Verdict::Fail);
        assert!(figures::fails(&measure, &Evidence { apart: 1, ..sound() }, 0, &Policy::default()));
    }
}

#[test]
fn the_columns_of_a_model_use_up_degrees_of_freedom() {
    let pair = |one: &str, other: &str| Measure::Covariance(one.to_owned(), other.to_owned());
    let with = |rows: u64| {
        let evidence = Evidence { rows, degrees_of_freedom: i64::try_from(rows).unwrap() - 1, ..sound() };
        let figures = [pair("x", "y"), pair("x", "z"), pair("y", "z")].map(|measure| (measure, evidence));
        let report = report(&witnessed(&figures));
        report.tallies[&Rule::DegreesOfFreedom].fail
    };
    assert_eq!(with(13), 0);
    assert_eq!(with(12), 3, "an outcome, two terms and an intercept leave nine");
    let two = Evidence { rows: 11, subjects: 11, degrees_of_freedom: 10, ..sound() };
    assert_eq!(verdict(Rule::DegreesOfFreedom, pair("x", "y"), two), Verdict::Pass);
}

#[test]
fn a_figure_without_evidence_is_reviewed() {
    let mut missing = witnessed(&[(Measure::Count, sound())]);
    missing.evidence.clear();
    assert_eq!(report(&missing).verdict, Verdict::Review);
    let keys_alone = witnessed(&[]);
    assert_eq!(report(&keys_alone).verdict, Verdict::Review);
    let mut empty = witnessed(&[(Measure::Count, sound())]);
    empty.table.rows.clear();
    empty.evidence.clear();
    assert_eq!(report(&empty).verdict, Verdict::Review);
}

#[test]
fn evidence_follows_its_row_through_the_sort() {
    let mut two = witnessed(&[(Measure::Count, sound())]);
    two.table.rows = vec![vec![Cell::Text("b".into()), Cell::Real(1.0)], vec![Cell::Text("a".into()), Cell::Real(1.0)]];
    two.evidence = vec![vec![None, Some(Evidence { subjects: 1, ..sound() })], vec![None, Some(sound())]];
    let report = report(&two);
    let failed: Vec<_> =
        report.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).map(|finding| finding.row).collect();
    assert_eq!(failed, [Some(1)]);
}

#[test]
fn a_figure_that_was_no_number_is_reviewed() {
    let mut poisoned = witnessed(&[(Measure::Mean(x()), sound())]);
    poisoned.table.rows[0][1] = Cell::Real(f64::NAN);
    let report = report(&poisoned);
    assert_eq!(report.verdict, Verdict::Review);
    assert_eq!(report.tallies[&Rule::NotFinite].review, 1);
}

#[test]
fn an_opaque_output_never_passes() {
    let report = opaque("k,mean\na,1.5\n", &Policy::default());
    assert_eq!((report.verdict, report.tier), (Verdict::Review, Tier::Opaque));
    assert_eq!(
        report.summary,
        "Minimum-threshold: review, dominance-p-ratio: review, dominance-nk: review, degrees-of-freedom: review, class-disclosure: review, row-level-data: review, differencing: review (computed by the component, only its shape can be checked)."
    );
}

#[test]
fn whole_numbers_below_the_threshold_are_marked_in_opaque_outputs() {
    let report = opaque("k,n,m,mean\na,9,3.0,1.5\nb,10,40,7\nc,0,-2,9\n", &Policy::default());
    let marked: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.reason.starts_with("This looks like a count below"))
        .map(|finding| (finding.row.unwrap(), finding.column.clone().unwrap()))
        .collect();
    assert_eq!(marked, [(0, "n".to_owned()), (0, "m".to_owned())]);
}

#[test]
fn sizes_beyond_the_policy_are_refused() {
    let small = Policy { maximum_rows: 1, ..Policy::default() };
    assert_eq!(opaque("a\n1\n", &small).verdict, Verdict::Review);
    let refused = opaque("a\n1\n2\n", &small);
    assert_eq!(refused.verdict, Verdict::Refused);
    assert!(
        refused.findings.iter().any(|finding| finding.reason == "The output has more than 1 rows; ask for a summary.")
    );
    assert_eq!(opaque("a,b\n1,2\n", &Policy { maximum_columns: 1, ..small }).verdict, Verdict::Refused);
    assert_eq!(opaque("a\n1\n", &Policy { maximum_bytes: 3, ..small }).verdict, Verdict::Refused);
    let fifty = Policy::default();
    assert_eq!(check_count(50, &fifty).verdict, Verdict::Pass);
    assert_eq!(check_count(51, &fifty).verdict, Verdict::Refused);
}

#[test]
fn what_has_no_form_is_refused_under_its_rule() {
    let place = Place { row: 2, column: 0 };
    for (refusal, rule) in [
        (NotCanonical::Payload(place), Rule::Payload),
        (NotCanonical::Formula(place), Rule::Formula),
        (NotCanonical::NotUtf8, Rule::TypeAndSize),
    ] {
        let report = refused(Tier::Opaque, &refusal);
        assert_eq!(report.verdict, Verdict::Refused);
        let finding = report.findings.iter().find(|finding| finding.verdict == Verdict::Refused).unwrap();
        assert_eq!(finding.rule, rule);
        assert!(finding.reason.ends_with('.') && finding.reason.starts_with(char::is_uppercase), "{}", finding.reason);
    }
}

#[test]
fn a_long_list_is_cut_and_still_counted() {
    let rows = "1\n".repeat(LISTED_FINDINGS + 5);
    let report = opaque(&format!("n\n{rows}"), &Policy::default());
    let listed = report.findings.iter().filter(|finding| finding.rule == Rule::MinimumThreshold).count();
    assert_eq!(listed, LISTED_FINDINGS);
    assert_eq!(report.tallies[&Rule::MinimumThreshold].review, u64::try_from(LISTED_FINDINGS).unwrap() + 6);
}

#[test]
fn names_in_records_are_those_of_the_rules() {
    for (rule, name) in [
        (Rule::DominancePRatio, "dominance-p-ratio"),
        (Rule::DominanceNk, "dominance-nk"),
        (Rule::MinimumThreshold, "minimum-threshold"),
    ] {
        let mut bytes = Vec::new();
        ciborium::into_writer(&rule, &mut bytes).unwrap();
        assert_eq!(ciborium::from_reader::<String, _>(bytes.as_slice()).unwrap(), name);
        assert_eq!(rule.to_string(), name);
    }
}

#[test]
fn a_report_reads_back_from_its_record() {
    let report = opaque("n\n3\n", &Policy::default());
    let mut bytes = Vec::new();
    ciborium::into_writer(&report, &mut bytes).unwrap();
    assert_eq!(ciborium::from_reader::<Report, _>(bytes.as_slice()).unwrap(), report);
}

fn any_double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            0.0,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            1.0
        ]),
    ]
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    (
        any_double(),
        any_double(),
        any_double(),
        0_u64..100,
        any::<u64>(),
        prop_oneof![Just(0), any::<u64>()],
        prop_oneof![Just(0), any::<u64>()],
        any::<i64>(),
    )
        .prop_map(|(sum, largest, second, subjects, rows, negatives, special, degrees_of_freedom)| Evidence {
            rows,
            subjects,
            sum,
            largest,
            second,
            negatives,
            special,
            degrees_of_freedom,
            apart: subjects / 2,
        })
}

fn any_measure() -> impl Strategy<Value = Measure> {
    prop::sample::select(vec![
        Measure::Count,
        Measure::Subjects,
        Measure::CountOf(x()),
        Measure::Sum(x()),
        Measure::Mean(x()),
        Measure::Variance(x()),
        Measure::Covariance(x(), "y".into()),
    ])
}

proptest! {
    #[test]
    fn threat_61_poisoned_rows_never_pass(measure in any_measure(), evidence in any_evidence(), shown in any_double()) {
        let mut poisoned = witnessed(&[(measure.clone(), evidence)]);
        poisoned.table.rows[0][1] = Cell::Real(shown);
        let verdict = report(&poisoned).verdict;
        let finite = [evidence.sum, evidence.largest, evidence.second, shown].iter().all(|value| value.is_finite());
        if !finite || evidence.special > 0 || evidence.subjects < 10 {
            prop_assert!(verdict > Verdict::Pass);
        }
        if evidence.negatives > 0 && matches!(measure, Measure::Sum(_) | Measure::Mean(_)) {
            prop_assert!(verdict > Verdict::Pass);
        }
    }

    #[test]
    fn no_opaque_table_passes(cells in prop::collection::vec(any_double(), 0..20)) {
        let rows: String = cells.iter().map(|cell| format!("{cell}\n")).collect();
        let report = opaque(&format!("x\n{rows}"), &Policy::default());
        prop_assert!(report.verdict > Verdict::Pass);
    }

    #[test]
    fn reasons_hold_no_evidence(measure in any_measure(), largest in 1_000_003_u32..2_000_000, second in 1_000_003_u32..2_000_000, subjects in 11_u64..99) {
        let evidence = Evidence { largest: largest.into(), second: second.into(), subjects, rows: 7, sum: 3e6, negatives: 3, special: 4, degrees_of_freedom: 8, apart: 6 };
        for finding in report(&witnessed(&[(measure, evidence)])).findings {
            let numbers: Vec<&str> = finding.reason.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
            prop_assert!(numbers.iter().all(|number| ["10", "90"].contains(number)), "{}", finding.reason);
        }
    }
}
