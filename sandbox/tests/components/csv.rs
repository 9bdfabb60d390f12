//! What `sql` writes.

use crate::bench::{Bench, people};

#[tokio::test]
async fn a_query_becomes_csv() {
    let bench = Bench::new().await;
    let csv = bench
        .csv("SELECT person_id, weight, note, age > 20 AS adult, DATE '2024-02-29' AS day FROM person ORDER BY person_id")
        .await;
    let mut lines = csv.lines();
    assert_eq!(lines.next().unwrap(), "person_id,weight,note,adult,day");
    for p in people() {
        let weight = p.weight.map(|weight| weight.to_string()).unwrap_or_default();
        let expected = format!("{},{weight},\"{}, \"\"quoted\"\"\",{},2024-02-29", p.id, p.sex, p.age > 20);
        assert_eq!(lines.next().unwrap(), expected);
    }
    assert_eq!(lines.next(), None);

    assert_eq!(bench.csv("SELECT sex FROM person WHERE age > 1000").await, "sex\n");
}

#[tokio::test]
async fn a_long_answer_crosses_batches_and_writes_without_a_gap() {
    let bench = Bench::new().await;
    let query = "SELECT a.person_id * 3600 + b.person_id * 60 + c.person_id AS k FROM person a CROSS JOIN person b CROSS JOIN person c";
    let csv = bench.csv(query).await;
    let mut keys: Vec<u32> = csv.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, (3661..3661 + 216_000).collect::<Vec<u32>>());
}
