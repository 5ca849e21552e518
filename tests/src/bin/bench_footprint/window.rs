//! The customer's window: its memory, how soon it is seen, how often it wakes up while nothing changes. On a display of its
//! own, with a session bus and accessibility switched on, and a running agent.
#![allow(clippy::disallowed_methods, reason = "idling is measured for a time")]

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nearhand_tests::program::{ProgramLogs, TestProgram};
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use nearhand_tests::screen_reader::{DesktopSession, ScreenReader};
use nearhand_tests::x_display::{PixelReader, XDisplay};

use crate::peers::wakes;

/// Starts of which the median counts.
const STARTS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(10);
/// After it began to idle: the machine was checked, and the work of starting is over.
const SETTLE: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(20);

/// With the agent that listens on that socket.
pub(crate) fn measure(program: &Path, socket: &Path) -> Result<Vec<BenchmarkRow>> {
    let display = XDisplay::virtual_frame_buffer(1024, 768, &ProgramLogs::default())?;
    let (eye, session) = (display.eye()?, DesktopSession::new(&display)?);
    let place = session.place(&display);
    let (program, socket) = (program.to_string_lossy(), socket.to_string_lossy());
    let open = || place.program("window", &[&*program, "--socket", &*socket, "--lang", "en"], display.logs());
    let mut paints = Vec::new();
    for _ in 0..STARTS {
        paints.push(first_paint(&eye, open)?);
    }
    paints.sort_unstable();
    let paint = paints.get(STARTS / 2).context("no start")?.as_secs_f64() * 1e3;
    let window = open()?;
    let reader = session.reader()?;
    reader.wait("help-send", |_| true)?;
    // Nobody reads on.
    drop::<ScreenReader>(reader);
    sleep(SETTLE);
    let pid = u32::try_from(window.pid())?;
    let before = wakes(pid)?;
    sleep(IDLE);
    #[allow(clippy::cast_precision_loss, reason = "shown with three decimals")]
    let woken = wakes(pid)?.saturating_sub(before) as f64;
    let resident = super::memory(pid)?.resident / 1e6;
    Ok(vec![
        BenchmarkRow::new("window RSS", resident, "MB", Some(30.0), BetterWhen::Lower),
        BenchmarkRow::new("window, start to first paint", paint, "ms", Some(300.0), BetterWhen::Lower),
        BenchmarkRow::new("window, wake-ups in 20 idle s", woken, "", Some(0.0), BetterWhen::Lower),
    ])
}

/// From its start until the display is no longer black there.
fn first_paint(eye: &PixelReader, open: impl Fn() -> Result<TestProgram>) -> Result<Duration> {
    let black = || -> Result<bool> { Ok(eye.pixels(300, 300, 1, 1)?.iter().all(|pixel| *pixel == 0)) };
    wait("the last window is gone", black)?;
    let started = Instant::now();
    let mut window = open()?;
    wait("a window is painted", || Ok(!black()?))?;
    let took = started.elapsed();
    window.kill()?;
    Ok(took)
}

fn wait(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !condition()? {
        ensure!(Instant::now() < until, "waited in vain until {what}");
        sleep(Duration::from_millis(1));
    }
    Ok(())
}
