//! The whole way of a task through running nodes: submit, review, fetch, verify, aggregate, and each wrong turn.

use super::{Paper, Said, ceremony, files};
use crate::cli::run_with;
use crate::cli::speak::Speak;
use crate::config::{Config, Source};
use crate::identity::Identity;
use crate::network::Multiaddr;
use crate::service::{self, Settings};
use crate::statements;
use sandbox::database::Database;
use sandbox::database::datafusion::{DataFusionDatabase, Options};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// How long a federation on one machine may take for one step.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Running nodes of one federation.
pub(super) struct Running {
    home: PathBuf,
    pub(super) hub: Multiaddr,
    stop: watch::Sender<bool>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn settings(home: &Path, name: &str, dial: Vec<Multiaddr>) -> (Settings, Identity) {
    let config = Config::read(&home.join(name).join("node.toml")).unwrap();
    let mut datasets: BTreeMap<String, Arc<dyn Database>> = BTreeMap::new();
    for dataset in &config.datasets {
        let Source::Files { path } = &dataset.source else { panic!("the journey's data are files") };
        let options = Options {
            directory: path.clone(),
            tables: dataset.tables.clone(),
            subject: Some(dataset.subject.clone()),
            ..Options::default()
        };
        datasets.insert(dataset.name.clone(), Arc::new(DataFusionDatabase::open(options).unwrap()));
    }
    let folder = files(&home.join("federation"));
    let settings = Settings {
        name: config.name.clone(),
        tre: (!config.is_hub()).then(|| config.tre()),
        network: config.network,
        state: config.state.clone(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        dial,
        hub: config.is_hub(),
        proxy: None,
        door: config.door_socket(),
        statements: folder
            .iter()
            .flat_map(|name| statements::read(&home.join("federation").join(name)).unwrap())
            .collect(),
        datasets,
        published: config.published(),
        limits: config.limits.sandbox(),
        mailbox: config.is_hub().then_some(config.mailbox),
        notices: config.notices,
        worker: super::worker::program(),
        accepted: sandbox::confinement::Layer::ALL.to_vec(),
    };
    (settings, Identity::open(&config.state).unwrap())
}

impl Running {
    pub(super) fn start(home: &Path) -> Self {
        let mut rows = "person_id,age\n".to_owned();
        for person in 0..120 {
            writeln!(rows, "{person},{}", 20 + person % 60).unwrap();
        }
        fs::write(home.join("data/PERSON.csv"), rows).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let start = |name: &str, dial: Vec<Multiaddr>| {
            let (settings, identity) = settings(home, name, dial);
            let (ready, told) = oneshot::channel();
            let stopped = stopped.clone();
            runtime.spawn(async move {
                service::run(settings, identity, stopped, |is| ready.send(is.addresses.clone()).unwrap())
                    .await
                    .unwrap();
            });
            runtime.block_on(told).unwrap()
        };
        let hub = start("hub", Vec::new()).remove(0);
        for tre in ["london", "leeds"] {
            start(tre, vec![hub.clone()]);
        }
        Self { home: home.to_owned(), hub, stop, runtime: Some(runtime) }
    }

    /// A command line; `@` begins a path in the home, `%` is the hub's address, `_` in a word is a space.
    pub(super) fn run(&self, line: &str) -> Said {
        let home = format!("{}/", self.home.display());
        let word = |word: &str| word.replace('_', " ").replace('@', &home).replace('%', &self.hub.to_string());
        let args = std::iter::once("quintes".to_owned()).chain(line.split(' ').map(word)).map(Into::into).collect();
        let (out, talk) = (Paper::default(), Paper::default());
        let code = run_with(args, |json| Speak::into(Box::new(out.clone()), Box::new(talk.clone()), json));
        Said { code, out: out.text(), talk: talk.text() }
    }

    pub(super) fn done(&self, line: &str) -> Said {
        let said = self.run(line);
        assert_eq!(said.code, 0, "{line}\n{}{}", said.out, said.talk);
        said
    }

    pub(super) fn fails(&self, line: &str, code: u8, words: &str) -> Said {
        let said = self.run(line);
        assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.talk);
        assert!(said.talk.contains(words), "{line}\n{}\ndoes not say: {words}", said.talk);
        said
    }

    /// Submits as carol over the network; the id.
    pub(super) fn submit(&self, further: &str) -> String {
        let line = format!(
            "submit --component statistics --project stroke --all-tres --param table=person --param analysis=count,histogram \
             --param column=age --param bins=10 --key @carol --node % --federation @federation{further}"
        );
        self.done(&line).out.trim().to_owned()
    }

    /// Waits until every TRE says `phase`.
    pub(super) fn until(&self, task: &str, phase: &str) {
        let begun = Instant::now();
        loop {
            let said = self.done(&format!("status {task} --json --node @london --federation @federation")).json();
            let tres = said["tres"].as_object().unwrap();
            if tres.values().all(|tre| tre["phase"] == phase) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{said:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_task_goes_the_whole_way() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let nodes = Running::start(home);

    wrong_submissions(&nodes);
    let task = nodes.submit(" --title How_old");
    assert_eq!(task.len(), 64);
    nodes.until(&task, "held");
    let listed = nodes.done("status --node % --key @carol --federation @federation");
    assert!(
        listed.out.contains(&task[..12]) && listed.out.contains("2 held") && listed.out.contains("How old"),
        "{}",
        listed.out
    );
    nodes.fails(
        &format!("status {task} --watch --timeout 1 --node @london --federation @federation"),
        1,
        "leeds, london have not ended",
    );

    review_at_the_door(&nodes, &task);
    review_on_another_machine(&nodes, &task);
    let watched = nodes
        .done(&format!("status {} --watch --timeout 60 --node % --key @carol --federation @federation", &task[..8]));
    assert!(watched.out.contains("released: count, histogram"), "{}", watched.out);

    fetch_and_verify(&nodes, &task);
    no_byte_can_be_changed(&nodes);
    aggregate(&nodes);
    nodes.fails(
        &format!("cancel {task} --reason late --key @carol --node % --federation @federation"),
        1,
        "nothing to call back",
    );
    let health = nodes.done("node health --peers --json --node @london").json();
    assert_eq!((&health["health"]["tasks"]["released"], &health["health"]["name"]), (&1.into(), &"london".into()));
    assert!(health["health"]["peers"].as_array().unwrap().iter().any(|peer| peer[3] == true), "{health}");
}

fn wrong_submissions(nodes: &Running) {
    let submit = "submit --component statistics --param table=person --param analysis=count --key @carol --node % --federation @federation";
    nodes.fails(
        &format!("{submit} --project heart --all-tres"),
        1,
        "there is no project `heart` in this federation; there is stroke",
    );
    nodes.fails(&format!("{submit} --project stroke --tre oxford"), 1, "oxford has no data owner in this federation");
    nodes.fails(&format!("{submit} --project stroke"), 2, "--tre");
    nodes.fails(
        &format!("{submit} --project stroke --all-tres --dataset omop --dataset secret"),
        1,
        "the dataset secret is not part of the project stroke at london; it has omop",
    );
    let bob = submit.replace("@carol", "@bob");
    nodes.fails(
        &format!("{bob} --project stroke --all-tres"),
        1,
        "bob has no grant as a researcher of stroke at london",
    );
    let none = submit.replace("--component statistics", "--component python");
    nodes.fails(
        &format!("{none} --project stroke --all-tres"),
        1,
        "the program brings cohort, regression, sql, statistics, survival",
    );
    let core = submit.replace("--component statistics", "--component @carol.pub");
    nodes.fails(&format!("{core} --project stroke --all-tres"), 1, "is no WebAssembly component");
    let nowhere = submit.replace('%', "@nowhere");
    nodes.fails(&format!("{nowhere} --project stroke --all-tres"), 1, "is the node running");
    let stranger = submit.replace("@federation", "@no-federation");
    nodes.fails(&format!("{stranger} --project stroke --all-tres"), 1, "the federation is not known on this side");
}

/// Alice answers for london's data and sits at its node.
fn review_at_the_door(nodes: &Running, task: &str) {
    let listed = nodes.done("review list --node @london");
    assert!(listed.out.contains("waits for count (1 more), histogram (1 more)"), "{}", listed.out);
    let shown = nodes.done(&format!("review show {task} --node @london --federation @federation"));
    for words in
        ["carol of University", "statistics, SHA-256", "SELECT", "T1", "minimum-threshold", "commitment", "120"]
    {
        assert!(shown.out.contains(words), "{words} in\n{}", shown.out);
    }
    nodes.fails(&format!("review show {task} --node % --federation @federation"), 1, "peer key");
    nodes.fails(
        &format!("review show {task} --peer-key @carol.peer --node % --federation @federation"),
        1,
        "on the node's own machine",
    );
    let approve = format!("review approve {task} --reason enough_people --node @london --federation @federation");
    nodes.fails(&format!("{approve} --key @carol"), 1, "carol submitted this task");
    nodes.fails(&format!("{approve} --key @bob"), 1, "bob is no data owner of london");
    let alice = format!("{approve} --key @alice --passphrase-file @secret");
    nodes.fails(&format!("{alice} --output sum"), 1, "there is no output `sum`; there are count, histogram");
    let half = nodes.done(&format!("{alice} --output count"));
    assert!(
        half.talk.contains("✓ count MAY LEAVE (enough people)") && half.talk.contains("… histogram stays open"),
        "{}",
        half.talk
    );
    let listed = nodes.done("review list --node @london");
    assert!(listed.out.contains("waits for histogram (1 more); so far alice"), "{}", listed.out);
    // The second decision takes the first one's place and keeps what it said.
    let whole = nodes.done(&format!("{alice} --output histogram"));
    assert!(whole.talk.contains("✓ count MAY LEAVE") && whole.talk.contains("instead of"), "{}", whole.talk);
}

/// Bob answers for leeds' data and has no network where he signs.
fn review_on_another_machine(nodes: &Running, task: &str) {
    nodes.done(&format!("review export {task} @review.sealed --for bob --node @leeds --federation @federation"));
    let sign = "review sign @review.sealed --federation @federation";
    nodes.fails(&format!("{sign} --show --key @carol"), 1, "cannot be opened with this key");
    nodes.fails(&format!("{sign} --out @decision.quintes --key @bob"), 1, "nothing was decided");
    assert!(nodes.done(&format!("{sign} --show --key @bob")).out.contains("leeds"));
    nodes.done(&format!("{sign} --approve --reason fine --out @decision.quintes --key @bob"));
    nodes.fails(
        "review import @federation/root-1-by-alice.quintes --node @leeds",
        1,
        "other statements than decisions",
    );
    nodes.done("review import @decision.quintes --node @leeds");
}

fn fetch_and_verify(nodes: &Running, task: &str) {
    let fetch = format!("fetch {task} --node % --federation @federation --out @result");
    nodes.fails(&format!("{fetch} --key @bob"), 1, "parts are not here");
    let fetched = nodes.done(&format!("{fetch} --key @carol"));
    assert!(fetched.out.contains("count, histogram in"), "{}", fetched.out);
    let result = nodes.home.join("result");
    assert_eq!(files(&result), ["leeds", "london", "statements.quintes", "task.json"]);
    assert_eq!(fs::read_to_string(result.join("london/count.csv")).unwrap(), "n\n120\n");
    nodes.done(&format!("{fetch} --key @carol"));
    let said = nodes.done("verify @result");
    for words in
        ["compare the federation's id", "carol is a researcher", "alice approved `count` (enough people)", "task.json"]
    {
        assert!(said.out.contains(words), "{words} in\n{}", said.out);
    }
    let network =
        nodes.done("network show --json --federation @federation").json()["network"].as_str().unwrap().to_owned();
    assert_eq!(nodes.done(&format!("verify @result --network {network} --json")).json()["ok"], true);
    let other = network.chars().rev().collect::<String>();
    nodes.fails(&format!("verify @result --network {other}"), 1, "statements.quintes");
    nodes.fails("verify @federation", 1, "is no fetched folder");
}

/// Every byte would take minutes: some of each file, the first and the last among them.
fn no_byte_can_be_changed(nodes: &Running) {
    let result = nodes.home.join("result");
    let parts = ["statements.quintes", "task.json", "london/delivery.cbor", "london/count.csv", "leeds/histogram.csv"];
    for part in parts {
        let path = result.join(part);
        let whole = fs::read(&path).unwrap();
        let step = (whole.len() / 6).max(1);
        for at in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            let said = nodes.run("verify @result");
            assert_eq!(said.code, 1, "{part} at {at}\n{}", said.out);
            let named = part.split('/').next().unwrap();
            assert!(said.talk.contains(named), "{part} at {at}\n{}", said.talk);
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        nodes.fails("verify @result", 1, "error");
        fs::write(&path, whole).unwrap();
    }
    let swap = || {
        fs::rename(result.join("london"), result.join("passing")).unwrap();
        fs::rename(result.join("leeds"), result.join("london")).unwrap();
        fs::rename(result.join("passing"), result.join("leeds")).unwrap();
    };
    swap();
    assert!(nodes.fails("verify @result", 1, "leeds/delivery.cbor").out.contains("under the name of another TRE"));
    nodes.fails("aggregate @result", 1, "the folder does not hold");
    swap();
    fs::write(result.join("london/extra.csv"), "n\n1\n").unwrap();
    assert!(nodes.fails("verify @result", 1, "london").out.contains("no part of what was released"));
    fs::remove_file(result.join("london/extra.csv")).unwrap();
    nodes.done("verify @result");
}

fn aggregate(nodes: &Running) {
    let said = nodes.done("aggregate @result --plot --out @merged --svg @ages.svg");
    for words in ["240", "count: 1 row from leeds, london", "█", "✓ contributed"] {
        assert!(said.out.contains(words), "{words} in\n{}", said.out);
    }
    assert_eq!(fs::read_to_string(nodes.home.join("merged/count.csv")).unwrap(), "n\n240\n");
    assert!(fs::read_to_string(nodes.home.join("ages.svg")).unwrap().contains("<title>How old: histogram</title>"));
    nodes.fails("aggregate @result --out @one.csv", 1, "there are 2 outputs");
    let told = nodes.done("aggregate @result --json").json();
    assert_eq!(told["outputs"]["count"]["rows"], serde_json::json!([[240]]));
    assert_eq!(told["contributions"][0]["tre"], "leeds");
}

#[test]
fn what_is_withheld_or_called_back_is_said() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let nodes = Running::start(home);
    let task = nodes.submit("");
    nodes.until(&task, "held");
    nodes.done(&format!("review reject {task} --reason too_few --key @bob --node @leeds --federation @federation"));
    let fetch = format!("fetch {task} --out @result --key @carol --node @london --federation @federation");
    nodes.fails(&format!("{fetch} --wait --timeout 1"), 1, "parts are not here");
    let approve = "--reject histogram --reason only_the_count --key @alice --passphrase-file @secret";
    nodes.done(&format!("review approve {task} {approve} --node @london --federation @federation"));
    let said = nodes.fails(&format!("{fetch} --wait --timeout 60"), 1, "1 of 2 parts are not here");
    assert!(said.out.contains("withheld: the data owners let nothing out"), "{}", said.out);
    nodes.done("verify @result");
    let merged = nodes.done("aggregate @result");
    assert!(
        merged.out.contains("declined: the data owners let nothing out (bob on `count`: too few"),
        "{}",
        merged.out
    );
    assert!(!home.join("result/london/histogram.csv").exists() && home.join("result/london/count.csv").exists());

    let task = nodes.submit("");
    nodes.until(&task, "held");
    let cancel = format!("cancel {task} --reason wrong_cohort --node % --federation @federation");
    nodes.done(&format!("{cancel} --key @carol"));
    nodes.fails(
        &format!("status {task} --watch --timeout 60 --node @london --federation @federation"),
        1,
        "called back",
    );
    nodes.fails(
        &format!("fetch {task} --out @result --key @carol --node @london --federation @federation"),
        1,
        "name another folder",
    );
}
