//! Where everything of a test federation lies under its folder.

use std::path::{Path, PathBuf};

/// The federation's name.
pub const FEDERATION: &str = "heart";
/// The dataset's name at every TRE.
pub const DATASET: &str = "omop";
/// The project's name.
pub const PROJECT: &str = "study";
/// The hub's name.
pub const HUB: &str = "hub";
/// The root person.
pub const ROOT: &str = "alice";
/// The researcher.
pub const RESEARCHER: &str = "erin";
/// Each TRE with its data owner and its organisation.
pub const TRES: [(&str, &str, &str); 3] =
    [("tre-a", "bob", "Hospital A"), ("tre-b", "carol", "Hospital B"), ("tre-c", "dave", "Hospital C")];

/// The data owner of a TRE.
#[must_use]
pub fn owner_of(tre: &str) -> &'static str {
    TRES.iter().find(|(name, ..)| *name == tre).map_or(ROOT, |(_, owner, _)| owner)
}

/// The folder of a test federation.
#[derive(Clone, Debug)]
pub struct Layout(PathBuf);

impl Layout {
    /// Under this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The folder itself, in which every verb runs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The statements, where `quintes` looks for them when it runs in the folder.
    #[must_use]
    pub fn federation(&self) -> PathBuf {
        self.0.join("federation")
    }

    /// The people's keys.
    #[must_use]
    pub fn people(&self) -> PathBuf {
        self.0.join("people")
    }

    /// The folder of a node: node.toml, its request and its state.
    #[must_use]
    pub fn node(&self, name: &str) -> PathBuf {
        self.0.join("nodes").join(name)
    }

    /// The state of a node.
    #[must_use]
    pub fn state(&self, name: &str) -> PathBuf {
        self.node(name).join("state")
    }

    /// The door of a node.
    #[must_use]
    pub fn door(&self, name: &str) -> PathBuf {
        self.state(name).join("door.sock")
    }

    /// The data of a TRE.
    #[must_use]
    pub fn data(&self, tre: &str) -> PathBuf {
        self.0.join("data").join(tre)
    }

    /// What a node wrote to stderr, run after run.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join("logs").join(format!("{name}.log"))
    }

    /// The components that projects name.
    #[must_use]
    pub fn components(&self) -> PathBuf {
        self.0.join("components")
    }

    /// What the researcher fetched.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.0.join("results")
    }
}
