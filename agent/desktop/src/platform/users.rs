//! Unix: who runs this process, what it may become, and the groups of users.

/// Whether this process has the administrator's rights.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user this process runs as.
pub fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The first group of a user of this machine.
pub fn primary_group(user: u32) -> Option<u32> {
    let users = sysinfo::Users::new_with_refreshed_list().ok()?;
    users.iter().find(|known| **known.id() == user).map(|known| *known.group_id())
}

/// Whether the kernel lets this process become another user: `CAP_SETUID` and `CAP_SETGID` are in force.
#[cfg(target_os = "linux")]
pub(crate) fn may_become_others() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has_both(&status))
}

/// Whether this process may become another user.
#[cfg(not(target_os = "linux"))]
pub(crate) fn may_become_others() -> bool {
    is_root()
}

#[cfg(any(target_os = "linux", test))]
fn has_both(status: &str) -> bool {
    const BOTH: u64 = 1 << 6 | 1 << 7;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set & BOTH == BOTH)
}

/// Whether systemd runs this machine: sd_booted(3).
pub(crate) fn systemd_runs_here() -> bool {
    std::path::Path::new("/run/systemd/system").is_dir()
}

/// Whether systemd started this process, as its unit or below it.
pub(crate) fn is_a_service() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rights_to_become_another_user_are_read() {
        assert!(has_both("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(has_both("CapEff:\t00000000000000c0\n"));
        // As in the agent's unit: neither, and one alone is not enough.
        assert!(!has_both("CapEff:\t0000000400283004\n"));
        assert!(!has_both("CapEff:\t0000000000000080\n"));
        assert!(!has_both("CapInh:\t00000000000000c0\n"));
    }
}
