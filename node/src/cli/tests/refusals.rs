//! Wrong uses of the command line: each has its exit code and a sentence, and leaves nothing behind.

use super::{ceremony, done, fails, files, quintes};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

#[test]
fn wrong_usage_is_2() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (line, words) in [
        ("network grant bob --role king --key @bob", "invalid value 'king'"),
        ("network grant bob --role researcher --days 91 --key @bob", "91 is not in 1..=90"),
        ("network status --days 0 --key @bob", "0 is not in 1..=31"),
        ("network init heart --person a --organisation A --key @a --with bob", "write PERSON:ORGANISATION:FILE.pub"),
        ("network show --network abc", "is not 64 hexadecimal digits"),
        ("project new p --title t --tre a --dataset d --component x --key @a", "write NAME=FILE or NAME=SHA-256"),
        ("node init @n --name n --kind hub --organisation A --listen nowhere", "invalid value 'nowhere'"),
        ("node init @n --name n --kind tre --organisation A --data @data", "--dataset <NAME>"),
        ("network frobnicate", "unrecognized subcommand 'frobnicate'"),
    ] {
        fails(home, line, 2, words);
    }
    let said = quintes(home, "network frobnicate --json");
    assert_eq!((said.code, said.json()["ok"].as_bool()), (2, Some(false)));
    assert!(said.json()["error"].as_str().unwrap().contains("frobnicate"));
}

#[test]
fn without_a_federation_each_verb_says_how_to_get_one() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    done(home, "key new alice --organisation A --out @ --no-passphrase");
    for line in ["network show", "network status --key @alice", "key request @alice --organisation A", "project show"] {
        fails(home, line, 1, "make one with `quintes network init`, or copy one from a member");
    }
    fs::create_dir(home.join("federation")).unwrap();
    fails(home, "network show", 1, "no root of a federation was found");
    let said = quintes(home, "network show --json");
    assert_eq!((said.code, said.json()["ok"].as_bool()), (1, Some(false)));
    fails(
        home,
        "network init Heart --person alice --organisation A --key @alice",
        1,
        "network: a name has at most 64 lower-case",
    );
    fails(
        home,
        "network init heart --person alice --organisation A --key @alice --threshold 2",
        1,
        "the threshold is at least 1 and at most",
    );
    fails(home, "network init heart --person alice --organisation A --key @no", 1, "there is no file");
    fails(home, "network init heart --person alice --organisation A --key @alice.pub", 1, "chmod 600");
    done(home, "network init heart --person alice --organisation A --key @alice");
    fails(
        home,
        "network init lung --person alice --organisation A --key @alice",
        1,
        "holds a federation's root already",
    );
}

#[test]
fn keys_are_never_overwritten_nor_half_made() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    done(home, "key new alice --organisation A --out @ --no-passphrase");
    fails(
        home,
        "key new alice --organisation A --out @ --no-passphrase",
        1,
        "is already there and is never overwritten",
    );
    fails(home, "key new Bob --organisation A --out @ --no-passphrase", 1, "`Bob` is no name");
    fails(home, "key new bob --organisation A --out @", 1, "give --passphrase-file FILE, or run this in a terminal");
    fs::write(home.join("secret"), "one\n").unwrap();
    fs::set_permissions(home.join("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    fails(home, "key new bob --organisation A --out @ --passphrase-file @secret", 1, "chmod 600");
    fs::set_permissions(home.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(files(home), ["alice", "alice.age", "alice.peer", "alice.pub", "secret"]);
    done(home, "key new bob --organisation A --out @ --passphrase-file @secret");
    fs::write(home.join("wrong"), "two\n").unwrap();
    fs::set_permissions(home.join("wrong"), fs::Permissions::from_mode(0o600)).unwrap();
    fails(
        home,
        "network init heart --person bob --organisation A --key @bob --passphrase-file @wrong",
        1,
        "is wrong; try again",
    );
    fails(
        home,
        "network init heart --person bob --organisation A --key @bob",
        1,
        "there is no terminal to ask at; give --passphrase-file FILE",
    );
    let shown = done(home, "key show @alice --json").json();
    assert!(
        shown["fingerprint"].as_str().unwrap().starts_with("SHA256:")
            && shown["recipient"].as_str().unwrap().starts_with("age1")
    );
    fails(home, "key show @secret", 1, "is not a public key");
}

#[test]
fn who_may_not_sign_is_told_who_could() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    done(home, "key new alice --organisation A --out @ --no-passphrase");
    done(home, "key new bob --organisation B --out @ --no-passphrase");
    done(home, "key new eve --organisation E --out @ --no-passphrase");
    done(home, "network init heart --person alice --organisation A --key @alice --with bob:B:@bob.pub --threshold 2");
    fails(home, "network status --key @alice", 1, "1 of 2 root persons signed version 1, 2 must");
    fails(
        home,
        "network sign @federation/root-1-by-alice.quintes --key @eve",
        1,
        "is none of this root's; its root persons are alice",
    );
    fs::remove_dir_all(home.join("federation")).unwrap();

    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    done(home, "key new eve --organisation E --out @ --no-passphrase");
    for (line, words) in [
        ("network status --key @carol", "carol is not a root person and cannot make a status; ask alice, bob"),
        ("network status --key @eve", "belongs to nobody in this federation; ask a root person (alice, bob)"),
        ("network status --key @london/state/keys/signing", "is that of the TRE london; sign with a person's key"),
        ("network enrol @eve.request --key @carol", "carol is not a root person and cannot enrol anybody"),
        ("network enrol @federation/status-0001-by-bob.quintes --key @bob", "a status is no request to be enrolled"),
        ("network enrol @secret --key @bob", "holds no statement at byte 0"),
        ("network sign @federation/status-0001-by-bob.quintes --key @bob", "a status has one signature only"),
        (
            "network grant eve --role data-owner --tre london --key @carol",
            "carol cannot make a data-owner there; ask alice or bob",
        ),
        (
            "network grant eve --role researcher --project stroke --key @carol",
            "carol cannot make a researcher there; ask bob",
        ),
        ("network grant eve --role researcher --key @bob", "a researcher's grant names the project"),
        ("network grant eve --role data-owner --key @bob", "this role's grant names the TRE"),
        (
            "network grant eve --role researcher --project strike --key @bob",
            "there is no project strike; the projects are: stroke",
        ),
        (
            "network grant eve --role researcher --project stroke --tre york --key @bob",
            "york takes no part in stroke; its TREs are london, leeds",
        ),
        (
            "project new flu --title t --tre london --dataset omop --key @carol",
            "carol is no data owner of london; ask alice",
        ),
        (
            "project new flu --title t --tre york --dataset omop --key @bob",
            "no TRE york is enrolled; the enrolled TREs are: ",
        ),
        (
            "project new flu --title t --tre leeds --dataset omop --threshold 0 --key @bob",
            "threshold must be at least 1",
        ),
        (
            "project new flu --title t --tre leeds --dataset omop --approvals 0 --key @bob",
            "without one nothing could ever be held back",
        ),
        (
            "project new flu --title t --tre leeds --dataset omop --component a=@no.wasm --key @bob",
            "cannot read the component",
        ),
        ("project sign flu --key @bob", "there is no project flu"),
        ("project sign stroke --version 7 --key @bob", "stroke has no version 7"),
        ("project sign stroke --key @carol", "carol is no data owner of london, leeds; ask alice, bob"),
        ("project show flu", "there is no project flu; the projects are: stroke"),
    ] {
        fails(home, line, 1, words);
    }
    done(home, "key new london --organisation E --out @other --no-passphrase");
    fails(
        home,
        "network enrol @other/london.request --key @bob",
        1,
        "london is already the name of the TRE of Hospital",
    );
}

#[test]
fn a_statement_of_another_federation_is_not_believed() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for home in [here.path(), there.path()] {
        done(home, "key new alice --organisation A --out @ --no-passphrase");
        done(home, "network init heart --person alice --organisation A --key @alice");
        done(home, "key request @alice --organisation A");
    }
    fs::copy(there.path().join("alice.request"), here.path().join("foreign.request")).unwrap();
    fails(
        here.path(),
        "network enrol @foreign.request --key @alice",
        1,
        "the signature does not verify for this network",
    );
    fails(here.path(), "network import @foreign.request", 1, "were not believed");
}

#[test]
fn node_init_makes_a_whole_folder_or_none() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    assert_eq!(files(&home.join("london")), ["london.request", "node.toml", "state"]);
    let text = fs::read_to_string(home.join("london/node.toml")).unwrap();
    assert!(text.contains("tables = [\"concept\", \"person\"]"), "{text}");
    let fields = text.lines().filter(|line| !line.is_empty() && !line.starts_with('[')).collect::<Vec<_>>();
    assert!(fields[0].starts_with('#'), "every field is explained: {}", fields[0]);
    fails(
        home,
        "node init @london --name london --kind tre --organisation A",
        1,
        "is already there and is never overwritten",
    );
    for (line, words) in [
        ("node init @york --name York --kind tre --organisation A", "`York` is no name"),
        ("node init @york --name york --kind tre --organisation A --data @no --dataset omop", "cannot read the folder"),
        (
            "node init @york --name york --kind tre --organisation A --data @london --dataset omop",
            "holds no .csv, .tsv or .parquet file",
        ),
        (
            "node init @york --name york --kind tre --organisation A --data @data --dataset omop --tables drug",
            "holds no table drug; it has concept, person",
        ),
    ] {
        fails(home, line, 1, words);
        assert!(!home.join("york").exists(), "{line}");
    }
}

/// The findings of a configuration with one text replaced by another.
fn check(home: &Path, from: &str, to: &str) -> (u8, Vec<String>) {
    let original = fs::read_to_string(home.join("london/node.toml")).unwrap();
    assert!(original.contains(from), "{from}");
    fs::write(home.join("london/changed.toml"), original.replacen(from, to, 1)).unwrap();
    let said = quintes(home, "node check --json --config @london/changed.toml");
    let findings = said.json()["findings"].as_array().unwrap().clone();
    let told = findings.iter().map(|one| {
        let text = |field: &str| one[field].as_str().unwrap().to_owned();
        format!("{} {}: {}; {}", text("level"), text("field"), text("sentence"), text("remedy"))
    });
    (said.code, told.collect())
}

#[test]
fn node_check_says_what_is_wrong_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    assert_eq!(check(home, "name", "name"), (0, Vec::new()));
    assert_eq!(done(home, "node check --config @hub/node.toml").out, "");
    for (from, to, code, words) in [
        ("listen = ", "lissten = ", 1, "error lissten: "),
        ("organisation = ", "# ", 1, "lacks the field `organisation`"),
        (
            "kind = \"tre\"",
            "kind = \"hub\"",
            1,
            "the key is enrolled as the TRE london, and the configuration says hub london",
        ),
        ("name = \"london\"", "name = \"leeds\"", 1, "correct `name` and `kind`"),
        ("data_owners = [\"alice\"]", "data_owners = []", 1, "error data_owners: there is no data owner"),
        ("data_owners = [\"alice\"]", "data_owners = [\"bob\"]", 1, "bob has no grant as data owner of london"),
        ("data_owners = [\"alice\"]", "data_owners = [\"zoe\"]", 1, "zoe is not enrolled in the federation"),
        ("data_owners = [\"alice\"]", "data_owners = [\"alice\", \"alice\"]", 1, "`alice` stands there twice"),
        ("/data\"", "/nodata\"", 1, "error dataset.path: "),
        ("\"person\"]", "\"drug\"]", 1, "holds no table drug; name one that it has (concept, person), or add the file"),
        ("tables = [", "tables = [] # [", 1, "no table of omop is granted"),
        ("subject = \"person_id\"", "subject = \"patient\"", 1, "no table of omop has the column patient"),
        ("listen = [\"/ip4/127.0.0.1/tcp/0\"]", "listen = [\"/ip4/0.0.0.0/tcp/0\"]", 0, "warning listen: "),
        ("listen = [\"/ip4/127.0.0.1/tcp/0\"]", "listen = []", 0, "the node neither listens nor dials"),
        ("dial = []", "dial = [\"/ip4/127.0.0.1/tcp/4001\"]", 1, "append /p2p/ and the other node's peer id"),
        ("memory_mb = 512", "memory_mb = 0", 1, "error limits.memory_mb: "),
        ("state = \"state\"", "state = \"nostate\"", 1, "is not there; run `quintes node init`"),
        ("federation = ", "# ", 0, "warning federation: no folder of statements is named"),
        (
            "network = \"",
            "network = \"0000000000000000000000000000000000000000000000000000000000000000\" # \"",
            1,
            "holds no complete root of the federation 000",
        ),
    ] {
        let (found, findings) = check(home, from, to);
        assert!(findings.iter().any(|one| one.contains(words)), "{from} → {to}: {findings:#?}\ndo not say: {words}");
        assert_eq!(found, code, "{from} → {to}: {findings:#?}");
    }
    let text = fs::read_to_string(home.join("london/node.toml")).unwrap();
    let end = text.find("[[dataset]]").unwrap();
    let limits = text.find("[limits]").unwrap();
    let (_, findings) = check(home, &text[end..limits], "");
    assert!(
        findings.iter().any(|one| one.contains("there is no dataset, so that every task is refused")),
        "{findings:#?}"
    );
}

#[test]
fn node_check_looks_at_permissions_keys_and_the_clock() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let state = home.join("london/state");
    let says = |words: &str| {
        let (code, findings) = check(home, "name", "name");
        assert!(code == 1 && findings.iter().any(|one| one.contains(words)), "{findings:#?}\ndo not say: {words}");
    };
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&state.join("keys/signing"), 0o644);
    says("is open to others (mode 644); run `chmod 600");
    mode(&state.join("keys/signing"), 0o600);
    mode(&state, 0o755);
    says("is open to others (mode 755); run `chmod 700");
    mode(&state, 0o700);
    fs::rename(state.join("keys/custody"), state.join("elsewhere")).unwrap();
    says("keys/custody`; check the path");
    fs::rename(state.join("elsewhere"), state.join("keys/custody")).unwrap();
    let peer = fs::read(state.join("keys/peer")).unwrap();
    fs::write(state.join("keys/peer"), b"short").unwrap();
    says("does not hold 32 bytes; restore it from a backup");
    fs::write(state.join("keys/peer"), peer).unwrap();
    let journal = fs::File::create(state.join("journal.redb")).unwrap();
    journal.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(3_600)).unwrap();
    says("the clock is off: the journal was written later than now; set the clock");
    journal.set_modified(std::time::SystemTime::now()).unwrap();
    let shown = done(home, "network show --json").json();
    let key =
        shown["members"].as_array().unwrap().iter().find(|one| one["name"] == "london").unwrap()["fingerprint"].clone();
    let record = fs::read_dir(home.join("federation"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.ends_with("key-london-by-bob.quintes"))
        .unwrap();
    let id = protocol::wire::id::StatementId::of(&fs::read(record).unwrap());
    done(home, &format!("network revoke {id} --reason lost --key @bob"));
    says("the key of london was revoked");
    let members = done(home, "network show --json").json();
    assert!(members["members"].as_array().unwrap().iter().all(|one| one["fingerprint"] != key));
    // A statement that is dated tomorrow, as a machine with another clock makes it.
    let alice = keys::keyfile::open(&home.join("bob"), || unreachable!()).unwrap();
    let stamp = protocol::record::stamp::Stamp {
        network: shown["network"].as_str().unwrap().parse().unwrap(),
        issuer: "bob".to_owned(),
        issued: crate::clock::now() + 86_400,
        lifetime: 86_400,
        nonce: [9; 16],
        place: None,
    };
    let status = protocol::record::status::Status { epoch: 9, root_version: 1, revocations: Vec::new() };
    let bytes = protocol::record::stamp::sign(&status, &stamp, &alice).unwrap();
    crate::statements::write_new(&home.join("federation/tomorrow.quintes"), &[bytes]).unwrap();
    says("1 statements are dated in the future");
}
