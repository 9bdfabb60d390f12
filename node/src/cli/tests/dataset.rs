//! `quintes dataset check` as an operator runs it.

#[path = "../../../../sandbox/tests/fixture/cluster.rs"]
mod ballista;

use super::{ceremony, done, fails, quintes};
use ballista::cluster;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_dataset_that_everybody_can_read_is_refused_until_what_is_printed_was_done() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let mode = |path: &str, mode| fs::set_permissions(home.join(path), Permissions::from_mode(mode)).unwrap();
    let check = "dataset check --config @london/node.toml";
    for path in ["", "data"] {
        mode(path, 0o755);
    }
    for file in ["data/PERSON.csv", "data/concept.csv"] {
        mode(file, 0o644);
    }
    let refused = quintes(home, check);
    let said = format!("{}{}", refused.out, refused.talk);
    assert_eq!(refused.code, 1, "{said}");
    assert!(said.contains("everybody on this machine can read") && said.contains("chmod o-rwx"), "{said}");
    mode("data", 0o750);
    assert!(done(home, check).out.contains("safe to open"));
    let checked = done(home, &format!("{check} --json")).json();
    assert_eq!(
        (&checked["ok"], &checked["datasets"][0]["relations"][1]["subject"]),
        (&true.into(), &"person_id".into())
    );
    assert!(!checked.to_string().contains("1950"), "what the rows hold is nobody's business");
    fails(home, &format!("{check} other"), 1, "no such dataset; it has: omop");
}

#[test]
fn a_cluster_is_a_dataset_once_its_operator_accepts_that_it_asks_nobody() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    ceremony(home);
    let port = cluster().port;
    fs::write(home.join("people.csv"), "person_id,year_of_birth\n1,1950\n2,1960\n").unwrap();
    let setup = format!("CREATE_EXTERNAL_TABLE_people_STORED_AS_CSV_LOCATION_'{}/people.csv'", home.display());
    let init = |name: &str, more: &str| {
        let line = format!(
            "node init @{name} --name {name} --kind tre --organisation Hospital --dataset omop --data-owner bob"
        );
        done(
            home,
            &format!("{line} --engine flight --host 127.0.0.1 --port {port} --tables people --setup {setup}{more}"),
        );
    };
    init("york", "");
    let said = quintes(home, "dataset check --config @york/node.toml");
    let said = format!("{}{}", said.out, said.talk);
    assert!(said.contains("without a password") && said.contains("accept_anonymous = true"), "{said}");
    init("hull", " --accept-anonymous");
    let found = quintes(home, "node check --config @hull/node.toml --json").out;
    assert!(!found.contains("dataset."), "{found}");
    let checked = done(home, "dataset check --config @hull/node.toml --json").json();
    let relation = &checked["datasets"][0]["relations"][0];
    assert_eq!((&relation["name"], &relation["size"]), (&"people".into(), &"fewer than 10 rows".into()));
    assert_eq!(relation["columns"][0]["type"], "int64");
    let text = fs::read_to_string(home.join("hull/node.toml")).unwrap();
    fs::write(home.join("hull/node.toml"), text.replace("127.0.0.1", "192.0.2.1")).unwrap();
    let said = quintes(home, "dataset check --config @hull/node.toml");
    let said = format!("{}{}", said.out, said.talk);
    assert!(said.contains("in plain text") && said.contains("accept_plaintext = true"), "{said}");
}
