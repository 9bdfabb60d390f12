//! The log and standing approvals as people use them: what leaves without a person, the log in one file, and a node that was restored.

use super::ceremony;
use super::journey::Running;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a federation on one machine may take for one step.
const PATIENCE: Duration = Duration::from_secs(120);

const ALICE: &str = "--key @alice --passphrase-file @secret --federation @federation --node @london";
const BOB: &str = "--key @bob --federation @federation --node @london";

/// A task that only counts.
fn count(nodes: &Running, title: &str) -> String {
    let line = format!(
        "submit --component statistics --project stroke --all-tres --param table=person --param analysis=count --title {title} \
         --key @carol --node % --federation @federation"
    );
    nodes.done(&line).out.trim().to_owned()
}

/// Waits until a question has this answer.
fn until(what: &str, ask: impl Fn() -> Value, answer: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let said = ask();
        if answer(&said) {
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {said:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn phase(nodes: &Running, task: &str, tre: &str, phase: &str) {
    let ask = || nodes.done(&format!("status {task} --json --node @london --federation @federation")).json();
    until(phase, ask, |said| said["tres"][tre]["phase"] == phase);
}

fn health(nodes: &Running) -> Value {
    nodes.run("node health --json --node @london").json()["health"].clone()
}

#[test]
fn what_owners_let_go_leaves_without_a_person_and_waits_again_when_one_withdraws() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let nodes = Running::start(home);
    let sign = "standing sign weekly --project stroke --component statistics --tre london --per-day 1 --days 10";
    nodes.fails(&format!("{sign} {BOB}"), 1, "bob is no data owner of london; ask alice");
    nodes.fails(&format!("standing sign weekly {ALICE}"), 1, "nobody has proposed a standing approval `weekly`");
    nodes.fails(&format!("standing sign weekly --project stroke {ALICE}"), 2, "--component");
    let other = sign.replace("statistics", "python");
    nodes.fails(&format!("{other} {ALICE}"), 1, "the project names no component python");
    let signed = nodes.done(&format!("{sign} {ALICE}"));
    for words in ["outputs of london in stroke, version 1", "1 tasks a day (UTC)", "until", "it counts at london"] {
        assert!(signed.talk.contains(words), "{words} in\n{}", signed.talk);
    }
    nodes.fails(&format!("{sign} {ALICE}"), 1, "alice has signed this standing approval already");
    let listed = nodes.done("standing list --json --node @london --federation @federation").json();
    assert_eq!(listed["standing"][0]["used_today"], 0);
    assert_eq!(listed["standing"][0]["signed_by"], json!(["alice"]));

    let first = count(&nodes, "first");
    phase(&nodes, &first, "london", "released");
    phase(&nodes, &first, "leeds", "held");
    let listed = nodes.done("standing list --node @london --federation @federation");
    assert!(listed.out.contains("1 of 1") && listed.out.contains("counts until"), "{}", listed.out);
    let second = count(&nodes, "second");
    phase(&nodes, &second, "london", "held");

    nodes.fails(&format!("standing withdraw weekly {BOB}"), 1, "bob has not signed `weekly`; alice can withdraw");
    nodes.done(&format!("standing withdraw weekly --reason alike {ALICE}"));
    nodes.fails(&format!("standing withdraw weekly {ALICE}"), 1, "alice has withdrawn `weekly` already");
    nodes.fails(&format!("{sign} {ALICE}"), 1, "it never returns");
    let listed = nodes.done("standing list --all --node @london --federation @federation");
    assert!(listed.out.contains("withdrawn by alice"), "{}", listed.out);
    assert!(
        nodes
            .done("standing list --federation @federation --node @london")
            .talk
            .contains("nothing leaves without a person")
    );

    // The researcher's program comes to the same: who let it out, and that the log held it before.
    nodes.run(&format!("fetch {first} --out @result --key @carol --node @london --federation @federation"));
    let verified = nodes.done("verify @result");
    for words in ["no person looked at it: the standing approval `weekly` of alice", "cosigned by hub"] {
        assert!(verified.out.contains(words), "{words} in\n{}", verified.out);
    }
}

#[test]
fn the_log_is_one_file_that_anyone_can_check_and_a_restored_node_waits_for_two_persons() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let journal = home.join("london/state/journal.redb");
    let before = home.join("sunday.redb");
    drop(Running::start(home));
    fs::copy(&journal, &before).unwrap();

    let nodes = Running::start(home);
    let task = count(&nodes, "first");
    phase(&nodes, &task, "london", "held");
    nodes.done(&format!("review approve {task} --reason fine {ALICE}"));
    phase(&nodes, &task, "london", "released");
    until("the log is witnessed", || health(&nodes), |health| health["log"]["cosigners"] != json!([]));
    nodes.fails(&format!("audit recover --reason x {ALICE}"), 1, "there is nothing to recover");
    nodes.fails("audit export --out @hub.log --node @hub", 1, "is a hub");
    let told = nodes.done("audit export --out @london.log --node @london --json").json();
    assert_eq!((&told["holds"], &told["tre"]), (&true.into(), &"london".into()));
    nodes.fails("audit export --out @london.log --node @london", 1, "is never overwritten");
    let verified = nodes.done("audit verify @london.log");
    for words in [
        "compare the federation's id",
        "each the beginning of the next",
        "every byte of them signed for",
        "cosigned by",
    ] {
        assert!(verified.out.contains(words), "{words} in\n{}", verified.out);
    }
    no_byte_of_the_log_can_be_changed(&nodes, &home.join("london.log"));
    assert!(nodes.done("audit verify @london.log --state @london").out.contains("earlier entries are as they were"));
    assert!(
        nodes.done("audit forks --node @london --federation @federation").talk.contains("nobody has told two stories")
    );
    nodes.fails("audit verify --proof @federation/root-1-by-alice.quintes", 1, "the files prove nothing");
    drop(nodes);

    assert!(
        nodes_off(home, "audit verify @london.log --state @london", 0).contains("byte for byte what was committed to")
    );
    let whole = fs::read(&journal).unwrap();
    fs::copy(&before, &journal).unwrap();
    let lost = nodes_off(home, "audit verify @london.log --state @london", 1);
    assert!(lost.contains("are cut off"), "{lost}");
    fs::write(&journal, &whole[..whole.len() / 2]).unwrap();
    nodes_off(home, "audit verify --state @london", 1);
    fs::remove_file(&journal).unwrap();
    assert!(nodes_off(home, "audit verify --state @london", 1).contains("is missing"));
    fs::copy(&before, &journal).unwrap();
    restored(home, &task);
}

/// Some of every part of the file, the first and the last byte among them; every byte is tried where the check lives.
fn no_byte_of_the_log_can_be_changed(nodes: &Running, file: &Path) {
    let whole = fs::read(file).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40).chain([whole.len() - 1]) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(file, changed).unwrap();
        assert_eq!(nodes.run("audit verify @london.log").code, 1, "byte {at}");
    }
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(file, &whole[..length]).unwrap();
        assert_eq!(nodes.run("audit verify @london.log").code, 1, "cut to {length}");
    }
    fs::write(file, whole).unwrap();
}

/// A command line while no node runs.
fn nodes_off(home: &Path, line: &str, code: u8) -> String {
    let said = super::quintes(home, line);
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.talk);
    said.out
}

/// Row 75, from the command line: yesterday's journal under a node that has signed for more since.
fn restored(home: &Path, task: &str) {
    super::done(home, "network grant bob --role operator --tre london --key @bob");
    let nodes = Running::start(home);
    let behind = until("the node notices", || health(&nodes), |health| !health["log"]["behind"].is_null());
    assert!(behind["log"]["waiting"].as_str().unwrap().contains("restored from a backup"));
    nodes.fails("node health --node @london", 1, "restored from a backup");
    let next = count(&nodes, "next");
    phase(&nodes, &next, "leeds", "held");
    phase(&nodes, &next, "london", "admitted");

    nodes.fails(&format!("audit recover {BOB}"), 1, "nobody has proposed a recovery yet");
    let recover = format!("audit recover --reason the_disk_failed {BOB}");
    let first = nodes.done(&recover);
    for words in ["you are", "operator", "is left", "called back", "next: a data owner of london runs"] {
        assert!(first.talk.contains(words), "{words} in\n{}", first.talk);
    }
    assert!(first.talk.contains(&task[..12]), "what went on is named\n{}", first.talk);
    nodes.fails(&recover, 1, "bob has signed this recovery");
    nodes.fails(
        "audit recover --key @carol --federation @federation --node @london",
        1,
        "neither operator nor data owner",
    );
    let second = nodes.done(&format!("audit recover {ALICE}"));
    assert!(second.talk.contains("the disk failed") && second.talk.contains("goes on, in epoch 1"), "{}", second.talk);
    phase(&nodes, &next, "london", "held");
    nodes.done(&format!("review approve {next} --reason fine {ALICE}"));
    phase(&nodes, &next, "london", "released");
    let verified = nodes.done("audit verify --state @london");
    assert!(verified.out.contains("were lost") && verified.out.contains("the disk failed"), "{}", verified.out);
}
