//! Nothing is missed: many whole nodes over real sockets, behind one hub and three, silent hubs, cut lines, and nodes that come and go.

use node::network::Multiaddr;
use protocol::wire::id::StatementId;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testnet::crowd::{Crowd, Part};
use testnet::proxy::{Line, Proxy};
use tokio::sync::Mutex;

/// Fifty nodes are enough for one machine: these tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Long enough for fifty nodes on a busy machine, and well under the five minutes between two rounds: what comes in time came by gossip, or by
/// the round at a connection.
const IN_TIME: Duration = Duration::from_secs(60);

fn hub() -> Part {
    Part { hub: true, ..Part::default() }
}

fn spoke(dial: &[Multiaddr]) -> Part {
    Part { dial: dial.to_vec(), ..Part::default() }
}

/// `hub-0` and so on listen and dial the ones before; the others dial all of them.
async fn behind_hubs(crowd: &mut Crowd, hubs: usize, members: usize) -> Vec<Multiaddr> {
    let mut addresses = Vec::new();
    for number in 0..hubs {
        let name = format!("hub-{number}");
        crowd.start(&name, Part { dial: addresses.clone(), ..hub() }).await.unwrap();
        addresses.push(crowd.address(&name).unwrap());
    }
    for number in hubs..members {
        crowd.start(&format!("hub-{number}"), spoke(&addresses)).await.unwrap();
    }
    addresses
}

/// So many tasks, each submitted at another member.
async fn submit(crowd: &mut Crowd, first: usize, count: usize) -> BTreeSet<StatementId> {
    let names = crowd.names();
    let mut ids = BTreeSet::new();
    for number in 0..count {
        ids.insert(crowd.submit(&names[(first + number * 7) % names.len()]).await.unwrap());
    }
    ids
}

fn socket(address: &Multiaddr) -> (SocketAddr, String) {
    let text = address.to_string();
    let parts: Vec<&str> = text.split('/').collect();
    (format!("{}:{}", parts[2], parts[4]).parse().unwrap(), parts[6].to_owned())
}

/// The same member, dialled through a line.
fn through(line: &Proxy, address: &Multiaddr) -> Multiaddr {
    let (_, peer) = socket(address);
    format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", line.address.port()).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_12_whoever_was_away_behind_peers_that_drop_everything_has_everything_after_one_round() {
    let _turn = TURN.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 5).unwrap();
    crowd.start("hub-0", hub()).await.unwrap();
    let honest = crowd.address("hub-0").unwrap();
    let mut dialled = Vec::new();
    for silent in ["hub-1", "hub-2"] {
        dialled.push(crowd.start_silent(silent).await.unwrap());
    }
    // Known to the silent hubs alone, the node knows nothing, and gossip thinks well of them.
    crowd.start("hub-3", spoke(&dialled)).await.unwrap();
    let mut ids = BTreeSet::new();
    for _ in 0..300 {
        ids.insert(crowd.submit("hub-0").await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(crowd.lacks("hub-3", &ids).await.unwrap(), 300, "nobody brought it anything");
    crowd.stop("hub-3").await.unwrap();
    dialled.push(honest);
    let began = Instant::now();
    crowd.start("hub-3", spoke(&dialled)).await.unwrap();
    crowd.until_all_hold(&ids, Duration::from_secs(20)).await.unwrap();
    eprintln!("300 tasks were there {:?} after the start", began.elapsed());
    // And what it was told while nobody listened is brought by the same rule.
    crowd.stop("hub-3").await.unwrap();
    crowd.start("hub-3", spoke(&dialled[..2])).await.unwrap();
    let said = BTreeSet::from([crowd.submit("hub-3").await.unwrap()]);
    crowd.stop("hub-3").await.unwrap();
    crowd.start("hub-3", spoke(&dialled)).await.unwrap();
    crowd.until_all_hold(&said, Duration::from_secs(20)).await.unwrap();
    crowd.stop_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_nodes_behind_one_hub_and_behind_three_all_hold_every_task() {
    let _turn = TURN.lock().await;
    for hubs in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let mut crowd = Crowd::found(folder.path(), 50).unwrap();
        behind_hubs(&mut crowd, hubs, 50).await;
        let ids = submit(&mut crowd, 1, 25).await;
        let took = crowd.until_all_hold(&ids, IN_TIME).await.unwrap();
        eprintln!("25 tasks at 50 nodes behind {hubs}: {took:?} after the last");
        crowd.stop_all().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_12_two_of_three_silent_hubs_keep_nothing_from_anybody() {
    let _turn = TURN.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 30).unwrap();
    let mut addresses = vec![crowd.start_silent("hub-0").await.unwrap(), crowd.start_silent("hub-1").await.unwrap()];
    crowd.start("hub-2", hub()).await.unwrap();
    addresses.push(crowd.address("hub-2").unwrap());
    for number in 3..30 {
        crowd.start(&format!("hub-{number}"), spoke(&addresses)).await.unwrap();
    }
    let ids = submit(&mut crowd, 3, 25).await;
    let took = crowd.until_all_hold(&ids, IN_TIME).await.unwrap();
    eprintln!("25 tasks with two of three hubs silent: {took:?} after the last");
    crowd.stop_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_heals_leaves_no_trace_and_a_line_that_stalls_is_lived_with() {
    let _turn = TURN.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 20).unwrap();
    crowd.start("hub-0", hub()).await.unwrap();
    let near = crowd.address("hub-0").unwrap();
    let between = Proxy::to(socket(&near).0).await.unwrap();
    crowd.start("hub-1", Part { dial: vec![through(&between, &near)], ..hub() }).await.unwrap();
    let far = crowd.address("hub-1").unwrap();
    for number in 2..20 {
        let side = if number % 2 == 0 { &near } else { &far };
        crowd.start(&format!("hub-{number}"), spoke(std::slice::from_ref(side))).await.unwrap();
    }
    let before = submit(&mut crowd, 0, 4).await;
    crowd.until_all_hold(&before, IN_TIME).await.unwrap();
    between.set(Line::Cut);
    let mut apart = BTreeSet::new();
    for number in 0..10 {
        apart.insert(crowd.submit(&format!("hub-{}", 2 + number)).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(crowd.lacks("hub-0", &apart).await.unwrap() > 0 && crowd.lacks("hub-1", &apart).await.unwrap() > 0);
    between.set(Line::Whole);
    let healed = crowd.until_all_hold(&apart, IN_TIME).await.unwrap();
    eprintln!("healed: everything everywhere after {healed:?}");
    between.set(Line::Stalled);
    let stalled = submit(&mut crowd, 5, 6).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    between.set(Line::Slow(Duration::from_millis(50)));
    crowd.until_all_hold(&stalled, IN_TIME).await.unwrap();
    crowd.stop_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_come_and_go_miss_nothing() {
    let _turn = TURN.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 24).unwrap();
    let addresses = behind_hubs(&mut crowd, 3, 24).await;
    let mut ids = BTreeSet::new();
    // Three times a third of them, while tasks are submitted: at those that stay, and at those that are about to go.
    for turn in 0..3_usize {
        let going: Vec<String> =
            (3..24).filter(|number| number % 3 == turn).map(|number| format!("hub-{number}")).collect();
        for name in &going[..3] {
            ids.insert(crowd.submit(name).await.unwrap());
        }
        for name in &going {
            crowd.stop(name).await.unwrap();
        }
        ids.extend(submit(&mut crowd, turn, 8).await);
        for name in &going {
            crowd.start(name, spoke(&addresses)).await.unwrap();
        }
    }
    let took = crowd.until_all_hold(&ids, IN_TIME).await.unwrap();
    eprintln!("{} tasks while a third was away three times: {took:?} after the last came back", ids.len());
    crowd.stop_all().await.unwrap();
}
