//! A screen reader: finds what programs show by its name or id, presses it, and says what is written there. Over AT-SPI,
//! which is how people who can't see the screen use it. Lives here: the buses, looking and pressing. Must not live here:
//! what a test expects.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use zbus::blocking::{Connection, Proxy, connection::Builder};
use zbus::zvariant::OwnedObjectPath;

use crate::deployment::ProgramPlace;
use crate::program::{TestProgram, until};
use crate::x_display::XDisplay;

/// Limit of anything that only has to start.
const START: Duration = Duration::from_secs(30);
/// Limit of an answer. A program that is just starting may never give one, and is asked again.
const ANSWER: Duration = Duration::from_secs(5);
/// How deep a program's tree is looked at, and how much of it.
const DEEP: usize = 40;
const MOST: usize = 4_000;

/// A desktop session's message bus, with accessibility switched on.
pub struct DesktopSession {
    /// The bus's address.
    pub address: String,
    _daemon: TestProgram,
}

impl DesktopSession {
    /// For programs on that display.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn new(display: &XDisplay) -> Result<Self> {
        let mut daemon = display.start(&["dbus-daemon", "--session", "--nofork", "--print-address=1"])?;
        let address = daemon.wait_map("its address", START, |line| {
            line.starts_with("unix:").then(|| line.trim().to_owned())
        })?;
        let bus = Builder::address(address.as_str())?.build()?;
        let status = Proxy::new(&bus, "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Status")?;
        status.set_property("IsEnabled", true)?;
        Ok(Self { address, _daemon: daemon })
    }

    /// Where programs of this session run.
    #[must_use]
    pub fn place(&self, display: &XDisplay) -> ProgramPlace {
        let (shown, bus) =
            (format!("DISPLAY={}", display.name), format!("DBUS_SESSION_BUS_ADDRESS={}", self.address));
        ProgramPlace::behind(&["env", &shown, &bus])
    }

    /// Somebody who has what is shown read to them.
    ///
    /// # Errors
    /// There is no accessibility bus.
    pub fn reader(&self) -> Result<ScreenReader> {
        let bus = Builder::address(self.address.as_str())?.build()?;
        let address: String =
            Proxy::new(&bus, "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus")?.call("GetAddress", &())?;
        Ok(ScreenReader { bus: Builder::address(address.as_str())?.method_timeout(ANSWER).build()? })
    }
}

/// Something that is shown.
#[derive(Clone, Debug)]
pub struct ShownElement {
    program: String,
    path: OwnedObjectPath,
    /// Its id, which doesn't depend on the language.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What is said of it in addition to its name.
    pub description: String,
    /// What kind of thing it is: AT-SPI's number.
    pub role: u32,
    /// Its states, a bit each.
    pub states: u64,
    /// How many things it is in.
    pub depth: usize,
}

/// Bits of [`ShownElement::states`].
const CHECKED: u64 = 1 << 4;
const ENABLED: u64 = 1 << 8;
const FOCUSED: u64 = 1 << 12;

impl ShownElement {
    /// Whether it can be used.
    pub const fn enabled(&self) -> bool {
        self.states & ENABLED != 0
    }

    /// Whether it is ticked.
    pub const fn checked(&self) -> bool {
        self.states & CHECKED != 0
    }

    /// Whether it has the keyboard.
    pub const fn focused(&self) -> bool {
        self.states & FOCUSED != 0
    }
}

/// Reads, and presses.
pub struct ScreenReader {
    bus: Connection,
}

type Address = (String, OwnedObjectPath);

impl ScreenReader {
    fn proxy<'a>(&'a self, program: &'a str, path: &'a str, interface: &'a str) -> Result<Proxy<'a>> {
        let builder = zbus::blocking::proxy::Builder::<Proxy<'a>>::new(&self.bus)
            .destination(program)?
            .path(path)?
            .interface(interface)?
            // What is read now is what counts.
            .cache_properties(zbus::proxy::CacheProperties::No);
        Ok(builder.build()?)
    }

    fn children(&self, program: &str, path: &str) -> Result<Vec<Address>> {
        Ok(self.proxy(program, path, "org.a11y.atspi.Accessible")?.call("GetChildren", &())?)
    }

    fn thing(&self, (program, path): Address, depth: usize) -> Result<ShownElement> {
        let seen = self.proxy(&program, path.as_str(), "org.a11y.atspi.Accessible")?;
        let states: Vec<u32> = seen.call("GetState", &())?;
        let word = |at: usize| u64::from(states.get(at).copied().unwrap_or(0));
        let (id, name) = (seen.get_property("AccessibleId").unwrap_or_default(), seen.get_property("Name")?);
        let description = seen.get_property("Description").unwrap_or_default();
        let (role, states) = (seen.call("GetRole", &())?, word(0) | word(1) << 32);
        drop(seen);
        Ok(ShownElement { program, path, id, name, description, role, states, depth })
    }

    /// All that is shown by all programs.
    ///
    /// # Errors
    /// The bus is gone.
    pub fn all(&self) -> Result<Vec<ShownElement>> {
        let registry = "org.a11y.atspi.Registry";
        let mut things = Vec::new();
        let mut waiting: Vec<(Address, usize)> = self
            .children(registry, "/org/a11y/atspi/accessible/root")?
            .into_iter()
            .map(|address| (address, 0))
            .collect();
        while let Some((address, depth)) = waiting.pop() {
            if things.len() >= MOST {
                bail!("more than {MOST} things are shown");
            }
            // It may have gone since.
            let Ok(thing) = self.thing(address, depth) else { continue };
            if depth < DEEP
                && let Ok(inside) = self.children(&thing.program, thing.path.as_str())
            {
                waiting.extend(inside.into_iter().rev().map(|address| (address, depth + 1)));
            }
            things.push(thing);
        }
        Ok(things)
    }

    /// The thing with that id, if it is shown.
    ///
    /// # Errors
    /// The bus is gone.
    pub fn look(&self, id: &str) -> Result<Option<ShownElement>> {
        Ok(self.all()?.into_iter().find(|thing| thing.id == id))
    }

    /// The thing with that id, as soon as it is shown and as wanted.
    ///
    /// # Errors
    /// It doesn't come; then with all that is shown instead.
    pub fn wait(&self, id: &str, wanted: impl Fn(&ShownElement) -> bool) -> Result<ShownElement> {
        let mut found = None;
        let waited = until(START, &format!("{id} on the screen"), || {
            found = self.look(id)?.filter(&wanted);
            Ok(found.is_some())
        });
        if let Err(error) = waited {
            let all = self.all()?;
            let shown: Vec<String> = all
                .iter()
                .filter(|t| !t.name.is_empty())
                .map(|t| format!("{}: {:?}", t.id, t.name))
                .collect();
            bail!("{error}; shown are:\n{}", shown.join("\n"));
        }
        found.context("nothing")
    }

    /// Presses it, as soon as it is there and can be.
    ///
    /// # Errors
    /// The element isn't shown, or can't be pressed, within the limit.
    pub fn press(&self, id: &str) -> Result<()> {
        let thing = self.wait(id, ShownElement::enabled)?;
        let done: bool = self
            .proxy(&thing.program, thing.path.as_str(), "org.a11y.atspi.Action")?
            .call("DoAction", &(0_i32))?;
        anyhow::ensure!(done, "{id} can't be pressed");
        Ok(())
    }

    /// Gives it the keyboard.
    ///
    /// # Errors
    /// It doesn't take it.
    pub fn focus(&self, id: &str) -> Result<()> {
        let thing = self.wait(id, |_| true)?;
        let component = self.proxy(&thing.program, thing.path.as_str(), "org.a11y.atspi.Component")?;
        let _: bool = component.call("GrabFocus", &())?;
        Ok(())
    }

    /// The process that shows it.
    ///
    /// # Errors
    /// It isn't there.
    pub fn process(&self, id: &str) -> Result<i32> {
        let thing = self.wait(id, |_| true)?;
        let bus = self.proxy("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")?;
        let process: u32 = bus.call("GetConnectionUnixProcessID", &(thing.program,))?;
        Ok(i32::try_from(process)?)
    }

    /// The middle of where it is on the screen.
    ///
    /// # Errors
    /// It isn't there.
    pub fn place(&self, id: &str) -> Result<(i16, i16)> {
        let thing = self.wait(id, |_| true)?;
        let component = self.proxy(&thing.program, thing.path.as_str(), "org.a11y.atspi.Component")?;
        let (x, y, width, height): (i32, i32, i32, i32) =
            component.call::<_, _, ((i32, i32, i32, i32),)>("GetExtents", &(0_u32)).map(|(place,)| place)?;
        Ok((i16::try_from(x + width / 2)?, i16::try_from(y + height / 2)?))
    }
}
