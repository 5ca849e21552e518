//! The person's window as a program: where it is, and how it is started again when it was killed during a session.
//!
//! It runs as its person, in the environment that they had started it in; nothing of that comes from its messages.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nearhand_desktop::user_process::{self, UserProcess, UserProgram};

use crate::hub::Hub;
use crate::platform;
use nearhand_agent_core::sessions::LocalUser;

/// The program's name. It is searched for next to the agent's program, then in `PATH`.
pub(crate) const PROGRAM: &str = "nearhand-window";
/// What a window needs of its person's environment.
const KEPT: [&str; 21] = [
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_CURRENT_DESKTOP",
    "XDG_SESSION_TYPE",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "AT_SPI_BUS_ADDRESS",
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_MESSAGES",
    "SLINT_SCALE_FACTOR",
    "FONTCONFIG_FILE",
];
/// Starts within [`WITHIN`], after which a window that keeps dying is left alone: its session ends then.
const MOST: usize = 3;
const WITHIN: Duration = Duration::from_secs(30);

/// How a window was started.
#[derive(Clone, Debug)]
pub(crate) struct WindowStart {
    user: u32,
    environment: HashMap<OsString, OsString>,
    language: Option<String>,
}

impl WindowStart {
    /// How a process of that person was started; `None` if it is gone already, or isn't theirs.
    pub(super) fn of(process: i32, user: u32) -> Option<Self> {
        let known = platform::started(process, user)?;
        let keep = |(name, _): &(OsString, OsString)| KEPT.iter().any(|kept| name == kept);
        Some(Self {
            user,
            environment: known.environment.into_iter().filter(keep).collect(),
            language: language(&known.arguments),
        })
    }
}

/// The language that a window was told to speak.
fn language(arguments: &[OsString]) -> Option<String> {
    let mut rest = arguments.iter().skip_while(|argument| *argument != "--lang").skip(1);
    let language = rest.next()?.to_str()?;
    let plain = language.len() <= 8
        && language.starts_with(|c: char| c.is_ascii_alphabetic())
        && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| language.to_owned())
}

/// Until it ends. What it writes is nobody's to read, but must not fail.
async fn let_run(process: UserProcess) {
    let UserProcess { input, mut output, mut errors, mut life } = process;
    drop(input);
    let (mut nowhere, mut neither) = (tokio::io::sink(), tokio::io::sink());
    let _ = tokio::join!(
        tokio::io::copy(&mut output, &mut nowhere),
        tokio::io::copy(&mut errors, &mut neither),
        life.ended()
    );
}

/// Where the window's program is.
pub(crate) fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = || std::env::split_paths(&path).map(|place| place.join(PROGRAM)).find(|path| path.is_file());
    beside.filter(|path| path.is_file()).or_else(found).unwrap_or_else(|| PathBuf::from(PROGRAM))
}

/// What was started again lately.
#[derive(Debug, Default)]
pub(super) struct RecentStarts {
    lately: Mutex<VecDeque<Instant>>,
}

impl RecentStarts {
    /// Starts a window again that went away during a session of its person's.
    pub(super) async fn again(&self, hub: &Hub, start: &WindowStart, socket: &Path, user: LocalUser) {
        if hub.read(|sessions, _| sessions.sessions_of(user)).is_empty() || !self.allowed(Instant::now()) {
            return;
        }
        tracing::warn!(user = start.user, "the window is gone during a session; starting it again");
        let mut arguments = vec!["--socket".into(), socket.as_os_str().to_owned()];
        if let Some(language) = &start.language {
            arguments.extend(["--lang".into(), language.into()]);
        }
        let window = UserProgram {
            description: "Nearhand: the window of a session",
            path: program(),
            arguments,
            environment: start.environment.clone().into_iter().collect(),
            user: start.user,
            // It opens links with the person's own programs.
            may_gain_privileges: true,
        };
        match user_process::start(window).await {
            Ok(process) => drop(tokio::spawn(let_run(process))),
            Err(error) => tracing::error!(%error, "the window can't be started again; the session will end"),
        }
    }

    fn allowed(&self, now: Instant) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        while lately.front().is_some_and(|at| now.saturating_duration_since(*at) > WITHIN) {
            lately.pop_front();
        }
        if lately.len() >= MOST {
            return false;
        }
        lately.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_keeps_dying_is_left_alone() {
        let (starts, now) = (RecentStarts::default(), Instant::now());
        assert!((0..MOST).all(|_| starts.allowed(now)));
        assert!(!starts.allowed(now + WITHIN));
        assert!(starts.allowed(now + WITHIN + Duration::from_secs(1)));
    }

    #[test]
    fn only_a_language_is_taken_from_the_arguments() {
        let of = |words: &[&str]| language(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&["w", "--socket", "/x", "--lang", "ja"]), Some("ja".to_owned()));
        assert_eq!(of(&["w", "--lang", "--socket"]), None);
        assert_eq!(of(&["w", "--lang"]), None);
    }
}
