//! Giving everything up: descriptors, limits, namespaces, rights, files, system calls; in an order in which no step undoes one before it.

use super::filter;
use crate::confinement::{Layer, Layers};
use caps::CapSet;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr as _, RulesetStatus, Scope,
};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::io;

/// The most descriptors: the three that every program has, the socket, and those of the locks themselves.
const DESCRIPTORS: u64 = 16;

/// The newest version of Landlock's interface whose rights are asked for; an older kernel gives those that it knows.
const LANDLOCK: ABI = ABI::V6;

/// Locks this process in and says which layers hold.
///
/// # Errors
/// When a limit cannot be set, or the end of the node would not end this process.
pub(super) fn lock_down() -> io::Result<Layers> {
    close_what_was_inherited()?;
    for (resource, most) in
        [(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Memlock, 0), (Resource::Nofile, DESCRIPTORS)]
    {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    let mut layers = Layers::default();
    let mut held = |layer, holds| {
        if holds {
            layers.held.push(layer);
        }
    };
    // Without rights in the first namespace a new one of users brings them.
    let network = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    let apart = unshare(CloneFlags::CLONE_NEWUSER | network).or_else(|_| unshare(network));
    held(Layer::NetworkNamespace, apart.is_ok());
    let powerless =
        [CapSet::Effective, CapSet::Inheritable, CapSet::Permitted].map(|set| caps::clear(None, set).is_ok());
    // Other credentials take both of these back, so they come after.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    held(Layer::NotDumpable, set_dumpable(false).is_ok());
    held(Layer::NoNewPrivileges, powerless == [true; 3] && set_no_new_privs().is_ok());
    let landlock_abi = landlock();
    held(Layer::Landlock, landlock_abi > 0);
    // Last: the filter also takes away what the locks before it needed.
    held(Layer::Seccomp, filter::apply().is_ok());
    layers.landlock_abi = landlock_abi;
    Ok(layers)
}

/// A program that started the node may have left descriptors open in it; none of them stays here.
fn close_what_was_inherited() -> io::Result<()> {
    use std::os::fd::RawFd;
    let mut open: Vec<RawFd> = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    // What listed them is among them, and gone: closing it again does nothing.
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Lets no file be opened and no port be used; the version of the interface, 0 where the kernel has none.
fn landlock() -> i32 {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match restricted {
        Ok(status) if status.ruleset != RulesetStatus::NotEnforced => match status.landlock {
            LandlockStatus::Available { effective_abi, kernel_abi } => {
                kernel_abi.unwrap_or_else(|| i32::try_from(effective_abi as u32).unwrap_or(1))
            }
            LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
        },
        _ => 0,
    }
}
