//! Keys, text and pointer, as a real terminal emulator takes them.

use std::fs;

use crate::display::{Running, Xvfb, until};
use crate::protocol::FromDesktop;
use crate::talk::Desktop;

/// A terminal emulator that writes what is typed into a file.
struct Terminal {
    _process: Running,
    file: std::path::PathBuf,
}

impl Terminal {
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
        Self { _process: Running(process), file }
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
fn ready(display: &Xvfb) -> (Desktop, Terminal) {
    let mut desktop = Desktop::start(display);
    desktop.point(100, 100);
    let terminal = Terminal::start(display);
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
