//! Displays with real applications on them, driven by other people's programs: an X server without hardware, a window
//! manager, what a customer has open. Lives here: starting, driving, looking at pixels. Must not live here: what is
//! tested or measured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ChangeWindowAttributesAux, ConfigureWindowAux,
    ConnectionExt as _, CreateWindowAux, EventMask, ImageFormat, InputFocus, KEY_PRESS_EVENT,
    KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT, PropMode, StackMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::deployment::ProgramPlace;
use crate::program::{ProgramLogs, TestProgram, until};

/// Limit of anything that only has to start.
const START: Duration = Duration::from_secs(30);
/// Side of a marker, in pixels.
pub const MARKER: u16 = 48;

/// A file of the stage's own: pages and scripts that applications show.
pub fn prop(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stage").join(name)
}

/// An X server, and what runs on it; all ends when it is dropped.
pub struct XDisplay {
    /// Its name, such as `:7`.
    pub name: String,
    /// The X server.
    pub server: TestProgram,
    logs: ProgramLogs,
    home: tempfile::TempDir,
    place: ProgramPlace,
}

impl XDisplay {
    /// A server without hardware.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn virtual_frame_buffer(width: u16, height: u16, logs: &ProgramLogs) -> Result<Self> {
        let screen = format!("{width}x{height}x24");
        Self::started(
            &ProgramPlace::default(),
            &["Xvfb", "-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp", "-noreset"],
            logs,
        )
    }

    /// Any server that prints its number, as `-displayfd 1` asks it to.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn started(place: &ProgramPlace, words: &[&str], logs: &ProgramLogs) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("nearhand-display-").tempdir()?;
        let mut server = place.program(&words.join(" "), words, logs)?;
        let number = server.wait_map("its number", START, |line| line.trim().parse::<u32>().ok())?;
        Ok(Self { name: format!(":{number}"), server, logs: logs.clone(), home, place: place.clone() })
    }

    /// Programs on it are started in that place.
    #[must_use]
    pub fn at(mut self, place: ProgramPlace) -> Self {
        self.place = place;
        self
    }

    /// Starts a program on it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(&self, words: &[&str]) -> Result<TestProgram> {
        let display = format!("DISPLAY={}", self.name);
        let environment = ["env", &display, "LANG=C.UTF-8", "LC_ALL=C.UTF-8"];
        let all = environment.iter().chain(words);
        let all = self.place.words().chain(all.map(|word| (*word).to_owned())).collect::<Vec<_>>();
        TestProgram::start(&words.join(" "), &all, self.home.path(), &self.logs)
    }

    /// Runs a program on it to its end.
    ///
    /// # Errors
    /// The program ended with another exit code than 0.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let mut program = self.start(words)?;
        program.close_input();
        let code = program.exit(START)?;
        ensure!(code == 0, "{words:?} ended with {code}:\n{}", program.text());
        Ok(program.text())
    }

    /// A window manager.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn window_manager(&self) -> Result<TestProgram> {
        let manager = self.start(&["openbox", "--sm-disable"])?;
        let eye = self.eye()?;
        until(START, "a window manager", || eye.has_window_manager())?;
        Ok(manager)
    }

    /// Chromium, with a separate profile, showing one page without anything around it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn chromium(&self, url: &str, more: &[&str]) -> Result<TestProgram> {
        let profile =
            format!("--user-data-dir={}", self.home.path().join(format!("chromium-{}", url.len())).display());
        let fixed = [
            "chromium",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--kiosk",
            "--disable-features=Translate,MediaRouter",
            "--password-store=basic",
            "--window-position=0,0",
        ];
        self.start(&[&fixed, more, &[&profile, url]].concat())
    }

    /// Someone who looks at the display.
    ///
    /// # Errors
    /// The server takes no connection.
    pub fn eye(&self) -> Result<PixelReader> {
        let (connection, screen) = x11rb::connect(Some(&self.name))?;
        let setup = &connection.setup().roots;
        let root = setup.get(screen).context("no screen")?;
        let (width, height) = (root.width_in_pixels, root.height_in_pixels);
        let root = root.root;
        Ok(PixelReader { root, width, height, connection })
    }

    /// What its programs have said.
    pub fn logs(&self) -> &ProgramLogs {
        &self.logs
    }

    /// Where its programs are.
    pub fn place(&self) -> &ProgramPlace {
        &self.place
    }

    /// A directory that its programs have as their home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

/// Looks at a display's pixels.
pub struct PixelReader {
    connection: RustConnection,
    root: Window,
    width: u16,
    height: u16,
}

impl PixelReader {
    /// Pixels `0x00RRGGBB` of a rectangle, row by row.
    ///
    /// # Errors
    /// The display is gone, or the rectangle isn't on it.
    pub fn pixels(&self, x: i16, y: i16, width: u16, height: u16) -> Result<Vec<u32>> {
        let get = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, x, y, width, height, !0)?;
        let data = get.reply()?.data;
        let pixels = data.as_chunks::<4>().0.iter().map(|pixel| u32::from_le_bytes(*pixel) & 0x00ff_ffff);
        Ok(pixels.collect())
    }

    /// All of it.
    ///
    /// # Errors
    /// The display is gone.
    pub fn whole(&self) -> Result<Vec<u32>> {
        self.pixels(0, 0, self.width, self.height)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// Where a square of one colour with a marker's size begins, if there is one.
    ///
    /// # Errors
    /// The display is gone.
    pub fn find(&self, color: u32) -> Result<Option<(i16, i16)>> {
        let width = usize::from(self.width);
        let pixels = self.whole()?;
        let side = usize::from(MARKER) / 2;
        for (y, row) in pixels.chunks_exact(width).enumerate() {
            let Some(x) = row.windows(side).position(|run| run.iter().all(|pixel| *pixel == color)) else {
                continue;
            };
            return Ok(Some((i16::try_from(x)?, i16::try_from(y)?)));
        }
        Ok(None)
    }

    /// Presses a key there and lets it go, as a keyboard would.
    ///
    /// # Errors
    /// The display is gone.
    pub fn press(&self, keycode: u8) -> Result<()> {
        use x11rb::protocol::xtest::ConnectionExt as _;
        for kind in [KEY_PRESS_EVENT, KEY_RELEASE_EVENT] {
            self.connection.xtest_fake_input(kind, keycode, 0, self.root, 0, 0, 0)?;
        }
        self.connection.sync()?;
        Ok(())
    }

    /// Clicks there.
    ///
    /// # Errors
    /// The display is gone.
    pub fn click(&self, x: i16, y: i16) -> Result<()> {
        use x11rb::protocol::xtest::ConnectionExt as _;
        self.connection.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, self.root, x, y, 0)?;
        for kind in [BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT] {
            self.connection.xtest_fake_input(kind, 1, 0, self.root, 0, 0, 0)?;
        }
        self.connection.sync()?;
        Ok(())
    }

    fn has_window_manager(&self) -> Result<bool> {
        let atom = self.connection.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK")?.reply()?.atom;
        let property =
            self.connection.get_property(false, self.root, atom, AtomEnum::WINDOW, 0, 1)?.reply()?;
        Ok(property.value_len > 0)
    }
}

/// A square on a display that nothing covers and whose colour can be changed.
pub struct ColorMarker {
    eye: PixelReader,
    window: Window,
}

impl ColorMarker {
    /// A square at that place.
    ///
    /// # Errors
    /// The display is gone.
    pub fn show(eye: PixelReader, x: i16, y: i16, color: u32) -> Result<Self> {
        let window = eye.connection.generate_id()?;
        let plain = CreateWindowAux::new().background_pixel(color).override_redirect(1);
        let class = WindowClass::INPUT_OUTPUT;
        eye.connection.create_window(0, window, eye.root, x, y, MARKER, MARKER, 0, class, 0, &plain)?;
        eye.connection.change_property8(
            PropMode::REPLACE,
            window,
            AtomEnum::WM_NAME,
            AtomEnum::STRING,
            b"marker",
        )?;
        eye.connection.map_window(window)?;
        eye.connection.sync()?;
        Ok(Self { eye, window })
    }

    /// Its colour from now on. Returns when the server has drawn it.
    ///
    /// # Errors
    /// The display is gone.
    pub fn paint(&self, color: u32) -> Result<()> {
        let connection = &self.eye.connection;
        connection.configure_window(self.window, &ConfigureWindowAux::new().stack_mode(StackMode::ABOVE))?;
        connection.change_window_attributes(
            self.window,
            &ChangeWindowAttributesAux::new().background_pixel(color),
        )?;
        connection.clear_area(false, self.window, 0, 0, 0, 0)?;
        connection.sync()?;
        Ok(())
    }
}

/// A square that changes its colour with every key that is pressed while it has the keyboard, which it takes.
pub struct KeyEcho {
    at: (i16, i16),
    colors: [u32; 2],
}

impl KeyEcho {
    /// A square at that place; it goes with the display.
    ///
    /// # Errors
    /// The display is gone.
    pub fn show(eye: PixelReader, x: i16, y: i16, colors: [u32; 2]) -> Result<Self> {
        let connection = &eye.connection;
        let window = connection.generate_id()?;
        let [first, _] = colors;
        let aux = CreateWindowAux::new()
            .background_pixel(first)
            .override_redirect(1)
            .event_mask(EventMask::KEY_PRESS | EventMask::BUTTON_PRESS | EventMask::EXPOSURE);
        let class = WindowClass::INPUT_OUTPUT;
        connection.create_window(0, window, eye.root, x, y, MARKER, MARKER, 0, class, 0, &aux)?;
        connection.map_window(window)?;
        connection.sync()?;
        connection.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME)?;
        connection.sync()?;
        // Ends with the display.
        std::thread::spawn(move || {
            let mut pressed = 0_usize;
            while let Ok(event) = eye.connection.wait_for_event() {
                let answered = match event {
                    Event::KeyPress(_) => true,
                    // No window manager gives it the focus, and a window that opens later may have taken it.
                    Event::ButtonPress(_) => {
                        let focused =
                            eye.connection.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME);
                        if focused.is_err() || eye.connection.flush().is_err() {
                            return;
                        }
                        false
                    }
                    _ => false,
                };
                if !answered {
                    continue;
                }
                pressed += 1;
                let Some(color) = colors.get(pressed % 2) else { return };
                let paint = ChangeWindowAttributesAux::new().background_pixel(*color);
                let painted = eye.connection.change_window_attributes(window, &paint).is_ok()
                    && eye.connection.clear_area(false, window, 0, 0, 0, 0).is_ok()
                    && eye.connection.flush().is_ok();
                if !painted {
                    return;
                }
            }
        });
        Ok(Self { at: (x, y), colors })
    }

    /// Its upper left corner.
    pub fn at(&self) -> (i16, i16) {
        self.at
    }

    /// Its colours: the first is shown first.
    pub fn colors(&self) -> [u32; 2] {
        self.colors
    }
}

/// A window by its name; waits for it.
///
/// # Errors
/// It doesn't come.
pub fn window(display: &XDisplay, name: &str) -> Result<String> {
    let mut found = None;
    until(START, &format!("the window {name}"), || {
        let mut search = display.start(&["xdotool", "search", "--onlyvisible", "--name", name])?;
        search.exit(START)?;
        found = search.text().lines().rev().find(|line| line.parse::<u64>().is_ok()).map(str::to_owned);
        Ok(found.is_some())
    })?;
    match found {
        Some(id) => Ok(id),
        None => bail!("no window {name}"),
    }
}

/// Waits until no window of that name is to be seen.
///
/// # Errors
/// A window of that name is still visible at the end of the limit.
pub fn hidden(display: &XDisplay, name: &str) -> Result<()> {
    until(START, &format!("the window {name} is hidden"), || {
        let mut search = display.start(&["xdotool", "search", "--onlyvisible", "--name", name])?;
        Ok(search.exit(START)? != 0)
    })
    .map(|_| ())
}

/// Counts how often a display is painted: changes within a few milliseconds are one.
pub struct PaintCounter {
    paints: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// Changes closer together than this are one update: a viewer paints an update in parts.
const ONE_UPDATE: Duration = Duration::from_millis(6);

impl PaintCounter {
    /// Of that display.
    ///
    /// # Errors
    /// It doesn't say what changes.
    pub fn on(eye: PixelReader) -> Result<Self> {
        use x11rb::protocol::damage::{ConnectionExt as _, ReportLevel};
        use x11rb::protocol::xfixes::ConnectionExt as _;
        let connection = &eye.connection;
        connection.damage_query_version(1, 1)?.reply()?;
        connection.xfixes_query_version(5, 0)?.reply()?;
        let damage = connection.generate_id()?;
        connection.damage_create(damage, eye.root, ReportLevel::NON_EMPTY)?;
        connection.sync()?;
        let paints = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = paints.clone();
        // Ends with the display.
        std::thread::spawn(move || {
            let mut last: Option<std::time::Instant> = None;
            while eye.connection.wait_for_event().is_ok() {
                if last.is_none_or(|last| last.elapsed() > ONE_UPDATE) {
                    count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                last = Some(std::time::Instant::now());
                let subtracted = eye.connection.damage_subtract(damage, x11rb::NONE, x11rb::NONE);
                if subtracted.is_err() || eye.connection.flush().is_err() {
                    return;
                }
            }
        });
        Ok(Self { paints })
    }

    /// How often it was painted so far.
    pub fn count(&self) -> u64 {
        self.paints.load(std::sync::atomic::Ordering::Relaxed)
    }
}
