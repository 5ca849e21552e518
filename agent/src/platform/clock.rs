//! The kernel's opinion of its clock, and the local time of day.

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

/// By how many seconds the local time of day is ahead of UTC now; `None` where that isn't known.
#[cfg(unix)]
#[allow(
    unsafe_code,
    reason = "localtime_r has no safe interface, and the crates that offer one refuse with threads"
)]
pub(crate) fn local_offset_seconds() -> Option<i32> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    let now = libc::time_t::try_from(since.as_secs()).ok()?;
    // SAFETY: all zeroes is a valid value of this plain C struct; its one pointer is only ever written by the call.
    let mut local: libc::tm = unsafe { core::mem::zeroed() };
    // SAFETY: both pointers are to values of ours that outlive the call. It reads the environment, which this program
    // never changes.
    let told = unsafe { libc::localtime_r(&raw const now, &raw mut local) };
    if told.is_null() { None } else { i32::try_from(local.tm_gmtoff).ok() }
}
