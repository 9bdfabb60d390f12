//! The system calls that computing needs. Any other ends the process at once (`seccomp(2)`, SECCOMP_RET_KILL_PROCESS).
//!
//! Three filters, of whose answers the kernel takes the strictest: what libraries try at a start and can do without is refused with an error; the newer way
//! to start a thread does not exist, because its flags cannot be read by a filter; everything else is allowed or fatal.

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use std::collections::BTreeMap;

/// Allowed with any arguments: memory, waiting for another thread, the socket, signals of its own, ending.
const ALLOWED: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Refused with an error: what a memory allocator, a thread pool or a standard library asks and can do without.
const REFUSED: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_lseek,
    libc::SYS_ioctl,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_prlimit64,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getrlimit,
];

/// Puts the filters on; they stay, on every thread that is started from here.
pub(super) fn apply() -> Result<(), seccompiler::Error> {
    let kill = SeccompAction::KillProcess;
    let allow = SeccompAction::Allow;
    let refuse = |errno: i32| SeccompAction::Errno(u32::try_from(errno).expect("error numbers are positive"));
    let refused = REFUSED.iter().copied();
    let mut known: BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().chain(REFUSED).map(|number| (*number, Vec::new())).collect();
    known.insert(libc::SYS_clone3, Vec::new());
    known.extend(conditional()?);
    apply_filter(&program(refused, allow.clone(), refuse(libc::EACCES))?)?;
    apply_filter(&program([libc::SYS_clone3].into_iter(), allow.clone(), refuse(libc::ENOSYS))?)?;
    // Last, because it lets no further one be put on.
    apply_filter(&compiled(known, kill, allow)?)
}

/// Allowed with some arguments alone.
fn conditional() -> Result<Vec<(c_long, Vec<SeccompRule>)>, seccompiler::Error> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq};
    let rule = |argument, length, comparison, value| -> Result<SeccompRule, seccompiler::Error> {
        Ok(SeccompRule::new(vec![SeccompCondition::new(argument, length, comparison, value)?])?)
    };
    let unsigned = |number: i32| u64::try_from(number).expect("these constants are positive");
    let thread = unsigned(libc::CLONE_THREAD);
    let own = u64::from(std::process::id());
    Ok(vec![
        // A thread, and no process.
        (libc::SYS_clone, vec![rule(0, Qword, MaskedEq(thread), thread)?]),
        // Its own abort, and no signal to another.
        (libc::SYS_tgkill, vec![rule(0, Dword, Eq, own)?]),
        // Names of threads and of memory.
        (libc::SYS_prctl, vec![rule(0, Dword, Eq, unsigned(libc::PR_SET_NAME))?, rule(0, Dword, Eq, PR_SET_VMA)?]),
        // A look at a descriptor, by which a debug build finds double closes; a copy of one.
        (
            libc::SYS_fcntl,
            vec![rule(1, Dword, Eq, unsigned(libc::F_GETFD))?, rule(1, Dword, Eq, unsigned(libc::F_DUPFD_CLOEXEC))?],
        ),
    ])
}

/// `prctl(2)`, PR_SET_VMA.
const PR_SET_VMA: u64 = 0x5356_4d41;

fn program(
    numbers: impl Iterator<Item = c_long>,
    otherwise: SeccompAction,
    action: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    compiled(numbers.map(|number| (number, Vec::new())).collect(), otherwise, action)
}

fn compiled(
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    action: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, otherwise, action, architecture)?.try_into()?)
}
