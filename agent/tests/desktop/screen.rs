//! What is seen: pictures exactly as they are, nothing while nothing changes, the newest state and not every one.

use std::time::{Duration, Instant};

use nearhand_proto::message::screen::{
    CursorPicture, FRAMES_IN_FLIGHT, FrameEnd, FromScreen, Monitor, ScreenPoint, ScreenQuality,
};
use nearhand_screen::{Picture, ScreenDecoder, Size};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::xinput::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt, CreateGCAux, CreateWindowAux, Gcontext, ImageFormat,
    MOTION_NOTIFY_EVENT, Rectangle, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::desktop_client::TestDesktop;
use crate::display::{Xvfb, until};
use nearhand_desktop::protocol::{FromDesktop, ToDesktop};

/// A program that draws, and looks at the screen in another way than ours does.
pub(crate) struct TestPainter {
    pub(crate) conn: RustConnection,
    pub(crate) root: Window,
    window: Window,
    brush: Gcontext,
}

impl TestPainter {
    pub(crate) fn start(display: &Xvfb) -> Self {
        let (conn, screen) = RustConnection::connect(Some(&display.name)).unwrap();
        let screen = &conn.setup().roots[screen];
        let (root, width, height) = (screen.root, screen.width_in_pixels, screen.height_in_pixels);
        let (window, brush) = (conn.generate_id().unwrap(), conn.generate_id().unwrap());
        let aux = CreateWindowAux::new().background_pixel(0x0020_4060).override_redirect(1);
        let class = WindowClass::INPUT_OUTPUT;
        conn.create_window(0, window, root, 0, 0, width, height, 0, class, 0, &aux).unwrap();
        conn.map_window(window).unwrap();
        conn.create_gc(brush, window, &CreateGCAux::new()).unwrap();
        conn.get_input_focus().unwrap().reply().unwrap();
        Self { conn, root, window, brush }
    }

    /// One that only looks.
    pub(crate) fn connect(display: &Xvfb) -> Self {
        let painter = Self::start(display);
        painter.conn.unmap_window(painter.window).unwrap();
        painter.conn.get_input_focus().unwrap().reply().unwrap();
        painter
    }

    /// Presses and lets go of a key of the server's own keyboard, as if somebody sat there.
    pub(crate) fn press_as_local(&self, keycode: u8) {
        let devices =
            self.conn.xinput_xi_query_device(u16::from(xinput::Device::ALL)).unwrap().reply().unwrap();
        let keyboard = devices
            .infos
            .iter()
            .find(|info| {
                info.type_ == xinput::DeviceType::SLAVE_KEYBOARD
                    && !String::from_utf8_lossy(&info.name).contains("XTEST")
            })
            .unwrap();
        let extension = self.conn.extension_information(xinput::X11_EXTENSION_NAME).unwrap().unwrap();
        let device = u8::try_from(keyboard.deviceid).unwrap();
        for kind in [xinput::DEVICE_KEY_PRESS_EVENT, xinput::DEVICE_KEY_RELEASE_EVENT] {
            let kind = extension.first_event + kind;
            self.conn.xtest_fake_input(kind, keycode, 0, 0, 0, 0, device).unwrap().check().unwrap();
        }
    }

    pub(crate) fn fill(&self, x: i16, y: i16, width: u16, height: u16, colour: u32) {
        self.conn
            .change_gc(self.brush, &x11rb::protocol::xproto::ChangeGCAux::new().foreground(colour))
            .unwrap();
        let rect = Rectangle { x, y, width, height };
        self.conn.poly_fill_rectangle(self.window, self.brush, &[rect]).unwrap();
        self.conn.flush().unwrap();
    }

    /// Waits until the server has drawn everything.
    fn sync(&self) {
        self.conn.get_input_focus().unwrap().reply().unwrap();
    }

    /// The screen, by the core protocol.
    pub(crate) fn screen(&self) -> Vec<u32> {
        let size = self.conn.get_geometry(self.root).unwrap().reply().unwrap();
        let format = ImageFormat::Z_PIXMAP;
        let asked = self.conn.get_image(format, self.root, 0, 0, size.width, size.height, u32::MAX);
        let data = asked.unwrap().reply().unwrap().data;
        data.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()) & 0xff_ffff).collect()
    }
}

/// The viewer's end.
pub(crate) struct TestViewer {
    decoder: ScreenDecoder,
    pub(crate) picture: Picture,
    part: Vec<u8>,
    pub(crate) frames: Vec<(u32, usize, FrameEnd)>,
    pub(crate) monitors: Vec<Monitor>,
    pub(crate) cursor: Option<CursorPicture>,
    pub(crate) pointer: Option<Option<ScreenPoint>>,
    pub(crate) gone: Option<String>,
    /// Frames are told to be painted at once.
    pub(crate) paints: bool,
}

impl TestViewer {
    pub(crate) fn start(desktop: &mut TestDesktop, monitor: Option<u8>) -> Self {
        desktop.send(&ToDesktop::View { monitor, quality: ScreenQuality::Auto });
        Self::ready()
    }

    /// One that has seen nothing yet.
    pub(crate) fn ready() -> Self {
        Self {
            decoder: ScreenDecoder::new(),
            picture: Picture::black(Size { width: 1, height: 1 }),
            part: Vec::new(),
            frames: Vec::new(),
            monitors: Vec::new(),
            cursor: None,
            pointer: None,
            gone: None,
            paints: true,
        }
    }

    fn take(&mut self, desktop: &mut TestDesktop, message: FromDesktop) {
        match message {
            FromDesktop::Screen(FromScreen::Frame { frame, part, last }) => {
                self.part.extend(part);
                if let Some(end) = last {
                    self.decoder.decode(&self.part, &mut self.picture).expect("a frame");
                    self.frames.push((frame, self.part.len(), end));
                    self.part.clear();
                    if self.paints {
                        desktop.send(&ToDesktop::Painted { frame, decode: 0, paint: 0 });
                    }
                }
            }
            FromDesktop::Screen(FromScreen::Monitors(monitors)) => self.monitors = monitors,
            FromDesktop::Screen(FromScreen::Cursor(cursor)) => self.cursor = Some(cursor),
            FromDesktop::Screen(FromScreen::CursorAt(at)) => self.pointer = Some(at),
            FromDesktop::Screen(FromScreen::Gone(why)) => self.gone = Some(why),
            other => panic!("{other:?}"),
        }
    }

    /// Takes what has come.
    pub(crate) fn look(&mut self, desktop: &mut TestDesktop) {
        for message in desktop.take_all() {
            self.take(desktop, message);
        }
    }

    /// Looks until it holds.
    pub(crate) fn until(
        &mut self,
        desktop: &mut TestDesktop,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) {
        until(what, || {
            self.look(desktop);
            holds(self)
        });
    }

    /// Looks until the picture is the screen.
    pub(crate) fn until_same(&mut self, desktop: &mut TestDesktop, painter: &TestPainter) {
        self.until(desktop, "the picture's being the screen", |viewer| {
            viewer.picture.pixels() == painter.screen()
        });
    }
}

/// What a process has used: how often its threads were woken, and its time on a processor in clock ticks.
pub(crate) fn used(process: u32) -> (u64, u64) {
    let mut switches = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
        switches += line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    }
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (switches, fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

#[test]
fn what_is_drawn_is_what_is_seen() {
    let display = Xvfb::start("800x600x24");
    let painter = TestPainter::start(&display);
    let mut desktop = TestDesktop::start(&display);
    let mut viewer = TestViewer::start(&mut desktop, None);
    viewer.until_same(&mut desktop, &painter);
    assert_eq!(viewer.picture.size(), Size { width: 800, height: 600 });
    assert_eq!((viewer.frames[0].0, viewer.monitors.len()), (1, 1));
    painter.fill(100, 50, 33, 17, 0x00ff_8001);
    painter.fill(795, 595, 50, 50, 0x0001_0203);
    painter.fill(0, 0, 1, 1, 0x00ff_ffff);
    viewer.until_same(&mut desktop, &painter);
    assert_eq!(viewer.picture.row(99, 50, 3), [0x0020_4060, 0x00ff_8001, 0x00ff_8001]);
    let first = viewer.frames[0];
    let later: usize = viewer.frames.iter().skip(1).map(|frame| frame.1).sum();
    assert!(later < first.1.max(500), "{:?}", viewer.frames);
    assert!(viewer.frames.last().unwrap().2.exact);
    // A new view begins at 1, with a whole picture.
    let mut again = TestViewer::start(&mut desktop, None);
    again.until(&mut desktop, "a first frame", |viewer| viewer.frames.iter().any(|f| f.0 == 1));
    again.until_same(&mut desktop, &painter);
    desktop.close();
}

#[test]
fn a_still_screen_wakes_nobody() {
    let display = Xvfb::start("800x600x24");
    let painter = TestPainter::start(&display);
    let mut desktop = TestDesktop::start(&display);
    let mut viewer = TestViewer::start(&mut desktop, None);
    viewer.until_same(&mut desktop, &painter);
    let process = desktop.process.0.id();
    // The last frame's being painted is still on its way: the count stands still when it has come.
    let mut last = used(process);
    let mut since = Instant::now();
    until("two seconds without a wake-up", || {
        viewer.look(&mut desktop);
        let now = used(process);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(2)
    });
    desktop.close();
}

#[test]
fn without_credit_nothing_is_captured_and_then_the_newest() {
    let display = Xvfb::start("800x600x24");
    let painter = TestPainter::start(&display);
    let mut desktop = TestDesktop::start(&display);
    let mut viewer = TestViewer::start(&mut desktop, None);
    viewer.until_same(&mut desktop, &painter);
    viewer.paints = false;
    let before = viewer.frames.len();
    for round in 0..3_000_u32 {
        painter.fill(i16::try_from(round % 50).unwrap(), 20, 40, 40, 0x0001_0101 * (round % 200));
        painter.sync();
        viewer.look(&mut desktop);
    }
    assert!(
        viewer.frames.len() - before <= usize::try_from(FRAMES_IN_FLIGHT).unwrap(),
        "{:?}",
        viewer.frames
    );
    viewer.paints = true;
    let newest = viewer.frames.last().unwrap().0;
    desktop.send(&ToDesktop::Painted { frame: newest, decode: 0, paint: 0 });
    viewer.until_same(&mut desktop, &painter);
    assert!(viewer.frames.len() - before < 20, "{}", viewer.frames.len());
    // Hidden: nothing, however much is drawn; shown again: the newest.
    desktop.send(&ToDesktop::Hidden(true));
    let mut seen = viewer.frames.len();
    painter.fill(300, 300, 10, 10, 0x0012_3456);
    for _ in 0..500 {
        painter.sync();
        viewer.look(&mut desktop);
        // One may have been under way.
        seen = seen.max(viewer.frames.len().min(seen + 1));
    }
    assert!(viewer.frames.len() <= seen);
    desktop.send(&ToDesktop::Hidden(false));
    viewer.until_same(&mut desktop, &painter);
    desktop.close();
}

#[test]
fn the_pointer_is_told_apart_from_the_picture() {
    let display = Xvfb::start("800x600x24");
    let painter = TestPainter::start(&display);
    let mut desktop = TestDesktop::start(&display);
    let mut viewer = TestViewer::start(&mut desktop, None);
    viewer.until(&mut desktop, "a pointer", |viewer| viewer.cursor.is_some() && viewer.pointer.is_some());
    let first = viewer.cursor.take().unwrap();
    let (font, cross) = (painter.conn.generate_id().unwrap(), painter.conn.generate_id().unwrap());
    painter.conn.open_font(font, b"cursor").unwrap();
    // 30 is the crosshair, red on white.
    painter
        .conn
        .create_glyph_cursor(cross, font, font, 30, 31, 0xffff, 0, 0, 0xffff, 0xffff, 0xffff)
        .unwrap();
    let with_cross = ChangeWindowAttributesAux::new().cursor(cross);
    painter.conn.change_window_attributes(painter.window, &with_cross).unwrap();
    painter.conn.flush().unwrap();
    viewer
        .until(&mut desktop, "another pointer", |viewer| viewer.cursor.as_ref().is_some_and(|c| *c != first));
    let cross = viewer.cursor.take().unwrap();
    assert!(cross.rgba.chunks(4).any(|pixel| pixel == [255, 0, 0, 255]), "{cross:?}");
    // One that a program has left behind can't be had from every server: then there is an arrow.
    display.run("xsetroot", &["-cursor_name", "pirate"]);
    painter.conn.destroy_window(painter.window).unwrap();
    painter.conn.flush().unwrap();
    viewer
        .until(&mut desktop, "a third pointer", |viewer| viewer.cursor.as_ref().is_some_and(|c| *c != cross));
    // Where somebody else puts it, is told; where we put it, isn't.
    let elsewhere = |x: i16, y: i16| {
        painter.conn.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, painter.root, x, y, 0).unwrap();
        painter.conn.flush().unwrap();
    };
    let is_at = |x, y| {
        let at = painter.conn.query_pointer(painter.root).unwrap().reply().unwrap();
        (at.root_x, at.root_y) == (x, y)
    };
    desktop.point(11, 22);
    until("its being there", || is_at(11, 22));
    elsewhere(333, 222);
    let there = Some(Some(ScreenPoint { x: 333, y: 222 }));
    viewer.until(&mut desktop, "the pointer's place", |viewer| viewer.pointer == there);
    viewer.pointer = None;
    desktop.point(44, 55);
    until("its being there", || is_at(44, 55));
    elsewhere(331, 222);
    viewer.until(&mut desktop, "its next place", |viewer| {
        assert_ne!(viewer.pointer, Some(Some(ScreenPoint { x: 44, y: 55 })));
        viewer.pointer == Some(Some(ScreenPoint { x: 331, y: 222 }))
    });
    // A program that sets it makes no event of it; it is noticed with what the program draws.
    painter.conn.warp_pointer(0_u32, painter.root, 0, 0, 0, 0, 5, 6).unwrap();
    let window = painter.conn.generate_id().unwrap();
    let aux = CreateWindowAux::new().background_pixel(0x00aa_bbcc);
    painter
        .conn
        .create_window(0, window, painter.root, 9, 9, 9, 9, 0, WindowClass::INPUT_OUTPUT, 0, &aux)
        .unwrap();
    painter.conn.map_window(window).unwrap();
    painter.conn.flush().unwrap();
    let set = Some(Some(ScreenPoint { x: 5, y: 6 }));
    viewer.until(&mut desktop, "its being set", |viewer| viewer.pointer == set);
    desktop.close();
}

#[test]
fn a_new_resolution_is_told_and_shown() {
    let display = Xvfb::start("1024x768x24");
    let painter = TestPainter::start(&display);
    let mut desktop = TestDesktop::start(&display);
    let mut viewer = TestViewer::start(&mut desktop, Some(1));
    viewer.until_same(&mut desktop, &painter);
    let mode = "800x600 38.25 800 832 912 1024 600 603 607 624";
    let new_mode: Vec<&str> = ["--newmode"].into_iter().chain(mode.split(' ')).collect();
    display.run("xrandr", &new_mode);
    display.run("xrandr", &["--addmode", "screen", "800x600"]);
    display.run("xrandr", &["--output", "screen", "--mode", "800x600"]);
    viewer.until(&mut desktop, "the new size", |viewer| {
        viewer.monitors.first().is_some_and(|monitor| (monitor.width, monitor.height) == (800, 600))
    });
    viewer.until_same(&mut desktop, &painter);
    painter.fill(10, 10, 10, 10, 0x00ab_cdef);
    viewer.until_same(&mut desktop, &painter);
    // Two monitors side by side; the right one alone.
    display.run("xrandr", &["--setmonitor", "left", "400/100x600/150+0+0", "screen"]);
    display.run("xrandr", &["--setmonitor", "right", "400/100x600/150+400+0", "none"]);
    viewer.until(&mut desktop, "two monitors", |viewer| viewer.monitors.len() == 2);
    let mut right = TestViewer::start(&mut desktop, Some(2));
    painter.fill(500, 100, 20, 20, 0x0011_2233);
    right.until(&mut desktop, "the right monitor", |viewer| {
        let whole = painter.screen();
        let half: Vec<u32> = whole.chunks(800).flat_map(|row| row[400..].to_vec()).collect();
        viewer.picture.pixels() == half
    });
    assert_eq!(right.picture.size(), Size { width: 400, height: 600 });
    display.run("xrandr", &["--delmonitor", "right"]);
    right.until(&mut desktop, "its being gone", |viewer| viewer.gone.is_some());
    desktop.close();
}

#[test]
fn what_the_technician_draws_is_on_the_screen_and_takes_no_clicks() {
    let display = Xvfb::start("800x600x24");
    let painter = TestPainter::start(&display);
    let mut desktop = TestDesktop::start(&display);
    let plain = painter.screen();
    let at = |x: usize, y: usize| painter.screen()[y * 800 + x];
    desktop.send(&ToDesktop::Stroke {
        number: 1,
        points: [(100, 100), (200, 150)].map(|(x, y)| ScreenPoint { x, y }).to_vec(),
    });
    let red = 0x00f0_2040;
    until("the line", || at(100, 100) == red && at(150, 125) == red && at(200, 150) == red);
    assert_eq!(at(150, 110), 0x0020_4060);
    desktop.send(&ToDesktop::Laser(ScreenPoint { x: 400, y: 400 }));
    until("the light", || at(400, 400) == red && at(405, 400) == red && at(409, 400) != red);
    // The window under the pointer is the one below the drawing.
    desktop.point(150, 125);
    until("the pointer there", || {
        let at = painter.conn.query_pointer(painter.root).unwrap().reply().unwrap();
        (at.root_x, at.root_y) == (150, 125)
    });
    let under = painter.conn.query_pointer(painter.root).unwrap().reply().unwrap();
    assert_eq!(under.child, painter.window);
    until("the light's going out", || at(400, 400) != red);
    assert_eq!(at(150, 125), red);
    desktop.send(&ToDesktop::Wipe);
    until("nothing", || painter.screen() == plain);
    desktop.close();
}

#[test]
fn a_blanked_screen_says_so_and_input_wakes_it() {
    let display = Xvfb::start("640x480x24");
    let painter = TestPainter::start(&display);
    display.run("xset", &["s", "blank"]);
    display.run("xset", &["s", "activate"]);
    let mut desktop = TestDesktop::start(&display);
    let mut viewer = TestViewer::start(&mut desktop, None);
    viewer.until(&mut desktop, "the reason", |viewer| viewer.gone.is_some());
    let why = viewer.gone.take().unwrap();
    assert!(why.contains("screen saver"), "{why}");
    // The technician's movement is one there.
    desktop.point(20, 20);
    viewer.until_same(&mut desktop, &painter);
    // Also while it is watched.
    display.run("xset", &["s", "activate"]);
    viewer.until(&mut desktop, "the reason", |viewer| viewer.gone.is_some());
    desktop.point(30, 30);
    painter.fill(5, 5, 10, 10, 0x0000_00ff);
    viewer.until_same(&mut desktop, &painter);
    desktop.close();
}
