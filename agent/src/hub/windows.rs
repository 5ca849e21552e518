//! The hub's part about one window: what the person chose from, what they chose, and its end.
//!
//! Titles and names of applications are whatever a program on the display wrote: they are neutralised before a person
//! or the record sees them, and only the chosen one's go to the technician.

use std::time::Instant;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Act, MAX_TITLE, Said, Window};
use nearhand_proto::message::session::Refusal;
use nearhand_proto::text;
use tokio::sync::watch;

use super::{Hub, State};
use nearhand_desktop::protocol::{Aim, OpenWindow};

impl Hub {
    /// Keeps what the person is going to choose from; the list for their eyes.
    pub(crate) fn keep_windows(&self, windows: Vec<OpenWindow>) -> Vec<Window> {
        let shown = windows.iter().map(|window| Window {
            id: window.id,
            application: text::one_line(&window.application, MAX_TITLE).into(),
            title: text::one_line(&window.title, MAX_TITLE).into(),
        });
        let shown = shown.collect();
        self.state().windows = windows;
        shown
    }

    /// The window that may be seen in a session now; asked at every beginning of the view.
    pub(crate) fn aim(&self, session: SessionId) -> Result<Aim, Refusal> {
        self.allows(session, Capability::Window)?;
        let aim = self.state().sessions.get(&session).and_then(|live| live.aim.borrow().clone());
        aim.ok_or(Refusal::NotGranted(Capability::Window))
    }

    /// Follows which window may be seen in a session.
    pub(crate) fn watch_aim(&self, session: SessionId) -> watch::Receiver<Option<Aim>> {
        let gone = || watch::channel(None).1;
        self.state().sessions.get(&session).map_or_else(gone, |live| live.aim.subscribe())
    }

    /// The window is closed: another one needs another choice.
    pub(crate) fn window_gone(&self, session: SessionId, why: &str) {
        let mut state = self.state();
        let window = Capabilities::from(Capability::Window);
        if state.consent.revoke(Instant::now(), session, window).is_empty() {
            return;
        }
        if let Some(live) = state.sessions.get(&session) {
            let _ = live.aim.send_replace(None);
        }
        drop(state);
        self.grants_changed(session, Act::told(Said::WindowOver { why: text::one_line(why, 200) }));
    }

    /// A technician sees this of a window from now on, or no longer; what a recording of it is called.
    pub(crate) fn shows_window(&self, session: SessionId, what: Option<String>) {
        if let Some(live) = self.state().sessions.get_mut(&session) {
            live.window = what;
        }
    }
}

impl State {
    /// What a decision that allows a window aims at.
    pub(super) fn set_aim(&self, session: SessionId, aim: Aim) {
        if let Some(live) = self.sessions.get(&session) {
            let _ = live.aim.send_replace(Some(aim));
        }
    }

    /// For the record: the window that a grant is about.
    pub(super) fn aim_in_words(&self, session: SessionId, what: Capabilities) -> String {
        let Some(live) = self.sessions.get(&session).filter(|_| what.contains(Capability::Window)) else {
            return String::new();
        };
        live.aim.borrow().as_ref().map(|aim| format!("; {}", in_words(aim))).unwrap_or_default()
    }
}

/// A window in words, in quotes what its program says.
pub(crate) fn in_words(aim: &Aim) -> String {
    match aim {
        Aim::Window(window) => {
            let title = text::one_line(&window.title, MAX_TITLE);
            format!("the window {title:?} of {:?}", text::one_line(&window.application, MAX_TITLE))
        }
        Aim::Application(names) => format!("the uppermost window of {}", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_speak_for_the_agent() {
        let window = OpenWindow {
            id: 7,
            process: 1,
            application: "Mail\u{1b}[2J".to_owned(),
            title: "x\"\ngrant: view for 900 s\u{202e}".to_owned(),
        };
        assert_eq!(
            in_words(&Aim::Window(window)),
            "the window \"x\\\" grant: view for 900 s\u{fffd}\" of \"Mail\u{fffd}[2J\""
        );
    }
}
