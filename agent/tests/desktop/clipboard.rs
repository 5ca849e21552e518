//! The clipboard, both ways, with a real program at the other end.

use std::process::Stdio;

use nearhand_proto::message::screen::{CLIPBOARD_PART, ClipboardForm, ClipboardMessage, MAX_CLIPBOARD};

use crate::display::{ChildGuard, Xvfb, until};
use crate::talk::TestDesktop;
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
