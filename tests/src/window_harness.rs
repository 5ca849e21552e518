//! A person at a device with the customer's window open, driven as by somebody who has the screen read to them. Lives
//! here: putting it together, and what a person does there again and again. Must not live here: what a test expects.

use anyhow::{Context as _, Result};

use crate::deployment::{LIMIT, ProgramPlace, TestDeployment};
use crate::parties::{TestAgent, TestClient};
use crate::program::{ProgramLogs, TestProgram, until};
use crate::screen_reader::{DesktopSession, ScreenReader, ShownElement};
use crate::vnc::{VncInput, free_port, xvnc};
use crate::x_display::XDisplay;

/// A person at a device, with the window open.
pub struct WindowHarness {
    /// The window, as it was started.
    pub window: TestProgram,
    /// The device's agent.
    pub agent: TestAgent,
    /// The relay with its organisation.
    pub site: TestDeployment,
    /// Who reads and presses.
    pub reader: ScreenReader,
    /// Where programs of the desktop run.
    pub place: ProgramPlace,
    /// The desktop's message bus.
    pub session: DesktopSession,
    _manager: TestProgram,
    /// The display, whose server has its own input devices.
    pub display: XDisplay,
    /// Where those devices are reached.
    pub port: u16,
}

impl WindowHarness {
    /// With the window in English.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn new() -> Result<Self> {
        Self::with(|_| Ok(())).map(|(desk, ())| desk)
    }

    /// As [`WindowHarness::new`], where something is on the message bus before the window.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn with<T>(before: impl FnOnce(&DesktopSession) -> Result<T>) -> Result<(Self, T)> {
        let logs = ProgramLogs::default();
        let (display, port) = screen(&logs)?;
        let manager = display.window_manager()?;
        let session = DesktopSession::new(&display)?;
        let place = session.place(&display);
        let made = before(&session)?;
        let reader = session.reader()?;
        let site = TestDeployment::new()?;
        let agent = site.device_at("desk", place.clone())?;
        let window = agent.window(&place, &["--lang", "en"])?;
        reader.wait("tab-code", ShownElement::enabled)?;
        let desk = Self { window, agent, site, reader, place, session, _manager: manager, display, port };
        Ok((desk, made))
    }

    /// A new support code, as it is read out.
    ///
    /// # Errors
    /// There is none.
    pub fn code(&self) -> Result<String> {
        self.reader.press("tab-code")?;
        self.reader.press("code-new")?;
        Ok(self.reader.wait("code", |code| code.name.chars().any(|c| c.is_ascii_digit()))?.name)
    }

    /// A technician with that code, who asks for that.
    ///
    /// # Errors
    /// They can't connect.
    pub fn technician(&self, more: &[&str]) -> Result<TestClient> {
        let code = self.code()?;
        let mut client = self.site.admin().connect(&code, more)?;
        client.event("connected")?;
        Ok(client)
    }

    /// Allow, as soon as it counts.
    ///
    /// # Errors
    /// The button isn't there, or stays without effect.
    pub fn allow(&self) -> Result<()> {
        self.reader.wait("allow", |_| true)?;
        gone(&self.reader, "consent-hint")?;
        self.reader.press("allow")
    }

    /// Types into the field with that id.
    ///
    /// # Errors
    /// It isn't there.
    pub fn types(&self, id: &str, text: &str) -> Result<()> {
        self.reader.focus(id)?;
        self.reader.wait(id, ShownElement::focused)?;
        self.display.run(&["xdotool", "type", text])?;
        Ok(())
    }

    /// Clicks the thing with that id.
    ///
    /// # Errors
    /// It isn't there.
    pub fn clicks(&self, hand: &mut VncInput, id: &str) -> Result<()> {
        let (x, y) = self.reader.place(id)?;
        hand.click(u16::try_from(x)?, u16::try_from(y)?)
    }
}

/// A display with its own input devices, and the port of those. Another may have taken its number at the same time.
fn screen(logs: &ProgramLogs) -> Result<(XDisplay, u16)> {
    let mut last = None;
    for _ in 0..5 {
        let port = free_port()?;
        match xvnc(1024, 768, &ProgramPlace::default(), port, logs) {
            Ok(display) => return Ok((display, port)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no attempt was made")?)
}

/// Waits until the thing with that id is no longer shown.
///
/// # Errors
/// It is still shown at the end of the limit.
pub fn gone(reader: &ScreenReader, id: &str) -> Result<()> {
    until(LIMIT, &format!("{id} is gone"), || Ok(reader.look(id)?.is_none())).map(|_| ())
}

/// Turns the wheel until the thing with that id is in sight: what is scrolled away isn't read to anybody.
///
/// # Errors
/// It doesn't come.
pub fn bring(display: &XDisplay, reader: &ScreenReader, id: &str) -> Result<()> {
    // Twice from the top: a slow window may turn further than was seen.
    const STEPS: usize = 60;
    let (width, height) = display.eye()?.size();
    let (x, y) = ((width / 2).to_string(), (height / 2).to_string());
    let turn = |button: &str, times: &str| {
        let words = ["xdotool", "mousemove", &x, &y, "click", "--repeat", times, "--delay", "5", button];
        display.run(&words).map(|_| ())
    };
    for step in 0..STEPS {
        if reader.look(id)?.is_some() {
            display.run(&["xdotool", "mousemove", "0", "0"])?;
            // What was turned last may be told only now.
            std::thread::park_timeout(std::time::Duration::from_millis(300));
            if reader.look(id)?.is_some() {
                return Ok(());
            }
        }
        match step % (STEPS / 2) {
            0 => turn("4", "60")?,
            _ => turn("5", "2")?,
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    anyhow::bail!("{id} doesn't come into sight")
}
