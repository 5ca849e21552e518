//! What the page says: a closed list of verbs, each with its limits. Pure.

use nearhand_proto::grant::Capability;
use nearhand_proto::message::screen::{
    FromViewer, InputEvent, KeyMode, MAX_STROKE, MAX_TEXT, MouseButton, PhysicalKey, ScreenPoint,
    ScreenQuality,
};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::MAX_CHAT;
use serde::Deserialize;

use super::PageClipboardForm;

/// Longest message of the page, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Highest code of a key (`KEY_MAX` of Linux's input-event-codes.h).
const MAX_KEY: u16 = 0x2ff;
/// Longest name of a key, in bytes.
const MAX_SYMBOL: usize = 32;

/// A message of the page.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum FromPage {
    /// A chat message to the person at the device.
    Say(String),
    /// Messages up to this number were seen.
    Saw(u64),
    /// Asks the person at the device for capabilities.
    Ask {
        /// Names of the capabilities.
        capabilities: Vec<String>,
        /// For how long, in minutes.
        minutes: u32,
    },
    /// Gives capabilities back.
    Drop(Vec<String>),
    /// Ends the session.
    End,
    /// Runs the checks of the device.
    Diagnose(PageCheckSet),
    /// Shows one monitor, or all of them.
    Monitor(Option<u8>),
    /// How natural pictures may be coded.
    Quality(PictureQuality),
    /// Tries the screen again.
    Again,
    /// A frame is on the screen.
    Painted {
        /// The epoch of the screen's stream that the frame belongs to.
        epoch: u32,
        /// The frame's number.
        frame: u32,
        /// Time of decoding, in microseconds.
        decode: u32,
        /// Time of painting, in microseconds.
        paint: u32,
    },
    /// The page is hidden.
    Hidden(bool),
    /// The technician points at something on the screen.
    Laser(PagePoint),
    /// The technician draws.
    Stroke {
        /// The line's number.
        number: u32,
        /// Its new points.
        points: Vec<PagePoint>,
    },
    /// Wipes all that was drawn.
    Wipe,
    /// The pointer moved.
    Move(PagePoint),
    /// A button of the pointer was pressed or released.
    Button {
        /// The button in question.
        button: PointerButton,
        /// `true` when it was pressed, `false` when it was released.
        down: bool,
    },
    /// The wheel, in 120ths of a notch.
    Scroll {
        /// Distance to the right.
        x: i16,
        /// Distance towards the bottom.
        y: i16,
    },
    /// A key was pressed or released.
    Key {
        /// The key's place on the keyboard, as a Linux key code.
        key: u16,
        /// The key's name as the browser tells it.
        symbol: String,
        /// `true` when it was pressed, `false` when it was released.
        down: bool,
        /// The key counts by its place, not by its name.
        place: bool,
    },
    /// Characters that were typed.
    Text(String),
    /// All that is held is let go of.
    Release,
    /// Offers the device the clipboard content that was sent in binary messages.
    Offer,
    /// What the device has copied is wanted here.
    Copy {
        /// The number of the content that the device has announced.
        serial: u32,
        /// The form in which it is wanted.
        form: PageClipboardForm,
    },
    /// A request of the playback page.
    Play(PlaybackRequest),
}

/// What the playback page wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlaybackRequest {
    /// To stand still, or no longer.
    Pause(bool),
    /// To be at this moment, in milliseconds.
    Seek(u64),
    /// To play this many times as fast.
    Speed(u8),
    /// That stretches in which nothing happens are cut short.
    Skip(bool),
}

/// A point: x, then y.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct PagePoint(pub u16, pub u16);

impl From<PagePoint> for ScreenPoint {
    fn from(PagePoint(x, y): PagePoint) -> Self {
        Self { x, y }
    }
}

/// How many of the checks are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum PageCheckSet {
    Quick,
    Full,
}

impl From<PageCheckSet> for CheckSet {
    fn from(set: PageCheckSet) -> Self {
        match set {
            PageCheckSet::Quick => Self::Quick,
            PageCheckSet::Full => Self::Full,
        }
    }
}

/// Quality of pictures, as the page names it; see [`ScreenQuality`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "as ScreenQuality's")]
pub enum PictureQuality {
    Auto,
    Exact,
    Lean,
}

impl From<PictureQuality> for ScreenQuality {
    fn from(quality: PictureQuality) -> Self {
        match quality {
            PictureQuality::Auto => Self::Auto,
            PictureQuality::Exact => Self::Exact,
            PictureQuality::Lean => Self::Lean,
        }
    }
}

/// A pointer's button, as the page names it; see [`MouseButton`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "as MouseButton's")]
pub enum PointerButton {
    Primary,
    Middle,
    Secondary,
    Back,
    Forward,
}

impl From<PointerButton> for MouseButton {
    fn from(button: PointerButton) -> Self {
        match button {
            PointerButton::Primary => Self::Primary,
            PointerButton::Middle => Self::Middle,
            PointerButton::Secondary => Self::Secondary,
            PointerButton::Back => Self::Back,
            PointerButton::Forward => Self::Forward,
        }
    }
}

/// A message of the page is unknown, or beyond a limit.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The message is not one of [`FromPage`].
    #[error("the page said something that isn't understood")]
    Unknown(#[from] serde_json::Error),
    /// A text or list is longer than its limit.
    #[error("the page said too much at once")]
    TooMuch,
}

impl FromPage {
    /// Reads a message.
    ///
    /// # Errors
    /// [`PageError`]: the text is no message of the page, or too long.
    pub fn read(json: &str) -> Result<Self, PageError> {
        if json.len() > MAX_MESSAGE {
            return Err(PageError::TooMuch);
        }
        let said: Self = serde_json::from_str(json)?;
        if said.is_bounded() { Ok(said) } else { Err(PageError::TooMuch) }
    }

    fn is_bounded(&self) -> bool {
        match self {
            Self::Say(text) => text.chars().count() <= MAX_CHAT,
            Self::Ask { capabilities, .. } | Self::Drop(capabilities) => {
                capabilities.len() <= Capability::ALL.len()
            }
            Self::Stroke { points, .. } => points.len() <= MAX_STROKE,
            Self::Key { key, symbol, .. } => *key <= MAX_KEY && symbol.len() <= MAX_SYMBOL,
            Self::Text(text) => text.chars().count() <= MAX_TEXT,
            _ => true,
        }
    }

    /// What of it goes to the device's pointer and keyboard.
    pub fn input(&self) -> Option<InputEvent> {
        Some(match self {
            Self::Move(spot) => InputEvent::Move((*spot).into()),
            Self::Button { button, down } => InputEvent::Button { button: (*button).into(), down: *down },
            Self::Scroll { x, y } => InputEvent::Scroll { x: *x, y: *y },
            Self::Key { key, symbol, down, place } => InputEvent::Key {
                key: PhysicalKey(*key),
                symbol: symbol.clone(),
                down: *down,
                mode: if *place { KeyMode::Place } else { KeyMode::Symbol },
            },
            Self::Text(text) => InputEvent::Text(text.clone()),
            Self::Release => InputEvent::ReleaseAll,
            _ => return None,
        })
    }

    /// What of it goes to the device's screen, of the present epoch.
    pub fn viewing(&self, present: u32) -> Option<FromViewer> {
        Some(match self {
            Self::Painted { epoch, frame, decode, paint } if *epoch == present => {
                FromViewer::Painted { frame: *frame, decode: *decode, paint: *paint }
            }
            Self::Quality(quality) => FromViewer::Quality((*quality).into()),
            Self::Hidden(hidden) => FromViewer::Hidden(*hidden),
            Self::Laser(spot) => FromViewer::Laser((*spot).into()),
            Self::Stroke { number, points } => FromViewer::Stroke {
                number: *number,
                points: points.iter().map(|spot| (*spot).into()).collect(),
            },
            Self::Wipe => FromViewer::Wipe,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_and_nothing_else_is() {
        let read = |json: &str| FromPage::read(json).ok();
        assert_eq!(read(r#"{"say":"hello"}"#), Some(FromPage::Say("hello".to_owned())));
        assert_eq!(read(r#""end""#), Some(FromPage::End));
        assert_eq!(read(r#"{"monitor":null}"#), Some(FromPage::Monitor(None)));
        assert_eq!(read(r#"{"move":[3,65535]}"#), Some(FromPage::Move(PagePoint(3, 65535))));
        let key = FromPage::Key { key: 46, symbol: "c".to_owned(), down: true, place: false };
        assert_eq!(read(r#"{"key":{"key":46,"symbol":"c","down":true,"place":false}}"#), Some(key));
        for wrong in [
            "",
            "null",
            "{}",
            "[]",
            r#""ende""#,
            r#"{"end":{}}"#,
            r#"{"say":5}"#,
            r#"{"move":[-1,0]}"#,
            r#"{"move":[65536,0]}"#,
            r#"{"move":[1,2,3]}"#,
            r#"{"say":"a","saw":1}"#,
            r#"{"key":{"key":46,"symbol":"c","down":true,"place":false,"more":1}}"#,
            r#"{"key":{"key":768,"symbol":"c","down":true,"place":false}}"#,
            r#"{"button":{"button":"sixth","down":true}}"#,
            r#"{"scroll":{"x":40000,"y":0}}"#,
        ] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let too_long = [
            format!(r#"{{"say":"{}"}}"#, "x".repeat(MAX_CHAT + 1)),
            format!(r#"{{"text":"{}"}}"#, "ß".repeat(MAX_TEXT + 1)),
            format!(r#"{{"key":{{"key":1,"symbol":"{}","down":true,"place":false}}}}"#, "x".repeat(33)),
            format!(r#"{{"stroke":{{"number":1,"points":[{}[0,0]]}}}}"#, "[0,0],".repeat(MAX_STROKE)),
            format!(r#"{{"drop":[{}"view"]}}"#, r#""view","#.repeat(Capability::ALL.len())),
            format!("{}\"end\"", " ".repeat(MAX_MESSAGE)),
        ];
        for json in too_long {
            assert!(matches!(FromPage::read(&json), Err(PageError::TooMuch)), "{}", &json[..40]);
        }
        assert!(FromPage::read(&format!(r#"{{"say":"{}"}}"#, "ß".repeat(MAX_CHAT))).is_ok());
    }

    #[test]
    fn only_frames_of_the_present_epoch_give_credit() {
        let painted = FromPage::Painted { epoch: 2, frame: 7, decode: 1, paint: 2 };
        assert_eq!(painted.viewing(2), Some(FromViewer::Painted { frame: 7, decode: 1, paint: 2 }));
        assert_eq!(painted.viewing(3), None);
    }
}
