//! Which display there is to see: the one in the agent's own environment, else that of the session which logind says
//! is active at this machine's screen.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use crate::platform;

const LOGIND: &str = "org.freedesktop.login1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Most sessions and processes looked at.
const MOST: usize = 20_000;
/// Most bytes of a process's environment.
const ENVIRONMENT: u64 = 256 * 1024;

/// A display, and how to reach it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisplayAccess {
    /// As in `DISPLAY`.
    pub display: OsString,
    /// As in `XAUTHORITY`, if it is known.
    pub authority: Option<OsString>,
    /// The user's directory, if it is known; `.Xauthority` is there by default.
    pub home: Option<OsString>,
    /// Whose it is.
    pub user: u32,
}

/// Why there is nothing to see. For the technician and the person at the device.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoDisplay {
    /// Nobody's session is active at the screen.
    #[error("nobody is logged in at this machine's screen; somebody has to log in first")]
    Nobody,
    /// A system that isn't supported.
    #[error(
        "the desktop here runs on Wayland, which can't be shown on this system yet; \
         choose an Xorg (X11) session when logging in"
    )]
    Wayland,
    /// A text console.
    #[error("the session at this machine's screen is a text console ({0}), which can't be shown")]
    Console(String),
    /// Somebody else's, and we aren't root.
    #[error(
        "the session at this machine's screen is user {0}'s; the agent has to run as that user or as root"
    )]
    SomebodyElses(u32),
    /// The display's name isn't known.
    #[error("the display of the session at this machine's screen is not known; set DISPLAY for the agent")]
    Unnamed,
    /// logind isn't there or doesn't answer.
    #[error(
        "which display is in use can't be asked ({0}); run the agent in the desktop session, or set DISPLAY for it"
    )]
    NoLogind(String),
}

/// Finds the display.
///
/// # Errors
/// [`NoDisplay`], in words.
pub async fn display() -> Result<DisplayAccess, NoDisplay> {
    if let Some(own) = of_environment(|name| std::env::var_os(name), platform::own_user()) {
        return own;
    }
    let bus = Connection::system().await.map_err(|error| NoDisplay::NoLogind(error.to_string()))?;
    let sessions = sessions(&bus).await.map_err(|error| NoDisplay::NoLogind(error.to_string()))?;
    let session = choose(&sessions)?;
    if !platform::is_root() && session.user != platform::own_user() {
        return Err(NoDisplay::SomebodyElses(session.user));
    }
    let environments = environments(session.user);
    reach(session, &environments)
}

/// For how long nobody has touched this machine, as logind says; `None` where somebody has, or it isn't known.
pub async fn idle() -> Option<Duration> {
    let bus = Connection::system().await.ok()?;
    let manager = format!("{LOGIND}.Manager");
    let path = "/org/freedesktop/login1";
    let reply = bus.call_method(Some(LOGIND), path, Some(PROPERTIES), "GetAll", &(manager,)).await.ok()?;
    let all: HashMap<String, OwnedValue> = reply.body().deserialize().ok()?;
    let is_idle = all.get("IdleHint").and_then(|value| bool::try_from(value).ok())?;
    let since = all.get("IdleSinceHint").and_then(|value| u64::try_from(value).ok())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    is_idle.then(|| now.saturating_sub(Duration::from_micros(since)))
}

/// What the agent's own environment says; `None`: nothing.
fn of_environment(
    variable: impl Fn(&str) -> Option<OsString>,
    user: u32,
) -> Option<Result<DisplayAccess, NoDisplay>> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if set("WAYLAND_DISPLAY").is_some() {
        return Some(Err(NoDisplay::Wayland));
    }
    let (authority, home) = (set("XAUTHORITY"), set("HOME"));
    set("DISPLAY").map(|display| Ok(DisplayAccess { display, authority, home, user }))
}

/// What logind knows of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct LogindSession {
    user: u32,
    /// `x11`, `wayland`, `tty`, …
    kind: String,
    /// `user`, `greeter`, …
    class: String,
    display: String,
    active: bool,
    remote: bool,
    seated: bool,
}

async fn sessions(bus: &Connection) -> zbus::Result<Vec<LogindSession>> {
    let path = "/org/freedesktop/login1";
    let manager = format!("{LOGIND}.Manager");
    let reply = bus.call_method(Some(LOGIND), path, Some(manager.as_str()), "ListSessions", &()).await?;
    let rows: Vec<(String, u32, String, String, OwnedObjectPath)> = reply.body().deserialize()?;
    let mut sessions = Vec::new();
    for (_, user, _, seat, path) in rows.into_iter().take(MOST) {
        let interface = format!("{LOGIND}.Session");
        let asked = bus.call_method(Some(LOGIND), &path, Some(PROPERTIES), "GetAll", &(interface,)).await;
        // It may have ended meanwhile.
        let Ok(reply) = asked else { continue };
        let all: HashMap<String, OwnedValue> = reply.body().deserialize()?;
        let text = |name: &str| {
            let value = all.get(name).and_then(|value| <&str>::try_from(value).ok());
            value.unwrap_or_default().to_owned()
        };
        let flag = |name: &str| all.get(name).and_then(|value| bool::try_from(value).ok()).unwrap_or(false);
        sessions.push(LogindSession {
            user,
            kind: text("Type"),
            class: text("Class"),
            display: text("Display"),
            active: flag("Active"),
            remote: flag("Remote"),
            seated: !seat.is_empty(),
        });
    }
    Ok(sessions)
}

/// The session at the machine's screen, if its display can be shown.
fn choose(sessions: &[LogindSession]) -> Result<&LogindSession, NoDisplay> {
    let here = sessions.iter().filter(|s| s.active && !s.remote && s.class == "user");
    let session =
        here.max_by_key(|s| (s.kind == "x11", s.seated, s.kind == "wayland")).ok_or(NoDisplay::Nobody)?;
    match session.kind.as_str() {
        "x11" => Ok(session),
        "wayland" => Err(NoDisplay::Wayland),
        other => Err(NoDisplay::Console(other.to_owned())),
    }
}

type Environment = HashMap<OsString, OsString>;

/// The display of a session, from what logind and the session's own programs know.
fn reach(session: &LogindSession, environments: &[Environment]) -> Result<DisplayAccess, NoDisplay> {
    let of = |environment: &Environment, name: &str| {
        environment.get(&OsString::from(name)).filter(|value| !value.is_empty()).cloned()
    };
    let named = Some(OsString::from(&session.display)).filter(|display| !display.is_empty());
    let display =
        named.or_else(|| environments.iter().find_map(|e| of(e, "DISPLAY"))).ok_or(NoDisplay::Unnamed)?;
    // Programs may write the same display as `:0.0`.
    let same = |e: &&Environment| {
        of(e, "DISPLAY").is_some_and(|other| {
            let (other, display) = (other.to_string_lossy(), display.to_string_lossy());
            other == display || other.strip_prefix(&*display).is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let on_it = || environments.iter().filter(same);
    Ok(DisplayAccess {
        authority: on_it().find_map(|e| of(e, "XAUTHORITY")),
        home: on_it().chain(environments).find_map(|e| of(e, "HOME")),
        display,
        user: session.user,
    })
}

/// The environments of a user's processes that have a display.
fn environments(user: u32) -> Vec<Environment> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let numbered = processes.flatten().filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let read = numbered.take(MOST).filter_map(|entry| {
        let file = fs::File::open(entry.path().join("environ")).ok()?;
        file.metadata().ok().filter(|data| data.uid() == user)?;
        let mut bytes = Vec::new();
        file.take(ENVIRONMENT).read_to_end(&mut bytes).ok()?;
        Some(parse(&bytes))
    });
    read.filter(|environment| environment.contains_key(&OsString::from("DISPLAY"))).collect()
}

fn parse(bytes: &[u8]) -> Environment {
    let entries = bytes.split(|byte| *byte == 0).filter_map(|entry| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (entry.get(..at)?, entry.get(at + 1..)?);
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(kind: &str, active: bool) -> LogindSession {
        let (kind, class) = (kind.to_owned(), "user".to_owned());
        LogindSession {
            user: 1000,
            kind,
            class,
            display: ":0".to_owned(),
            active,
            remote: false,
            seated: true,
        }
    }

    #[test]
    fn the_active_session_at_the_screen_is_chosen() {
        let remote = LogindSession { remote: true, user: 7, ..session("x11", true) };
        let greeter = LogindSession { class: "greeter".to_owned(), user: 8, ..session("x11", true) };
        let all = [session("tty", false), remote.clone(), greeter.clone(), session("x11", true)];
        assert_eq!(choose(&all), Ok(&all[3]));
        assert_eq!(choose(&[remote, greeter]), Err(NoDisplay::Nobody));
        assert_eq!(choose(&[session("wayland", true), session("tty", true)]), Err(NoDisplay::Wayland));
        assert_eq!(choose(&[session("tty", true)]), Err(NoDisplay::Console("tty".to_owned())));
    }

    #[test]
    fn authority_and_home_come_from_a_program_on_that_display() {
        let other = parse(b"DISPLAY=:9\0XAUTHORITY=/wrong\0HOME=/home/p\0");
        let right = parse(b"A\0=\0DISPLAY=:0.0\0XAUTHORITY=/run/user/1000/x=auth\0");
        let found = reach(&session("x11", true), &[other.clone(), right]).unwrap();
        assert_eq!(found.authority, Some("/run/user/1000/x=auth".into()));
        assert_eq!((found.display, found.home), (":0".into(), Some("/home/p".into())));
        let nameless = LogindSession { display: String::new(), ..session("x11", true) };
        assert_eq!(reach(&nameless, &[other]).unwrap().display, OsString::from(":9"));
        assert_eq!(reach(&nameless, &[]), Err(NoDisplay::Unnamed));
    }

    #[test]
    fn the_own_environment_comes_first() {
        let of = |pairs: &'static [(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(*v));
            of_environment(find, 5)
        };
        assert_eq!(of(&[("DISPLAY", "")]), None);
        assert_eq!(of(&[("DISPLAY", ":0"), ("WAYLAND_DISPLAY", "w")]), Some(Err(NoDisplay::Wayland)));
        let found = of(&[("DISPLAY", ":3"), ("XAUTHORITY", "/a")]).unwrap().unwrap();
        assert_eq!((found.display, found.authority, found.user), (":3".into(), Some("/a".into()), 5));
    }

    /// What stands for logind: its manager and one session.
    struct FakeLogind;

    #[zbus::interface(name = "org.freedesktop.login1.Manager")]
    impl FakeLogind {
        fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
            let row = |path: &str| {
                let text = str::to_owned;
                let path = OwnedObjectPath::try_from(path).unwrap();
                (text("2"), 1000, text("pat"), text("seat0"), path)
            };
            vec![row("/org/freedesktop/login1/session/_32"), row("/org/freedesktop/login1/session/gone")]
        }
    }

    struct OneSession;

    #[zbus::interface(name = "org.freedesktop.login1.Session")]
    impl OneSession {
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
            ":0"
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

    #[tokio::test]
    async fn logind_is_asked_as_it_wants_to_be_asked() {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let server = async {
            zbus::connection::Builder::unix_stream(theirs)
                .server(zbus::Guid::generate())?
                .p2p()
                .serve_at("/org/freedesktop/login1", FakeLogind)?
                .serve_at("/org/freedesktop/login1/session/_32", OneSession)?
                .build()
                .await
        };
        let client = zbus::connection::Builder::unix_stream(ours).p2p().build();
        let (server, client) = tokio::join!(server, client);
        let (_server, client) = (server.unwrap(), client.unwrap());
        assert_eq!(sessions(&client).await.unwrap(), [session("x11", true)]);
    }
}
