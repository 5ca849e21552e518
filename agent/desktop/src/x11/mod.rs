//! X11, through `x11rb`: one connection, one thread.
//!
//! Events are taken here and handed to the part they concern: [`screen`] captures, [`monitors`] and [`cursor`] tell
//! what is where, [`window`] shows one window of those that [`list`] finds, [`keyboard`] reads the layout and injects, [`clipboard`] speaks for the CLIPBOARD selection,
//! [`overlay`] draws. Requests to the server wait for its reply; nothing here ever waits for another program.

mod clipboard;
mod connection;
mod cursor;
mod keyboard;
mod layer;
mod list;
mod monitors;
mod overlay;
mod saver;
mod screen;
mod window;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use nearhand_proto::message::screen::{ClipboardMessage, CursorPicture, Monitor};
use nearhand_screen::{Picture, Rect, Size};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::Event;
use x11rb::protocol::composite::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use self::connection::{Atoms, XConnection, ended, needed, needed_extension, root_size};
use super::buttons::ButtonMap;
use super::input::{InputAction, KeyboardSource};
use super::keys::spare::SpareKeys;
use super::keys::{KeyState, KeyboardMap};
use super::protocol::{OpenWindow, WindowTarget};
use super::source::{
    ClipboardEnd, DesktopDisplay, DisplayError, DisplayEvent, DrawingOverlay, InputSink, ScreenSource,
    WindowSource,
};
use super::window_layout;

/// What a technician reads when the window is no longer there.
const CLOSED: &str = "the window was closed; ask again to see another one";
/// Servers that only show X11 programs in a Wayland desktop have this extension.
const XWAYLAND: &str = "XWAYLAND";

/// An X11 display.
pub(crate) struct X11Display {
    link: XConnection,
    events: VecDeque<Event>,
    size: Size,
    monitors: Vec<Monitor>,
    capture: screen::ScreenCapture,
    hands: keyboard::XtestInjector,
    clipboard: clipboard::ClipboardSelection,
    overlay: overlay::DrawingWindow,
    watching: bool,
    guarding: bool,
    /// The window that is seen instead of the screen.
    aimed: Option<window::ShownWindow>,
    /// The pointer is over that window.
    over: bool,
    /// The server's screen saver has blanked the screen.
    blanked: bool,
    /// What is to be told although no event says it.
    news: Vec<DisplayEvent>,
}

impl X11Display {
    /// Connects to the display that the environment names.
    pub(crate) fn open() -> Result<Self, DisplayError> {
        let display = std::env::var("DISPLAY").unwrap_or_default();
        let (conn, screen) = RustConnection::connect(None)
            .map_err(|error| DisplayError::Unreachable { display, why: error.to_string() })?;
        let root = conn.setup().roots.get(screen).map(|screen| screen.root);
        let root = root.ok_or_else(|| DisplayError::Lacks("a screen".to_owned()))?;
        let atoms = needed("names", Atoms::new(&conn).map_err(ended)?.reply())?;
        let link = XConnection { conn: Rc::new(conn), root, screen, atoms };
        for (extension, name) in [
            (x11rb::protocol::xfixes::X11_EXTENSION_NAME, "the XFIXES extension"),
            (x11rb::protocol::damage::X11_EXTENSION_NAME, "the DAMAGE extension"),
            (x11rb::protocol::xtest::X11_EXTENSION_NAME, "the XTEST extension"),
            (x11rb::protocol::xinput::X11_EXTENSION_NAME, "the XInput extension"),
            (x11rb::protocol::xkb::X11_EXTENSION_NAME, "the XKB extension"),
        ] {
            needed_extension(&link, extension, name)?;
        }
        if link.conn.extension_information(XWAYLAND).map_err(ended)?.is_some() {
            return Err(DisplayError::Lacks(
                "a screen of its own: it belongs to Wayland, of which only a part is here".to_owned(),
            ));
        }
        let size = root_size(&link)?;
        Ok(Self {
            monitors: monitors::watch(&link, size)?,
            capture: screen::ScreenCapture::new(link.clone())?,
            hands: keyboard::XtestInjector::new(link.clone())?,
            clipboard: clipboard::ClipboardSelection::new(link.clone())?,
            overlay: overlay::DrawingWindow::new(link.clone()),
            blanked: saver::watch(&link)?,
            link,
            events: VecDeque::new(),
            size,
            watching: false,
            guarding: false,
            aimed: None,
            over: false,
            news: Vec::new(),
        })
    }

    fn monitors_changed(&mut self) -> Result<Option<DisplayEvent>, DisplayError> {
        let size = root_size(&self.link)?;
        let monitors = monitors::list(&self.link, size)?;
        let changed = size != self.size || monitors != self.monitors;
        (self.size, self.monitors) = (size, monitors);
        Ok(changed.then_some(DisplayEvent::Monitors).filter(|_| self.aimed.is_none()))
    }

    /// What an event means to the window that is shown.
    fn take_for_window(&mut self, event: &Event) -> Result<Option<DisplayEvent>, DisplayError> {
        let Some(aimed) = &mut self.aimed else { return Ok(None) };
        let news = aimed.take(event)?;
        if news.closed {
            return Ok(Some(DisplayEvent::WindowGone(CLOSED.to_owned())));
        }
        Ok(news.changed.then_some(DisplayEvent::Monitors))
    }

    fn take(&mut self, event: Event, now: Instant) -> Result<Option<DisplayEvent>, DisplayError> {
        Ok(match event {
            Event::DamageNotify(_) => Some(DisplayEvent::Damaged),
            Event::XfixesCursorNotify(_) => Some(DisplayEvent::CursorShape),
            Event::RandrScreenChangeNotify(_) | Event::RandrNotify(_) => self.monitors_changed()?,
            Event::ConfigureNotify(about) if about.window == self.link.root => self.monitors_changed()?,
            Event::XinputRawMotion(raw) if self.hands.is_local(raw.sourceid) => {
                Some(DisplayEvent::UsedLocally)
            }
            Event::XinputRawKeyPress(raw) if self.hands.is_local(raw.sourceid) => {
                Some(DisplayEvent::UsedLocally)
            }
            Event::XinputRawButtonPress(raw) if self.hands.is_local(raw.sourceid) => {
                Some(DisplayEvent::UsedLocally)
            }
            Event::XinputRawMotion(_) => Some(DisplayEvent::PointerMoved),
            Event::ScreensaverNotify(event) => {
                self.blanked = saver::blanks(&event);
                self.aimed.is_none().then_some(DisplayEvent::Monitors)
            }
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
                self.take_for_window(&event)?
            }
        })
    }
}

impl ScreenSource for X11Display {
    fn monitors(&self) -> &[Monitor] {
        self.aimed.as_ref().map_or(&self.monitors, window::ShownWindow::monitors)
    }

    fn out_of_sight(&self) -> Option<String> {
        match &self.aimed {
            Some(aimed) => aimed.out_of_sight(),
            None => self.blanked.then(|| saver::BLANKED.to_owned()),
        }
    }

    fn size(&self) -> Size {
        self.size
    }

    fn watch(&mut self, on: bool) -> Result<(), DisplayError> {
        self.watching = on;
        cursor::watch(&self.link, on)?;
        self.capture.watch(on && self.aimed.is_none())?;
        self.hands.select(self.watching, self.guarding)
    }

    fn damage(&mut self) -> Result<Vec<Rect>, DisplayError> {
        let Some(aimed) = &self.aimed else { return self.capture.damage() };
        let fresh = aimed.fresh()?;
        // An event that goes before the reply is here now.
        self.stash()?;
        let Some(aimed) = &self.aimed else { return Ok(Vec::new()) };
        let believed = aimed.believe(fresh, &self.events)?;
        if believed.is_none() {
            self.news.push(DisplayEvent::Damaged);
        }
        Ok(believed.unwrap_or_default())
    }

    fn capture(&mut self, area: Rect, rects: &[Rect], picture: &mut Picture) -> Result<bool, DisplayError> {
        match &self.aimed {
            Some(aimed) => aimed.copy(&mut self.capture, rects, picture),
            None => self.capture.capture(area, rects, picture),
        }
    }

    fn cursor(&mut self) -> Result<CursorPicture, DisplayError> {
        // What it looks like over another window is not seen.
        if self.aimed.is_some() && !self.over { Ok(cursor::arrow()) } else { cursor::shape(&self.link) }
    }

    fn pointer(&mut self) -> Result<Option<(u16, u16)>, DisplayError> {
        let Some(aimed) = &self.aimed else { return cursor::position(&self.link) };
        let at = aimed.pointer()?;
        if at.is_some() != std::mem::replace(&mut self.over, at.is_some()) {
            self.news.push(DisplayEvent::CursorShape);
        }
        Ok(at)
    }
}

impl WindowSource for X11Display {
    fn windows(&mut self) -> Result<Vec<OpenWindow>, DisplayError> {
        list::windows(&self.link)
    }

    fn aim(&mut self, at: Option<&WindowTarget>) -> Result<Option<String>, DisplayError> {
        let Some(aim) = at else {
            self.aimed = None;
            return Ok(None);
        };
        needed_extension(
            &self.link,
            x11rb::protocol::composite::X11_EXTENSION_NAME,
            "the Composite extension",
        )?;
        needed("Composite", self.link.conn.composite_query_version(0, 4).map_err(ended)?.reply())?;
        let windows = list::windows(&self.link)?;
        let Some(found) = window_layout::find(aim, &windows) else {
            let none = match aim {
                WindowTarget::Window(_) => CLOSED.to_owned(),
                WindowTarget::Application(names) => format!("no window of {} is open", names.join(" or ")),
            };
            return Ok(Some(none));
        };
        if !self.aimed.as_ref().is_some_and(|aimed| aimed.is(found)) {
            self.aimed = None;
            self.capture.watch(false)?;
            self.aimed = Some(window::ShownWindow::open(&self.link, found.clone())?);
        }
        self.over = false;
        Ok(None)
    }

    fn is_aimed(&self) -> bool {
        self.aimed.is_some()
    }

    fn on_screen(&self, area: Rect) -> Option<Rect> {
        match &self.aimed {
            None => Some(area),
            Some(aimed) => aimed.place()?.on_screen(self.size),
        }
    }
}

impl KeyboardSource for X11Display {
    type Error = DisplayError;

    fn layout(&mut self, spares: &mut SpareKeys) -> Result<&KeyboardMap, DisplayError> {
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

    fn buttons(&mut self) -> Result<ButtonMap, DisplayError> {
        self.hands.buttons()
    }
}

impl InputSink for X11Display {
    fn watch_people(&mut self, on: bool) -> Result<(), DisplayError> {
        self.guarding = on;
        self.hands.select(self.watching, self.guarding)
    }

    fn perform(&mut self, deeds: &[InputAction]) -> Result<(), DisplayError> {
        self.hands.perform(deeds)
    }
}

impl ClipboardEnd for X11Display {
    fn share(&mut self, on: bool, now: Instant) -> Result<(), DisplayError> {
        self.clipboard.share(on, now)
    }

    fn told(&mut self, message: ClipboardMessage, now: Instant) -> Result<(), DisplayError> {
        self.clipboard.told(message, now)
    }

    fn tell(&mut self) -> Option<ClipboardMessage> {
        self.clipboard.tell()
    }

    fn wake(&self) -> Option<Instant> {
        self.clipboard.wake()
    }

    fn overdue(&mut self, now: Instant) -> Result<(), DisplayError> {
        self.clipboard.overdue(now)
    }
}

impl DrawingOverlay for X11Display {
    fn show(&mut self, rects: &[Rect]) -> Result<(), DisplayError> {
        self.overlay.show(self.size, rects)
    }
}

impl X11Display {
    /// Takes what events there are off the connection.
    fn stash(&mut self) -> Result<(), DisplayError> {
        while let Some(event) = self.link.conn.poll_for_event().map_err(ended)? {
            self.events.push_back(event);
        }
        Ok(())
    }
}

impl DesktopDisplay for X11Display {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.link.conn.stream().as_fd()
    }

    fn happened(&mut self, now: Instant) -> Result<Vec<DisplayEvent>, DisplayError> {
        self.stash()?;
        let mut all = std::mem::take(&mut self.news);
        while let Some(event) = self.events.pop_front() {
            if let Some(happened) = self.take(event, now)? {
                // The person's movements move the pointer, too.
                let moved = (happened == DisplayEvent::UsedLocally).then_some(DisplayEvent::PointerMoved);
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
        Ok(!self.events.is_empty() || !self.news.is_empty())
    }
}
