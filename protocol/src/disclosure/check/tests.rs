//! The front door: what is hidden, rounded and said, over single outputs and over all of a task.

use super::*;
use crate::disclosure::canonical::Place;
use crate::disclosure::contributors::Subjects;
use crate::disclosure::rules::{Finding, Rule};
use crate::disclosure::table::{Cell, CellType, Column, Evidence, Measure, Role, Table};
use proptest::prelude::*;

fn people(count: u64) -> Evidence {
    let sum = crate::disclosure::rounding::whole(count);
    let one = f64::from(u8::from(count > 0));
    Evidence {
        rows: count,
        subjects: count,
        sum,
        largest: one,
        second: one,
        degrees_of_freedom: i64::try_from(count).unwrap() - 1,
        ..Evidence::default()
    }
}

/// A table of counts by text keys, as the host makes one.
fn counted(keys: &[&str], rows: &[(&[&str], u64)]) -> Witnessed {
    let mut columns: Vec<Column> =
        keys.iter().map(|key| Column { name: (*key).into(), ty: CellType::Text, role: Role::Key }).collect();
    columns.push(Column { name: "n".into(), ty: CellType::Integer, role: Role::Measure(Measure::Count) });
    let cell = |text: &&str| if text.is_empty() { Cell::Null } else { Cell::Text((*text).to_owned()) };
    let mut next = 0;
    let mut sets = Vec::new();
    let mut of = Vec::new();
    for (place, (_, count)) in rows.iter().enumerate() {
        sets.push(Subjects::of((next..next + count).collect()));
        next += count;
        let mut row = vec![None; keys.len()];
        row.push(Some(u32::try_from(place).unwrap()));
        of.push(row);
    }
    Witnessed {
        table: Table {
            columns,
            rows: rows
                .iter()
                .map(|(keys, count)| {
                    keys.iter().map(cell).chain([Cell::Integer(i64::try_from(*count).unwrap())]).collect()
                })
                .collect(),
        },
        evidence: rows
            .iter()
            .map(|(keys, count)| keys.iter().map(|_| None).chain([Some(people(*count))]).collect())
            .collect(),
        contributors: Contributors { dataset: "omop".into(), sets, of },
    }
}

fn given(name: &str, witnessed: Witnessed) -> Given {
    Given { name: name.into(), columns: None, content: Content::Witnessed(witnessed) }
}

fn csv(text: &str, source: SourceFacts) -> Given {
    Given { name: "csv".into(), columns: None, content: Content::Opaque { bytes: text.as_bytes().to_vec(), source } }
}

fn shown(checked: &Checked) -> &str {
    std::str::from_utf8(checked.canonical.bytes()).unwrap()
}

fn of(report: &Report, rule: Rule) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.rule == rule).collect()
}

fn verdict(report: &Report, rule: Rule) -> Verdict {
    of(report, rule).iter().map(|finding| finding.verdict).max().unwrap()
}

fn suppressing() -> Policy {
    Policy { suppress: true, ..Policy::default() }
}

#[test]
fn a_sound_table_passes_and_a_standing_approval_could_take_it() {
    let table = counted(&["sex"], &[(&["m"], 40), (&["f"], 50)]);
    let checked = &check_outputs(vec![given("a", table)], &Policy::default()).unwrap()[0];
    assert!(checked.report.passes(), "{:?}", checked.report);
    assert_eq!(shown(checked), "sex,n\nf,50\nm,40\n");
    assert_eq!(verdict(&checked.report, Rule::Differencing), Verdict::NotApplicable);
    // the sets follow their rows
    assert_eq!(checked.contributors.behind(0, 1).unwrap().len(), 50);
    assert_eq!(checked.contributors.behind(0, 0), None);
    let doubted = checked.report.amended(
        Rule::Differencing,
        vec![Finding {
            rule: Rule::Differencing,
            verdict: Verdict::Fail,
            row: Some(0),
            column: Some("n".into()),
            reason: "Close.".into(),
        }],
    );
    assert_eq!((doubted.verdict, doubted.passes()), (Verdict::Fail, false));
    assert_eq!(doubted.summary, "Differencing: fail (computed by the node).");
    assert_eq!(doubted.tallies[&Rule::Differencing].fail, 1);
    let again = doubted.amended(Rule::Differencing, Vec::new());
    assert!(again.passes());
    assert_eq!(verdict(&again, Rule::Differencing), Verdict::Pass);
    assert_eq!(again.summary, checked.report.summary);
}

#[test]
fn amending_keeps_every_other_rule() {
    let table = counted(&["sex"], &[(&["m"], 4), (&["f"], 50)]);
    let report = &check_outputs(vec![given("a", table)], &Policy::default()).unwrap()[0].report;
    let amended = report.amended(Rule::Differencing, Vec::new());
    assert_eq!(amended.verdict, Verdict::Fail);
    assert_eq!(of(&amended, Rule::MinimumThreshold), of(report, Rule::MinimumThreshold));
    assert_eq!(amended.amended(Rule::Differencing, Vec::new()), amended);
}

#[test]
fn without_suppression_small_figures_are_shown_as_failing() {
    let table = counted(&["sex"], &[(&["m"], 4), (&["f"], 50)]);
    let checked = &check_outputs(vec![given("a", table)], &Policy::default()).unwrap()[0];
    assert_eq!(shown(checked), "sex,n\nf,50\nm,4\n");
    assert_eq!(verdict(&checked.report, Rule::MinimumThreshold), Verdict::Fail);
    assert_eq!(verdict(&checked.report, Rule::ComplementarySuppression), Verdict::NotApplicable);
}

#[test]
fn suppression_blanks_what_fails_and_nobody_stands_behind_a_blank() {
    let table = counted(&["sex"], &[(&["m"], 4), (&["f"], 50)]);
    let checked = &check_outputs(vec![given("a", table)], &suppressing()).unwrap()[0];
    assert_eq!(shown(checked), "sex,n\nf,50\nm,\n");
    assert_eq!(verdict(&checked.report, Rule::MinimumThreshold), Verdict::Pass);
    assert_eq!(verdict(&checked.report, Rule::ComplementarySuppression), Verdict::Pass);
    assert!(checked.contributors.behind(1, 1).is_none() && checked.contributors.behind(0, 1).is_some());
}

#[test]
fn a_total_in_another_output_makes_suppression_blank_more() {
    let by_sex = counted(&["sex"], &[(&["f"], 50), (&["m"], 4), (&["x"], 12)]);
    let all = counted(&[], &[(&[], 66)]);
    let checked = check_outputs(vec![given("by_sex", by_sex), given("all", all)], &suppressing()).unwrap();
    // 4 alone is 66 - 50 - 12; with 12 it is one of 1 to 15
    assert_eq!(shown(&checked[0]), "sex,n\nf,50\nm,\nx,\n");
    assert_eq!(shown(&checked[1]), "n\n66\n");
    assert!(checked.iter().all(|checked| checked.report.passes()), "{:?}", checked[0].report);
    // 2 and 3 leave too few values between them
    let by_sex = counted(&["sex"], &[(&["f"], 50), (&["m"], 2), (&["x"], 3), (&["y"], 30)]);
    let all = counted(&[], &[(&[], 85)]);
    let checked = check_outputs(vec![given("by_sex", by_sex), given("all", all)], &suppressing()).unwrap();
    assert_eq!(shown(&checked[0]), "sex,n\nf,50\nm,\nx,\ny,\n");
}

#[test]
fn crossed_totals_are_protected_in_both_directions() {
    let rows: [(&[&str], u64); 9] = [
        (&["a", "1"], 5),
        (&["a", "2"], 40),
        (&["a", "3"], 41),
        (&["b", "1"], 42),
        (&["b", "2"], 43),
        (&["b", "3"], 44),
        (&["c", "1"], 45),
        (&["c", "2"], 46),
        (&["c", "3"], 47),
    ];
    let crossed = counted(&["k", "l"], &rows);
    let by_k = counted(&["k"], &[(&["a"], 86), (&["b"], 129), (&["c"], 138)]);
    let by_l = counted(&["l"], &[(&["1"], 92), (&["2"], 129), (&["3"], 132)]);
    let all = counted(&[], &[(&[], 353)]);
    let outputs = vec![given("crossed", crossed), given("by_k", by_k), given("by_l", by_l), given("all", all)];
    let checked = check_outputs(outputs, &suppressing()).unwrap();
    assert!(checked.iter().all(|checked| checked.report.passes()), "{:?}", checked[0].report);
    let blanks: Vec<usize> = checked.iter().map(|checked| shown(checked).matches(",\n").count()).collect();
    // a rectangle and nothing more
    assert_eq!(blanks, [4, 0, 0, 0], "{}", shown(&checked[0]));
}

#[test]
fn a_row_of_nulls_that_is_a_total_counts_as_one() {
    let rows: [(&[&str], u64); 4] = [(&[""], 66), (&["f"], 50), (&["m"], 4), (&["x"], 12)];
    let checked = &check_outputs(vec![given("a", counted(&["sex"], &rows))], &suppressing()).unwrap()[0];
    assert_eq!(shown(checked), "sex,n\n,66\nf,50\nm,\nx,\n");
    // a group of people without a value is no total
    let rows: [(&[&str], u64); 3] = [(&[""], 30), (&["f"], 50), (&["m"], 4)];
    let checked = &check_outputs(vec![given("a", counted(&["sex"], &rows))], &suppressing()).unwrap()[0];
    assert_eq!(shown(checked), "sex,n\n,30\nf,50\nm,\n");
}

#[test]
fn what_cannot_be_protected_is_said() {
    // the same small group in two outputs under two names
    let one = counted(&["sex"], &[(&["f"], 50), (&["m"], 4)]);
    let two = counted(&[], &[(&[], 54)]);
    let checked = check_outputs(vec![given("one", one), given("two", two)], &suppressing()).unwrap();
    // both parts are blank: the total may stand
    assert_eq!(shown(&checked[0]), "sex,n\nf,\nm,\n");
    assert!(checked.iter().all(|checked| checked.report.passes()));
    let alone = counted(&["sex"], &[(&["m"], 4)]);
    let total = counted(&[], &[(&[], 4)]);
    let checked = check_outputs(vec![given("one", alone), given("two", total)], &suppressing()).unwrap();
    assert_eq!((shown(&checked[0]), shown(&checked[1])), ("sex,n\nm,\n", "n\n\"\"\n"));
}

#[test]
fn tables_of_other_data_or_other_groups_are_no_totals() {
    let by_sex = || counted(&["sex"], &[(&["f"], 50), (&["m"], 4), (&["x"], 12)]);
    let mut other = counted(&[], &[(&[], 66)]);
    other.contributors.dataset = "another".into();
    let checked = check_outputs(vec![given("a", by_sex()), given("b", other)], &suppressing()).unwrap();
    assert_eq!(shown(&checked[0]), "sex,n\nf,50\nm,\nx,12\n");
    let larger = counted(&[], &[(&[], 90)]);
    let checked = check_outputs(vec![given("a", by_sex()), given("b", larger)], &suppressing()).unwrap();
    assert_eq!(shown(&checked[0]), "sex,n\nf,50\nm,\nx,12\n");
}

#[test]
fn a_total_that_nearly_is_the_sum_is_reviewed() {
    let by_sex = counted(&["sex"], &[(&["f"], 50), (&["m"], 40)]);
    let all = counted(&[], &[(&[], 93)]);
    let checked = check_outputs(vec![given("a", by_sex), given("b", all)], &Policy::default()).unwrap();
    assert_eq!(verdict(&checked[0].report, Rule::MinimumThreshold), Verdict::Pass);
    assert_eq!(verdict(&checked[1].report, Rule::MinimumThreshold), Verdict::Review);
}

#[test]
fn rounding_hides_what_suppression_then_need_not() {
    let by_sex = || counted(&["sex"], &[(&["f"], 50), (&["m"], 4), (&["x"], 12)]);
    let all = || counted(&[], &[(&[], 66)]);
    let coarse = Policy { rounding_base: 10, ..suppressing() };
    let checked = check_outputs(vec![given("a", by_sex()), given("b", all())], &coarse).unwrap();
    // 70 - 50 - 10 is 10, give or take 15
    assert_eq!((shown(&checked[0]), shown(&checked[1])), ("sex,n\nf,50\nm,\nx,10\n", "n\n70\n"));
    assert!(checked.iter().all(|checked| checked.report.passes()), "{:?}", checked[0].report);
    assert_eq!(verdict(&checked[0].report, Rule::Rounding), Verdict::Pass);
    let middle = Policy { rounding_base: 6, rounding_midpoint: true, ..Policy::default() };
    let checked = check_outputs(vec![given("a", by_sex())], &middle).unwrap();
    assert_eq!(shown(&checked[0]), "sex,n\nf,51\nm,3\nx,9\n");
    // the rules still see how many there are
    assert_eq!(verdict(&checked[0].report, Rule::MinimumThreshold), Verdict::Fail);
}

#[test]
fn empty_and_full_cells_of_crossed_tables_fail() {
    let full = counted(&["sex", "smoker"], &[(&["f", "no"], 40), (&["f", "yes"], 40), (&["m", "yes"], 40)]);
    let report =
        |table: Witnessed, policy: &Policy| check_outputs(vec![given("a", table)], policy).unwrap().remove(0).report;
    let found = report(full.clone(), &Policy::default());
    assert_eq!(verdict(&found, Rule::ClassDisclosure), Verdict::Fail);
    let places: Vec<_> = of(&found, Rule::ClassDisclosure)
        .iter()
        .map(|finding| (finding.row, finding.column.clone().unwrap()))
        .collect();
    // all men smoke; nobody who does not smoke is a man
    assert_eq!(places, [(Some(0), "sex".to_owned()), (Some(2), "smoker".to_owned())]);
    let harmless = Policy { zeros_are_disclosive: false, ..Policy::default() };
    assert_eq!(verdict(&report(full, &harmless), Rule::ClassDisclosure), Verdict::NotApplicable);
    let crossed = [(&["f", "no"][..], 40), (&["f", "yes"], 40), (&["m", "no"], 40), (&["m", "yes"], 40)];
    assert_eq!(
        verdict(&report(counted(&["sex", "smoker"], &crossed), &Policy::default()), Rule::ClassDisclosure),
        Verdict::Pass
    );
    // a shown zero is an empty cell too
    let zero = [(&["f", "no"][..], 40), (&["f", "yes"], 40), (&["m", "no"], 0), (&["m", "yes"], 40)];
    assert_eq!(
        verdict(&report(counted(&["sex", "smoker"], &zero), &Policy::default()), Rule::ClassDisclosure),
        Verdict::Fail
    );
}

#[test]
fn a_hierarchy_of_keys_is_one_question() {
    let names: Vec<[String; 2]> = (0..30).map(|place| [format!("r{}", place % 3), format!("h{place}")]).collect();
    let keys: Vec<[&str; 2]> = names.iter().map(|[region, hospital]| [region.as_str(), hospital.as_str()]).collect();
    let rows: Vec<(&[&str], u64)> = keys.iter().map(|keys| (keys.as_slice(), 20)).collect();
    let report = &check_outputs(vec![given("a", counted(&["region", "hospital"], &rows))], &Policy::default()).unwrap()
        [0]
    .report;
    let found = of(report, Rule::ClassDisclosure);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].verdict, found[0].row, found[0].column.as_deref()), (Verdict::Review, None, Some("region")));
}

#[test]
fn threat_33_witnessed_rows_about_one_subject_fail() {
    let names: Vec<String> = (0..40).map(|place| format!("p{place}")).collect();
    let keys: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let persons: Vec<(&[&str], u64)> = keys.iter().map(|keys| (keys.as_slice(), 1)).collect();
    for policy in [Policy::default(), suppressing()] {
        let report = &check_outputs(vec![given("a", counted(&["k"], &persons))], &policy).unwrap()[0].report;
        assert_eq!(verdict(report, Rule::RowLevelData), Verdict::Fail);
    }
}

#[test]
fn threat_33_rows_of_the_source_fail_when_the_component_hands_them_over() {
    let persons: String = (0..100).map(|place| format!("{},{}\n", 70_001 + place * 37, place % 2)).collect();
    let text = format!("x,sex\n{persons}");
    let verdict_with = |source: SourceFacts| {
        let checked = check_outputs(vec![csv(&text, source)], &Policy::default()).unwrap();
        verdict(&checked[0].report, Rule::RowLevelData)
    };
    let probed = SourceFacts { probed: true, ..SourceFacts::default() };
    assert_eq!(verdict_with(SourceFacts::default()), Verdict::Review);
    assert_eq!(verdict_with(probed.clone()), Verdict::Pass);
    assert_eq!(verdict_with(SourceFacts { equal_rows: 1, ..probed.clone() }), Verdict::Fail);
    assert_eq!(verdict_with(SourceFacts { subjects_read: 104, ..probed.clone() }), Verdict::Fail);
    assert_eq!(verdict_with(SourceFacts { subjects_read: 5_000, rows_read: 5_000, ..probed.clone() }), Verdict::Pass);
    assert_eq!(verdict_with(SourceFacts { rows_read: 100, ..probed }), Verdict::Review);
    let ones: String = (0..20).map(|place| format!("g{place},1\n")).collect();
    let checked =
        check_outputs(vec![csv(&format!("k,n\n{ones}"), SourceFacts::default())], &Policy::default()).unwrap();
    assert_eq!(verdict(&checked[0].report, Rule::RowLevelData), Verdict::Fail);
}

/// The places that a rule marks in an output of the component's own making.
fn marks(text: &str, rule: Rule, policy: &Policy) -> Vec<(Option<usize>, Option<String>)> {
    let checked = check_outputs(vec![csv(text, SourceFacts::default())], policy).unwrap();
    let found = of(&checked[0].report, rule).into_iter();
    found.filter(|found| found.column.is_some()).map(|found| (found.row, found.column.clone())).collect()
}

#[test]
fn opaque_columns_imply_counts() {
    let policy = Policy::default();
    let at = |row, column: &str| (Some(row), Some(column.to_owned()));
    let implied = "k,n,pct_dead\na,200,2\nb,200,50\nc,200,99\n";
    assert_eq!(marks(implied, Rule::MinimumThreshold, &policy), [at(0, "pct_dead"), at(2, "pct_dead")]);
    let parts = "k,total,n_dead\na,200,20\nb,200,195\nc,200,100\n";
    assert_eq!(marks(parts, Rule::MinimumThreshold, &policy), [at(1, "n_dead")]);
    let spread = "k,n,mean,sd\na,10,20.5,1.25\nb,30,20.5,1.25\n";
    assert_eq!(marks(spread, Rule::DegreesOfFreedom, &policy), [at(0, "sd")]);
    let extremes = "k,min_age,mean_age\na,20,50.5\n";
    assert_eq!(marks(extremes, Rule::MinimumThreshold, &policy), [(None, Some("min_age".to_owned()))]);
    let classes = "k,n,n_dead,pct_ill\na,40,40,50\nb,40,0,100\n";
    assert_eq!(marks(classes, Rule::ClassDisclosure, &policy), [at(0, "n_dead"), at(1, "n_dead"), at(1, "pct_ill")]);
}

#[test]
fn opaque_counts_are_rounded_as_the_policy_asks_or_marked() {
    let at = |row, column: &str| (Some(row), Some(column.to_owned()));
    let five = Policy { rounding_base: 5, ..Policy::default() };
    assert_eq!(marks("k,n,age\na,25,31\nb,31,44\n", Rule::Rounding, &five), [at(1, "n")]);
    assert_eq!(marks("k,n,age\na,25,31\nb,31,44\n", Rule::Rounding, &Policy::default()), []);
}

#[test]
fn one_count_left_out_beside_a_total_is_told_by_it() {
    let policy = Policy::default();
    let at = |row| (row, Some("n".to_owned()));
    let one = "k,n\na,20\nb,<10\nc,40\nTotal,65\n";
    assert_eq!(marks(one, Rule::ComplementarySuppression, &policy), [at(None), at(Some(2))]);
    let two = "k,n\na,20\nb,\nc,\nTotal,65\n";
    assert_eq!(marks(two, Rule::ComplementarySuppression, &policy), [at(None)]);
    assert_eq!(marks("k,n\na,20\nTotal,20\n", Rule::ComplementarySuppression, &policy), []);
}

#[test]
fn what_nobody_can_review_is_refused_by_name() {
    let table = || counted(&["sex"], &[(&["m"], 40), (&["f"], 50)]);
    let few = Policy { maximum_outputs: 1, ..Policy::default() };
    let refused = check_outputs(vec![given("a", table()), given("b", table())], &few).unwrap_err();
    assert!(matches!(refused, NotReviewable::Refused { name, .. } if name == "a"));
    let short = Policy { maximum_rows: 1, ..Policy::default() };
    let refused = check_outputs(vec![given("a", table())], &short).unwrap_err();
    assert!(matches!(refused, NotReviewable::Refused { name, .. } if name == "a"));
    let refused = check_outputs(vec![csv("a\n=1\n", SourceFacts::default())], &Policy::default()).unwrap_err();
    let cause = NotCanonical::Formula(Place { row: 0, column: 0 });
    assert_eq!(refused, NotReviewable::Form { name: "csv".into(), cause });
}

#[test]
fn threat_60_poisoned_text_is_refused_or_plain() {
    for text in [
        "<img src=x onerror=alert(1)>",
        "\u{1b}[2J\u{1b}[1;1H",
        "=cmd|' /C calc'!A0",
        "@SUM(1+1)*cmd",
        "-2+3+cmd",
        "abc\u{202E}cba",
        "nul\u{0}byte",
        "zero\u{200B}width",
        &"x y ".repeat(100_000),
    ] {
        let quoted = format!("a,b\n\"{text}\",1\n");
        match check_outputs(vec![csv(&quoted, SourceFacts::default())], &Policy::default()) {
            Err(_) => {}
            Ok(checked) => {
                // what stays is printable, and a page escapes it
                assert!(text.starts_with("<img"), "{text}");
                assert!(shown(&checked[0]).chars().all(|letter| letter == '\n' || !letter.is_control()));
            }
        }
    }
}

#[test]
fn threat_47_what_the_host_knows_is_never_shown() {
    let source =
        SourceFacts { rows_read: 987_654, subjects_read: 987_654, equal_rows: 987_654, ..SourceFacts::default() };
    let shown = format!("{source:?} {:?}", given("a", counted(&["sex"], &[(&["m"], 987_654)])));
    assert!(!shown.contains("987"), "{shown}");
}

fn any_double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            f64::MAX,
            f64::MIN,
            5e-324,
            0.1,
            1.0
        ]),
    ]
}

proptest! {
    #[test]
    fn threat_61_totals_over_poisoned_rows_never_pass(
        parts in prop::collection::vec(any_double(), 1..6),
        total in any_double(),
        special in any::<bool>(),
        suppress in any::<bool>(),
        base in prop::sample::select(vec![1_u64, 5, 6]),
    ) {
        let measure = || Role::Measure(Measure::Sum("x".into()));
        let summed = |keys: &[&str], values: &[f64]| {
            let mut table = counted(keys, &values.iter().map(|_| (&["k"][..keys.len()], 40)).collect::<Vec<_>>());
            let last = table.table.columns.len() - 1;
            table.table.columns[last] = Column { name: "sum_x".into(), ty: CellType::Real, role: measure() };
            for ((place, value), (cells, beside)) in values.iter().enumerate().zip(table.table.rows.iter_mut().zip(&mut table.evidence)) {
                if let Some(Cell::Text(key)) = cells.first_mut().filter(|_| last > 0) {
                    *key = format!("k{place}");
                }
                cells[last] = Cell::Real(*value);
                beside[last] = Some(Evidence { sum: *value, largest: *value, second: *value, special: u64::from(special), ..people(40) });
            }
            table
        };
        let policy = Policy { suppress, rounding_base: base, ..Policy::default() };
        let outputs = vec![given("parts", summed(&["k"], &parts)), given("total", summed(&[], &[total]))];
        let checked = check_outputs(outputs, &policy).unwrap();
        for (checked, values) in checked.iter().zip([parts.as_slice(), &[total]]) {
            // two contributions of the whole sum each contradict it; only of zeros nothing is to be said
            let zeros = !special && values.iter().all(|value| *value == 0.0);
            prop_assert!(checked.report.verdict > Verdict::Pass || zeros);
            prop_assert!(!checked.report.passes() || zeros);
        }
    }

    #[test]
    fn suppression_leaves_nothing_that_fails(counts in prop::collection::vec(0_u64..60, 4..13)) {
        let rows = counts.len() / 2;
        let name = |place: usize| ["a", "b", "c", "d", "e", "f"][place];
        let keys: Vec<[&str; 2]> = (0..rows * 2).map(|place| [name(place / 2), name(place % 2)]).collect();
        let cells: Vec<(&[&str], u64)> = keys.iter().map(|keys| keys.as_slice()).zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect();
        let total = |level: usize, value: &str| -> u64 {
            cells.iter().filter(|(keys, _)| keys[level] == value).map(|(_, count)| count).sum()
        };
        let margin = |level: usize, count: usize| -> Vec<(String, u64)> {
            (0..count).map(|place| (name(place).to_owned(), total(level, name(place)))).filter(|(_, count)| *count > 0).collect()
        };
        let table = |key: &str, rows: &[(String, u64)]| {
            let keys: Vec<[&str; 1]> = rows.iter().map(|(name, _)| [name.as_str()]).collect();
            counted(&[key], &keys.iter().map(|keys| keys.as_slice()).zip(rows.iter().map(|(_, count)| *count)).collect::<Vec<_>>())
        };
        let harmless = Policy { zeros_are_disclosive: false, ..suppressing() };
        let outputs = vec![
            given("crossed", counted(&["k", "l"], &cells)),
            given("k", table("k", &margin(0, rows))),
            given("l", table("l", &margin(1, 2))),
            given("all", counted(&[], &[(&[], cells.iter().map(|(_, count)| count).sum())])),
        ];
        for checked in check_outputs(outputs, &harmless).unwrap() {
            prop_assert!(verdict(&checked.report, Rule::MinimumThreshold) <= Verdict::Review);
            prop_assert!(verdict(&checked.report, Rule::ComplementarySuppression) <= Verdict::Pass, "{:?}\n{}", checked.report, shown(&checked));
        }
    }
}
