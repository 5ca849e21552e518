//! What is done on the device's display: nine workloads with real applications.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_tests::program::TestProgram;
use nearhand_tests::x_display::{XDisplay, prop, window};

/// What is done on the device's display.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ScreenWorkload {
    Idle,
    Typing,
    Scrolling,
    Flood,
    Browser,
    Drag,
    Photos,
    Video,
    Files,
}

impl ScreenWorkload {
    pub(crate) const ALL: [Self; 9] = [
        Self::Idle,
        Self::Typing,
        Self::Scrolling,
        Self::Flood,
        Self::Browser,
        Self::Drag,
        Self::Photos,
        Self::Video,
        Self::Files,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Typing => "typing",
            Self::Scrolling => "text scrolling",
            Self::Flood => "terminal flood",
            Self::Browser => "browser scrolling",
            Self::Drag => "window drag",
            Self::Photos => "photos",
            Self::Video => "video in a window",
            Self::Files => "file manager",
        }
    }

    /// Targets as ratios of ours to TigerVNC's X server: bytes, and processor time with the X server.
    pub(crate) const fn targets(self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Idle => (None, None),
            Self::Typing => (Some(0.25), Some(1.0)),
            Self::Browser | Self::Files => (Some(0.05), Some(1.0)),
            Self::Scrolling | Self::Flood => (Some(0.05), Some(1.5)),
            Self::Video => (Some(0.2), Some(1.5)),
            Self::Photos => (Some(0.5), Some(1.5)),
            Self::Drag => (None, Some(1.5)),
        }
    }
}

/// Applications that are on the display, and what is done with them.
pub(crate) struct RunningWorkload<'a> {
    workload: ScreenWorkload,
    display: &'a XDisplay,
    _programs: Vec<TestProgram>,
    window: Option<String>,
}

pub(crate) const TERMINAL: [&str; 7] = ["xterm", "-u8", "-fa", "DejaVu Sans Mono", "-fs", "11", "+sb"];

impl<'a> RunningWorkload<'a> {
    pub(crate) fn begin(workload: ScreenWorkload, display: &'a XDisplay) -> Result<Self> {
        let script = prop("lines.sh").to_string_lossy().into_owned();
        let page = format!("file://{}", prop("page.html").display());
        let terminal = |geometry: &str, title: &str, words: &[&str]| {
            let shape = ["-geometry", geometry, "-T", title, "-e"];
            display.start(&[&TERMINAL, shape.as_slice(), words].concat())
        };
        let size = "--window-size=1920,1080";
        let (programs, window) = match workload {
            ScreenWorkload::Idle => (vec![], None),
            ScreenWorkload::Typing => {
                (vec![terminal("100x30+60+60", "typing", &["cat"])?], Some(window(display, "typing")?))
            }
            ScreenWorkload::Scrolling => {
                (vec![terminal("210x58+0+0", "scroll", &[&script, "100000", "3", "0.09"])?], None)
            }
            ScreenWorkload::Flood => {
                (vec![terminal("210x58+0+0", "flood", &[&script, "100000000", "1", "0"])?], None)
            }
            ScreenWorkload::Browser => {
                (vec![display.chromium(&page, &[size])?], Some(window(display, "page ready")?))
            }
            ScreenWorkload::Photos => {
                let page = format!("{page}#photos");
                (vec![display.chromium(&page, &[size])?], Some(window(display, "page ready")?))
            }
            ScreenWorkload::Drag => {
                // Something written, that stays.
                let written = format!("'{script}' 60 1 0; exec sleep 600");
                let back = terminal("210x58+0+0", "back", &["sh", "-c", &written])?;
                // Or it would come to lie above the other.
                self::window(display, "back")?;
                let drag = terminal("80x24+100+100", "drag", &["sh", "-c", &written])?;
                (vec![back, drag], Some(window(display, "drag")?))
            }
            ScreenWorkload::Video => {
                let source = "mandelbrot=size=640x360:rate=25";
                let play =
                    ["ffplay", "-loglevel", "error", "-f", "lavfi", "-i", source, "-window_title", "video"];
                (vec![display.start(&play)?], Some(window(display, "video")?))
            }
            ScreenWorkload::Files => {
                let home = display.home().join("files");
                for name in ["Documents", "Pictures", "Downloads"] {
                    let folder = home.join(name);
                    std::fs::create_dir_all(&folder)?;
                    for number in 0..60 {
                        std::fs::write(folder.join(format!("{name} {number:02}.txt")), "text\n")?;
                    }
                }
                let shown = home.to_string_lossy().into_owned();
                (vec![display.start(&["pcmanfm", "--no-desktop", &shown])?], Some(window(display, "files")?))
            }
        };
        Ok(Self { workload, display, _programs: programs, window })
    }

    /// Does it for so long.
    pub(crate) fn perform(&mut self, window: Duration) -> Result<()> {
        let until = Instant::now() + window;
        match self.workload {
            ScreenWorkload::Typing => {
                let text =
                    "the quick brown fox jumps over the lazy dog and types on and on until it is done ";
                let letters = usize::try_from(window.as_millis() / 90)?;
                let text: String = text.chars().cycle().take(letters).collect();
                self.display.run(&["xdotool", "type", "--delay", "80", &text])?;
            }
            ScreenWorkload::Drag => {
                let id = self.window.clone().context("no window")?;
                let mut script = String::new();
                let steps = u32::try_from(window.as_millis() / 40)?;
                for step in 0..steps {
                    let t = f64::from(step) / 12.0;
                    let (x, y) = (500.0 + 420.0 * t.sin(), 350.0 + 250.0 * (t * 0.7).cos());
                    let _ = writeln!(script, "windowmove --sync {id} {x:.0} {y:.0} sleep 0.03");
                }
                let file = self.display.home().join("drag.xdo");
                std::fs::write(&file, script)?;
                self.display.run(&["xdotool", &file.to_string_lossy()])?;
            }
            ScreenWorkload::Files => {
                for keys in
                    ["Home", "Return", "Down", "Down", "Page_Down", "Page_Down", "End", "Home", "alt+Up"]
                        .iter()
                        .cycle()
                {
                    if Instant::now() >= until {
                        break;
                    }
                    self.display.run(&["xdotool", "key", keys])?;
                    std::thread::sleep(Duration::from_millis(350));
                }
            }
            ScreenWorkload::Idle
            | ScreenWorkload::Scrolling
            | ScreenWorkload::Flood
            | ScreenWorkload::Browser
            | ScreenWorkload::Photos
            | ScreenWorkload::Video => {}
        }
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        Ok(())
    }
}
