//! Pictures of every page of the customer's window, to be looked at: with a real relay, agent and technician, on a display
//! without hardware, driven through AT-SPI.
//!
//!     window_pictures DIRECTORY [LANGUAGE...]      all five languages without one
//!
//! Each language is shown on an ordinary desktop (every page), on one of 1024x600, and at 200 % (the pages on which
//! something is decided). What is seen is for a person to judge: nothing is compared here.
#![allow(clippy::print_stdout, reason = "says what it made")]

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nearhand_tests::deployment::{LIMIT, ProgramPlace, TestDeployment};
use nearhand_tests::desktop_services::SettingsPortal;
use nearhand_tests::parties::TestClient;
use nearhand_tests::program::{ProgramLogs, TestProgram, until};
use nearhand_tests::screen_reader::{DesktopSession, ScreenReader, ShownElement};
use nearhand_tests::window_harness::bring;
use nearhand_tests::x_display::XDisplay;

/// What is written in a language: the matter, how to be reached, what technician and person say, the comment.
type Said = [&'static str; 5];

const LANGUAGES: [(&str, Said); 5] = [
    (
        "en",
        [
            "The printer no longer prints, and there is a red light.",
            "room 7",
            "Can you hear the printer now?",
            "Yes, loud and clear. Thank you!",
            "Quick and friendly",
        ],
    ),
    (
        "de",
        [
            "Der Drucker druckt nicht mehr, und ein rotes Licht leuchtet.",
            "Zimmer 7",
            "Hören Sie den Drucker jetzt?",
            "Ja, laut und deutlich. Danke schön!",
            "Schnell und freundlich",
        ],
    ),
    (
        "es",
        [
            "La impresora ya no imprime y hay una luz roja.",
            "despacho 7",
            "¿Oye ahora la impresora?",
            "Sí, alto y claro. ¡Gracias!",
            "Rápido y amable",
        ],
    ),
    (
        "ja",
        [
            "プリンターが印刷しません。赤いランプが点いています。",
            "7号室",
            "今プリンターの音が聞こえますか。",
            "はい、よく聞こえます。ありがとうございます。",
            "早くて親切でした",
        ],
    ),
    (
        "ar",
        [
            "الطابعة لا تطبع، وهناك ضوء أحمر.",
            "غرفة 7",
            "هل تسمع الطابعة الآن؟",
            "نعم، بوضوح. شكرا لك!",
            "سريع ولطيف",
        ],
    ),
];

/// A desktop that pictures are taken on.
#[derive(Clone, Copy)]
struct PictureDesktop {
    name: &'static str,
    size: (u16, u16),
    scale: &'static str,
    dark: bool,
}

const USUAL: PictureDesktop = PictureDesktop { name: "", size: (1024, 768), scale: "1", dark: false };
const SMALL: [PictureDesktop; 2] = [
    PictureDesktop { name: "-1024x600", size: (1024, 600), scale: "1", dark: false },
    PictureDesktop { name: "-200", size: (1280, 1024), scale: "2", dark: false },
];
const DARK: PictureDesktop = PictureDesktop { name: "-dark", dark: true, ..USUAL };

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let directory = words.next().context("window_pictures DIRECTORY [LANGUAGE...]")?;
    let wanted: Vec<String> = words.collect();
    for word in &wanted {
        ensure!(LANGUAGES.iter().any(|(code, _)| code == word), "the window doesn't speak {word:?}");
    }
    fs::create_dir_all(&directory)?;
    for (language, said) in LANGUAGES {
        if !wanted.is_empty() && !wanted.iter().any(|word| word == language) {
            continue;
        }
        site_page(language, &directory)?;
        let dark = (language == "en").then_some(DARK);
        for desktop in [USUAL].into_iter().chain(SMALL).chain(dark) {
            WindowTour::new(language, desktop, &directory)?.walk(&said)?;
        }
        println!("{directory}/{language}-*.png");
    }
    Ok(())
}

/// The page that is there before a support team is known.
fn site_page(language: &str, directory: &str) -> Result<()> {
    let logs = ProgramLogs::default();
    let display = XDisplay::virtual_frame_buffer(1024, 768, &logs)?;
    let manager = display.window_manager()?;
    let session = DesktopSession::new(&display)?;
    let reader = session.reader()?;
    let site = TestDeployment::new()?;
    let home = format!("HOME={}", site.directory("home")?.display());
    let place = session.place(&display).then(&["env", "-u", "XDG_RUNTIME_DIR", &home]);
    let window = site.guest_window("guest", &place, &["--lang", language])?;
    let at = WindowTour::on(display, reader, format!("{directory}/{language}"), PictureSetup::default());
    at.reader.wait("site-text", |_| true)?;
    at.picture("00-site")?;
    at.reader.focus("site-text")?;
    at.display.run(&["xdotool", "type", "nearhand-site-nonsense"])?;
    at.reader.press("site-go")?;
    at.reader.wait("site-bad", |_| true)?;
    at.picture("01-site-bad")?;
    drop((window, manager, session));
    Ok(())
}

/// What has to stay while pictures are taken.
#[derive(Default)]
struct PictureSetup {
    site: Option<TestDeployment>,
    agent: Option<nearhand_tests::parties::TestAgent>,
    _programs: Vec<TestProgram>,
    session: Option<DesktopSession>,
    portal: Option<SettingsPortal>,
}

/// A walk through the pages.
struct WindowTour {
    reader: ScreenReader,
    all: PictureSetup,
    display: XDisplay,
    /// What the names of the pictures begin with.
    to: String,
    whole: bool,
}

impl WindowTour {
    const fn on(display: XDisplay, reader: ScreenReader, to: String, all: PictureSetup) -> Self {
        Self { reader, all, display, to, whole: true }
    }

    fn new(language: &str, desktop: PictureDesktop, directory: &str) -> Result<Self> {
        let logs = ProgramLogs::default();
        let (width, height) = desktop.size;
        let display = XDisplay::virtual_frame_buffer(width, height, &logs)?;
        let manager = display.window_manager()?;
        let session = DesktopSession::new(&display)?;
        let portal = SettingsPortal::on(&session, desktop.dark)?;
        let reader = session.reader()?;
        let scale = format!("SLINT_SCALE_FACTOR={}", desktop.scale);
        let place: ProgramPlace = session.place(&display).then(&["env", &scale]);
        let site = TestDeployment::new()?;
        let agent = site.device_at("desk", place.clone())?;
        let window = agent.window(&place, &["--lang", language])?;
        let to = format!("{directory}/{language}{}", desktop.name);
        let all = PictureSetup {
            site: Some(site),
            agent: Some(agent),
            _programs: vec![window, manager],
            session: Some(session),
            portal: Some(portal),
        };
        let whole = desktop.name.is_empty();
        Ok(Self { whole, ..Self::on(display, reader, to, all) })
    }

    fn walk(mut self, said: &Said) -> Result<()> {
        let [what, reach, theirs, mine, comment] = *said;
        self.ask(what, reach)?;
        let mut client = self.consent(what)?;
        self.session(&mut client, theirs, mine)?;
        self.after(comment)?;
        if self.whole {
            self.lost()?;
        }
        drop(client);
        drop((self.all.portal, self.all.session));
        Ok(())
    }

    fn ask(&self, what: &str, reach: &str) -> Result<()> {
        let reader = &self.reader;
        reader.wait("help-send", |_| true)?;
        self.gone("help-looking")?;
        self.types("help-what", what)?;
        self.picture("10-ask")?;
        self.types("help-reach", reach)?;
        self.picture("11-ask-lower")?;
        reader.press("help-send")?;
        reader.wait("help-number", |_| true)?;
        self.picture("12-waiting")
    }

    fn consent(&self, reason: &str) -> Result<TestClient> {
        let reader = &self.reader;
        reader.press("tab-code")?;
        if self.whole {
            reader.wait("code-none", |_| true)?;
            self.picture("20-no-code")?;
        }
        reader.press("code-new")?;
        let code = reader.wait("code", |code| code.name.chars().any(|c| c.is_ascii_digit()))?.name;
        self.picture("21-code")?;
        let admin = self.all.site.as_ref().context("no site")?.admin();
        let client =
            admin.connect(&code, &["--reason", reason, "--ask", "view,control,diagnostics,runbook"])?;
        reader.wait("consent-hint", |_| true)?;
        self.picture("30-consent")?;
        self.gone("consent-hint")?;
        for id in ["tick-control", "tick-diagnostics", "tick-runbook"] {
            self.bring(id)?;
            reader.press(id)?;
            reader.wait(id, ShownElement::checked)?;
        }
        self.bring("term-2")?;
        reader.press("term-2")?;
        reader.wait("term-2", ShownElement::checked)?;
        self.picture("31-consent-ticked")?;
        reader.press("allow")?;
        reader.wait("confirm", |_| true)?;
        self.picture("32-elevated")?;
        reader.press("confirm")?;
        Ok(client)
    }

    fn session(&self, client: &mut TestClient, theirs: &str, mine: &str) -> Result<()> {
        let reader = &self.reader;
        client.granted(true)?;
        client.say("/diagnose quick")?;
        client.event_within("report", Duration::from_secs(90))?;
        client.say(theirs)?;
        client.chat(theirs, "shown")?;
        self.types("chat-text", mine)?;
        reader.press("chat-send")?;
        reader.wait("mark-1", |_| true)?;
        self.bring("session-who")?;
        self.picture("40-session")?;
        self.bring("chat-send")?;
        self.picture("41-session-lower")?;
        self.bring("pause")?;
        reader.press("pause")?;
        self.bring("session-state")?;
        self.picture("42-paused")?;
        self.bring("stop")?;
        reader.press("stop")?;
        client.ends_with(18)
    }

    fn after(&self, comment: &str) -> Result<()> {
        let reader = &self.reader;
        reader.wait("after", |_| true)?;
        self.picture("50-after")?;
        self.types("after-comment", comment)?;
        for (id, then) in [("star-4", "after-rated"), ("after-save", "after-saved")] {
            self.bring(id)?;
            reader.press(id)?;
            self.bring(then)?;
        }
        self.picture("51-after-rated")?;
        self.bring("report")?;
        reader.press("report")?;
        self.bring("report-send")?;
        self.picture("52-after-report")?;
        self.bring("finish")?;
        reader.press("finish")?;
        if !self.whole {
            return Ok(());
        }
        reader.press("tab-about")?;
        reader.wait("about", |_| true)?;
        self.picture("60-about")
    }

    /// The agent is gone.
    fn lost(&mut self) -> Result<()> {
        let agent = self.all.agent.as_mut().context("no agent")?;
        agent.program.kill()?;
        self.reader.wait("lost", |_| true)?;
        self.picture("70-lost")
    }

    fn picture(&self, name: &str) -> Result<()> {
        // What is under way is drawn: two looks in a row see the same, or something counts down.
        let eye = self.display.eye()?;
        let mut last = Vec::new();
        let mut looks = 0;
        until(LIMIT, "a display at rest", || {
            std::thread::park_timeout(Duration::from_millis(250));
            let now = eye.whole()?;
            looks += 1;
            Ok(std::mem::replace(&mut last, now) == last || looks > 4)
        })?;
        let file = format!("{}-{name}.png", self.to);
        if self.display.run(&["import", "-window", "root", &file]).is_err() {
            bail!("no picture could be taken: is ImageMagick installed?");
        }
        Ok(())
    }

    fn gone(&self, id: &str) -> Result<()> {
        until(2 * LIMIT, &format!("{id} is gone"), || Ok(self.reader.look(id)?.is_none())).map(|_| ())
    }

    fn bring(&self, id: &str) -> Result<()> {
        bring(&self.display, &self.reader, id)
    }

    fn types(&self, id: &str, text: &str) -> Result<()> {
        self.bring(id)?;
        self.reader.focus(id)?;
        self.reader.wait(id, ShownElement::focused)?;
        // Letters that the keyboard doesn't have are put on it one after another, which takes programs a moment to see.
        let delay = if text.is_ascii() { "20" } else { "150" };
        self.display.run(&["xdotool", "type", "--delay", delay, text])?;
        Ok(())
    }
}
