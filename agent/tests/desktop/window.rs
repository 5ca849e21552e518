//! One window: its own pixels and nobody else's, at every place and also under other windows.

use nearhand_proto::message::screen::ScreenQuality;
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeGCAux, ConfigureWindowAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask,
    Gcontext, PropMode, Rectangle, StackMode, Window, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::desktop_client::TestDesktop;
use crate::display::{Xvfb, until};
use crate::screen::TestViewer;
use nearhand_desktop::protocol::{FromDesktop, OpenWindow, ToDesktop, WindowTarget};

/// What must never be seen.
const SECRET: u32 = 0x00ff_00ff;
/// What the window shows.
const OWN: u32 = 0x0020_8040;
/// And another time.
const LATER: u32 = 0x00c0_9010;

/// A program with windows, without a background unless told otherwise: the server then leaves in a new window's memory
/// the pixels that the screen shows there.
struct WindowedProgram {
    conn: RustConnection,
    root: Window,
    brush: Gcontext,
}

impl WindowedProgram {
    fn start(display: &Xvfb) -> Self {
        let (conn, screen) = RustConnection::connect(Some(&display.name)).unwrap();
        let root = conn.setup().roots[screen].root;
        let brush = conn.generate_id().unwrap();
        conn.create_gc(brush, root, &CreateGCAux::new()).unwrap();
        Self { conn, root, brush }
    }

    fn window(&self, title: &str, place: (i16, i16, u16, u16), aux: CreateWindowAux) -> Window {
        let window = self.conn.generate_id().unwrap();
        let (x, y, width, height) = place;
        let aux = aux.event_mask(EventMask::EXPOSURE);
        let class = WindowClass::INPUT_OUTPUT;
        self.conn
            .create_window(COPY_DEPTH_FROM_PARENT, window, self.root, x, y, width, height, 0, class, 0, &aux)
            .unwrap();
        let (kind, text) = (AtomEnum::STRING, format!("{title}\0{title}"));
        self.conn
            .change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, kind, title.as_bytes())
            .unwrap();
        self.conn
            .change_property8(PropMode::REPLACE, window, AtomEnum::WM_CLASS, kind, text.as_bytes())
            .unwrap();
        self.conn.map_window(window).unwrap();
        self.sync();
        window
    }

    fn sync(&self) {
        self.conn.get_input_focus().unwrap().reply().unwrap();
    }

    fn fill(&self, window: Window, x: i16, y: i16, width: u16, height: u16, colour: u32) {
        self.conn.change_gc(self.brush, &ChangeGCAux::new().foreground(colour)).unwrap();
        let rect = Rectangle { x, y, width, height };
        self.conn.poly_fill_rectangle(window, self.brush, &[rect]).unwrap();
        self.sync();
    }

    fn configure(&self, window: Window, aux: &ConfigureWindowAux) {
        self.conn.configure_window(window, aux).unwrap();
        self.sync();
    }

    /// Draws the whole window in one colour if it was told to draw it.
    fn draw_if_told(&self, window: Window, colour: u32) {
        if self.was_exposed(window) {
            self.fill(window, 0, 0, 640, 480, colour);
        }
    }

    /// Whether it was told to draw that window.
    fn was_exposed(&self, window: Window) -> bool {
        let mut exposed = false;
        while let Some(event) = self.conn.poll_for_event().unwrap() {
            exposed |= matches!(event, Event::Expose(event) if event.window == window);
        }
        exposed
    }
}

/// A display with a secret over everything, and a window below it.
struct SecretScreen {
    display: Xvfb,
    program: WindowedProgram,
    window: Window,
    secret: WindowedProgram,
}

impl SecretScreen {
    fn set() -> Self {
        let display = Xvfb::start("640x480x24");
        let program = WindowedProgram::start(&display);
        let window = program.window("Ledger", (100, 80, 200, 150), CreateWindowAux::new());
        let secret = WindowedProgram::start(&display);
        let solid = CreateWindowAux::new().background_pixel(SECRET);
        secret.window("Secret", (0, 0, 640, 480), solid);
        Self { display, program, window, secret }
    }

    fn see(&self) -> (TestDesktop, TestViewer) {
        let mut desktop = TestDesktop::start(&self.display);
        let aim = WindowTarget::Window(listed(&mut desktop, "Ledger"));
        let viewer = see(&mut desktop, aim);
        (desktop, viewer)
    }
}

fn see(desktop: &mut TestDesktop, aim: WindowTarget) -> TestViewer {
    let viewer = TestViewer::ready();
    desktop.send(&ToDesktop::ViewWindow { aim, quality: ScreenQuality::Auto });
    viewer
}

fn windows(desktop: &mut TestDesktop) -> Vec<OpenWindow> {
    desktop.send(&ToDesktop::Windows);
    desktop.wait_for("the list", |message| match message {
        FromDesktop::Windows(windows) => Some(windows),
        _ => None,
    })
}

fn listed(desktop: &mut TestDesktop, title: &str) -> OpenWindow {
    windows(desktop).into_iter().find(|window| window.title == title).unwrap()
}

/// Looks until it holds, and at every picture on the way for what must not be in it.
fn watch(
    desktop: &mut TestDesktop,
    viewer: &mut TestViewer,
    what: &str,
    mut holds: impl FnMut(&mut TestViewer) -> bool,
) {
    viewer.until(desktop, what, |viewer| {
        assert!(!viewer.picture.pixels().contains(&SECRET), "{what}: a secret is seen");
        holds(viewer)
    });
}

fn count(viewer: &TestViewer, colour: u32) -> usize {
    viewer.picture.pixels().iter().filter(|pixel| **pixel == colour).count()
}

fn size(viewer: &TestViewer) -> (u16, u16) {
    (viewer.picture.size().width, viewer.picture.size().height)
}

#[test]
fn what_lies_over_the_window_is_never_seen() {
    let stage = SecretScreen::set();
    let (program, window) = (&stage.program, stage.window);
    program.was_exposed(window);
    let (mut desktop, mut viewer) = stage.see();
    // Nothing is known of it, and its program is asked to draw. The memory is the screen's, which is the secret's.
    watch(&mut desktop, &mut viewer, "a first picture", |viewer| size(viewer) == (200, 150));
    until("the program's being asked to draw", || program.was_exposed(window));
    assert_eq!(count(&viewer, 0), 200 * 150);
    assert_eq!((viewer.monitors[0].name.as_str(), viewer.monitors.len()), ("Ledger", 1));
    // What it draws is seen although nobody at the device sees it; the rest stays black.
    program.fill(window, 10, 20, 50, 30, OWN);
    watch(&mut desktop, &mut viewer, "what was drawn", |viewer| count(viewer, OWN) == 50 * 30);
    assert_eq!(count(&viewer, 0), 200 * 150 - 50 * 30);
    // A larger window has new memory, again the screen's.
    for (width, height) in [(260, 150), (300, 220), (120, 90)] {
        program.configure(window, &ConfigureWindowAux::new().width(width).height(height));
        let wanted = (u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
        watch(&mut desktop, &mut viewer, "its new size", |viewer| size(viewer) == wanted);
        program.fill(window, 0, 0, 20, 20, LATER);
        watch(&mut desktop, &mut viewer, "what it drew then", |viewer| count(viewer, LATER) == 400);
        assert_eq!(count(&viewer, OWN), 0, "its memory is a new one");
    }
    // Moved, half of it beyond the screen.
    program.configure(window, &ConfigureWindowAux::new().x(-60).y(440));
    program.fill(window, 0, 0, 120, 90, OWN);
    watch(&mut desktop, &mut viewer, "all of it", |viewer| count(viewer, OWN) == 120 * 90);
    desktop.close();
}

#[test]
fn titles_are_read_in_every_encoding() {
    let display = Xvfb::start("640x480x24");
    let program = WindowedProgram::start(&display);
    let atom = |name: &str| program.conn.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let (latin, compound, utf8) = (AtomEnum::STRING.into(), atom("COMPOUND_TEXT"), atom("UTF8_STRING"));
    let cases: &[(u32, &[u8], &str)] = &[
        (latin, b"M\xfcller \xdcbersicht", "Müller Übersicht"),
        (latin, "Grüße in UTF-8".as_bytes(), "Grüße in UTF-8"),
        (compound, b"\x1b%GM\xc3\xbcller CT\x1b%@", "Müller CT"),
        (compound, b"Gr\xfc\xdfe", "Grüße"),
        (compound, b"\x1b-L\xbf\xe0\xd8\xd2\xd5\xe2", "Привет"),
        (compound, b"\x1b$(B\x46\x7c\x4b\x5c\x1b(B", "日本"),
        (utf8, "Überschrift ✓".as_bytes(), "Überschrift ✓"),
        (utf8, "a\u{1b}[2J\u{202e}b\nc".as_bytes(), "a\u{fffd}[2J\u{fffd}b c"),
    ];
    let window = program.window("", (10, 10, 100, 100), CreateWindowAux::new());
    let mut desktop = TestDesktop::start(&display);
    for (kind, bytes, expected) in cases {
        program.conn.change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, *kind, bytes).unwrap();
        program.sync();
        let titles: Vec<String> = windows(&mut desktop).into_iter().map(|window| window.title).collect();
        assert_eq!(titles, [*expected]);
    }
    // What a window manager knows comes first, and nothing is longer than it may be.
    let name = atom("_NET_WM_NAME");
    let long = "ö".repeat(10_000);
    program.conn.change_property8(PropMode::REPLACE, window, name, utf8, long.as_bytes()).unwrap();
    program.sync();
    let title = windows(&mut desktop).remove(0).title;
    let start = title.chars().filter(|c| *c == 'ö').count();
    assert!(start > 50 && title.chars().count() <= nearhand_proto::message::local::MAX_TITLE, "{title}");
    desktop.close();
}

#[test]
fn a_window_out_of_sight_says_so_and_comes_back() {
    let stage = SecretScreen::set();
    let (program, window) = (&stage.program, stage.window);
    let (mut desktop, mut viewer) = stage.see();
    watch(&mut desktop, &mut viewer, "the window", |viewer| {
        program.draw_if_told(window, OWN);
        count(viewer, OWN) == 200 * 150
    });
    program.conn.unmap_window(window).unwrap();
    program.sync();
    watch(&mut desktop, &mut viewer, "its being hidden", |viewer| viewer.gone.is_some());
    assert!(viewer.gone.take().unwrap().contains("minimised"));
    program.conn.map_window(window).unwrap();
    program.sync();
    watch(&mut desktop, &mut viewer, "its return", |viewer| {
        program.draw_if_told(window, LATER);
        count(viewer, LATER) == 200 * 150
    });
    // A second view, as after a lost connection of the page: what is known is still known.
    let aim = WindowTarget::Window(listed(&mut desktop, "Ledger"));
    let mut again = see(&mut desktop, aim.clone());
    watch(&mut desktop, &mut again, "the same", |viewer| count(viewer, LATER) == 200 * 150);
    // Closed: it ends, and the choice is worth nothing more.
    program.conn.destroy_window(window).unwrap();
    program.sync();
    let gone = |message| match message {
        FromDesktop::WindowGone(why) => Some(why),
        _ => None,
    };
    assert!(desktop.wait_for("its end", gone).contains("closed"));
    program.window("Ledger", (100, 80, 200, 150), CreateWindowAux::new());
    desktop.send(&ToDesktop::ViewWindow { aim, quality: ScreenQuality::Auto });
    assert!(desktop.wait_for("its end", gone).contains("closed"));
    desktop.send(&ToDesktop::ViewWindow {
        aim: WindowTarget::Application(vec!["Mail".into()]),
        quality: ScreenQuality::Auto,
    });
    assert!(desktop.wait_for("no such window", gone).contains("no window of Mail"));
    desktop.close();
}

#[test]
fn a_menu_of_the_window_is_seen_and_another_programs_is_not() {
    let stage = SecretScreen::set();
    let (program, window) = (&stage.program, stage.window);
    let (mut desktop, mut viewer) = stage.see();
    watch(&mut desktop, &mut viewer, "the window", |viewer| {
        program.draw_if_told(window, OWN);
        count(viewer, OWN) == 200 * 150
    });
    // A menu that reaches beyond the window.
    let menu = CreateWindowAux::new().override_redirect(1).background_pixel(LATER);
    let menu = program.window("", (280, 100, 100, 40), menu);
    watch(&mut desktop, &mut viewer, "the menu", |viewer| count(viewer, LATER) == 100 * 40);
    assert_eq!(size(&viewer), (280, 150));
    assert_eq!(count(&viewer, OWN), 200 * 150 - 20 * 40);
    // One of another program says that it belongs to the window: the display knows better.
    let theirs = CreateWindowAux::new().override_redirect(1).background_pixel(SECRET);
    let theirs = stage.secret.window("", (120, 90, 30, 30), theirs);
    stage.secret.conn.unmap_window(theirs).unwrap();
    let kind = AtomEnum::WINDOW;
    stage
        .secret
        .conn
        .change_property32(PropMode::REPLACE, theirs, AtomEnum::WM_TRANSIENT_FOR, kind, &[window])
        .unwrap();
    stage.secret.conn.map_window(theirs).unwrap();
    stage.secret.sync();
    program.conn.unmap_window(menu).unwrap();
    program.sync();
    watch(&mut desktop, &mut viewer, "the window alone", |viewer| count(viewer, OWN) == 200 * 150);
    assert_eq!(size(&viewer), (200, 150));
    // With a second window of the program, nobody knows whose menu it is unless the program says so.
    let second = program.window("Other", (0, 300, 50, 50), CreateWindowAux::new().background_pixel(SECRET));
    program.conn.map_window(menu).unwrap();
    program.sync();
    program.fill(window, 0, 0, 1, 1, 0x0000_00ff);
    watch(&mut desktop, &mut viewer, "what came after it", |viewer| count(viewer, 0x0000_00ff) == 1);
    assert_eq!((count(&viewer, LATER), size(&viewer)), (0, (200, 150)));
    program.conn.unmap_window(menu).unwrap();
    program
        .conn
        .change_property32(PropMode::REPLACE, menu, AtomEnum::WM_TRANSIENT_FOR, kind, &[window])
        .unwrap();
    program.conn.map_window(menu).unwrap();
    program.sync();
    watch(&mut desktop, &mut viewer, "its own menu", |viewer| count(viewer, LATER) == 100 * 40);
    program.conn.destroy_window(second).unwrap();
    desktop.close();
}

#[test]
fn the_pointer_is_seen_over_the_window_alone_and_nothing_is_typed() {
    let stage = SecretScreen::set();
    let (program, window) = (&stage.program, stage.window);
    program.configure(window, &ConfigureWindowAux::new().stack_mode(StackMode::ABOVE));
    let (mut desktop, mut viewer) = stage.see();
    let put = |x: i16, y: i16| {
        program.conn.xtest_fake_input(6, 0, 0, program.root, x, y, 0).unwrap();
        program.sync();
    };
    put(150, 100);
    let at = |x, y| Some(Some(nearhand_proto::message::screen::ScreenPoint { x, y }));
    watch(&mut desktop, &mut viewer, "the pointer", |viewer| viewer.pointer == at(50, 20));
    put(20, 20);
    watch(&mut desktop, &mut viewer, "its leaving", |viewer| viewer.pointer == Some(None));
    put(160, 100);
    watch(&mut desktop, &mut viewer, "its return", |viewer| viewer.pointer == at(60, 20));
    // Something over the window hides the pointer with itself.
    let secret = CreateWindowAux::new().background_pixel(SECRET);
    stage.secret.window("Secret", (140, 90, 60, 60), secret);
    put(161, 101);
    watch(&mut desktop, &mut viewer, "its being over another one", |viewer| viewer.pointer == Some(None));
    // A technician who sees only a window can use nothing.
    desktop.point(5, 5);
    desktop.button(nearhand_proto::message::screen::MouseButton::Primary, true);
    program.fill(window, 0, 0, 7, 1, LATER);
    watch(&mut desktop, &mut viewer, "what came after it", |viewer| count(viewer, LATER) == 7);
    let pointer = program.conn.query_pointer(program.root).unwrap().reply().unwrap();
    assert_eq!((pointer.root_x, pointer.root_y, u16::from(pointer.mask)), (161, 101, 0));
    desktop.close();
}
