//! Memory that the agent has used and no longer needs, back to the system.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::time::Duration;

/// Threads of the runtime that have nothing to do end within ten seconds (tokio's default).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const THREADS_END: Duration = Duration::from_secs(12);

/// Gives free memory back, as soon as the threads that worked with it have ended: each keeps pieces until then. The
/// allocator keeps it all otherwise, between what is still used: an agent that idles for days would hold what a run of
/// seconds needed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the C library's own function; no Rust interface has it")]
pub(crate) fn give_back_memory_soon() {
    tokio::spawn(async {
        tokio::time::sleep(THREADS_END).await;
        // SAFETY: takes a number and no memory of ours; safe from any thread (MT-Safe, malloc_trim(3)).
        unsafe {
            libc::malloc_trim(0);
        }
    });
}

/// Other allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back_memory_soon() {}

/// From this size on, in bytes, memory is the system's again as soon as it is freed: glibc's own beginning.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 128 * 1024;

/// Lets the allocator hold as little as it can of what was freed, for as long as the program runs.
///
/// One arena for all threads: otherwise each of the collectors' threads gets its own arena (up to eight for each
/// processor), and what lives longer than a run keeps half a megabyte of each; they hardly ever allocate at the same time.
///
/// Large memory apart: glibc keeps what has grown used to being given out, and clears it when it is wanted again. A QUIC
/// socket's room for 3 MB that hardly ever arrive, which costs nothing when it is new, would be all there after the first
/// lost connection.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the C library's own function; no Rust interface has it")]
pub(crate) fn hold_little_memory() {
    // SAFETY: takes numbers and no memory of ours; any thread may call it (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Other allocators have other ways.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn hold_little_memory() {}
