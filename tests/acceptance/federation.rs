//! A federation of real processes for one test, and what people do in it.

use protocol::lifecycle::Phase;
use protocol::record::submission::TaskId;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testnet::cluster::{Cluster, PROJECT, Plan, Program, RESEARCHER, Runner, Said, owner_of, until};
use testnet::demo::compare::{Compared, compare};
use testnet::demo::question::Question;
use testnet::narrate::{Narrator, Show};
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Four nodes are enough for one machine: tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// A federation and the turn to have one.
pub(crate) struct Federation {
    pub(crate) cluster: Cluster,
    _turn: MutexGuard<'static, ()>,
}

/// The program under test.
pub(crate) fn program() -> Program {
    Program::at(Path::new(env!("CARGO_BIN_EXE_quintes-under-test")))
}

/// Verbs in a folder without any federation.
pub(crate) fn alone(folder: &Path) -> Runner {
    Runner { program: program(), folder: folder.to_owned(), narrator: Narrator::silent() }
}

impl Federation {
    /// Founded; nothing runs.
    pub(crate) async fn founded(persons: u64) -> Self {
        let turn = TURN.lock().await;
        let cluster = Cluster::found(program(), None, Plan { persons, seed: 7 }, Narrator::silent()).await.unwrap();
        Self { cluster, _turn: turn }
    }

    /// Founded and running.
    pub(crate) async fn started(persons: u64) -> Self {
        let mut federation = Self::founded(persons).await;
        federation.cluster.start().await.unwrap();
        federation
    }

    /// Runs a verb that has to succeed.
    pub(crate) async fn must(&self, args: &[&str]) -> Said {
        self.cluster.runner.must(args, Show::Nothing).await.unwrap()
    }

    /// Runs a verb that must not succeed; everything that it said.
    pub(crate) async fn must_not(&self, args: &[&str]) -> String {
        let said = self.cluster.runner.run(args, Show::Nothing).await.unwrap();
        assert_eq!(said.code, Some(1), "{args:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains("error: "), "{args:?}: {}", said.stderr);
        said.stdout + &said.stderr
    }

    /// Submits as a person, with the verb.
    pub(crate) async fn submit_as(&self, person: &str, args: &[&str]) -> TaskId {
        let key = format!("people/{person}");
        let all = [&["submit"], args, &["--key", &key, "--node", &self.cluster.hub, "--yes", "--anyway"]].concat();
        self.must(&all).await.stdout.trim().parse().unwrap()
    }

    /// Submits as the researcher.
    pub(crate) async fn submit(&self, args: &[&str]) -> TaskId {
        self.submit_as(RESEARCHER, args).await
    }

    /// Asks all TREs a question of the demo.
    pub(crate) async fn ask(&self, question: &Question) -> TaskId {
        let parameters: Vec<String> = question.parameters.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let mut args = vec!["--component", "statistics", "--project", PROJECT, "--all-tres"];
        parameters.iter().for_each(|parameter| args.extend(["--param", parameter]));
        self.submit(&args).await
    }

    /// Fetches the answer to a question that was approved everywhere: it verifies, and gives the figures of all `folders` together.
    pub(crate) async fn answers(&self, question: &Question, task: &TaskId, folders: &[PathBuf]) {
        let (said, out) = self.fetch(task).await;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        let out = out.display().to_string();
        self.must(&["verify", &out]).await;
        let answer = self.cluster.runner.ask(&["aggregate", &out]).await.unwrap();
        let compared = compare(&answer, &question.pooled(folders).unwrap()).unwrap();
        let wrong: Vec<&Compared> = compared.iter().filter(|one| !one.holds()).collect();
        assert!(!compared.is_empty() && wrong.is_empty(), "{}: {wrong:?}", question.title);
    }

    /// How many persons there are, asked of one TRE or of all.
    pub(crate) async fn count_persons(&self, tre: Option<&str>) -> TaskId {
        let at = tre.map_or(vec!["--all-tres"], |tre| vec!["--tre", tre]);
        let what =
            ["--component", "statistics", "--project", PROJECT, "--param", "table=person", "--param", "analysis=count"];
        self.submit(&[what.as_slice(), &at].concat()).await
    }

    /// Waits at a TRE's own door.
    pub(crate) async fn until(&self, task: &TaskId, tre: &str, phase: Phase) {
        self.cluster.watch(tre).until_phase(task, phase, PATIENCE).await.unwrap();
    }

    /// What the researcher sees of one TRE, once it is an end or `held`.
    pub(crate) async fn standing(&self, task: &TaskId, tre: &str) -> Value {
        let (id, key) = (task.to_string(), format!("people/{RESEARCHER}"));
        let late = || format!("nothing came of {} at {tre}", task.short());
        until(PATIENCE, late, async || {
            let args = ["status", &id, "--json", "--node", "nodes/hub", "--key", &key];
            let told = self.cluster.runner.must(&args, Show::Nothing).await?.json()?;
            let standing = told["tres"][tre].clone();
            let open = ["received", "admitted", "running"].map(Value::from);
            Ok((!standing["phase"].is_null() && !open.contains(&standing["phase"])).then_some(standing))
        })
        .await
        .unwrap()
    }

    /// The TRE's data owner approves everything.
    pub(crate) async fn approve(&self, task: &TaskId, tre: &str) {
        self.decide(task, tre, "approve").await;
    }

    /// The TRE's data owner decides about everything.
    pub(crate) async fn decide(&self, task: &TaskId, tre: &str, decision: &str) {
        let (id, key, node) = (task.to_string(), format!("people/{}", owner_of(tre)), format!("nodes/{tre}"));
        self.must(&["review", decision, &id, "--reason", "as it should be", "--key", &key, "--node", &node, "--yes"])
            .await;
    }

    /// The researcher fetches; the folder.
    pub(crate) async fn fetch(&self, task: &TaskId) -> (Said, PathBuf) {
        let (id, key) = (task.to_string(), format!("people/{RESEARCHER}"));
        let out = self.cluster.layout.folder().join(format!("fetched-{}", task.short()));
        let path = out.display().to_string();
        let args =
            ["fetch", &id, "--out", &path, "--wait", "--timeout", "30", "--key", &key, "--node", &self.cluster.hub];
        (self.cluster.runner.run(&args, Show::Nothing).await.unwrap(), out)
    }
}
