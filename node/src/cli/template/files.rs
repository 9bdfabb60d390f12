//! The files of each template: the examples of `sandbox/components`, byte for byte, but for the paths between them.

use super::File;
use std::borrow::Cow;

macro_rules! components {
    ($path:literal) => {
        include_str!(concat!("../../../../sandbox/components/", $path))
    };
}

const WIT: File = ("wit/analysis.wit", include_str!("../../../../sandbox/wit/analysis.wit"));
const SAMPLE: File = ("sample/person.csv", components!("examples/sample/person.csv"));
const SCHEMA: File = ("example.json", components!("examples/example.json"));

pub(super) const PYTHON: [File; 5] = [
    ("README.md", components!("examples/python/README.md")),
    ("app.py", components!("examples/python/app.py")),
    SAMPLE,
    SCHEMA,
    WIT,
];

pub(super) const JAVASCRIPT: [File; 7] = [
    ("README.md", components!("examples/javascript/README.md")),
    ("app.js", components!("examples/javascript/app.js")),
    ("build.mjs", components!("examples/javascript/build.mjs")),
    ("package.json", components!("examples/javascript/package.json")),
    SAMPLE,
    SCHEMA,
    WIT,
];

pub(super) const RUST: [File; 20] = [
    ("README.md", components!("examples/rust/README.md")),
    (ROOT, components!("Cargo.toml")),
    ("Cargo.lock", components!("Cargo.lock")),
    ("encode/Cargo.toml", components!("encode/Cargo.toml")),
    ("encode/src/main.rs", components!("encode/src/main.rs")),
    ("guest/Cargo.toml", components!("guest/Cargo.toml")),
    (BINDINGS, components!("guest/src/bindings.rs")),
    ("guest/src/column.rs", components!("guest/src/column.rs")),
    ("guest/src/handle.rs", components!("guest/src/handle.rs")),
    ("guest/src/lib.rs", components!("guest/src/lib.rs")),
    ("guest/src/name.rs", components!("guest/src/name.rs")),
    ("guest/src/output.rs", components!("guest/src/output.rs")),
    ("guest/src/parameter.rs", components!("guest/src/parameter.rs")),
    ("guest/src/reason.rs", components!("guest/src/reason.rs")),
    ("guest/src/rows.rs", components!("guest/src/rows.rs")),
    ("spread/Cargo.toml", components!("examples/rust/Cargo.toml")),
    ("spread/src/lib.rs", components!("examples/rust/src/lib.rs")),
    SAMPLE,
    SCHEMA,
    WIT,
];

/// The workspace's manifest, which names its members.
const ROOT: &str = "Cargo.toml";
/// The file that says where the WIT lies.
const BINDINGS: &str = "guest/src/bindings.rs";

/// A file's text, with the paths that are others in a template.
pub(super) fn adapted(place: &str, text: &'static str) -> Cow<'static, str> {
    match place {
        ROOT => text
            .lines()
            .map(
                |line| if line.starts_with("members = ") { r#"members = ["encode", "guest", "spread"]"# } else { line },
            )
            .flat_map(|line| [line, "\n"])
            .collect(),
        BINDINGS => text.replace(r#"path: "../../wit""#, r#"path: "../wit""#).into(),
        _ => text.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{BINDINGS, JAVASCRIPT, PYTHON, ROOT, RUST, adapted};
    use std::path::Path;

    #[test]
    fn no_template_looks_outside_its_own_folder() {
        for (place, text) in RUST.iter().chain(&PYTHON).chain(&JAVASCRIPT) {
            let text = adapted(place, text);
            let code = text.lines().filter(|line| !line.trim_start().starts_with(['#', '/', '*']));
            assert!(!code.clone().any(|line| line.contains("../../")), "{place}");
        }
        let find = |wanted: &str| RUST.iter().find(|(place, _)| *place == wanted).unwrap();
        let (place, text) = find(ROOT);
        assert!(adapted(place, text).contains("\nmembers = [\"encode\", \"guest\", \"spread\"]\n"));
        let (place, text) = find(BINDINGS);
        assert!(adapted(place, text).contains("path: \"../wit\""));
    }

    #[test]
    fn the_rust_template_has_every_file_of_the_guest_crate() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox/components/guest/src");
        for entry in std::fs::read_dir(folder).unwrap() {
            let place = format!("guest/src/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(RUST.iter().any(|(known, _)| *known == place), "{place}");
        }
    }
}
