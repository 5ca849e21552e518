//! The session's screen, input and clipboard streams.

use nearhand_proto::message::screen::{
    ClipboardForm, ClipboardMessage, CursorPicture, FrameEnd, FromScreen, FromViewer, InputEvent,
    InputNotice, KeyMode, Monitor, MouseButton, PhysicalKey, ScreenPoint, ScreenQuality,
};

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::recording_signature::{RecordingHash, ScreenHead};

use super::fixed::SESSION;
use super::{Table, variants};

pub(crate) fn fill(table: &mut Table) {
    viewer(table);
    screen(table);
    input(table);
    clipboard(table);
}

/// What a device signs of a recording.
pub(crate) fn head() -> ScreenHead {
    let mut chain = RecordingHash::new(SESSION, 2, AT);
    chain.take(&FromScreen::Clock(61_000)).unwrap();
    chain.head(61_005, true)
}

const POINT: ScreenPoint = ScreenPoint { x: 1919, y: 251 };

fn viewer(table: &mut Table) {
    variants!(
        table,
        "screen-from-viewer",
        FromViewer {
            Start: [
                FromViewer::Start { monitor: None, quality: ScreenQuality::Auto },
                FromViewer::Start { monitor: Some(1), quality: ScreenQuality::Lean },
            ],
            Painted: [FromViewer::Painted { frame: 300, decode: 800, paint: 70_000 }],
            Quality: [FromViewer::Quality(ScreenQuality::Exact)],
            Hidden: [FromViewer::Hidden(true)],
            Laser: [FromViewer::Laser(POINT)],
            Stroke: [FromViewer::Stroke { number: 2, points: vec![POINT, ScreenPoint::default()] }],
            Wipe: [FromViewer::Wipe],
            Recording: [FromViewer::Recording(true), FromViewer::Recording(false)],
        }
    );
    variants!(
        table,
        "screen-quality",
        ScreenQuality {
            Auto: [ScreenQuality::Auto],
            Exact: [ScreenQuality::Exact],
            Lean: [ScreenQuality::Lean]
        }
    );
}

fn screen(table: &mut Table) {
    let monitor = Monitor {
        number: 1,
        name: "HDMI-1".to_owned(),
        x: 1920,
        y: 0,
        width: 2560,
        height: 1440,
        primary: true,
    };
    let end = FrameEnd { waited: 900, capture: 1_700, encode: 21_000, exact: true };
    let cursor = CursorPicture {
        width: 1,
        height: 2,
        hot: ScreenPoint { x: 0, y: 1 },
        rgba: vec![1, 2, 3, 4, 5, 6, 7, 8],
    };
    variants!(
        table,
        "screen-from-screen",
        FromScreen {
            Monitors: [FromScreen::Monitors(vec![monitor]), FromScreen::Monitors(vec![])],
            Frame: [
                FromScreen::Frame { frame: 1, part: vec![0xf0; 5], last: None },
                FromScreen::Frame { frame: 1, part: vec![0x0f], last: Some(end) },
            ],
            Cursor: [FromScreen::Cursor(cursor)],
            CursorAt: [FromScreen::CursorAt(Some(POINT)), FromScreen::CursorAt(None)],
            Gone: [FromScreen::Gone("nobody is logged in".to_owned())],
            Clock: [FromScreen::Clock(61_000)],
            Head: [FromScreen::Head(KeyOwner::Device.secret().sign(&head()).unwrap())],
        }
    );
}

fn input(table: &mut Table) {
    let key = |mode| InputEvent::Key { key: PhysicalKey(30), symbol: "ä".to_owned(), down: true, mode };
    variants!(
        table,
        "screen-input",
        InputEvent {
            Move: [InputEvent::Move(POINT)],
            Button: [InputEvent::Button { button: MouseButton::Secondary, down: true }],
            Scroll: [InputEvent::Scroll { x: -120, y: 30 }],
            Key: [key(KeyMode::Place), key(KeyMode::Symbol)],
            Text: [InputEvent::Text("Grüße, 世界 🙂".to_owned())],
            ReleaseAll: [InputEvent::ReleaseAll],
        }
    );
    variants!(
        table,
        "screen-button",
        MouseButton {
            Primary: [MouseButton::Primary],
            Middle: [MouseButton::Middle],
            Secondary: [MouseButton::Secondary],
            Back: [MouseButton::Back],
            Forward: [MouseButton::Forward],
        }
    );
    variants!(
        table,
        "screen-input-notice",
        InputNotice {
            HeldBack: [InputNotice::HeldBack(true)],
            Untypable: [InputNotice::Untypable("☃".to_owned())],
            Unclickable: [InputNotice::Unclickable("the middle button".to_owned())],
        }
    );
}

fn clipboard(table: &mut Table) {
    let forms = vec![(ClipboardForm::Text, Some(12)), (ClipboardForm::Png, None)];
    let bytes = b"hello".to_vec();
    variants!(
        table,
        "screen-clipboard",
        ClipboardMessage {
            Has: [
                ClipboardMessage::Has { serial: 1, forms },
                ClipboardMessage::Has { serial: 2, forms: vec![] }
            ],
            Fetch: [ClipboardMessage::Fetch { serial: 1, form: ClipboardForm::Png }],
            Part: [ClipboardMessage::Part { serial: 1, form: ClipboardForm::Text, bytes, last: true }],
            Taken: [ClipboardMessage::Taken { serial: 1 }],
            Refused: [ClipboardMessage::Refused { serial: 1, why: "it has changed".to_owned() }],
        }
    );
}
