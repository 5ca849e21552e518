//! The session's screen, input and clipboard streams.

use nearhand_proto::message::screen::{
    Button, Clipboard, ClipboardForm, Cursor, FrameEnd, FromScreen, FromViewer, Input, InputNotice, KeyMode,
    Monitor, PhysicalKey, Quality, ScreenPoint,
};

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::witness::{Chain, ScreenHead};

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
    let mut chain = Chain::new(SESSION, 2, AT);
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
                FromViewer::Start { monitor: None, quality: Quality::Auto },
                FromViewer::Start { monitor: Some(1), quality: Quality::Lean },
            ],
            Painted: [FromViewer::Painted { frame: 300, decode: 800, paint: 70_000 }],
            Quality: [FromViewer::Quality(Quality::Exact)],
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
        Quality { Auto: [Quality::Auto], Exact: [Quality::Exact], Lean: [Quality::Lean] }
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
    let cursor =
        Cursor { width: 1, height: 2, hot: ScreenPoint { x: 0, y: 1 }, rgba: vec![1, 2, 3, 4, 5, 6, 7, 8] };
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
            Witness: [FromScreen::Witness(KeyOwner::Device.secret().sign(&head()).unwrap())],
        }
    );
}

fn input(table: &mut Table) {
    let key = |mode| Input::Key { key: PhysicalKey(30), symbol: "ä".to_owned(), down: true, mode };
    variants!(
        table,
        "screen-input",
        Input {
            Move: [Input::Move(POINT)],
            Button: [Input::Button { button: Button::Secondary, down: true }],
            Scroll: [Input::Scroll { x: -120, y: 30 }],
            Key: [key(KeyMode::Place), key(KeyMode::Symbol)],
            Text: [Input::Text("Grüße, 世界 🙂".to_owned())],
            ReleaseAll: [Input::ReleaseAll],
        }
    );
    variants!(
        table,
        "screen-button",
        Button {
            Primary: [Button::Primary],
            Middle: [Button::Middle],
            Secondary: [Button::Secondary],
            Back: [Button::Back],
            Forward: [Button::Forward],
        }
    );
    variants!(
        table,
        "screen-input-notice",
        InputNotice {
            HeldBack: [InputNotice::HeldBack(true)],
            Untypable: [InputNotice::Untypable("☃".to_owned())],
        }
    );
}

fn clipboard(table: &mut Table) {
    let forms = vec![(ClipboardForm::Text, Some(12)), (ClipboardForm::Png, None)];
    let bytes = b"hello".to_vec();
    variants!(
        table,
        "screen-clipboard",
        Clipboard {
            Has: [Clipboard::Has { serial: 1, forms }, Clipboard::Has { serial: 2, forms: vec![] }],
            Fetch: [Clipboard::Fetch { serial: 1, form: ClipboardForm::Png }],
            Part: [Clipboard::Part { serial: 1, form: ClipboardForm::Text, bytes, last: true }],
            Taken: [Clipboard::Taken { serial: 1 }],
            Refused: [Clipboard::Refused { serial: 1, why: "it has changed".to_owned() }],
        }
    );
}
