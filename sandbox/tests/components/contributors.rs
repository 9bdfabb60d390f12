//! Who stands behind the figures of `statistics`, and what of the data the host finds in the bytes of `sql`.

use crate::bench::{Bench, SQL, people, said};
use sandbox::output::{Content, SourceFacts};
use sandbox::value::Value;
use sandbox::witness::WitnessedTable;
use std::collections::BTreeSet;

/// The persons behind a figure.
fn behind(table: &WitnessedTable, row: usize, column: &str) -> BTreeSet<i64> {
    let contributors = &table.contributors;
    let column = table.columns.iter().position(|other| other.info.name == column).unwrap();
    let set = contributors.of[row][column].unwrap();
    let subjects = contributors.sets[usize::try_from(set).unwrap()].iter().map(|subject| {
        let bytes = &contributors.subjects[usize::try_from(*subject).unwrap()];
        assert_eq!(bytes[0], 2, "an integer");
        i64::from_be_bytes(bytes[1..].try_into().unwrap())
    });
    subjects.collect()
}

/// Every figure has a set as large as its evidence says, in ascending order; a key has none.
fn agree(table: &WitnessedTable) {
    let contributors = &table.contributors;
    assert_eq!(contributors.of.len(), table.rows.len());
    for (cells, evidence) in contributors.of.iter().zip(&table.evidence) {
        assert_eq!(cells.len(), evidence.len());
        for (cell, evidence) in cells.iter().zip(evidence) {
            assert_eq!(cell.is_some(), evidence.is_some());
            if let (Some(cell), Some(evidence)) = (cell, evidence) {
                let set = &contributors.sets[usize::try_from(*cell).unwrap()];
                assert_eq!(u64::try_from(set.len()).unwrap(), evidence.subjects);
                assert!(set.is_sorted_by(|a, b| a < b));
                assert!(set.iter().all(|subject| usize::try_from(*subject).unwrap() < contributors.subjects.len()));
            }
        }
    }
    let distinct: BTreeSet<&Vec<u8>> = contributors.subjects.iter().collect();
    assert_eq!(distinct.len(), contributors.subjects.len());
}

#[tokio::test]
async fn a_figure_over_a_column_has_those_who_have_it() {
    let bench = Bench::new().await;
    let table = bench.table("pmcc", &[("table", "person"), ("x", "weight"), ("y", "height"), ("by", "sex")]).await;
    agree(&table);
    assert_eq!(table.contributors.dataset, "omop");
    for (row, values) in table.rows.iter().enumerate() {
        let of_sex = people().into_iter().filter(|p| values[0] == Value::Text(p.sex.into()));
        let both: BTreeSet<i64> = of_sex.filter(|p| p.weight.is_some() && p.height.is_some()).map(|p| p.id).collect();
        assert_eq!(behind(&table, row, "covariance_weight_height"), both);
        // the component asks for rows that have both, so the group is the same set and is kept once
        assert_eq!(behind(&table, row, "mean_weight"), both);
    }
    assert_eq!(table.contributors.sets.len(), table.rows.len());
    let table = bench.table("mean", &[("table", "person"), ("column", "weight"), ("by", "smoker")]).await;
    agree(&table);
    for (row, values) in table.rows.iter().enumerate() {
        let with = people().into_iter().filter(|p| values[0] == Value::Text(p.smoker.into()) && p.weight.is_some());
        assert_eq!(behind(&table, row, "mean_weight"), with.map(|p| p.id).collect());
    }
}

#[tokio::test]
async fn a_person_with_several_rows_stands_once_and_through_a_join() {
    let bench = Bench::new().await;
    let relation =
        "SELECT v.person_id, p.sex, v.cost FROM visit v JOIN person p ON p.person_id = v.person_id WHERE p.age > 20";
    let table = bench.table("mean", &[("relation", relation), ("column", "cost"), ("by", "sex")]).await;
    agree(&table);
    for (row, values) in table.rows.iter().enumerate() {
        let chosen: BTreeSet<i64> = people()
            .into_iter()
            .filter(|p| p.age > 20 && values[0] == Value::Text(p.sex.into()))
            .map(|p| p.id)
            .collect();
        assert!(!chosen.is_empty());
        assert_eq!(behind(&table, row, "mean_cost"), chosen);
    }
}

#[tokio::test]
async fn threat_47_contributors_show_nothing_of_themselves() {
    let bench = Bench::new().await;
    let table = bench.table("count", &[("table", "person"), ("by", "sex")]).await;
    assert_eq!(format!("{:?}", table.contributors), "Contributors(..)");
}

/// What the host found in the result of a query.
async fn facts(bench: &Bench, handle: &str, query: &str) -> SourceFacts {
    let outputs = bench.run(SQL, &[handle], &[("query", query)], &["result"]).await;
    let mut outputs = outputs.unwrap_or_else(|failure| panic!("{}", said(&failure)));
    match outputs.outputs.remove(0).content {
        Content::Opaque { source, .. } => source,
        Content::Witnessed(_) => panic!("the component wrote bytes"),
    }
}

#[tokio::test]
async fn threat_33_rows_that_a_component_copies_are_found() {
    let bench = Bench::new().await;
    let found = facts(&bench, "omop", "SELECT * FROM person ORDER BY person_id LIMIT 5").await;
    assert!(found.probed);
    assert_eq!((found.rows_read, found.subjects_read, found.equal_rows), (5, 5, 5));
    let found = facts(&bench, "omop", "SELECT person_id, cost, visit_id FROM visit WHERE person_id < 11").await;
    assert_eq!((found.rows_read, found.subjects_read, found.equal_rows), (15, 10, 15));
    let found = facts(
        &bench,
        "omop",
        "SELECT smoker, age / 10 AS decade, count(*) AS n, avg(weight) AS mean_weight FROM person GROUP BY smoker, age / 10",
    )
    .await;
    assert_eq!((found.subjects_read, found.equal_rows, found.probed), (0, 0, true));
    assert!(found.rows_read > 10 && found.key_hits.is_empty());
}

#[tokio::test]
async fn threat_33_keys_that_a_component_copies_are_found() {
    let bench = Bench::new().await;
    let found = facts(&bench, "register", "SELECT nhs_number AS patient FROM register WHERE unit = 'east'").await;
    assert_eq!(found.key_hits, [("patient".to_owned(), 20)].into());
    // renamed, it is not counted as a subject read
    assert_eq!((found.rows_read, found.subjects_read, found.probed), (20, 0, true));
    let found = facts(&bench, "register", "SELECT unit, count(*) AS n FROM register GROUP BY unit").await;
    assert!(found.key_hits.is_empty() && found.probed);
}
