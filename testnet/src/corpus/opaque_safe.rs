//! Outputs that a component computed itself and that may leave once a person has answered the standing questions.

use super::case::{Case, opaque, source};
use super::study::Dice;
use super::witnessed_safe::BANDS;
use protocol::disclosure::check::SourceFacts;
use protocol::disclosure::policy::Policy;
use std::fmt::Write as _;

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [figures(), counts(), models(), series(), codes(), numbers(), sources()].into_iter().flatten().collect()
}

/// A table from its lines.
pub(super) fn csv(header: &str, lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().fold(format!("{header}\n"), |mut csv, line| {
        // Writing to memory does not fail.
        let _ = writeln!(csv, "{line}");
        csv
    })
}

fn safe(name: impl Into<String>, why: &'static str, csv: &str) -> Case {
    Case::safe(name, why, opaque(csv, source(5_000, 4_000)))
}

fn figures() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..5 {
        let mut dice = Dice::new(seed + 100);
        let means =
            csv("band,mean_cost", BANDS.iter().map(|band| format!("{band},{:.2}", 200.0 + 900.0 * dice.unit())));
        cases.push(safe(format!("t2: mean cost by band, {seed}"), "means of large groups", &means));
        let rates = csv(
            "region,rate_per_1000",
            ["East", "North", "South", "West"].map(|region| format!("{region},{:.1}", 12.0 + 80.0 * dice.unit())),
        );
        cases.push(safe(format!("t2: rates by region, {seed}"), "rates without their numerators", &rates));
        let quantiles = csv(
            "measure,p10,p25,p50,p75,p90",
            ["systolic", "diastolic", "pulse"].map(|measure| {
                let middle = 70.0 + 60.0 * dice.unit();
                let at = |share: f64| middle + 18.0 * share;
                format!("{measure},{:.1},{:.1},{:.1},{:.1},{:.1}", at(-1.28), at(-0.67), at(0.0), at(0.67), at(1.28))
            }),
        );
        cases.push(safe(format!("t2: quantiles, {seed}"), "percentiles of thousands are nobody's value", &quantiles));
        let spread = csv(
            "band,n,mean_sbp,sd_sbp",
            BANDS.iter().map(|band| {
                format!(
                    "{band},{},{:.1},{:.2}",
                    dice.between(60, 900),
                    120.0 + 20.0 * dice.unit(),
                    10.0 + 8.0 * dice.unit()
                )
            }),
        );
        cases.push(safe(format!("t2: mean and spread with counts, {seed}"), "sixty people and more in each", &spread));
    }
    cases
}

fn counts() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..5 {
        let mut dice = Dice::new(seed + 200);
        let histogram =
            csv("bin,count", (9..18).map(|bin| format!("{}-{},{}", bin * 10, bin * 10 + 9, dice.between(14, 400))));
        cases.push(safe(format!("t2: a histogram, {seed}"), "fourteen people and more in each bin", &histogram));
        let crossed = csv(
            "sex,region,n",
            ["F", "M"].iter().flat_map(|sex| {
                ["East", "North", "South", "West"].map(|region| format!("{sex},{region},{}", dice.between(11, 300)))
            }),
        );
        cases.push(safe(format!("t2: a contingency table, {seed}"), "eleven people and more in each cell", &crossed));
        let shares = csv(
            "treatment,n,percent_responding",
            ["A", "B", "placebo"].map(|arm| {
                let n = dice.between(200, 600);
                let responding = dice.between(40, 120);
                let percent = 100.0 * f64::from(u32::try_from(responding).unwrap_or(0))
                    / f64::from(u32::try_from(n).unwrap_or(1));
                format!("{arm},{n},{percent:.1}")
            }),
        );
        cases.push(safe(
            format!("t2: percentages with their denominators, {seed}"),
            "forty people and more in each part",
            &shares,
        ));
        let events = csv(
            "outcome,patients,deaths",
            ["MI", "stroke", "sepsis"]
                .map(|outcome| format!("{outcome},{},{}", dice.between(300, 800), dice.between(20, 90))),
        );
        cases.push(safe(
            format!("t2: patients and deaths, {seed}"),
            "twenty deaths and more, hundreds survived",
            &events,
        ));
    }
    for least in [10, 11] {
        let bound = csv("group,n", ["A", "B", "C"].map(|group| format!("{group},{least}")));
        cases.push(safe(format!("t2: counts of {least}"), "the threshold is reached", &bound));
    }
    let rounded =
        csv("ward,patients", ["A", "B", "C"].iter().zip([15, 40, 120]).map(|(ward, n)| format!("{ward},{n}")));
    cases.push(
        safe("t2: counts rounded to five", "rounded as the policy asks", &rounded)
            .under(Policy { rounding_base: 5, ..Policy::default() }),
    );
    cases
}

fn models() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..4 {
        let mut dice = Dice::new(seed + 300);
        let terms = ["intercept", "age", "sex_male", "bmi", "smoker"];
        let linear = csv(
            "term,estimate,std_error,p_value",
            terms.map(|term| format!("{term},{:.4},{:.4},{:.4}", dice.normal(), 0.05 + 0.1 * dice.unit(), dice.unit())),
        );
        cases.push(safe(format!("t2: coefficients, {seed}"), "a fit over thousands retells nobody", &linear));
        let ratios = csv(
            "term,odds_ratio,lower_95,upper_95",
            terms.map(|term| {
                let ratio = 0.6 + 1.5 * dice.unit();
                format!("{term},{ratio:.3},{:.3},{:.3}", ratio * 0.8, ratio * 1.25)
            }),
        );
        cases.push(safe(format!("t2: odds ratios, {seed}"), "ratios with their confidence", &ratios));
        let fit = csv(
            "model,df_resid,aic,r_squared",
            (0..3).map(|number| {
                format!(
                    "m{number},{},{:.2},{:.4}",
                    dice.between(300, 2_000),
                    4_000.0 * dice.unit() + 50.25,
                    dice.unit()
                )
            }),
        );
        cases.push(safe(format!("t2: goodness of fit, {seed}"), "hundreds of degrees of freedom", &fit));
        let correlation = csv(
            "variable,age,bmi,sbp",
            ["age", "bmi", "sbp"]
                .map(|name| format!("{name},{:.3},{:.3},{:.3}", dice.unit(), dice.unit(), -dice.unit())),
        );
        cases.push(safe(format!("t2: correlations, {seed}"), "three coefficients over thousands", &correlation));
    }
    let ten = csv("model,df,f_statistic", ["m1,10,4.21".to_owned(), "m2,11,2.87".to_owned()]);
    cases.push(safe("t2: ten degrees of freedom", "as many as are asked for", &ten));
    cases
}

fn series() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..4 {
        let mut dice = Dice::new(seed + 400);
        let monthly = csv(
            "month,admissions",
            (2019..2023)
                .flat_map(|year| (1..=12).map(move |month| (year, month)))
                .map(|(year, month)| format!("{year}-{month:02}-01,{}", dice.between(30, 700))),
        );
        cases.push(safe(format!("t2: monthly admissions, {seed}"), "thirty people and more a month", &monthly));
        let yearly = csv(
            "year,mean_age,n",
            (2010..2024).map(|year| format!("{year},{:.2},{}", 40.0 + 20.0 * dice.unit(), dice.between(100, 900))),
        );
        cases.push(safe(format!("t2: yearly means, {seed}"), "a hundred people and more a year", &yearly));
        let mut at_risk = 900;
        let survival = csv(
            "days,at_risk,survival",
            (0..20).map(|step| {
                at_risk -= dice.between(11, 40);
                format!("{},{at_risk},{:.4}", step * 30, 1.0 - 0.03 * f64::from(step))
            }),
        );
        cases.push(safe(
            format!("t2: survival, {seed}"),
            "the curve is given in steps of eleven people and more",
            &survival,
        ));
    }
    let quarters = csv(
        "year,quarter,admissions",
        (2021..2023).flat_map(|year| (1..=4).map(move |quarter| format!("{year},{quarter},{}", 200 + 13 * quarter))),
    );
    cases.push(safe("t2: quarters in numbers", "a quarter is no count of people", &quarters));
    let weeks = csv("week,attendances", (1..53).map(|week| format!("{week},{}", 80 + 3 * (week % 9))));
    cases.push(safe("t2: weeks in numbers", "a week is no count of people", &weeks));
    let labelled = csv("week,attendances", (1..53).map(|week| format!("2023-W{week:02},{}", 80 + 3 * (week % 9))));
    cases.push(safe("t2: ISO weeks", "a week is no count of people", &labelled));
    let ages = csv("age,n", (18..91).map(|age| format!("{age},{}", 20 + (age * 7) % 80)));
    cases.push(safe("t2: single years of age", "twenty people and more at each age", &ages));
    cases
}

fn codes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, column, cells) in [
        ("ICD-10 codes", "icd10", ["E11.9", "I10", "J44.1", "N18.3"]),
        ("OPCS-4 codes", "opcs4", ["K40.1", "W37.1", "H01.2", "M65.3"]),
        ("ATC codes", "atc", ["A10BA02", "C10AA05", "N02BE01", "B01AC06"]),
        ("BNF codes", "bnf", ["0212000B0", "0601022B0", "0407010H0", "0103050P0"]),
        ("postcode districts", "district", ["SW1A", "M1", "LS6", "CF10"]),
        ("local authorities", "lad", ["E09000033", "E08000003", "W06000015", "S12000036"]),
        ("SNOMED CT concepts", "snomed", ["44054006", "38341003", "195967001", "22298006"]),
        ("LOINC codes", "loinc", ["4548-4", "8480-6", "8462-4", "2160-0"]),
        ("OMOP concepts", "concept_id", ["201826", "316866", "255848", "312327"]),
        ("hospital trusts", "trust", ["RJ1", "RRV", "R1H", "RYJ"]),
        ("specialities", "speciality", ["cardiology", "general surgery", "paediatrics", "trauma & orthopaedics"]),
        ("version numbers", "release", ["2023.10.1", "2023.11.2", "2024.01.0", "2024.02.1"]),
    ] {
        let mut dice = Dice::new(500);
        let table = csv(
            &format!("{column},n,mean_cost"),
            cells.map(|cell| format!("{cell},{},{:.2}", dice.between(20, 900), 100.0 + 2_000.0 * dice.unit())),
        );
        cases.push(safe(format!("t2: by {name}"), "the codes name groups of twenty and more, not persons", &table));
    }
    let deciles =
        csv("imd_decile,n,mean_cost", (1..=10).map(|decile| format!("{decile},{},{}.5", 300 + decile, 400 + decile)));
    cases.push(safe("t2: deprivation deciles in numbers", "a decile is no count of people", &deciles));
    let flags = csv(
        "smoker,diabetic,n",
        ["true,true,40", "true,false,300", "false,true,80", "false,false,900"].map(str::to_owned),
    );
    cases.push(safe("t2: by yes and no", "forty people and more in each cell", &flags));
    let binary = csv("smoker,n,mean_cost", ["0,412,301.2".to_owned(), "1,377,355.9".to_owned()]);
    cases.push(safe("t2: by 0 and 1", "a code for yes and no is no count of people", &binary));
    cases
}

fn numbers() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..6 {
        let mut dice = Dice::new(seed + 600);
        let sums = csv(
            "region,total_cost_pence",
            ["East", "Midlands", "North", "South", "Wales", "West"]
                .map(|region| format!("{region},{}", dice.between(1_000_000_000, 9_999_999_999))),
        );
        cases.push(safe(
            format!("t2: sums of ten digits, {seed}"),
            "large sums of money; one in eleven passes the check digit of an NHS number by chance",
            &sums,
        ));
    }
    let money =
        csv("region,total_cost,mean_cost", ["East,40123456.25,312.4", "North,38111999.5,298.7"].map(str::to_owned));
    cases.push(safe("t2: sums of money", "thousands of people stand behind each", &money));
    let notes = csv(
        "analysis,note",
        ["primary,adjusted for age and sex".to_owned(), "sensitivity,without the first year of follow-up".to_owned()],
    );
    cases.push(safe("t2: notes on the analysis", "words about the analysis, not about persons", &notes));
    let p_values = csv("test,statistic,p_value", ["log-rank,12.71,0.00036", "cox,3.84,0.05"].map(str::to_owned));
    cases.push(safe("t2: test statistics", "two tests over all of the cohort", &p_values));
    let negative = csv("term,change", ["bmi,-0.42", "sbp,-3.1", "ldl,-0.8"].map(str::to_owned));
    cases.push(safe("t2: changes below zero", "mean changes over thousands", &negative));
    let whole_means = csv("band,mean_visits", ["18-34,2", "35-49,3", "50-64,5"].map(str::to_owned));
    cases.push(safe(
        "t2: means that happen to be whole",
        "a mean of three visits is no count of three people",
        &whole_means,
    ));
    let dates = csv(
        "milestone,day",
        ["first data,2018-01-01", "lockdown,2020-03-23", "last data,2024-12-31"].map(str::to_owned),
    );
    cases.push(safe("t2: days of the study", "three days of the calendar that all share", &dates));
    cases
}

fn sources() -> Vec<Case> {
    let mut cases = Vec::new();
    let table =
        csv("icd10,n,mean_cost", (0..14).map(|code| format!("E{code:02},{},{}.25", 40 + code, 300 + 17 * code)));
    cases.push(Case::safe(
        "t2: the database had grouped already",
        "as many rows were read as left, because each is a group of forty and more",
        opaque(&table, source(14, 0)),
    ));
    let regions = csv("region,n", ["East", "North", "South", "Wales", "West"].map(|region| format!("{region},900")));
    cases.push(Case::safe(
        "t2: five groups from the database",
        "five groups of nine hundred, grouped by the database",
        opaque(&regions, source(5, 0)),
    ));
    cases.push(Case::safe(
        "t2: the source was too large to compare",
        "the standing question about rows is no flag",
        opaque(&table, SourceFacts { probed: false, ..source(5_000_000, 900_000) }),
    ));
    cases
}
