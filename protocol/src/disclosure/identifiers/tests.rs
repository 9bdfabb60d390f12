//! Columns of identifiers, columns that only look like some, and how often chance makes one.

use super::*;
use crate::disclosure::canonical::{Form, canonicalise, parse_csv};
use crate::disclosure::report::Report;
use crate::disclosure::table::{Column, Table, Tier};

fn judged(canonical: &Canonical, source: &SourceFacts) -> Report {
    let mut book = Book::new(canonical.schema());
    check(&mut book, canonical, source);
    book.close(Tier::Opaque)
}

fn verdict(csv: &str, source: &SourceFacts) -> Verdict {
    judged(&canonicalise(&parse_csv(csv.as_bytes()).unwrap(), &Form::default()).unwrap(), source).verdict
}

fn column<T: ToString>(name: &str, cells: &[T]) -> Verdict {
    let rows: Vec<String> = cells.iter().map(|cell| format!("\"{}\"\n", cell.to_string())).collect();
    verdict(&format!("{name}\n{}", rows.concat()), &SourceFacts::default())
}

/// Numbers that are as good as random, the same in every run (splitmix64).
fn random(seed: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |step: u64| {
        let mut state = (seed << 32 | step).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^ (state >> 31)
    })
}

fn ten_digits(seed: u64) -> impl Iterator<Item = u64> {
    random(seed).map(|number| 1_000_000_000 + number % 9_000_000_000)
}

fn is_nhs(number: u64) -> bool {
    let mut valid = false;
    forms::look(&number.to_string(), |seen| valid |= seen.kind == Kind::Nhs && seen.valid);
    valid
}

#[test]
fn threat_33_columns_of_identifiers_fail() {
    let nhs: Vec<u64> = ten_digits(1).filter(|number| is_nhs(*number)).take(5).collect();
    let half: Vec<u64> = nhs.iter().copied().chain(ten_digits(2).filter(|number| !is_nhs(*number)).take(5)).collect();
    assert_eq!(column("x", &nhs), Verdict::Fail);
    assert_eq!(column("x", &half), Verdict::Fail);
    for cells in [
        ["SW1A 1AA", "M1 1AE", "B33 8TH"],
        ["cr26xh", "DN55 1PT", "EC1A1BB"],
        ["jo@example.org", "al@example.org", "mo@example.org"],
        ["07700 900123", "020 7946 0018", "0113 496 0000"],
        ["AB123456C", "CE 12 34 56 A", "JG103759A"],
        ["1948-07-05", "1977-01-31", "2003-12-24"],
        ["05/07/1948", "31/01/1977", "24/12/2003"],
        ["19480705", "19770131", "x"],
        ["123e4567e89b12d3a456426614174000", "223e4567e89b12d3a456426614174000", "323e4567e89b12d3a456426614174000"],
    ] {
        let expected = if cells[2] == "x" { Verdict::Pass } else { Verdict::Fail };
        assert_eq!(column("x", &cells), expected, "{cells:?}");
    }
    assert_eq!(column("dob", &["1998-07-05", "1998-08-01"]), Verdict::Fail);
    for name in ["person_id", "nhs_number", "surname"] {
        assert_eq!(column(name, &["a", "b"]), Verdict::Fail, "{name}");
    }
}

#[test]
fn one_unmistakable_identifier_is_reviewed() {
    assert_eq!(column("comment", &["none", "ask jo@example.org", "none at all"]), Verdict::Review);
    assert_eq!(column("comment", &["none", "a letter", "none at all"]), Verdict::Pass);
}

#[test]
fn ordinary_columns_pass() {
    for (name, cells) in [
        ("month", ["2020-01-01", "1990-02-01", "1950-03-01"]),
        ("date", ["2020-01-06", "2020-01-13", "2020-01-20"]),
        ("month_end", ["1960-01-31", "1990-02-28", "2020-03-31"]),
        ("area", ["SW1A", "M1", "B33"]),
        ("icd10", ["J45.9", "E11.2", "I10"]),
        ("concept", ["201826", "4329847", "900000000000207008"]),
        ("cost", ["1234567.5", "2345678.25", "3456789.75"]),
        ("band", ["18-24", "25-34", "35-44"]),
    ] {
        assert_eq!(column(name, &cells), Verdict::Pass, "{name}");
    }
    let daily: Vec<String> = (0..12_000).filter_map(calendar::print_date).collect();
    assert_eq!(column("day", &daily), Verdict::Pass);
    let yearly: Vec<String> = (1980..2024).map(|year| format!("{year}-04-05")).collect();
    assert_eq!(column("year_start", &yearly), Verdict::Pass);
}

#[test]
fn a_single_hit_counts_once_the_probe_confirms_it() {
    let nhs = ten_digits(3).find(|number| is_nhs(*number)).unwrap();
    let csv = format!("x\n{nhs}\n12\n13\n14\n");
    let probed = |hits| SourceFacts {
        probed: true,
        key_hits: BTreeMap::from([("x".to_owned(), hits)]),
        ..SourceFacts::default()
    };
    assert_eq!(verdict(&csv, &SourceFacts::default()), Verdict::Pass);
    assert_eq!(verdict(&csv, &probed(0)), Verdict::Pass);
    assert_eq!(verdict(&csv, &probed(1)), Verdict::Fail);
    // what was never looked up says nothing
    assert_eq!(verdict(&csv, &SourceFacts { probed: false, ..probed(1) }), Verdict::Pass);
    assert_eq!(verdict("x\n123456\n123457\n123458\n", &probed(3)), Verdict::Fail);
    assert_eq!(verdict("x\nkey a\nkey b\nkey c\n", &probed(1)), Verdict::Review);
    // small numbers meet keys by chance
    assert_eq!(verdict("x\n14\n15\n15\n", &probed(3)), Verdict::Pass);
}

#[test]
fn keys_of_witnessed_tables_are_looked_at() {
    let table = |role: Role| {
        let cells = ["SW1A 1AA", "M1 1AE", "B33 8TH"].map(|text| vec![Cell::Text(text.to_owned())]);
        let columns = vec![Column { name: "k".into(), ty: CellType::Text, role }];
        canonicalise(&Table { columns, rows: cells.to_vec() }, &Form::default()).unwrap()
    };
    assert_eq!(judged(&table(Role::Key), &SourceFacts::default()).verdict, Verdict::Fail);
}

#[test]
fn threat_33_random_numbers_are_rarely_taken_for_identifiers() {
    let single = ten_digits(4).take(100_000).filter(|number| is_nhs(*number)).count();
    // The check digit alone: one in eleven.
    assert!((8_700..9_400).contains(&single), "{single}");
    let mut alarms = 0;
    let mut columns = 0;
    for (seed, length) in (0..2_000_u64).zip([3_usize, 5, 6, 8, 12, 20, 50, 200].into_iter().cycle()) {
        let cells: Vec<u64> = ten_digits(seed + 10).take(length).collect();
        columns += 1;
        alarms += usize::from(column("x", &cells) > Verdict::Pass);
    }
    // 0.4 % of short and long columns together; three of six by chance is the likeliest.
    assert!(alarms * 100 <= columns, "{alarms} of {columns}");
}
