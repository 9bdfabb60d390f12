//! What locks a worker in: the layers, how each is tried, and what is said about them.
//!
//! The worker locks itself in before it reads its first byte (`worker/lockdown`), and says which layers the kernel gave it. A layer that is missing is
//! a reason not to start, unless the operator accepts it by name. That is said by our own code before anything untrusted is touched, and tried
//! besides: a [`Probe`] is a worker that attempts what must not succeed.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// No program that it could start would have more rights (`prctl(2)`, PR_SET_NO_NEW_PRIVS), and it has no capability of its own.
    NoNewPrivileges,
    /// The kernel answers the system calls that computing needs and kills the process at any other (`seccomp(2)`).
    Seccomp,
    /// No file can be opened, whatever the file's mode (`landlock(7)`).
    Landlock,
    /// Its network has no interface (`network_namespaces(7)`).
    NetworkNamespace,
    /// No core dump, and no other process of the user looks into it (`prctl(2)`, PR_SET_DUMPABLE).
    NotDumpable,
}

impl Layer {
    /// All layers.
    pub const ALL: [Self; 5] =
        [Self::NoNewPrivileges, Self::Seccomp, Self::Landlock, Self::NetworkNamespace, Self::NotDumpable];

    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::NetworkNamespace => "network-namespace",
            Self::NotDumpable => "not-dumpable",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The layers that a worker has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Those in force.
    pub held: Vec<Layer>,
    /// The version of Landlock's interface; 0 where there is none.
    pub landlock_abi: i32,
}

impl Layers {
    /// The layers that are not there.
    #[must_use]
    pub fn missing(&self) -> Vec<Layer> {
        Layer::ALL.into_iter().filter(|layer| !self.held.contains(layer)).collect()
    }
}

/// Something that a locked-in worker must not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// Read a file that everybody can read.
    ReadFile,
    /// Make a file where everybody can.
    MakeFile,
    /// Read its own environment, where a password could have been.
    ReadEnvironment,
    /// Look into the process that started it.
    ReadParent,
    /// Open a socket on this machine.
    OpenSocket,
    /// Start a program.
    StartProgram,
    /// Read the memory of the process that started it, as a debugger does.
    Trace,
    /// Send a signal to the process that started it.
    Signal,
    /// Allocate more than its limit on memory.
    Allocate,
}

impl Probe {
    /// All probes.
    pub const ALL: [Self; 9] = [
        Self::ReadFile,
        Self::MakeFile,
        Self::ReadEnvironment,
        Self::ReadParent,
        Self::OpenSocket,
        Self::StartProgram,
        Self::Trace,
        Self::Signal,
        Self::Allocate,
    ];
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadFile => "read a file",
            Self::MakeFile => "make a file",
            Self::ReadEnvironment => "read an environment",
            Self::ReadParent => "look into the node",
            Self::OpenSocket => "open a socket",
            Self::StartProgram => "start a program",
            Self::Trace => "read the memory of the node",
            Self::Signal => "signal the node",
            Self::Allocate => "exceed its memory",
        })
    }
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// The kernel said no, with this error number (`errno(3)`).
    Error(i32),
    /// The kernel killed the process with this signal.
    Killed(i32),
    /// It was done: the lock does not hold.
    Not,
}

impl Refused {
    /// Whether the lock holds.
    #[must_use]
    pub fn holds(self) -> bool {
        self != Self::Not
    }
}
