//! What the desktop process needs of a display, whichever system shows it.
//!
//! X11 is the implementation there is ([`super::x11`]). A display has one descriptor to wait on; what it has to tell
//! is taken by [`DesktopDisplay::happened`].

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nearhand_proto::message::screen::{ClipboardMessage, CursorPicture, Monitor};
use nearhand_screen::{Picture, Rect, Size};

use super::input::{InputAction, KeyboardSource};
use super::protocol::{OpenWindow, WindowTarget};

/// Why a display can't be used, or no longer. In words for the technician.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// It can't be reached.
    #[error("the display {display} can't be reached ({why}); is somebody logged in there?")]
    Unreachable {
        /// The display's name, as in `DISPLAY`.
        display: String,
        /// What the system says.
        why: String,
    },
    /// It lacks something.
    #[error("the display can't be shown or used: it lacks {0}")]
    Lacks(String),
    /// It has ended.
    #[error("the display has ended ({0}); the person there has probably logged out")]
    Ended(String),
}

/// Something that happened at the display.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum DisplayEvent {
    /// Something was drawn.
    Damaged,
    /// The monitors, or the size of the screen, are not what they were.
    Monitors,
    /// The pointer looks different.
    CursorShape,
    /// The pointer may be elsewhere.
    PointerMoved,
    /// The person at the device used pointer or keyboard.
    UsedLocally,
    /// The window that is shown is no longer there, and why.
    WindowGone(String),
}

/// One window instead of the screen.
pub(crate) trait WindowSource {
    /// The windows that a person would know, the uppermost first.
    fn windows(&mut self) -> Result<Vec<OpenWindow>, DisplayError>;
    /// From now on only that window is seen, or the screen again. While it is aimed at a window, the window is the
    /// only monitor (none while it is out of sight), and areas, damage and the pointer count from its corner.
    /// `Some`: there is no such window, in words.
    fn aim(&mut self, at: Option<&WindowTarget>) -> Result<Option<String>, DisplayError>;
    /// Whether a window is aimed at.
    fn is_aimed(&self) -> bool;
    /// Where that area is on the screen, as far as it is there.
    fn on_screen(&self, area: Rect) -> Option<Rect>;
}

/// What is seen.
pub(crate) trait ScreenSource {
    /// The monitors that are connected now.
    fn monitors(&self) -> &[Monitor];
    /// Why nothing is to be seen, where that isn't a monitor's being gone.
    fn out_of_sight(&self) -> Option<String>;
    /// The size of all of them together.
    fn size(&self) -> Size;
    /// Begins or ends telling of changes.
    fn watch(&mut self, on: bool) -> Result<(), DisplayError>;
    /// What changed since it was last asked.
    fn damage(&mut self) -> Result<Vec<Rect>, DisplayError>;
    /// Copies those rectangles of `area` (they count from its corner) into the picture. `false` if the screen was
    /// changing its size: try again when [`DisplayEvent::Monitors`] has come.
    fn capture(&mut self, area: Rect, rects: &[Rect], picture: &mut Picture) -> Result<bool, DisplayError>;
    /// How the pointer looks.
    fn cursor(&mut self) -> Result<CursorPicture, DisplayError>;
    /// Where the pointer is, among all monitors.
    fn pointer(&mut self) -> Result<Option<(u16, u16)>, DisplayError>;
}

/// What is done.
pub(crate) trait InputSink: KeyboardSource<Error = DisplayError> {
    /// Begins or ends telling of the local person's input.
    fn watch_people(&mut self, on: bool) -> Result<(), DisplayError>;
    /// Carries out keys, buttons and pointer movements in order.
    fn perform(&mut self, deeds: &[InputAction]) -> Result<(), DisplayError>;
}

/// The display's clipboard, both ways.
pub(crate) trait ClipboardEnd {
    /// Begins or ends taking part.
    fn share(&mut self, on: bool, now: Instant) -> Result<(), DisplayError>;
    /// A message of the technician's.
    fn told(&mut self, message: ClipboardMessage, now: Instant) -> Result<(), DisplayError>;
    /// The next message to the technician, if there is one.
    fn tell(&mut self) -> Option<ClipboardMessage>;
    /// When [`ClipboardEnd::overdue`] is to be called.
    fn wake(&self) -> Option<Instant>;
    /// Gives up what has taken too long.
    fn overdue(&mut self, now: Instant) -> Result<(), DisplayError>;
}

/// What is drawn over everything.
pub(crate) trait DrawingOverlay {
    /// Shows exactly these rectangles, in one strong colour; nothing if there are none.
    fn show(&mut self, rects: &[Rect]) -> Result<(), DisplayError>;
}

/// All that the desktop process needs of a display.
pub(crate) trait DesktopDisplay:
    ScreenSource + WindowSource + InputSink + ClipboardEnd + DrawingOverlay
{
    /// Readable when something has happened.
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// Takes what has happened; empty if nothing has.
    fn happened(&mut self, now: Instant) -> Result<Vec<DisplayEvent>, DisplayError>;
    /// Sends what is still to be sent. `true`: something has happened meanwhile.
    fn settle(&mut self) -> Result<bool, DisplayError>;
}

/// A duration in microseconds, as messages carry it.
pub(crate) fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
