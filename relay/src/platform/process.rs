//! What the system says about this process (memory and files; `None` where it doesn't say), and how it says
//! that the process should stop or that a directory is taken.

use std::fs::File;
use std::io;

/// Resident memory in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Open file descriptors.
#[cfg(target_os = "linux")]
pub(crate) fn open_files() -> Option<u64> {
    u64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

/// Most file descriptors that may be open.
#[cfg(target_os = "linux")]
pub(crate) fn max_files() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn open_files() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn max_files() -> Option<u64> {
    None
}

/// Takes a file for this process alone, until it is closed.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if another process has it.
#[cfg(unix)]
pub(crate) fn try_lock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?)
}

/// Not offered here: the port, which only one relay can take, has to do.
#[cfg(not(unix))]
pub(crate) fn try_lock(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Resolves when the process should stop. Signals count from the call on, not only from the first poll.
#[cfg(unix)]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The operator's wish that the configuration is read again. Not offered on systems without signals.
pub(crate) struct ReloadSignal {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

/// Counts from the call on.
pub(crate) fn reload_signal() -> io::Result<ReloadSignal> {
    Ok(ReloadSignal {
        #[cfg(unix)]
        hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
    })
}

impl ReloadSignal {
    /// Resolves at the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if self.hangup.recv().await.is_some() {
            return;
        }
        core::future::pending::<()>().await;
    }
}

/// Gives memory that nobody uses any more back to the system. The C library keeps what a burst needed, in each
/// thread's share.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "there is no safe way to ask the C library for this")]
pub(crate) fn give_memory_back() {
    // SAFETY: takes no pointer, and is safe to call from any thread (malloc_trim(3)).
    let _ = unsafe { libc::malloc_trim(0) };
}

/// The allocator of other systems decides by itself.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_memory_back() {}

/// Resolves when the process should stop.
#[cfg(not(unix))]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the signal there is nothing to wait for: it runs until it is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            core::future::pending::<()>().await;
        }
    })
}
