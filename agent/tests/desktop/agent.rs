//! The agent's end: the process is started for a display that was found, as its user, and its end is told.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use zbus::zvariant::OwnedObjectPath;

use crate::display::{ChildGuard, LIMIT, Xvfb, until};

#[test]
fn the_display_is_found_and_tried() {
    let display = Xvfb::start("1024x768x24");
    let mut command = display.command(env!("CARGO_BIN_EXE_nearhand-agent"));
    let output = command.args(["desktop", "--check"]).env_remove("WAYLAND_DISPLAY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("display {}", display.name)) && said.contains("1024 × 768"), "{said}");
}

#[test]
fn what_is_in_the_way_is_said_in_words() {
    let display = Xvfb::start("640x480x24");
    let check = |name: &str, value: &str| {
        let mut command = display.command(env!("CARGO_BIN_EXE_nearhand-agent"));
        let output = command.args(["desktop", "--check"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let wayland = check("WAYLAND_DISPLAY", "wayland-0");
    assert!(wayland.contains("Wayland") && wayland.contains("X11"), "{wayland}");
    let nothing = check("DISPLAY", ":999");
    assert!(nothing.contains(":999 can't be reached"), "{nothing}");
    let shallow = Xvfb::start("640x480x8");
    let colours = check("DISPLAY", &shallow.name);
    assert!(colours.contains("24 bits"), "{colours}");
}

/// A stand-in for logind on a private bus: one session of user 65534 on that display.
struct FakeLogindBus;

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl FakeLogindBus {
    fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
        let path = OwnedObjectPath::try_from(SESSION).unwrap();
        vec![("1".to_owned(), NOBODY, "nobody".to_owned(), "seat0".to_owned(), path)]
    }
}

struct FakeLogindSession(String);

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl FakeLogindSession {
    #[zbus(property, name = "Type")]
    fn kind(&self) -> &str {
        "x11"
    }
    #[zbus(property)]
    fn class(&self) -> &str {
        "user"
    }
    #[zbus(property)]
    fn display(&self) -> &str {
        &self.0
    }
    #[zbus(property)]
    fn active(&self) -> bool {
        true
    }
    #[zbus(property)]
    fn remote(&self) -> bool {
        false
    }
}

const NOBODY: u32 = 65_534;
const SESSION: &str = "/org/freedesktop/login1/session/_31";

/// A system bus for this test alone.
fn bus(dir: &Path) -> (ChildGuard, String) {
    let config = format!(
        "<busconfig><type>session</type><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        dir.display()
    );
    let file = dir.join("bus.conf");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("dbus-daemon");
    command.arg("--nofork").arg("--config-file").arg(&file).stdout(Stdio::null());
    let running = ChildGuard(command.spawn().expect("dbus-daemon; scripts/setup installs it"));
    until("the bus", || dir.join("bus").exists());
    (running, format!("unix:path={}/bus", dir.display()))
}

#[tokio::test]
async fn root_finds_the_session_and_becomes_its_user() {
    assert!(rustix::process::geteuid().is_root(), "run as root: this test becomes another user");
    let display = Xvfb::start_with("640x480x24", |dir| {
        // The display lets in who has the cookie, which only its user can read.
        let authority = dir.join("authority");
        let cookie = "0123456789abcdef0123456789abcdef";
        for name in 0..=60 {
            let mut xauth = Command::new("xauth");
            xauth.arg("-f").arg(&authority).args(["add", &format!(":{name}"), ".", cookie]);
            assert!(xauth.status().expect("xauth; scripts/setup installs it").success());
        }
        vec!["-auth".to_owned(), authority.display().to_string()]
    });
    let authority = display.path("authority");
    std::os::unix::fs::chown(&authority, Some(NOBODY), None).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(display.dir.path(), open).unwrap();
    // The program has to be where that user may run it.
    let program = display.path("nearhand-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_nearhand-agent"), &program).unwrap();
    let mut sleeper = Command::new("sleep");
    sleeper.arg("600").env_clear().env("DISPLAY", &display.name).env("XAUTHORITY", &authority).uid(NOBODY);
    let _sleeper = ChildGuard(sleeper.spawn().unwrap());
    let (_bus, address) = bus(display.dir.path());
    let logind = zbus::connection::Builder::address(address.as_str())
        .unwrap()
        .serve_at("/org/freedesktop/login1", FakeLogindBus)
        .unwrap()
        .serve_at(SESSION, FakeLogindSession(display.name.clone()))
        .unwrap()
        .name("org.freedesktop.login1")
        .unwrap()
        .build();
    let _logind = tokio::time::timeout(LIMIT, logind).await.expect("the bus answers").unwrap();
    let mut command = tokio::process::Command::new(&program);
    command.args(["desktop", "--check"]).env_clear().env("DBUS_SYSTEM_BUS_ADDRESS", &address);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("display {} of user {NOBODY}", display.name)), "{said}");
    // Without the cookie there is no way in.
    std::fs::remove_file(&authority).unwrap();
    let output = command.output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("can't be reached"));
}
