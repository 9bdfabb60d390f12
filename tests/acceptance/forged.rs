//! Statements that no verb would make: signed in the test with the keys of the federation's people.

use crate::federation::Federation;
use keys::{keyfile, seal};
use protocol::record::Payload;
use protocol::record::payload::DAY;
use protocol::record::stamp::{Stamp, sign};
use protocol::record::submission::{DeclaredOutput, Submission, TABLE, TaskId};
use protocol::wire::id::{Digest, NetworkId};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use testnet::cluster::{DATASET, HUB, PROJECT, RESEARCHER};

/// Now, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Federation {
    /// The federation's id.
    pub(crate) async fn network(&self) -> NetworkId {
        let shown = self.cluster.runner.ask(&["network", "show"]).await.unwrap();
        shown["network"].as_str().unwrap().parse().unwrap()
    }

    /// The stamp of a person, now.
    pub(crate) async fn stamp(&self, person: &str, nonce: u8, lifetime: u64) -> Stamp {
        Stamp {
            network: self.network().await,
            issuer: person.to_owned(),
            issued: now(),
            lifetime,
            nonce: [nonce; 16],
            place: None,
        }
    }

    /// Signs with a person's key, whatever the stamp says.
    pub(crate) fn signed<T: Payload>(&self, person: &str, stamp: &Stamp, payload: &T) -> Vec<u8> {
        let file = self.cluster.layout.people().join(person);
        let key = keyfile::open(&file, || Err(std::io::Error::other("no passphrase"))).unwrap();
        sign(payload, stamp, &key).unwrap()
    }

    /// A task of the researcher that every Safe would admit.
    pub(crate) fn counting(&self, tre: &str) -> Submission {
        let component = fs::read(self.cluster.layout.components().join("statistics.wasm")).unwrap();
        let identity = self.cluster.layout.people().join(format!("{RESEARCHER}.age"));
        let identity = seal::Identity::open_file(&identity, || Err(std::io::Error::other("no passphrase"))).unwrap();
        Submission {
            project: PROJECT.to_owned(),
            title: "forged".to_owned(),
            component: Digest::of(&component),
            component_bytes: component.len() as u64,
            parameters: BTreeMap::from([
                ("analysis".to_owned(), "count".to_owned()),
                ("table".to_owned(), "person".to_owned()),
            ]),
            datasets: vec![DATASET.to_owned()],
            outputs: vec![DeclaredOutput { name: "count".to_owned(), media_type: TABLE.to_owned(), columns: None }],
            audience: vec![tre.to_owned()],
            reply_to: identity.recipient(),
        }
    }

    /// Signs a submission as the researcher and brings it to the hub.
    pub(crate) async fn offer(&self, submission: &Submission, nonce: u8, lifetime: u64) -> TaskId {
        let stamp = self.stamp(RESEARCHER, nonce, lifetime).await;
        let statement = self.signed(RESEARCHER, &stamp, submission);
        let task = TaskId::of(&statement);
        self.cluster.watch(HUB).offer(statement).await.unwrap().unwrap();
        task
    }

    /// A project under which any component may run, at two TREs; only the first one's owner has signed it.
    pub(crate) async fn open_project(&self) {
        let new = [
            "project",
            "new",
            "open",
            "--title",
            "Anything",
            "--tre",
            "tre-a",
            "--tre",
            "tre-b",
            "--dataset",
            DATASET,
            "--admin",
            "bob",
        ];
        self.must(&[new.as_slice(), &["--key", "people/bob", "--yes"]].concat()).await;
        self.must(&[
            "network",
            "grant",
            RESEARCHER,
            "--role",
            "researcher",
            "--project",
            "open",
            "--key",
            "people/bob",
            "--yes",
        ])
        .await;
        self.bring().await;
    }

    /// Brings every statement of the folder to the hub, from where they reach everybody.
    pub(crate) async fn bring(&self) {
        let folder = self.cluster.layout.federation().display().to_string();
        self.must(&["network", "import", &folder, "--node", "nodes/hub"]).await;
    }

    /// A component that never ends by itself.
    pub(crate) fn endless_component(&self) -> String {
        let text = r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "run") (result i32) (loop $l br $l) unreachable))
            (core instance $i (instantiate $m))
            (func (export "run") (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory")))))"#;
        self.component("endless.wasm", &wat::parse_str(text).unwrap())
    }

    /// Any bytes as a component's file.
    pub(crate) fn component(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.cluster.layout.folder().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }
}

/// Replaces a text that has to be there.
pub(crate) fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// The lifetime of a usual submission, in seconds.
pub(crate) const USUAL: u64 = DAY;
