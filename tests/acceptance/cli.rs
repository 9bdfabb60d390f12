//! The command line from outside: exit codes, what goes to which stream, and sentences that say what to do.

use crate::federation::alone;
use std::fs;
use testnet::narrate::Show;

/// The command line, its exit code, and what its talk has to contain.
const WRONG: &[(&[&str], i32, &str)] = &[
    (&[], 2, "Usage"),
    (&["frobnicate"], 2, "unrecognized subcommand"),
    (&["submit"], 2, "--component"),
    (&["key", "new", "Not A Name", "--organisation", "X"], 1, "is no name; take at most 64 lower-case letters"),
    (&["network", "show"], 1, "federation"),
    (&["network", "init", "x", "--person", "a", "--organisation", "X", "--key", "missing"], 1, "missing"),
    (&["node", "check", "--config", "missing.toml"], 1, "there is no configuration `missing.toml`"),
    (&["node", "run", "--config", "missing.toml"], 1, "missing.toml"),
    (&["status"], 1, "no node is named; give --node"),
    (&["status", "--node", "nowhere"], 1, "nowhere"),
    (&["review", "list", "--node", "."], 1, "is no folder of a running node"),
    (&["verify", "nothing"], 1, "nothing"),
    (&["aggregate", "nothing"], 1, "nothing"),
];

#[tokio::test]
async fn each_wrong_use_has_its_code_and_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let runner = alone(folder.path());
    for (args, code, sentence) in WRONG {
        let said = runner.run(args, Show::Nothing).await.unwrap();
        assert_eq!(said.code, Some(*code), "{args:?}: {}{}", said.stdout, said.stderr);
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(all.contains(sentence), "{args:?} says: {all}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[tokio::test]
async fn with_json_an_error_is_data_too() {
    let folder = tempfile::tempdir().unwrap();
    let runner = alone(folder.path());
    for (args, code, _) in WRONG.iter().filter(|(args, ..)| !args.is_empty()) {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let said = runner.run(&args, Show::Nothing).await.unwrap();
        assert_eq!(said.code, Some(*code), "{args:?}");
        let answer = said.json().unwrap();
        assert_eq!(answer["ok"], false, "{args:?}: {answer}");
        assert_eq!(said.stdout.lines().count(), 1, "{args:?}: {}", said.stdout);
    }
}

#[tokio::test]
async fn help_and_version_are_data() {
    let folder = tempfile::tempdir().unwrap();
    let runner = alone(folder.path());
    for args in [&["--help"][..], &["--version"], &["help", "submit"], &["completion", "bash"]] {
        let said = runner.must(args, Show::Nothing).await.unwrap();
        assert!(!said.stdout.is_empty() && said.stderr.is_empty(), "{args:?}: {}", said.stderr);
    }
}

#[tokio::test]
async fn a_private_key_is_private_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let runner = alone(folder.path());
    let new = ["key", "new", "ann", "--organisation", "X", "--no-passphrase"];
    runner.must(&new, Show::Nothing).await.unwrap();
    for name in ["ann", "ann.age", "ann.peer"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let before = fs::read(folder.path().join("ann")).unwrap();
    let said = runner.run(&new, Show::Nothing).await.unwrap();
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("never overwritten"), "{}", said.stderr);
    assert_eq!(fs::read(folder.path().join("ann")).unwrap(), before);
}
