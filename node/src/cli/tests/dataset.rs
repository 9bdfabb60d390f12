//! `quintes dataset check` as an operator runs it.

use super::{ceremony, done, fails, quintes};
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
