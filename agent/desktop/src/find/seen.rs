//! What was seen of the machine when its display is looked for: sessions, programs, X servers. Values only.

use std::collections::BTreeSet;
use std::ffi::OsString;

/// What logind knows of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct LogindSession {
    /// Its name, as in `XDG_SESSION_ID`.
    pub id: String,
    /// The user who is logged in.
    pub user: u32,
    /// `x11`, `wayland`, `tty`, `mir`, `unspecified`, …
    pub kind: String,
    /// `user`, `greeter`, `lock-screen`, `background`, `manager`, …
    pub class: String,
    /// As in `DISPLAY`; mostly empty where a desktop was begun with `startx`.
    pub display: String,
    /// It is in front at its seat. True of every session without a seat.
    pub active: bool,
    /// Somebody came over the network.
    pub remote: bool,
    /// Empty: none, as over ssh, on a serial console, or for a timer's job.
    pub seat: String,
    /// Its virtual terminal; 0: none.
    pub vt: u32,
}

/// A program, as far as it says something of a display.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct DisplayProgram {
    /// The user it runs as.
    pub user: u32,
    /// The session it belongs to: by its control group, else as its environment says.
    pub session: Option<String>,
    /// `DISPLAY` of its environment.
    pub display: Option<OsString>,
    /// `XAUTHORITY`, if that file is there.
    pub authority: Option<OsString>,
    /// `HOME` of its environment.
    pub home: Option<OsString>,
    /// `WAYLAND_DISPLAY` is set.
    pub wayland: bool,
}

/// A running X server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct XServerProcess {
    /// The number of its display.
    pub display: u32,
    /// Its virtual terminal, if it has one: those of Xvfb, Xvnc and Xephyr are windows or nothing.
    pub vt: Option<u32>,
    /// It is Wayland's.
    pub is_xwayland: bool,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MachineDisplays {
    /// The sessions, or why they can't be had.
    pub sessions: Result<Vec<LogindSession>, String>,
    /// Programs of users.
    pub programs: Vec<DisplayProgram>,
    /// X servers that run.
    pub servers: Vec<XServerProcess>,
    /// Displays that can be connected to; empty: that can't be known.
    pub served: BTreeSet<u32>,
    /// The virtual terminal in front.
    pub active_vt: Option<u32>,
    /// The agent's own user.
    pub own_user: u32,
    /// Whether the agent may become any user.
    pub is_root: bool,
}
