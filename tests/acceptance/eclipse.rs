//! A node that is cut off from all hubs but one says so within a minute, and that it is over.

use crate::federation::Federation;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testnet::cluster::HUB;
use testnet::narrate::Show;
use testnet::proxy::{Line, Proxy};

/// Its minute, and what a busy machine adds to noticing that a line is dead.
const ALARM: Duration = Duration::from_secs(75);

#[tokio::test(flavor = "multi_thread")]
async fn threat_10_a_node_with_one_hub_left_of_three_is_degraded_within_a_minute() {
    let mut federation = Federation::founded(20).await;
    for name in ["hub-2", "hub-3"] {
        federation.cluster.another_hub(name, "Elsewhere").await.unwrap();
    }
    let hubs: Vec<String> = federation.cluster.hubs().map(|(_, address)| address.to_owned()).collect();
    let (mut lines, mut dialled) = (Vec::new(), Vec::new());
    for hub in &hubs {
        let parts: Vec<&str> = hub.split('/').collect();
        let target: SocketAddr = format!("{}:{}", parts[2], parts[4]).parse().unwrap();
        let line = Proxy::to(target).await.unwrap();
        dialled.push(hub.replace(parts[4], &line.address.port().to_string()));
        lines.push(line);
    }
    let config = federation.cluster.layout.node("tre-a").join("node.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let through = hubs.iter().zip(&dialled).fold(text, |text, (hub, line)| text.replace(hub, line));
    assert!(dialled.iter().all(|line| through.contains(line)));
    std::fs::write(&config, through).unwrap();
    for name in [HUB, "hub-2", "hub-3", "tre-a"] {
        federation.cluster.start_node(name).unwrap();
    }
    federation.cluster.wait_for("tre-a", |health| health.peers.len() == 3 && health.degraded.is_empty()).await.unwrap();
    let (log, config) = (federation.cluster.layout.log("tre-a"), config.display().to_string());
    let logged = |words: &str| std::fs::read_to_string(&log).unwrap().contains(words);
    let warning = "fewer than two of the peers that the settings name have been connected for a minute";

    lines[1].set(Line::Cut);
    lines[2].set(Line::Cut);
    let cut = Instant::now();
    let watch = federation.cluster.watch("tre-a");
    let told = loop {
        let degraded = watch.health().await.unwrap().degraded;
        if degraded
            .iter()
            .any(|sentence| sentence.contains("only 1 of the 3 peers") && sentence.contains("for more than a minute"))
        {
            break cut.elapsed();
        }
        assert!(cut.elapsed() < ALARM, "{degraded:?}");
        assert!(cut.elapsed() > Duration::from_secs(50) || !logged(warning), "a short cut is no alarm");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    eprintln!("the alarm came {told:?} after the cut");
    assert!(told >= Duration::from_secs(59), "a restart takes less than a minute: {told:?}");
    while !logged(warning) {
        assert!(cut.elapsed() < ALARM, "nothing in the log");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let health = federation.must(&["node", "health", "--node", "nodes/tre-a"]).await;
    assert!(
        health.stdout.contains("DEGRADED") && health.stdout.contains("for more than a minute"),
        "{}",
        health.stdout
    );
    let doctor = federation.cluster.runner.run(&["node", "doctor", "--config", &config], Show::Nothing).await.unwrap();
    assert_eq!(doctor.code, Some(1), "{}{}", doctor.stdout, doctor.stderr);
    assert!(doctor.stdout.contains("wrong: peers: only 1 of the 3 peers"), "{}", doctor.stdout);

    lines[1].set(Line::Whole);
    federation.cluster.wait_for("tre-a", |health| health.degraded.is_empty()).await.unwrap();
    assert!(logged("enough of the peers that the settings name are connected again"));
    federation.cluster.stop().await.unwrap();
}
