//! Processes of others, held by a descriptor: a number that was given to another process is noticed.

use std::ffi::OsString;
use std::io;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

/// A process that something is to be done to.
pub(crate) struct ProcessHandle {
    #[cfg(target_os = "linux")]
    pid: rustix::process::Pid,
    #[cfg(target_os = "linux")]
    fd: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl ProcessHandle {
    /// Takes hold of it; `None` if there is no such process, or the system can't.
    pub(crate) fn open(pid: i32) -> Option<Self> {
        let pid = rustix::process::Pid::from_raw(pid)?;
        let fd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
        Some(Self { pid, fd })
    }

    /// Whether it still runs. While it does, its number is nobody else's.
    pub(crate) fn is_alive(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&now)), Ok(0))
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) -> io::Result<()> {
        self.signal(rustix::process::Signal::TERM)
    }

    /// Kills the process.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.signal(rustix::process::Signal::KILL)
    }

    fn signal(&self, signal: rustix::process::Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.fd, signal) {
            // It has ended meanwhile.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets its priority, from -20 (before others) to 19 (after all others).
    pub(crate) fn set_nice(&self, nice: i32) -> io::Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        match rustix::process::setpriority_process(Some(self.pid), nice) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl ProcessHandle {
    /// This system has no such descriptors: nothing is done to processes here.
    pub(crate) fn open(_: i32) -> Option<Self> {
        None
    }

    /// Never asked: none is held.
    pub(crate) fn is_alive(&self) -> bool {
        false
    }

    /// Never asked: none is held.
    pub(crate) fn ask_to_end(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never asked: none is held.
    pub(crate) fn end(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never asked: none is held.
    pub(crate) fn set_nice(&self, _: i32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// How many ticks of a process's time there are in a second.
pub(crate) fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// Most bytes of a process's environment or arguments that are looked at.
const STARTED: u64 = 256 * 1024;

/// How a process was started.
pub(crate) struct ProcessStart {
    /// The environment that it was started with.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Its arguments, the program's name first.
    pub(crate) arguments: Vec<OsString>,
}

/// How a process of that user was started, where the system tells; `None` if there is none, or it is somebody else's.
pub(crate) fn started(process: i32, user: u32) -> Option<ProcessStart> {
    let words = |name: &str| -> Option<Vec<OsString>> {
        let file = std::fs::File::open(format!("/proc/{process}/{name}")).ok()?;
        file.metadata().ok().filter(|data| data.uid() == user)?;
        let mut bytes = Vec::new();
        file.take(STARTED).read_to_end(&mut bytes).ok()?;
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        Some(words.map(|word| OsString::from_vec(word.to_vec())).collect())
    };
    let entry = |word: OsString| {
        let bytes = word.into_vec();
        let at = bytes.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (bytes.get(..at)?, bytes.get(at + 1..)?);
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
    };
    let environment = words("environ")?.into_iter().filter_map(entry).collect();
    Some(ProcessStart { environment, arguments: words("cmdline")? })
}
