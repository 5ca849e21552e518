//! Unix: who runs this process, and the groups of users.

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
