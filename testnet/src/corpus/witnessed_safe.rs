//! Tables that the host computed and that may leave.

use super::case::{Case, witnessed};
use super::study::{Dice, Study};
use protocol::disclosure::policy::Policy;

const SEXES: [&str; 2] = ["F", "M"];
const REGIONS: [&str; 4] = ["London", "Midlands", "North East", "South West"];
pub(super) const BANDS: [&str; 5] = ["18-34", "35-49", "50-64", "65-79", "80+"];

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [counts(), bounds(), codes(), several(), policies()].into_iter().flatten().collect()
}

fn counts() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let table =
            SEXES.iter().fold(Study::new(seed, &["sex"]), |study, sex| study.people(&[sex], dice.between(40, 400)));
        cases.push(Case::safe(
            format!("t1: people by sex, {seed}"),
            "forty people and more in each cell",
            witnessed("a", table.table(&["count"])),
        ));
        let mut crossed = Study::new(seed, &["region", "sex"]);
        for region in REGIONS {
            for sex in SEXES {
                crossed = crossed.people(&[region, sex], dice.between(12, 60));
            }
        }
        cases.push(Case::safe(
            format!("t1: people by region and sex, {seed}"),
            "twelve people and more in each cell, none empty",
            witnessed("a", crossed.table(&["count", "subjects"])),
        ));
        let bands = BANDS.iter().fold(Study::new(seed, &["band"]), |study, band| {
            study.visits(&[band], dice.between(20, 50), dice.between(1, 6))
        });
        cases.push(Case::safe(
            format!("t1: mean and total cost by age band, {seed}"),
            "twenty people and more, nobody's cost is a large part, nothing is missing",
            witnessed("a", bands.table(&["count", "sum(cost)", "mean(cost)"])),
        ));
        cases.push(Case::safe(
            format!("t1: spread of cost by age band, {seed}"),
            "nineteen degrees of freedom and more",
            witnessed("a", bands.table(&["count", "mean(cost)", "variance(cost)"])),
        ));
    }
    cases
}

fn bounds() -> Vec<Case> {
    let mut cases = Vec::new();
    for subjects in [10, 11, 12] {
        for measure in ["count", "subjects", "sum(cost)", "mean(cost)"] {
            let costs: Vec<f64> = (0..subjects).map(|person| 400.0 + f64::from(person) * 7.5).collect();
            let study = Study::new(1, &["sex"]).costs(&["F"], &costs).people(&["M"], 60);
            cases.push(Case::safe(
                format!("t1: {measure} of {subjects} people"),
                "the threshold is reached and nobody dominates",
                witnessed("a", study.table(&[measure])),
            ));
        }
    }
    // the largest, the second, and each of eighteen others
    for (largest, second, other) in [(100.0, 5.0, 0.67), (100.0, 8.0, 0.7), (100.0, 100.0, 1.3), (900.0, 10.0, 6.0)] {
        let mut costs = vec![other; 18];
        costs.extend([largest, second]);
        for measure in ["sum(cost)", "mean(cost)"] {
            cases.push(Case::safe(
                format!("t1: {measure} just below dominance, {largest} and {second}"),
                "the two largest are under 90 % of the sum, and the others over 10 % of the largest",
                witnessed("a", Study::new(2, &["sex"]).costs(&["F"], &costs).table(&[measure])),
            ));
        }
    }
    for subjects in [11, 12, 50] {
        cases.push(Case::safe(
            format!("t1: variance of {subjects} people"),
            "ten degrees of freedom and more",
            witnessed("a", Study::new(3, &["sex"]).people(&["F"], subjects).table(&["variance(cost)"])),
        ));
    }
    for missing in [0, 10, 40] {
        let study = Study::new(4, &["sex"]).people(&["F"], 80).missing(&["F"], missing);
        cases.push(Case::safe(
            format!("t1: people and people with a cost, {missing} without"),
            "nobody, or ten and more, have no cost",
            witnessed("a", study.table(&["count", "count-of(cost)"])),
        ));
    }
    for subjects in [15, 40] {
        let zeros = vec![0.0; subjects];
        cases.push(Case::safe(
            format!("t1: a sum of nothing, {subjects} people"),
            "an all-zero cell has no contribution to dominate it (not like ACRO)",
            witnessed("a", Study::new(5, &["sex"]).costs(&["F"], &zeros).table(&["sum(cost)"])),
        ));
    }
    cases
}

fn codes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, key, codes) in [
        ("ICD-10 codes", "icd10", ["E11.9", "I10", "J44.1", "N18.3", "F32.9", "M54.5"]),
        ("postcode districts", "district", ["SW1A", "M1", "LS6", "B33", "CF10", "EC1A"]),
        ("years", "year", ["2018", "2019", "2020", "2021", "2022", "2023"]),
        ("SNOMED CT concepts", "concept", ["44054006", "38341003", "195967001", "22298006", "13645005", "73211009"]),
        ("months", "month", ["2023-01-01", "2023-02-01", "2023-03-01", "2023-04-01", "2023-05-01", "2023-06-01"]),
        ("hospital trusts", "trust", ["RJ1", "RRV", "R1H", "RYJ", "RQM", "RAL"]),
        (
            "organisms",
            "organism",
            ["E. coli", "S. aureus", "K. pneumoniae", "P. mirabilis", "E. faecalis", "C. difficile"],
        ),
        ("deprivation deciles", "imd", ["1", "2", "3", "4", "5", "6"]),
        ("ethnic groups", "ethnicity", ["Asian", "Black", "Mixed", "Other", "White British", "White other"]),
        ("BMI bands", "bmi", ["<18.5", "18.5-25", "25-30", "30-35", "35-40", "40 and over"]),
    ] {
        let mut dice = Dice::new(7);
        let study =
            codes.iter().fold(Study::new(7, &[key]), |study, code| study.people(&[code], dice.between(15, 300)));
        cases.push(Case::safe(
            format!("t1: people by {name}"),
            "the codes name groups of fifteen and more, not persons",
            witnessed("a", study.table(&["count", "mean(cost)"])),
        ));
    }
    for seed in 0..3 {
        let mut study = Study::new(seed, &["band", "region", "sex"]);
        let mut dice = Dice::new(seed + 40);
        for band in BANDS {
            for region in REGIONS {
                for sex in SEXES {
                    study = study.people(&[band, region, sex], dice.between(11, 40));
                }
            }
        }
        cases.push(Case::safe(
            format!("t1: three keys, {seed}"),
            "eleven people and more in each of forty cells",
            witnessed("a", study.table(&["count"])),
        ));
    }
    let mut study = Study::new(9, &["hospital", "region"]);
    for (number, region) in REGIONS.iter().cycle().take(12).enumerate() {
        study = study.people(&[&format!("H{number:02}"), region], 30);
    }
    cases.push(Case::safe(
        "t1: hospitals with their regions",
        "a hospital lies in one region by definition: the full line tells nothing about anybody",
        witnessed("a", study.table(&["count"])),
    ));
    cases
}

fn several() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..4 {
        let mut dice = Dice::new(seed + 60);
        let (mut crossed, mut total) = (Study::new(seed, &["region", "sex"]), Study::new(seed, &["region"]));
        for region in REGIONS {
            for sex in SEXES {
                let people = dice.between(20, 90);
                crossed = crossed.people(&[region, sex], people);
                total = total.people(&[region], people);
            }
        }
        cases.push(
            Case::safe(
                format!("t1: a table beside its totals, {seed}"),
                "the totals are the sums of twenty people and more, and nothing is hidden",
                witnessed("detail", crossed.table(&["count"])),
            )
            .beside(witnessed("total", total.table(&["count"]))),
        );
    }
    for seed in 0..4 {
        let half = |from: u64| Study::new(seed, &["band"]).people(&["65-79"], 200).again(&["80+"], from..from + 60);
        cases.push(
            Case::safe(
                format!("t1: after the same people left, {seed}"),
                "the figures are about exactly the same people as before, or about others by sixty",
                witnessed("a", half(0).table(&["mean(cost)"])),
            )
            .after(witnessed("a", half(0).table(&["count"])))
            .after(witnessed("a", half(100).table(&["count"]))),
        );
        let year = |people: u64| Study::new(seed, &["band"]).people(&["65-79"], people).table(&["count"]);
        cases.push(
            Case::safe(
                format!("t1: a year later, {seed}"),
                "ten people and more joined since the earlier release",
                witnessed("a", year(210 + seed)),
            )
            .after(witnessed("a", year(200))),
        );
    }
    cases
}

fn policies() -> Vec<Case> {
    let suppressing = Policy { suppress: true, ..Policy::default() };
    let mut cases = Vec::new();
    for small in [1, 4, 9] {
        let study =
            Study::new(small, &["band"]).people(&["18-34"], small).people(&["35-49"], 70).people(&["50-64"], 90);
        cases.push(
            Case::safe(
                format!("t1: {small} people, hidden by rule"),
                "the small cell is blank and no total tells it",
                witnessed("a", study.table(&["count", "mean(cost)"])),
            )
            .under(suppressing),
        );
        let (mut crossed, mut by_region, mut by_sex) =
            (Study::new(small, &["region", "sex"]), Study::new(small, &["region"]), Study::new(small, &["sex"]));
        for (row, region) in REGIONS.iter().enumerate() {
            for (column, sex) in SEXES.iter().enumerate() {
                let people =
                    if row + column == 0 { small } else { 30 + 10 * small * u64::try_from(row + 1).unwrap_or(1) };
                crossed = crossed.people(&[region, sex], people);
                by_region = by_region.people(&[region], people);
                by_sex = by_sex.people(&[sex], people);
            }
        }
        cases.push(
            Case::safe(
                format!("t1: {small} people beside totals, hidden by rule with their complements"),
                "as many more cells are blank as it takes that the totals do not tell the small one",
                witnessed("detail", crossed.table(&["count"])),
            )
            .beside(witnessed("region", by_region.table(&["count"])))
            .beside(witnessed("sex", by_sex.table(&["count"])))
            .under(suppressing),
        );
    }
    for (rounding_base, rounding_midpoint) in [(5, false), (10, false), (6, true)] {
        let study = BANDS.iter().fold(Study::new(11, &["band"]), |study, band| study.people(&[band], 63));
        cases.push(
            Case::safe(
                format!("t1: counts rounded to {rounding_base}"),
                "sixty people in each cell, rounded as the policy asks",
                witnessed("a", study.table(&["count", "mean(cost)"])),
            )
            .under(Policy { rounding_base, rounding_midpoint, ..Policy::default() }),
        );
    }
    let five = Policy { threshold: 5, ..Policy::default() };
    for subjects in [5, 7] {
        let study = Study::new(12, &["sex"]).people(&["F"], subjects).people(&["M"], 40);
        cases.push(
            Case::safe(
                format!("t1: {subjects} people where five are enough"),
                "the project's data owners signed a threshold of five",
                witnessed("a", study.table(&["count"])),
            )
            .under(five),
        );
    }
    let study = Study::new(13, &["region", "sex"]).people(&["London", "F"], 40).people(&["North East", "M"], 40);
    cases.push(
        Case::safe(
            "t1: empty cells that tell nothing",
            "the project's data owners signed that zeros are not disclosive",
            witnessed("a", study.table(&["count"])),
        )
        .under(Policy { zeros_are_disclosive: false, ..Policy::default() }),
    );
    cases
}
