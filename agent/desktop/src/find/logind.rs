//! logind, asked over D-Bus.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::seen::LogindSession;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const PATH: &str = "/org/freedesktop/login1";
/// Most sessions looked at.
const MOST: usize = 20_000;

/// The sessions there are.
pub(super) async fn sessions(bus: &Connection) -> zbus::Result<Vec<LogindSession>> {
    let reply = bus.call_method(Some(LOGIND), PATH, Some(MANAGER), "ListSessions", &()).await?;
    let rows: Vec<(String, u32, String, String, OwnedObjectPath)> = reply.body().deserialize()?;
    let mut sessions = Vec::new();
    for (id, user, _, seat, path) in rows.into_iter().take(MOST) {
        let asked = bus.call_method(Some(LOGIND), &path, Some(PROPERTIES), "GetAll", &(SESSION,)).await;
        // It may have ended meanwhile.
        let Ok(reply) = asked else { continue };
        let all: HashMap<String, OwnedValue> = reply.body().deserialize()?;
        let text = |name: &str| {
            let value = all.get(name).and_then(|value| <&str>::try_from(value).ok());
            value.unwrap_or_default().to_owned()
        };
        let flag = |name: &str| all.get(name).and_then(|value| bool::try_from(value).ok()).unwrap_or(false);
        sessions.push(LogindSession {
            id,
            user,
            kind: text("Type"),
            class: text("Class"),
            display: text("Display"),
            active: flag("Active"),
            remote: flag("Remote"),
            seat,
            vt: all.get("VTNr").and_then(|value| u32::try_from(value).ok()).unwrap_or(0),
        });
    }
    Ok(sessions)
}

/// For how long nobody has touched this machine; `None` where somebody has, or it isn't known.
pub(super) async fn idle(bus: &Connection) -> Option<Duration> {
    let reply = bus.call_method(Some(LOGIND), PATH, Some(PROPERTIES), "GetAll", &(MANAGER,)).await.ok()?;
    let all: HashMap<String, OwnedValue> = reply.body().deserialize().ok()?;
    let is_idle = all.get("IdleHint").and_then(|value| bool::try_from(value).ok())?;
    let since = all.get("IdleSinceHint").and_then(|value| u64::try_from(value).ok())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    is_idle.then(|| now.saturating_sub(Duration::from_micros(since)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        #[zbus(property, name = "VTNr")]
        fn vt(&self) -> u32 {
            7
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
        let expected = LogindSession {
            id: "2".to_owned(),
            user: 1000,
            kind: "x11".to_owned(),
            class: "user".to_owned(),
            display: ":0".to_owned(),
            active: true,
            remote: false,
            seat: "seat0".to_owned(),
            vt: 7,
        };
        assert_eq!(sessions(&client).await.unwrap(), [expected]);
    }
}
