//! Members that give other bytes than were released: nothing of them is taken, nothing truncated passes for whole, and the next one is asked.

use crate::federation::{Federation, PATIENCE};
use keys::signer::{Signer as _, SoftKey};
use node::network::{Members, Multiaddr};
use protocol::lifecycle::Phase;
use protocol::wire::envelope::Place;
use protocol::wire::id::StatementId;
use protocol::wire::message::{Request, Response};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use testnet::cluster::{RESEARCHER, until};
use testnet::crowd::{Crowd, Part};
use testnet::liar::{Change, Liar};
use testnet::proxy::{Line, Proxy};
use testnet::transfer::{put, released};

fn any() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

/// One bit in the middle of a slice.
fn changes(_: &Request, answer: Response) -> Option<Response> {
    Some(match answer {
        Response::Slice { mut slice } => {
            let middle = slice.len() / 2;
            slice[middle] ^= 1;
            Response::Slice { slice }
        }
        other => other,
    })
}

/// Half of a slice.
fn truncates(_: &Request, answer: Response) -> Option<Response> {
    Some(match answer {
        Response::Slice { mut slice } => {
            slice.truncate(slice.len() / 2);
            Response::Slice { slice }
        }
        other => other,
    })
}

/// The end before the end.
fn ends(_: &Request, answer: Response) -> Option<Response> {
    Some(match answer {
        Response::Slice { .. } => Response::Slice { slice: Vec::new() },
        other => other,
    })
}

const LIES: [Change; 3] = [changes, truncates, ends];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_18_a_mailbox_takes_nothing_from_a_member_that_lies_and_everything_from_the_next() {
    for lie in LIES {
        let folder = tempfile::tempdir().unwrap();
        let mut crowd = Crowd::found(folder.path(), 2).unwrap();
        let file = put(&crowd.state("hub-0"), (1 << 20) + 5).await.unwrap();
        let task = crowd.task_at(Place { number: 1, previous: None }).unwrap();
        let release = released(&crowd, StatementId::of(&task), file).unwrap();
        crowd.know([task, release]);
        crowd.start("hub-0", Part { hub: true, ..Part::default() }).await.unwrap();
        let honest = crowd.address("hub-0").unwrap().to_string();
        let parts: Vec<&str> = honest.split('/').collect();
        let target: SocketAddr = format!("{}:{}", parts[2], parts[4]).parse().unwrap();
        let line = Proxy::to(target).await.unwrap();
        line.set(Line::Cut);
        let through: Multiaddr = honest.replace(parts[4], &line.address.port().to_string()).parse().unwrap();
        // The TRE that let it out is asked first.
        let (network, seed) = (crowd.federation.network, crowd.federation.actor("tre-0").peer_seed);
        let door = crowd.state("hub-0").join("door.sock");
        let liar = Liar::start(network, seed, any(), crowd.members(), &door, lie).await.unwrap();
        let dial = vec![liar.address.clone(), through];
        crowd.start("hub-1", Part { hub: true, dial, ..Part::default() }).await.unwrap();
        let late = || "the liar is not asked".to_owned();
        until(PATIENCE, late, async || Ok((liar.changed() > 0).then_some(()))).await.unwrap();
        let blob = |name: &str| crowd.state(name).join("blobs").join(format!("{}-{}", file.root, file.bytes));
        assert!(!blob("hub-1").exists(), "what the liar gives is not the file");
        line.set(Line::Whole);
        let late = || "the next member is not asked".to_owned();
        until(PATIENCE, late, async || Ok(blob("hub-1").exists().then_some(()))).await.unwrap();
        assert!(std::fs::read(blob("hub-1")).unwrap() == std::fs::read(blob("hub-0")).unwrap(), "and it is the file");
        crowd.stop_all().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_18_a_researcher_refuses_what_a_lying_node_gives_and_goes_on_at_the_next() {
    let mut federation = Federation::started(60).await;
    let task = federation.count_persons(Some("tre-a")).await;
    federation.until(&task, "tre-a", Phase::Held).await;
    federation.approve(&task, "tre-a").await;
    federation.until(&task, "tre-a", Phase::Released).await;
    let peer = std::fs::read(federation.cluster.layout.people().join(format!("{RESEARCHER}.peer"))).unwrap();
    let peer = SoftKey::from_seed(peer.try_into().unwrap()).public();
    let members: Members = Arc::new(BTreeSet::from([*peer.as_bytes()]));
    let (network, hub) = (federation.network().await, federation.cluster.hub.clone());
    for (number, lie) in LIES.into_iter().enumerate() {
        let door = federation.cluster.layout.door("hub");
        let seed = [u8::try_from(number).unwrap() + 9; 32];
        let liar = Liar::start(network, seed, any(), members.clone(), &door, lie).await.unwrap();
        federation.cluster.hub = liar.address.to_string();
        let (said, out) = federation.fetch(&task).await;
        assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("other bytes than were released"), "{}{}", said.stdout, said.stderr);
        assert!(!out.join("tre-a").exists() && liar.changed() > 0, "nothing of it is taken");
        federation.cluster.hub = format!("{},{hub}", liar.address);
        let (said, out) = federation.fetch(&task).await;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains("the next one is asked"), "{}", said.stderr);
        federation.must(&["verify", &out.display().to_string()]).await;
        std::fs::remove_dir_all(&out).unwrap();
    }
    federation.cluster.stop().await.unwrap();
}
