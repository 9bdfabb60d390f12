//! The way of the data through real processes, with real-world files: commas, a Windows export with a byte order mark, and tabs.

use crate::federation::{Federation, PATIENCE};
use protocol::lifecycle::Phase;
use std::path::PathBuf;
use testnet::cluster::{PROJECT, RESEARCHER, TRES};
use testnet::demo::question::questions;

#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_the_demo_gives_the_pooled_figures() {
    let mut federation = Federation::started(600).await;
    let folders: Vec<PathBuf> = TRES.iter().map(|(tre, ..)| federation.cluster.layout.data(tre)).collect();
    for question in questions() {
        let task = federation.ask(&question).await;
        for (tre, ..) in TRES {
            federation.until(&task, tre, Phase::Held).await;
            federation.approve(&task, tre).await;
        }
        federation.answers(&question, &task, &folders).await;
    }
    federation.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_says_no_is_seen_in_the_result_and_nothing_of_it_leaves() {
    let mut federation = Federation::started(200).await;
    let query = "query=SELECT gender_concept_id, count(*) AS n FROM person GROUP BY gender_concept_id";
    let task = federation.submit(&["--component", "sql", "--project", PROJECT, "--all-tres", "--param", query]).await;
    for (tre, decision) in [("tre-a", "approve"), ("tre-b", "approve"), ("tre-c", "reject")] {
        federation.until(&task, tre, Phase::Held).await;
        federation.decide(&task, tre, decision).await;
    }
    let (said, out) = federation.fetch(&task).await;
    assert_eq!(said.code, Some(1), "a part is missing, and the exit code says so: {}", said.stdout);
    assert!(out.join("tre-a/result.csv").exists() && !out.join("tre-c").exists());
    let out = out.display().to_string();
    federation.must(&["verify", &out]).await;
    let answer = federation.cluster.runner.ask(&["aggregate", &out]).await.unwrap();
    let contributions = answer["contributions"].as_array().unwrap();
    assert_eq!(contributions.len(), 3);
    let declined = contributions.iter().find(|one| one["tre"] == "tre-c").unwrap();
    assert!(declined["state"]["declined"].is_string(), "{declined}");
    // One byte is enough.
    let csv = PathBuf::from(&out).join("tre-b/result.csv");
    let mut bytes = std::fs::read(&csv).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&csv, bytes).unwrap();
    let said = federation.must_not(&["verify", &out]).await;
    assert!(said.contains("tre-b/result.csv"), "{said}");
    federation.must_not(&["aggregate", &out]).await;
    federation.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_stops_where_it_runs() {
    let federation = Federation::started(60).await;
    federation.open_project().await;
    let endless = federation.endless_component();
    let task =
        federation.submit(&["--component", &endless, "--project", "open", "--tre", "tre-a", "--output", "never"]).await;
    federation.until(&task, "tre-a", Phase::Running).await;
    let (id, key) = (task.to_string(), format!("people/{RESEARCHER}"));
    federation
        .must(&["cancel", &id, "--reason", "a mistake", "--key", &key, "--node", &federation.cluster.hub, "--yes"])
        .await;
    federation.until(&task, "tre-a", Phase::Cancelled).await;
    assert_eq!(federation.standing(&task, "tre-a").await["phase"], "cancelled");
    // The place is free again.
    let next = federation.count_persons(Some("tre-a")).await;
    federation.cluster.watch("tre-a").until_phase(&next, Phase::Held, PATIENCE / 2).await.unwrap();
}
