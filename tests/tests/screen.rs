//! The screen, end to end on the real programs: a display with real applications, an agent on it, a relay, a
//! technician. What the technician gets is what is there, and they get it only while it is granted.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use nearhand_shared::grant::{Capabilities, Capability};
use nearhand_shared::message::control::Target;
use nearhand_shared::message::screen::{
    FromScreen, FromViewer, Input, KeyMode, PhysicalKey, Quality, ScreenPoint,
};
use nearhand_shared::message::session::{self, AgentHello, Answer, FromTechnician, Open, TechnicianProof};
use nearhand_tests::parties::Agent;
use nearhand_tests::program::{Logs, Program, until};
use nearhand_tests::site::{LIMIT, Place, Site};
use nearhand_tests::stage::{Display, window};
use nearhand_tests::wire_client::{Member, SessionWire, TalkWire, Wire};

const WIDTH: u16 = 1024;
const HEIGHT: u16 = 600;

/// A device with a display, whose owner allows this much unasked.
struct Desk {
    site: Site,
    agent: Agent,
    display: Display,
    _manager: Program,
    _logs: Logs,
}

impl Desk {
    fn new(capabilities: &str) -> Result<Self> {
        let logs = Logs::default();
        let display = Display::virtual_frame_buffer(WIDTH, HEIGHT, &logs)?;
        let manager = display.window_manager()?;
        let site = Site::new()?;
        let agent = site.device_at("desk", Place::behind(&["env", &format!("DISPLAY={}", display.name)]))?;
        agent.allow(capabilities, true)?;
        Ok(Self { site, agent, display, _manager: manager, _logs: logs })
    }

    /// A terminal that shows something and then stays as it is.
    fn terminal(&self) -> Result<Program> {
        let shown = "seq 1 200; printf '\\033[31mdone\\033[0m'; exec sleep 600";
        let terminal = self.display.start(&["xterm", "-T", "terminal", "-e", "sh", "-c", shown])?;
        window(&self.display, "terminal")?;
        Ok(terminal)
    }

    fn session(&self, wire: &Wire, member: &Member, wanted: &[Capability]) -> Result<SessionWire> {
        let devices = self.site.admin().run(&["devices"])?.ok()?.json()?;
        let id = devices.pointer("/devices/0/id").and_then(|id| id.as_str()).context("no device")?;
        let id = id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))?;
        let mut session = member.connect(wire)?.open(member, Target::Device(id))?;
        let ready = session.hello(TechnicianProof::Managed)?;
        ensure!(matches!(ready, AgentHello::Ready(_)), "{ready:?}");
        let granted = session.ask(wanted.iter().copied().collect())?;
        ensure!(format!("{granted:?}").contains("Granted"), "{granted:?}");
        Ok(session)
    }
}

/// Someone who speaks for herself.
fn eve(site: &Site) -> Result<(Wire, Member)> {
    let wire = Wire::new()?;
    let eve = wire.join(&site.invite("Eve")?)?;
    Ok((wire, eve))
}

/// Opens the screen, and waits for the first whole frame; how many bytes it had.
fn first_frame(session: &SessionWire) -> Result<(TalkWire, usize)> {
    let mut screen = session.talk(&Open::Screen)?;
    screen.say(&FromViewer::Start { monitor: None, quality: Quality::Auto })?;
    let bytes = next_frame(&mut screen)?;
    Ok((screen, bytes))
}

fn next_frame(screen: &mut TalkWire) -> Result<usize> {
    let mut bytes = 0;
    loop {
        match screen.hears::<FromScreen>()? {
            FromScreen::Frame { part, last, frame } => {
                bytes += part.len();
                if last.is_some() {
                    screen.say(&FromViewer::Painted { frame, decode: 1, paint: 1 })?;
                    return Ok(bytes);
                }
            }
            FromScreen::Gone(why) => anyhow::bail!("gone: {why}"),
            FromScreen::Monitors(_)
            | FromScreen::Cursor(_)
            | FromScreen::CursorAt(_)
            | FromScreen::Clock(_)
            | FromScreen::Witness(_) => {}
        }
    }
}

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
    let desk = Desk::new("\"view\"")?;
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
    let site = Site::new()?;
    let agent = site.device("server")?;
    agent.allow("\"view\"", true)?;
    let done = site.admin().run(&["screenshot", "server", "--out", "/dev/null"])?;
    assert_ne!(done.code, 0, "{}", done.text);
    done.says("this device does not offer view")?;
    Ok(())
}

#[test]
fn input_needs_its_own_grant_and_nonsense_ends_only_its_stream() -> Result<()> {
    let desk = Desk::new("\"view\", \"control\"")?;
    let terminal = desk.terminal()?;
    let (wire, eve) = eve(&desk.site)?;
    let mut session = desk.session(&wire, &eve, &[Capability::View])?;
    let (mut screen, bytes) = first_frame(&session)?;
    assert!(bytes > 0, "{bytes} bytes for a whole screen");
    let answer = session.stream(&Open::Input)?;
    assert_eq!(answer, Answer::Refused(session::Refusal::NotGranted(Capability::Control)));
    assert_eq!(desk.agent.audited("refused")?, 1);

    let granted = session.ask(Capabilities::NONE.with(Capability::Control))?;
    assert!(format!("{granted:?}").contains("Granted"), "{granted:?}");
    let mut input = session.talk(&Open::Input)?;
    for wild in [
        Input::Move(ScreenPoint { x: u16::MAX, y: u16::MAX }),
        Input::Scroll { x: i16::MIN, y: i16::MAX },
        Input::Key {
            key: PhysicalKey(u16::MAX),
            symbol: "\u{0}\u{1b}".repeat(500),
            down: true,
            mode: KeyMode::Symbol,
        },
        Input::Text("\u{202e}\u{0}\u{7}".repeat(300)),
        Input::Text("x".repeat(20_000)),
    ] {
        input.say(&wild)?;
    }
    input.raw(&[0xff; 64])?;
    let frames = "no message at all ends the stream";
    until(LIMIT, frames, || Ok(input.say(&Input::ReleaseAll).is_err() || input.hears::<Input>().is_err()))?;
    // The screen goes on.
    desk.display.run(&["xsetroot", "-solid", "#aa3311"])?;
    assert!(next_frame(&mut screen)? > 0);
    drop(terminal);
    session.leave()
}

#[test]
fn a_view_that_is_taken_back_ends_at_once_and_its_process_with_the_session() -> Result<()> {
    let desk = Desk::new("\"view\"")?;
    let (wire, eve) = eve(&desk.site)?;
    let mut session = desk.session(&wire, &eve, &[Capability::View])?;
    let (mut screen, _) = first_frame(&session)?;
    let agent = desk.agent.program.pid();
    until(LIMIT, "a desktop process", || Ok(children(agent)?.len() == 1))?;
    session.say(&FromTechnician::GiveUp(Capabilities::NONE.with(Capability::View)))?;
    until(LIMIT, "the stream is cut", || Ok(screen.hears::<FromScreen>().is_err()))?;
    let answer = session.stream(&Open::Screen)?;
    assert_eq!(answer, Answer::Refused(session::Refusal::NotGranted(Capability::View)));
    session.leave()?;
    until(LIMIT, "the desktop process is gone", || Ok(children(agent)?.is_empty()))?;
    Ok(())
}

#[test]
fn a_desktop_process_that_dies_takes_nothing_with_it() -> Result<()> {
    let desk = Desk::new("\"view\"")?;
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
