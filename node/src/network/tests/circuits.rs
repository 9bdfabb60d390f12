//! Ways through a hub, over real sockets: a node that accepts no connection is reached, by members alone, and the hub reads nothing.

use super::super::behaviour::Role;
use super::super::client::{Client, ConnectError};
use super::super::*;
use super::member::{ACCEPTS, Heard, Member, PATIENCE, blob, key, keys, seed, settings};
use super::tap::Tap;
use protocol::wire::message::{PART_BYTES, Response};
use std::time::{Duration, Instant};

/// The address of a member through the hub at which it has a place.
async fn place(of: &Member) -> Multiaddr {
    let begun = Instant::now();
    loop {
        let places = of.network.local_addresses();
        if let Some(place) = places.into_iter().find(|place| place.to_string().contains("/p2p-circuit/p2p/")) {
            return place;
        }
        assert!(begun.elapsed() < PATIENCE, "no hub keeps a place");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn part(of: u8) -> Result<Response, AskError> {
    Ok(Response::Part { total: 3 * PART_BYTES as u64, part: vec![of; PART_BYTES] })
}

/// What a member says of another one that is connected to it.
async fn info(at: &Member, of: u8) -> Option<PeerInfo> {
    at.network.peers().await.into_iter().find(|peer| peer.key == key(of))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_listens_nowhere_is_reached_through_its_hub() {
    let hub = Member::hub(1, &[1, 2, 9]).await;
    let spoke = Member::spoke(2, &[1, 2, 9], &hub).await;
    let client = Client::connect(seed(9), place(&spoke).await, None).await.unwrap();
    assert_eq!(client.node(), key(2));
    // more than libp2p's own relays let through (128 KiB)
    for offset in 0..40 {
        assert_eq!(client.ask(blob(offset.into())).await, part(offset));
    }
    let seen = info(&spoke, 9).await.unwrap();
    assert_eq!((seen.role, seen.through), (Role::Client, Some(key(1))));
    let seen = info(&spoke, 1).await.unwrap();
    assert_eq!((seen.role, seen.through, seen.outbound), (Role::Hub, None, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_listen_nowhere_ask_each_other_through_a_common_hub() {
    let everyone = [1, 2, 3, 4];
    let hub = Member::hub(1, &everyone).await;
    let (first, second) = (Member::spoke(2, &everyone, &hub).await, Member::spoke(3, &everyone, &hub).await);
    place(&first).await;
    place(&second).await;
    // more at once than travel at once, while there is no connection yet
    let many = (0..20).map(|offset| first.network.ask(key(3), blob(offset)));
    for (offset, answer) in (0..20).zip(futures::future::join_all(many).await) {
        assert_eq!(answer, part(offset));
    }
    assert_eq!(info(&first, 3).await.unwrap().through, Some(key(1)));
    assert_eq!(info(&second, 2).await.unwrap().through, Some(key(1)));
    // a member that is not there, and one that is none
    assert_eq!(first.network.ask(key(4), blob(0)).await, Err(AskError::NotConnected));
    assert_eq!(first.network.ask(key(66), blob(0)).await, Err(AskError::NotConnected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_made_again_at_each_hub_after_a_cut() {
    let everyone = [1, 2, 5, 9];
    let (hub, other) = (Member::hub(1, &everyone).await, Member::hub(5, &everyone).await);
    let dial = [hub.network.local_addresses(), other.network.local_addresses()].concat();
    let mut spoke = Member::start(2, &everyone, settings(None, dial, false), ACCEPTS).await;
    let begun = Instant::now();
    while spoke.network.local_addresses().len() < 2 {
        assert!(begun.elapsed() < PATIENCE, "a place at each hub");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let address = hub.network.local_addresses().remove(0);
    let lost =
        spoke.network.local_addresses().into_iter().find(|place| place.to_string().starts_with(&address.to_string()));
    let lost = lost.unwrap();
    hub.network.stop().await;
    while spoke.hear().await != Heard::Disconnected(key(1)) {}
    let left = spoke.network.local_addresses();
    assert!(left.len() == 1 && !left.contains(&lost), "{left:?}");
    Client::connect(seed(9), left[0].clone(), None).await.unwrap();
    // the same hub at the same place
    let port: String = address.to_string().split("/p2p").next().unwrap().to_owned();
    let hub = Member::start(1, &everyone, settings(Some(&port), vec![], true), ACCEPTS).await;
    while !spoke.network.local_addresses().contains(&lost) {
        assert!(begun.elapsed() < PATIENCE, "the place is made again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let client = Client::connect(seed(9), lost, None).await.unwrap();
    assert_eq!(client.ask(blob(7)).await, part(7));
    drop(hub);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_9_a_stranger_gets_no_place_and_no_circuit() {
    let hub = Member::hub(1, &[1, 2, 9]).await;
    let spoke = Member::spoke(2, &[1, 2], &hub).await;
    let way = place(&spoke).await;
    let mut stranger = Member::spoke(66, &[1, 2, 66], &hub).await;
    stranger.hears_nothing_for(Duration::from_secs(2)).await;
    assert_eq!(stranger.network.local_addresses(), []);
    assert_eq!(stranger.network.ask(key(2), blob(0)).await, Err(AskError::NotConnected));
    let at_hub = Client::connect(seed(67), way.clone(), None).await.err().unwrap();
    assert!(matches!(at_hub, ConnectError::Refused(_)), "{at_hub}");
    // whom the hub admits, the node behind it does not
    let at_node = Client::connect(seed(9), way.clone(), None).await.err().unwrap();
    assert!(matches!(at_node, ConnectError::Refused(_)), "{at_node}");
    assert_eq!(spoke.network.peers().await.len(), 1, "the hub alone");
    spoke.network.stop().await;
    let gone = Client::connect(seed(9), way, None).await.err().unwrap();
    assert!(matches!(gone, ConnectError::NotBehindHub { .. }), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_loses_place_and_circuits_within_a_second() {
    let everyone = [1, 2, 3, 9];
    let hub = Member::hub(1, &everyone).await;
    let mut removed = Member::spoke(2, &everyone, &hub).await;
    let mut stays = Member::spoke(3, &everyone, &hub).await;
    let way = place(&removed).await;
    place(&stays).await;
    assert_eq!(stays.network.ask(key(2), blob(1)).await, part(1));
    // only the other end of the circuit knows yet that it is no member any more
    let begun = Instant::now();
    stays.members.send(keys(&[1, 3, 9])).unwrap();
    while stays.hear().await != Heard::Disconnected(key(2)) {}
    while removed.hear().await != Heard::Disconnected(key(3)) {}
    let circuit = begun.elapsed();
    assert_eq!(stays.network.ask(key(2), blob(1)).await, Err(AskError::NotConnected));
    assert!(info(&hub, 2).await.is_some(), "the hub has not heard of it");
    // the hub hears of it: the member loses everything there, and with it a circuit to somebody who has not
    let client = Client::connect(seed(9), way.clone(), None).await.unwrap();
    assert_eq!(client.ask(blob(2)).await, part(2));
    let begun = Instant::now();
    hub.members.send(keys(&[1, 3, 9])).unwrap();
    while removed.hear().await != Heard::Disconnected(key(1)) {}
    assert_eq!(client.ask(blob(3)).await.ok(), None);
    let all = begun.elapsed();
    println!("a circuit closed {circuit:?} after its other end knew, everything {all:?} after the hub knew");
    assert!(circuit < Duration::from_secs(1) && all < Duration::from_secs(1), "{circuit:?} {all:?}");
    assert_eq!(removed.network.local_addresses(), []);
    let gone = Client::connect(seed(9), way, None).await.err().unwrap();
    assert!(matches!(gone, ConnectError::NotBehindHub { .. }), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_copies_ciphertext_and_nothing_else() {
    let tap = Tap::start(1).await;
    let dial = vec![tap.address().clone()];
    let spoke = Member::start(2, &[1, 2, 9], settings(None, dial, false), ACCEPTS).await;
    let client = Client::connect(seed(9), place(&spoke).await, None).await.unwrap();
    for offset in 1..=4 {
        assert_eq!(client.ask(blob(offset.into())).await, part(offset));
    }
    let seen = tap.seen();
    assert!(seen.len() > 4 * PART_BYTES, "it has copied everything: {}", seen.len());
    let holds = |words: &[u8]| seen.windows(words.len()).any(|window| window == words);
    assert!(holds(b" client") && holds(b" node"), "what is said to the hub itself, it reads");
    for offset in 1..=4_u8 {
        assert!(!holds(&[offset; 64]), "a part passed in the clear");
    }
}
