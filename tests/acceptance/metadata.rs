//! Who stands on the line between a TRE, its hub and a researcher reads nothing of what is asked, by whom, of which data.

use crate::federation::Federation;
use protocol::lifecycle::Phase;
use std::net::SocketAddr;
use testnet::cluster::{DATASET, PROJECT, RESEARCHER, owner_of};
use testnet::proxy::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const QUERY: &str = "SELECT gender_concept_id, count(*) AS n FROM person GROUP BY gender_concept_id";

/// What would tell. Short words stand as they stand in statements, with their lengths (RFC 8949) and what comes before them, so that
/// ciphertext does not hold them by chance.
fn telling() -> Vec<(&'static str, Vec<u8>)> {
    let text = |word: &str| [&[0x60 + u8::try_from(word.len()).unwrap()], word.as_bytes()].concat();
    let said_by = |person: &str| [&[1], text(person).as_slice()].concat();
    vec![
        ("the project", text(PROJECT)),
        ("the dataset", text(DATASET)),
        ("the component", [&text("name")[..], &text("sql")].concat()),
        ("the query", QUERY.as_bytes().to_vec()),
        ("the researcher", said_by(RESEARCHER)),
        ("the data owner", said_by(owner_of("tre-a"))),
        ("the organisation", b"Hospital A".to_vec()),
        ("a column", b"gender_concept_id".to_vec()),
    ]
}

fn found(copies: &[Vec<u8>]) -> Vec<&'static str> {
    let holds = |copy: &Vec<u8>, words: &[u8]| copy.windows(words.len()).any(|window| window == words);
    telling()
        .into_iter()
        .filter(|(_, words)| copies.iter().any(|copy| holds(copy, words)))
        .map(|(what, _)| what)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_15_the_line_tells_nothing_of_who_asks_what_of_whom() {
    let mut federation = Federation::founded(60).await;
    let hub = federation.cluster.hub.clone();
    let parts: Vec<&str> = hub.split('/').collect();
    let target: SocketAddr = format!("{}:{}", parts[2], parts[4]).parse().unwrap();
    let (to_tre, to_researcher) = (Proxy::recording(target).await.unwrap(), Proxy::recording(target).await.unwrap());
    let through = |line: &Proxy| hub.replace(parts[4], &line.address.port().to_string());
    let config = federation.cluster.layout.node("tre-a").join("node.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(&hub));
    std::fs::write(&config, text.replace(&hub, &through(&to_tre))).unwrap();
    federation.cluster.hub = through(&to_researcher);
    federation.cluster.start().await.unwrap();

    let query = format!("query={QUERY}");
    let task = ["--component", "sql", "--project", PROJECT, "--tre", "tre-a", "--param", &query];
    let task = federation.submit(&task).await;
    federation.until(&task, "tre-a", Phase::Held).await;
    federation.approve(&task, "tre-a").await;
    federation.until(&task, "tre-a", Phase::Released).await;
    let (said, out) = federation.fetch(&task).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(out.join("tre-a/result.csv").exists(), "the result has left, by these lines");

    let (tre, researcher) = (to_tre.recorded(), to_researcher.recorded());
    let bytes = |copies: &[Vec<u8>]| copies.iter().map(Vec::len).sum::<usize>();
    eprintln!("on the wire: {} bytes at the TRE, {} at the researcher", bytes(&tre), bytes(&researcher));
    let statements = std::fs::read(out.join("statements.quintes")).unwrap();
    for copies in [&tre, &researcher] {
        assert!(bytes(copies) > statements.len(), "more has passed than what tells");
        let greets = |copy: &Vec<u8>| copy.windows(6).any(|window| window == b"/noise");
        assert!(copies.iter().any(greets), "the line was listened to from its first byte on");
        assert_eq!(found(copies), Vec::<&str>::new());
    }

    // The same search finds all of it where the same statements pass in the clear.
    let sink = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clear = Proxy::recording(sink.local_addr().unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(clear.address).await.unwrap();
    let (mut end, _) = sink.accept().await.unwrap();
    let length = statements.len();
    let reading = tokio::spawn(async move {
        let mut read = vec![0; length];
        end.read_exact(&mut read).await.unwrap();
    });
    stream.write_all(&statements).await.unwrap();
    reading.await.unwrap();
    let all: Vec<&str> = telling().into_iter().map(|(what, _)| what).collect();
    assert_eq!(found(&clear.recorded()), all);
    federation.cluster.stop().await.unwrap();
}
