//! A person at a device with the customer's window open, driven as by somebody who has the screen read to them. Lives
//! here: putting it together, and what a person does there again and again. Must not live here: what a test expects.

use anyhow::{Context as _, Result};

use crate::parties::{Agent, Client};
use crate::program::{Logs, Program, until};
use crate::reader::{Reader, Session, Thing};
use crate::site::{LIMIT, Place, Site};
use crate::stage::Display;
use crate::vnc::{Hand, free_port, xvnc};

/// A person at a device, with the window open.
pub struct Seat {
    /// The window, as it was started.
    pub window: Program,
    /// The device's agent.
    pub agent: Agent,
    /// The organisation.
    pub site: Site,
    /// Who reads and presses.
    pub reader: Reader,
    /// Where programs of the desktop run.
    pub place: Place,
    /// The desktop's message bus.
    pub session: Session,
    _manager: Program,
    /// The display, whose server has devices of its own.
    pub display: Display,
    /// Where those devices are reached.
    pub port: u16,
}

impl Seat {
    /// With the window in English.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn new() -> Result<Self> {
        Self::with(|_| Ok(())).map(|(desk, ())| desk)
    }

    /// As [`Seat::new`], where something is on the message bus before the window.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn with<T>(before: impl FnOnce(&Session) -> Result<T>) -> Result<(Self, T)> {
        let logs = Logs::default();
        let (display, port) = screen(&logs)?;
        let manager = display.window_manager()?;
        let session = Session::new(&display)?;
        let place = session.place(&display);
        let made = before(&session)?;
        let reader = session.reader()?;
        let site = Site::new()?;
        let agent = site.device_at("desk", place.clone())?;
        let window = agent.window(&place, &["--lang", "en"])?;
        reader.wait("tab-code", Thing::enabled)?;
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
    pub fn technician(&self, more: &[&str]) -> Result<Client> {
        let code = self.code()?;
        let mut client = self.site.admin().connect(&code, more)?;
        client.event("connected")?;
        Ok(client)
    }

    /// Allow, as soon as it counts.
    ///
    /// # Errors
    /// It doesn't.
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
        self.reader.wait(id, Thing::focused)?;
        self.display.run(&["xdotool", "type", text])?;
        Ok(())
    }

    /// Clicks the thing with that id.
    ///
    /// # Errors
    /// It isn't there.
    pub fn clicks(&self, hand: &mut Hand, id: &str) -> Result<()> {
        let (x, y) = self.reader.place(id)?;
        hand.click(u16::try_from(x)?, u16::try_from(y)?)
    }
}

/// A display with devices of its own, and the port of those. Another may have taken its number at the same time.
fn screen(logs: &Logs) -> Result<(Display, u16)> {
    let mut last = None;
    for _ in 0..5 {
        let port = free_port()?;
        match xvnc(1024, 768, &Place::default(), port, logs) {
            Ok(display) => return Ok((display, port)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no attempt was made")?)
}

/// Waits until the thing with that id is no longer shown.
///
/// # Errors
/// It stays.
pub fn gone(reader: &Reader, id: &str) -> Result<()> {
    until(LIMIT, &format!("{id} is gone"), || Ok(reader.look(id)?.is_none())).map(|_| ())
}

/// Turns the wheel until the thing with that id is in sight: what is scrolled away isn't read to anybody.
///
/// # Errors
/// It doesn't come.
pub fn bring(display: &Display, reader: &Reader, id: &str) -> Result<()> {
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
