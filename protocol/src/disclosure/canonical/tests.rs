//! The canonical form: each refusal, each channel that carries nothing, and that it is a form: taking it twice changes nothing.

use super::*;
use crate::disclosure::table::{CellType, Measure};
use proptest::prelude::*;

fn csv(text: &str) -> Result<Canonical, NotCanonical> {
    canonicalise(&parse_csv(text.as_bytes())?, &Form::default())
}

fn canonical_text(text: &str) -> String {
    String::from_utf8(csv(text).unwrap().bytes().to_vec()).unwrap()
}

fn one(cell: Cell, ty: CellType, role: Role) -> Table {
    Table { columns: vec![Column { name: "x".into(), ty, role }], rows: vec![vec![cell]] }
}

const FIRST: Place = Place { row: 0, column: 0 };

#[test]
fn a_small_table_in_its_one_form() {
    let written = "\u{FEFF}Sex , Mean,seen\r\n\" male\",2.50,2024-02-03 10:00:00.5\r\nfemale,-0.0,\r\n\"a,b\",1e3,2024-02-03T11:00:00+01:00\r\n";
    assert_eq!(
        canonical_text(written),
        "sex,mean,seen\n\"a,b\",1000,2024-02-03T10:00:00Z\nfemale,0,\nmale,2.5,2024-02-03T10:00:00Z\n"
    );
}

#[test]
fn types_are_those_of_whole_columns() {
    let table = parse_csv(b"b,i,r,d,t,code,mixed,none\ntrue,1,1,2024-01-01,2024-01-01 00:00:00,007,1,\nFALSE,-2,NaN,2024-12-31,2024-01-01T00:00:00Z,12,x,\n").unwrap();
    let types: Vec<CellType> = table.columns.iter().map(|column| column.ty).collect();
    assert_eq!(
        types,
        [
            CellType::Boolean,
            CellType::Integer,
            CellType::Real,
            CellType::Date,
            CellType::Timestamp,
            CellType::Text,
            CellType::Text,
            CellType::Text
        ]
    );
    assert!(table.columns.iter().all(|column| column.role == Role::Opaque));
}

#[test]
fn each_way_not_to_be_a_table_is_refused() {
    for (bytes, refusal) in [
        (&b"a\n\xFF\n"[..], NotCanonical::NotUtf8),
        (b"a,b\n1\n", NotCanonical::NotCsv { line: 2 }),
        (b"", NotCanonical::NoColumns),
        (b"1a\n1\n", NotCanonical::ColumnName { column: 0 }),
        (b"a,\n1,2\n", NotCanonical::ColumnName { column: 1 }),
        ("é\n1\n".as_bytes(), NotCanonical::ColumnName { column: 0 }),
        (b"a,A\n1,2\n", NotCanonical::RepeatedColumn { column: 1 }),
    ] {
        let refused = parse_csv(bytes).and_then(|table| canonicalise(&table, &Form::default()));
        assert_eq!(refused.map(|_| ()), Err(refusal));
    }
    let mut ragged = one(Cell::Null, CellType::Real, Role::Opaque);
    ragged.rows.push(vec![]);
    assert_eq!(canonicalise(&ragged, &Form::default()).unwrap_err(), NotCanonical::Ragged { row: 1 });
    let none = Table { columns: vec![], rows: vec![] };
    assert_eq!(canonicalise(&none, &Form::default()).unwrap_err(), NotCanonical::NoColumns);
}

#[test]
fn each_cell_without_a_form_is_refused() {
    for (text, refusal) in [
        ("a\u{200B}", NotCanonical::UnseenCharacter(FIRST)),
        ("Ａ", NotCanonical::LookalikeCharacter(FIRST)),
        ("pаy", NotCanonical::MixedScripts(FIRST)),
        ("=HYPERLINK(1)", NotCanonical::Formula(FIRST)),
        ("0123456789abcdef0123456789abcdef0", NotCanonical::Payload(FIRST)),
    ] {
        assert_eq!(csv(&format!("a\n{text}\n")).map(|_| ()), Err(refusal), "{text}");
    }
    assert_eq!(csv(&format!("a\n{}\n", "word ".repeat(60))).unwrap_err(), NotCanonical::LongText(FIRST));
    for (cell, ty, refusal) in [
        (Cell::Text("1".into()), CellType::Integer, NotCanonical::WrongType(FIRST)),
        (Cell::Decimal("one".into()), CellType::Decimal, NotCanonical::Decimal(FIRST)),
        (Cell::Decimal("1e301".into()), CellType::Decimal, NotCanonical::Decimal(FIRST)),
        (Cell::Date(i32::MAX), CellType::Date, NotCanonical::Date(FIRST)),
        (Cell::Timestamp(i64::MIN), CellType::Timestamp, NotCanonical::Date(FIRST)),
    ] {
        assert_eq!(canonicalise(&one(cell, ty, Role::Opaque), &Form::default()).unwrap_err(), refusal);
    }
}

#[test]
fn a_measure_of_a_column_without_a_name_is_refused() {
    let role = Role::Measure(Measure::Mean("x y".into()));
    let refused = canonicalise(&one(Cell::Null, CellType::Real, role), &Form::default());
    assert_eq!(refused.unwrap_err(), NotCanonical::ColumnName { column: 0 });
}

#[test]
fn digits_outside_a_double_are_refused() {
    let table = one(Cell::Null, CellType::Real, Role::Opaque);
    for significant_digits in [0, 16] {
        let form = Form { significant_digits, declared: None };
        assert_eq!(canonicalise(&table, &form).unwrap_err(), NotCanonical::Digits);
    }
}

#[test]
fn a_table_beyond_the_bounds_is_refused() {
    let rows = "1\n".repeat(MAXIMUM_CELLS + 1);
    assert_eq!(parse_csv(format!("a\n{rows}").as_bytes()).unwrap_err(), NotCanonical::TooLarge);
    assert_eq!(parse_csv(&vec![b'a'; MAXIMUM_BYTES + 1]).unwrap_err(), NotCanonical::TooLarge);
    let wide = ",".repeat(MAXIMUM_COLUMNS);
    assert_eq!(parse_csv(wide.as_bytes()).unwrap_err(), NotCanonical::TooLarge);
    let endless = ",".repeat(2 * 1024 * 1024);
    assert_eq!(parse_csv(endless.as_bytes()).unwrap_err(), NotCanonical::TooLarge);
    let table =
        Table { rows: vec![vec![Cell::Null]; MAXIMUM_CELLS + 1], ..one(Cell::Null, CellType::Real, Role::Opaque) };
    assert_eq!(canonicalise(&table, &Form::default()).unwrap_err(), NotCanonical::TooLarge);
}

#[test]
fn the_widest_schema_still_fits_its_record() {
    let wide = |columns: usize| {
        let name = |place: usize| format!("{}{place:03}", "c".repeat(60));
        let column = |place| Column { name: name(place), ty: CellType::Timestamp, role: Role::Opaque };
        Table { columns: (0..columns).map(column).collect(), rows: vec![] }
    };
    let most = MAXIMUM_SCHEMA_BYTES / (63 + "opaque".len() + COLUMN_BYTES);
    let canonical = canonicalise(&wide(most), &Form::default()).unwrap();
    let schema = crate::wire::codec::encode(&canonical.schema()).unwrap();
    assert!(schema.len() < 64 * 1024);
    assert_eq!(canonicalise(&wide(most + 1), &Form::default()).unwrap_err(), NotCanonical::TooLarge);
}

#[test]
fn declared_columns_have_the_declared_order_and_no_other_is_taken() {
    let declare = |names: &[&str]| Form {
        declared: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Form::default()
    };
    let bytes = |text: &str| {
        canonicalise(&parse_csv(text.as_bytes()).unwrap(), &declare(&["a", "b"]))
            .map(|canonical| canonical.bytes().to_vec())
    };
    assert_eq!(bytes("b,a\n2,1\n").unwrap(), b"a,b\n1,2\n");
    assert_eq!(bytes("b,a\n2,1\n"), bytes("a,b\n1,2\n"));
    for other in ["a\n1\n", "a,b,c\n1,2,3\n", "a,c\n1,2\n"] {
        assert_eq!(bytes(other), Err(NotCanonical::Undeclared), "{other}");
    }
    let twice = canonicalise(&parse_csv(b"a,b\n1,2\n").unwrap(), &declare(&["a", "a"]));
    assert_eq!(twice.unwrap_err(), NotCanonical::Undeclared);
}

#[test]
fn what_is_no_finite_number_becomes_null_and_is_marked() {
    let canonical = csv("a,b\nx,NaN\ny,1\nz,-inf\nw,\n").unwrap();
    assert_eq!(canonical.bytes(), b"a,b\nw,\nx,\ny,1\nz,\n");
    assert_eq!(canonical.replaced(), [Place { row: 1, column: 1 }, Place { row: 3, column: 1 }]);
}

#[test]
fn evidence_is_found_again_after_sorting() {
    let form = Form { declared: Some(vec!["b".into(), "a".into()]), ..Form::default() };
    let canonical = canonicalise(&parse_csv(b"a,b\nx,2\ny,1\n").unwrap(), &form).unwrap();
    assert_eq!(canonical.origin(Place { row: 0, column: 1 }), Some(Place { row: 1, column: 0 }));
    assert_eq!(canonical.origin(Place { row: 2, column: 0 }), None);
}

#[test]
fn keys_keep_all_their_digits_and_figures_do_not() {
    let snomed = 900_000_000_000_207_008;
    let form = Form::default();
    let kept = canonicalise(&one(Cell::Integer(snomed), CellType::Integer, Role::Key), &form).unwrap();
    assert_eq!(kept.bytes(), b"x\n900000000000207008\n");
    let rounded = canonicalise(&one(Cell::Integer(snomed), CellType::Integer, Role::Opaque), &form).unwrap();
    assert_eq!(rounded.bytes(), b"x\n900000000000000000\n");
}

#[test]
fn a_null_alone_in_its_line_is_still_a_row() {
    let table = Table { rows: vec![vec![Cell::Null]; 2], ..one(Cell::Null, CellType::Text, Role::Opaque) };
    let canonical = canonicalise(&table, &Form::default()).unwrap();
    assert_eq!(canonical.bytes(), b"x\n\"\"\n\"\"\n");
    assert_eq!(read_csv(canonical.bytes(), canonical.schema()).unwrap(), table);
}

#[test]
fn released_bytes_read_back_by_their_schema_only() {
    let columns = vec![
        Column { name: "k".into(), ty: CellType::Text, role: Role::Key },
        Column { name: "v".into(), ty: CellType::Decimal, role: Role::Measure(Measure::Sum("v".into())) },
    ];
    let rows =
        vec![vec![Cell::Text("10".into()), Cell::Decimal("1.50".into())], vec![Cell::Text("2".into()), Cell::Null]];
    let canonical = canonicalise(&Table { columns: columns.clone(), rows }, &Form::default()).unwrap();
    assert_eq!(canonical.bytes(), b"k,v\n10,1.5\n2,\n");
    assert_eq!(&read_csv(canonical.bytes(), &columns).unwrap(), canonical.table());
    assert_eq!(read_csv(b"k,w\n", &columns).unwrap_err(), NotCanonical::Undeclared);
    assert_eq!(read_csv(b"k,v\na,b\n", &columns).unwrap_err(), NotCanonical::WrongType(Place { row: 0, column: 1 }));
}

#[test]
fn refusals_tell_outsiders_no_place() {
    assert_eq!(NotCanonical::Payload(Place { row: 77, column: 3 }).code(), "payload");
    assert_eq!(
        NotCanonical::Payload(Place { row: 77, column: 3 }).to_string(),
        "the text in row 78, column 4 looks like encoded bytes; hand over words and numbers"
    );
}

/// A field as a component might write it.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|bits| f64::from_bits(bits).to_string()),
        any::<u64>().prop_map(|bits| format!("{:e}", f64::from_bits(bits))),
        "(true|FALSE|NaN|-inf|1e999|1e-999|00?[0-9]{1,3}|[+-]?[0-9]{1,30}(\\.[0-9]{1,30})?)",
        "20[0-2][0-9]-0[1-9]-[0-3][0-9]([ T][01][0-9]:00:00(\\.[0-9]{1,7})?(Z|\\+01:00)?)?",
        "[ a-zA-Z,\"'é–\u{A0}]{0,12}",
    ]
}

/// Columns of one kind of field each: mixed ones are text.
fn document() -> impl Strategy<Value = (Vec<Vec<String>>, usize)> {
    (1_usize..5, 0_usize..12).prop_flat_map(|(columns, rows)| {
        let column = prop_oneof![
            prop::collection::vec(field(), rows),
            prop::collection::vec(any::<i64>().prop_map(|value| value.to_string()), rows),
            prop::collection::vec(any::<u64>().prop_map(|bits| f64::from_bits(bits).to_string()), rows),
            prop::collection::vec("[a-c 1-3]{0,3}", rows),
        ];
        (prop::collection::vec(column, columns), Just(rows))
    })
}

fn written(columns: &[Vec<String>], rows: &[usize], quote: bool) -> String {
    let mut text = String::new();
    let mut line = |fields: Vec<String>| {
        let fields: Vec<String> = fields
            .iter()
            .map(|field| {
                if quote || field.is_empty() || field.contains(['"', ',']) {
                    format!("\"{}\"", field.replace('"', "\"\""))
                } else {
                    field.clone()
                }
            })
            .collect();
        text.push_str(&fields.join(","));
        text.push_str(if quote { "\r\n" } else { "\n" });
    };
    line((0..columns.len()).map(|place| if quote { format!("C{place}") } else { format!("c{place}") }).collect());
    for row in rows {
        line(columns.iter().map(|column| column[*row].clone()).collect());
    }
    text
}

proptest! {
    #[test]
    fn the_form_of_the_form_is_the_form((columns, rows) in document()) {
        let rows: Vec<usize> = (0..rows).collect();
        if let Ok(once) = csv(&written(&columns, &rows, false)) {
            let again = canonicalise(&parse_csv(once.bytes()).unwrap(), &Form::default()).unwrap();
            prop_assert_eq!(once.bytes(), again.bytes());
            let by_schema = canonicalise(&read_csv(once.bytes(), once.schema()).unwrap(), &Form::default()).unwrap();
            prop_assert_eq!(&once.table, &by_schema.table);
            prop_assert_eq!(once.bytes(), by_schema.bytes());
        }
    }

    #[test]
    fn order_and_quoting_carry_nothing((columns, rows) in document(), seed in any::<prop::sample::Index>()) {
        let ordered: Vec<usize> = (0..rows).collect();
        let mut turned = ordered.clone();
        if rows > 0 {
            turned.rotate_left(seed.index(rows));
            turned.reverse();
        }
        let (one, other) = (csv(&written(&columns, &ordered, false)), csv(&written(&columns, &turned, true)));
        prop_assert_eq!(one.is_ok(), other.is_ok());
        if let (Ok(one), Ok(other)) = (one, other) {
            prop_assert_eq!(one.bytes(), other.bytes());
        }
    }

    #[test]
    fn threat_34_low_digits_carry_nothing(
        shown in prop::collection::vec((100_000_000_000_i64..=999_999_999_999, -20_i32..20), 1..20),
        hidden in prop::collection::vec(0_u32..4000, 20),
        role in prop_oneof![Just(Role::Opaque), Just(Role::Measure(Measure::Sum("x".into())))],
    ) {
        // The twelve digits that are shown, followed by four that are not and do not round them up.
        let table = |hide: bool| Table {
            rows: shown.iter().zip(&hidden).map(|((digits, exponent), low)| {
                let low = if hide { *low } else { 0 };
                vec![Cell::Real(format!("{digits}.{low:04}e{exponent}").parse().unwrap())]
            }).collect(),
            ..one(Cell::Null, CellType::Real, role.clone())
        };
        let form = Form::default();
        let (hiding, plain) = (canonicalise(&table(true), &form).unwrap(), canonicalise(&table(false), &form).unwrap());
        prop_assert_eq!(hiding.bytes(), plain.bytes());
    }

    #[test]
    fn threat_35_row_and_column_order_carry_nothing(rows in prop::collection::vec((0_i64..9, "[a-z]{0,3}"), 0..20), by in any::<prop::sample::Index>()) {
        let form = Form { declared: Some(vec!["n".into(), "k".into()]), ..Form::default() };
        let columns = vec![
            Column { name: "k".into(), ty: CellType::Text, role: Role::Opaque },
            Column { name: "n".into(), ty: CellType::Integer, role: Role::Opaque },
        ];
        let straight: Vec<Vec<Cell>> = rows.iter().map(|(n, k)| vec![Cell::Text(k.clone()), Cell::Integer(*n)]).collect();
        let mut turned: Vec<Vec<Cell>> = straight.iter().map(|row| row.iter().rev().cloned().collect()).collect();
        if !turned.is_empty() {
            let middle = by.index(turned.len());
            turned.rotate_right(middle);
        }
        let reversed = columns.iter().rev().cloned().collect();
        let one = canonicalise(&Table { columns, rows: straight }, &form).unwrap();
        let other = canonicalise(&Table { columns: reversed, rows: turned }, &form).unwrap();
        prop_assert_eq!(one.bytes(), other.bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(table) = parse_csv(&bytes) {
            let _ = canonicalise(&table, &Form::default());
        }
    }
}

/// Every way found so far to write the same figures differently: each takes the same table and 64 bits.
mod encoders {
    pub(super) type Encoder = fn(&[bool]) -> String;

    fn rows(secret: &[bool], row: impl Fn(usize, bool) -> String) -> String {
        secret.iter().enumerate().map(|(place, bit)| row(place, *bit)).collect()
    }

    fn ten(place: usize) -> usize {
        place * 10 + 10
    }

    pub(super) const ALL: [(&str, Encoder); 20] = [
        ("row order", |secret| {
            let (ones, zeros): (Vec<usize>, Vec<usize>) = (0..secret.len()).partition(|place| secret[*place]);
            let line = |place: &usize| format!("g{place:02},{}\n", ten(*place));
            format!("k,n\n{}{}", ones.iter().map(line).collect::<String>(), zeros.iter().map(line).collect::<String>())
        }),
        ("column order", |secret| {
            if secret[0] {
                format!("n,k\n{}", rows(secret, |place, _| format!("{},g{place:02}\n", ten(place))))
            } else {
                format!("k,n\n{}", rows(secret, |place, _| format!("g{place:02},{}\n", ten(place))))
            }
        }),
        ("case of names", |secret| {
            let names = if secret[0] { "K,n" } else { "k,N" };
            format!("{names}\n{}", rows(secret, |place, _| format!("g{place:02},{}\n", ten(place))))
        }),
        ("low digits", |secret| {
            let row = |place, bit| format!("g{place:02},{}.000000000000{}\n", ten(place), u8::from(bit));
            format!("k,n\n{}", rows(secret, row))
        }),
        ("trailing zeros", |secret| {
            let row = |place, bit| format!("g{place:02},{}{}\n", ten(place), if bit { ".00" } else { "" });
            format!("k,n\n{}", rows(secret, row))
        }),
        ("exponents", |secret| {
            let row = |place, bit| {
                if bit { format!("g{place:02},{}e1\n", place + 1) } else { format!("g{place:02},{}\n", ten(place)) }
            };
            format!("k,n\n{}", rows(secret, row))
        }),
        ("case of exponents", |secret| {
            let row = |place, bit| format!("g{place:02},{}{}\n", place + 1, if bit { "E+1" } else { "e1" });
            format!("k,n\n{}", rows(secret, row))
        }),
        ("signs", |secret| {
            let row = |place, bit| format!("g{place:02},{}{}\n", if bit { "+" } else { "" }, ten(place));
            format!("k,n\n{}", rows(secret, row))
        }),
        ("quoting", |secret| {
            let row = |place, bit| {
                if bit {
                    format!("\"g{place:02}\",{}\n", ten(place))
                } else {
                    format!("g{place:02},\"{}\"\n", ten(place))
                }
            };
            format!("k,n\n{}", rows(secret, row))
        }),
        ("spaces", |secret| {
            let row = |place, bit| format!("g{place:02}{},{}\n", if bit { " " } else { "" }, ten(place));
            format!("k,n\n{}", rows(secret, row))
        }),
        ("ends of lines", |secret| {
            let row = |place, bit| format!("g{place:02},{}{}", ten(place), if bit { "\r\n" } else { "\n" });
            format!("k,n\n{}", rows(secret, row))
        }),
        ("empty lines", |secret| {
            let row = |place, bit| format!("g{place:02},{}\n{}", ten(place), if bit { "\n" } else { "" });
            format!("k,n\n{}", rows(secret, row))
        }),
        ("byte order mark and last end", |secret| {
            let text = format!("k,n\n{}", rows(secret, |place, _| format!("g{place:02},{}\n", ten(place))));
            if secret[0] { format!("\u{FEFF}{}", text.trim_end()) } else { text }
        }),
        ("composed letters", |secret| {
            let row = |place, bit| format!("{}{place:02},{}\n", if bit { "e\u{301}" } else { "é" }, ten(place));
            format!("k,n\n{}", rows(secret, row))
        }),
        ("dashes and quotes", |secret| {
            let row = |place, bit| {
                let (dash, quote) = if bit { ('\u{2013}', '\u{2019}') } else { ('-', '\'') };
                format!("a{dash}b{quote}s {place:02},{}\n", ten(place))
            };
            format!("k,n\n{}", rows(secret, row))
        }),
        ("no-break spaces", |secret| {
            let row = |place, bit| format!("g{}{place:02},{}\n", if bit { '\u{A0}' } else { ' ' }, ten(place));
            format!("k,n\n{}", rows(secret, row))
        }),
        ("minus zero", |secret| {
            let row = |place, bit| format!("g{place:02},{}\n", if bit { "-0.0" } else { "0" });
            format!("k,x\n{}", rows(secret, row))
        }),
        ("what is no number", |secret| {
            let row = |place, bit| format!("g{place:02},{},{}\n", if bit { "NaN" } else { "-inf" }, ten(place));
            format!("k,x,n\n{}", rows(secret, row))
        }),
        ("empty or missing", |secret| {
            let row = |place, bit| format!("g{place:02},{},{}\n", if bit { "\"\"" } else { "" }, ten(place));
            format!("k,x,n\n{}", rows(secret, row))
        }),
        ("case of words, zones and fractions of moments", |secret| {
            let row = |place, bit| {
                let (word, moment) =
                    if bit { ("TRUE", "2024-02-03T10:00:00.123Z") } else { ("true", "2024-02-03 11:00:00+01:00") };
                format!("g{place:02},{word},{moment}\n")
            };
            format!("k,seen,at\n{}", rows(secret, row))
        }),
    ];
}

proptest! {
    #[test]
    fn threat_34_no_encoder_gets_a_bit_through(secret in prop::collection::vec(any::<bool>(), 64), other in prop::collection::vec(any::<bool>(), 64)) {
        for (name, encode) in encoders::ALL {
            let form = |bits: &[bool]| {
                let written = encode(bits);
                let names = written.trim_start_matches('\u{FEFF}').lines().next().unwrap().to_ascii_lowercase();
                let mut declared: Vec<String> = names.split(',').map(str::to_owned).collect();
                declared.sort();
                canonicalise(&parse_csv(written.as_bytes()).unwrap(), &Form { declared: Some(declared), ..Form::default() }).unwrap()
            };
            prop_assert!(form(&secret).bytes() == form(&other).bytes(), "{}", name);
            prop_assert!(form(&secret).schema() == form(&other).schema(), "{}", name);
        }
    }
}

#[test]
fn threat_34_what_a_spelling_says_is_dropped_or_refused() {
    // one spelling alone does not change what the schema says
    for (one, other) in
        [("x\n1\n2\n", "x\n1.0\n2\n"), ("x,k\nNaN,a\n", "x,k\n,a\n"), ("x\n10000000000000\n", "x\n1e13\n")]
    {
        assert_eq!(csv(one).unwrap().schema(), csv(other).unwrap().schema(), "{one}");
    }
    for written in [
        // two columns of one name could be told apart by their order
        "a,A\n1,2\n",
        // characters that only a machine tells apart
        "k\na\u{200B}\n",
        "k\n\u{430}bc\n",
        "k\na\u{FE0F}\n",
        "k\na\tb\n",
        "k\n\u{FF11}\n",
    ] {
        assert!(csv(written).is_err(), "{written:?}");
    }
}

#[test]
fn threat_36_names_carry_nothing_that_was_not_declared() {
    let declared = Form { declared: Some(vec!["k".into(), "n".into()]), ..Form::default() };
    for written in ["k,secret\na,1\n", "k,n_1\na,1\n", "k, n;\na,1\n"] {
        assert!(parse_csv(written.as_bytes()).and_then(|table| canonicalise(&table, &declared)).is_err(), "{written}");
    }
}
