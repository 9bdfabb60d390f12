//! What a researcher sees and gets of an aggregate that is final, and of one that would tell about a single TRE.

use super::*;
use protocol::disclosure::table::{CellType, Column, Measure};
use protocol::wire::id::StatementId;
use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Keeps what is printed.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Counts by sex.
fn by_sex(counts: [Option<i64>; 3]) -> Table {
    let key = Column { name: "sex".into(), ty: CellType::Integer, role: Role::Key };
    let n = Column { name: "n".into(), ty: CellType::Integer, role: Role::Measure(Measure::Count) };
    let row = |(sex, n): (i64, Option<i64>)| vec![Cell::Integer(sex), n.map_or(Cell::Null, Cell::Integer)];
    Table { columns: vec![key, n], rows: (1..).zip(counts).map(row).collect() }
}

/// Three TREs' counts of one task.
fn gathered(parts: [[Option<i64>; 3]; 3]) -> Gathered {
    let answers = ["leeds", "london", "oxford"]
        .into_iter()
        .zip(parts)
        .map(|(tre, counts)| (tre.to_owned(), Answer::Released(BTreeMap::from([("sex".to_owned(), by_sex(counts))]))));
    Gathered {
        task: StatementId::of(b"a task"),
        submission: submission(),
        answers: answers.collect(),
        policy: Policy::default(),
        notes: Vec::new(),
    }
}

fn submission() -> Submission {
    Submission {
        project: "stroke".into(),
        title: "Who".into(),
        component: protocol::wire::id::Digest::of(b"a component"),
        component_bytes: 1,
        parameters: BTreeMap::new(),
        datasets: Vec::new(),
        outputs: Vec::new(),
        audience: Vec::new(),
        reply_to: String::new(),
    }
}

fn args(out: &Path, provisional: bool) -> Args {
    Args { dirs: Vec::new(), out: Some(out.to_owned()), provisional, plot: false, svg: None, network: None }
}

/// What is printed.
fn shown(args: &Args, gathered: &Gathered, json: bool) -> String {
    let (out, talk) = (Paper::default(), Paper::default());
    present(args, gathered, &Speak::into(Box::new(out.clone()), Box::new(talk), json)).unwrap();
    out.text()
}

const NORTH: [Option<i64>; 3] = [Some(40), Some(50), Some(60)];

#[test]
fn threat_46_an_aggregate_that_shows_the_small_tre_is_not_final() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sex.csv");
    let small = gathered([NORTH, [Some(41), Some(31), Some(22)], [Some(3), Some(30), Some(23)]]);
    let said = shown(&args(&out, false), &small, false);
    assert!(said.starts_with("NOT FINAL: it would tell about a single TRE (oxford)"), "{said}");
    assert!(said.contains("✗ sex sex=1 n: Only oxford has fewer than 10 here"), "{said}");
    assert!(said.contains("(blank)") && !said.contains("84"), "{said}");
    assert_eq!(fs::read_to_string(&out).unwrap(), "sex,n\n1,\n2,111\n3,105\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let told: Value = serde_json::from_str(&shown(&args(&out, true), &small, true)).unwrap();
    assert_eq!((&told["final"], &told["ok"]), (&false.into(), &true.into()));
    assert_eq!(told["findings"][0]["tre"], "oxford");
    assert_eq!(told["findings"][0]["rule"], "subtraction");
    assert_eq!(told["outputs"]["sex"]["rows"], json!([[1, null], [2, 111], [3, 105]]));
    assert_eq!(told["outputs"]["sex"]["blanked"], json!([[0, 1]]));
    let provisional = folder.path().join("sex.provisional.csv");
    assert_eq!(fs::read_to_string(provisional).unwrap(), "sex,n\n1,84\n2,111\n3,105\n");
}

#[test]
fn an_aggregate_without_findings_is_final_and_has_no_provisional_form() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("merged");
    let sound = gathered([NORTH, [Some(41), Some(31), Some(22)], [Some(30), Some(30), None]]);
    let said = shown(&args(&out, true), &sound, false);
    assert!(said.starts_with("final: nothing"), "{said}");
    assert!(said.contains("(without oxford)"), "{said}");
    assert_eq!(fs::read_to_string(out.join("sex.csv")).unwrap(), "sex,n\n1,111\n2,111\n3,\n");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    let told: Value = serde_json::from_str(&shown(&args(&out, false), &sound, true)).unwrap();
    assert_eq!((&told["final"], &told["findings"]), (&true.into(), &json!([])));
    assert_eq!(told["outputs"]["sex"]["partial"], json!([{ "row": 2, "column": 1, "missing": ["oxford"] }]));
}

#[test]
fn the_strictest_of_several_policies_counts() {
    let (one, other) = (
        Policy { threshold: 5, minimum_interval: 20, ..Policy::default() },
        Policy { p_ratio_percent: 15, ..Policy::default() },
    );
    let both = stricter(one, other);
    assert_eq!((both.threshold, both.p_ratio_percent, both.minimum_interval), (10, 15, 20));
    assert_eq!(stricter(other, one), both);
}
