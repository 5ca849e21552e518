//! A device with a display that a technician may see, as far as its owner's policy says; and the screen as it comes over
//! the wire. Must not live here: what is expected of either.

use anyhow::{Result, ensure};
use nearhand_proto::grant::Capability;
use nearhand_proto::message::control::SessionTarget;
use nearhand_proto::message::screen::{FromScreen, FromViewer, ScreenQuality};
use nearhand_proto::message::session::{AgentHello, StreamOpen, TechnicianProof};

use crate::deployment::{ProgramPlace, TestDeployment};
use crate::parties::TestAgent;
use crate::program::{ProgramLogs, TestProgram};
use crate::wire_client::{SessionWire, TalkWire, WireEndpoint, WireMember};
use crate::x_display::{XDisplay, window};

/// Width of its display, in pixels.
pub const WIDTH: u16 = 1024;
/// Height of its display, in pixels.
pub const HEIGHT: u16 = 600;

/// A device with a display, whose owner allows this much unasked.
pub struct ScreenDevice {
    /// Its relay and organisation.
    pub site: TestDeployment,
    /// Its agent, known as `desk`.
    pub agent: TestAgent,
    /// What it shows.
    pub display: XDisplay,
    _manager: TestProgram,
    _logs: ProgramLogs,
}

impl ScreenDevice {
    /// Everything, on this machine.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn new(capabilities: &str) -> Result<Self> {
        let logs = ProgramLogs::default();
        let display = XDisplay::virtual_frame_buffer(WIDTH, HEIGHT, &logs)?;
        let manager = display.window_manager()?;
        let site = TestDeployment::new()?;
        let agent =
            site.device_at("desk", ProgramPlace::behind(&["env", &format!("DISPLAY={}", display.name)]))?;
        agent.allow(capabilities, true)?;
        Ok(Self { site, agent, display, _manager: manager, _logs: logs })
    }

    /// A terminal that shows something and then stays as it is.
    ///
    /// # Errors
    /// It doesn't appear.
    pub fn terminal(&self) -> Result<TestProgram> {
        let shown = "seq 1 200; printf '\\033[31mdone\\033[0m'; exec sleep 600";
        let terminal = self.display.start(&["xterm", "-T", "terminal", "-e", "sh", "-c", shown])?;
        window(&self.display, "terminal")?;
        Ok(terminal)
    }

    /// A managed session of hers, in which so much is granted.
    ///
    /// # Errors
    /// It is refused.
    pub fn session(
        &self,
        wire: &WireEndpoint,
        member: &WireMember,
        wanted: &[Capability],
    ) -> Result<SessionWire> {
        let mut session =
            member.connect(wire)?.open(member, SessionTarget::Device(self.site.device_id("desk")?))?;
        let ready = session.hello(TechnicianProof::Managed)?;
        ensure!(matches!(ready, AgentHello::Ready(_)), "{ready:?}");
        let granted = session.ask(wanted.iter().copied().collect())?;
        ensure!(format!("{granted:?}").contains("Granted"), "{granted:?}");
        Ok(session)
    }
}

/// Someone who speaks for herself.
///
/// # Errors
/// She can't join.
pub fn eve(site: &TestDeployment) -> Result<(WireEndpoint, WireMember)> {
    let wire = WireEndpoint::new()?;
    let eve = wire.join(&site.invite("Eve")?)?;
    Ok((wire, eve))
}

/// Opens the screen, and waits for the first whole frame; how many bytes it had.
///
/// # Errors
/// The stream ended, or no whole frame came within the limit.
pub fn first_frame(session: &SessionWire) -> Result<(TalkWire, usize)> {
    let mut screen = session.talk(&StreamOpen::Screen)?;
    screen.say(&FromViewer::Start { monitor: None, quality: ScreenQuality::Auto })?;
    let bytes = next_frame(&mut screen)?;
    Ok((screen, bytes))
}

/// Waits for the next whole frame and says that it was painted; how many bytes it had.
///
/// # Errors
/// The stream ended, or no whole frame came within the limit.
pub fn next_frame(screen: &mut TalkWire) -> Result<usize> {
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
            | FromScreen::Head(_) => {}
        }
    }
}
