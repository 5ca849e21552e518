//! Screens of every depth that shows colours, screens larger than a picture, and buttons that the person has swapped.

use nearhand_proto::message::screen::{InputEvent, InputNotice, MouseButton, ScreenQuality};
use nearhand_screen::Size;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, EventMask, WindowClass};
use x11rb::rust_connection::RustConnection;

use crate::desktop_client::TestDesktop;
use crate::display::{Xvfb, until};
use crate::screen::{TestPainter, TestViewer};
use nearhand_desktop::protocol::{FromDesktop, ToDesktop};

#[test]
fn every_depth_of_true_colour_is_shown() {
    // Depth, its pixels of red, green, blue and grey, and how they are seen.
    let cases: [(&str, [u32; 4], [u32; 4]); 4] = [
        ("15", [0x7c00, 0x3e0, 0x1f, 0x4210], [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x0084_8484]),
        ("16", [0xf800, 0x7e0, 0x1f, 0x8410], [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x0084_8284]),
        (
            "24",
            [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x0080_8080],
            [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x0080_8080],
        ),
        (
            "30",
            [0x3ff0_0000, 0x000f_fc00, 0x3ff, 0x2008_0200],
            [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x0080_8080],
        ),
    ];
    for (depth, pixels, seen) in cases {
        // A width that is no multiple of four bytes at 16 bits.
        let display = Xvfb::start(&format!("333x200x{depth}"));
        let painter = TestPainter::start(&display);
        let mut desktop = TestDesktop::start(&display);
        let mut viewer = TestViewer::start(&mut desktop, None);
        for (place, pixel) in (0_i16..).zip(pixels) {
            painter.fill(10 + 31 * place, 20, 31, 15, pixel);
        }
        viewer.until(&mut desktop, &format!("the colours of depth {depth}"), |viewer| {
            (0_u16..).zip(seen).all(|(place, colour)| {
                let row = |y| viewer.picture.row(10 + 31 * place, y, 31);
                row(20) == vec![colour; 31] && row(34) == vec![colour; 31]
            })
        });
        // The drawing over it is a strong red there, too.
        desktop.send(&ToDesktop::Laser(nearhand_proto::message::screen::ScreenPoint { x: 200, y: 150 }));
        viewer.until(&mut desktop, "the drawing", |viewer| {
            viewer.picture.row(200, 150, 1).first().is_some_and(|pixel| {
                let (red, green) = (pixel >> 16, pixel >> 8 & 0xff);
                red > 0xe0 && green < 0x40
            })
        });
        desktop.close();
    }
}

#[test]
fn a_screen_larger_than_a_picture_is_shown_monitor_by_monitor() {
    let display = Xvfb::start("15360x2880x24");
    for (name, place) in [("left", 0), ("middle", 5120), ("right", 10_240)] {
        let output = if name == "left" { "screen" } else { "none" };
        let place = format!("5120/1200x2880/670+{place}+0");
        display.run("xrandr", &["--setmonitor", name, &place, output]);
    }
    let painter = TestPainter::start(&display);
    let mut desktop = TestDesktop::start(&display);
    let mut viewer = TestViewer::start(&mut desktop, None);
    viewer.until(&mut desktop, "the reason", |viewer| viewer.gone.is_some());
    let why = viewer.gone.take().unwrap();
    assert!(why.contains("15360 × 2880") && why.contains("1, 2, 3"), "{why}");
    assert_eq!(
        viewer.monitors.iter().map(|m| (m.number, m.x)).collect::<Vec<_>>(),
        [(1, 0), (2, 5120), (3, 10_240)]
    );
    painter.fill(5_120, 0, 40, 40, 0x00ab_cdef);
    viewer = TestViewer::start(&mut desktop, Some(2));
    viewer.until(&mut desktop, "the second monitor", |viewer| {
        viewer.picture.size() == Size { width: 5120, height: 2880 }
            && viewer.picture.row(0, 39, 40) == vec![0x00ab_cdef; 40]
    });
    // A picture of everything is refused with the same reason.
    desktop.send(&ToDesktop::StopView);
    desktop.send(&ToDesktop::Picture);
    let why = desktop.wait_for("the reason", |message| match message {
        FromDesktop::Screen(nearhand_proto::message::screen::FromScreen::Gone(why)) => Some(why),
        _ => None,
    });
    assert!(why.contains("larger than can be shown"), "{why}");
    desktop.close();
}

#[test]
fn a_monitor_that_is_too_large_says_so() {
    let display = Xvfb::start("7680x8640x24");
    let mut desktop = TestDesktop::start(&display);
    for monitor in [None, Some(1)] {
        desktop.send(&ToDesktop::View { monitor, quality: ScreenQuality::Auto });
        let mut viewer = TestViewer::ready();
        viewer.until(&mut desktop, "the reason", |viewer| viewer.gone.is_some());
        assert!(viewer.gone.unwrap().contains("lower resolution"));
    }
    // The rest goes on: the pointer can be used.
    desktop.point(7_679, 8_639);
    let painter = RustConnection::connect(Some(&display.name)).unwrap();
    let root = painter.0.setup().roots[painter.1].root;
    until("the pointer in the corner", || {
        let at = painter.0.query_pointer(root).unwrap().reply().unwrap();
        (at.root_x, at.root_y) == (7_679, 8_639)
    });
    desktop.close();
}

/// A program that notes which buttons are clicked on it.
struct ClickedProgram {
    conn: RustConnection,
}

impl ClickedProgram {
    fn start(display: &Xvfb) -> Self {
        let (conn, screen) = RustConnection::connect(Some(&display.name)).unwrap();
        let (window, root) = (conn.generate_id().unwrap(), conn.setup().roots[screen].root);
        let aux = CreateWindowAux::new().event_mask(EventMask::BUTTON_PRESS | EventMask::EXPOSURE);
        let class = WindowClass::INPUT_OUTPUT;
        conn.create_window(0, window, root, 0, 0, 640, 480, 0, class, 0, &aux).unwrap();
        conn.map_window(window).unwrap();
        conn.flush().unwrap();
        until("its window", || matches!(conn.poll_for_event().unwrap(), Some(Event::Expose(_))));
        Self { conn }
    }

    fn clicked(&self, count: usize) -> Vec<u8> {
        let mut clicked = Vec::new();
        until("the clicks", || {
            while let Some(event) = self.conn.poll_for_event().unwrap() {
                if let Event::ButtonPress(event) = event {
                    clicked.push(event.detail);
                }
            }
            clicked.len() >= count
        });
        clicked
    }
}

#[test]
fn a_click_is_what_the_technician_meant_however_buttons_are_swapped() {
    let display = Xvfb::start("640x480x24");
    let program = ClickedProgram::start(&display);
    let mut desktop = TestDesktop::start(&display);
    desktop.point(100, 100);
    let all = |desktop: &mut TestDesktop| {
        for button in [MouseButton::Primary, MouseButton::Middle, MouseButton::Secondary] {
            desktop.button(button, true);
            desktop.button(button, false);
        }
        desktop.input(InputEvent::Scroll { x: 0, y: 120 });
        desktop.input(InputEvent::Scroll { x: 0, y: -120 });
    };
    for map in ["default", "3 2 1", "1 2 3 5 4", "2 3 1 5 4", "default"] {
        display.run("xmodmap", &["-e", &format!("pointer = {map}")]);
        all(&mut desktop);
        assert_eq!(program.clicked(5), [1, 2, 3, 5, 4], "{map}");
    }
    // The injecting pointer's own table, which X applies as well as that of all pointers.
    let (conn, _) = RustConnection::connect(Some(&display.name)).unwrap();
    set_injecting_buttons(&conn, [3, 2, 1]);
    all(&mut desktop);
    assert_eq!(program.clicked(5), [1, 2, 3, 5, 4]);
    display.run("xmodmap", &["-e", "pointer = 2 1 3"]);
    all(&mut desktop);
    assert_eq!(program.clicked(5), [1, 2, 3, 5, 4]);
    set_injecting_buttons(&conn, [1, 2, 3]);
    // A button that is switched off is told.
    display.run("xmodmap", &["-e", "pointer = 1 0 3"]);
    all(&mut desktop);
    let what = desktop.wait_for("a notice", |message| match message {
        FromDesktop::Input(InputNotice::Unclickable(what)) => Some(what),
        _ => None,
    });
    assert_eq!(what, "the middle button");
    assert_eq!(program.clicked(4), [1, 3, 5, 4]);
    desktop.close();
}

/// Sets the first three buttons of XTEST's pointer.
fn set_injecting_buttons(conn: &RustConnection, buttons: [u8; 3]) {
    use x11rb::protocol::xinput::{self, ConnectionExt as _};
    let devices = conn.xinput_xi_query_device(u16::from(xinput::Device::ALL)).unwrap().reply().unwrap();
    let is_it = |info: &&xinput::XIDeviceInfo| {
        info.type_ == xinput::DeviceType::SLAVE_POINTER
            && String::from_utf8_lossy(&info.name).contains("XTEST")
    };
    let device = u8::try_from(devices.infos.iter().find(is_it).unwrap().deviceid).unwrap();
    conn.xinput_open_device(device).unwrap().reply().unwrap();
    let mut map = conn.xinput_get_device_button_mapping(device).unwrap().reply().unwrap().map;
    map[..3].copy_from_slice(&buttons);
    conn.xinput_set_device_button_mapping(device, &map).unwrap().reply().unwrap();
}
