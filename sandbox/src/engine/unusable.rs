//! Why bytes are not a component that can run here.

use super::MAX_COMPONENT_BYTES;
use crate::host::shown;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most imports that are named.
const NAMED: usize = 20;

/// The longest text about a component, in bytes.
const TEXT_BYTES: usize = 2_000;

/// Why bytes are not a component that can run here. The text names only what the component's author wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Unusable {
    /// Larger than [`MAX_COMPONENT_BYTES`].
    #[error(
        "the component has {0} bytes, more than the {MAX_COMPONENT_BYTES} allowed: strip it, or leave libraries out"
    )]
    TooLarge(usize),
    /// Not a WebAssembly component at all.
    #[error("these bytes are not a WebAssembly component: check that the right file was given")]
    NotWebAssembly,
    /// A core module.
    #[error("this is a core WebAssembly module: wrap it as a component of the world `quintes:analysis/analysis`")]
    CoreModule,
    /// Too many, or too large, parts: a compiler would spend minutes or gigabytes on it.
    #[error("the component has too many or too large {0}")]
    Structure(String),
    /// A compiler spent them: more than so many seconds, or so many MiB.
    #[error(
        "compiling the component takes more than {0} s or {1} MiB: make its functions smaller, or leave libraries out"
    )]
    Costly(u64, u64),
    /// It imports what no TRE offers.
    #[error("the component imports what a TRE does not offer: {}; build it without WASI", .0.join(", "))]
    Imports(Vec<String>),
    /// It has no `run`, or one of another type.
    #[error(
        "the component does not export `run: func() -> result<_, string>`: build it for the world `quintes:analysis/analysis`"
    )]
    NoRun,
    /// It does not validate, needs a proposal that is off, or uses the contract with other types.
    #[error("the component is not valid here: {0}")]
    Invalid(String),
}

impl Unusable {
    /// What a worker said, with texts that are short and drive no terminal: the component's bytes may have taken the worker over.
    pub(super) fn cleaned(self) -> Self {
        let clean = |text: &String| shown(text, TEXT_BYTES);
        match self {
            Self::Structure(part) => Self::Structure(clean(&part)),
            Self::Imports(names) => Self::Imports(names.iter().take(NAMED).map(clean).collect()),
            Self::Invalid(text) => Self::Invalid(clean(&text)),
            Self::TooLarge(_) | Self::NotWebAssembly | Self::CoreModule | Self::Costly(..) | Self::NoRun => self,
        }
    }
}
