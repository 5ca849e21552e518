//! X11, through `x11rb`: one connection, one thread.
//!
//! Events are taken here and handed to the part they concern: [`screen`] captures, [`monitors`] and [`cursor`] tell
//! what is where, [`keyboard`] reads the layout and injects, [`clipboard`] speaks for the CLIPBOARD selection,
//! [`overlay`] draws. Requests to the server wait for its reply; nothing here ever waits for another program.

mod clipboard;
mod cursor;
mod keyboard;
mod monitors;
mod overlay;
mod screen;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use nearhand_screen::{Picture, Rect, Size};
use nearhand_shared::message::screen::{Clipboard, Cursor, Monitor};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ConnectionExt as _, Window};
use x11rb::rust_connection::RustConnection;

use super::input::{Deed, Keyboard};
use super::keys::spare::Spares;
use super::keys::{KeyState, KeyboardMap};
use super::source::{ClipboardEnd, Display, DisplayError, Happened, InputSink, Overlay, ScreenSource};

x11rb::atom_manager! {
    /// The atoms we use.
    pub(super) Atoms: AtomsCookie {
        CLIPBOARD,
        TARGETS,
        TIMESTAMP,
        INCR,
        ATOM,
        INTEGER,
        UTF8_STRING,
        STRING,
        TEXT_PLAIN: b"text/plain;charset=utf-8",
        PNG: b"image/png",
        NEARHAND_CLIPBOARD,
    }
}

/// Servers that only show X11 programs in a Wayland desktop have this extension.
const XWAYLAND: &str = "XWAYLAND";

/// What all parts share: the connection and what never changes about it.
#[derive(Clone)]
struct Link {
    conn: Rc<RustConnection>,
    root: Window,
    screen: usize,
    atoms: Atoms,
}

/// An error of the connection ends the display.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err passes")]
fn ended(error: ConnectionError) -> DisplayError {
    DisplayError::Ended(error.to_string())
}

/// A reply; `None` where the server refused, which happens when a window has just gone or the screen was resized.
fn unless_refused<T>(reply: Result<T, ReplyError>) -> Result<Option<T>, DisplayError> {
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
fn needed<T>(what: &str, reply: Result<T, ReplyError>) -> Result<T, DisplayError> {
    unless_refused(reply)?.ok_or_else(|| DisplayError::Lacks(what.to_owned()))
}

/// An X11 display.
pub(crate) struct X11 {
    link: Link,
    events: VecDeque<Event>,
    size: Size,
    monitors: Vec<Monitor>,
    capture: screen::Capture,
    hands: keyboard::Injector,
    clipboard: clipboard::Selection,
    overlay: overlay::Drawn,
    watching: bool,
    guarding: bool,
}

impl X11 {
    /// Connects to the display that the environment names.
    pub(crate) fn open() -> Result<Self, DisplayError> {
        let display = std::env::var("DISPLAY").unwrap_or_default();
        let (conn, screen) = RustConnection::connect(None)
            .map_err(|error| DisplayError::Unreachable { display, why: error.to_string() })?;
        let root = conn.setup().roots.get(screen).map(|screen| screen.root);
        let root = root.ok_or_else(|| DisplayError::Lacks("a screen".to_owned()))?;
        let atoms = needed("names", Atoms::new(&conn).map_err(ended)?.reply())?;
        let link = Link { conn: Rc::new(conn), root, screen, atoms };
        for (extension, name) in [
            (x11rb::protocol::xfixes::X11_EXTENSION_NAME, "the XFIXES extension"),
            (x11rb::protocol::damage::X11_EXTENSION_NAME, "the DAMAGE extension"),
            (x11rb::protocol::xtest::X11_EXTENSION_NAME, "the XTEST extension"),
            (x11rb::protocol::xinput::X11_EXTENSION_NAME, "the XInput extension"),
            (x11rb::protocol::xkb::X11_EXTENSION_NAME, "the XKB extension"),
        ] {
            if link.conn.extension_information(extension).map_err(ended)?.is_none() {
                return Err(DisplayError::Lacks(name.to_owned()));
            }
        }
        if link.conn.extension_information(XWAYLAND).map_err(ended)?.is_some() {
            return Err(DisplayError::Lacks(
                "a screen of its own: it belongs to Wayland, of which only a part is here".to_owned(),
            ));
        }
        let size = monitors::size(&link)?;
        Ok(Self {
            monitors: monitors::watch(&link, size)?,
            capture: screen::Capture::new(link.clone())?,
            hands: keyboard::Injector::new(link.clone())?,
            clipboard: clipboard::Selection::new(link.clone())?,
            overlay: overlay::Drawn::new(link.clone()),
            link,
            events: VecDeque::new(),
            size,
            watching: false,
            guarding: false,
        })
    }

    fn take(&mut self, event: Event, now: Instant) -> Result<Option<Happened>, DisplayError> {
        Ok(match event {
            Event::DamageNotify(_) => Some(Happened::Damaged),
            Event::XfixesCursorNotify(_) => Some(Happened::CursorShape),
            Event::RandrScreenChangeNotify(_) | Event::RandrNotify(_) | Event::ConfigureNotify(_) => {
                let size = monitors::size(&self.link)?;
                let monitors = monitors::list(&self.link, size)?;
                let changed = size != self.size || monitors != self.monitors;
                (self.size, self.monitors) = (size, monitors);
                changed.then_some(Happened::Monitors)
            }
            Event::XinputRawMotion(raw) if self.hands.is_local(raw.sourceid) => Some(Happened::UsedLocally),
            Event::XinputRawKeyPress(raw) if self.hands.is_local(raw.sourceid) => Some(Happened::UsedLocally),
            Event::XinputRawButtonPress(raw) if self.hands.is_local(raw.sourceid) => {
                Some(Happened::UsedLocally)
            }
            Event::XinputRawMotion(_) => Some(Happened::PointerMoved),
            Event::XinputHierarchy(_) => {
                self.hands.find_devices()?;
                None
            }
            Event::XkbMapNotify(_) | Event::XkbNewKeyboardNotify(_) | Event::MappingNotify(_) => {
                self.hands.layout_changed();
                None
            }
            Event::Error(error) => {
                tracing::debug!(kind = ?error.error_kind, request = ?error.request_name, "the display refused");
                None
            }
            event => {
                self.clipboard.take(&event, now)?;
                None
            }
        })
    }
}

impl ScreenSource for X11 {
    fn monitors(&self) -> &[Monitor] {
        &self.monitors
    }

    fn size(&self) -> Size {
        self.size
    }

    fn watch(&mut self, on: bool) -> Result<(), DisplayError> {
        self.watching = on;
        cursor::watch(&self.link, on)?;
        self.capture.watch(on)?;
        self.hands.select(self.watching, self.guarding)
    }

    fn damage(&mut self) -> Result<Vec<Rect>, DisplayError> {
        self.capture.damage()
    }

    fn capture(&mut self, area: Rect, rects: &[Rect], picture: &mut Picture) -> Result<bool, DisplayError> {
        self.capture.capture(area, rects, picture)
    }

    fn cursor(&mut self) -> Result<Cursor, DisplayError> {
        cursor::shape(&self.link)
    }

    fn pointer(&mut self) -> Result<Option<(u16, u16)>, DisplayError> {
        cursor::position(&self.link)
    }
}

impl Keyboard for X11 {
    type Error = DisplayError;

    fn layout(&mut self, spares: &mut Spares) -> Result<&KeyboardMap, DisplayError> {
        // What has changed it may still be on its way to us.
        self.stash()?;
        if self.events.iter().any(|e| matches!(e, Event::XkbMapNotify(_) | Event::XkbNewKeyboardNotify(_))) {
            self.hands.layout_changed();
        }
        self.hands.layout(spares)
    }

    fn state(&mut self) -> Result<KeyState, DisplayError> {
        self.hands.state()
    }
}

impl InputSink for X11 {
    fn watch_people(&mut self, on: bool) -> Result<(), DisplayError> {
        self.guarding = on;
        self.hands.select(self.watching, self.guarding)
    }

    fn perform(&mut self, deeds: &[Deed]) -> Result<(), DisplayError> {
        self.hands.perform(deeds)
    }
}

impl ClipboardEnd for X11 {
    fn share(&mut self, on: bool, now: Instant) -> Result<(), DisplayError> {
        self.clipboard.share(on, now)
    }

    fn told(&mut self, message: Clipboard, now: Instant) -> Result<(), DisplayError> {
        self.clipboard.told(message, now)
    }

    fn tell(&mut self) -> Option<Clipboard> {
        self.clipboard.tell()
    }

    fn wake(&self) -> Option<Instant> {
        self.clipboard.wake()
    }

    fn overdue(&mut self, now: Instant) -> Result<(), DisplayError> {
        self.clipboard.overdue(now)
    }
}

impl Overlay for X11 {
    fn show(&mut self, rects: &[Rect]) -> Result<(), DisplayError> {
        self.overlay.show(self.size, rects)
    }
}

impl X11 {
    /// Takes what events there are off the connection.
    fn stash(&mut self) -> Result<(), DisplayError> {
        while let Some(event) = self.link.conn.poll_for_event().map_err(ended)? {
            self.events.push_back(event);
        }
        Ok(())
    }
}

impl Display for X11 {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.link.conn.stream().as_fd()
    }

    fn happened(&mut self, now: Instant) -> Result<Vec<Happened>, DisplayError> {
        self.stash()?;
        let mut all = Vec::new();
        while let Some(event) = self.events.pop_front() {
            if let Some(happened) = self.take(event, now)? {
                // The person's movements move the pointer, too.
                let moved = (happened == Happened::UsedLocally).then_some(Happened::PointerMoved);
                for one in [Some(happened), moved].into_iter().flatten() {
                    if !all.contains(&one) {
                        all.push(one);
                    }
                }
            }
        }
        Ok(all)
    }

    fn settle(&mut self) -> Result<bool, DisplayError> {
        self.link.conn.flush().map_err(ended)?;
        // Waiting for replies may have read events, of which the socket says nothing any more.
        self.stash()?;
        Ok(!self.events.is_empty())
    }
}

/// A length or position that X counts in 16 signed bits.
fn signed(at: u16) -> i16 {
    i16::try_from(at).unwrap_or(i16::MAX)
}

/// A position that should not be negative.
fn unsigned(at: i16) -> u16 {
    u16::try_from(at).unwrap_or(0)
}

/// The geometry of the root window, which is the screen.
fn root_size(link: &Link) -> Result<Option<Size>, DisplayError> {
    let reply = link.conn.get_geometry(link.root).map_err(ended)?.reply();
    Ok(unless_refused(reply)?.and_then(|geometry| Size::checked(geometry.width, geometry.height)))
}
