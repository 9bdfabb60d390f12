//! What a hub keeps back is told and found at another member, and two stories of one key are proved to everybody.

use crate::federation::alone;
use node::network::{Multiaddr, address_with_peer};
use node::statements;
use protocol::record::commitment::Commitment;
use protocol::record::payload::Payload as _;
use protocol::record::run::Run;
use protocol::tre::COARSE_SECONDS;
use protocol::wire::envelope::{Place, Signed};
use protocol::wire::id::{Digest, StatementId};
use protocol::wire::message::{Request, Response};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use testnet::cluster::{free_port, until};
use testnet::crowd::{Crowd, Part};
use testnet::liar::Liar;
use testnet::narrate::Show;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn any() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

fn hub() -> Part {
    Part { hub: true, ..Part::default() }
}

/// Three tasks of one researcher, each after the one before.
fn three(crowd: &mut Crowd) -> [Vec<u8>; 3] {
    let mut previous = None;
    [1, 2, 3].map(|number| {
        let bytes = crowd.task_at(Place { number, previous }).unwrap();
        previous = Some(StatementId::of(&bytes));
        bytes
    })
}

/// Gives everything but what stands at the second place of a chain, and compares nothing.
fn keeps_back_the_second(_: &Request, answer: Response) -> Option<Response> {
    match answer {
        Response::Reconcile { .. } => None,
        Response::Statements { mut statements } => {
            let second = |bytes: &[u8]| {
                let signed = Signed::parse(bytes).unwrap();
                signed.claims().place.as_ref().is_some_and(|place| place.number == 2)
            };
            statements.retain(|bytes| !second(bytes));
            Some(Response::Statements { statements })
        }
        other => Some(other),
    }
}

/// Gives what it is asked for by name, and compares nothing.
fn compares_nothing(_: &Request, answer: Response) -> Option<Response> {
    Some(answer).filter(|answer| !matches!(answer, Response::Reconcile { .. }))
}

async fn until_held(crowd: &Crowd, name: &str, id: StatementId) {
    let late = || format!("{name} does not hold {}", id.short());
    let one = BTreeSet::from([id]);
    until(PATIENCE, late, async || Ok((crowd.lacks(name, &one).await? == 0).then_some(()))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_5_what_a_hub_keeps_back_is_told_and_asked_for_by_its_id_of_every_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 4).unwrap();
    crowd.start("hub-0", hub()).await.unwrap();
    let said = three(&mut crowd);
    for bytes in &said {
        crowd.offer("hub-0", bytes.clone()).await.unwrap();
    }
    let [_, second, third] = [0, 1, 2].map(|place: usize| StatementId::of(&said[place]));
    let honest = crowd.state("hub-0").join("door.sock");
    let (network, members) = (crowd.federation.network, crowd.members());
    let seed = |name: &str| crowd.federation.actor(name).peer_seed;
    let liar = Liar::start(network, seed("hub-1"), any(), members.clone(), &honest, keeps_back_the_second);
    let liar = liar.await.unwrap();
    let (other, port) = (seed("hub-3"), free_port().unwrap());
    let listen: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let other_address = address_with_peer(listen.clone(), crowd.federation.actor("hub-3").peer().as_bytes()).unwrap();
    let dial = vec![liar.address.clone(), other_address];
    crowd.start("hub-2", Part { dial, ..Part::default() }).await.unwrap();
    for bytes in [&said[0], &said[2]] {
        liar.announce(bytes.clone()).await.unwrap();
    }
    until_held(&crowd, "hub-2", third).await;
    assert_eq!(
        crowd.lacks("hub-2", &BTreeSet::from([second])).await.unwrap(),
        1,
        "it was kept back, and held up nothing"
    );

    let late = || "nobody says what is missing".to_owned();
    let missing = until(PATIENCE, late, async || Ok(crowd.around("hub-2").await?.missing.pop())).await.unwrap();
    assert_eq!((missing.id, missing.named_by, missing.number), (second, third, 2));
    assert_eq!(missing.author, "researcher-0");
    let state = crowd.state("hub-2");
    let sentence = format!("number 2 of what researcher-0 has handed in ({}) is not here", second.short());
    let runner = alone(folder.path());
    let told = runner.run(&["peers", "--node", &state.display().to_string()], Show::Nothing).await.unwrap();
    assert!(told.stderr.contains(&sentence), "{}{}", told.stdout, told.stderr);
    let config = folder.path().join("node.toml");
    let text = format!(
        "name = \"hub-2\"\nkind = \"hub\"\norganisation = \"fixture\"\nnetwork = \"{network}\"\nstate = \"{}\"\nfederation = \"federation\"\ndial = [\"{}\"]\n",
        state.display(),
        liar.address,
    );
    std::fs::write(&config, text).unwrap();
    let told = runner.run(&["node", "doctor", "--config", &config.display().to_string()], Show::Nothing).await.unwrap();
    assert_eq!(told.code, Some(1), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains(&format!("wrong: chains: {sentence}")), "{}{}", told.stdout, told.stderr);

    // Another member, with which no round succeeds, is asked for it by its id.
    let _other = Liar::start(network, other, listen, members, &honest, compares_nothing).await.unwrap();
    until_held(&crowd, "hub-2", second).await;
    assert!(crowd.around("hub-2").await.unwrap().missing.is_empty());
    crowd.stop_all().await.unwrap();
}

async fn forks(folder: &Path, state: &Path, out: &str) -> serde_json::Value {
    let (state, federation) = (state.display().to_string(), folder.join("federation").display().to_string());
    let args = ["audit", "forks", "--node", &state, "--federation", &federation, "--out", out, "--json"];
    alone(folder).must(&args, Show::Nothing).await.unwrap().json().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_5_two_stories_told_to_two_hubs_are_proved_to_everybody_once_they_meet() {
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 3).unwrap();
    std::fs::create_dir(folder.path().join("federation")).unwrap();
    statements::write_new(&folder.path().join("federation/all.quintes"), crowd.statements()).unwrap();
    let mut ids = BTreeSet::new();
    let mut dial = Vec::new();
    for name in ["hub-0", "hub-1"] {
        crowd.start(name, hub()).await.unwrap();
        dial.push(crowd.address(name).unwrap());
        let story = crowd.task_at(Place { number: 1, previous: None }).unwrap();
        ids.insert(crowd.offer(name, story).await.unwrap());
        std::fs::create_dir(folder.path().join(format!("proof-{name}"))).unwrap();
        let found = forks(folder.path(), &crowd.state(name), &format!("proof-{name}")).await;
        assert_eq!(found["contradictions"], serde_json::json!([]), "one story alone is none");
    }
    crowd.start("hub-2", Part { dial, ..Part::default() }).await.unwrap();
    crowd.until_all_hold(&ids, PATIENCE).await.unwrap();
    for name in ["hub-0", "hub-1"] {
        let found = forks(folder.path(), &crowd.state(name), &format!("proof-{name}")).await;
        let [proved] = &found["contradictions"].as_array().unwrap()[..] else { panic!("one person: {found}") };
        assert_eq!(proved["author"], "researcher-0");
        let named = ["first", "second"].map(|one| proved[one].as_str().unwrap().parse().unwrap());
        assert_eq!(BTreeSet::from(named), ids);
        let advice = crowd.around(name).await.unwrap().advice;
        assert!(advice.iter().any(|one| one.contains("researcher-0 has signed") && one.contains("audit forks")));
        // The proof needs nobody's word.
        let file = proved["file"].as_str().unwrap();
        let network = crowd.federation.network.to_string();
        let args = ["audit", "verify", "--proof", file, "--network", &network];
        alone(folder.path()).must(&args, Show::Nothing).await.unwrap();
    }
    crowd.stop_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_6_two_runs_of_one_task_told_to_two_hubs_are_proved_to_everybody_once_they_meet() {
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 3).unwrap();
    std::fs::create_dir(folder.path().join("federation")).unwrap();
    statements::write_new(&folder.path().join("federation/all.quintes"), crowd.statements()).unwrap();
    let submission = crowd.task_at(Place { number: 1, previous: None }).unwrap();
    let (task, issued) = (StatementId::of(&submission), Signed::parse(&submission).unwrap().claims().issued);
    let mut ids = BTreeSet::new();
    for (name, output) in [("hub-0", b"one story".as_slice()), ("hub-1", b"another story")] {
        let run = Run {
            task,
            tre: "tre-0".to_owned(),
            component: Digest::of(b"a component"),
            snapshots: BTreeMap::new(),
            finished: issued - issued % COARSE_SECONDS,
            commitment: Commitment::to(&BTreeMap::from([("count".to_owned(), Digest::of(output))])),
        };
        crowd.start(name, hub()).await.unwrap();
        crowd.offer(name, submission.clone()).await.unwrap();
        let run = crowd.federation.sign(&run, "tre-0", issued, Run::MAX_LIFETIME_SECONDS);
        ids.insert(crowd.offer(name, run.to_vec()).await.unwrap());
    }
    let dial = ["hub-0", "hub-1"].map(|name| crowd.address(name).unwrap()).to_vec();
    crowd.start("hub-2", Part { dial, ..Part::default() }).await.unwrap();
    crowd.until_all_hold(&ids, PATIENCE).await.unwrap();
    std::fs::create_dir(folder.path().join("proof")).unwrap();
    let found = forks(folder.path(), &crowd.state("hub-2"), "proof").await;
    let [proved] = &found["contradictions"].as_array().unwrap()[..] else { panic!("one of a TRE: {found}") };
    assert_eq!(proved["author"], "tre-0");
    assert_eq!(proved["about"], serde_json::json!({ "kind": "run", "task": task }));
    let named = ["first", "second"].map(|one| proved[one].as_str().unwrap().parse().unwrap());
    assert_eq!(BTreeSet::from(named), ids);
    let advice = crowd.around("hub-0").await.unwrap().advice;
    assert!(advice.iter().any(|one| one.contains("tre-0 has told of two runs")), "{advice:?}");
    // The proof needs neither the task nor anybody's word.
    let network = crowd.federation.network.to_string();
    let args = ["audit", "verify", "--proof", proved["file"].as_str().unwrap(), "--network", &network];
    alone(folder.path()).must(&args, Show::Nothing).await.unwrap();
    crowd.stop_all().await.unwrap();
}

/// Compares honestly and gives nothing.
fn gives_nothing(_: &Request, answer: Response) -> Option<Response> {
    Some(match answer {
        Response::Statements { .. } => Response::Statements { statements: Vec::new() },
        other => other,
    })
}

/// What `hub-1` says of how far it is behind a neighbour.
async fn lag(crowd: &Crowd, of: &str) -> anyhow::Result<Option<u64>> {
    let around = crowd.around("hub-1").await?;
    Ok(around.neighbours.iter().find(|one| one.name == of).and_then(|one| one.lag))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_counts_what_is_missing_and_not_what_was_refused_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut crowd = Crowd::found(folder.path(), 3).unwrap();
    crowd.start("hub-0", hub()).await.unwrap();
    let before = crowd.task_at(Place { number: 1, previous: None }).unwrap();
    let id = crowd.offer("hub-0", before).await.unwrap();
    // The next one knows from its start that the key was revoked before it signed this.
    let record = crowd.federation.key_records["researcher-0"][1];
    let revoked = crowd.federation.revocation(record, "root-0", crate::forged::now() - 60);
    crowd.know([revoked.to_vec()]);
    crowd.start("hub-1", Part { dial: vec![crowd.address("hub-0").unwrap()], ..Part::default() }).await.unwrap();
    let late = || "what was refused is counted".to_owned();
    until(PATIENCE, late, async || Ok(lag(&crowd, "hub-0").await?.filter(|lag| *lag == 0).map(|_| ()))).await.unwrap();
    let one = BTreeSet::from([id]);
    assert_eq!(crowd.lacks("hub-1", &one).await.unwrap(), 1, "it was refused");
    assert_eq!(crowd.lacks("hub-0", &one).await.unwrap(), 0, "and the other has it");
    crowd.stop("hub-1").await.unwrap();

    // Behind a member that gives nothing, the same and one more are missing: nobody has brought them.
    let status = crowd.federation.status(3, BTreeSet::from([StatementId::of(&revoked)]), crate::forged::now(), 3_600);
    crowd.offer("hub-0", status.to_vec()).await.unwrap();
    let (network, seed) = (crowd.federation.network, crowd.federation.actor("hub-2").peer_seed);
    let door = crowd.state("hub-0").join("door.sock");
    let liar = Liar::start(network, seed, any(), crowd.members(), &door, gives_nothing).await.unwrap();
    crowd.start("hub-1", Part { dial: vec![liar.address.clone()], ..Part::default() }).await.unwrap();
    let late = || "what is missing is not counted".to_owned();
    until(PATIENCE, late, async || Ok(lag(&crowd, "hub-2").await?.filter(|lag| *lag == 2).map(|_| ()))).await.unwrap();
    crowd.stop_all().await.unwrap();
}
