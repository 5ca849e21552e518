//! The X server's screen saver: while it blanks the screen, there is nothing to see but black.
//!
//! A saver that is a program draws windows, which are seen as what they are. A monitor that DPMS has switched off changes
//! nothing either: the picture that it would show is still there.

use x11rb::connection::RequestConnection;
use x11rb::protocol::screensaver::{self, ConnectionExt as _, Kind, NotifyEvent, State};

use super::connection::{XConnection, ended, unless_refused};
use crate::source::DisplayError;

/// What the technician reads while the screen is blanked.
pub(super) const BLANKED: &str =
    "the device's screen saver has blanked the screen; a key or a movement of the mouse there ends it";

/// Asks to be told of changes, and whether the screen is blanked now.
pub(super) fn watch(link: &XConnection) -> Result<bool, DisplayError> {
    let conn = &link.conn;
    if conn.extension_information(screensaver::X11_EXTENSION_NAME).map_err(ended)?.is_none() {
        return Ok(false);
    }
    conn.screensaver_select_input(link.root, screensaver::Event::NOTIFY_MASK).map_err(ended)?;
    let reply = unless_refused(conn.screensaver_query_info(link.root).map_err(ended)?.reply())?;
    Ok(reply.is_some_and(|reply| is_blank(State::from(reply.state), reply.kind)))
}

/// Whether the screen is blanked from now on.
pub(super) fn blanks(event: &NotifyEvent) -> bool {
    is_blank(event.state, event.kind)
}

fn is_blank(state: State, kind: Kind) -> bool {
    matches!(state, State::ON | State::CYCLE) && kind != Kind::EXTERNAL
}
