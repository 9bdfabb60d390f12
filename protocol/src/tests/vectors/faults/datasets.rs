//! What a TRE publishes of a dataset, with one fault each.

use super::super::dataset;
use super::Forge;
use crate::record::dataset::{Dataset, Schema};
use crate::record::payload::DAY;
use crate::record::{Kind, Payload as _};
use crate::wire::codec;
use crate::wire::envelope::Claims;

/// One statement for each rule of the kind.
pub(super) fn faults(forge: &mut Forge) {
    let good = dataset();
    forge.add("a person signs the schema of a dataset", &forge.sealed(&good, "olga", DAY));
    forge.add("a hub signs the schema of a dataset", &forge.sealed(&good, "hub", DAY));
    forge.add("a TRE signs the schema of another's dataset", &forge.sealed(&good, "south", DAY));
    type Change = fn(&mut Dataset);
    let faults: [(&str, Change); 12] = [
        ("a dataset without a name", |one| one.name.clear()),
        ("a dataset of version 0", |one| one.version = 0),
        ("a schema in a dialect with a blank", |one| schema(one).dialect = "two words".to_owned()),
        ("a schema with its relations in another order", |one| schema(one).relations.reverse()),
        ("a schema with a relation twice", |one| {
            let first = schema(one).relations[0].clone();
            schema(one).relations.insert(0, first);
        }),
        ("a relation without a name", |one| schema(one).relations[0].name.clear()),
        ("a relation with a name of 64 bytes", |one| schema(one).relations[0].name = "n".repeat(64)),
        ("a relation without columns", |one| schema(one).relations[0].columns.clear()),
        ("a relation with a column twice", |one| {
            let first = schema(one).relations[0].columns[0].clone();
            schema(one).relations[0].columns.push(first);
        }),
        ("a column without a name", |one| schema(one).relations[0].columns[0].name.clear()),
        ("a column with a line break in its name", |one| schema(one).relations[0].columns[0].name = "a\nb".to_owned()),
        ("a subject that is no column", |one| schema(one).relations[1].subject = Some("patient_id".to_owned())),
    ];
    for (fault, change) in faults {
        let mut bad = good.clone();
        change(&mut bad);
        forge.add(fault, &forge.sealed(&bad, "north", DAY));
    }
    let mut other = codec::encode(&good).unwrap();
    let at = other.windows(9).position(|window| window == b"timestamp").unwrap();
    other[at..at + 9].copy_from_slice(b"timestomp");
    let claims = Claims { issuer: "north".to_owned(), subject: good.subject(), ..Forge::claims() };
    forge.add("a column of a type that does not exist", &forge.seal(Kind::Dataset, &claims, other, "north"));
}

fn schema(dataset: &mut Dataset) -> &mut Schema {
    dataset.schema.as_mut().expect("the dataset has one")
}
