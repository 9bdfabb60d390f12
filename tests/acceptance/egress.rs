//! Nothing leaves before the quorum: held outputs are looked for, byte by byte, in everything that a node writes or gives away.

use crate::federation::Federation;
use protocol::lifecycle::Phase;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use testnet::cluster::{DATASET, HUB, RESEARCHER};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_held_output_appears_in_a_log_a_file_or_an_answer() {
    let mut federation = Federation::founded(300).await;
    federation.cluster.log_level = "debug";
    federation.cluster.start().await.unwrap();
    // Two persons have to agree, and the TRE has one: this quorum is never complete.
    let new = [
        "project",
        "new",
        "strict",
        "--title",
        "Two must agree",
        "--tre",
        "tre-a",
        "--dataset",
        DATASET,
        "--admin",
        "bob",
        "--approvals",
        "2",
    ];
    federation.must(&[new.as_slice(), &["--key", "people/bob", "--yes"]].concat()).await;
    federation
        .must(&[
            "network",
            "grant",
            RESEARCHER,
            "--role",
            "researcher",
            "--project",
            "strict",
            "--key",
            "people/bob",
            "--yes",
        ])
        .await;
    federation.bring().await;
    federation
        .cluster
        .wait_for("tre-a", |health| health.roster.projects == 2 && health.roster.grants == 5)
        .await
        .unwrap();

    let parameters = ["table=measurement", "analysis=variance", "column=value_as_number", "where=value_as_number > 0"];
    let mut args = vec!["--component", "statistics", "--project", "strict", "--tre", "tre-a"];
    parameters.iter().for_each(|parameter| args.extend(["--param", parameter]));
    let task = federation.submit(&args).await;
    federation.until(&task, "tre-a", Phase::Held).await;
    // What the owner sees is what is looked for: this makes sure that there is something to find.
    let id = task.to_string();
    let shown = federation.must(&["review", "show", &id, "--json", "--node", "nodes/tre-a"]).await.json().unwrap();
    let csv = shown["outputs"][0]["csv"].as_str().unwrap().to_owned();
    let mut secrets: Vec<String> =
        csv.lines().last().unwrap().split(',').filter(|cell| cell.len() > 7).map(ToOwned::to_owned).collect();
    assert!(!secrets.is_empty(), "the output has no figure that could be told from others: {csv}");
    secrets.push(csv.lines().last().unwrap().to_owned());

    look(&federation, &secrets, "held");
    federation.approve(&task, "tre-a").await;
    let waiting = federation.cluster.watch("tre-a").review(task).await.unwrap().waiting;
    assert_eq!((waiting.phase, waiting.attested_by), (Phase::Held, vec!["bob".to_owned()]));

    let key = format!("people/{RESEARCHER}");
    let fetch = ["fetch", &id, "--out", "early", "--key", &key, "--node", &federation.cluster.hub];
    let refused = federation.must_not(&fetch).await;
    look(&federation, &secrets, "half approved");
    for secret in &secrets {
        assert!(!refused.contains(secret.as_str()));
    }
    for name in ["tre-a", HUB] {
        for statement in federation.cluster.watch(name).about(task).await.unwrap() {
            let kind = protocol::wire::envelope::Signed::parse(&statement).unwrap().kind();
            use protocol::record::Kind;
            assert!(matches!(kind, Kind::Submission | Kind::Phase), "{name} gives a {kind} away before the release");
            assert!(!secrets.iter().any(|secret| contains(&statement, secret.as_bytes())));
        }
    }
    let status = federation.cluster.runner.ask(&["status", &id, "--node", "nodes/hub", "--key", &key]).await.unwrap();
    assert_eq!(status["tres"]["tre-a"]["outputs"], Value::Null);
    federation.cluster.stop().await.unwrap();
    look(&federation, &secrets, "stopped");
}

/// Logs and the whole state of every node: journal, blobs, custody, sockets' folder.
fn look(federation: &Federation, secrets: &[String], when: &str) {
    let folder = federation.cluster.layout.folder();
    let looked: Vec<PathBuf> =
        ["nodes", "logs", "federation"].iter().flat_map(|part| files(&folder.join(part))).collect();
    assert!(looked.iter().any(|path| path.ends_with("logs/tre-a.log")));
    assert!(
        looked.iter().any(|path| path.extension().is_some_and(|extension| extension == "held")),
        "nothing is in custody"
    );
    for path in looked {
        let bytes = fs::read(&path).unwrap();
        for secret in secrets {
            assert!(!contains(&bytes, secret.as_bytes()), "{when}: {} holds an output", path.display());
        }
    }
}
