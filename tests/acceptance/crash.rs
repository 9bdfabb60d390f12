//! kill −9 of a TRE at moments spread over the whole way of a task: nothing is lost, and there is one run and one release of each.

use crate::federation::{Federation, PATIENCE};
use protocol::lifecycle::Phase;
use protocol::record::Kind;
use protocol::record::submission::TaskId;
use protocol::wire::envelope::Signed;
use std::collections::BTreeMap;
use std::time::Duration;
use testnet::cluster::{HUB, until};

/// Kills after a submission, at so many moments.
const MOMENTS: u64 = 8;

/// The distance between two moments.
const APART: Duration = Duration::from_millis(60);

/// How many statements of each kind a TRE has made about a task, as one node tells it.
async fn made(federation: &Federation, at: &str, task: &TaskId, tre: &str) -> BTreeMap<Kind, usize> {
    let mut kinds = BTreeMap::new();
    for bytes in federation.cluster.watch(at).about(*task).await.unwrap() {
        let signed = Signed::parse(&bytes).unwrap();
        if signed.claims().issuer == tre {
            *kinds.entry(signed.kind()).or_insert(0) += 1;
        }
    }
    kinds
}

async fn kill_and_restart(federation: &mut Federation, tre: &str) {
    federation.cluster.kill_node(tre).await.unwrap();
    federation.cluster.start_node(tre).unwrap();
    federation.cluster.wait_ready(tre).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_tre_goes_on_where_its_journal_ends() {
    let mut federation = Federation::started(200).await;
    let mut tasks = Vec::new();
    for moment in 0..MOMENTS {
        let task = federation.count_persons(Some("tre-a")).await;
        tokio::time::sleep(APART * u32::try_from(moment).unwrap()).await;
        kill_and_restart(&mut federation, "tre-a").await;
        tasks.push(task);
    }
    for task in &tasks {
        federation.until(task, "tre-a", Phase::Held).await;
    }
    // Held, and killed once more: the review is the same byte for byte.
    let before = federation.cluster.watch("tre-a").review(tasks[0]).await.unwrap();
    kill_and_restart(&mut federation, "tre-a").await;
    let after = federation.cluster.watch("tre-a").review(tasks[0]).await.unwrap();
    assert_eq!((before.run, before.commitment), (after.run, after.commitment));
    assert!(
        before.run.is_some()
            && before.outputs.iter().map(|one| &one.bytes).eq(after.outputs.iter().map(|one| &one.bytes))
    );

    for (number, task) in (0_u32..).zip(&tasks) {
        federation.approve(task, "tre-a").await;
        tokio::time::sleep(APART / 4 * number).await;
        kill_and_restart(&mut federation, "tre-a").await;
    }
    for task in &tasks {
        federation.until(task, "tre-a", Phase::Released).await;
        for at in ["tre-a", HUB] {
            // The word travels to the hub; that it is only one of each kind is what counts.
            let late = || format!("{at} does not know the release of {}", task.short());
            let made = until(PATIENCE, late, async || {
                let made = made(&federation, at, task, "tre-a").await;
                Ok(made.contains_key(&Kind::Release).then_some(made))
            })
            .await
            .unwrap();
            assert_eq!((made.get(&Kind::Run), made.get(&Kind::Release)), (Some(&1), Some(&1)), "{at}: {made:?}");
        }
        let (said, out) = federation.fetch(task).await;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        federation.must(&["verify", &out.display().to_string()]).await;
    }
    federation.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_acknowledged_reaches_a_tre_that_was_away() {
    let mut federation = Federation::started(60).await;
    federation.cluster.kill_node("tre-a").await.unwrap();
    let task = federation.count_persons(Some("tre-a")).await;
    federation.cluster.kill_node(HUB).await.unwrap();
    federation.cluster.start_node("tre-a").unwrap();
    federation.cluster.start_node(HUB).unwrap();
    for name in [HUB, "tre-a"] {
        federation.cluster.wait_ready(name).await.unwrap();
    }
    federation.until(&task, "tre-a", Phase::Held).await;
}
