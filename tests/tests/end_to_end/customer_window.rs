//! The customer's window, driven from outside as a person does who has the screen read to them: found by what things are,
//! never by where they are. With the real programs: a relay, an agent, a technician.
//!
//! Presses that must be real come through a VNC server's own devices; imitated ones come from XTEST, as the agent's
//! remote control does.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_tests::build::{self, ProgramBinary};
use nearhand_tests::deployment::{LIMIT, TestDeployment};
use nearhand_tests::program::{ProgramLogs, kill, signal, until};
use nearhand_tests::screen_reader::{DesktopSession, ShownElement};
use nearhand_tests::vnc::VncInput;
use nearhand_tests::window_harness::{WindowHarness, gone};
use nearhand_tests::x_display::XDisplay;
use rustix::process::Signal;
use serde_json::Value;

/// X11/keysymdef.h
const SPACE: u32 = 0x20;
const TAB: u32 = 0xff09;

#[test]
fn a_person_gets_help_from_code_to_thanks() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let mut client = desk.technician(&["--reason", "the printer", "--ask", "view,diagnostics"])?;
    // Who asks, why in their words, and only seeing is ticked.
    let who = reader.wait("consent-who", |_| true)?.name;
    ensure!(who.contains("“Ada Lovelace”") && who.contains("“Acme Support”"), "{who}");
    assert!(reader.wait("consent-reason", |_| true)?.name.contains("the printer"));
    assert!(reader.wait("tick-view", |_| true)?.checked());
    assert!(!reader.wait("tick-diagnostics", |_| true)?.checked());
    // No is what a key that was meant for something else says.
    assert!(reader.wait("deny", ShownElement::focused)?.enabled());
    reader.press("tick-diagnostics")?;
    reader.wait("tick-diagnostics", ShownElement::checked)?;
    desk.allow()?;
    let granted = client.event("granted")?.to_string();
    ensure!(granted.contains("view") && granted.contains("diagnostics"), "{granted}");
    // Both ends write, and see that it was read.
    client.say("can you hear me?")?;
    reader.wait("chat-0", |line| line.name.contains("can you hear me?"))?;
    client.chat("can you hear me?", "shown")?;
    desk.types("chat-text", "loud and clear")?;
    reader.press("chat-send")?;
    client.chat("loud and clear", "received")?;
    reader.wait("mark-1", |mark| mark.name.contains("read"))?;
    // What is done is told as it is done.
    reader.wait("done-0", |line| line.name.contains("Allowed for 15 minutes"))?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    until(LIMIT, "the check is told", || {
        let told = |thing: &ShownElement| {
            thing.id.starts_with("done-") && thing.name.contains("the report was sent")
        };
        Ok(reader.all()?.iter().any(told))
    })?;
    // The banner says who, what and how long, and its Stop ends it.
    reader.wait("banner-who", |line| line.name.contains("Ada Lovelace"))?;
    reader.wait("banner-can", |line| line.name.contains("see the screen") && line.name.contains("left"))?;
    reader.press("banner-stop")?;
    client.ends_with(18)?;
    reader.wait("after", |_| true)?;
    gone(reader, "banner-stop")?;
    reader.wait("after-done-0", |line| line.name.contains("Allowed for 15 minutes"))?;
    reader.press("after-save")?;
    let saved = reader.wait("after-saved", |line| line.name.contains("nearhand-"))?.name;
    let path = saved.chars().filter(|c| !matches!(c, '\u{2068}' | '\u{2069}')).collect::<String>();
    let path = path.strip_prefix("Saved as ").context("no path")?.to_owned();
    let text = std::fs::read_to_string(&path)?;
    ensure!(text.contains("Ada Lovelace") && text.contains("Allowed for 15 minutes"), "{text}");
    reader.press("star-5")?;
    reader.wait("after-rated", |_| true)?;
    reader.press("finish")?;
    reader.wait("code-new", |_| true)?;
    desk.agent.has_audited("session.end", 1)?;
    Ok(())
}

#[test]
fn a_program_presses_nothing_that_widens() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let eye = desk.display.eye()?;
    let mut client = desk.technician(&["--ask", "view"])?;
    reader.wait("allow", |_| true)?;
    gone(reader, "consent-hint")?;
    // Imitated: a click on Allow, and the space bar while it has the keyboard.
    let (x, y) = reader.place("allow")?;
    eye.click(x, y)?;
    reader.wait("remark", |note| note.name.contains("made by a program"))?;
    reader.focus("allow")?;
    reader.wait("allow", ShownElement::focused)?;
    desk.display.run(&["xdotool", "key", "space"])?;
    desk.display.run(&["xdotool", "key", "Return"])?;
    // Sent to the window instead of typed.
    let main = nearhand_tests::x_display::window(&desk.display, "^Nearhand$")?;
    desk.display.run(&["xdotool", "key", "--window", &main, "space"])?;
    assert!(reader.look("allow")?.is_some(), "the request still waits");
    assert_eq!(desk.agent.audited("grant")?, 0);
    // A device: what was imitated is over after a moment, and the same place is pressed again until it counts.
    let mut hand = VncInput::on(desk.port)?;
    until(LIMIT, "a real click", || {
        if reader.look("allow")?.is_none() {
            return Ok(true);
        }
        desk.clicks(&mut hand, "allow")?;
        std::thread::park_timeout(Duration::from_millis(1_500));
        Ok(false)
    })?;
    client.event("granted")?;
    desk.agent.has_audited("grant", 1)?;
    // A program may always end it.
    let (x, y) = reader.place("banner-stop")?;
    eye.click(x, y)?;
    client.ends_with(18)?;
    Ok(())
}

#[test]
fn a_real_key_allows_and_an_imitated_one_denies() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let mut client = desk.technician(&["--ask", "view"])?;
    reader.wait("allow", |_| true)?;
    gone(reader, "consent-hint")?;
    reader.wait("deny", ShownElement::focused)?;
    // By keyboard alone: Deny has it first, Allow is next.
    let mut hand = VncInput::on(desk.port)?;
    hand.key(TAB)?;
    reader.wait("allow", ShownElement::focused)?;
    hand.key(SPACE)?;
    client.event("granted")?;
    client.say("/ask control")?;
    reader.wait("deny", ShownElement::focused)?;
    desk.display.run(&["xdotool", "key", "space"])?;
    gone(reader, "deny")?;
    reader.press("stop")?;
    client.ends_with(18)?;
    Ok(())
}

#[test]
fn when_the_agent_is_killed_the_window_says_so_and_comes_back() -> Result<()> {
    let mut desk = WindowHarness::new()?;
    desk.agent.program.kill()?;
    desk.reader.wait("lost", |_| true)?;
    assert!(desk.window.runs());
    desk.agent.restart()?;
    desk.reader.wait("tab-code", ShownElement::enabled)?;
    desk.agent.wait_connected()?;
    assert!(!desk.code()?.is_empty());
    Ok(())
}

#[test]
fn another_user_does_not_reach_the_socket() -> Result<()> {
    let desk = WindowHarness::new()?;
    let window = build::window()?;
    let socket = desk.agent.data().join("run/agent.sock");
    ensure!(socket.exists(), "{}", socket.display());
    let mode = std::fs::metadata(desk.agent.data())?.permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    // The window of somebody else says that nobody is there; the agent's people are not told of it.
    let other = desk.place.clone().then(&["setpriv", "--reuid", "65534", "--clear-groups"]);
    let tried = format!("exec 3<>/dev/null; [ -r '{0}' ] || [ -w '{0}' ]", socket.display());
    let code = other.program("another user", &["sh", "-c", &tried], desk.site.logs())?.exit(LIMIT)?;
    assert_ne!(code, 0, "another user can open {}", socket.display());
    ensure!(window.exists());
    Ok(())
}

#[test]
fn a_session_outlives_a_closed_window_and_its_banner_stays() -> Result<()> {
    let mut desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let mut client = desk.technician(&["--ask", "view"])?;
    desk.allow()?;
    client.event("granted")?;
    let banner = nearhand_tests::x_display::window(&desk.display, "^Nearhand session$")?;
    // Closed by the window manager, as by its button: the session goes on, and the banner with it.
    let main = nearhand_tests::x_display::window(&desk.display, "^Nearhand$")?;
    desk.display.run(&["xdotool", "windowactivate", "--sync", &main, "key", "alt+F4"])?;
    nearhand_tests::x_display::hidden(&desk.display, "^Nearhand$")?;
    assert!(desk.window.runs());
    // Another program hides it, and lays itself over it.
    desk.display.run(&["xdotool", "windowunmap", &banner])?;
    nearhand_tests::x_display::window(&desk.display, "^Nearhand session$")?;
    reader.press("banner-open")?;
    reader.press("pause")?;
    reader.wait("session-state", |state| state.name.contains("Paused"))?;
    reader.press("resume")?;
    gone(reader, "resume")?;
    reader.press("take-0")?;
    gone(reader, "take-0")?;
    reader.press("stop")?;
    client.ends_with(18)?;
    reader.press("finish")?;
    let main = nearhand_tests::x_display::window(&desk.display, "^Nearhand$")?;
    desk.display.run(&["xdotool", "windowactivate", "--sync", &main, "key", "alt+F4"])?;
    assert_eq!(desk.window.exit(LIMIT)?, 0);
    Ok(())
}

#[test]
fn a_killed_window_stops_everything_until_it_is_there_again() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let mut client = desk.technician(&["--ask", "view"])?;
    desk.allow()?;
    client.granted(true)?;
    let process = reader.process("banner-stop")?;
    kill(process)?;
    ensure!(client.granted(false)?.contains("nobody can see the session"));
    // Nobody did anything: the agent started it again, in the same place and language.
    client.granted(true)?;
    nearhand_tests::x_display::window(&desk.display, "^Nearhand session$")?;
    reader.wait("banner-who", |line| line.name.contains("Ada Lovelace"))?;
    reader.wait("banner-can", |line| line.name.contains("see the screen"))?;
    assert_ne!(reader.process("banner-stop")?, process);
    desk.agent.has_audited("session.paused", 1)?;
    desk.agent.has_audited("session.continued", 1)?;
    reader.press("banner-stop")?;
    client.ends_with(18)?;
    reader.wait("after", |_| true)?;
    Ok(())
}

#[test]
fn a_window_that_hangs_pauses_the_session_until_it_draws_again() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let mut client = desk.technician(&["--ask", "view"])?;
    desk.allow()?;
    client.granted(true)?;
    let process = reader.process("banner-stop")?;
    signal(process, Signal::STOP)?;
    ensure!(client.granted(false)?.contains("nobody can see the session on the device"));
    signal(process, Signal::CONT)?;
    client.granted(true)?;
    ensure!(reader.process("banner-stop")? == process, "it is the same window");
    reader.press("banner-stop")?;
    client.ends_with(18)?;
    Ok(())
}

#[test]
fn a_session_ends_whose_window_can_not_come_back() -> Result<()> {
    let desk = WindowHarness::new()?;
    let mut client = desk.technician(&["--ask", "view"])?;
    desk.allow()?;
    client.granted(true)?;
    kill(desk.reader.process("banner-stop")?)?;
    ensure!(client.granted(false)?.contains("nobody can see the session"));
    // Every one that the agent starts again dies too.
    until(2 * LIMIT, "the end of the session", || {
        for process in desk.agent.program.children("nearhand-window") {
            // It may be gone since.
            let _ = kill(process);
        }
        Ok(!client.program.runs())
    })?;
    client.ends_with(18)?;
    // The technician is told first.
    until(LIMIT, "the end in the record", || Ok(desk.agent.audited("session.end")? == 1))?;
    Ok(())
}

#[test]
fn who_asked_for_help_sees_who_takes_care_of_it() -> Result<()> {
    let desk = WindowHarness::new()?;
    let (reader, admin) = (&desk.reader, desk.site.admin());
    let waiting = || -> Result<Option<Value>> {
        Ok(admin.run(&["queue"])?.ok()?.json()?.pointer("/requests/0").cloned())
    };
    reader.press("tab-help")?;
    desk.types("help-what", "the till is down")?;
    reader.press("urgency-2")?;
    reader.wait("urgency-2", ShownElement::checked)?;
    desk.types("help-reach", "room 7")?;
    reader.press("help-send")?;
    reader.wait("help-status", |line| line.name.contains("You are next"))?;
    let mut request = None;
    until(LIMIT, "the request in the queue", || {
        request = waiting()?;
        Ok(request.is_some())
    })?;
    let request = request.context("no request")?;
    let field = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!(field("what"), "the till is down", "{request}");
    assert_eq!(field("reach"), "room 7", "{request}");
    assert_eq!(field("urgency"), "stopped", "{request}");
    let number = request.get("number").and_then(Value::as_u64).context("no number")?.to_string();
    reader.wait("help-number", |line| line.name.contains(&number))?;
    admin.run(&["queue", "take", &number])?.ok()?;
    reader.wait("help-status", |line| line.name.contains("“Ada Lovelace”"))?;
    reader.press("help-withdraw")?;
    until(LIMIT, "the withdrawal", || Ok(waiting()?.is_none()))?;
    Ok(())
}

#[test]
fn a_window_alone_gets_help_where_nothing_is_installed() -> Result<()> {
    let logs = ProgramLogs::default();
    let display = XDisplay::virtual_frame_buffer(1024, 768, &logs)?;
    let _manager = display.window_manager()?;
    let session = DesktopSession::new(&display)?;
    let reader = session.reader()?;
    let site = TestDeployment::new()?;
    let home = format!("HOME={}", site.directory("home")?.display());
    let place = session.place(&display).then(&["env", "-u", "XDG_RUNTIME_DIR", &home]);
    let mut window = site.guest_window("guest", &place, &["--lang", "en"])?;
    let enter = |text: &str| -> Result<()> {
        reader.focus("site-text")?;
        reader.wait("site-text", ShownElement::focused)?;
        display.run(&["xdotool", "key", "ctrl+a"])?;
        display.run(&["xdotool", "type", text])?;
        Ok(())
    };
    enter("nearhand-site-nonsense")?;
    reader.press("site-go")?;
    reader.wait("site-bad", |_| true)?;
    enter(&site.string()?)?;
    reader.press("site-go")?;
    reader.press("tab-code")?;
    reader.press("code-new")?;
    let code = reader.wait("code", |code| code.name.chars().any(|c| c.is_ascii_digit()))?.name;
    let mut client = site.admin().connect(&code, &["--ask", "view,diagnostics"])?;
    reader.wait("consent-who", |line| line.name.contains("“Acme Support”"))?;
    reader.press("tick-diagnostics")?;
    gone(&reader, "consent-hint")?;
    reader.press("allow")?;
    client.granted(true)?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    reader.press("stop")?;
    client.ends_with(18)?;
    // Closed, the private agent is gone with it.
    reader.press("finish")?;
    let main = nearhand_tests::x_display::window(&display, "^Nearhand$")?;
    display.run(&["xdotool", "windowactivate", "--sync", &main, "key", "alt+F4"])?;
    assert_eq!(window.exit(LIMIT)?, 0);
    Ok(())
}

/// Root runs the test above again as nobody in particular: relay, desktop and all. A user who isn't root has run it as
/// themselves.
#[test]
fn one_off_help_needs_no_root() -> Result<()> {
    const NOBODY: u32 = 65_534;
    // Who /proc/self belongs to.
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(());
    }
    let room = tempfile::Builder::new().prefix("nearhand-nobody-").tempdir()?;
    let give = |path: &Path, mode: u32| -> Result<()> {
        chown(path, Some(NOBODY), Some(NOBODY))?;
        Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?)
    };
    give(room.path(), 0o755)?;
    let [programs, home, runtime, temporary] =
        ["programs", "home", "runtime", "tmp"].map(|name| room.path().join(name));
    for directory in [&programs, &home, &runtime, &temporary] {
        std::fs::create_dir(directory)?;
        give(directory, 0o700)?;
    }
    let test = std::env::current_exe()?;
    build::window()?;
    let names = [ProgramBinary::Agent, ProgramBinary::Client, ProgramBinary::Relay].map(ProgramBinary::path);
    let mut files = names.into_iter().collect::<Result<Vec<_>>>()?;
    files.extend([build::window()?, test.clone()]);
    for file in &files {
        let to = programs.join(file.file_name().context("no name")?);
        // The same file where that can be, else a copy.
        if std::fs::hard_link(file, &to).is_err() {
            std::fs::copy(file, &to)?;
        }
    }
    let own = programs.join(test.file_name().context("no name")?);
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"])
        .args(["env", "-i"])
        .args(std::env::var("PATH").map(|path| format!("PATH={path}")))
        .args(
            [("HOME", &home), ("XDG_RUNTIME_DIR", &runtime), ("TMPDIR", &temporary)]
                .map(|(name, path)| format!("{name}={}", path.display())),
        )
        .args(["LANG=C.UTF-8", "NEARHAND_TESTS_PROGRAMS=beside"])
        .arg(&own)
        .args([
            "--exact",
            "customer_window::a_window_alone_gets_help_where_nothing_is_installed",
            "--nocapture",
        ])
        .current_dir(&home)
        .output()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}
