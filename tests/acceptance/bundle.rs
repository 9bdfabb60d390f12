//! A second verifier, written from WIRE.md on other libraries, says the same of 1,000 bundles that were mutated in every way.

use crate::federation::Federation;
use node::folder;
use protocol::lifecycle::Phase;
use protocol::wire::id::NetworkId;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use testnet::cluster::{PROJECT, TRES, owner_of};

/// How many mutated bundles.
const BUNDLES: usize = 1_000;

/// The component that the standing approval is about.
const COMPONENT: &str = "statistics";

/// What a mutated bundle is, as the generator tells it.
struct Mutated {
    dir: PathBuf,
    kind: String,
    /// What follows from the mutation alone, where something does.
    holds: Option<bool>,
}

impl Federation {
    /// A task over all TREs whose outputs leave by a standing approval.
    async fn released_without_a_person(&self) -> PathBuf {
        for (tre, ..) in TRES {
            let (key, node) = (format!("people/{}", owner_of(tre)), format!("nodes/{tre}"));
            let name = format!("counts-{tre}");
            let what = ["--project", PROJECT, "--component", COMPONENT, "--tre", tre, "--per-day", "5"];
            let by = ["--key", &key, "--node", &node, "--yes"];
            self.must(&[["standing", "sign", &name].as_slice(), &what, &by].concat()).await;
        }
        let task = self.count_persons(None).await;
        for (tre, ..) in TRES {
            self.until(&task, tre, Phase::Released).await;
        }
        self.fetched(&task).await
    }

    /// A task over all TREs whose outputs leave by people's decisions.
    async fn released_by_persons(&self) -> PathBuf {
        let task = self.count_persons(None).await;
        for (tre, ..) in TRES {
            self.until(&task, tre, Phase::Held).await;
            self.approve(&task, tre).await;
        }
        self.fetched(&task).await
    }

    async fn fetched(&self, task: &protocol::record::submission::TaskId) -> PathBuf {
        let (said, out) = self.fetch(task).await;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        out
    }
}

/// Runs one of the outside programs in the environment that `tests/run` makes. Without it the test fails: nothing would have been compared.
fn python(program: &str, args: &[&str], code: &[i32]) -> Output {
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    let interpreter = interop.join(".venv/bin/python");
    assert!(interpreter.exists(), "there is no {}; `tests/run` makes it", interpreter.display());
    let output = Command::new(interpreter).arg(interop.join(program)).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|found| code.contains(&found)), "{program}: {}: {said}", output.status);
    output
}

/// The JSON objects that a program wrote, one a line.
fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn mutate(bundles: &[&Path], keys: &Path, into: &Path) -> Vec<Mutated> {
    let count = BUNDLES.to_string();
    let mut args = vec!["--count", &count, "--seed", "7", "--keys", keys.to_str().unwrap(), into.to_str().unwrap()];
    args.extend(bundles.iter().map(|bundle| bundle.to_str().unwrap()));
    let mutated = |line: &Value| Mutated {
        dir: line["dir"].as_str().unwrap().into(),
        kind: line["kind"].as_str().unwrap().to_owned(),
        holds: line["holds"].as_bool(),
    };
    lines(&python("mutate.py", &args, &[0])).iter().map(mutated).collect()
}

/// What a verifier says of a folder.
struct Said {
    /// Whether it holds.
    holds: bool,
    /// Whether all but its summary holds: a summary that only one of the two would write must not hide what they think of the rest.
    proved: bool,
    /// What was found wrong first.
    why: String,
}

impl Said {
    /// From the steps that fail: what was looked at, and what was found.
    fn of(failed: &[(String, String)]) -> Self {
        Self {
            holds: failed.is_empty(),
            proved: failed.iter().all(|(what, _)| what == folder::SUMMARY),
            why: failed.first().map(|(_, detail)| detail.clone()).unwrap_or_default(),
        }
    }
}

/// What the verb `quintes verify` would say of a folder.
fn ours(dir: &Path, network: NetworkId) -> Said {
    match folder::audit(dir, Some(network)) {
        Ok(mut report) => {
            report.answers();
            let failed = report.steps.into_iter().filter(|step| step.verdict == protocol::audit::Verdict::Fails);
            Said::of(&failed.map(|step| (step.what, step.detail)).collect::<Vec<_>>())
        }
        Err(error) => Said::of(&[("folder".to_owned(), error.to_string())]),
    }
}

/// The same of the second verifier, for many folders at once.
fn theirs(dirs: &[&Path], network: NetworkId) -> BTreeMap<PathBuf, Said> {
    let network = network.to_string();
    let mut args = vec!["--json", "--network", &network];
    args.extend(dirs.iter().map(|dir| dir.to_str().unwrap()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verdict = |line: &Value| {
        let failed = line["steps"].as_array().unwrap().iter().filter(|step| step["verdict"] == "fails");
        let said = Said::of(&failed.map(|step| (text(&step["what"]), text(&step["detail"]))).collect::<Vec<_>>());
        assert_eq!(line["ok"], said.holds);
        (text(&line["dir"]).into(), said)
    };
    lines(&python("bundle.py", &args, &[0, 1])).iter().map(verdict).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_verifier_says_the_same_of_a_thousand_mutated_bundles() {
    let mut federation = Federation::started(600).await;
    let network = federation.network().await;
    let by_persons = federation.released_by_persons().await;
    let standing = federation.released_without_a_person().await;
    federation.cluster.stop().await.unwrap();
    let originals = [by_persons.as_path(), &standing];
    for (dir, said) in theirs(&originals, network) {
        let first = ours(&dir, network);
        assert!(said.holds && first.holds, "{}: {} {}", dir.display(), first.why, said.why);
    }

    let scratch = tempfile::tempdir().unwrap();
    let mutated = mutate(&originals, federation.cluster.layout.folder(), scratch.path());
    assert_eq!(mutated.len(), BUNDLES);
    let dirs: Vec<&Path> = mutated.iter().map(|one| one.dir.as_path()).collect();
    let second = theirs(&dirs, network);
    let (mut held, mut disagreements, mut kinds) = (0, Vec::new(), BTreeMap::<&str, u64>::new());
    for one in &mutated {
        let (first, other) = (ours(&one.dir, network), &second[&one.dir]);
        held += u64::from(first.holds);
        *kinds.entry(&one.kind).or_default() += 1;
        let agree = (first.holds, first.proved) == (other.holds, other.proved);
        if !agree || one.holds.is_some_and(|holds| holds != first.holds) {
            let name = one.dir.file_name().unwrap_or_default().display();
            let (here, there) = (first.holds, other.holds);
            disagreements.push(format!("{name} ({}): {here} {} | {there} {}", one.kind, first.why, other.why));
        }
    }
    println!(
        "{} bundles mutated in {} ways: {held} held, {} refused, {} disagreements",
        mutated.len(),
        kinds.len(),
        mutated.len() as u64 - held,
        disagreements.len()
    );
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}
