//! What the host witnesses is the same figure with the same evidence, whichever engine holds the data.

use super::*;
use crate::statement::admit_witnessed;
use crate::witness::{Measure, Question, Tabulation, WitnessedTable};

async fn tabulate(database: &dyn Database, relation: &str, question: Question) -> WitnessedTable {
    let (dialect, relations) = (database.dialect(), database.relations());
    let witnessed =
        admit_witnessed(relation, dialect, relations).unwrap_or_else(|error| panic!("{dialect} {relation}: {error}"));
    let narrowed = question.narrowed(witnessed.statement.sql(), &witnessed.subject);
    let statement =
        admit(&narrowed, dialect, relations).unwrap_or_else(|error| panic!("{dialect} {narrowed}: {error}"));
    let (schema, batches) = read(&*database.begin(MOST).await.unwrap(), &statement, &[])
        .await
        .unwrap_or_else(|error| panic!("{dialect} {narrowed}: {}", error.for_reviewer()));
    let tabulation = Tabulation::new(question, &schema, &witnessed.subject, 1_000, 100_000);
    let mut tabulation = tabulation.unwrap_or_else(|error| panic!("{dialect} {narrowed}: {error}"));
    batches.iter().for_each(|batch| tabulation.push(batch).unwrap());
    tabulation.finish(witnessed.statement.sql().to_owned(), "omop".into())
}

/// For each figure, the subjects behind it; the order in which an engine gave them does not count.
fn behind(table: &WitnessedTable) -> Vec<Vec<Vec<&Vec<u8>>>> {
    let found = &table.contributors;
    let at = |place: &u32| usize::try_from(*place).unwrap();
    let set = |set: &Option<u32>| {
        let places = set.iter().flat_map(|set| &found.sets[at(set)]);
        let mut subjects: Vec<&Vec<u8>> = places.map(|place| &found.subjects[at(place)]).collect();
        subjects.sort();
        subjects
    };
    found.of.iter().map(|row| row.iter().map(set).collect()).collect()
}

#[tokio::test]
async fn witnessed_figures_and_their_evidence_are_the_same_on_every_engine() {
    let engines = Engines::open("witness", &tables(), &["person", "visit_occurrence"]).await;
    let question = |by: &[&str], measures: &[Measure]| Question {
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        measures: measures.to_vec(),
    };
    let joined = "select p.person_id, p.sex, v.cost, v.visit_start_date from visit_occurrence v join person p on p.person_id = v.person_id";
    let bins = "select person_id, floor((weight - CAST(0.0 AS DOUBLE PRECISION)) / CAST(2.0 AS DOUBLE PRECISION)) as bin_from from person";
    let cases = [
        ("person", question(&["sex"], &[Measure::Count, Measure::Subjects])),
        ("person", question(&["sex"], &[Measure::Mean("weight".into()), Measure::Variance("weight".into())])),
        (
            joined,
            question(&["sex", "visit_start_date"], &[Measure::CountOf("cost".into()), Measure::Sum("cost".into())]),
        ),
        (joined, question(&[], &[Measure::Covariance("cost".into(), "person_id".into())])),
        (bins, question(&["bin_from"], &[Measure::Count])),
    ];
    for (relation, question) in cases {
        let mut expected: Option<WitnessedTable> = None;
        for database in &engines.all {
            let table = tabulate(&**database, relation, question.clone()).await;
            match &expected {
                None => expected = Some(table),
                Some(expected) => {
                    let dialect = database.dialect();
                    assert!(expected.rows == table.rows, "{dialect} {relation}: other figures");
                    assert!(expected.evidence == table.evidence, "{dialect} {relation}: other evidence");
                    assert!(behind(expected) == behind(&table), "{dialect} {relation}: other contributors");
                }
            }
        }
    }
}
