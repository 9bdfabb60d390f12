//! Every refusal, reached over real nodes; and the verdicts on what is not worth a decision.

use crate::federation::{Federation, PATIENCE};
use crate::forged::{USUAL, edit, now};
use node::door::{Answer, Ask};
use protocol::lifecycle::Phase;
use protocol::record::Kind;
use protocol::record::payload::DECADE;
use protocol::record::project::{Egress, Project};
use protocol::record::submission::TaskId;
use protocol::safes::Refusal;
use protocol::wire::id::{Digest, NetworkId};
use protocol::wire::message::{Request, Response};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use testnet::cluster::{DATASET, HUB, PROJECT, RESEARCHER, TRES, Watch, until};

/// A lifetime that ends while another task runs, in seconds.
const LITTLE: u64 = 4;

/// What was refused, and why.
struct Seen<'a> {
    federation: &'a Federation,
    reasons: BTreeSet<&'static str>,
}

impl Seen<'_> {
    async fn expect(&mut self, task: &TaskId, tre: &str, refusal: Refusal) {
        let standing = self.federation.standing(task, tre).await;
        assert_eq!(
            (&standing["phase"], &standing["refusal"]),
            (&"refused".into(), &refusal.code().into()),
            "{standing}"
        );
        assert!(standing["words"].as_str().unwrap().contains(&refusal.to_string()), "{standing}");
        self.reasons.insert(refusal.code());
    }
}

/// tre-c names no data owner, tre-b has little room and little patience, and nobody has a status.
async fn awkward() -> Federation {
    let mut federation = Federation::founded(60).await;
    edit(&federation.cluster.layout.node("tre-c").join("node.toml"), "data_owners = [\"dave\"]", "data_owners = []");
    let tre_b = federation.cluster.layout.node("tre-b").join("node.toml");
    edit(&tre_b, "waiting = 100", "waiting = 3");
    let wall =
        fs::read_to_string(&tre_b).unwrap().lines().find(|line| line.starts_with("wall_seconds")).unwrap().to_owned();
    edit(&tre_b, &wall, "wall_seconds = 40");
    for entry in fs::read_dir(federation.cluster.layout.federation()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("status-") {
            fs::rename(&path, federation.cluster.layout.folder().join("status.later")).unwrap();
        }
    }
    for name in federation.cluster.names() {
        federation.cluster.start_node(&name).unwrap();
    }
    for name in federation.cluster.names() {
        federation.cluster.wait_for(&name, |health| !health.peers.is_empty()).await.unwrap();
    }
    federation
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_is_reached() {
    let mut federation = awkward().await;
    let stale = federation.count_persons(Some("tre-a")).await;
    assert_eq!(federation.standing(&stale, "tre-a").await["refusal"], "stale-status");
    let folder = federation.cluster.layout.folder().to_owned();
    fs::rename(folder.join("status.later"), folder.join("federation/status-1.quintes")).unwrap();
    federation.open_project().await;
    for name in federation.cluster.names() {
        federation
            .cluster
            .wait_for(&name, |health| health.freshness.is_ok() && health.roster.projects == 2)
            .await
            .unwrap();
    }

    let federation = &federation;
    let mut seen = Seen { federation, reasons: BTreeSet::from(["stale-status"]) };
    let count = ["--component", "statistics", "--param", "table=person", "--param", "analysis=count"];
    let with = |more: &[&'static str]| [count.as_slice(), more].concat();

    let task = federation.count_persons(Some("tre-c")).await;
    seen.expect(&task, "tre-c", Refusal::NotConfigured).await;
    let task = federation.submit_as("bob", &with(&["--project", PROJECT, "--tre", "tre-a"])).await;
    seen.expect(&task, "tre-a", Refusal::NotOnProject).await;
    let task = federation.submit(&with(&["--project", PROJECT, "--tre", "tre-a", "--dataset", "other"])).await;
    seen.expect(&task, "tre-a", Refusal::DatasetNotGranted).await;
    let task = federation.submit(&with(&["--project", "open", "--tre", "tre-b"])).await;
    seen.expect(&task, "tre-b", Refusal::ProjectNotSigned).await;
    let endless = federation.endless_component();
    let task =
        federation.submit(&["--component", &endless, "--project", PROJECT, "--tre", "tre-a", "--output", "x"]).await;
    seen.expect(&task, "tre-a", Refusal::ComponentNotAllowed).await;
    let clock = wat::parse_str(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#).unwrap();
    let clock = federation.component("clock.wasm", &clock);
    let task =
        federation.submit(&["--component", &clock, "--project", "open", "--tre", "tre-a", "--output", "x"]).await;
    seen.expect(&task, "tre-a", Refusal::ComponentUnusable).await;

    let mut nowhere = federation.counting("tre-a");
    nowhere.project = "open".to_owned();
    nowhere.component = Digest::of(b"nobody has these bytes");
    let task = federation.offer(&nowhere, 1, USUAL).await;
    seen.expect(&task, "tre-a", Refusal::ComponentUnavailable).await;
    let mut elsewhere = federation.counting("tre-a");
    elsewhere.reply_to = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned();
    let task = federation.offer(&elsewhere, 2, USUAL).await;
    seen.expect(&task, "tre-a", Refusal::ReplyTo).await;
    let mut twice = federation.counting("tre-a");
    let first = federation.offer(&twice, 3, USUAL).await;
    federation.until(&first, "tre-a", Phase::Held).await;
    twice.title = "again".to_owned();
    let task = federation.offer(&twice, 3, USUAL).await;
    seen.expect(&task, "tre-a", Refusal::Replayed).await;

    // No verb lets a data owner sign a project without her TRE in it.
    let without = Project {
        name: "without".to_owned(),
        version: 1,
        title: "Not at tre-b".to_owned(),
        tres: vec!["tre-a".to_owned()],
        datasets: vec![DATASET.to_owned()],
        admins: vec!["bob".to_owned()],
        components: Vec::new(),
        disclosure: protocol::disclosure::rules::Policy::default(),
        egress: Egress { approvals: 1, checkers_count: false, excluded: Vec::new() },
    };
    let stamp = federation.stamp("carol", 4, DECADE).await;
    let statement = federation.signed("carol", &stamp, &without);
    federation.cluster.watch(HUB).offer(statement).await.unwrap().unwrap();
    let mut task = federation.counting("tre-b");
    task.project = "without".to_owned();
    let task = federation.offer(&task, 5, USUAL).await;
    seen.expect(&task, "tre-b", Refusal::ProjectNotHere).await;

    in_a_queue(&mut seen, &endless).await;
    let all: BTreeSet<&str> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(seen.reasons, all);
}

/// While one task runs at tre-b, the next one expires, the submitter of the third is revoked, and the fourth has no room.
async fn in_a_queue(seen: &mut Seen<'_>, endless: &str) {
    let federation = seen.federation;
    federation.must(&["project", "sign", "open", "--key", "people/carol", "--yes"]).await;
    federation.bring().await;
    let tre = federation.cluster.watch("tre-b");
    let at_tre_b = ["--component", endless, "--project", "open", "--tre", "tre-b", "--output", "x"];
    let running = federation.submit(&at_tre_b).await;
    federation.until(&running, "tre-b", Phase::Running).await;
    // The same component, which is compiled already: the task has to be admitted before it expires.
    let bytes = fs::read(endless).unwrap();
    let mut short = federation.counting("tre-b");
    short.project = "open".to_owned();
    (short.component, short.component_bytes) = (Digest::of(&bytes), bytes.len() as u64);
    let expiring = federation.offer(&short, 6, LITTLE).await;
    let expires = now() + LITTLE;
    in_line(&tre, 1).await;
    let revoked = federation.submit(&at_tre_b).await;
    in_line(&tre, 2).await;
    let crowded = federation.submit(&at_tre_b).await;
    seen.expect(&crowded, "tre-b", Refusal::Busy).await;
    while now() <= expires {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let key = fs::read_dir(federation.cluster.layout.federation()).unwrap().map(|entry| entry.unwrap().path());
    let record =
        key.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&format!("key-{RESEARCHER}")));
    for path in record.collect::<Vec<_>>() {
        let id = TaskId::of(&fs::read(&path).unwrap()).to_string();
        federation
            .must(&["network", "revoke", &id, "--reason", "a lost laptop", "--key", "people/alice", "--yes"])
            .await;
    }
    federation.must(&["network", "status", "--key", "people/alice", "--yes"]).await;
    federation.bring().await;
    // The researcher's connection is no longer admitted; what happened is read at the hub's door.
    seen.expect(&expiring, "tre-b", Refusal::Expired).await;
    seen.expect(&revoked, "tre-b", Refusal::KeyNotGood).await;
}

/// Waits until so many tasks are admitted and wait for their turn.
async fn in_line(tre: &Watch, tasks: u64) {
    until(
        PATIENCE,
        || format!("{tasks} tasks do not wait"),
        async || {
            let waiting = tre.health().await?.tasks.get(&Phase::Admitted).copied().unwrap_or(0);
            Ok((waiting >= tasks).then_some(()))
        },
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_is_not_taken_and_changes_nothing() {
    let federation = Federation::started(60).await;
    let hub = federation.cluster.watch(HUB);
    // What the TREs publish at their start has come.
    let published = Request::Inventory { after: None, kinds: vec![Kind::Dataset] };
    until(
        PATIENCE,
        || "the hub does not know what the TREs publish".to_owned(),
        async || match hub.ask(&Ask::Member(published.clone())).await? {
            Answer::Member(Response::Inventory { ids, .. }) => Ok((ids.len() == TRES.len()).then_some(())),
            _ => Ok(None),
        },
    )
    .await
    .unwrap();
    let before = hub.health().await.unwrap().statements;
    let submission = federation.counting("tre-a");
    let good = federation.stamp(RESEARCHER, 9, USUAL).await;

    let mut cases: Vec<(&str, Vec<u8>)> = vec![("noise", b"this is no statement".to_vec()), ("nothing", Vec::new())];
    let statement = federation.signed(RESEARCHER, &good, &submission);
    let mut flipped = statement.clone();
    *flipped.last_mut().unwrap() ^= 1;
    cases.push(("a flipped bit in the signature", flipped));
    cases.push(("cut short", statement[..statement.len() - 1].to_vec()));
    let mut other = good.clone();
    other.issuer = "bob".to_owned();
    cases.push(("another's name", federation.signed(RESEARCHER, &other, &submission)));
    let mut other = good.clone();
    other.network = Digest::of(b"another federation").to_string().parse::<NetworkId>().unwrap();
    cases.push(("another federation", federation.signed(RESEARCHER, &other, &submission)));
    let mut other = good.clone();
    other.issued += 3_600;
    cases.push(("from the future", federation.signed(RESEARCHER, &other, &submission)));
    let mut other = good.clone();
    (other.issued, other.lifetime) = (other.issued - 3_600, 60);
    cases.push(("expired", federation.signed(RESEARCHER, &other, &submission)));
    for (name, bytes) in cases {
        let reason = hub.offer(bytes).await.unwrap().expect_err(name);
        assert!(!reason.is_empty() && reason.starts_with(char::is_lowercase), "{name}: {reason}");
    }
    assert_eq!(hub.health().await.unwrap().statements, before);
    hub.offer(statement).await.unwrap().unwrap();
}
