//! The kernel's opinion of its clock.

/// Whether something keeps the clock right, as the kernel sees it; `None` where that isn't known.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "adjtimex has no safe interface")]
pub(crate) fn clock_is_synchronised() -> Option<bool> {
    // SAFETY: all zeroes is a valid value of this plain C struct, and asks for nothing to be changed.
    let mut answer: libc::timex = unsafe { core::mem::zeroed() };
    // SAFETY: the pointer is to a struct of ours that outlives the call; with no modes set it is only written to.
    let state = unsafe { libc::adjtimex(&raw mut answer) };
    (state >= 0).then_some(answer.status & libc::STA_UNSYNC == 0)
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn clock_is_synchronised() -> Option<bool> {
    None
}
