//! Unix: users.

/// Whether this process has the administrator's rights.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user this process runs as.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
