//! What the decode process gives up before it looks at a byte of the device's.
//!
//! The device chooses what is decoded, so a flaw in a decoder is code of the device's in this process. It must reach
//! nothing: not the files of the technician, not the memory of the program that started it (which has the session's keys),
//! not the network. Limits alone don't do that: a process of the same user can be traced or read. So on Linux a
//! filter lets only those calls through that decoding makes, and everything else fails.

use std::io;

/// Takes away from this process what decoding doesn't need: files that the client's parent left open, memory beyond
/// `memory` bytes of address space, opening files, starting programs, writing files, leaving a core dump, and on Linux
/// every other system call. To be called before anything was opened and any thread was started.
///
/// # Errors
/// The system refuses; the process must then not decode anything.
#[cfg(unix)]
pub(crate) fn confine(memory: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    close_inherited()?;
    let at_most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    // What is open stays open; nothing is opened any more.
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Nofile, 0),
        (Resource::Nproc, 0),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, at_most(most))?;
    }
    #[cfg(target_os = "linux")]
    {
        // Nobody traces it or reads its memory, and its own files in /proc belong to root.
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        rustix::thread::set_no_new_privs(true)?;
        calls::allow_only_decoding()?;
    }
    Ok(())
}

/// This system limits nothing yet beyond the process itself.
#[cfg(not(unix))]
pub(crate) fn confine(_memory: u64) -> io::Result<()> {
    Ok(())
}

/// Closes everything but the standard streams.
#[cfg(unix)]
fn close_inherited() -> io::Result<()> {
    let number = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse::<i32>().ok();
    // Collected first: the list itself is one of them, and closed by then.
    let open: Vec<i32> = std::fs::read_dir("/dev/fd")?.filter_map(number).filter(|fd| *fd > 2).collect();
    for fd in open {
        // The list's own descriptor is closed already.
        if std::fs::symlink_metadata(format!("/dev/fd/{fd}")).is_err() {
            continue;
        }
        #[allow(
            unsafe_code,
            reason = "a descriptor that nobody in this process owns can't be closed otherwise"
        )]
        // SAFETY: nothing was opened in this process yet, so no owner of any of them exists in it.
        unsafe {
            rustix::io::close(fd);
        }
    }
    Ok(())
}

/// Machines that the filter's crate has no calls of: the limits alone hold there.
#[cfg(all(
    target_os = "linux",
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))
))]
mod calls {
    pub(super) fn allow_only_decoding() -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod calls {
    use std::collections::BTreeMap;
    use std::io;

    use seccompiler::{
        BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
        SeccompFilter, SeccompRule, apply_filter,
    };

    /// Lets through what decoding from one pipe to another needs; all other calls fail with `EPERM`. That is gentler than
    /// ending the process, so that a C library which tries a newer call first falls back to an older one.
    pub(super) fn allow_only_decoding() -> io::Result<()> {
        let program = filter().map_err(|error| io::Error::other(error.to_string()))?;
        apply_filter(&program).map_err(|error| io::Error::other(error.to_string()))
    }

    fn filter() -> Result<BpfProgram, BackendError> {
        let is = |argument, value| {
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
        };
        let lacks = |argument, bit: libc::c_int| {
            let mask = u64::from(bit.unsigned_abs());
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), 0)
        };
        let rule = |condition: Result<SeccompCondition, BackendError>| SeccompRule::new(vec![condition?]);
        let mut rules = BTreeMap::new();
        // Memory, the clock, random seeds of tables, waiting, and the end; an abort sends itself a signal.
        for call in [
            libc::SYS_brk,
            libc::SYS_munmap,
            libc::SYS_mremap,
            libc::SYS_madvise,
            libc::SYS_futex,
            libc::SYS_clock_gettime,
            libc::SYS_getrandom,
            libc::SYS_restart_syscall,
            libc::SYS_rt_sigreturn,
            libc::SYS_rt_sigprocmask,
            libc::SYS_sigaltstack,
            libc::SYS_exit,
            libc::SYS_exit_group,
        ] {
            rules.insert(call, Vec::new());
        }
        let input = [0];
        let output = [1, 2];
        rules.insert(libc::SYS_read, input.iter().map(|fd| rule(is(0, *fd))).collect::<Result<_, _>>()?);
        for call in [libc::SYS_write, libc::SYS_writev] {
            rules.insert(call, output.iter().map(|fd| rule(is(0, *fd))).collect::<Result<_, _>>()?);
        }
        // Memory that can be run would let in code of the device's.
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            rules.insert(call, vec![rule(lacks(2, libc::PROT_EXEC))?]);
        }
        let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        SeccompFilter::new(rules, refused, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?
            .try_into()
    }

    #[cfg(test)]
    mod tests {
        use super::super::confine;
        use std::io;
        use std::process::Command;

        /// Set for the process that confines itself.
        const INSIDE: &str = "NEARHAND_TEST_INSIDE";

        #[test]
        fn nothing_but_decoding_is_left_to_a_confined_process() {
            if std::env::var_os(INSIDE).is_some() {
                inside();
            }
            let own = "platform::confine::calls::tests::nothing_but_decoding_is_left_to_a_confined_process";
            let tried = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", own, "--nocapture", "--test-threads=1"])
                .env(INSIDE, "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&tried.stdout).into_owned();
            let complained = String::from_utf8_lossy(&tried.stderr).into_owned();
            assert!(tried.status.success() && said.contains("14 of 14 refused"), "{said}\n{complained}");
        }

        /// Confines this process and tries what code of the device's would.
        fn inside() -> ! {
            let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
            confine(1 << 40).unwrap();
            let zero: [u8; 8] = [0; 8];
            let here = zero.as_ptr() as libc::c_long;
            let path = c"/etc/passwd".as_ptr() as libc::c_long;
            let parent = libc::c_long::from(parent);
            let tries: [(&str, libc::c_long, [libc::c_long; 6]); 14] = [
                ("openat", libc::SYS_openat, [libc::c_long::from(libc::AT_FDCWD), path, 0, 0, 0, 0]),
                ("socket", libc::SYS_socket, [1, 1, 0, 0, 0, 0]),
                ("connect", libc::SYS_connect, [0, here, 8, 0, 0, 0]),
                ("ptrace", libc::SYS_ptrace, [16, parent, 0, 0, 0, 0]),
                ("process_vm_readv", libc::SYS_process_vm_readv, [parent, here, 0, here, 0, 0]),
                ("process_vm_writev", libc::SYS_process_vm_writev, [parent, here, 0, here, 0, 0]),
                ("pidfd_open", libc::SYS_pidfd_open, [parent, 0, 0, 0, 0, 0]),
                ("kill", libc::SYS_kill, [parent, 0, 0, 0, 0, 0]),
                ("execve", libc::SYS_execve, [path, 0, 0, 0, 0, 0]),
                ("clone", libc::SYS_clone, [17, 0, 0, 0, 0, 0]),
                ("dup", libc::SYS_dup, [0, 0, 0, 0, 0, 0]),
                ("write to another descriptor", libc::SYS_write, [5, here, 1, 0, 0, 0]),
                ("memory that can be run", libc::SYS_mmap, [0, 4096, 5, 0x22, -1, 0]),
                ("io_uring_setup", libc::SYS_io_uring_setup, [1, here, 0, 0, 0, 0]),
            ];
            let mut refused = 0;
            for (name, call, [a, b, c, d, e, f]) in tries {
                #[allow(
                    unsafe_code,
                    reason = "the calls that a hostile decoder would make have no safe form"
                )]
                // SAFETY: each is refused before the kernel looks at its arguments; that is what is tested here. If one isn't,
                // the addresses are those of live constants of this function, and lengths stay within them.
                let result = unsafe { libc::syscall(call, a, b, c, d, e, f) };
                if result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM) {
                    refused += 1;
                } else {
                    println!("{name}: {result}");
                }
            }
            // What decoding needs is there: memory, tables with random seeds, the clock, the output.
            let many = vec![1_u8; 64 << 20];
            let table: std::collections::HashMap<u32, u32> = (0..100).map(|i| (i, i)).collect();
            let waited = std::time::Instant::now().elapsed();
            assert!(many.len() == 64 << 20 && table.len() == 100 && waited.as_secs() < 60);
            println!("{refused} of 14 refused");
            std::process::exit(0)
        }
    }
}
