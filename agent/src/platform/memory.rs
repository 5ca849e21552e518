//! Memory that a run of checks has used and no longer needs, back to the system.

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
