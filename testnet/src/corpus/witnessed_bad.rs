//! Tables that the host computed and that may not leave, or not without somebody's thought.

use super::case::{Case, witnessed};
use super::study::{Dice, Study};
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::Rule;

const THRESHOLD: &[Rule] = &[Rule::MinimumThreshold];
const CLASS: &[Rule] = &[Rule::ClassDisclosure];
const ROWS: &[Rule] = &[Rule::RowLevelData];
/// A UUID is an identifier, and longer than the 32 characters of an encoding's alphabet that text may have.
const IDENTIFIERS: &[Rule] = &[Rule::DirectIdentifiers, Rule::Payload];
const DIFFERENCING: &[Rule] = &[Rule::Differencing];

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [few(), dominated(), freedom(), shapes(), identifiers(), totals(), differences()].into_iter().flatten().collect()
}

fn few() -> Vec<Case> {
    let mut cases = Vec::new();
    for subjects in [1, 2, 3, 5, 9] {
        for measure in ["count", "subjects", "sum(cost)", "mean(cost)", "count-of(cost)"] {
            let study = Study::new(subjects, &["icd10"]).people(&["E11.9"], 120).people(&["E84.0"], subjects);
            cases.push(Case::bad(
                format!("t1: {measure} of {subjects}"),
                THRESHOLD,
                "fewer than ten people stand behind a figure",
                witnessed("a", study.table(&[measure])),
            ));
        }
    }
    for (subjects, rows) in [(3, 10), (9, 10), (9, 2), (1, 50)] {
        for measure in ["count", "mean(cost)"] {
            let study = Study::new(20, &["ward"]).visits(&["A"], 40, 3).visits(&["B"], subjects, rows);
            cases.push(Case::bad(
                format!("t1: {measure} of {subjects} people with {rows} rows each"),
                THRESHOLD,
                "many rows are still few people (ACRO counts rows)",
                witnessed("a", study.table(&[measure])),
            ));
        }
    }
    for missing in [1, 3, 9] {
        let study = Study::new(21, &["sex"]).people(&["F"], 80).missing(&["F"], missing);
        cases.push(Case::bad(
            format!("t1: a count beside the count of those with a cost, {missing} without"),
            THRESHOLD,
            "the difference is a count of fewer than ten people",
            witnessed("a", study.table(&["count", "count-of(cost)"])),
        ));
        cases.push(Case::bad(
            format!("t1: a count, a sum and a mean, {missing} without a cost"),
            THRESHOLD,
            "the sum divided by the mean is a count, and its difference from the other is fewer than ten",
            witnessed("a", study.table(&["count", "sum(cost)", "mean(cost)"])),
        ));
    }
    for subjects in [10, 15, 19] {
        let study = Study::new(22, &["sex"]).people(&["F"], subjects).people(&["M"], 40);
        cases.push(
            Case::bad(
                format!("t1: {subjects} people where twenty are asked for"),
                THRESHOLD,
                "the project's data owners signed a threshold of twenty",
                witnessed("a", study.table(&["count"])),
            )
            .under(Policy { threshold: 20, ..Policy::default() }),
        );
    }
    cases
}

fn dominated() -> Vec<Case> {
    let mut cases = Vec::new();
    // the largest, the second, and each of eighteen others
    for (largest, second, other, rule, why) in [
        (100.0, 5.0, 0.64, &[Rule::DominanceNk] as &[Rule], "the two largest are 90.1 % of the sum"),
        (100.0, 100.0, 1.2, &[Rule::DominanceNk], "the two largest are 90.3 % of the sum"),
        (50_000.0, 900.0, 15.0, &[Rule::DominanceNk], "one person's stay costs nearly all of it"),
        (100.0, 1.0, 0.55, &[Rule::DominancePRatio], "the others come to 9.9 % of the largest"),
        (100.0, 40.0, 0.5, &[Rule::DominancePRatio], "the others come to 9 % of the largest"),
        (5_000_000.0, 20_000.0, 900.0, &[Rule::DominancePRatio], "the others come to 0.3 % of the largest"),
    ] {
        let mut costs = vec![other; 18];
        costs.extend([largest, second]);
        for measure in ["sum(cost)", "mean(cost)"] {
            let study = Study::new(30, &["sex"]).costs(&["F"], &costs).people(&["M"], 60);
            cases.push(Case::bad(
                format!("t1: {measure} dominated, {largest} and {second} of {other}"),
                rule,
                why,
                witnessed("a", study.table(&[measure])),
            ));
        }
    }
    for negatives in [1, 12] {
        let costs: Vec<f64> = (0..30).map(|person| if person < negatives { -50.0 } else { 120.0 }).collect();
        for measure in ["sum(cost)", "mean(cost)"] {
            cases.push(Case::bad(
                format!("t1: {measure} with {negatives} refunds"),
                &[Rule::DominancePRatio, Rule::DominanceNk],
                "dominance is not defined where values are negative: a person looks",
                witnessed("a", Study::new(31, &["sex"]).costs(&["F"], &costs).table(&[measure])),
            ));
        }
    }
    for (name, special) in [("NaN", f64::NAN), ("infinity", f64::INFINITY), ("minus infinity", f64::NEG_INFINITY)] {
        let mut costs = vec![100.0; 30];
        costs[7] = special;
        for measure in ["sum(cost)", "mean(cost)"] {
            cases.push(Case::bad(
                format!("t1: {measure} with a row that says {name}"),
                &[Rule::NotFinite],
                "a poisoned row keeps the rules from being computed: a person looks",
                witnessed("a", Study::new(32, &["sex"]).costs(&["F"], &costs).table(&[measure])),
            ));
        }
    }
    cases
}

fn freedom() -> Vec<Case> {
    let mut cases = Vec::new();
    for subjects in [10, 8, 4] {
        cases.push(Case::bad(
            format!("t1: variance of {subjects}"),
            &[Rule::DegreesOfFreedom],
            "fewer than ten degrees of freedom",
            witnessed("a", Study::new(40, &["sex"]).people(&["F"], subjects).table(&["variance(cost)"])),
        ));
    }
    let study = Study::new(41, &["site"]).people(&["A"], 10).people(&["B"], 300);
    cases.push(Case::bad(
        "t1: one site of two with ten people",
        &[Rule::DegreesOfFreedom],
        "nine degrees of freedom behind one of the variances",
        witnessed("a", study.table(&["count", "mean(cost)", "variance(cost)"])),
    ));
    cases
}

fn shapes() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..5 {
        let mut dice = Dice::new(seed + 50);
        let (gone_region, gone_sex) = (dice.below(4), dice.below(2));
        let mut study = Study::new(seed, &["region", "hiv_status"]);
        for (row, region) in (0..).zip(["London", "Midlands", "North East", "South West"]) {
            for (column, status) in (0..).zip(["negative", "positive"]) {
                if (row, column) != (gone_region, gone_sex) {
                    study = study.people(&[region, status], dice.between(20, 80));
                }
            }
        }
        cases.push(Case::bad(
            format!("t1: a full cell, {seed}"),
            CLASS,
            "everybody of one region has the same status",
            witnessed("a", study.table(&["count"])),
        ));
        let mut study = Study::new(seed, &["band", "stage"]);
        for band in super::witnessed_safe::BANDS {
            for stage in ["I", "II", "III", "IV"] {
                if (band, stage) != ("18-34", ["I", "II", "III", "IV", "I"][usize::try_from(seed).unwrap_or(0)]) {
                    study = study.people(&[band, stage], dice.between(15, 60));
                }
            }
        }
        cases.push(Case::bad(
            format!("t1: an empty cell, {seed}"),
            CLASS,
            "nobody of one age band has one stage",
            witnessed("a", study.table(&["count", "mean(cost)"])),
        ));
        let persons = (0..30 + seed).fold(Study::new(seed, &["label"]), |study, person| {
            study.people(&[&format!("case {}", (person * 37) % 101)], 1)
        });
        cases.push(Case::bad(
            format!("t1: a row for each person, {seed}"),
            ROWS,
            "every count is one: the key is a person",
            witnessed("a", persons.table(&["count", "mean(cost)"])),
        ));
    }
    let visits =
        (0..40).fold(Study::new(60, &["label"]), |study, person| study.visits(&[&format!("case {person}")], 1, 12));
    cases.push(Case::bad(
        "t1: a row of twelve visits for each person",
        ROWS,
        "every row is one person, however many rows stand behind it",
        witnessed("a", visits.table(&["count", "sum(cost)"])),
    ));
    let mostly = (0..95).fold(Study::new(61, &["postcode_sector"]).people(&["all others"], 500), |study, area| {
        study.people(&[&format!("area {area}")], 1)
    });
    cases.push(Case::bad(
        "t1: a sparse table",
        ROWS,
        "ninety-five of ninety-six cells are one person",
        witnessed("a", mostly.table(&["count"])),
    ));
    let long = (0..5_001).fold(Study::new(62, &["area"]), |study, area| study.people(&[&format!("area {area}")], 10));
    cases.push(Case::bad(
        "t1: 5,001 rows",
        &[Rule::TypeAndSize],
        "nobody can review more than five thousand rows",
        witnessed("a", long.table(&["count"])),
    ));
    cases
}

fn identifiers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, key, cells) in [
        ("NHS numbers", "label", ["9434765919", "4010232137", "9876543210"]),
        ("postcodes", "area", ["SW1A 1AA", "M1 1AE", "LS6 2AB"]),
        ("days of birth", "day", ["1948-07-05", "1971-02-11", "2003-11-30"]),
        ("e-mail addresses", "contact", ["ann@example.org", "bo@example.net", "cy@example.com"]),
        ("telephone numbers", "contact", ["07700 900123", "020 7946 0018", "0113 496 0123"]),
        ("National Insurance numbers", "reference", ["AB123456C", "CE654321D", "JG103759A"]),
        (
            "UUIDs",
            "reference",
            [
                "7d444840-9dc0-11d1-b245-5ffdce74fad2",
                "f47ac10b-58cc-4372-a567-0e02b2c3d479",
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            ],
        ),
        ("anything by patient_id", "patient_id", ["A", "B", "C"]),
        ("anything by surname", "surname", ["Smith", "Jones", "Patel"]),
    ] {
        let study = cells.iter().fold(Study::new(70, &[key]), |study, cell| study.visits(&[cell], 12, 2));
        cases.push(Case::bad(
            format!("t1: by {name}"),
            IDENTIFIERS,
            "the key is what the world outside knows a person by",
            witnessed("a", study.table(&["count"])),
        ));
    }
    cases
}

fn totals() -> Vec<Case> {
    let mut cases = Vec::new();
    for more in [1, 4, 9] {
        let parts = Study::new(80, &["sex"]).people(&["F"], 50).people(&["M"], 60);
        let total = Study::new(80, &["site"]).people(&["all"], 110 + more);
        let whole = total.table(&["count"]);
        let mut alone = whole.clone();
        alone.table.columns.remove(0);
        for cells in &mut alone.table.rows {
            cells.remove(0);
        }
        for beside in &mut alone.evidence {
            beside.remove(0);
        }
        for of in &mut alone.contributors.of {
            of.remove(0);
        }
        cases.push(
            Case::bad(
                format!("t1: a total of {more} more than its parts"),
                &[Rule::MinimumThreshold, Rule::Differencing],
                "the difference is a count of fewer than ten people, of neither sex",
                witnessed("parts", parts.table(&["count"])),
            )
            .beside(witnessed("total", alone)),
        );
    }
    cases
}

fn differences() -> Vec<Case> {
    let mut cases = Vec::new();
    let cohort = |seed: u64, people: std::ops::Range<u64>| Study::new(seed, &["group"]).again(&["treated"], people);
    for few in [1, 3, 9] {
        for measure in ["count", "mean(cost)"] {
            cases.push(
                Case::bad(
                    format!("t1: {measure} of an earlier group and {few} more"),
                    DIFFERENCING,
                    "the earlier figure taken from this one is about fewer than ten people",
                    witnessed("a", cohort(90, 0..200 + few).table(&[measure])),
                )
                .after(witnessed("a", cohort(90, 0..200).table(&["count"]))),
            );
            cases.push(
                Case::bad(
                    format!("t1: {measure} of an earlier group without {few}"),
                    DIFFERENCING,
                    "this figure taken from the earlier one is about fewer than ten people",
                    witnessed("a", cohort(91, few..200).table(&[measure])),
                )
                .after(witnessed("a", cohort(91, 500..900).table(&["count"])))
                .after(witnessed("a", cohort(91, 0..200).table(&["count"]))),
            );
        }
        let swapped =
            Study::new(92, &["group"]).again(&["treated"], 0..200 - few).again(&["treated"], 300..300 + few / 2);
        cases.push(
            Case::bad(
                format!("t1: an earlier group with {few} people exchanged"),
                DIFFERENCING,
                "the two groups differ in fewer than ten people and by some",
                witnessed("a", swapped.table(&["count"])),
            )
            .after(witnessed("a", cohort(92, 0..200 - few / 2).table(&["count"]))),
        );
        let nested = Study::new(93, &["definition"]).again(&["broad"], 0..150 + few).again(&["narrow"], 0..150);
        cases.push(Case::bad(
            format!("t1: two definitions {few} apart in one table"),
            DIFFERENCING,
            "one row taken from the other is about fewer than ten people",
            witnessed("a", nested.table(&["count"])),
        ));
        cases.push(
            Case::bad(
                format!("t1: two outputs of one task {few} apart"),
                DIFFERENCING,
                "what leaves together is read together",
                witnessed("a", cohort(94, 0..120).table(&["count"])),
            )
            .beside(witnessed("b", cohort(94, 0..120 + few).table(&["mean(cost)"]))),
        );
        let shown = Study::new(95, &["sex"]).again(&["F"], 0..60).again(&["M"], 60..130);
        let everybody = Study::new(95, &["cohort"]).again(&["whole"], 0..130 + few);
        cases.push(
            Case::bad(
                format!("t1: the total behind a hidden cell of {few}, left before"),
                DIFFERENCING,
                "the complement of a suppressed cell: total minus what is shown",
                witnessed("a", everybody.table(&["count"])),
            )
            .after(witnessed("a", shown.table(&["count"]))),
        );
    }
    cases
}
