//! What the page and the program say to each other: closed lists in JSON, each with its limits. Pure.
//!
//! The page runs in the technician's browser and is ours, but what it says is checked as a stranger's: a browser
//! extension, or a flaw in the page, gets no further than these verbs.

use nearhand_shared::grant::Capability;
use nearhand_shared::message::local::{ChatLine, Mark};
use nearhand_shared::message::screen::{
    Button, ClipboardForm, Cursor, FromViewer, Input, KeyMode, MAX_STROKE, MAX_TEXT, Monitor, PhysicalKey,
    Quality, ScreenPoint,
};
use nearhand_shared::message::session::{Granted, MAX_CHAT};
use nearhand_shared::report::model::{CheckSet, Counts, Finding, Status};
use nearhand_shared::text;
use serde::{Deserialize, Serialize};

/// Longest message of the page, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Highest code of a key (`KEY_MAX` of Linux's input-event-codes.h).
const MAX_KEY: u16 = 0x2ff;
/// Longest name of a key, in bytes.
const MAX_SYMBOL: usize = 32;

/// What the page says.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum FromPage {
    /// To the person at the device.
    Say(String),
    /// Messages up to this number were seen.
    Saw(u64),
    /// May I?
    Ask {
        /// What, by name.
        capabilities: Vec<String>,
        /// For how long, in minutes.
        minutes: u32,
    },
    /// Gives something back.
    Drop(Vec<String>),
    /// Ends the session.
    End,
    /// Runs diagnostics.
    Diagnose(Set),
    /// Shows one monitor, or all of them.
    Monitor(Option<u8>),
    /// How natural pictures may be coded.
    Quality(PictureQuality),
    /// Tries the screen again.
    Again,
    /// A frame is on the screen.
    Painted {
        /// Its round.
        round: u32,
        /// Its number.
        frame: u32,
        /// Time of decoding, in microseconds.
        decode: u32,
        /// Time of painting, in microseconds.
        paint: u32,
    },
    /// The page is hidden.
    Hidden(bool),
    /// The technician points.
    Laser(Spot),
    /// The technician draws.
    Stroke {
        /// The line's number.
        number: u32,
        /// Its new points.
        points: Vec<Spot>,
    },
    /// What was drawn is wiped.
    Wipe,
    /// The pointer moved.
    Move(Spot),
    /// A button.
    Button {
        /// Which.
        button: PointerButton,
        /// Pressed.
        down: bool,
    },
    /// The wheel, in 120ths of a notch.
    Scroll {
        /// Sideways.
        x: i16,
        /// Downwards.
        y: i16,
    },
    /// A key.
    Key {
        /// Its place.
        key: u16,
        /// Its name.
        symbol: String,
        /// Pressed.
        down: bool,
        /// By place, not by name.
        place: bool,
    },
    /// Characters.
    Text(String),
    /// All that is held is let go of.
    Release,
    /// What was sent of the clipboard (as binary messages) is to be had at the device.
    Offer,
    /// What the device has copied is wanted here.
    Copy {
        /// Which.
        serial: u32,
        /// In which form.
        form: Form,
    },
    /// Of the playback page.
    Play(Playing),
}

/// What the playback page wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Playing {
    /// To stand still, or no longer.
    Pause(bool),
    /// To be at this moment, in milliseconds.
    Seek(u64),
    /// To run so many times as fast.
    Speed(u8),
    /// That stretches in which nothing happens are cut short.
    Skip(bool),
}

/// A point: x, then y.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Spot(pub u16, pub u16);

impl From<Spot> for ScreenPoint {
    fn from(Spot(x, y): Spot) -> Self {
        Self { x, y }
    }
}

/// Which checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum Set {
    Quick,
    Full,
}

impl From<Set> for CheckSet {
    fn from(set: Set) -> Self {
        match set {
            Set::Quick => Self::Quick,
            Set::Full => Self::Full,
        }
    }
}

/// See [`Quality`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "as Quality's")]
pub enum PictureQuality {
    Auto,
    Exact,
    Lean,
}

impl From<PictureQuality> for Quality {
    fn from(quality: PictureQuality) -> Self {
        match quality {
            PictureQuality::Auto => Self::Auto,
            PictureQuality::Exact => Self::Exact,
            PictureQuality::Lean => Self::Lean,
        }
    }
}

/// See [`Button`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "as Button's")]
pub enum PointerButton {
    Primary,
    Middle,
    Secondary,
    Back,
    Forward,
}

impl From<PointerButton> for Button {
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

/// A form of clipboard content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum Form {
    Text,
    Png,
}

impl From<Form> for ClipboardForm {
    fn from(form: Form) -> Self {
        match form {
            Form::Text => Self::Text,
            Form::Png => Self::Png,
        }
    }
}

impl From<ClipboardForm> for Form {
    fn from(form: ClipboardForm) -> Self {
        match form {
            ClipboardForm::Text => Self::Text,
            ClipboardForm::Png => Self::Png,
        }
    }
}

/// What the page said is none of the verbs, or beyond a limit.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// No verb.
    #[error("the page said something that isn't understood")]
    Unknown(#[from] serde_json::Error),
    /// Beyond a limit.
    #[error("the page said too much at once")]
    TooMuch,
}

impl FromPage {
    /// Reads a message.
    ///
    /// # Errors
    /// [`PageError`].
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
    pub fn input(&self) -> Option<Input> {
        Some(match self {
            Self::Move(spot) => Input::Move((*spot).into()),
            Self::Button { button, down } => Input::Button { button: (*button).into(), down: *down },
            Self::Scroll { x, y } => Input::Scroll { x: *x, y: *y },
            Self::Key { key, symbol, down, place } => Input::Key {
                key: PhysicalKey(*key),
                symbol: symbol.clone(),
                down: *down,
                mode: if *place { KeyMode::Place } else { KeyMode::Symbol },
            },
            Self::Text(text) => Input::Text(text.clone()),
            Self::Release => Input::ReleaseAll,
            _ => return None,
        })
    }

    /// What of it goes to the device's screen, of the present round.
    pub fn viewing(&self, present: u32) -> Option<FromViewer> {
        Some(match self {
            Self::Painted { round, frame, decode, paint } if *round == present => {
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

/// What the page is told.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "t", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToPage {
    /// With whom; the first message.
    Session {
        /// The device's name.
        device: String,
        /// Its operating system.
        os: String,
        /// Whether its enrolled key was proved, else the support code.
        enrolled: bool,
        /// The session's id.
        id: String,
        /// What the device offers.
        offers: Vec<Right>,
        /// Pointer and keyboard stay here.
        view_only: bool,
        /// For how many minutes things are asked.
        minutes: u64,
        /// For how many seconds it has lasted.
        since: u64,
    },
    /// All that is granted now.
    Granted {
        /// What, and for how long still.
        granted: Vec<Grant>,
        /// What happened.
        why: String,
    },
    /// The person is being asked.
    Asking {
        /// For so many seconds at most.
        seconds: u32,
    },
    /// The person's, the policy's or the device's no.
    Denied {
        /// In words.
        why: String,
    },
    /// How the connection is.
    Link {
        /// How.
        state: LinkState,
    },
    /// A line of the chat, new or with a new mark.
    Chat {
        /// From the technician.
        mine: bool,
        /// Its number in its direction.
        number: u64,
        /// When, in milliseconds since 1970.
        at: u64,
        /// What.
        text: String,
        /// How far it has come.
        mark: &'static str,
    },
    /// How the screen is.
    Screen {
        /// How.
        state: ScreenState,
        /// Why, or what is being done about it.
        why: String,
        /// The present round.
        round: u32,
    },
    /// The monitors.
    Monitors {
        /// All.
        monitors: Vec<OneMonitor>,
        /// The one that is shown; `None`: all.
        shown: Option<u8>,
    },
    /// The pointer's looks.
    Cursor {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
        /// The point that points.
        hot: (u16, u16),
        /// Rows of red, green, blue, alpha in base64.
        rgba: String,
    },
    /// The pointer was moved at the device.
    CursorAt {
        /// Where; `None`: nowhere on this monitor.
        at: Option<(u16, u16)>,
    },
    /// Whether pointer and keyboard are connected.
    Control {
        /// How.
        state: TakenState,
        /// Why not.
        why: String,
    },
    /// The person is using pointer or keyboard: what is sent is dropped.
    HeldBack {
        /// Whether.
        held: bool,
    },
    /// Whether the clipboard is connected.
    Clipboard {
        /// How.
        state: TakenState,
        /// Why not.
        why: String,
    },
    /// The device's clipboard has something.
    Copied {
        /// Its number.
        serial: u32,
        /// Its forms and sizes in bytes.
        forms: Vec<(Form, Option<u64>)>,
    },
    /// The device knows of what was offered.
    Offered,
    /// The device has taken what was offered.
    Taken,
    /// What was wanted of the clipboard can't be had.
    NoCopy {
        /// Which.
        serial: u32,
        /// Why.
        why: String,
    },
    /// Diagnostics run.
    Running {
        /// Checks in all, once that is known.
        total: u32,
        /// Checks that have come out.
        done: u32,
        /// What is being checked.
        checking: String,
    },
    /// A check has come out badly.
    Finding {
        /// Which and how.
        finding: OneFinding,
    },
    /// The report is there.
    Report {
        /// Where the page finds it.
        number: usize,
        /// The counts.
        counts: Counts,
        /// Failures first.
        findings: Vec<OneFinding>,
        /// Where it was written to.
        file: String,
    },
    /// No report.
    NoReport {
        /// Why.
        why: String,
    },
    /// Round-trip time to the device, in milliseconds.
    Trip {
        /// How long.
        ms: u32,
    },
    /// A remark.
    Notice {
        /// In words.
        text: String,
    },
    /// What is played.
    Recording {
        /// The device's name.
        device: String,
        /// Who recorded.
        technician: String,
        /// For whom.
        organisation: String,
        /// When, in milliseconds since 1970.
        began: u64,
        /// Playing time, in milliseconds.
        millis: u64,
        /// What is proved.
        verdict: String,
        /// Nothing is missing.
        whole: bool,
    },
    /// Where the player is.
    Playing {
        /// The moment, in milliseconds.
        at: u64,
        /// It stands still.
        paused: bool,
        /// So many times as fast.
        speed: u8,
        /// Stretches in which nothing happens are cut short.
        skips: bool,
    },
    /// Another tab shows this session now.
    Elsewhere,
    /// The session is over.
    Ended {
        /// Why.
        why: String,
    },
}

/// A capability and its meaning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Right {
    name: &'static str,
    meaning: &'static str,
}

impl From<Capability> for Right {
    fn from(capability: Capability) -> Self {
        Self { name: capability.name(), meaning: capability.in_plain_words() }
    }
}

/// A granted capability.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Grant {
    name: &'static str,
    seconds: u32,
}

impl From<&Granted> for Grant {
    fn from(granted: &Granted) -> Self {
        Self { name: granted.capability.name(), seconds: granted.seconds_left }
    }
}

/// How the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum LinkState {
    Up,
    Stalled,
    Interrupted,
}

/// How the screen is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ScreenState {
    /// Not granted.
    Off,
    /// Being opened, or begun anew.
    Opening,
    /// Frames may come.
    On,
    /// The device has nothing to show; frames may come later.
    Gone,
    /// It can't be had.
    Failed,
}

/// How a conversation beside the screen is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum TakenState {
    Off,
    On,
    Failed,
}

/// A monitor as the page shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "as Monitor's")]
pub struct OneMonitor {
    pub number: u8,
    pub name: String,
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
    pub primary: bool,
}

impl From<&Monitor> for OneMonitor {
    fn from(monitor: &Monitor) -> Self {
        let Monitor { number, x, y, width, height, primary, .. } = *monitor;
        Self { number, name: text::one_line(&monitor.name, 40), x, y, width, height, primary }
    }
}

/// A finding as the page shows it; all of it is in the report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "as Finding's")]
pub struct OneFinding {
    pub status: Status,
    pub title: String,
    pub instance: String,
    pub explanation: String,
    pub fix: String,
}

impl From<&Finding> for OneFinding {
    fn from(finding: &Finding) -> Self {
        Self {
            status: finding.status,
            title: text::one_line(&finding.title, 200),
            instance: text::one_line(&finding.instance, 80),
            explanation: text::multi_line(&finding.explanation, 1000),
            fix: text::multi_line(&finding.fix, 1000),
        }
    }
}

impl From<&ChatLine> for ToPage {
    fn from(line: &ChatLine) -> Self {
        Self::Chat {
            mine: line.from_technician,
            number: line.number,
            at: line.at.0,
            text: text::multi_line(&line.text, MAX_CHAT),
            mark: match line.mark {
                Mark::Sent => "sent",
                Mark::Received => "received",
                Mark::Shown => "shown",
            },
        }
    }
}

impl From<&Cursor> for ToPage {
    fn from(cursor: &Cursor) -> Self {
        Self::Cursor {
            width: cursor.width,
            height: cursor.height,
            hot: (cursor.hot.x, cursor.hot.y),
            rgba: data_encoding::BASE64.encode(&cursor.rgba),
        }
    }
}

impl ToPage {
    /// As text.
    pub fn json(&self) -> String {
        // Every part of it is text and numbers.
        serde_json::to_string(self).unwrap_or_default()
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
        assert_eq!(read(r#"{"move":[3,65535]}"#), Some(FromPage::Move(Spot(3, 65535))));
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
            format!(r#"{{"drop":[{}"view"]}}"#, r#""view","#.repeat(9)),
            format!("{}\"end\"", " ".repeat(MAX_MESSAGE)),
        ];
        for json in too_long {
            assert!(matches!(FromPage::read(&json), Err(PageError::TooMuch)), "{}", &json[..40]);
        }
        assert!(FromPage::read(&format!(r#"{{"say":"{}"}}"#, "ß".repeat(MAX_CHAT))).is_ok());
    }

    #[test]
    fn only_frames_of_the_present_round_give_credit() {
        let painted = FromPage::Painted { round: 2, frame: 7, decode: 1, paint: 2 };
        assert_eq!(painted.viewing(2), Some(FromViewer::Painted { frame: 7, decode: 1, paint: 2 }));
        assert_eq!(painted.viewing(3), None);
    }

    #[test]
    fn hostile_words_of_the_device_are_tamed() {
        let monitor = Monitor { name: "a\u{202e}\n<b>".to_owned(), ..monitor() };
        let told = ToPage::Monitors { monitors: vec![(&monitor).into()], shown: None }.json();
        assert!(told.contains("a\u{fffd} <b>") && told.starts_with(r#"{"t":"monitors""#), "{told}");
    }

    fn monitor() -> Monitor {
        Monitor { number: 0, name: String::new(), x: 0, y: 0, width: 1, height: 1, primary: true }
    }
}
