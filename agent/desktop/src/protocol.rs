//! What the agent and its desktop process say to each other, over the process's standard input and output.
//!
//! Frames as in [`nearhand_proto::wire`]: a length and one message. What the messages carry is the session's own
//! vocabulary ([`nearhand_proto::message::screen`]); the desktop process bounds what a technician sent, and the
//! agent bounds what the desktop process says ([`FromDesktop::is_sound`]), since that runs with a user's rights and
//! the agent may be root. Pure: bytes in, messages out.

pub use nearhand_agent_core::window_target::{OpenWindow, WindowTarget};
use nearhand_proto::message::local::{MAX_TITLE, MAX_WINDOWS};
use nearhand_proto::message::screen::{
    CLIPBOARD_PART, ClipboardMessage, FRAME_PART, FromScreen, InputEvent, InputNotice, MAX_CURSOR,
    MAX_MONITORS, Monitor, MonitorNumber, ScreenPoint, ScreenQuality,
};
use nearhand_proto::wire::{self, PREFIX, WireError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest message either way, in bytes: a part of a frame or of the clipboard, a cursor, a long text, and room.
pub const MAX_DESKTOP_MESSAGE: usize = 64 * 1024;
/// Longest explanation, in bytes.
pub const MAX_WORDS: usize = 4 * 1024;

/// Agent → desktop process.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToDesktop {
    /// Show the screen, or restart the view: a whole frame with number 1 follows.
    View {
        /// One monitor, or all of them.
        monitor: Option<MonitorNumber>,
        /// How natural pictures may be coded.
        quality: ScreenQuality,
    },
    /// A frame is on the technician's screen.
    Painted {
        /// The number of the frame.
        frame: u32,
        /// From its last byte to its being decoded, in microseconds.
        decode: u32,
        /// From there to the screen, in microseconds.
        paint: u32,
    },
    /// Other wishes from now on.
    Quality(ScreenQuality),
    /// The viewer is hidden, or no longer.
    Hidden(bool),
    /// No more frames.
    StopView,
    /// Pointer and keyboard.
    Input(InputEvent),
    /// No more input: all held keys and buttons are released.
    StopInput,
    /// The clipboard's conversation; answered only between `StartClipboard` and `StopClipboard`.
    Clipboard(ClipboardMessage),
    /// The clipboard is granted from now on.
    StartClipboard,
    /// It no longer is.
    StopClipboard,
    /// The technician points there, for a moment.
    Laser(ScreenPoint),
    /// The technician draws on the screen.
    Stroke {
        /// Strokes of one number are one line.
        number: u32,
        /// Its points so far unsent.
        points: Vec<ScreenPoint>,
    },
    /// What was drawn is wiped.
    Wipe,
    /// Which windows are there? Answered with [`FromDesktop::Windows`].
    Windows,
    /// Show one window, or restart its view. Input is ignored meanwhile.
    ViewWindow {
        /// The window to show.
        aim: WindowTarget,
        /// How natural pictures may be coded.
        quality: ScreenQuality,
    },
    /// One exact picture of the whole screen, as frame 1; nothing where a window is shown.
    Picture,
}

/// Desktop process → agent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FromDesktop {
    /// The display is there. The first message, unless it is `Failed`.
    Ready {
        /// The monitors that are connected.
        monitors: Vec<Monitor>,
    },
    /// For the screen's stream.
    Screen(FromScreen),
    /// For the input's stream.
    Input(InputNotice),
    /// For the clipboard's stream.
    Clipboard(ClipboardMessage),
    /// The windows there are, the uppermost first.
    Windows(Vec<OpenWindow>),
    /// The window that is shown is no longer there, and why; nothing more of it follows.
    WindowGone(String),
    /// It can't go on; what happened and what to do. The last message.
    Failed(String),
}

impl FromDesktop {
    /// Whether this keeps to the limits that the other end of the session holds us to.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Ready { monitors } | Self::Screen(FromScreen::Monitors(monitors)) => {
                monitors.len() <= MAX_MONITORS
            }
            Self::Screen(FromScreen::Frame { part, .. }) => part.len() <= FRAME_PART,
            Self::Screen(FromScreen::Cursor(cursor)) => {
                let pixels = usize::from(cursor.width) * usize::from(cursor.height);
                cursor.width <= MAX_CURSOR && cursor.height <= MAX_CURSOR && cursor.rgba.len() == pixels * 4
            }
            Self::Screen(FromScreen::Gone(words)) | Self::WindowGone(words) | Self::Failed(words) => {
                words.len() <= MAX_WORDS
            }
            Self::Windows(windows) => {
                let short = |text: &str| text.chars().count() <= MAX_TITLE;
                windows.len() <= MAX_WINDOWS
                    && windows.iter().all(|window| short(&window.application) && short(&window.title))
            }
            Self::Input(InputNotice::Untypable(what) | InputNotice::Unclickable(what)) => {
                what.len() <= MAX_WORDS
            }
            Self::Clipboard(ClipboardMessage::Part { bytes, .. }) => bytes.len() <= CLIPBOARD_PART,
            // Those are the agent's own.
            Self::Screen(FromScreen::Clock(_) | FromScreen::Head(_)) => false,
            Self::Screen(FromScreen::CursorAt(_)) | Self::Input(_) | Self::Clipboard(_) => true,
        }
    }
}

/// Bytes that have arrived and are not yet taken as messages.
#[derive(Debug, Default)]
pub struct IncomingMessages {
    bytes: Vec<u8>,
    taken: usize,
}

impl IncomingMessages {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if it is there. After an error the stream can't be understood any more.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WireError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let len = wire::frame_len(*prefix, MAX_DESKTOP_MESSAGE)?;
        let Some(body) = rest.get(..len) else { return Ok(None) };
        let message = wire::decode(body)?;
        self.taken += PREFIX + len;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let sent = [ToDesktop::StopView, ToDesktop::Input(InputEvent::Text("ä€😀".into())), ToDesktop::Wipe];
        let bytes: Vec<u8> = sent.iter().flat_map(|m| wire::frame(m, MAX_DESKTOP_MESSAGE).unwrap()).collect();
        for step in [1, 3, bytes.len()] {
            let mut incoming = IncomingMessages::default();
            let mut got: Vec<ToDesktop> = Vec::new();
            for piece in bytes.chunks(step) {
                incoming.push(piece);
                while let Some(message) = incoming.next_message().unwrap() {
                    got.push(message);
                }
            }
            assert_eq!(got, sent);
        }
    }

    #[test]
    fn a_length_over_the_limit_ends_it() {
        let mut incoming = IncomingMessages::default();
        incoming.push(&[0xff; 4]);
        assert!(incoming.next_message::<ToDesktop>().is_err());
    }

    #[test]
    fn what_the_session_forbids_is_not_sound() {
        let part = |len| {
            FromDesktop::Screen(FromScreen::Frame { frame: 1, part: vec![0; len], last: None }).is_sound()
        };
        assert!(part(FRAME_PART) && !part(FRAME_PART + 1));
        assert!(!FromDesktop::Failed("x".repeat(MAX_WORDS + 1)).is_sound());
        assert!(!FromDesktop::Screen(FromScreen::Clock(1)).is_sound());
    }
}
