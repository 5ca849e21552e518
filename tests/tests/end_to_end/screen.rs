//! The screen, end to end on the real programs: a display with real applications, an agent on it, a relay, a
//! technician. What the technician gets is what is there, and they get it only while it is granted.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::screen::{FromScreen, InputEvent, KeyMode, PhysicalKey, ScreenPoint};
use nearhand_proto::message::session::{self, FromTechnician, StreamAnswer, StreamOpen};
use nearhand_tests::deployment::{LIMIT, ProgramPlace, TestDeployment};
use nearhand_tests::program::{ProgramLogs, TestProgram, until};
use nearhand_tests::screen_device::{HEIGHT, ScreenDevice, WIDTH, eve, first_frame, next_frame};
use nearhand_tests::x_display::{ColorMarker, XDisplay, window};

/// Pixels of a PNG file `0x00RRGGBB`, with its width.
fn picture(file: &Path) -> Result<(u32, Vec<u32>)> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file)?)).read_info()?;
    let mut data = vec![0; reader.output_buffer_size().context("no size")?];
    let info = reader.next_frame(&mut data)?;
    ensure!(info.bit_depth == png::BitDepth::Eight, "{info:?}");
    let depth = info.color_type.samples();
    let pixels = data.chunks_exact(depth).filter_map(|p| match p {
        [r, g, b, ..] => Some(u32::from_be_bytes([0, *r, *g, *b])),
        _ => None,
    });
    Ok((info.width, pixels.collect()))
}

#[test]
fn a_screenshot_is_the_screen_to_the_last_pixel() -> Result<()> {
    let desk = ScreenDevice::new("\"view\"")?;
    let _terminal = desk.terminal()?;
    let eye = desk.display.eye()?;
    let file = desk.site.directory("shots")?.join("desk.png");
    let shown = file.to_string_lossy();
    // The terminal may still be drawing when the first is taken.
    until(LIMIT, "the same picture at both ends", || {
        let before = eye.whole()?;
        desk.site.admin().run(&["screenshot", "desk", "--out", &shown])?.ok()?;
        let (width, pixels) = picture(&file)?;
        ensure!(width == u32::from(WIDTH), "{width} pixels wide");
        ensure!(pixels.contains(&0xff_ffff), "nothing white in a terminal");
        Ok(before == pixels && eye.whole()? == pixels)
    })?;
    assert!(desk.agent.audited("view.start")? >= 1);
    Ok(())
}

#[test]
fn a_device_without_a_display_says_so() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device_at("server", ProgramPlace::without_displays())?;
    agent.allow("\"view\"", true)?;
    let done = site.admin().run(&["screenshot", "server", "--out", "/dev/null"])?;
    assert_ne!(done.code, 0, "{}", done.text);
    done.says("this device does not offer view")?;
    Ok(())
}

#[test]
fn input_needs_its_own_grant_and_nonsense_ends_only_its_stream() -> Result<()> {
    let desk = ScreenDevice::new("\"view\", \"control\"")?;
    let terminal = desk.terminal()?;
    let (wire, eve) = eve(&desk.site)?;
    let mut session = desk.session(&wire, &eve, &[Capability::View])?;
    let (mut screen, bytes) = first_frame(&session)?;
    assert!(bytes > 0, "{bytes} bytes for a whole screen");
    let answer = session.stream(&StreamOpen::Input)?;
    assert_eq!(answer, StreamAnswer::Refused(session::SessionRefusal::NotGranted(Capability::Control)));
    desk.agent.has_audited("refused", 1)?;

    let granted = session.ask(Capabilities::NONE.with(Capability::Control))?;
    assert!(format!("{granted:?}").contains("Granted"), "{granted:?}");
    let mut input = session.talk(&StreamOpen::Input)?;
    for wild in [
        InputEvent::Move(ScreenPoint { x: u16::MAX, y: u16::MAX }),
        InputEvent::Scroll { x: i16::MIN, y: i16::MAX },
        InputEvent::Key {
            key: PhysicalKey(u16::MAX),
            symbol: "\u{0}\u{1b}".repeat(500),
            down: true,
            mode: KeyMode::Symbol,
        },
        InputEvent::Text("\u{202e}\u{0}\u{7}".repeat(300)),
        InputEvent::Text("x".repeat(20_000)),
    ] {
        input.say(&wild)?;
    }
    input.raw(&[0xff; 64])?;
    let frames = "no message at all ends the stream";
    until(LIMIT, frames, || {
        Ok(input.say(&InputEvent::ReleaseAll).is_err() || input.hears::<InputEvent>().is_err())
    })?;
    // The screen goes on.
    desk.display.run(&["xsetroot", "-solid", "#aa3311"])?;
    assert!(next_frame(&mut screen)? > 0);
    drop(terminal);
    session.leave()
}

#[test]
fn a_view_that_is_taken_back_ends_at_once_and_its_process_with_the_session() -> Result<()> {
    let desk = ScreenDevice::new("\"view\"")?;
    let (wire, eve) = eve(&desk.site)?;
    let mut session = desk.session(&wire, &eve, &[Capability::View])?;
    let (mut screen, _) = first_frame(&session)?;
    let agent = desk.agent.program.pid();
    until(LIMIT, "a desktop process", || Ok(children(agent)?.len() == 1))?;
    session.say(&FromTechnician::GiveUp(Capabilities::NONE.with(Capability::View)))?;
    until(LIMIT, "the stream is cut", || Ok(screen.hears::<FromScreen>().is_err()))?;
    let answer = session.stream(&StreamOpen::Screen)?;
    assert_eq!(answer, StreamAnswer::Refused(session::SessionRefusal::NotGranted(Capability::View)));
    session.leave()?;
    until(LIMIT, "the desktop process is gone", || Ok(children(agent)?.is_empty()))?;
    Ok(())
}

#[test]
fn a_desktop_process_that_dies_takes_nothing_with_it() -> Result<()> {
    let desk = ScreenDevice::new("\"view\"")?;
    let (wire, eve) = eve(&desk.site)?;
    let session = desk.session(&wire, &eve, &[Capability::View])?;
    let (mut screen, _) = first_frame(&session)?;
    let agent = desk.agent.program.pid();
    for child in children(agent)? {
        nearhand_tests::program::kill(child)?;
    }
    let told = until(LIMIT, "the technician is told", || match screen.hears::<FromScreen>() {
        Ok(FromScreen::Gone(_)) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) => Err(error.context("the stream ended without a word")),
    });
    told?;
    assert!(session.stands());
    // Asked again, it is there again.
    let (_screen, bytes) = until_some(|| first_frame(&session).ok())?;
    assert!(bytes > 0);
    session.leave()
}

fn until_some<T>(mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
    let mut found = None;
    until(LIMIT, "it works again", || {
        found = attempt();
        Ok(found.is_some())
    })?;
    found.context("nothing")
}

/// Processes that a process has started and that still run.
fn children(pid: i32) -> Result<Vec<i32>> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(list.split_whitespace().filter_map(|child| child.parse().ok()).collect())
}

/// A colour that no application shows.
const SIGN: u32 = 0x00d1_13b7;

/// The technician's page in a real browser on a separate display, with the device's whole screen on it, pixel for
/// pixel.
struct BrowserOffice {
    viewer: XDisplay,
    /// Where the device's upper left corner is on the viewer's display.
    corner: (i16, i16),
    _programs: Vec<TestProgram>,
    _client: nearhand_tests::parties::TestClient,
}

impl BrowserOffice {
    fn open(desk: &ScreenDevice, logs: &ProgramLogs) -> Result<Self> {
        let viewer = XDisplay::virtual_frame_buffer(1600, 1000, logs)?;
        let manager = viewer.window_manager()?;
        let mut client =
            desk.site.admin().start(&["connect", "desk", "--no-open", "--ask", "view,control,clipboard"])?;
        let url = client.event("viewer")?;
        let url = url.get("url").and_then(serde_json::Value::as_str).context("no address")?.to_owned();
        let sign = ColorMarker::show(desk.display.eye()?, 0, 0, SIGN)?;
        let browser = viewer.chromium(&url, &["--window-size=1600,1000"])?;
        let eye = viewer.eye()?;
        let mut corner = None;
        until(LIMIT * 2, "the device's screen in the page", || {
            corner = eye.find(SIGN)?;
            Ok(corner.is_some())
        })?;
        drop(sign);
        let corner = corner.context("no corner")?;
        Ok(Self { viewer, corner, _programs: vec![manager, browser], _client: client })
    }

    /// A place on the device's screen, on the viewer's.
    fn at(&self, x: i16, y: i16) -> (String, String) {
        ((self.corner.0 + x).to_string(), (self.corner.1 + y).to_string())
    }

    fn click(&self, x: i16, y: i16) -> Result<()> {
        let (x, y) = self.at(x, y);
        self.viewer.run(&["xdotool", "mousemove", &x, &y, "sleep", "0.1", "click", "1"]).map(|_| ())
    }

    /// Waits until what is seen in the page is what is there, to the last pixel. Where the pointer is drawn by either
    /// display, nothing is in the picture: a server without hardware draws none.
    fn agrees(&self, desk: &ScreenDevice) -> Result<()> {
        let (here, there) = (self.viewer.eye()?, desk.display.eye()?);
        // The page's own messages lie over the lowest part for a while.
        let height = HEIGHT - 60;
        let mut last = String::new();
        let agreed = until(LIMIT, "the same picture at both ends", || {
            let seen = here.pixels(self.corner.0, self.corner.1, WIDTH, height)?;
            let there = there.pixels(0, 0, WIDTH, height)?;
            let width = usize::from(WIDTH);
            let wrong = || seen.iter().zip(&there).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at);
            let (left, right) = (wrong().map(|at| at % width).min(), wrong().map(|at| at % width).max());
            let rows = (wrong().min().map(|at| at / width), wrong().max().map(|at| at / width));
            last = format!("{} pixels differ, columns {left:?} to {right:?}, rows {rows:?}", wrong().count());
            Ok(seen == there)
        });
        agreed.map(|_| ()).context(last)
    }
}

#[test]
fn from_the_page_a_technician_types_in_three_scripts_drags_a_window_and_scrolls() -> Result<()> {
    let logs = ProgramLogs::default();
    let desk = ScreenDevice::new("\"view\", \"control\", \"clipboard\"")?;
    let typed = desk.site.directory("typed")?.join("text");
    let editor =
        ["xterm", "-u8", "-T", "editor", "-geometry", "70x10+200+200", "-fn", "fixed", "-e", "sh", "-c"];
    let keep = format!("stty -echo -icanon; cat > '{}'", typed.display());
    let _editor = desk.display.start(&[editor.as_slice(), &[keep.as_str()]].concat())?;
    let id = window(&desk.display, "editor")?;
    let office = BrowserOffice::open(&desk, &logs)?;
    // The pointer becomes the technician's once the page may use it; until then it shows where the device's is.
    until(LIMIT, "a click in the page", || {
        office.click(300, 260)?;
        Ok(desk.display.run(&["xdotool", "getmouselocation"])?.contains("x:300 y:260"))
    })?;
    office.agrees(&desk)?;

    // Each on a keyboard that has it, and the next keyboard when all has arrived: what types here has to put other
    // letters on a key for a moment, and the browser may look too late.
    let mut expected = String::new();
    for (layout, text) in [("de", "Grüße @{} "), ("ru", "Привет мир "), ("gr", "Γεια σου")]
    {
        office.viewer.run(&["setxkbmap", layout])?;
        office.viewer.run(&["xdotool", "sleep", "0.3", "type", "--delay", "40", text])?;
        expected.push_str(text);
        until(LIMIT, "what was typed", || {
            Ok(std::fs::read_to_string(&typed).is_ok_and(|got| got == expected))
        })
        .with_context(|| format!("typed: {:?}", std::fs::read_to_string(&typed)))?;
    }
    office.agrees(&desk)?;

    // By its title bar, until it follows, as a person would: a window manager that is busy takes a drag that is over
    // before it looked for a click.
    let place = || desk.display.run(&["xdotool", "getwindowgeometry", &id]);
    let before = place()?;
    let (x, y) = office.at(400, 209);
    office.viewer.run(&["xdotool", "mousemove", &x, &y, "sleep", "0.1", "mousedown", "1", "sleep", "0.1"])?;
    let mut way = [(412, 219), (430, 240), (450, 270), (460, 279)].into_iter().cycle();
    until(LIMIT, "the window follows", || {
        let (x, y) = way.next().context("no way")?;
        let (x, y) = office.at(x, y);
        office.viewer.run(&["xdotool", "mousemove", &x, &y, "sleep", "0.1"])?;
        Ok(place()? != before)
    })?;
    office.viewer.run(&["xdotool", "mouseup", "1"])?;
    office.agrees(&desk)?;

    // A terminal with something to scroll back to.
    let shown = "seq 1 400; exec sleep 600";
    let scrolled = ["xterm", "-T", "pages", "-sb", "-geometry", "60x14+20+20", "-e", "sh", "-c", shown];
    let _pages = desk.display.start(&scrolled)?;
    window(&desk.display, "pages")?;
    office.agrees(&desk)?;
    let eye = desk.display.eye()?;
    let still = eye.whole()?;
    let (x, y) = office.at(120, 120);
    office.viewer.run(&["xdotool", "mousemove", &x, &y, "sleep", "0.1", "click", "--repeat", "5", "4"])?;
    until(LIMIT, "the terminal scrolls", || Ok(eye.whole()? != still))?;
    office.agrees(&desk)?;
    desk.agent.has_audited("control.start", 1)?;
    Ok(())
}
