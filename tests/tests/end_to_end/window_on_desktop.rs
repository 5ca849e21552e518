//! The customer's window and what surrounds it on a desktop: the key for Stop, tray, notifications, colours; reports,
//! the second page of what reaches far, and a person who is nobody special. With the real programs, over AT-SPI.

use anyhow::{Context, Result, ensure};
use nearhand_tests::build;
use nearhand_tests::deployment::LIMIT;
use nearhand_tests::desktop_services::{NotificationService, SettingsPortal, TrayService};
use nearhand_tests::program::until;
use nearhand_tests::screen_reader::ShownElement;
use nearhand_tests::window_harness::{WindowHarness, bring, gone};
use nearhand_tests::x_display;
use serde_json::Value;
use x11rb::protocol::xproto::{ConnectionExt as _, GrabMode, ModMask};

#[test]
fn the_key_for_stop_ends_a_session_whatever_has_the_keyboard() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let mut client = desk.technician(&["--ask", "view"])?;
    desk.allow()?;
    client.granted(true)?;
    reader.wait("banner-key", |line| line.name.contains("Ctrl+Alt+End"))?;
    // Something else has the keyboard.
    let eye = desk.display.eye()?;
    let echo = x_display::KeyEcho::show(desk.display.eye()?, 900, 600, [0x0011_2233, 0x0044_5566])?;
    let [_, typed] = echo.colors();
    desk.display.run(&["xdotool", "key", "a"])?;
    until(LIMIT, "the keyboard is another's", || {
        let (x, y) = echo.at();
        Ok(eye.pixels(x + 4, y + 4, 1, 1)?.first() == Some(&typed))
    })?;
    desk.display.run(&["xdotool", "key", "ctrl+alt+End"])?;
    client.ends_with(18)?;
    reader.wait("after-why", |why| why.name.contains("stopped at this computer"))?;
    // Given back: another may have it now.
    take_key(&desk.display.name)?.context("the key is still taken")?;
    Ok(())
}

#[test]
fn the_banner_says_so_when_another_program_has_the_key() -> Result<()> {
    let desk = WindowHarness::new()?;
    let _taken = take_key(&desk.display.name)?.context("who has the key?")?;
    let mut client = desk.technician(&["--ask", "view"])?;
    desk.allow()?;
    client.granted(true)?;
    desk.reader.wait("banner-key", |line| line.name.contains("used by another program"))?;
    desk.reader.press("banner-stop")?;
    client.ends_with(18)
}

/// Grabs Ctrl+Alt+End for as long as the connection lasts; `None`: somebody has it.
fn take_key(display: &str) -> Result<Option<x11rb::rust_connection::RustConnection>> {
    use x11rb::connection::Connection as _;
    const END: u32 = 0xff57;
    let (connection, screen) = x11rb::connect(Some(display))?;
    let setup = connection.setup();
    let root = setup.roots.get(screen).context("no screen")?.root;
    let (first, last) = (setup.min_keycode, setup.max_keycode);
    let map = connection.get_keyboard_mapping(first, last - first + 1)?.reply()?;
    let each = usize::from(map.keysyms_per_keycode);
    let place = map.keysyms.chunks(each).position(|key| key.contains(&END)).context("no End key")?;
    let (key, with) = (first + u8::try_from(place)?, ModMask::CONTROL | ModMask::M1);
    let grabbed = connection.grab_key(false, root, with, key, GrabMode::ASYNC, GrabMode::ASYNC)?.check();
    Ok(grabbed.is_ok().then_some(connection))
}

#[test]
fn the_tray_says_how_things_stand_and_opens_the_window() -> Result<()> {
    let (desk, tray) = WindowHarness::with(TrayService::on)?;
    let reader = &desk.reader;
    tray.says(|title| title == "Nearhand: nobody is connected")?;
    // Another one, as it is started at login: an icon and nothing else.
    let main = x_display::window(&desk.display, "^Nearhand$")?;
    desk.display.run(&["xdotool", "windowactivate", "--sync", &main, "key", "alt+F4"])?;
    let mut window = desk.window;
    assert_eq!(window.exit(LIMIT)?, 0);
    let program = build::window()?.to_string_lossy().into_owned();
    let socket = desk.agent.data().join("run/agent.sock").to_string_lossy().into_owned();
    let words = [&program, "--tray", "--lang", "en", "--socket", &socket];
    let mut icon = desk.place.program("icon", &words, desk.site.logs())?;
    tray.says(|title| title == "Nearhand: nobody is connected")?;
    x_display::hidden(&desk.display, "^Nearhand$")?;
    let stop = tray.menu()?.into_iter().find(|line| line.label == "Stop the session").context("no stop")?;
    assert!(!stop.enabled, "there is nothing to stop");
    tray.choose("I need help")?;
    reader.wait("help-send", ShownElement::enabled)?;
    x_display::window(&desk.display, "^Nearhand$")?;
    // Somebody is connected: the icon says so, and stops it.
    reader.press("tab-code")?;
    reader.press("code-new")?;
    let code = reader.wait("code", |code| code.name.chars().any(|c| c.is_ascii_digit()))?.name;
    let mut client = desk.site.admin().connect(&code, &["--ask", "view"])?;
    tray.says(|title| title == "Nearhand: somebody asks to connect")?;
    reader.wait("allow", |_| true)?;
    gone(reader, "consent-hint")?;
    reader.press("allow")?;
    client.granted(true)?;
    tray.says(|title| title == "Nearhand: somebody is connected")?;
    tray.choose("Stop the session")?;
    client.ends_with(18)?;
    tray.says(|title| title == "Nearhand: nobody is connected")?;
    // Closed, the icon stays.
    reader.press("finish")?;
    let main = x_display::window(&desk.display, "^Nearhand$")?;
    desk.display.run(&["xdotool", "windowactivate", "--sync", &main, "key", "alt+F4"])?;
    x_display::hidden(&desk.display, "^Nearhand$")?;
    assert!(icon.runs());
    Ok(())
}

#[test]
fn a_request_is_told_by_the_desktop_and_what_a_peer_wrote_is_no_markup() -> Result<()> {
    let (desk, notifications) = WindowHarness::with(NotificationService::on)?;
    let name = "<b>Eve</b> & Sons";
    let eve = desk.site.technician(name)?;
    let code = desk.code()?;
    let mut client = eve.connect(&code, &["--ask", "view"])?;
    let told = notifications.first()?;
    assert_eq!((told.program.as_str(), told.urgency), ("Nearhand", Some(2)), "{told:?}");
    assert_eq!(told.title, "Somebody asks to connect");
    ensure!(told.body.contains("“&lt;b&gt;Eve&lt;/b&gt; &amp; Sons”"), "{}", told.body);
    ensure!(
        told.body.contains("“Acme Support” waits for your answer")
            || told.body.contains("“Acme Support”\u{2069} waits"),
        "{}",
        told.body
    );
    desk.reader.press("deny")?;
    client.event("refused")?;
    client.end()?;
    assert_eq!(notifications.all().len(), 1, "a request is told once");
    Ok(())
}

#[test]
fn a_report_from_the_window_reaches_the_administrators_alone() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let bob = desk.site.technician("Bob")?;
    let code = desk.code()?;
    let mut client = bob.connect(&code, &["--ask", "view"])?;
    desk.allow()?;
    client.granted(true)?;
    reader.press("stop")?;
    client.ends_with(18)?;
    reader.press("star-2")?;
    reader.wait("after-rated", |_| true)?;
    bring(&desk.display, reader, "report")?;
    reader.press("report")?;
    bring(&desk.display, reader, "report-text")?;
    desk.types("report-text", "asked me for my bank login")?;
    bring(&desk.display, reader, "report-send")?;
    reader.press("report-send")?;
    reader.wait("after-reported", |_| true)?;
    let rating = |who: &nearhand_tests::parties::TestTechnician| -> Result<Value> {
        let listed = who.run(&["ratings"])?.ok()?.json()?;
        listed.pointer("/ratings/0").cloned().context("no rating")
    };
    let (all, theirs) = (rating(desk.site.admin())?, rating(&bob)?);
    assert_eq!(all.get("report"), Some(&Value::from("asked me for my bank login")));
    assert_eq!(all.get("stars"), Some(&Value::from(2)));
    assert_eq!(theirs.get("report"), Some(&Value::Null), "not for whom it is about");
    Ok(())
}

#[test]
fn what_reaches_far_needs_the_second_page() -> Result<()> {
    let desk = WindowHarness::new()?;
    let reader = &desk.reader;
    let mut client = desk.technician(&["--ask", "view,runbook"])?;
    reader.wait("tick-runbook", |tick| !tick.checked())?;
    reader.press("tick-runbook")?;
    desk.allow()?;
    // Nothing is granted yet: who, what and its risk are shown again.
    reader.wait("elevated-who", |line| line.name.contains("“Ada Lovelace”"))?;
    assert!(reader.look("allow")?.is_none());
    assert_eq!(desk.agent.audited("grant")?, 0);
    // Back, and without it: the ordinary grant needs no second page.
    reader.press("elevated-back")?;
    reader.press("tick-runbook")?;
    reader.wait("tick-runbook", |tick| !tick.checked())?;
    reader.press("allow")?;
    let granted = client.event("granted")?.to_string();
    ensure!(granted.contains("view") && !granted.contains("runbook"), "{granted}");
    desk.agent.has_audited("grant", 1)?;
    // Asked again, and confirmed.
    client.say("/ask runbook")?;
    reader.press("tick-runbook")?;
    desk.allow()?;
    reader.wait("elevated-who", |_| true)?;
    desk.agent.has_audited("grant", 1)?;
    reader.press("confirm")?;
    let granted = client.event("granted")?.to_string();
    ensure!(granted.contains("runbook"), "{granted}");
    // Unattended is far-reaching too, with any capability.
    client.say("/ask control")?;
    reader.press("tick-control")?;
    bring(&desk.display, reader, "term-2")?;
    reader.press("term-2")?;
    reader.wait("term-2", ShownElement::checked)?;
    desk.allow()?;
    reader.wait("elevated-who", |_| true)?;
    desk.agent.has_audited("grant", 2)?;
    reader.press("deny")?;
    client.event("refused")?;
    reader.press("stop")?;
    client.ends_with(18)?;
    desk.agent.has_audited("grant", 2)?;
    Ok(())
}

#[test]
fn what_can_not_be_pressed_yet_says_why() -> Result<()> {
    let desk = WindowHarness::new()?;
    let _client = desk.technician(&["--ask", "view"])?;
    desk.reader.wait("allow", |allow| allow.description.contains("Please read first"))?;
    desk.reader.wait("allow", |allow| allow.description.is_empty())?;
    desk.reader.press("deny")
}

#[test]
fn the_window_is_dark_where_the_desktop_is() -> Result<()> {
    // A corner of the page below its bar.
    let brightness = |desk: &WindowHarness| -> Result<u32> {
        desk.reader.wait("help-send", |_| true)?;
        let (x, y) = desk.reader.place("help-send")?;
        let pixel = desk.display.eye()?.pixels(x + 200, y, 1, 1)?;
        Ok(pixel.first().context("no pixel")? & 0xff)
    };
    for dark in [true, false] {
        let (desk, _portal) = WindowHarness::with(|session| SettingsPortal::on(session, dark))?;
        let mut seen = 0;
        until(LIMIT, &format!("dark: {dark}"), || {
            seen = brightness(&desk)?;
            Ok((seen < 0x60) == dark)
        })
        .with_context(|| format!("{seen:#x}"))?;
    }
    Ok(())
}
