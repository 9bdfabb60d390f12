//! The components that come with the program: small, prebuilt, named, and the same bytes on every machine.

use protocol::wire::id::Digest;

/// A component of our own.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a clause.
    pub what: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

impl BuiltIn {
    /// SHA-256 of its bytes, as projects and submissions name it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.bytes)
    }
}

/// Every component that comes with the program.
pub const ALL: [BuiltIn; 5] = [
    BuiltIn {
        name: "cohort",
        what: "how many persons of an OMOP dataset have conditions, by sex and age, counted by the host",
        bytes: include_bytes!("../../sandbox/components/prebuilt/cohort.wasm"),
    },
    BuiltIn {
        name: "regression",
        what: "what linear, logistic and Poisson models are fitted from, computed by the host",
        bytes: include_bytes!("../../sandbox/components/prebuilt/regression.wasm"),
    },
    BuiltIn {
        name: "sql",
        what: "one query to a table of its own making",
        bytes: include_bytes!("../../sandbox/components/prebuilt/sql.wasm"),
    },
    BuiltIn {
        name: "statistics",
        what: "counts, means, variances, correlations, contingency tables, histograms and quantiles, computed by the host",
        bytes: include_bytes!("../../sandbox/components/prebuilt/statistics.wasm"),
    },
    BuiltIn {
        name: "survival",
        what: "who leaves a study when, and with the event or without, counted by the host",
        bytes: include_bytes!("../../sandbox/components/prebuilt/survival.wasm"),
    },
];

/// The component of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|one| one.name == name)
}

/// The component with this digest.
#[must_use]
pub fn with_digest(digest: &Digest) -> Option<&'static BuiltIn> {
    ALL.iter().find(|one| one.digest() == *digest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{ALL, named, with_digest};

    #[test]
    fn the_bytes_are_those_of_the_list_of_digests() {
        let list = include_str!("../../sandbox/components/prebuilt/DIGESTS");
        for one in ALL {
            assert!(list.contains(&format!("{}  {}.wasm", one.digest(), one.name)), "{}", one.name);
            assert_eq!(with_digest(&one.digest()).unwrap().name, named(one.name).unwrap().name);
        }
        assert!(named("python").is_none());
    }
}
