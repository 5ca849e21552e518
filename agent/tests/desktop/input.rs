//! Keys, text and pointer, as a real terminal emulator takes them.

use std::fs;

use nearhand_proto::message::screen::{
    FromScreen, InputEvent, InputNotice, KeyMode, MAX_TEXT, MouseButton, PhysicalKey, ScreenPoint,
    ScreenQuality,
};
use x11rb::protocol::xproto::ConnectionExt as _;

use crate::desktop_client::TestDesktop;
use crate::display::{ChildGuard, Xvfb, until};
use crate::screen::TestPainter;
use nearhand_desktop::protocol::{FromDesktop, ToDesktop};

/// A terminal emulator that writes what is typed into a file.
struct TypedTerminal {
    _process: ChildGuard,
    file: std::path::PathBuf,
}

impl TypedTerminal {
    /// In the upper left corner, under the pointer.
    fn start(display: &Xvfb) -> Self {
        let file = display.path("typed");
        let script = format!("stty raw -echo; echo > {0}.ready; exec cat >> {0}", file.display());
        let process = display
            .command("xterm")
            .args(["-u8", "-geometry", "80x24+0+0", "-e", "sh", "-c", &script])
            .spawn()
            .expect("xterm; scripts/setup installs it");
        until("the terminal", || fs::exists(file.with_extension("ready")).unwrap_or(false));
        until("its file", || file.exists());
        Self { _process: ChildGuard(process), file }
    }

    fn typed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.file).unwrap_or_default()).into_owned()
    }

    /// Waits for what was typed since the last time, and forgets it.
    fn expect(&self, what: &str, expected: &str) {
        let mut last = String::new();
        let start = std::time::Instant::now();
        while start.elapsed() < crate::display::LIMIT {
            last = self.typed();
            if last.chars().count() >= expected.chars().count() {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        assert_eq!(last, expected, "{what}");
        // `cat` appends: it goes on at the beginning.
        fs::write(&self.file, "").unwrap();
    }
}

const LAYOUTS: &[&str] = &["us", "de", "fr", "es", "se", "pl", "ru", "jp", "gr", "us,ru", "cz", "ch", "tr"];
const TEXTS: &[&str] = &[
    "The quick brown fox JUMPS over 0123456789",
    " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "Grüße aus Köln: ÄÖÜ äöü ß",
    "été, naïve, ça, où, ñandú, ¿qué?, ¡ya!, Ålesund, søt",
    "zażółć gęślą jaźń ZAŻÓŁĆ ĄĘ",
    "Привет, мир! Ёлка, ЩУКА",
    "カタカナ ひらがな 日本語",
    "19,99 € – “quoted” … ½ × ÷ ✓",
    "emoji 😀👍🏽🎉 end",
];

/// The file is opened once and truncated between: the terminal appends.
fn ready(display: &Xvfb) -> (TestDesktop, TypedTerminal) {
    let mut desktop = TestDesktop::start(display);
    desktop.point(100, 100);
    let terminal = TypedTerminal::start(display);
    (desktop, terminal)
}

#[test]
fn every_text_arrives_on_every_layout() {
    let display = Xvfb::start("1280x800x24");
    let (mut desktop, terminal) = ready(&display);
    for layout in LAYOUTS {
        display.run("setxkbmap", &["-layout", layout]);
        for text in TEXTS {
            desktop.text(text);
            terminal.expect(&format!("{layout}: {text}"), text);
        }
    }
    let notices: Vec<FromDesktop> = desktop.take_all();
    assert!(notices.is_empty(), "{notices:?}");
    desktop.close();
}

/// Which keys and buttons are down, by the server.
fn down(painter: &TestPainter) -> (Vec<u8>, u16) {
    let keys = painter.conn.query_keymap().unwrap().reply().unwrap().keys;
    let keycodes = (0..=255_u8).filter(|code| keys[usize::from(code / 8)] & (1 << (code % 8)) != 0).collect();
    let pointer = painter.conn.query_pointer(painter.root).unwrap().reply().unwrap();
    (keycodes, u16::from(pointer.mask) & 0x1f00)
}

/// What every key gives, as programs see it.
fn mapping(painter: &TestPainter) -> Vec<u32> {
    painter.conn.get_keyboard_mapping(8, 248).unwrap().reply().unwrap().keysyms
}

const CONTROL: (u16, &str) = (29, "Control");
const SHIFT: (u16, &str) = (42, "Shift");
const ALT_GRAPH: (u16, &str) = (100, "AltGraph");

#[test]
fn text_is_itself_whatever_is_held_or_locked() {
    let display = Xvfb::start("1280x800x24");
    let (mut desktop, terminal) = ready(&display);
    let painter = TestPainter::connect(&display);
    for layout in ["us", "de"] {
        display.run("setxkbmap", &["-layout", layout]);
        for held in [SHIFT, CONTROL, ALT_GRAPH] {
            desktop.key(held.0, held.1, true);
            desktop.text("aBc1@ß€ж");
            terminal.expect(&format!("{layout} with {}", held.1), "aBc1@ß€ж");
            desktop.key(held.0, held.1, false);
        }
        desktop.key(58, "CapsLock", true);
        desktop.key(58, "CapsLock", false);
        until("Caps Lock", || {
            let pointer = painter.conn.query_pointer(painter.root).unwrap().reply().unwrap();
            u16::from(pointer.mask) & 2 != 0
        });
        desktop.text("Caps ä 12 é");
        terminal.expect("Caps Lock", "Caps ä 12 é");
        desktop.key(30, "A", true);
        desktop.key(30, "A", false);
        terminal.expect("it is on again", "A");
        desktop.key(58, "CapsLock", true);
        desktop.key(58, "CapsLock", false);
    }
    desktop.text("a\tb\r\nc\n");
    terminal.expect("lines", "a\tb\rc\r");
    desktop.close();
    until("nothing held", || down(&painter) == (Vec::new(), 0));
}

#[test]
fn a_shortcut_is_its_letter_on_every_layout() {
    let display = Xvfb::start("1280x800x24");
    let (mut desktop, terminal) = ready(&display);
    // Control with C, A and Z: 3, 1 and 26. The places are those of a US keyboard.
    for layout in ["us", "de", "fr", "dvorak", "us,ru", "ru", "gr", "jp"] {
        let layout = if layout == "dvorak" {
            ["-layout", "us", "-variant", "dvorak"].as_slice()
        } else {
            &["-layout", layout, "-variant", ""]
        };
        display.run("setxkbmap", layout);
        desktop.key(CONTROL.0, CONTROL.1, true);
        for (place, letter) in [(46, "c"), (30, "a"), (44, "z")] {
            desktop.key(place, letter, true);
            desktop.key(place, letter, false);
        }
        desktop.key(CONTROL.0, CONTROL.1, false);
        terminal.expect(&format!("{layout:?}"), "\u{3}\u{1}\u{1a}");
    }
    // Characters that need other modifiers there than here.
    display.run("setxkbmap", &["-layout", "de", "-variant", ""]);
    desktop.key(SHIFT.0, SHIFT.1, true);
    desktop.key(13, "+", true);
    desktop.key(13, "+", false);
    desktop.key(SHIFT.0, SHIFT.1, false);
    for (place, symbol) in
        [(53, "/"), (26, "["), (41, "`"), (28, "Enter"), (111, "Delete"), (105, "ArrowLeft")]
    {
        desktop.key(place, symbol, true);
        desktop.key(place, symbol, false);
    }
    terminal.expect("characters", "+/[`\r\u{1b}[3~\u{1b}[D");
    desktop.close();
}

#[test]
fn everything_is_let_go_of_when_the_pipe_ends() {
    let display = Xvfb::start("640x480x24");
    let painter = TestPainter::connect(&display);
    let before = mapping(&painter);
    for end in 0..3 {
        let mut desktop = TestDesktop::start(&display);
        desktop.key(CONTROL.0, CONTROL.1, true);
        desktop.key(30, "a", true);
        desktop.button(MouseButton::Primary, true);
        desktop.text("ж€");
        until("keys held", || down(&painter).0.len() == 2 && down(&painter).1 == 0x100);
        until("keys lent", || mapping(&painter) != before);
        match end {
            0 => {
                desktop.input(InputEvent::ReleaseAll);
                until("nothing held", || down(&painter) == (Vec::new(), 0));
                desktop.close();
            }
            1 => {
                desktop.send(&ToDesktop::StopInput);
                until("nothing held", || down(&painter) == (Vec::new(), 0));
                desktop.close();
            }
            _ => {
                desktop.close();
            }
        }
        assert_eq!(down(&painter), (Vec::new(), 0));
        assert!(mapping(&painter) == before, "the layout is as it was");
    }
}

#[test]
fn nonsense_is_survived_and_told() {
    let display = Xvfb::start("640x480x24");
    let painter = TestPainter::connect(&display);
    let mut desktop = TestDesktop::start(&display);
    let untypable = |message| match message {
        FromDesktop::Input(InputNotice::Untypable(what)) => Some(what),
        _ => None,
    };
    desktop.text(&"x".repeat(MAX_TEXT + 1));
    desktop.wait_for("too long a text", untypable);
    desktop.text("\u{7}\u{1b}");
    desktop.wait_for("control characters", untypable);
    desktop.key(30, &"y".repeat(33), true);
    desktop.wait_for("too long a name", untypable);
    desktop.key(60_000, "NoSuchKey", true);
    desktop.wait_for("an unknown key", untypable);
    for key in [0, 1, 247, 248, 255, 65_535] {
        let key = PhysicalKey(key);
        for down in [true, true, false, false] {
            desktop.input(InputEvent::Key { key, symbol: String::new(), down, mode: KeyMode::Place });
        }
    }
    desktop.input(InputEvent::Scroll { x: i16::MIN, y: i16::MAX });
    desktop.button(MouseButton::Forward, false);
    desktop.point(u16::MAX, u16::MAX);
    desktop.send(&ToDesktop::View { monitor: Some(250), quality: ScreenQuality::Lean });
    desktop.send(&ToDesktop::Painted { frame: u32::MAX, decode: 0, paint: 0 });
    desktop.send(&ToDesktop::Laser(ScreenPoint { x: u16::MAX, y: u16::MAX }));
    for number in [0, u32::MAX] {
        desktop.send(&ToDesktop::Stroke { number, points: vec![ScreenPoint { x: u16::MAX, y: 3 }; 1_000] });
    }
    until("the pointer in the corner", || {
        let at = painter.conn.query_pointer(painter.root).unwrap().reply().unwrap();
        (at.root_x, at.root_y) == (639, 479)
    });
    let rest = desktop.close();
    assert!(rest.iter().any(|m| matches!(m, FromDesktop::Screen(FromScreen::Gone(_)))), "{rest:?}");
    assert_eq!(down(&painter), (Vec::new(), 0));
    // What is no message at all ends it, and it says so.
    let mut desktop = TestDesktop::start(&display);
    desktop.send_bytes(&[255; 64]);
    desktop.wait_for("its giving up", |message| matches!(message, FromDesktop::Failed(_)).then_some(()));
}

#[test]
fn who_sits_there_comes_first() {
    let display = Xvfb::start("640x480x24");
    let painter = TestPainter::connect(&display);
    let mut desktop = TestDesktop::start(&display);
    desktop.key(30, "a", true);
    until("a key held", || !down(&painter).0.is_empty());
    painter.press_as_local(40);
    desktop.wait_for("being held back", |m| {
        (m == FromDesktop::Input(InputNotice::HeldBack(true))).then_some(())
    });
    until("our key's being let go", || down(&painter).0.is_empty());
    desktop.point(5, 5);
    desktop.key(31, "s", true);
    desktop.wait_for("its end", |m| (m == FromDesktop::Input(InputNotice::HeldBack(false))).then_some(()));
    assert_eq!(down(&painter), (Vec::new(), 0));
    desktop.key(31, "s", true);
    until("a key held", || !down(&painter).0.is_empty());
    desktop.close();
}
