//! Other people's remote screens, for comparison: TigerVNC's servers and x11vnc with TigerVNC's viewer, through a
//! proxy that counts what crosses. They take no password, and end with the benchmark.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::deployment::ProgramPlace;
use crate::program::{ProgramLogs, TestProgram, until};
use crate::x_display::XDisplay;

/// Limit of anything that only has to start.
const START: Duration = Duration::from_secs(20);

/// A server for a display that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VncScraper {
    /// TigerVNC's server for another X server's display.
    X0vncserver,
    /// The server of LibVNC, `x11vnc`.
    X11vnc,
}

/// Starts a server of a display on a port of this machine.
///
/// # Errors
/// It doesn't start.
pub fn scrape(display: &XDisplay, scraper: VncScraper, port: u16) -> Result<TestProgram> {
    let port_text = port.to_string();
    let option = format!("-rfbport={port_text}");
    let words: &[&str] = match scraper {
        VncScraper::X0vncserver => &["x0vncserver", "-SecurityTypes=None", &option],
        VncScraper::X11vnc => &["x11vnc", "-rfbport", &port_text, "-nopw", "-forever", "-quiet"],
    };
    let server = display.start(words)?;
    wait_listening(display.place(), port, display.logs())?;
    Ok(server)
}

/// TigerVNC's own X server, which needs no scraping.
///
/// # Errors
/// It doesn't start.
pub fn xvnc(
    width: u16,
    height: u16,
    place: &ProgramPlace,
    port: u16,
    logs: &ProgramLogs,
) -> Result<XDisplay> {
    let (geometry, port_text) = (format!("{width}x{height}"), port.to_string());
    // In a separate network it would take a number for free that a server outside has, and who connects from outside
    // would get that one.
    let number = format!(":{}", 100 + port % 900);
    let words = [
        "Xtigervnc",
        &number,
        "-displayfd",
        "1",
        "-geometry",
        &geometry,
        "-depth",
        "24",
        "-SecurityTypes",
        "None",
        "-rfbport",
        &port_text,
        "-AlwaysShared",
    ];
    let display = XDisplay::started(place, &words, logs)?;
    wait_listening(place, port, logs)?;
    Ok(display)
}

/// Waits until somebody listens on a port there.
fn wait_listening(place: &ProgramPlace, port: u16, logs: &ProgramLogs) -> Result<()> {
    let knock = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    until(START, "a VNC server that listens", || {
        Ok(place.program("knock", &["bash", "-c", &knock], logs)?.exit(START)? == 0)
    })?;
    Ok(())
}

/// TigerVNC's viewer over the whole of a display.
///
/// # Errors
/// It can't be started.
pub fn viewer(display: &XDisplay, host: &str, port: u16) -> Result<TestProgram> {
    let to = format!("{host}::{port}");
    display.start(&[
        "xtigervncviewer",
        "-FullScreen",
        "-Shared",
        "-AcceptClipboard=0",
        "-SendClipboard=0",
        &to,
    ])
}

/// Bytes of IPv4 and TCP with its time stamps before each segment's content, and the content of a segment on Ethernet.
const SEGMENT_HEADERS: u64 = 52;
const SEGMENT: u64 = 1448;

/// Passes connections on and counts their bytes, both ways together, as on a wire: with the headers of the segments that
/// the content takes at least. Acknowledgements without content are left out.
pub struct TrafficCounter {
    /// Where it listens.
    pub port: u16,
    bytes: Arc<AtomicU64>,
}

impl TrafficCounter {
    /// In front of a port of this machine.
    ///
    /// # Errors
    /// No port is free.
    pub fn before(target: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let bytes = Arc::new(AtomicU64::new(0));
        let count = bytes.clone();
        // Ends with the process: a benchmark has one for each server.
        thread::spawn(move || {
            for incoming in listener.incoming().flatten() {
                let Ok(onward) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                let _ = incoming.set_nodelay(true);
                let _ = onward.set_nodelay(true);
                let pairs = incoming.try_clone().and_then(|i| Ok((i, onward.try_clone()?)));
                let Ok((incoming_too, onward_too)) = pairs else { continue };
                let (up, down) = (count.clone(), count.clone());
                thread::spawn(move || pass(incoming, onward_too, &up));
                thread::spawn(move || pass(onward, incoming_too, &down));
            }
        });
        Ok(Self { port, bytes })
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..read) else { break };
        let content = read as u64;
        count.fetch_add(content + content.div_ceil(SEGMENT) * SEGMENT_HEADERS, Ordering::Relaxed);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Somebody's hand on the mouse and keyboard of a server that listens on a port: to the X server behind it, these are
/// devices and no imitations (RFC 6143, 7.5.4 and 7.5.5).
pub struct VncInput {
    wire: TcpStream,
}

impl VncInput {
    /// Takes hold of them.
    ///
    /// # Errors
    /// The server doesn't let us in.
    pub fn on(port: u16) -> Result<Self> {
        let mut wire = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        wire.set_nodelay(true)?;
        wire.set_read_timeout(Some(START))?;
        let mut version = [0; 12];
        wire.read_exact(&mut version)?;
        wire.write_all(b"RFB 003.008\n")?;
        let mut count = [0; 1];
        wire.read_exact(&mut count)?;
        let mut kinds = vec![0; usize::from(count[0])];
        wire.read_exact(&mut kinds)?;
        anyhow::ensure!(kinds.contains(&1), "the server wants a password");
        wire.write_all(&[1])?;
        let mut result = [0; 4];
        wire.read_exact(&mut result)?;
        anyhow::ensure!(result == [0; 4], "the server refuses");
        wire.write_all(&[1])?;
        let mut init = [0; 24];
        wire.read_exact(&mut init)?;
        let [.., a, b, c, d] = init;
        let mut name = vec![0; usize::try_from(u32::from_be_bytes([a, b, c, d]))?.min(1024)];
        wire.read_exact(&mut name)?;
        Ok(Self { wire })
    }

    fn pointer(&mut self, x: u16, y: u16, buttons: u8) -> Result<()> {
        let ([a, b], [c, d]) = (x.to_be_bytes(), y.to_be_bytes());
        Ok(self.wire.write_all(&[5, buttons, a, b, c, d])?)
    }

    /// Clicks there.
    ///
    /// # Errors
    /// The server is gone.
    pub fn click(&mut self, x: u16, y: u16) -> Result<()> {
        self.pointer(x, y, 0)?;
        self.pointer(x, y, 1)?;
        self.pointer(x, y, 0)
    }

    /// Presses a key and lets it go: an X key symbol.
    ///
    /// # Errors
    /// The server is gone.
    pub fn key(&mut self, symbol: u32) -> Result<()> {
        for down in [1, 0] {
            let [a, b, c, d] = symbol.to_be_bytes();
            self.wire.write_all(&[4, down, 0, 0, a, b, c, d])?;
        }
        Ok(())
    }
}

/// A TCP port that is free right now.
///
/// # Errors
/// The system has no free port.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
