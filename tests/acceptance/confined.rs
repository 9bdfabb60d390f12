//! Components in processes of their own, as an operator and a data owner meet them: what locks them in, and a task that is run again.

use crate::federation::Federation;
use protocol::lifecycle::Phase;
use std::io::Write as _;
use testnet::narrate::Show;

#[tokio::test(flavor = "multi_thread")]
async fn threat_31_a_held_task_gives_the_same_commitment_again_and_again_until_the_data_changes() {
    let mut federation = Federation::started(60).await;
    let runner = &federation.cluster.runner;
    let task = federation.count_persons(Some("tre-a")).await;
    federation.until(&task, "tre-a", Phase::Held).await;
    let id = task.to_string();
    let replay = ["replay", &id, "--node", "nodes/tre-a", "--json"];
    for _ in 0..2 {
        let said = runner.must(&replay, Show::Nothing).await.unwrap().json().unwrap();
        assert_eq!((&said["ok"], &said["outputs"]["count"]), (&true.into(), &true.into()), "{said}");
        assert!(said["changed"].as_array().unwrap().is_empty(), "{said}");
    }
    // Whoever is not at the TRE cannot ask, and what is not held is not run.
    let over_the_network = ["replay", &id, "--node", &federation.cluster.hub];
    assert_eq!(runner.run(&over_the_network, Show::Nothing).await.unwrap().code, Some(1));
    let other = "0".repeat(64);
    let unknown = runner.run(&["replay", &other, "--node", "nodes/tre-a"], Show::Nothing).await.unwrap();
    assert!(unknown.code == Some(1) && unknown.stderr.contains("nothing is held here"), "{}", unknown.stderr);

    // After a restart the node reads what lies there then.
    federation.cluster.stop_node("tre-a").await.unwrap();
    let table = federation.cluster.layout.data("tre-a").join("person.csv");
    let text = std::fs::read_to_string(&table).unwrap();
    let last = text.lines().last().unwrap();
    let (_, rest) = last.split_once(',').unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&table).unwrap();
    writeln!(file, "999999999,{rest}").unwrap();
    drop(file);
    federation.cluster.start_node("tre-a").unwrap();
    federation.cluster.wait_ready("tre-a").await.unwrap();
    let said = federation.cluster.runner.run(&replay, Show::Nothing).await.unwrap();
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let answer = said.json().unwrap();
    assert_eq!((&answer["ok"], &answer["outputs"]["count"]), (&false.into(), &false.into()), "{answer}");
    assert_eq!(answer["changed"].as_array().unwrap().len(), 1, "{answer}");
    // What is held is what it was.
    federation.approve(&task, "tre-a").await;
    federation.until(&task, "tre-a", Phase::Released).await;
    federation.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn node_check_says_which_locks_hold_and_what_was_tried() {
    let federation = Federation::founded(60).await;
    let check = ["node", "check", "--config", "nodes/tre-a/node.toml"];
    let said = federation.cluster.runner.run(&check, Show::Nothing).await.unwrap();
    for words in
        ["confined (seccomp): the kernel ends it", "confined (no-new-privileges)", "tried and refused: read a file"]
    {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    let json = [check.as_slice(), &["--json"]].concat();
    let answer = federation.cluster.runner.run(&json, Show::Nothing).await.unwrap().json().unwrap();
    let confinement = &answer["confinement"];
    let count = |list: &str| confinement[list].as_array().unwrap().len();
    assert_eq!(count("held") + count("missing"), 5, "{answer}");
    assert_eq!(count("refused"), 9, "{answer}");
    // A layer that exists nowhere is a mistake with a sentence.
    let config = federation.cluster.layout.node("tre-a").join("node.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let wrong =
        text.lines().map(|line| if line.starts_with("accept_missing") { "accept_missing = [\"moat\"]" } else { line });
    std::fs::write(&config, wrong.collect::<Vec<_>>().join("\n")).unwrap();
    let said = federation.cluster.runner.run(&check, Show::Nothing).await.unwrap();
    assert!(said.code == Some(1) && said.stdout.contains("moat"), "{}{}", said.stdout, said.stderr);
}
