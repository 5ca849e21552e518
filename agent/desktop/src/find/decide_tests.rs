//! Machines as they are found, and which display of them is the one on the screen.

use std::collections::BTreeSet;

use super::access::{DisplayAccess, NoDisplay};
use super::decide::decide;
use super::seen::{DisplayProgram, LogindSession, MachineDisplays, XServerProcess};

const PAT: u32 = 1000;
const KIM: u32 = 1001;
/// The user of a greeter.
const GREETER: u32 = 112;

/// The display and its user, or why there is none.
type Found = Result<(String, u32), NoDisplay>;
/// What it is about, logind's sessions, the programs, and what is right.
type SessionCase = (&'static str, Vec<LogindSession>, Vec<DisplayProgram>, Found);

/// A session in front of seat0, on virtual terminal 2.
fn session(kind: &str) -> LogindSession {
    let text = str::to_owned;
    let (id, class, seat) = (text("2"), text("user"), text("seat0"));
    LogindSession {
        id,
        user: PAT,
        kind: text(kind),
        class,
        active: true,
        seat,
        vt: 2,
        ..LogindSession::default()
    }
}

fn class(class: &str) -> LogindSession {
    LogindSession { class: class.to_owned(), user: GREETER, ..session("x11") }
}

/// Another one, behind, on terminal 3.
fn behind(kind: &str, user: u32) -> LogindSession {
    LogindSession { id: "3".to_owned(), active: false, user, vt: 3, ..session(kind) }
}

/// A session without a seat: those are always active.
fn seatless(kind: &str, user: u32) -> LogindSession {
    LogindSession { id: "9".to_owned(), seat: String::new(), vt: 0, user, ..session(kind) }
}

fn program(user: u32, display: &str) -> DisplayProgram {
    DisplayProgram { user, display: Some(display.into()), ..DisplayProgram::default() }
}

fn of(session: &str, program: DisplayProgram) -> DisplayProgram {
    DisplayProgram { session: Some(session.to_owned()), ..program }
}

fn server(display: u32, vt: Option<u32>) -> XServerProcess {
    XServerProcess { display, vt, is_xwayland: false }
}

fn machine(sessions: Vec<LogindSession>, programs: Vec<DisplayProgram>) -> MachineDisplays {
    MachineDisplays {
        sessions: Ok(sessions),
        programs,
        servers: Vec::new(),
        served: BTreeSet::new(),
        active_vt: None,
        own_user: 0,
        is_root: true,
    }
}

/// No logind, terminal 7 in front.
fn without_logind(programs: Vec<DisplayProgram>, servers: Vec<XServerProcess>) -> MachineDisplays {
    let sessions = Err("no such file".to_owned());
    MachineDisplays { sessions, servers, active_vt: Some(7), ..machine(Vec::new(), programs) }
}

fn found(seen: &MachineDisplays) -> Found {
    decide(seen).map(|access| (access.owner().display, access.user))
}

fn at(display: &str, user: u32) -> Found {
    Ok((display.to_owned(), user))
}

#[test]
fn the_active_session_of_a_seat_is_chosen() {
    let x11 = |display: &str| LogindSession { display: display.to_owned(), ..session("x11") };
    let seat1 = LogindSession { seat: "seat1".to_owned(), user: KIM, id: "5".to_owned(), ..x11(":1") };
    let remote = LogindSession { remote: true, ..seatless("x11", KIM) };
    let console = || NoDisplay::Console("tty".to_owned());
    let cases: Vec<(&str, Vec<LogindSession>, Found)> = vec![
        ("a display manager's session", vec![behind("tty", KIM), x11(":0")], at(":0", PAT)),
        ("as programs write it", vec![x11(":0.0")], at(":0", PAT)),
        (
            "user classes of newer systemd",
            vec![LogindSession { class: "user-early".into(), ..x11(":0") }],
            at(":0", PAT),
        ),
        ("a second seat behind the first", vec![seat1.clone(), x11(":0")], at(":0", PAT)),
        ("a second seat alone", vec![seat1.clone()], at(":1", KIM)),
        ("a second seat beside a text console", vec![session("tty"), seat1], at(":1", KIM)),
        ("root at a serial console", vec![seatless("tty", 0)], Err(NoDisplay::Nobody)),
        ("root at a serial console, and a desktop", vec![seatless("tty", 0), x11(":0")], at(":0", PAT)),
        ("from the network", vec![remote], Err(NoDisplay::Nobody)),
        ("a greeter", vec![class("greeter")], Err(NoDisplay::LoginScreen)),
        (
            "a greeter before a user's session",
            vec![class("greeter"), behind("x11", PAT)],
            Err(NoDisplay::LoginScreen),
        ),
        ("a lock screen", vec![class("lock-screen"), behind("x11", PAT)], Err(NoDisplay::LockScreen)),
        (
            "a user's manager",
            vec![LogindSession { class: "manager".into(), ..session("unspecified") }],
            Err(NoDisplay::Nobody),
        ),
        (
            "a timer's job",
            vec![LogindSession { class: "background".into(), ..session("unspecified") }],
            Err(NoDisplay::Nobody),
        ),
        ("Wayland", vec![session("wayland")], Err(NoDisplay::Wayland)),
        ("Mir", vec![session("mir")], Err(NoDisplay::Mir)),
        ("a text console", vec![session("tty")], Err(console())),
        ("a text console before a desktop", vec![session("tty"), behind("x11", PAT)], Err(console())),
        ("an X11 session without a display", vec![session("x11")], Err(NoDisplay::Unnamed)),
        ("forwarded by ssh", vec![x11("localhost:10.0")], Err(NoDisplay::Unnamed)),
        ("nobody", vec![], Err(NoDisplay::Nobody)),
    ];
    for (what, sessions, expected) in cases {
        assert_eq!(found(&machine(sessions, Vec::new())), expected, "{what}");
    }
}

#[test]
fn programs_say_the_display_of_a_text_session() {
    for kind in ["tty", "unspecified", "", "web", "x11"] {
        let seen = machine(vec![session(kind)], vec![program(PAT, ":81")]);
        assert_eq!(found(&seen), at(":81", PAT), "{kind}");
        assert_eq!(decide(&seen).unwrap().session.as_deref(), Some("2"));
    }
    let cases: Vec<SessionCase> = vec![
        (
            "the display of the session behind is not on the screen",
            vec![session("tty"), behind("x11", PAT)],
            vec![of("3", program(PAT, ":0")), program(PAT, ":0")],
            Err(NoDisplay::Console("tty".to_owned())),
        ),
        (
            "each of two text sessions has its own",
            vec![session("tty"), behind("tty", PAT)],
            vec![of("3", program(PAT, ":0")), of("2", program(PAT, ":1.0"))],
            at(":1", PAT),
        ),
        (
            "somebody else's",
            vec![session("tty")],
            vec![program(KIM, ":5")],
            Err(NoDisplay::Console("tty".to_owned())),
        ),
        (
            "X11 forwarded by ssh",
            vec![session("tty"), LogindSession { remote: true, ..seatless("tty", PAT) }],
            vec![of("9", program(PAT, "localhost:10.0"))],
            Err(NoDisplay::Console("tty".to_owned())),
        ),
        (
            "a Wayland compositor begun from a console",
            vec![session("tty")],
            vec![DisplayProgram { wayland: true, ..program(PAT, ":0") }],
            Err(NoDisplay::Wayland),
        ),
        (
            "several",
            vec![session("tty")],
            vec![program(PAT, ":1"), program(PAT, ":2")],
            Err(NoDisplay::Several(":1, :2".to_owned())),
        ),
    ];
    for (what, sessions, programs, expected) in cases {
        assert_eq!(found(&machine(sessions, programs)), expected, "{what}");
    }
}

#[test]
fn the_server_on_the_terminal_comes_before_one_in_a_window() {
    let programs = vec![program(PAT, ":0"), program(PAT, ":9")];
    let mut seen = machine(vec![session("tty")], programs.clone());
    seen.servers = vec![server(0, Some(2)), server(9, None)];
    assert_eq!(found(&seen), at(":0", PAT));
    // That of another terminal is not on the screen.
    seen.servers = vec![server(0, Some(3)), server(9, None)];
    assert_eq!(found(&seen), at(":9", PAT));
    // A server that has ended.
    seen.servers = Vec::new();
    seen.served = BTreeSet::from([9]);
    assert_eq!(found(&seen), at(":9", PAT));
    // Wayland's.
    seen.served = BTreeSet::from([0]);
    seen.servers = vec![XServerProcess { is_xwayland: true, ..server(0, None) }];
    seen.programs = vec![DisplayProgram { wayland: true, ..program(PAT, ":0") }];
    assert_eq!(found(&seen), Err(NoDisplay::Wayland));
    // Without logind the terminal in front decides.
    let seen = without_logind(programs, vec![server(0, Some(8)), server(9, Some(7))]);
    assert_eq!(found(&seen), at(":9", PAT));
}

#[test]
fn without_logind_or_a_session_the_programs_say_it() {
    let nothing = || Err(NoDisplay::NoLogind("no such file".to_owned()));
    let by = |programs| without_logind(programs, Vec::new());
    let several = "several users of one display";
    let cases: Vec<(&str, MachineDisplays, Found)> = vec![
        ("startx", by(vec![program(PAT, ":81")]), at(":81", PAT)),
        ("nothing", by(vec![]), nothing()),
        ("forwarded by ssh", by(vec![program(PAT, "localhost:10.0")]), nothing()),
        ("a display manager's root helpers", by(vec![program(0, ":0"), program(PAT, ":0")]), at(":0", PAT)),
        ("root's own desktop", by(vec![program(0, ":0")]), at(":0", 0)),
        ("the login screen", by(vec![program(0, ":0"), program(GREETER, ":0")]), Err(NoDisplay::LoginScreen)),
        (
            several,
            by(vec![program(KIM, ":0"), program(PAT, ":0")]),
            Err(NoDisplay::Several(":0 by several users".into())),
        ),
        (
            "several",
            by(vec![program(KIM, ":1"), program(PAT, ":0")]),
            Err(NoDisplay::Several(":0, :1".into())),
        ),
        ("a greeter and a person", by(vec![program(GREETER, ":0"), program(PAT, ":1")]), at(":1", PAT)),
        ("a kiosk's service, with logind", machine(vec![], vec![program(PAT, ":0")]), at(":0", PAT)),
        (
            "a desktop for the network, with nobody at the screen",
            machine(vec![seatless("x11", PAT)], vec![of("9", program(PAT, ":10"))]),
            at(":10", PAT),
        ),
        (
            "a login prompt before a desktop",
            machine(vec![behind("x11", PAT)], vec![of("3", program(PAT, ":0")), program(PAT, ":0")]),
            Err(NoDisplay::Nobody),
        ),
        (
            "programs of a serial console",
            machine(vec![seatless("tty", 0)], vec![of("9", program(0, ":0"))]),
            Err(NoDisplay::Nobody),
        ),
        (
            "Wayland",
            by(vec![DisplayProgram { wayland: true, display: None, ..program(PAT, "") }]),
            Err(NoDisplay::Wayland),
        ),
    ];
    for (what, seen, expected) in cases {
        assert_eq!(found(&seen), expected, "{what}");
    }
}

#[test]
fn only_root_sees_what_others_have() {
    let mut seen = machine(vec![session("tty")], vec![program(PAT, ":0")]);
    (seen.is_root, seen.own_user) = (false, KIM);
    assert_eq!(found(&seen), Err(NoDisplay::SomebodyElses(PAT)));
    seen.own_user = PAT;
    assert_eq!(found(&seen), at(":0", PAT));
    let mut seen = without_logind(vec![program(PAT, ":0"), program(KIM, ":1")], Vec::new());
    (seen.is_root, seen.own_user) = (false, KIM);
    assert_eq!(found(&seen), at(":1", KIM));
}

#[test]
fn authority_and_home_come_from_a_program_on_that_display() {
    let wrong = DisplayProgram {
        authority: Some("/wrong".into()),
        home: Some("/home/p".into()),
        ..program(PAT, ":9")
    };
    let none = program(PAT, ":0");
    let right = DisplayProgram { authority: Some("/run/user/1000/x=auth".into()), ..program(PAT, ":0.0") };
    let session = LogindSession { display: ":0".to_owned(), ..session("x11") };
    let seen = machine(vec![session], vec![wrong, none, right]);
    let expected = DisplayAccess {
        display: ":0".into(),
        authority: Some("/run/user/1000/x=auth".into()),
        home: Some("/home/p".into()),
        user: PAT,
        seat: Some("seat0".to_owned()),
        session: Some("2".to_owned()),
    };
    assert_eq!(decide(&seen), Ok(expected));
}
