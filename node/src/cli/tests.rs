//! The command line as a person types it: exit codes, streams, and what is written.

use super::run_with;
use super::speak::Speak;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

mod author;
mod conversation;
mod dataset;
mod journey;
mod neighbours;
mod refusals;
mod witnessed;
pub(super) mod worker;

/// Keeps what is printed.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Said {
    code: u8,
    out: String,
    talk: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.talk))
    }
}

/// A command line in a folder: words are split at spaces, `@` begins a path in the folder, `_` in a word is a space.
fn quintes(home: &Path, line: &str) -> Said {
    let word = |word: &str| -> OsString {
        let word = word.replace('_', " ");
        word.replace('@', &format!("{}/", home.display())).into()
    };
    let mut args: Vec<OsString> = std::iter::once("quintes".into()).chain(line.split(' ').map(word)).collect();
    let verb: Vec<&str> = line.split(' ').take(2).collect();
    let federated =
        !line.contains("--federation") && !matches!(verb.as_slice(), ["node", "check" | "doctor"] | ["key", "show"]);
    if federated && ["key", "network", "project", "node"].contains(&verb[0]) && verb.len() == 2 {
        args.extend(["--federation".into(), home.join("federation").into()]);
    }
    let (out, talk) = (Paper::default(), Paper::default());
    let code = run_with(args, |json| Speak::into(Box::new(out.clone()), Box::new(talk.clone()), json));
    Said { code, out: out.text(), talk: talk.text() }
}

fn done(home: &Path, line: &str) -> Said {
    let said = quintes(home, line);
    assert_eq!(said.code, 0, "{line}\n{}", said.talk);
    said
}

/// Asserts that a command line fails with this code and says these words.
fn fails(home: &Path, line: &str, code: u8, words: &str) {
    let before = files(&home.join("federation"));
    let said = quintes(home, line);
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.talk);
    assert!(said.talk.contains(words), "{line}\n{}\ndoes not say: {words}", said.talk);
    assert_eq!(files(&home.join("federation")), before, "{line} left something behind");
}

/// The names of a folder's files, in order.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write_data(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("PERSON.csv"), "\u{feff}\"PERSON_ID\",year_of_birth\r\n1,1950\r\n").unwrap();
    fs::write(folder.join("concept.csv"), "concept_id,concept_name\n1,stroke\n").unwrap();
}

/// A federation of two root persons, two TREs and a hub, a researcher and a project, made by the verbs alone.
fn ceremony(home: &Path) {
    fs::write(home.join("secret"), "four words are enough\n").unwrap();
    fs::set_permissions(home.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    done(home, "key new alice --organisation Hospital_A --device laptop --out @ --passphrase-file @secret");
    done(home, "key new bob --organisation Hospital_B --out @ --no-passphrase");
    done(
        home,
        "network init heart --person alice --organisation Hospital_A --key @alice --passphrase-file @secret --with bob:Hospital_B:@bob.pub --threshold 2",
    );
    done(home, "network sign @federation/root-1-by-alice.quintes --key @bob");
    done(home, "key request @alice --organisation Hospital_A --device laptop --passphrase-file @secret");
    done(home, "key request @bob --organisation Hospital_B");
    done(home, "key new carol --organisation University --out @ --no-passphrase");
    write_data(&home.join("data"));
    for (tre, owner) in [("london", "alice"), ("leeds", "bob")] {
        done(
            home,
            &format!(
                "node init @{tre} --name {tre} --kind tre --organisation Hospital --data @data --dataset omop --data-owner {owner} --listen /ip4/127.0.0.1/tcp/0"
            ),
        );
    }
    done(home, "node init @hub --name hub --kind hub --organisation Hospital_A --listen /ip4/0.0.0.0/tcp/4001");
    done(
        home,
        "network enrol @alice.request @bob.request @carol.request @london/london.request @leeds/leeds.request @hub/hub.request --key @bob",
    );
    done(home, "network grant alice --role data-owner --tre london --key @bob");
    done(home, "network grant bob --role data-owner --tre leeds --key @alice --passphrase-file @secret");
    done(home, "project new stroke --title Stroke --tre london --tre leeds --dataset omop --admin bob --key @bob");
    done(home, "project sign stroke --key @alice --passphrase-file @secret");
    done(home, "network grant carol --role researcher --project stroke --days 30 --key @bob");
    done(home, "network status --key @bob");
}

#[test]
fn a_federation_is_made_from_files_alone() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let shown = done(home, "network show --json").json();
    assert_eq!(shown["ok"], true);
    assert_eq!(shown["root"]["threshold"], 2);
    assert_eq!(shown["refused"], serde_json::json!([]));
    let members: Vec<&str> =
        shown["members"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let mut sorted = members.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["alice", "bob", "carol", "hub", "leeds", "london"]);
    assert_eq!(shown["projects"][0]["counts_at"], serde_json::json!(["london", "leeds"]));
    assert_eq!(shown["status"]["fresh"], true);
    assert_eq!(shown["grants"].as_array().unwrap().len(), 3);
    let text = done(home, "network show");
    for words in ["2 of 2 root persons", "carol is researcher in stroke", "epoch 1, fresh until", "Hospital B"] {
        assert!(text.out.contains(words), "{}", text.out);
    }
    assert!(files(&home.join("federation")).contains(&"key-carol-by-carol.quintes".to_owned()));
    let project = done(home, "project show stroke --json").json();
    assert_eq!(project["projects"][0]["signed_by"], serde_json::json!(["alice", "bob"]));
    assert_eq!(done(home, "network status --key @bob --json").json()["epoch"], 2);
    assert_eq!(
        done(home, "project new stroke --title Stroke --tre leeds --dataset omop --key @bob --json").json()["version"],
        2
    );
}

#[test]
fn a_federation_travels_in_one_file() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    done(home, "network export @heart.quintes");
    fails(home, "network export @heart.quintes", 1, "is already there and is never overwritten");
    done(home, "network import @heart.quintes --federation @copy");
    let (here, there) = (files(&home.join("federation")), files(&home.join("copy")));
    assert_eq!(here, there);
    let again = done(home, "network import @heart.quintes --federation @copy --json").json();
    assert_eq!(again["statements"], serde_json::json!([]), "nothing is new the second time");
    let shown = done(home, "network show --federation @copy --json").json();
    assert_eq!(shown["network"], done(home, "network show --json").json()["network"]);
    let cut = fs::read(home.join("heart.quintes")).unwrap();
    fs::write(home.join("cut.quintes"), &cut[..cut.len() - 1]).unwrap();
    fails(home, "network import @cut.quintes", 1, "is cut short: the statement at byte");
}

#[test]
fn a_revocation_counts_and_is_named_by_its_beginning() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let grants = done(home, "network show --json").json();
    let carol = grants["grants"].as_array().unwrap().iter().find(|one| one["grant"]["person"] == "carol").unwrap();
    let id = carol["id"].as_str().unwrap();
    fails(
        home,
        &format!("network revoke {id} --reason left --key @carol"),
        1,
        "carol cannot revoke this; only bob or a root person (alice, bob) can",
    );
    fails(home, "network revoke carol --reason left --key @bob", 1, &id[..12]);
    fails(home, "network revoke abc --reason left --key @bob", 1, "neither an id");
    fails(home, "network revoke 000000000000 --reason left --key @bob", 1, "no statement's id begins with");
    done(home, &format!("network revoke {} --reason left --key @bob", &id[..8]));
    fails(home, &format!("network revoke {id} --reason left --key @bob"), 1, "was revoked already");
    let shown = done(home, "network show --json").json();
    let states: Vec<&str> =
        shown["grants"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "revoked").count(), 1);
    assert_eq!(done(home, "network status --key @bob --json").json()["revocations"], 1);
}

#[test]
fn a_delegated_grant_finds_its_parent() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    done(home, "key new dave --organisation University --out @ --no-passphrase");
    done(home, "network enrol @dave.request --key @bob");
    fails(
        home,
        "network grant dave --role researcher --project stroke --key @carol",
        1,
        "carol cannot make a researcher there; ask bob",
    );
    done(home, "network grant carol --role researcher --project stroke --may-delegate --key @bob");
    let made =
        done(home, "network grant dave --role researcher --project stroke --dataset omop --key @carol --json").json();
    assert_eq!(made["counts_at"], serde_json::json!(["london", "leeds"]));
    let shown = done(home, "network show --json").json();
    let dave = shown["grants"].as_array().unwrap().iter().find(|one| one["grant"]["person"] == "dave").unwrap();
    assert!(dave["grant"]["parent"].is_string());
}

#[test]
fn help_version_and_completion_are_data() {
    let home = tempfile::tempdir().unwrap();
    for line in ["--help", "network grant --help", "--version", "completion bash", "completion zsh", "completion fish"]
    {
        let said = done(home.path(), line);
        assert!(said.out.contains("quintes") && said.talk.is_empty(), "{line}: {}", said.out);
    }
    assert!(done(home.path(), "network grant --help").out.contains("quintes network grant bob --role data-owner"));
}
