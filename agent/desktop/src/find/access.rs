//! What is found: a display and how to reach it, or the reason why there is none. Pure.

use std::ffi::OsString;

use nearhand_agent_core::display_owner::DisplayOwner;

/// A display, and how to reach it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisplayAccess {
    /// As in `DISPLAY`.
    pub display: OsString,
    /// As in `XAUTHORITY`, if it is known.
    pub authority: Option<OsString>,
    /// The user's directory, if it is known; `.Xauthority` is there by default.
    pub home: Option<OsString>,
    /// The user that the display belongs to.
    pub user: u32,
    /// The seat, if logind knows one.
    pub seat: Option<String>,
    /// The session, if logind knows it.
    pub session: Option<String>,
}

impl DisplayAccess {
    /// Whose desktop that is: what a grant is bound to.
    pub fn owner(&self) -> DisplayOwner {
        let display = self.display.to_string_lossy();
        DisplayOwner {
            user: self.user,
            seat: self.seat.clone(),
            session: self.session.clone(),
            display: local_display(&display).map_or_else(|| display.into_owned(), |n| format!(":{n}")),
        }
    }
}

/// The number of a display of this machine: `:0`, `:0.0`, `unix:0`. `None`: it is reached over the network, or no name of
/// a display at all.
pub(super) fn local_display(name: &str) -> Option<u32> {
    let (host, number) = name.rsplit_once(':')?;
    if !matches!(host, "" | "unix") {
        return None;
    }
    let (number, screen) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(number) && digits(screen) { number.parse().ok() } else { None }
}

/// Why there is nothing to see. For the technician and the person at the device.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoDisplay {
    /// Nobody's session is active at the screen.
    #[error("nobody is logged in at this machine's screen; somebody has to log in first")]
    Nobody,
    /// A display manager's greeter.
    #[error("this machine's screen shows the login screen; somebody has to log in first")]
    LoginScreen,
    /// A lock screen that runs as a separate session.
    #[error("this machine's screen is locked; the person there has to unlock it first")]
    LockScreen,
    /// A system that isn't supported.
    #[error(
        "the desktop here runs on Wayland, which can't be shown on this system yet; \
         choose an Xorg (X11) session when logging in"
    )]
    Wayland,
    /// Mir, the display server of Ubuntu's past.
    #[error(
        "the desktop here runs on Mir, which can't be shown; choose an Xorg (X11) session when logging in"
    )]
    Mir,
    /// A text console.
    #[error(
        "the session at this machine's screen is a text console ({0}), which can't be shown; \
         start a desktop there, or switch to it"
    )]
    Console(String),
    /// Somebody else's, and we aren't root.
    #[error(
        "the session at this machine's screen is user {0}'s; the agent has to run as that user or as root"
    )]
    SomebodyElses(u32),
    /// The display's name isn't known.
    #[error("the display of the session at this machine's screen is not known; set DISPLAY for the agent")]
    Unnamed,
    /// More than one, and nothing says which one the screen shows.
    #[error(
        "several displays are in use here ({0}) and nothing says which one this machine's screen shows; \
         set DISPLAY for the agent"
    )]
    Several(String),
    /// logind isn't there or doesn't answer, and no program uses a display.
    #[error(
        "no program of this machine uses an X11 display, and logind can't be asked for one ({0}); \
         somebody has to log in to a desktop first, or set DISPLAY for the agent"
    )]
    NoLogind(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_of_this_machine_have_a_number() {
        for (name, number) in [
            (":0", Some(0)),
            (":81.0", Some(81)),
            ("unix:2", Some(2)),
            ("localhost:10.0", None),
            ("host:0", None),
            ("[::1]:0", None),
            ("", None),
            (":", None),
            (":x", None),
            (":1.", None),
            (":99999999999", None),
        ] {
            assert_eq!(local_display(name), number, "{name}");
        }
    }
}
