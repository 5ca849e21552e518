//! Unix: users, the terminal.

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

/// The first group of a user of this machine.
pub(crate) fn primary_group(user: u32) -> Option<u32> {
    let users = sysinfo::Users::new_with_refreshed_list().ok()?;
    users.iter().find(|known| **known.id() == user).map(|known| *known.group_id())
}

/// Columns of the terminal that the standard output is, if it is one.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

mod pipes;

pub(crate) use pipes::*;
