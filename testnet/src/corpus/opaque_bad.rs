//! Outputs that a component computed itself and that a reviewer should be stopped at.

use super::case::{Case, opaque, source};
use super::opaque_safe::csv;
use super::study::Dice;
use protocol::disclosure::check::SourceFacts;
use protocol::disclosure::policy::Policy;
use protocol::disclosure::rules::Rule;
use std::collections::BTreeMap;

const THRESHOLD: &[Rule] = &[Rule::MinimumThreshold];
const CLASS: &[Rule] = &[Rule::ClassDisclosure];
const ROWS: &[Rule] = &[Rule::RowLevelData];
/// A UUID is an identifier, and longer than the 32 characters of an encoding's alphabet that text may have.
const IDENTIFIERS: &[Rule] = &[Rule::DirectIdentifiers, Rule::Payload];
const SUPPRESSION: &[Rule] = &[Rule::ComplementarySuppression];

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [dumps(), identifiers(), few(), implied(), hidden(), extremes(), forms()].into_iter().flatten().collect()
}

fn bad(name: impl Into<String>, rules: &'static [Rule], why: &'static str, csv: &str) -> Case {
    Case::bad(name, rules, why, opaque(csv, source(5_000, 4_000)))
}

fn dumps() -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0..5 {
        let mut dice = Dice::new(seed + 700);
        let count = dice.between(25, 200);
        let person = |number: u64, dice: &mut Dice| {
            let sex = if dice.below(2) == 0 { "F" } else { "M" };
            (number, sex, dice.between(18, 95), dice.cost(), 100.0 + 60.0 * dice.unit())
        };
        let equal = SourceFacts { equal_rows: count, ..source(count, count) };
        let whole = csv(
            "key,sex,age,cost,sbp",
            (0..count).map(|number| {
                let (number, sex, age, cost, sbp) = person(number, &mut dice);
                format!("{},{sex},{age},{cost:.2},{sbp:.1}", 100_000 + number * 7)
            }),
        );
        cases.push(Case::bad(
            format!("t2: a dump of {count} rows, {seed}"),
            ROWS,
            "every row stands in the source as it is",
            opaque(&whole, SourceFacts { key_hits: BTreeMap::from([("key".to_owned(), count)]), ..equal.clone() }),
        ));
        let shuffled = csv(
            "sex,age,cost",
            (0..count).map(|number| {
                let (_, sex, age, cost, _) = person((number * 31) % count, &mut dice);
                format!("{sex},{age},{cost:.2}")
            }),
        );
        cases.push(Case::bad(
            format!("t2: a shuffled dump without keys, {seed}"),
            ROWS,
            "three columns of every row stand together in the source",
            opaque(&shuffled, equal.clone()),
        ));
        let noisy = csv(
            "sex,age,cost,noise_1,noise_2",
            (0..count).map(|number| {
                let (_, sex, age, cost, _) = person(number, &mut dice);
                format!("{sex},{age},{cost:.2},{:.6},{:.6}", dice.unit(), dice.normal())
            }),
        );
        cases.push(Case::bad(
            format!("t2: a dump with columns of noise, {seed}"),
            ROWS,
            "the noise stands beside three columns of the source",
            opaque(&noisy, equal),
        ));
        let blurred = csv(
            "label,age,cost",
            (0..count).map(|number| {
                let (_, _, age, cost, _) = person(number, &mut dice);
                format!("p{},{age},{:.0}", (number * 7_919) % 100_003, cost / 10.0)
            }),
        );
        cases.push(Case::bad(
            format!("t2: a dump with every cost blurred, {seed}"),
            ROWS,
            "as many rows as people were read, each with a label of its own",
            opaque(&blurred, source(count, count)),
        ));
        let some = csv(
            "label,age,cost",
            (0..count).map(|number| {
                let (_, _, age, cost, _) = person(number, &mut dice);
                format!("p{number},{age},{cost:.2}")
            }),
        );
        cases.push(Case::bad(
            format!("t2: a dump of a few hidden among groups, {seed}"),
            ROWS,
            "one row that stands in the source is enough",
            opaque(&some, SourceFacts { equal_rows: 1 + seed, ..source(4_000, 3_000) }),
        ));
    }
    for rows in [12, 40, 90] {
        let ones = csv("area,n", (0..rows).map(|area| format!("area {area},1")));
        cases.push(bad(format!("t2: {rows} counts of one"), ROWS, "the rows are persons", &ones));
        let notes = csv(
            "label,note",
            (0..rows).map(|person| format!("p{person},seen on the ward and sent home after {} days", person + 2)),
        );
        cases.push(Case::bad(
            format!("t2: {rows} notes in free text"),
            ROWS,
            "a note for each person that was read",
            opaque(&notes, source(rows * 3, rows)),
        ));
    }
    cases
}

/// A number of ten digits with the check digit of an NHS number.
fn nhs(dice: &mut Dice) -> String {
    loop {
        let digits: Vec<u64> = std::iter::once(dice.between(4, 7)).chain((0..8).map(|_| dice.below(10))).collect();
        let sum: u64 = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
        let check = (11 - sum % 11) % 11;
        if check < 10 {
            return digits.iter().chain([&check]).map(u64::to_string).collect();
        }
    }
}

fn identifiers() -> Vec<Case> {
    let mut cases = Vec::new();
    let rows = 24;
    for seed in 0..3 {
        let mut dice = Dice::new(seed + 800);
        let mut column = |name: &str, why, header: &str, cell: &mut dyn FnMut(&mut Dice) -> String| {
            let table = csv(
                header,
                (0..rows).map(|_| {
                    let cell = cell(&mut dice);
                    format!("{cell},{}", dice.between(20, 90))
                }),
            );
            cases.push(bad(format!("t2: {name}, {seed}"), IDENTIFIERS, why, &table));
        };
        column(
            "NHS numbers as text",
            "ten digits with a check digit, in groups of 3-3-4",
            "reference,n",
            &mut |dice| {
                let number = nhs(dice);
                format!("{} {} {}", &number[..3], &number[3..6], &number[6..])
            },
        );
        column("NHS numbers as numbers", "ten digits with a check digit", "reference,n", &mut nhs);
        column("days of birth", "single days over sixty years", "born,n", &mut |dice| {
            format!("{}-{:02}-{:02}", dice.between(1930, 1999), dice.between(1, 12), dice.between(1, 28))
        });
        column(
            "days without a name",
            "single days over sixty years, under a name that does not tell",
            "x,n",
            &mut |dice| format!("{:02}/{:02}/{}", dice.between(1, 28), dice.between(1, 12), dice.between(1930, 1999)),
        );
        column("full postcodes", "a full postcode is some fifteen households", "area,n", &mut |dice| {
            let letter = |dice: &mut Dice| {
                let place = usize::try_from(dice.below(20)).unwrap_or(0);
                char::from(b"ABDEFGHJLNPQRSTUWXYZ"[place])
            };
            let (one, other) = (letter(dice), letter(dice));
            format!("LS{} {}{one}{other}", dice.between(1, 28), dice.below(10))
        });
        column("telephone numbers", "numbers that reach a person", "contact,n", &mut |dice| {
            format!("07{:03} {:06}", dice.between(400, 999), dice.below(1_000_000))
        });
        column("National Insurance numbers", "two letters, six digits, a letter", "reference,n", &mut |dice| {
            format!("AB{:06}C", dice.below(1_000_000))
        });
        column("UUIDs of records", "one for each record of the source", "reference,n", &mut |dice| {
            let (a, b) = (dice.next(), dice.next());
            let hex = format!("{a:016x}{b:016x}");
            format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
        });
    }
    let email = csv(
        "site,remark",
        ["A,complete".to_owned(), "B,ask jane.doe@nhs.example about her scan".to_owned(), "C,complete".to_owned()],
    );
    cases.push(bad("t2: an e-mail address in a remark", IDENTIFIERS, "free text names a person", &email));
    let nino =
        csv("site,remark", ["A,complete".to_owned(), "B,claimant AB123456C".to_owned(), "C,complete".to_owned()]);
    cases.push(bad("t2: a National Insurance number in a remark", IDENTIFIERS, "free text names a person", &nino));
    for name in ["patient_id", "nhs_number", "surname", "mrn"] {
        let table = csv(&format!("{name},n"), (0..5).map(|row| format!("v{row},30")));
        cases.push(bad(format!("t2: a column called {name}"), IDENTIFIERS, "the column says what it is", &table));
    }
    let dob = csv("dob,n", ["1948-07-05,40".to_owned(), "1948-09-11,30".to_owned()]);
    cases.push(bad("t2: two days of birth", IDENTIFIERS, "a day of birth, whatever the count", &dob));
    for hits in [20, 12] {
        let keys = csv("code,mean_cost", (0..20).map(|row| format!("{},{}.5", 7_000_001 + row * 13, 300 + row)));
        let source = SourceFacts { key_hits: BTreeMap::from([("code".to_owned(), hits)]), ..source(9_000, 4_000) };
        cases.push(Case::bad(
            format!("t2: {hits} keys of the source among codes"),
            IDENTIFIERS,
            "the key probe found them among the source's keys",
            opaque(&keys, source),
        ));
    }
    cases
}

fn few() -> Vec<Case> {
    let mut cases = Vec::new();
    for small in [1, 2, 5, 9] {
        for column in ["n", "count", "patients", "deaths"] {
            let table = csv(
                &format!("icd10,{column}"),
                [format!("E11.9,{}", 400 + small), format!("E84.0,{small}"), "I10,90".to_owned()],
            );
            cases.push(bad(format!("t2: {column} of {small}"), THRESHOLD, "a count below ten", &table));
        }
    }
    for (name, table) in [
        ("a count of nobody", csv("ward,patients", ["A,0".to_owned(), "B,40".to_owned()])),
        ("no deaths among many", csv("arm,n,deaths", ["A,120,0".to_owned(), "B,130,24".to_owned()])),
        ("everybody died", csv("arm,n,deaths", ["A,24,24".to_owned(), "B,130,24".to_owned()])),
        (
            "nobody responded, in percent",
            csv("arm,n,percent_responding", ["A,120,0".to_owned(), "B,130,31.5".to_owned()]),
        ),
        (
            "everybody responded, in percent",
            csv("arm,n,percent_responding", ["A,120,100".to_owned(), "B,130,31.5".to_owned()]),
        ),
        ("all of a share", csv("arm,total,proportion_positive", ["A,120,1".to_owned(), "B,130,0.4".to_owned()])),
    ] {
        cases.push(bad(
            format!("t2: {name}"),
            CLASS,
            "a zero or a full cell tells something about each of a group",
            &table,
        ));
    }
    for (n, name) in [(5, "sd_cost"), (10, "std_sbp"), (8, "variance_bmi")] {
        let table = csv(&format!("group,n,{name}"), [format!("A,{n},12.5"), "B,300,14.25".to_owned()]);
        cases.push(bad(
            format!("t2: {name} of {n}"),
            &[Rule::DegreesOfFreedom],
            "fewer than ten degrees of freedom behind a spread",
            &table,
        ));
    }
    for df in [1, 4, 9] {
        let table = csv("model,df_resid,r_squared", [format!("m1,{df},0.98"), "m2,400,0.41".to_owned()]);
        cases.push(bad(
            format!("t2: {df} degrees of freedom"),
            &[Rule::DegreesOfFreedom],
            "the fit nearly retells its data",
            &table,
        ));
    }
    cases
}

fn implied() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, header, row) in [
        ("3 % of 100", "arm,n,percent_dead", "A,100,3"),
        ("1.5 % of 200", "arm,n,pct_dead", "A,200,1.5"),
        ("0.9 % of 1,000", "arm,denominator,percent", "A,1000,0.9"),
        ("a share of 0.02 of 150", "arm,n,proportion_dead", "A,150,0.02"),
        ("97 % of 100", "arm,n,percent_alive", "A,100,97"),
        ("196 of 200", "arm,n,n_alive", "A,200,196"),
        ("113 controls of 120", "arm,total,controls", "A,120,113"),
        ("a total and all but five", "arm,total_patients,patients_without_event", "A,400,395"),
    ] {
        let table = csv(header, [row.to_owned()]);
        cases.push(bad(
            format!("t2: {name}"),
            THRESHOLD,
            "what two figures imply together is a count of fewer than ten people",
            &table,
        ));
    }
    let sums = csv("group,sum_cost,mean_cost", ["A,1200,400".to_owned(), "B,90000,450".to_owned()]);
    cases.push(bad("t2: a sum beside its mean", THRESHOLD, "the sum divided by the mean is three people", &sums));
    let rates = csv("area,n,rate_per_1000", ["A,1000,3".to_owned(), "B,1000,41.5".to_owned()]);
    cases.push(bad("t2: three in a thousand", THRESHOLD, "the rate times the denominator is three people", &rates));
    let coarse = Policy { rounding_base: 5, ..Policy::default() };
    for n in [13, 21] {
        let table = csv("ward,patients", [format!("A,{n}"), "B,40".to_owned()]);
        cases.push(
            bad(
                format!("t2: {n} where fives are asked for"),
                &[Rule::Rounding],
                "the policy asks for multiples of five",
                &table,
            )
            .under(coarse),
        );
    }
    cases
}

fn hidden() -> Vec<Case> {
    let mut cases = Vec::new();
    for mark in ["*", "<10", "[REDACTED]", "suppressed", "", "x"] {
        let table =
            csv("ward,patients", ["A,40".to_owned(), format!("B,{mark}"), "C,60".to_owned(), "Total,105".to_owned()]);
        cases.push(bad(
            format!("t2: one cell hidden as `{mark}` beside a total"),
            SUPPRESSION,
            "the total minus the others is the hidden count",
            &table,
        ));
    }
    for total in ["All", "Overall"] {
        let table = csv("sex,n", ["F,40".to_owned(), "M,<10".to_owned(), format!("{total},47")]);
        cases.push(bad(
            format!("t2: one of two sexes hidden beside `{total}`"),
            SUPPRESSION,
            "the total minus the other is the hidden count",
            &table,
        ));
    }
    cases
}

fn extremes() -> Vec<Case> {
    [
        ("a maximum", "band,max_cost", ["18-34,81234.5", "35-49,64120.25"]),
        ("a minimum", "band,min_age", ["ward A,18.5", "ward B,19.5"]),
        ("the largest and the smallest", "measure,smallest,largest", ["sbp,71.5,243.5", "bmi,14.25,66.5"]),
        ("the oldest, as a maximum", "ward,mean_age,maximum_age", ["A,64.5,103.5", "B,61.5,99.5"]),
        ("the highest of a range", "site,highest_bill", ["A,1203399.5", "B,88340.25"]),
        ("box plot ends", "arm,min,p25,p50,p75,max", ["A,1.5,12.5,19.5,27.5,88.5", "B,2.5,13.5,20.5,28.5,93.5"]),
    ]
    .into_iter()
    .map(|(name, header, rows)| {
        let table = csv(header, rows.map(str::to_owned));
        bad(format!("t2: {name}"), THRESHOLD, "a largest or smallest value is one person's", &table)
    })
    .collect()
}

fn forms() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, cell) in [
        ("a link as a formula", "=HYPERLINK(1)"),
        ("a formula with a plus", "+cmd"),
        ("a formula with an at sign", "@SUM(1)"),
    ] {
        let table = csv("group,note", [format!("A,{cell}"), "B,none".to_owned()]);
        cases.push(bad(format!("t2: {name}"), &[Rule::Formula], "a spreadsheet would run it", &table));
    }
    for (name, cell) in [
        ("64 hexadecimal digits", "6f1d3a9be4c57f208d1e6a7b90c3d2e5f4a1b8c7d6e5f4031221304f5e6d7c8b"),
        ("base64", "U2VjcmV0IHJlY29yZCBvZiBhIHBlcnNvbiBpbiBiYXNlNjQgdGV4dA"),
    ] {
        let table = csv("group,note", [format!("A,{cell}"), "B,none".to_owned()]);
        cases.push(bad(format!("t2: {name}"), &[Rule::Payload], "text that no reader can judge", &table));
    }
    let long = csv("area,n", (0..5_001).map(|area| format!("area {area},40")));
    cases.push(bad("t2: 5,001 rows", &[Rule::TypeAndSize], "nobody can review more than five thousand rows", &long));
    let zero_width = csv("group,n", ["A\u{200B},40".to_owned(), "B,50".to_owned()]);
    cases.push(bad(
        "t2: a zero-width space",
        &[Rule::TypeAndSize],
        "what a reader cannot see carries something",
        &zero_width,
    ));
    let not_finite = csv("group,mean_cost", ["A,NaN".to_owned(), "B,50.5".to_owned(), "C,inf".to_owned()]);
    cases.push(bad("t2: a mean that is no number", &[Rule::NotFinite], "a poisoned row stands behind it", &not_finite));
    cases
}
