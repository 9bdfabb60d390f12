//! The stair: who may import whom, what every crate inherits, and how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each package may import of ours; nothing else, in any table of dependencies.
const STAIR: [(&str, &[&str]); 6] = [
    ("keys", &[]),
    ("sandbox", &[]),
    ("protocol", &["keys"]),
    ("node", &["keys", "protocol", "sandbox"]),
    ("testnet", &["keys", "node", "protocol", "sandbox"]),
    ("tests", &["keys", "node", "protocol", "testnet"]),
];

/// The longest file, in lines.
const LONGEST: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn manifest(package: &str) -> toml::Table {
    fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap().parse().unwrap()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_package_imports_only_what_stands_below_it() {
    for (package, allowed) in STAIR {
        let manifest = manifest(package);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            for name in dependencies.keys().filter(|name| STAIR.iter().any(|(ours, _)| ours == name)) {
                assert!(allowed.contains(&name.as_str()), "{package} imports {name}, which stands above it");
            }
        }
    }
}

#[test]
fn the_pure_crate_has_no_shell_in_it() {
    let manifest = manifest("protocol");
    let dependencies = manifest["dependencies"].as_table().unwrap();
    for shell in ["tokio", "libp2p", "redb", "wasmtime", "getrandom", "rand"] {
        assert!(!dependencies.contains_key(shell), "protocol imports {shell}");
    }
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let keys = &workspace["workspace"]["dependencies"]["keys"];
    assert_eq!(keys["default-features"].as_bool(), Some(false), "protocol must not get key files and agents");
    for file in rust_files(&root().join("protocol/src")) {
        let text = fs::read_to_string(&file).unwrap();
        for clock in ["SystemTime::now", "Instant::now", "std::env::", "std::fs::", "std::thread"] {
            let used = text.lines().any(|line| line.contains(clock) && !line.trim_start().starts_with("//"));
            let tests_only = file.to_string_lossy().contains("tests");
            assert!(!used || tests_only, "{} uses {clock}", file.display());
        }
    }
}

#[test]
fn every_package_keeps_the_lints_and_the_licence() {
    for (package, _) in STAIR {
        let manifest = manifest(package);
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{package} does not inherit the lints");
        for field in ["license", "rust-version", "edition", "publish"] {
            assert_eq!(manifest["package"][field]["workspace"].as_bool(), Some(true), "{package}: {field}");
        }
    }
}

/// Loading compiled code is the one thing that wasmtime offers in no other way; the argument for it stands beside it.
#[test]
fn unsafe_code_stands_in_one_function() {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let word = "unsafe";
    assert_eq!(workspace["workspace"]["lints"]["rust"][&format!("{word}_code")].as_str(), Some("deny"));
    let mut blocks = Vec::new();
    for (package, _) in STAIR {
        // Components are no part of a node: they are compiled for another machine, with generated exports.
        for file in rust_files(&root().join(package).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = code.filter(|line| {
                [" {", " fn", " impl", "_code"].iter().any(|next| line.contains(&format!("{word}{next}")))
            });
            blocks.extend(found.map(|line| (file.strip_prefix(root()).unwrap().to_owned(), line.trim().to_owned())));
        }
    }
    let place = Path::new("sandbox/src/worker/load.rs");
    assert!(blocks.iter().all(|(file, _)| file == place) && blocks.len() == 2, "{blocks:?}");
}

#[test]
fn a_lib_declares_modules_and_defines_nothing() {
    for (package, _) in STAIR {
        let text = fs::read_to_string(root().join(package).join("src/lib.rs")).unwrap();
        assert!(text.starts_with("//!"), "{package}: lib.rs has no caption");
        for line in text.lines() {
            let declares =
                line.is_empty() || ["//", "mod ", "pub mod ", "#[", "#!["].iter().any(|start| line.starts_with(start));
            assert!(declares, "{package}: lib.rs defines something: {line}");
        }
    }
}

#[test]
fn every_file_has_a_caption_and_at_most_600_lines() {
    let mut lengths = BTreeMap::new();
    for (package, _) in STAIR {
        for file in rust_files(&root().join(package)) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//!"), "{} has no caption", file.display());
            lengths.insert(file, text.lines().count());
        }
    }
    let long: Vec<_> = lengths.iter().filter(|(_, lines)| **lines > LONGEST).collect();
    assert!(long.is_empty(), "too long: {long:?}");
    for name in ["util", "utils", "helper", "helpers", "manager", "handler", "common", "misc", "error"] {
        let named = lengths.keys().find(|file| file.file_stem().is_some_and(|stem| stem == name));
        assert!(named.is_none(), "a name that says nothing: {named:?}");
    }
}

#[test]
fn the_pure_crate_builds_for_wasm32_where_the_target_is_there() {
    let installed =
        Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]).output();
    let present = installed.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
    if !present {
        // Without the target's standard library only the import graph can be looked at, which the tests above do.
        return;
    }
    let built = Command::new(env!("CARGO"))
        .args(["check", "-p", "protocol", "--target", "wasm32-unknown-unknown", "--locked"])
        .current_dir(root())
        .status()
        .unwrap();
    assert!(built.success(), "protocol does not build for wasm32");
}
