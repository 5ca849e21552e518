//! Which display there is to see: the one in the agent's own environment, else the one on the machine's screen.
//!
//! [`decide`] chooses from what [`logind`] and [`programs`] have seen. A driver: nothing is decided here.

mod access;
mod decide;
#[cfg(test)]
mod decide_tests;
mod logind;
mod programs;
mod seen;

use std::ffi::OsString;
use std::time::Duration;

use nearhand_agent_core::display_owner::DisplayOwner;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zbus::Connection;

pub use self::access::{DisplayAccess, NoDisplay};
use self::seen::{LogindSession, MachineDisplays};
use crate::platform;

/// How long logind may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Finds the display.
///
/// # Errors
/// [`NoDisplay`], in words.
pub async fn display() -> Result<DisplayAccess, NoDisplay> {
    if let Some(own) = of_environment(|name| std::env::var_os(name), platform::own_user()) {
        return own;
    }
    let sessions = timeout(PATIENCE, sessions()).await;
    let sessions =
        sessions.unwrap_or_else(|_| Err(format!("it does not answer within {} s", PATIENCE.as_secs())));
    let seen = spawn_blocking(|| see(sessions)).await;
    decide::decide(&seen.map_err(|error| NoDisplay::NoLogind(error.to_string()))?)
}

/// Whose desktop is in front now: what a grant is bound to, asked again while it lasts.
///
/// # Errors
/// [`NoDisplay`]: nobody's desktop can be seen now.
pub async fn owner() -> Result<DisplayOwner, NoDisplay> {
    display().await.map(|access| access.owner())
}

/// For how long nobody has touched this machine, as logind says; `None` where somebody has, or it isn't known.
pub async fn idle() -> Option<Duration> {
    let ask = async { logind::idle(&Connection::system().await.ok()?).await };
    timeout(PATIENCE, ask).await.ok().flatten()
}

async fn sessions() -> Result<Vec<LogindSession>, String> {
    let bus = Connection::system().await.map_err(|error| error.to_string())?;
    logind::sessions(&bus).await.map_err(|error| error.to_string())
}

fn see(sessions: Result<Vec<LogindSession>, String>) -> MachineDisplays {
    let (is_root, own_user) = (platform::is_root(), platform::own_user());
    let processes = programs::processes((!is_root).then_some(own_user));
    MachineDisplays {
        sessions,
        programs: processes.programs,
        servers: processes.servers,
        served: programs::served(),
        active_vt: programs::active_vt(),
        own_user,
        is_root,
    }
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
    let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
    set("DISPLAY").map(|display| {
        Ok(DisplayAccess {
            display,
            authority: set("XAUTHORITY"),
            home: set("HOME"),
            user,
            seat: text("XDG_SEAT"),
            session: text("XDG_SESSION_ID"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_environment_comes_first() {
        let of = |pairs: &'static [(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(*v));
            of_environment(find, 5)
        };
        assert_eq!(of(&[("DISPLAY", "")]), None);
        assert_eq!(of(&[("DISPLAY", ":0"), ("WAYLAND_DISPLAY", "w")]), Some(Err(NoDisplay::Wayland)));
        let found = of(&[("DISPLAY", ":3.0"), ("XAUTHORITY", "/a"), ("XDG_SEAT", "seat0")]).unwrap().unwrap();
        assert_eq!((&found.authority, found.user), (&Some("/a".into()), 5));
        assert_eq!(found.owner().to_string(), "the display :3 of user 5 at seat0");
    }
}
