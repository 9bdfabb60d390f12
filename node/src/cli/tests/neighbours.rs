//! People see with whom a node is connected, and what keeps it from the others.

use super::journey::{PATIENCE, Running};
use super::{Said, ceremony, quintes};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Instant;

/// Writes whom a node dials into its node.toml.
fn dial(home: &Path, node: &str, address: &str) {
    let path = home.join(node).join("node.toml");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text
        .lines()
        .map(|line| if line.starts_with("dial = ") { format!("dial = [\"{address}\"]") } else { line.to_owned() });
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
}

/// What the doctor says of one thing.
fn looked(said: &Said, what: &str) -> (bool, String) {
    let json = said.json();
    let looks = json["looks"].as_array().unwrap();
    let look = looks.iter().find(|look| look["what"] == what).unwrap_or_else(|| panic!("nothing of {what}: {json}"));
    (look["ok"].as_bool().unwrap(), look["sentence"].as_str().unwrap().to_owned())
}

#[test]
fn people_see_with_whom_a_node_is_connected_and_what_is_wrong() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let ill = quintes(home, "node doctor --config @london/node.toml --json");
    assert_eq!(ill.code, 1);
    assert!(!looked(&ill, "node").0);
    assert!(looked(&ill, "hubs").1.contains("dials nobody"));

    let nodes = Running::start(home);
    let hub = nodes.hub.to_string();
    let begun = Instant::now();
    let peers = loop {
        let said = nodes.run("peers --json --node @london");
        let json = said.json();
        let met = json["peers"].as_array().is_some_and(|peers| !peers.is_empty() && peers[0]["ahead"].is_number());
        if said.code == 0 && met {
            break json;
        }
        assert!(begun.elapsed() < PATIENCE, "{json}");
    };
    let one = &peers["peers"][0];
    assert_eq!((&one["name"], &one["role"], &one["outbound"]), (&"hub".into(), &"hub".into(), &true.into()));
    assert!(one["since"].is_number() && one["lag"].is_number() && one["through"].is_null(), "{one}");
    let table = nodes.done("peers --node @london").out;
    assert!(table.contains("dialled by us") && table.contains("member"), "{table}");

    dial(home, "london", &hub);
    let well = nodes.run("node doctor --config @london/node.toml --json");
    assert!(looked(&well, "hub").1.starts_with("hub is connected since "), "{}", well.out);
    assert!(looked(&well, "status").1.starts_with("fresh until "));
    assert!(looked(&well, "clock").1.starts_with("it differs from the members' by "));
    assert!(looked(&well, "advice").1.starts_with("one hub is dialled"));
    assert_eq!(well.code, 0, "{}", well.out);
    let health = nodes.done("node health --node @london").out;
    assert!(health.contains("one hub is dialled") && !health.contains("DEGRADED"), "{health}");

    // nobody there, no such name, another peer there
    let (place, peer) = hub.split_once("/p2p/").unwrap();
    let asked = |address: &str| {
        dial(home, "london", address);
        let said = nodes.run("node doctor --config @london/node.toml --json");
        assert_eq!(said.code, 1, "{}", said.out);
        looked(&said, "hub").1
    };
    let said = asked(&format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}"));
    assert!(said.starts_with("127.0.0.1:1 cannot be reached"), "{said}");
    let said = asked(&format!("/dns4/no-such-host.invalid/tcp/1/p2p/{peer}"));
    assert!(said.starts_with("the name no-such-host.invalid does not resolve"), "{said}");
    let other = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    let said = asked(&format!("{place}/p2p/{other}"));
    assert!(said.starts_with("another node answers at"), "{said}");

    // somebody who says nothing, and somebody who hangs up
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let said = asked(&format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}"));
    assert!(said.contains("takes connections and does not speak as a node"), "{said}");
    thread::spawn(move || silent.incoming().for_each(drop));
    let said = asked(&format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}"));
    assert!(said.contains("hangs up before it says who it is") && said.contains("half a minute"), "{said}");
}
