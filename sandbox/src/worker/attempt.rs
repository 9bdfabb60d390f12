//! Attempts at what must not succeed, from behind the locks.

use crate::confinement::{Probe, Refused};
use rustix::process::getppid;
use std::fs::File;
use std::io;
use std::process::Command;

/// More than a probing worker may allocate, in bytes.
const TOO_MUCH: usize = 1024 * 1024 * 1024;

/// Tries it. Most attempts do not return: the kernel ends the process.
pub(super) fn attempt(probe: Probe) -> Refused {
    let parent = getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    let outcome = match probe {
        Probe::ReadFile => File::open("/etc/passwd").map(drop),
        Probe::MakeFile => File::create(format!("/tmp/quintes-probe-{parent}")).map(drop),
        Probe::ReadEnvironment => std::fs::read("/proc/self/environ").map(drop),
        Probe::ReadParent => std::fs::read(format!("/proc/{parent}/environ")).map(drop),
        Probe::OpenSocket => std::net::UdpSocket::bind(("127.0.0.1", 0)).map(drop),
        Probe::StartProgram => Command::new("/bin/true").status().map(drop),
        Probe::Trace => trace(parent),
        Probe::Signal => signal(),
        Probe::Allocate => {
            Vec::<u8>::new().try_reserve_exact(TOO_MUCH).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))
        }
    };
    match outcome {
        Ok(()) => Refused::Not,
        Err(error) => Refused::Error(error.raw_os_error().unwrap_or_default()),
    }
}

/// Reads the node's memory as a debugger does.
fn trace(parent: i32) -> io::Result<()> {
    use nix::sys::uio::{RemoteIoVec, process_vm_readv};
    let mut byte = [0];
    let theirs = [RemoteIoVec { base: 0x1000, len: 1 }];
    let node = nix::unistd::Pid::from_raw(parent);
    Ok(process_vm_readv(node, &mut [io::IoSliceMut::new(&mut byte)], &theirs).map(drop)?)
}

/// Asks whether the node could be signalled; nothing is sent.
fn signal() -> io::Result<()> {
    let parent = getppid().ok_or(io::ErrorKind::NotFound)?;
    Ok(rustix::process::test_kill_process(parent)?)
}
