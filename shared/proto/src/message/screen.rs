//! The session's conversations about the screen: what is seen (stream [`StreamOpen::Screen`]), pointer and keyboard
//! ([`StreamOpen::Input`]), the clipboard ([`StreamOpen::Clipboard`]). Each needs its own capability.
//!
//! Frames are one ordered byte stream with a state at both ends (`nearhand-screen`), so no coded frame may be left
//! out. The newest state wins before coding: the device captures only when it has credit, and it gets credit when
//! earlier frames were painted ([`FromViewer::Painted`]).
//!
//! [`StreamOpen::Screen`]: super::session::StreamOpen::Screen
//! [`StreamOpen::Input`]: super::session::StreamOpen::Input
//! [`StreamOpen::Clipboard`]: super::session::StreamOpen::Clipboard

use serde::{Deserialize, Serialize};

use crate::audit::Hash;
use crate::id::SessionId;
use crate::identity::{Signed, Statement};
use crate::time::UnixMillis;

/// Most bytes of a frame in one [`FromScreen::Frame`] part.
pub const FRAME_PART: usize = 48 * 1024;
/// Largest coded frame, in bytes: a 4K screen of noise fits. A larger one is a broken device.
pub const MAX_FRAME: usize = 64 * 1024 * 1024;
/// Frames that may be under way or unpainted at the same time on a near path; on a far one up to 14.
pub const FRAMES_IN_FLIGHT: u32 = 3;
/// Longest side of a cursor, in pixels: its picture fits into one message.
pub const MAX_CURSOR: u16 = 96;
/// Most monitors told.
pub const MAX_MONITORS: usize = 16;
/// Longest text typed at once, in characters.
pub const MAX_TEXT: usize = 1_000;
/// Most bytes of clipboard content taken or given.
pub const MAX_CLIPBOARD: u64 = 16 * 1024 * 1024;
/// Most bytes of clipboard content in one part.
pub const CLIPBOARD_PART: usize = 48 * 1024;
/// Most points of a stroke drawn on the device's screen, in one message.
pub const MAX_STROKE: usize = 256;

/// A monitor's number, as [`FromScreen::Monitors`] counts them: from [`FIRST_MONITOR`] on, as people are told.
pub type MonitorNumber = u8;
/// The number of the first monitor, here and in every command.
pub const FIRST_MONITOR: MonitorNumber = 1;

/// Technician → device on the screen's stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FromViewer {
    /// Begin, or begin again with nothing known at this end: a first, whole frame follows. It is the first message, unless
    /// [`FromViewer::Recording`] goes before it.
    Start {
        /// One monitor, or all of them.
        monitor: Option<MonitorNumber>,
        /// How natural pictures may be coded.
        quality: ScreenQuality,
    },
    /// A frame is on the technician's screen: its credit is back.
    Painted {
        /// Number of the frame.
        frame: u32,
        /// From its last byte to its being decoded, in microseconds.
        decode: u32,
        /// From there to the screen, in microseconds.
        paint: u32,
    },
    /// Another quality from now on.
    Quality(ScreenQuality),
    /// The viewer is hidden: no frame is wanted until it is shown.
    Hidden(bool),
    /// The technician points at something: shown on the device's screen for a moment.
    Laser(ScreenPoint),
    /// The technician draws on the device's screen; points in order, at most [`MAX_STROKE`].
    Stroke {
        /// Strokes of one number are one line.
        number: u32,
        /// Its points so far unsent.
        points: Vec<ScreenPoint>,
    },
    /// What was drawn is wiped.
    Wipe,
    /// The technician keeps what they see from now on (`true`), or no longer. The person at the device is told, and it
    /// is written down. The answer is a [`FromScreen::Head`], whether a part of a recording begins or ends with it.
    Recording(bool),
}

/// How natural pictures (photos, video) may be coded. Text and flat colours are always exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ScreenQuality {
    /// Lossy while they move or the link is slow, exact once they rest.
    #[default]
    Auto,
    /// Exact at once, however long it takes.
    Exact,
    /// As few bytes as possible; exact only where it costs little.
    Lean,
}

/// A point on the screen as the frames show it, in pixels from the upper left corner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ScreenPoint {
    /// To the right.
    pub x: u16,
    /// Pixels down from the upper edge.
    pub y: u16,
}

/// Device → technician on the screen's stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FromScreen {
    /// The monitors that there are now; sent first, and when they change.
    Monitors(Vec<Monitor>),
    /// A part of a coded frame, in order.
    Frame {
        /// The frame's number; counts up from 1 after each [`FromViewer::Start`].
        frame: u32,
        /// At most [`FRAME_PART`] bytes.
        part: Vec<u8>,
        /// Present in its last part.
        last: Option<FrameEnd>,
    },
    /// The pointer looks like this from now on.
    Cursor(CursorPicture),
    /// The pointer's place at the device, also when the person there moved it; `None`: it is hidden or on another
    /// monitor.
    CursorAt(Option<ScreenPoint>),
    /// There is nothing to see, and why; frames may follow later.
    Gone(String),
    /// While recording: milliseconds from the beginning of the recording's part to the messages that follow.
    Clock(u32),
    /// While recording: the device's signature over all messages since the part began. The first head covers no message
    /// and begins a part; the last one ends it. Heads themselves are not covered.
    Head(Signed<ScreenHead>),
}

/// What is known of a frame when it has been coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FrameEnd {
    /// From the first change it shows to its capture, in microseconds.
    pub waited: u32,
    /// Time of the capture, in microseconds.
    pub capture: u32,
    /// Time of the coding, in microseconds.
    pub encode: u32,
    /// Whether the viewer now has the whole screen exactly as it was captured.
    pub exact: bool,
}

/// What the device signs: all messages of one part of a recording up to here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScreenHead {
    /// In which session.
    pub session: SessionId,
    /// Which part: counts from 1 in the session, one more with each view that is recorded. A connection that is lost
    /// ends a part, and so does a page that is closed.
    pub part: u32,
    /// When the part began, by the device's clock.
    pub began: UnixMillis,
    /// Messages so far; 0 in the first head of a part.
    pub messages: u64,
    /// From the part's beginning to this head, in milliseconds.
    pub millis: u32,
    /// Over all messages so far.
    pub hash: Hash,
    /// Nothing more follows in this part.
    pub last: bool,
}

impl Statement for ScreenHead {
    const CONTEXT: &'static str = "screen head";
}

/// A monitor of the device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Monitor {
    /// The monitor's number.
    pub number: MonitorNumber,
    /// The operating system's name for it.
    pub name: String,
    /// Left edge among all monitors, in pixels.
    pub x: u16,
    /// Upper edge among all monitors, in pixels.
    pub y: u16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// The main one.
    pub primary: bool,
}

/// A pointer's picture.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CursorPicture {
    /// Width in pixels, at most [`MAX_CURSOR`].
    pub width: u16,
    /// Height in pixels, at most [`MAX_CURSOR`].
    pub height: u16,
    /// The point that points, from the picture's upper left corner.
    pub hot: ScreenPoint,
    /// Rows of red, green, blue, alpha (not premultiplied), one byte each.
    pub rgba: Vec<u8>,
}

/// Technician → device on the input's stream. Positions are on the monitor that the screen's stream shows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum InputEvent {
    /// The pointer is here.
    Move(ScreenPoint),
    /// A button is pressed or let go of.
    Button {
        /// Which mouse button it is.
        button: MouseButton,
        /// Whether it is pressed; otherwise it is released.
        down: bool,
    },
    /// The wheel, in 120ths of a notch: positive is down and to the right.
    Scroll {
        /// Left and right.
        x: i16,
        /// Up and down.
        y: i16,
    },
    /// A key is pressed or let go of.
    Key {
        /// Its place on the keyboard.
        key: PhysicalKey,
        /// What it is called on the technician's keyboard (`KeyboardEvent.key`): a character, or a name such as
        /// `Enter`; for [`KeyMode::Symbol`]. At most 32 bytes.
        symbol: String,
        /// Whether it is pressed; otherwise it is released.
        down: bool,
        /// By place or by name.
        mode: KeyMode,
    },
    /// Characters to appear as they are, at most [`MAX_TEXT`]; what dead keys, AltGr and input methods made of keys.
    Text(String),
    /// Keys and buttons that are held are let go of: the viewer lost the focus.
    ReleaseAll,
}

/// A pointer's button.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum MouseButton {
    /// The main one, usually left.
    Primary,
    /// In the middle.
    Middle,
    /// The one for menus, usually right.
    Secondary,
    /// The extra button that goes back.
    Back,
    /// The extra button that goes forward.
    Forward,
}

/// A key by its place: Linux's code of it (`input-event-codes.h`), which is X11's keycode less 8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct PhysicalKey(pub u16);

/// What a key means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeyMode {
    /// The key in this place, regardless of its label there: for games, and for equal layouts.
    Place,
    /// The key that is called this on the device's layout, wherever it is: shortcuts across layouts.
    Symbol,
}

/// Device → technician on the input's stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InputNotice {
    /// The person at the device is using pointer or keyboard, or is being asked something: what is sent meanwhile is dropped
    /// (`true`), or no longer (`false`).
    HeldBack(bool),
    /// Something could not be typed; which characters or keys.
    Untypable(String),
    /// A button or the wheel could not be used, since the pointer's settings at the device switch it off; which one.
    Unclickable(String),
}

/// Both ways on the clipboard's stream. Contents cross on demand only; files never.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ClipboardMessage {
    /// The sender's clipboard has something new, in these forms. An empty list: nothing that can be had.
    Has {
        /// Counts up with each change of the clipboard.
        serial: u32,
        /// What there is, with its size in bytes where it is known.
        forms: Vec<(ClipboardForm, Option<u64>)>,
    },
    /// Asks for the content in one form.
    Fetch {
        /// Of which [`ClipboardMessage::Has`].
        serial: u32,
        /// In which form.
        form: ClipboardForm,
    },
    /// A part of what was fetched, in order.
    Part {
        /// Serial of the request.
        serial: u32,
        /// Form of the content.
        form: ClipboardForm,
        /// At most [`CLIPBOARD_PART`] bytes.
        bytes: Vec<u8>,
        /// Whether this was the last.
        last: bool,
    },
    /// The fetched content has arrived whole and is in the fetcher's clipboard.
    Taken {
        /// Serial of the request.
        serial: u32,
    },
    /// It can't be had, and why.
    Refused {
        /// Serial of the request.
        serial: u32,
        /// The reason, as a sentence.
        why: String,
    },
}

/// A form of clipboard content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ClipboardForm {
    /// Text, encoded as UTF-8.
    Text,
    /// A PNG picture.
    Png,
}
