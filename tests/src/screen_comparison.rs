//! A device's display, what shows it elsewhere, and the display on which it is shown.
#![allow(clippy::disallowed_methods, reason = "what a machine does is measured at moments, not waited for")]

use std::time::{Duration, Instant};

use crate::deployment::{DeploymentPlan as SitePlan, ProgramPlace, TestDeployment};
use crate::metrics::ScrapedMetrics;
use crate::netns::{NamespaceNetwork, RELAY};
use crate::parties::{TestAgent, TestClient};
use crate::program::{ProgramLogs, TestProgram, until};
use crate::remote::OfficeLink;
use crate::udp_load::cpu_time;
use crate::vnc::{self, TrafficCounter, VncScraper};
use crate::x_display::{ColorMarker, KeyEcho, MARKER, PixelReader, XDisplay};
use anyhow::{Context, Result, ensure};

/// X11's code of the key that most layouts have an A on.
const KEY_A: u8 = 38;
/// The device's address in a network.
const HOME: &str = "10.77.1.2";
/// Of the displays, in pixels.
pub const WIDTH: u16 = 1920;
/// Of the displays, in pixels.
pub const HEIGHT: u16 = 1080;
/// Colours that no application shows.
pub const COLORS: [u32; 2] = [0x00d1_13b7, 0x0011_c94d];
/// A viewer may take so long to show anything.
const FIRST: Duration = Duration::from_secs(60);
/// Without a byte for so long, the first picture counts as whole.
const QUIET: Duration = Duration::from_millis(1_500);
/// A key that did nothing for so long is pressed again; nothing that was pressed comes later than that.
const AGAIN: Duration = Duration::from_millis(2_500);

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ComparedSystem {
    /// The agent's screen in the technician's viewer.
    Ours,
    /// TigerVNC's X server.
    Xvnc,
    /// TigerVNC's server for another X server's display.
    X0vncserver,
    /// The oldest of that kind.
    X11vnc,
}

impl ComparedSystem {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Xvnc, Self::X0vncserver, Self::X11vnc];

    /// As it is called in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "nearhand",
            Self::Xvnc => "Xvnc",
            Self::X0vncserver => "x0vncserver",
            Self::X11vnc => "x11vnc",
        }
    }
}

/// A display that is watched.
pub struct ScreenComparison {
    /// The display that is watched.
    pub device: XDisplay,
    /// Where it is shown.
    pub viewer: XDisplay,
    /// Ended in this order.
    programs: Vec<TestProgram>,
    /// How it is watched.
    pub watched: WatchMethod,
    _managers: [TestProgram; 2],
    /// Goes after the programs that are in it.
    network: Option<NamespaceNetwork>,
}

/// How it is watched, and what that costs.
pub enum WatchMethod {
    /// With the real programs.
    Ours {
        /// The relay and its people.
        site: Box<TestDeployment>,
        /// The device's agent.
        agent: Box<TestAgent>,
        /// The technician's.
        client: Box<TestClient>,
    },
    /// By a VNC server.
    Vnc {
        /// Counts bytes on this machine.
        counter: Option<TrafficCounter>,
        /// Where it is.
        host: String,
        /// Where it is.
        port: u16,
    },
}

impl WatchMethod {
    /// Counted on this machine; there is no need to where only times are measured.
    fn vnc(host: &str, port: u16) -> Result<Self> {
        let counter = (host == "127.0.0.1").then(|| TrafficCounter::before(port)).transpose()?;
        let port = counter.as_ref().map_or(port, |counter| counter.port);
        Ok(Self::Vnc { counter, host: host.to_owned(), port })
    }
}

/// The network of a scene with a link.
fn network(far: &OfficeLink) -> Result<NamespaceNetwork> {
    let mut network = NamespaceNetwork::new()?.context("the links need network namespaces")?;
    network.machine("home", HOME)?;
    far.lay(&mut network)?;
    Ok(network)
}

impl ScreenComparison {
    /// On this machine, or with the viewer behind a link.
    ///
    /// # Errors
    /// A program is missing, or does not start.
    pub fn set(system: ComparedSystem, logs: &ProgramLogs, far: Option<&OfficeLink>) -> Result<Self> {
        let network = far.map(network).transpose()?;
        let place =
            |name: &str| network.as_ref().map_or_else(ProgramPlace::default, |network| network.place(name));
        let viewer = XDisplay::virtual_frame_buffer(WIDTH, HEIGHT, logs)?.at(place("office"));
        let port = vnc::free_port()?;
        let host = if network.is_some() { HOME } else { "127.0.0.1" };
        let device = match system {
            ComparedSystem::Xvnc => vnc::xvnc(WIDTH, HEIGHT, &place("home"), port, logs)?,
            _ => XDisplay::virtual_frame_buffer(WIDTH, HEIGHT, logs)?.at(place("home")),
        };
        let managers = [device.window_manager()?, viewer.window_manager()?];
        device.run(&["xsetroot", "-solid", "#335577"])?;
        let mut programs = Vec::new();
        let watched = match system {
            ComparedSystem::Ours => Self::ours(&device, network.as_ref())?,
            ComparedSystem::Xvnc => WatchMethod::vnc(host, port)?,
            ComparedSystem::X0vncserver => {
                programs.push(vnc::scrape(&device, VncScraper::X0vncserver, port)?);
                WatchMethod::vnc(host, port)?
            }
            ComparedSystem::X11vnc => {
                programs.push(vnc::scrape(&device, VncScraper::X11vnc, port)?);
                WatchMethod::vnc(host, port)?
            }
        };
        Ok(Self { device, viewer, programs, watched, _managers: managers, network })
    }

    fn ours(device: &XDisplay, network: Option<&NamespaceNetwork>) -> Result<WatchMethod> {
        let site = match network {
            None => TestDeployment::new()?,
            Some(network) => TestDeployment::planned(SitePlan {
                place: network.place("relay"),
                host: RELAY.to_owned(),
                people: network.place("office"),
                ..SitePlan::default()
            })?,
        };
        let place = network.map_or_else(ProgramPlace::default, |network| network.place("home"));
        let agent = site.device_at("desk", place.then(&["env", &format!("DISPLAY={}", device.name)]))?;
        agent.allow("\"view\", \"control\"", true)?;
        let words = ["connect", "desk", "--no-open", "--ask", "view,control"];
        let client = site.admin().start(&words)?;
        Ok(WatchMethod::Ours { site: Box::new(site), agent: Box::new(agent), client: Box::new(client) })
    }

    /// Opens the viewer; how many bytes and how much time the first picture took.
    ///
    /// # Errors
    /// Nothing is shown.
    pub fn open(&mut self, marker_color: u32) -> Result<(f64, f64)> {
        let before = self.bytes()?;
        let viewer = match &mut self.watched {
            WatchMethod::Ours { client, .. } => {
                let event = client.event("viewer")?;
                let url =
                    event.get("url").and_then(serde_json::Value::as_str).context("no address")?.to_owned();
                self.viewer.chromium(&url, &["--window-size=1920,1080"])?
            }
            WatchMethod::Vnc { host, port, .. } => vnc::viewer(&self.viewer, host, *port)?,
        };
        self.programs.push(viewer);
        let eye = self.viewer.eye()?;
        let began = Instant::now();
        let mut first_byte = None;
        until(FIRST, "a first picture", || {
            // A handshake and a key-alive are smaller than any picture.
            if first_byte.is_none() && self.bytes()? > before + 4_000.0 {
                first_byte = Some(Instant::now());
            }
            Ok(eye.find(marker_color)?.is_some())
        })?;
        let took = first_byte.unwrap_or(began).elapsed();
        let mut last = (self.bytes()?, Instant::now());
        until(FIRST, "a whole first picture", || {
            let now = self.bytes()?;
            if now > last.0 + 600.0 {
                last = (now, Instant::now());
            }
            Ok(last.1.elapsed() > QUIET)
        })?;
        Ok((last.0 - before, took.as_secs_f64() * 1e3))
    }

    /// That were sent to the viewer so far, as on a wire.
    ///
    /// # Errors
    /// The process that counts them is gone.
    pub fn bytes(&self) -> Result<f64> {
        match &self.watched {
            // Behind a link, the relay's metrics are on a machine that this one can't reach.
            WatchMethod::Ours { site, .. } if self.network.is_none() => forwarded(site.port),
            WatchMethod::Ours { .. } => Ok(0.0),
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            WatchMethod::Vnc { counter, .. } => {
                Ok(counter.as_ref().map_or(0.0, |counter| counter.bytes() as f64))
            }
        }
    }

    /// Processor time so far of what runs on the device for the watching, and of its X server.
    ///
    /// # Errors
    /// A program is gone.
    pub fn cpu(&self) -> Result<Duration> {
        let mut total = cpu_time(u32::try_from(self.device.server.pid())?, None)?;
        match &self.watched {
            WatchMethod::Ours { agent, .. } => {
                for pid in with_children(agent.program.pid())? {
                    total += cpu_time(pid, None).unwrap_or_default();
                }
            }
            // The first is the scraper; a viewer follows.
            WatchMethod::Vnc { .. } => {
                if let [scraper, _viewer] = self.programs.as_slice() {
                    total += cpu_time(u32::try_from(scraper.pid())?, None)?;
                }
            }
        }
        Ok(total)
    }
}

/// Times from a square's being drawn to its being seen, in milliseconds: the median and the 95th of 100.
///
/// # Errors
/// It is not seen within a minute.
pub fn latency(marker: &ColorMarker, eye: &PixelReader, at: (i16, i16), marks: usize) -> Result<[f64; 2]> {
    let middle = i16::try_from(MARKER / 4)?;
    let (x, y) = (at.0 + middle, at.1 + middle);
    let mut took = Vec::with_capacity(marks);
    for color in COLORS.into_iter().rev().cycle().take(marks + marks % 2) {
        // Not in step with anybody's frames.
        std::thread::sleep(Duration::from_millis(90 + 7 * (took.len() as u64 % 11)));
        marker.paint(color)?;
        took.push(shown_after(eye, (x, y), color).context("what was drawn")?);
    }
    Ok(median_and_95(took))
}

/// Times from a key's being pressed at the viewer to its being seen there what it did, in milliseconds: the median and
/// the 95th of 100.
///
/// # Errors
/// It is not seen within a minute.
pub fn echo(scene: &ScreenComparison, echo: &KeyEcho, marks: usize) -> Result<[f64; 2]> {
    let eye = scene.viewer.eye()?;
    let [first, _] = echo.colors();
    until(FIRST, "the square that echoes", || Ok(eye.find(first)?.is_some()))?;
    let at = eye.find(first)?.context("the square has gone")?;
    let (x, y) = (at.0 + 8, at.1 + 8);
    let started = first_answer(&eye, echo, (x, y))?;
    let mut took = Vec::with_capacity(marks);
    let following = echo.colors().into_iter().cycle().skip_while(|color| *color != started).skip(1);
    for color in following.take(marks + marks % 2) {
        std::thread::sleep(Duration::from_millis(120 + 7 * (took.len() as u64 % 11)));
        eye.press(KEY_A)?;
        took.push(shown_after(&eye, (x, y), color).context("what the key did")?);
    }
    Ok(median_and_95(took))
}

/// From now until that pixel has that colour, in milliseconds.
fn shown_after(eye: &PixelReader, (x, y): (i16, i16), color: u32) -> Result<f64> {
    let since = Instant::now();
    while eye.pixels(x, y, 1, 1)?.first() != Some(&color) {
        ensure!(since.elapsed() < FIRST, "it was never shown");
        std::thread::sleep(Duration::from_micros(300));
    }
    Ok(since.elapsed().as_secs_f64() * 1e3)
}

fn median_and_95(mut took: Vec<f64>) -> [f64; 2] {
    took.sort_by(f64::total_cmp);
    [50, 95].map(|share| took.get(took.len() * share / 100).copied().unwrap_or(f64::NAN))
}

/// Clicks and presses until a key arrives, then waits until no other is on its way; the colour that is shown then. A viewer
/// takes keys once it was clicked, and once it may use the keyboard, which it shows in no pixel that all of them have.
fn first_answer(eye: &PixelReader, echo: &KeyEcho, (x, y): (i16, i16)) -> Result<u32> {
    let [first, second] = echo.colors();
    let shown = || anyhow::Ok(eye.pixels(x, y, 1, 1)?.first().copied());
    let mut tried: Option<Instant> = None;
    until(FIRST, "the first key's doing", || {
        if tried.is_none_or(|at| at.elapsed() > AGAIN) {
            eye.click(x, y)?;
            eye.press(KEY_A)?;
            tried = Some(Instant::now());
        }
        Ok(shown()? == Some(second))
    })?;
    let mut last = (Some(second), Instant::now());
    until(FIRST, "the end of what the first keys did", || {
        let now = shown()?;
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok(last.1.elapsed() > AGAIN)
    })?;
    last.0.filter(|color| *color == first || *color == second).context("the square has gone")
}

/// Processes below a process, and itself.
///
/// # Errors
/// There is no /proc.
pub fn with_children(pid: i32) -> Result<Vec<u32>> {
    let mut all = vec![u32::try_from(pid)?];
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
        let parent = after.split_whitespace().nth(1).and_then(|parent| parent.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (child, parent)));
    }
    let mut seen = 0;
    while let Some(parent) = all.get(seen).copied() {
        all.extend(parents.iter().filter(|(_, above)| *above == parent).map(|(child, _)| *child));
        seen += 1;
    }
    Ok(all)
}

/// Bytes of IPv4 and UDP before each datagram's content.
const DATAGRAM_HEADERS: f64 = 28.0;

/// Bytes that the relay has forwarded, as on a wire.
///
/// # Errors
/// The relay does not answer.
pub fn forwarded(port: u16) -> Result<f64> {
    let metrics = ScrapedMetrics::read(port)?;
    let packets = metrics.get("nearhand_forwarded_packets_total")?;
    Ok(metrics.get("nearhand_forwarded_bytes_total")? + packets * DATAGRAM_HEADERS)
}
