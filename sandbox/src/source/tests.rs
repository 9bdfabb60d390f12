//! Outputs of every kind against real files in the real engine: what is found, what is not, and where it stops.

use super::*;
use crate::database::Database as _;
use crate::database::datafusion::{DataFusionDatabase, Options};
use futures::FutureExt as _;
use std::fmt::Write as _;
use std::fs;
use tempfile::TempDir;

/// 1,000 persons with small keys and one admission each, and a register of 200 with keys of ten digits.
struct Hospital {
    folder: TempDir,
    sessions: Vec<Arc<dyn Session>>,
}

fn session(folder: &TempDir, tables: &[&str], subject: &str) -> Arc<dyn Session> {
    let options = Options {
        directory: folder.path().into(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        subject: Some(subject.into()),
        ..Options::default()
    };
    let begun = DataFusionDatabase::open(options).unwrap().begin(Duration::MAX).now_or_never();
    begun.unwrap().unwrap()
}

/// Birth, month, weight, postcode and day of admission of a person.
fn person(id: u32) -> (u32, u32, f64, String, String) {
    let weight = f64::from(40_000 + id * 7919 % 60_000) / 1_000.0;
    let postcode = format!("AB{} {}XY", id % 97, id % 9);
    (1930 + id * 31 % 70, 1 + id % 12, weight, postcode, format!("2021-{:02}-{:02}", 1 + id % 12, 1 + id % 28))
}

impl Hospital {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut persons = String::from("person_id,birth,month,weight,postcode,admitted,note\n");
        for id in 1..=1_000 {
            let (birth, month, weight, postcode, admitted) = person(id);
            writeln!(persons, "{id},{birth},{month},{weight},{postcode},{admitted},").unwrap();
        }
        let mut register = String::from("NHS_Number,unit\n");
        for id in 0..200_u64 {
            writeln!(register, "{},u{}", 9_434_765_919 + id * 11, id % 4).unwrap();
        }
        let concepts =
            "concept_id,code,name,origin\n10001,abcd,fever,icd10\n10002,abce,cough,icd10\n10003,abcf,asthma,icd11\n";
        fs::write(folder.path().join("person.csv"), persons).unwrap();
        fs::write(folder.path().join("register.csv"), register).unwrap();
        fs::write(folder.path().join("concept.csv"), concepts).unwrap();
        let sessions =
            vec![session(&folder, &["person", "concept"], "person_id"), session(&folder, &["register"], "nhs_number")];
        Self { folder, sessions }
    }

    async fn compare_until(&self, outputs: &[&[u8]], until: Instant) -> Vec<SourceFacts> {
        let output = |bytes: &&[u8]| {
            let source = SourceFacts::default();
            Output {
                name: "t".into(),
                content: Content::Opaque { media_type: "text/csv".into(), bytes: bytes.to_vec(), source },
            }
        };
        let mut outputs: Vec<Output> = outputs.iter().map(output).collect();
        let read = Read { sessions: self.sessions.clone(), rows: 7, subjects: 3 };
        let mut comparison = Comparison::new(&outputs, read);
        comparison.run(until).await;
        comparison.finish(&mut outputs);
        let facts = outputs.into_iter().map(|output| match output.content {
            Content::Opaque { source, .. } => source,
            Content::Witnessed(_) => panic!("nothing here was witnessed"),
        });
        facts.collect()
    }

    async fn compare(&self, output: &str) -> SourceFacts {
        let until = Instant::now() + Duration::from_secs(60);
        self.compare_until(&[output.as_bytes()], until).await.remove(0)
    }
}

/// Rows of the persons under these names.
fn copied(header: &str, ids: impl Iterator<Item = u32>) -> String {
    let mut csv = format!("{header}\n");
    for id in ids {
        let (birth, month, weight, postcode, admitted) = person(id);
        writeln!(csv, "{id},{birth},{month},{weight:.5},{},{admitted}T00:00:00Z", postcode.to_lowercase()).unwrap();
    }
    csv
}

#[tokio::test]
async fn threat_33_copied_rows_are_found_however_they_are_spelt() {
    let hospital = Hospital::new();
    let facts = hospital.compare(&copied("person_id,birth,month,weight,postcode,admitted", 501..=505)).await;
    assert!(facts.probed);
    assert_eq!((facts.equal_rows, facts.rows_read, facts.subjects_read), (5, 7, 3));
    // keys below five digits could be counts
    assert!(facts.key_hits.is_empty());
    // other names: weight, postcode and day tell enough
    assert_eq!(hospital.compare(&copied("a,b,c,d,e,f", 501..=505)).await.equal_rows, 5);
    // two of a row's columns are no row
    let pairs: String = (501..=520).map(|id| format!("{},{:.3}\n", person(id).3, person(id).2)).collect();
    assert_eq!(hospital.compare(&format!("postcode,weight\n{pairs}")).await.equal_rows, 0);
    // and neither are three of different rows
    let mixed: String =
        (501..=520).map(|id| format!("{},{:.3},{}\n", person(id).3, person(id + 30).2, person(id + 61).4)).collect();
    assert_eq!(hospital.compare(&format!("postcode,weight,admitted\n{mixed}")).await.equal_rows, 0);
}

#[tokio::test]
async fn copied_rows_among_others_are_counted_alone() {
    let hospital = Hospital::new();
    let mut csv = copied("person_id,birth,month,weight,postcode,admitted", 501..=505);
    for n in 0..300 {
        writeln!(csv, "{},{},13,{}.5,zz{n},2031-01-01", n + 5_000, n, n + 1_000).unwrap();
    }
    let facts = hospital.compare(&csv).await;
    assert_eq!((facts.equal_rows, facts.probed), (5, true));
}

#[tokio::test]
async fn an_aggregate_repeats_no_row() {
    let hospital = Hospital::new();
    // a group key of three columns that stands in many persons' rows, and counts that are small keys
    let mut births = std::collections::BTreeMap::new();
    for id in 1..=1_000 {
        let (birth, month, weight, ..) = person(id);
        let cell: &mut (u32, f64) = births.entry((birth / 10 * 10, month)).or_default();
        *cell = (cell.0 + 1, cell.1 + weight);
    }
    let mut csv = String::from("birth,month,n,mean_weight,sum_weight\n");
    for ((birth, month), (n, sum)) in births {
        writeln!(csv, "{birth},{month},{n},{},{sum}", sum / f64::from(n)).unwrap();
    }
    let facts = hospital.compare(&csv).await;
    assert_eq!((facts.equal_rows, facts.probed), (0, true));
    assert!(facts.key_hits.is_empty());
    // vocabularies are nobody's rows
    let codes = "concept_id,code,name\n10001,abcd,fever\n10002,abce,cough\n10003,abcf,asthma\n";
    let facts = hospital.compare(codes).await;
    assert_eq!((facts.equal_rows, facts.probed), (0, true));
}

#[tokio::test]
async fn what_many_persons_share_is_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = String::from("person_id,region,ward,year\n");
    for id in 0..120_u32 {
        // wards 0 to 3 have 20 persons or more, ward 4 has nine, and one of them stands in two rows
        let ward = if id < 111 { id % 4 } else { 4 };
        writeln!(csv, "{id},north {ward},ward {ward},{}", 2_000 + ward).unwrap();
    }
    writeln!(csv, "119,north 4,ward 4,2004").unwrap();
    fs::write(folder.path().join("stay.csv"), csv).unwrap();
    let sessions = vec![session(&folder, &["stay"], "person_id")];
    let hospital = Hospital { folder, sessions };
    let groups: String = (0..5).map(|ward| format!("north {ward},ward {ward},{}\n", 2_000 + ward)).collect();
    assert_eq!(hospital.compare(&format!("region,ward,year\n{groups}")).await.equal_rows, 1);
}

#[tokio::test]
async fn threat_33_keys_of_subjects_are_found_column_by_column() {
    let hospital = Hospital::new();
    let mut csv = String::from("Patient,n,\n");
    for id in 0..50_u64 {
        writeln!(csv, "{},{},{}", 9_434_765_919 + id * 11, id + 1, 9_434_765_919 + id % 2 * 11).unwrap();
    }
    let facts = hospital.compare(&csv).await;
    assert!(facts.probed);
    assert_eq!(facts.key_hits, [("column 3".to_owned(), 2), ("patient".to_owned(), 50)].into());
    assert_eq!(facts.equal_rows, 0);
    // numbers of the same form that are nobody's
    let strangers: String = (0..50_u64).map(|id| format!("{}\n", 9_434_765_920 + id * 11)).collect();
    assert!(hospital.compare(&format!("patient\n{strangers}")).await.key_hits.is_empty());
}

#[tokio::test]
async fn a_table_of_counts_has_no_keys_where_persons_are_numbered_from_one() {
    let hospital = Hospital::new();
    let mut csv = String::from("age,n,share\n");
    for n in 1..=1_000 {
        writeln!(csv, "{},{n},{n}.0", n % 90).unwrap();
    }
    let facts = hospital.compare(&csv).await;
    assert_eq!((facts.probed, facts.key_hits.len(), facts.equal_rows), (true, 0, 0));
}

#[tokio::test]
async fn what_cannot_be_compared_is_not_called_compared() {
    let hospital = Hospital::new();
    let key = "9434765919";
    let long: String = (0..5_001).map(|n| format!("{n}\n")).collect();
    for (output, keys) in [
        (b"".to_vec(), 0),
        (b"\x89PNG\r\n\x1a\n\xff\xfe".to_vec(), 0),
        // what stands before the fault was still looked at
        (format!("a,b\n{key},1\n2\n").into_bytes(), 1),
        ([format!("a\n{key}\n").as_bytes(), b"\xff\n"].concat(), 1),
        (format!("a\n{long}{key}\n").into_bytes(), 1),
    ] {
        let until = Instant::now() + Duration::from_secs(60);
        let facts = hospital.compare_until(&[&output, b"a\n1\n"], until).await;
        assert!(!facts[0].probed && facts[1].probed);
        assert_eq!(facts[0].key_hits.values().sum::<u64>(), keys);
    }
}

#[tokio::test]
async fn time_and_a_failing_engine_end_it_and_keep_what_was_found() {
    let hospital = Hospital::new();
    let csv = copied("person_id,birth,month,weight,postcode,admitted", 501..=505);
    let past = hospital.compare_until(&[csv.as_bytes()], Instant::now()).await.remove(0);
    assert_eq!((past.probed, past.equal_rows), (false, 0));
    // the second dataset changes after it was opened: the first was read
    fs::write(hospital.folder.path().join("register.csv"), "nhs_number,unit\n1,u\n").unwrap();
    let facts = hospital.compare(&csv).await;
    assert_eq!((facts.probed, facts.equal_rows), (false, 5));
    assert_eq!(time(Duration::ZERO), Duration::from_secs(5));
    assert_eq!(time(Duration::from_secs(7)), Duration::from_secs(7));
    assert_eq!(time(Duration::from_secs(600)), Duration::from_secs(30));
}

#[tokio::test]
async fn every_output_of_a_run_is_compared_by_itself() {
    let hospital = Hospital::new();
    let copies = copied("person_id,birth,month,weight,postcode,admitted", 601..=603);
    let outputs: [&[u8]; 3] = [b"a,b\n1,2\n", copies.as_bytes(), b"nhs\n9434765930\n"];
    let facts = hospital.compare_until(&outputs, Instant::now() + Duration::from_secs(60)).await;
    assert_eq!(facts.iter().map(|facts| facts.equal_rows).collect::<Vec<_>>(), [0, 3, 0]);
    assert_eq!(facts.iter().map(|facts| facts.key_hits.len()).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(format!("{:?}", facts[1]), "SourceFacts(..)");
}
