//! Real sockets on the loopback: what members hear of each other, and what strangers do not.

mod circuits;
mod hostile;
mod member;
mod proxied;
mod raw;
mod tap;

use super::client::{Client, ConnectError};
use super::*;
use member::{ACCEPTS, Heard, Member, Owner, PATIENCE, blob, key, keys, seed, settings};
use protocol::wire::id::Digest;
use protocol::wire::message::{PART_BYTES, Request, Response};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_announcements_reach_every_tre_that_only_dials_out() {
    let everyone = [1, 2, 3, 4];
    let mut hub = Member::hub(1, &everyone).await;
    let mut spokes = Vec::new();
    for of in [2, 3, 4] {
        let mut spoke = Member::spoke(of, &everyone, &hub).await;
        let through_hub = |address: &Multiaddr| address.to_string().contains("/p2p-circuit/");
        assert!(spoke.network.local_addresses().iter().all(through_hub), "it listens nowhere");
        spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
        spokes.push(spoke);
    }
    hub.is_heard_by(3).await;
    let begun = Instant::now();
    while hub.network.peers().await.len() < 3 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for spoke in &spokes {
        spoke.is_heard_by(1).await;
    }
    let known = hub.network.peers().await;
    assert_eq!(known.iter().map(|peer| peer.key).collect::<BTreeSet<_>>(), *keys(&[2, 3, 4]));
    assert!(known.iter().all(|peer| peer.role == Role::Node && !peer.outbound));
    let mut all = BTreeSet::new();
    for number in 0..100_u8 {
        let spoke = &spokes[usize::from(number) % 3];
        let bytes = vec![number; 1000];
        assert_eq!(spoke.network.announce(bytes.clone()).await, Ok(Published::To(1)));
        all.insert(bytes);
    }
    for (place, spoke) in spokes.iter_mut().enumerate() {
        let own = |bytes: &&Vec<u8>| usize::from(bytes[0]) % 3 == place;
        let mut awaited: BTreeSet<_> = all.iter().filter(|bytes| !own(bytes)).cloned().collect();
        while !awaited.is_empty() {
            let bytes = spoke.hear_announced().await;
            assert!(awaited.remove(&bytes), "heard twice, or its own");
        }
    }
    let mut awaited = all;
    while !awaited.is_empty() {
        assert!(awaited.remove(&hub.hear_announced().await));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_9_a_stranger_is_refused_and_hears_nothing() {
    let mut hub = Member::hub(1, &[1, 2]).await;
    let mut spoke = Member::spoke(2, &[1, 2], &hub).await;
    spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    hub.hear_exactly(Heard::Connected(key(2), Role::Node)).await;
    // the stranger itself admits the hub, and dials it
    let mut stranger = Member::spoke(66, &[1, 2, 66], &hub).await;
    assert_eq!(stranger.network.announce(b"let me in".to_vec()).await, Ok(Published::NobodyYet));
    let address = hub.network.local_addresses().remove(0);
    let refused = Client::connect(seed(67), address.clone(), None).await.err().unwrap();
    assert!(matches!(refused, ConnectError::Refused(at) if at == address));
    spoke.announce_to(1, b"for members").await;
    assert_eq!(hub.hear_announced().await, b"for members");
    stranger.hears_nothing_for(Duration::from_secs(2)).await;
    assert!(stranger.network.peers().await.is_empty());
    assert_eq!(stranger.network.ask(key(1), blob(0)).await, Err(AskError::NotConnected));
    hub.hears_no_announcement_for(Duration::from_millis(100)).await;
    assert_eq!(hub.network.peers().await.len(), 1);
    // admitted at last, it is connected without a restart, and what waited goes out
    hub.members.send(keys(&[1, 2, 66])).unwrap();
    stranger.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    assert_eq!(hub.hear_announced().await, b"let me in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_is_disconnected_within_a_second() {
    let mut hub = Member::hub(1, &[1, 2, 3]).await;
    let mut removed = Member::spoke(2, &[1, 2, 3], &hub).await;
    let mut stays = Member::spoke(3, &[1, 2, 3], &hub).await;
    for spoke in [&mut removed, &mut stays] {
        spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
        let heard = hub.hear().await;
        assert!(matches!(heard, Heard::Connected(_, Role::Node)));
    }
    let begun = Instant::now();
    hub.members.send(keys(&[1, 3])).unwrap();
    hub.hear_exactly(Heard::Disconnected(key(2))).await;
    removed.hear_exactly(Heard::Disconnected(key(1))).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(removed.network.ask(key(1), blob(0)).await, Err(AskError::NotConnected));
    // it dials again and again, and neither side ever takes it for connected
    removed.hears_nothing_for(Duration::from_secs(2)).await;
    hub.hears_nothing_for(Duration::from_millis(10)).await;
    stays.hears_nothing_for(Duration::from_millis(10)).await;
    assert_eq!(hub.network.peers().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_accepted_announcements_are_forwarded_and_forgers_are_no_longer_heard() {
    let judging = Owner {
        judge: |bytes| match bytes[0] {
            b'r' => Some(Verdict::Reject),
            b'i' => Some(Verdict::Ignore),
            b'd' => None,
            _ => Some(Verdict::Accept),
        },
        ..ACCEPTS
    };
    let listen = settings(Some("/ip4/127.0.0.1/tcp/0"), vec![], true);
    let mut hub = Member::start(1, &[1, 2, 3], listen, judging).await;
    let mut other = Member::spoke(3, &[1, 2, 3], &hub).await;
    other.announce_to(1, b"other is here").await;
    assert_eq!(hub.hear_announced().await, b"other is here");
    let sender = Member::spoke(2, &[1, 2, 3], &hub).await;
    for (bytes, forwarded) in [
        (b"accepted 1", true),
        (b"ignored 01", false),
        (b"dropped 01", false),
        (b"accepted 2", true),
        (b"rejected 1", false),
        (b"accepted 3", true),
    ] {
        sender.announce_to(1, bytes).await;
        assert_eq!(hub.hear_announced().await, bytes);
        if forwarded {
            assert_eq!(other.hear_announced().await, bytes);
        } else {
            other.hears_no_announcement_for(Duration::from_millis(300)).await;
        }
    }
    for bytes in [b"rejected 2", b"rejected 3"] {
        sender.announce_to(1, bytes).await;
        assert_eq!(hub.hear_announced().await, bytes);
    }
    // the verdict is on its way to the room while the next message arrives
    tokio::time::sleep(Duration::from_millis(500)).await;
    sender.announce_to(1, b"accepted 4").await;
    hub.hears_no_announcement_for(Duration::from_secs(1)).await;
    // the innocent are heard as before
    other.announce_to(1, b"accepted 5").await;
    assert_eq!(hub.hear_announced().await, b"accepted 5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_megabyte_travel_both_ways_and_more_is_refused_with_a_sentence() {
    let mut hub = Member::hub(1, &[1, 2, 9]).await;
    let mut spoke = Member::spoke(2, &[1, 2], &hub).await;
    spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    hub.hear_exactly(Heard::Connected(key(2), Role::Node)).await;
    let store = Request::Store { digest: Digest([1; 32]), offset: 0, total: 1, part: vec![7; PART_BYTES] };
    assert_eq!(spoke.network.ask(key(1), store).await, Ok(Response::Taken));
    // more at once than travel at once, to the node that only dials out
    let many = (0..40).map(|offset| hub.network.ask(key(2), blob(offset)));
    for (offset, answer) in (0..40).zip(futures::future::join_all(many).await) {
        let part = vec![offset; PART_BYTES];
        assert_eq!(answer, Ok(Response::Part { total: 3 * PART_BYTES as u64, part }));
    }
    let offer = |length| Request::Offer { statement: vec![0; length] };
    let refused = spoke.network.ask(key(1), offer(QUESTION_BYTES)).await.unwrap_err();
    assert!(matches!(refused, AskError::TooLarge { .. }));
    assert!(refused.to_string().ends_with("ask in smaller parts"));
    // a dropped slip declines; an answer over the limit never arrives
    assert_eq!(spoke.network.ask(key(1), offer(10)).await, Err(AskError::Refused));
    let long = spoke.network.ask(key(1), Request::Inventory { after: None, kinds: Vec::new() }).await;
    assert!(matches!(long, Err(AskError::Lost | AskError::Refused)), "{long:?}");
    assert_eq!(spoke.network.ask(key(66), blob(0)).await, Err(AskError::NotConnected));

    let client = Client::connect(seed(9), hub.network.local_addresses().remove(0), None).await.unwrap();
    assert_eq!(client.node(), key(1));
    hub.hear_exactly(Heard::Connected(key(9), Role::Client)).await;
    for offset in 0..10 {
        let part = vec![offset; PART_BYTES];
        let answer = client.ask(blob(offset.into())).await;
        assert_eq!(answer, Ok(Response::Part { total: 3 * PART_BYTES as u64, part }));
    }
    assert_eq!(client.ask(offer(10)).await, Err(AskError::Refused));
    let asked_back = hub.network.ask(key(9), blob(0)).await;
    assert_eq!(asked_back, Err(AskError::Unsupported));
    drop(client);
    hub.hear_exactly(Heard::Disconnected(key(9))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_may_have_64_kib_and_not_a_byte_more() {
    let mut hub = Member::hub(1, &[1, 2]).await;
    let spoke = Member::spoke(2, &[1, 2], &hub).await;
    let refused = spoke.network.announce(vec![1; ANNOUNCEMENT_BYTES + 1]).await.unwrap_err();
    assert_eq!(refused, AnnounceError::TooLarge { bytes: ANNOUNCEMENT_BYTES + 1 });
    spoke.announce_to(1, &vec![2; ANNOUNCEMENT_BYTES]).await;
    assert_eq!(hub.hear_announced().await, vec![2; ANNOUNCEMENT_BYTES]);
    assert_eq!(spoke.network.announce(vec![2; ANNOUNCEMENT_BYTES]).await, Ok(Published::Before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_hub_is_found_again_and_gets_what_was_announced_meanwhile() {
    let hub = Member::hub(1, &[1, 2, 3]).await;
    let address = hub.network.local_addresses().remove(0);
    let mut first = Member::spoke(2, &[1, 2, 3], &hub).await;
    let mut second = Member::spoke(3, &[1, 2, 3], &hub).await;
    for spoke in [&mut first, &mut second] {
        spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    }
    hub.network.stop().await;
    for spoke in [&mut first, &mut second] {
        spoke.hear_exactly(Heard::Disconnected(key(1))).await;
    }
    let stopped = first.network.ask(key(1), blob(0)).await;
    assert_eq!(stopped, Err(AskError::NotConnected));
    assert_eq!(first.network.announce(b"meanwhile".to_vec()).await, Ok(Published::NobodyYet));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // the same port again; the second spoke comes first, so that what waits at the first can reach it
    let port: String = address.to_string().split("/p2p").next().unwrap().to_owned();
    let again = settings(Some(&port), vec![], true);
    let mut hub = Member::start(1, &[1, 3], again, ACCEPTS).await;
    assert_eq!(hub.network.local_addresses(), [address]);
    second.announce_to(1, b"second is here").await;
    assert_eq!(hub.hear_announced().await, b"second is here");
    hub.members.send(keys(&[1, 2, 3])).unwrap();
    assert_eq!(hub.hear_announced().await, b"meanwhile");
    assert_eq!(second.hear_announced().await, b"meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_11_a_flood_meets_a_bound_and_the_room_goes_on() {
    let members = keys(&[1, 2]);
    let (_keep, follow) = watch::channel(members);
    let listen = settings(Some("/ip4/127.0.0.1/tcp/0"), vec![], true);
    // an owner that does not listen for a while
    let (hub, mut events) = start(seed(1), listen, follow).await.unwrap();
    let dial = settings(None, hub.local_addresses(), false);
    let flooder = Member::start(2, &[1, 2], dial, ACCEPTS).await;
    flooder.announce_to(1, b"first").await;
    for number in 0..1000_u32 {
        flooder.network.announce(number.to_be_bytes().to_vec()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.peers().await.len(), 1, "the room goes on");
    let mut slips = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Announced { verdict, .. } = event {
            slips.push(verdict);
        }
    }
    assert_eq!(slips.len(), 256, "the most of one peer that wait for a verdict");
    slips.into_iter().for_each(|slip| slip.give(Verdict::Accept));
    tokio::time::sleep(Duration::from_millis(200)).await;
    flooder.network.announce(b"after".to_vec()).await.unwrap();
    let after = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(Event::Announced { bytes, .. }) = events.recv().await
                && bytes == b"after"
            {
                return;
            }
        }
    });
    after.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_18_garbage_and_half_open_connections_do_not_stop_a_hub() {
    let hub = Member::hub(1, &[1, 2]).await;
    let address = hub.network.local_addresses().remove(0).to_string();
    let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
    let mut open = Vec::new();
    let mut state = 1_u64;
    for round in 0..120_usize {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut garbage = b"\x13/multistream/1.0.0\n\x07/noise\n".to_vec();
        garbage.truncate(if round % 3 == 0 { 0 } else { garbage.len() });
        for _ in 0..round * 8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            garbage.push(state.to_be_bytes()[0]);
        }
        // the hub may have closed already, which is well
        let _ = socket.write_all(&garbage);
        open.push(socket);
    }
    let begun = Instant::now();
    let mut spoke = Member::spoke(2, &[1, 2], &hub).await;
    spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_cannot_start_says_why_and_what_is_stopped_says_so() {
    let (_keep, follow) = watch::channel(keys(&[1]));
    let nobody = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    let refused = start(seed(1), settings(None, nobody, false), follow.clone()).await.err().unwrap();
    assert!(refused.to_string().contains("end it with /p2p/"), "{refused}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let refused = start(seed(1), settings(Some(&port), vec![], false), follow.clone()).await;
    assert!(matches!(refused.err().unwrap(), StartError::Listen { .. }));
    let (shared, _events) =
        start(seed(1), settings(Some("/ip4/127.0.0.1/tcp/0"), vec![], true), follow.clone()).await.unwrap();
    let mut port = shared.local_addresses().remove(0);
    port.pop();
    let second = start(seed(2), settings(Some(&port.to_string()), vec![], true), follow.clone()).await;
    assert!(matches!(second.err().unwrap(), StartError::Listen { .. }), "two nodes must not share a port");
    let (network, mut events) = start(seed(1), settings(None, vec![], false), follow).await.unwrap();
    let left = network.clone();
    network.stop().await;
    assert!(events.recv().await.is_none());
    assert_eq!(left.announce(vec![1]).await, Err(AnnounceError::Stopped));
    assert_eq!(left.ask(key(2), blob(0)).await, Err(AskError::Stopped));
    assert!(left.peers().await.is_empty());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", silent.port()).parse().unwrap();
    let whom = Client::connect(seed(3), address.clone(), None).await.err().unwrap();
    assert!(matches!(whom, ConnectError::WhomToDial(_)));
    let address = address_with_peer(address, &key(1)).unwrap();
    let nobody = Client::connect(seed(3), address, None).await.err().unwrap();
    assert!(matches!(nobody, ConnectError::Unreachable { .. }), "{nobody}");
}
