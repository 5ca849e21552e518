//! Unix: users.

/// Whether this process has the administrator's rights.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The number of a user of this machine.
pub(crate) fn user_number(name: &str) -> Option<u32> {
    let users = sysinfo::Users::new_with_refreshed_list().ok()?;
    users.iter().find(|user| user.name() == name).map(|user| **user.id())
}

/// The user this process runs as.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
