//! Unix: users by name, the terminal.

pub(crate) use nearhand_desktop::platform::{is_root, own_user, primary_group};

/// The number of a user of this machine.
pub(crate) fn user_number(name: &str) -> Option<u32> {
    let users = sysinfo::Users::new_with_refreshed_list().ok()?;
    users.iter().find(|user| user.name() == name).map(|user| **user.id())
}

/// Columns of the terminal that the standard output is, if it is one.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
