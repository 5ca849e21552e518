//! What all parts share: the connection, what never changes about it, and how its errors are taken.

use std::rc::Rc;

use nearhand_screen::Size;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, EventMask, Window};
use x11rb::rust_connection::RustConnection;

use crate::source::DisplayError;

x11rb::atom_manager! {
    /// The atoms we use.
    pub(in crate::x11) Atoms: AtomsCookie {
        CLIPBOARD,
        TARGETS,
        TIMESTAMP,
        INCR,
        ATOM,
        INTEGER,
        UTF8_STRING,
        STRING,
        COMPOUND_TEXT,
        TEXT,
        MULTIPLE,
        ATOM_PAIR,
        PLAIN: b"text/plain",
        PLAIN_UTF8: b"text/plain;charset=utf-8",
        PNG: b"image/png",
        SECRECY_HINT: b"x-kde-passwordManagerHint",
        NEARHAND_CLIPBOARD,
        WM_STATE,
        _NET_CLIENT_LIST,
        _NET_CLIENT_LIST_STACKING,
        _NET_WM_NAME,
        _NET_WM_WINDOW_TYPE,
        _NET_WM_WINDOW_TYPE_DESKTOP,
        _NET_WM_WINDOW_TYPE_DOCK,
    }
}

/// What all parts share: the connection and what never changes about it.
#[derive(Clone)]
pub(in crate::x11) struct XConnection {
    pub(in crate::x11) conn: Rc<RustConnection>,
    pub(in crate::x11) root: Window,
    pub(in crate::x11) screen: usize,
    pub(in crate::x11) atoms: Atoms,
}

impl XConnection {
    /// Asks to be told of changes of the root window, and whether also of the windows in it.
    pub(in crate::x11) fn listen_to_windows(&self, also: bool) -> Result<(), DisplayError> {
        let windows = if also { EventMask::SUBSTRUCTURE_NOTIFY } else { EventMask::NO_EVENT };
        let aux = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY | windows);
        self.conn.change_window_attributes(self.root, &aux).map_err(ended)?;
        Ok(())
    }
}

pub(in crate::x11) fn needed_extension(
    link: &XConnection,
    extension: &'static str,
    name: &str,
) -> Result<(), DisplayError> {
    match link.conn.extension_information(extension).map_err(ended)? {
        Some(_) => Ok(()),
        None => Err(DisplayError::Lacks(name.to_owned())),
    }
}

pub(in crate::x11) fn new_id(link: &XConnection) -> Result<u32, DisplayError> {
    link.conn.generate_id().map_err(|error| DisplayError::Ended(error.to_string()))
}

/// An error of the connection ends the display.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
pub(in crate::x11) fn ended(error: ConnectionError) -> DisplayError {
    DisplayError::Ended(error.to_string())
}

/// A reply; `None` where the server refused, which happens when a window has just gone or the screen was resized.
pub(in crate::x11) fn unless_refused<T>(reply: Result<T, ReplyError>) -> Result<Option<T>, DisplayError> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(ReplyError::X11Error(error)) => {
            tracing::debug!(kind = ?error.error_kind, request = ?error.request_name, "the display refused");
            Ok(None)
        }
        Err(ReplyError::ConnectionError(error)) => Err(ended(error)),
    }
}

/// A reply that has to be had.
pub(in crate::x11) fn needed<T>(what: &str, reply: Result<T, ReplyError>) -> Result<T, DisplayError> {
    unless_refused(reply)?.ok_or_else(|| DisplayError::Lacks(what.to_owned()))
}

/// A length or position that X counts in 16 signed bits.
pub(in crate::x11) fn signed(at: u16) -> i16 {
    i16::try_from(at).unwrap_or(i16::MAX)
}

/// A position that should not be negative.
pub(in crate::x11) fn unsigned(at: i16) -> u16 {
    u16::try_from(at).unwrap_or(0)
}

/// The geometry of the root window, which is the screen. It may be larger than a picture.
pub(in crate::x11) fn root_size(link: &XConnection) -> Result<Size, DisplayError> {
    let reply = needed("a screen", link.conn.get_geometry(link.root).map_err(ended)?.reply())?;
    Ok(Size { width: reply.width, height: reply.height })
}
