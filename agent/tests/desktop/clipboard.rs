//! The clipboard, both ways, with a real program at the other end.

use std::process::Stdio;

use nearhand_proto::message::screen::{CLIPBOARD_PART, ClipboardForm, ClipboardMessage, MAX_CLIPBOARD};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, SELECTION_NOTIFY_EVENT,
    SelectionNotifyEvent, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::desktop_client::TestDesktop;
use crate::display::{ChildGuard, Xvfb, until};
use nearhand_desktop::protocol::{FromDesktop, ToDesktop};

/// A program that owns the clipboard until it is stopped.
fn copy(display: &Xvfb, target: &str, content: &[u8]) -> ChildGuard {
    let file = display.path("copied");
    std::fs::write(&file, content).unwrap();
    let mut command = display.command("xclip");
    command.args(["-quiet", "-selection", "clipboard", "-target", target, "-in"]).arg(&file);
    ChildGuard(command.stderr(Stdio::null()).spawn().expect("xclip; scripts/setup installs it"))
}

/// A program that pastes.
fn paste(display: &Xvfb, target: &str) -> std::process::Child {
    let mut command = display.command("xclip");
    command.args(["-selection", "clipboard", "-target", target, "-out"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("xclip; scripts/setup installs it")
}

fn next(desktop: &mut TestDesktop, what: &str) -> ClipboardMessage {
    desktop.wait_for(what, |message| match message {
        FromDesktop::Clipboard(message) => Some(message),
        _ => None,
    })
}

fn told(desktop: &mut TestDesktop, form: ClipboardForm) -> u32 {
    loop {
        if let ClipboardMessage::Has { serial, forms } = next(desktop, "what there is")
            && forms == [(form, None)]
        {
            return serial;
        }
    }
}

fn fetch(desktop: &mut TestDesktop, serial: u32, form: ClipboardForm) -> Vec<u8> {
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Fetch { serial, form }));
    let mut content = Vec::new();
    loop {
        match next(desktop, "a part") {
            ClipboardMessage::Part { serial: s, form: f, bytes, last } => {
                assert_eq!((s, f), (serial, form));
                content.extend(bytes);
                if last {
                    return content;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Bytes that no two places have alike.
fn noise(len: usize) -> Vec<u8> {
    (0_u64..).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]).take(len).collect()
}

#[test]
fn what_is_copied_at_the_device_can_be_fetched() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    desktop.send(&ToDesktop::StartClipboard);
    let large = "größer als ein Stück ✓ ".repeat(200_000);
    let picture = noise(700_000);
    let cases: [(&str, ClipboardForm, &[u8]); 4] = [
        ("UTF8_STRING", ClipboardForm::Text, "kurz: ä€😀\n".as_bytes()),
        ("UTF8_STRING", ClipboardForm::Text, large.as_bytes()),
        ("image/png", ClipboardForm::Png, &picture),
        ("UTF8_STRING", ClipboardForm::Text, b""),
    ];
    for (target, form, content) in cases {
        let _owner = copy(&display, target, content);
        let serial = told(&mut desktop, form);
        assert!(fetch(&mut desktop, serial, form) == content, "{target} of {} bytes", content.len());
        // On demand only, and as often as it is demanded.
        assert!(fetch(&mut desktop, serial, form) == content);
    }
    desktop.close();
}

#[test]
fn what_is_gone_or_too_large_or_a_file_is_refused() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    desktop.send(&ToDesktop::StartClipboard);
    let owner = copy(&display, "UTF8_STRING", b"old");
    let serial = told(&mut desktop, ClipboardForm::Text);
    drop(owner);
    assert!(matches!(next(&mut desktop, "its end"), ClipboardMessage::Has { forms, .. } if forms.is_empty()));
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Fetch { serial, form: ClipboardForm::Text }));
    assert!(matches!(next(&mut desktop, "no"), ClipboardMessage::Refused { serial: s, .. } if s == serial));
    let huge = vec![b'x'; usize::try_from(MAX_CLIPBOARD).unwrap() + 1];
    let owner = copy(&display, "UTF8_STRING", &huge);
    let serial = told(&mut desktop, ClipboardForm::Text);
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Fetch { serial, form: ClipboardForm::Text }));
    assert!(matches!(next(&mut desktop, "no"), ClipboardMessage::Refused { serial: s, .. } if s == serial));
    drop(owner);
    assert!(matches!(next(&mut desktop, "its end"), ClipboardMessage::Has { forms, .. } if forms.is_empty()));
    let _owner = copy(&display, "text/uri-list", b"file:///etc/passwd");
    assert!(matches!(next(&mut desktop, "nothing"), ClipboardMessage::Has { forms, .. } if forms.is_empty()));
    desktop.close();
}

#[test]
fn what_the_technician_copied_is_pasted_when_it_is_asked_for() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    desktop.send(&ToDesktop::StartClipboard);
    let large = "Zeile ä\n".repeat(600_000);
    let picture = noise(900_000);
    let cases: [(u32, &str, ClipboardForm, &[u8]); 4] = [
        (1, "UTF8_STRING", ClipboardForm::Text, "vom Techniker: ß ✓".as_bytes()),
        (2, "text/plain;charset=utf-8", ClipboardForm::Text, large.as_bytes()),
        (3, "image/png", ClipboardForm::Png, &picture),
        (4, "UTF8_STRING", ClipboardForm::Text, b""),
    ];
    for (serial, target, form, content) in cases {
        let forms = vec![(form, None)];
        desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Has { serial, forms }));
        let reader = loop {
            // Until the selection is ours, the program ends at once.
            let mut reader = paste(&display, target);
            let mut asked = None;
            until("the program's asking", || {
                asked = desktop.take_all().pop();
                asked.is_some() || reader.try_wait().unwrap().is_some()
            });
            if let Some(asked) = asked {
                assert_eq!(asked, FromDesktop::Clipboard(ClipboardMessage::Fetch { serial, form }));
                break reader;
            }
        };
        let mut parts = content.chunks(CLIPBOARD_PART).peekable();
        if content.is_empty() {
            desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Part {
                serial,
                form,
                bytes: Vec::new(),
                last: true,
            }));
        }
        while let Some(part) = parts.next() {
            let (bytes, last) = (part.to_vec(), parts.peek().is_none());
            desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Part { serial, form, bytes, last }));
        }
        assert_eq!(next(&mut desktop, "thanks"), ClipboardMessage::Taken { serial });
        assert!(reader.wait_with_output().unwrap().stdout == content, "{target} of {}", content.len());
        // It is known now; nobody is asked again.
        assert!(paste(&display, target).wait_with_output().unwrap().stdout == content);
        assert!(desktop.take_all().is_empty());
    }
    // No longer there: the program gets nothing.
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Has {
        serial: 9,
        forms: vec![(ClipboardForm::Text, None)],
    }));
    let reader = paste(&display, "UTF8_STRING");
    next(&mut desktop, "a fetch");
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Refused { serial: 9, why: "gone".to_owned() }));
    assert!(reader.wait_with_output().unwrap().stdout.is_empty());
    desktop.close();
}

#[test]
fn without_its_grant_nothing_is_told_or_taken() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    let _owner = copy(&display, "UTF8_STRING", b"private");
    until("the program's having it", || {
        paste(&display, "UTF8_STRING").wait_with_output().unwrap().stdout == b"private"
    });
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Has {
        serial: 1,
        forms: vec![(ClipboardForm::Text, None)],
    }));
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Fetch { serial: 0, form: ClipboardForm::Text }));
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Fetch { serial: 1, form: ClipboardForm::Text }));
    assert_eq!(paste(&display, "UTF8_STRING").wait_with_output().unwrap().stdout, b"private");
    // Granted and taken away again.
    desktop.send(&ToDesktop::StartClipboard);
    let serial = told(&mut desktop, ClipboardForm::Text);
    desktop.send(&ToDesktop::StopClipboard);
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Fetch { serial, form: ClipboardForm::Text }));
    assert_eq!(desktop.close(), []);
}

/// A program that owns the clipboard and answers just as it was told.
struct OddOwner {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<Vec<String>>>,
}

/// What an owner answers with: the name of the type, and the bytes.
type OwnerAnswers = &'static [(&'static str, &'static str, &'static [u8])];

/// What an owner lists, what it answers, and the text that comes of it.
type OwnerCase = (Option<&'static [&'static str]>, OwnerAnswers, &'static str);

impl OddOwner {
    /// `targets`: what it lists, unless it lists nothing at all.
    fn start(display: &Xvfb, targets: Option<&'static [&'static str]>, answers: OwnerAnswers) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (conn, screen) = RustConnection::connect(Some(&display.name)).unwrap();
        let atom = |conn: &RustConnection, name: &str| {
            conn.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
        };
        let (window, root) = (conn.generate_id().unwrap(), conn.setup().roots[screen].root);
        let aux = CreateWindowAux::new();
        conn.create_window(0, window, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &aux).unwrap();
        conn.set_selection_owner(window, atom(&conn, "CLIPBOARD"), x11rb::CURRENT_TIME).unwrap();
        conn.get_input_focus().unwrap().reply().unwrap();
        let ended = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                let Some(Event::SelectionRequest(request)) = conn.poll_for_event().unwrap() else {
                    std::thread::park_timeout(std::time::Duration::from_millis(5));
                    continue;
                };
                let name = conn.get_atom_name(request.target).unwrap().reply().unwrap().name;
                let name = String::from_utf8(name).unwrap();
                let answer = answers.iter().find(|(target, ..)| *target == name);
                let property = match (name.as_str(), targets, answer) {
                    ("TARGETS", Some(targets), _) => {
                        let list: Vec<u32> = targets.iter().map(|target| atom(&conn, target)).collect();
                        let (to, at) = (request.requestor, request.property);
                        conn.change_property32(PropMode::REPLACE, to, at, AtomEnum::ATOM, &list).unwrap();
                        request.property
                    }
                    (_, _, Some((_, kind, bytes))) => {
                        let (to, at) = (request.requestor, request.property);
                        conn.change_property8(PropMode::REPLACE, to, at, atom(&conn, kind), bytes).unwrap();
                        request.property
                    }
                    _ => x11rb::NONE,
                };
                asked.push(name);
                let event = SelectionNotifyEvent {
                    response_type: SELECTION_NOTIFY_EVENT,
                    sequence: 0,
                    time: request.time,
                    requestor: request.requestor,
                    selection: request.selection,
                    target: request.target,
                    property,
                };
                conn.send_event(false, request.requestor, EventMask::NO_EVENT, event).unwrap();
                conn.flush().unwrap();
            }
            asked
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends it; what it was asked for.
    fn asked(mut self) -> Vec<String> {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn every_form_of_text_at_the_device_can_be_fetched() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    desktop.send(&ToDesktop::StartClipboard);
    let cases: &[OwnerCase] = &[
        (Some(&["TARGETS", "STRING"]), &[("STRING", "STRING", b"Gr\xfc\xdfe")], "Grüße"),
        (Some(&["STRING", "TEXT"]), &[("TEXT", "COMPOUND_TEXT", b"\x1b-F\xe1")], "α"),
        (Some(&["TEXT"]), &[("TEXT", "STRING", b"M\xfcller")], "Müller"),
        (Some(&["COMPOUND_TEXT"]), &[("COMPOUND_TEXT", "COMPOUND_TEXT", b"\x1b%G\xe2\x9c\x93\x1b%@")], "✓"),
        (Some(&["text/plain"]), &[("text/plain", "text/plain", b"\xc3\xa4\xe2\x9c\x93")], "ä✓"),
        (
            Some(&["text/plain;charset=UTF-8"]),
            &[("text/plain;charset=UTF-8", "text/plain;charset=UTF-8", b"\xc3\xb6")],
            "ö",
        ),
        // It has no list, and some of it is refused.
        (None, &[("UTF8_STRING", "UTF8_STRING", b"ohne Liste \xe2\x9c\x93")], "ohne Liste ✓"),
        (None, &[("STRING", "STRING", b"nur Latin-1: \xfc")], "nur Latin-1: ü"),
        (Some(&["TARGETS", "MULTIPLE"]), &[("STRING", "STRING", b"leere Liste")], "leere Liste"),
        (Some(&["UTF8_STRING", "STRING"]), &[("STRING", "STRING", b"das zweite")], "das zweite"),
        (
            Some(&["UTF8_STRING", "x-kde-passwordManagerHint"]),
            &[("UTF8_STRING", "UTF8_STRING", b"public"), ("x-kde-passwordManagerHint", "STRING", b"public")],
            "public",
        ),
    ];
    for (targets, answers, expected) in cases {
        let owner = OddOwner::start(&display, *targets, answers);
        let serial = told(&mut desktop, ClipboardForm::Text);
        let content = fetch(&mut desktop, serial, ClipboardForm::Text);
        assert_eq!(String::from_utf8(content).unwrap(), *expected);
        owner.asked();
    }
    desktop.close();
}

#[test]
fn passwords_are_not_read_and_other_pictures_are_named() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    desktop.send(&ToDesktop::StartClipboard);
    for hint in [&b"secret"[..], b""] {
        let answers: OwnerAnswers = if hint.is_empty() {
            &[("UTF8_STRING", "UTF8_STRING", b"hunter2")]
        } else {
            &[("UTF8_STRING", "UTF8_STRING", b"hunter2"), ("x-kde-passwordManagerHint", "STRING", b"secret")]
        };
        let targets = &["TARGETS", "UTF8_STRING", "STRING", "x-kde-passwordManagerHint"];
        let owner = OddOwner::start(&display, Some(targets), answers);
        let (serial, why) = nothing(&mut desktop);
        assert!(why.contains("password"), "{why}");
        desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Fetch { serial, form: ClipboardForm::Text }));
        assert!(
            matches!(next(&mut desktop, "no"), ClipboardMessage::Refused { serial: s, .. } if s == serial)
        );
        assert!(!owner.asked().iter().any(|target| target == "UTF8_STRING" || target == "STRING"));
    }
    let owner = OddOwner::start(&display, Some(&["TARGETS", "image/bmp"]), &[]);
    let (_, why) = nothing(&mut desktop);
    assert!(why.contains("image/bmp"), "{why}");
    owner.asked();
    desktop.close();
}

/// Waits until it is told that there is nothing to be had, and why.
fn nothing(desktop: &mut TestDesktop) -> (u32, String) {
    loop {
        if let ClipboardMessage::Refused { serial, why } = next(desktop, "the reason") {
            return (serial, why);
        }
    }
}

/// Offers a text of the technician's, and waits until the selection is ours.
fn offer(desktop: &mut TestDesktop, display: &Xvfb, serial: u32) {
    let forms = vec![(ClipboardForm::Text, None)];
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Has { serial, forms }));
    until("our owning it", || {
        let listed = paste(display, "TARGETS").wait_with_output().unwrap().stdout;
        String::from_utf8_lossy(&listed).contains("COMPOUND_TEXT")
    });
}

/// Gives what is fetched.
fn answer(desktop: &mut TestDesktop, serial: u32, text: &str) {
    let form = ClipboardForm::Text;
    assert_eq!(next(desktop, "a fetch"), ClipboardMessage::Fetch { serial, form });
    let bytes = text.as_bytes().to_vec();
    desktop.send(&ToDesktop::Clipboard(ClipboardMessage::Part { serial, form, bytes, last: true }));
    assert_eq!(next(desktop, "thanks"), ClipboardMessage::Taken { serial });
}

/// A text, and what is pasted of it for each target.
type PasteCase = (&'static str, &'static [(&'static str, &'static [u8])]);

#[test]
fn the_technicians_text_is_pasted_in_every_form() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    desktop.send(&ToDesktop::StartClipboard);
    let cases: &[PasteCase] = &[
        (
            "Grüße",
            &[
                ("STRING", b"Gr\xfc\xdfe"),
                ("TEXT", b"Gr\xfc\xdfe"),
                ("COMPOUND_TEXT", b"Gr\xfc\xdfe"),
                ("text/plain", b"Gr\xc3\xbc\xc3\x9fe"),
                ("text/plain;charset=utf-8", b"Gr\xc3\xbc\xc3\x9fe"),
                ("UTF8_STRING", b"Gr\xc3\xbc\xc3\x9fe"),
            ],
        ),
        (
            "19 € ✓",
            &[
                // Refused: it has no such characters.
                ("STRING", b""),
                ("TEXT", b"19 \x1b-b\xa4 \x1b%G\xe2\x9c\x93\x1b%@"),
                ("UTF8_STRING", b"19 \xe2\x82\xac \xe2\x9c\x93"),
            ],
        ),
    ];
    for (serial, (text, pastes)) in (1..).zip(cases) {
        offer(&mut desktop, &display, serial);
        let mut first = Some(());
        for (target, expected) in *pastes {
            let reader = paste(&display, target);
            if first.take().is_some() {
                answer(&mut desktop, serial, text);
            }
            assert_eq!(reader.wait_with_output().unwrap().stdout, *expected, "{target} of {text}");
        }
    }
    desktop.close();
}

#[test]
fn several_targets_are_answered_at_once() {
    let display = Xvfb::start("640x480x24");
    let mut desktop = TestDesktop::start(&display);
    desktop.send(&ToDesktop::StartClipboard);
    offer(&mut desktop, &display, 1);
    let (conn, screen) = RustConnection::connect(Some(&display.name)).unwrap();
    let atom = |name: &str| conn.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let (window, root) = (conn.generate_id().unwrap(), conn.setup().roots[screen].root);
    let aux = CreateWindowAux::new();
    conn.create_window(0, window, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &aux).unwrap();
    let pairs = [
        (atom("STRING"), atom("P1")),
        (atom("image/png"), atom("P2")),
        (atom("UTF8_STRING"), atom("P3")),
        (atom("TIMESTAMP"), atom("P4")),
        (atom("SAVE_TARGETS"), atom("P5")),
    ];
    let list: Vec<u32> = pairs.iter().flat_map(|(target, property)| [*target, *property]).collect();
    let all = atom("ALL");
    conn.change_property32(PropMode::REPLACE, window, all, atom("ATOM_PAIR"), &list).unwrap();
    conn.convert_selection(window, atom("CLIPBOARD"), atom("MULTIPLE"), all, x11rb::CURRENT_TIME).unwrap();
    conn.flush().unwrap();
    answer(&mut desktop, 1, "ä");
    let mut notified = None;
    until("the answer", || {
        if let Some(Event::SelectionNotify(event)) = conn.poll_for_event().unwrap() {
            notified = Some(event);
        }
        notified.is_some()
    });
    assert_eq!(notified.unwrap().property, all);
    let get = |property: u32| {
        conn.get_property(false, window, property, AtomEnum::ANY, 0, 1000).unwrap().reply().unwrap()
    };
    let done: Vec<u32> = get(all).value32().unwrap().collect();
    let (done, _) = done.as_chunks::<2>();
    let refused: Vec<bool> = done.iter().map(|[_, property]| *property == x11rb::NONE).collect();
    assert_eq!(refused, [false, true, false, false, true]);
    assert_eq!((get(atom("P1")).value, get(atom("P1")).type_), (b"\xe4".to_vec(), atom("STRING")));
    assert_eq!(get(atom("P3")).value, "ä".as_bytes());
    assert_eq!(get(atom("P4")).type_, atom("INTEGER"));
    desktop.close();
}
