//! Memory that the agent has used and no longer needs, back to the system.

/// Gives free memory back. The allocator keeps it otherwise, in pieces that each collector's thread left behind:
/// an agent that idles for days would hold what a run of seconds needed, some 15 MB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the C library's own function; no Rust interface has it")]
pub(crate) fn give_back_memory() {
    // SAFETY: takes a number and no memory of ours; safe from any thread (MT-Safe, malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back_memory() {}

/// From this size on, in bytes, memory is the system's again as soon as it is freed: glibc's own beginning.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 128 * 1024;

/// Keeps large memory apart for as long as the program runs. glibc otherwise keeps what has grown used to being given out,
/// and clears it when it is wanted again: a QUIC socket's room for 3 MB that hardly ever arrive, which costs nothing when it
/// is new, would be all there after the first lost connection.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the C library's own function; no Rust interface has it")]
pub(crate) fn keep_large_memory_apart() {
    // SAFETY: takes two numbers and no memory of ours; any thread may call it (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Other allocators do by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep_large_memory_apart() {}
