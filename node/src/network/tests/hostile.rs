//! Hostile peers over real sockets: strangers in numbers, half-open connections, and members that flood, forge and misuse gossip's own messages.
//!
//! How fast the honest are served meanwhile is measured by `testnet bench hostile`, where each side has a process of its own.

use super::super::behaviour::Role;
use super::super::client::{Client, ConnectError};
use super::super::direct::DirectCodec;
use super::super::peer::{id_in, keypair};
use super::super::transport::{swarm_settings, transport};
use super::super::*;
use super::member::{ACCEPTS, Heard, Member, Owner, PATIENCE, blob, key, seed, settings};
use super::raw::{field, number, speak};
use crate::descriptors;
use futures::StreamExt as _;
use libp2p::request_response::{self, OutboundFailure, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{StreamProtocol, Swarm};
use protocol::wire::id::NetworkId;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The port of a member that listens.
fn port(of: &Member) -> u16 {
    Place::of(&of.network.local_addresses()[0]).unwrap().port
}

/// How many bytes this process holds in memory now (proc_pid_statm(5)).
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_9_a_thousand_strangers_get_nowhere() {
    let hub = Member::hub(1, &[1, 2]).await;
    let address = hub.network.local_addresses().remove(0);
    let mut spoke = Member::spoke(2, &[1, 2], &hub).await;
    spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    let knocks = (0..1_000_u32).map(|stranger| {
        let mut seed = [0xee; 32];
        seed[..4].copy_from_slice(&stranger.to_be_bytes());
        Client::connect(Zeroizing::new(seed), address.clone(), None)
    });
    let answers: Vec<_> = futures::stream::iter(knocks).buffer_unordered(50).collect().await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(ConnectError::Refused(_)))).count();
    // the others were hung up on before the hub had computed anything
    let unheard = answers.iter().filter(|answer| matches!(answer, Err(ConnectError::HungUp { .. }))).count();
    let odd = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .find(|error| !matches!(error, ConnectError::Refused(_) | ConnectError::HungUp { .. }));
    assert_eq!(refused + unheard, 1_000, "{odd:?}");
    assert!(refused < 200, "{refused} handshakes with strangers from one address");
    let known = hub.network.peers().await;
    assert_eq!(known.iter().map(|peer| peer.key).collect::<Vec<_>>(), [key(2)]);
    assert!(spoke.network.ask(key(1), blob(1)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_14_five_thousand_half_open_connections_leave_room_for_the_honest() {
    let have = descriptors::raise();
    // both ends of each are in this process
    let half_open = usize::try_from((have / 3).min(5_000)).unwrap();
    let hub = Member::hub(1, &[1, 2]).await;
    let port = port(&hub);
    let silent: Vec<TcpStream> = (0..half_open).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let begun = Instant::now();
    let mut spoke = Member::spoke(2, &[1, 2], &hub).await;
    spoke.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    let took = begun.elapsed();
    println!("{half_open} half-open connections; an honest one was admitted after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    // each of them ends by itself
    let mut last = silent.last().unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    let ended = tokio::task::block_in_place(|| std::io::Read::read(&mut last, &mut [0; 64]));
    let waits = ended.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!waits, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_11_garbage_from_a_member_ends_its_hearing_and_not_the_others() {
    let judging =
        Owner { judge: |bytes| Some(if bytes[0] == 0xff { Verdict::Reject } else { Verdict::Accept }), ..ACCEPTS };
    let listen = settings(Some("/ip4/127.0.0.1/tcp/0"), vec![], true);
    let mut hub = Member::start(1, &[1, 2, 3, 4], listen, judging).await;
    let mut listener = Member::spoke(3, &[1, 2, 3, 4], &hub).await;
    let honest = Member::spoke(4, &[1, 2, 3, 4], &hub).await;
    let flooder = Member::spoke(2, &[1, 2, 3, 4], &hub).await;
    for member in [&listener, &honest, &flooder] {
        member.is_heard_by(1).await;
    }
    let before = resident();
    for number in 0..2_000_u32 {
        let mut garbage = vec![0xff; 60_000];
        garbage[1..5].copy_from_slice(&number.to_be_bytes());
        // its own queue is full: it waits, as a real flooder would
        while flooder.network.announce(garbage.clone()).await == Err(AnnounceError::Congested) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let grown = resident().saturating_sub(before) / (1 << 20);
    println!("2,000 forgeries of 60 kB each: {grown} MiB more in memory");
    honest.announce_to(1, b"an honest word").await;
    assert_eq!(listener.hear_announced().await, b"an honest word");
    let score = async || hub.network.peers().await.into_iter().find(|peer| peer.key == key(2)).map(|peer| peer.score);
    assert!(score().await.is_some_and(|score| score < -80.0), "it is not listened to: {:?}", score().await);
    let mut judged = 0;
    while let Ok(heard) = hub.heard.try_recv() {
        judged += usize::from(matches!(heard, Heard::Announced(bytes) if bytes[0] == 0xff));
    }
    assert!(judged > 0, "the first were looked at");
    // 2,000 were sent; those on their way when the third was judged may still have come
    assert!(judged < 1_000, "{judged} forgeries were looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_13_gossips_own_messages_are_no_weapon() {
    let hub = Member::hub(1, &[1, 2, 3, 4]).await;
    let (mut listener, honest) =
        (Member::spoke(3, &[1, 2, 3, 4], &hub).await, Member::spoke(4, &[1, 2, 3, 4], &hub).await);
    for member in [&listener, &honest] {
        member.is_heard_by(1).await;
    }
    let topic = gossip::topic(&NetworkId([42; 32])).hash();
    let topic = topic.as_str().as_bytes();
    let ids = |of: u32| (0..1_000_u32).map(move |id| (of * 1_000 + id).to_be_bytes().repeat(5));
    let subscribe = |topic: &[u8]| field(1, &[number(1, 1), field(2, topic)].concat());
    let control = |inner: Vec<u8>| field(3, &inner);
    let mut frames = vec![subscribe(topic)];
    // 20,000 topics that nobody knows
    for batch in 0..20_u32 {
        let topics = (0..1_000_u32).flat_map(|one| subscribe(format!("/other/{batch}/{one}").as_bytes()));
        frames.push(topics.collect());
    }
    for of in 0..100 {
        let all: Vec<u8> = ids(of).flat_map(|id| field(2, &id)).collect();
        frames.push(control(field(1, &[field(1, topic), all].concat())));
        let all: Vec<u8> = ids(of).flat_map(|id| field(1, &id)).collect();
        frames.push(control(field(2, &all)));
    }
    // backoffs that overflow a clock (CVE-2026-33040), with peers that are none
    for backoff in [0, 1, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
        let nobody = field(2, &[field(1, b"nobody"), field(2, &[0; 100])].concat());
        frames.push(control(field(4, &[field(1, topic), nobody, number(3, backoff)].concat())));
        frames.push(control(field(3, &field(1, topic))));
    }
    // no protocol buffers at all, and a frame that only claims its length
    let (last, whole) = (frames.clone(), vec![vec![0xff; 1_000], vec![7; 66_000]]);
    let address = hub.network.local_addresses().remove(0);
    let before = resident();
    let attacks = [speak(2, address.clone(), last), speak(2, address, whole)];
    for word in 0..20_u8 {
        honest.announce_to(1, &[word; 100]).await;
        assert_eq!(listener.hear_announced().await, [word; 100]);
        assert!(honest.network.ask(key(1), blob(word.into())).await.is_ok());
    }
    println!("control messages: {} MiB more in memory", resident().saturating_sub(before) / (1 << 20));
    attacks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_17_an_older_protocol_is_not_spoken() {
    let hub = Member::hub(1, &[1, 2]).await;
    let address = hub.network.local_addresses().remove(0);
    let identity = keypair(seed(2));
    let (transport, _circuits) = transport(&identity, None).unwrap();
    let older = [
        (StreamProtocol::new("/quintes/direct/0"), ProtocolSupport::Full),
        (StreamProtocol::new("/quintes/direct"), ProtocolSupport::Full),
    ];
    let asks = request_response::Behaviour::with_codec(DirectCodec, older, request_response::Config::default());
    let mut swarm = Swarm::new(transport, asks, identity.public().to_peer_id(), swarm_settings());
    swarm.dial(address.clone()).unwrap();
    swarm.behaviour_mut().send_request(&id_in(&address).unwrap(), blob(0));
    let refused = tokio::time::timeout(PATIENCE, async {
        loop {
            if let SwarmEvent::Behaviour(request_response::Event::OutboundFailure { error, .. }) =
                swarm.select_next_some().await
            {
                return error;
            }
        }
    });
    assert!(matches!(refused.await.unwrap(), OutboundFailure::UnsupportedProtocols));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_4_members_of_another_network_hear_nothing_of_this_one() {
    let mut hub = Member::hub(1, &[1, 2, 3]).await;
    let dial = hub.network.local_addresses();
    let elsewhere = Settings { network: NetworkId([43; 32]), ..settings(None, dial, false) };
    let mut other = Member::start(2, &[1, 2, 3], elsewhere, ACCEPTS).await;
    other.hear_exactly(Heard::Connected(key(1), Role::Hub)).await;
    let spoke = Member::spoke(3, &[1, 2, 3], &hub).await;
    spoke.announce_to(1, b"for this network").await;
    assert_eq!(hub.hear_announced().await, b"for this network");
    other.hears_no_announcement_for(Duration::from_secs(1)).await;
    assert_eq!(other.network.announce(b"from another".to_vec()).await, Ok(Published::NobodyYet));
    hub.hears_no_announcement_for(Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_3_what_was_said_before_is_not_said_again_to_anybody() {
    let mut hub = Member::hub(1, &[1, 2, 3, 4]).await;
    let mut listener = Member::spoke(3, &[1, 2, 3, 4], &hub).await;
    let honest = Member::spoke(4, &[1, 2, 3, 4], &hub).await;
    listener.is_heard_by(1).await;
    honest.announce_to(1, b"once").await;
    assert_eq!(hub.hear_announced().await, b"once");
    assert_eq!(listener.hear_announced().await, b"once");
    // another member says the same bytes ten thousand times
    let topic = gossip::topic(&NetworkId([42; 32])).hash();
    let again = field(2, &[field(2, b"once"), field(4, topic.as_str().as_bytes())].concat());
    let subscribe = field(1, &[number(1, 1), field(2, topic.as_str().as_bytes())].concat());
    let frames = std::iter::once(subscribe).chain(std::iter::repeat_n(again, 10_000)).collect();
    let replaying = speak(2, hub.network.local_addresses().remove(0), frames);
    hub.hears_no_announcement_for(Duration::from_secs(2)).await;
    listener.hears_no_announcement_for(Duration::from_millis(100)).await;
    honest.announce_to(1, b"and now this").await;
    assert_eq!(listener.hear_announced().await, b"and now this");
    replaying.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_12_a_hub_that_forwards_nothing_is_not_missed_where_there_is_another() {
    let everyone = [1, 2, 3, 5];
    let silent = Owner { judge: |_| Some(Verdict::Ignore), ..ACCEPTS };
    let listen = || settings(Some("/ip4/127.0.0.1/tcp/0"), vec![], true);
    let censor = Member::start(1, &everyone, listen(), silent).await;
    let honest = Member::start(5, &everyone, listen(), ACCEPTS).await;
    let dial = [censor.network.local_addresses(), honest.network.local_addresses()].concat();
    let sender = Member::start(2, &everyone, settings(None, dial.clone(), false), ACCEPTS).await;
    let mut listener = Member::start(3, &everyone, settings(None, dial, false), ACCEPTS).await;
    sender.is_heard_by(2).await;
    listener.is_heard_by(2).await;
    for word in 0..20_u8 {
        sender.announce_to(2, &[word; 50]).await;
        assert_eq!(listener.hear_announced().await, [word; 50]);
    }
    let known = listener.network.peers().await;
    let score = known.iter().find(|peer| peer.key == key(1)).map(|peer| peer.score);
    assert!(score.is_some_and(|score| score >= 0.0), "a score does not show who forwards: {score:?}");
}
