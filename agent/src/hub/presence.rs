//! The hub's part about who is at the device: who watches, and whose a session is.
//!
//! Several people can be logged in at one machine, and each sees only what is theirs: a session that came by their
//! support code or to the screen that they have in front of them. Root and the agent's own user see everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::Event;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::{Hub, State};

/// Nobody has watched for this long, longer than a window needs to be started again: nobody comes back.
const FORSAKEN: Duration = Duration::from_secs(12);

/// A local program's person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Viewer {
    /// Their user, as the kernel says.
    pub(crate) user: u32,
    /// Root, or whom the agent runs as.
    pub(crate) owner: bool,
}

impl Viewer {
    /// Whether something is for their eyes; what has no person is for everybody's.
    pub(crate) fn sees(self, person: Option<u32>) -> bool {
        self.owner || person.is_none_or(|person| person == self.user)
    }
}

/// An event, and for whom it is.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) person: Option<u32>,
    pub(super) event: Event,
}

/// Who watches now.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    last: u64,
    there: BTreeMap<u64, Viewer>,
    many: watch::Sender<usize>,
}

impl Watchers {
    fn join(&mut self, viewer: Viewer) -> u64 {
        self.last += 1;
        self.there.insert(self.last, viewer);
        let _ = self.many.send_replace(self.there.len());
        self.last
    }

    fn leave(&mut self, number: u64) {
        self.there.remove(&number);
        let _ = self.many.send_replace(self.there.len());
    }

    /// Whether somebody sees what is that person's.
    pub(super) fn sees(&self, person: Option<u32>) -> bool {
        self.there.values().any(|viewer| viewer.sees(person))
    }
}

/// Somebody at the device who is told of events; leaves when dropped.
pub(crate) struct Watcher {
    hub: Arc<Hub>,
    number: u64,
    viewer: Viewer,
    events: broadcast::Receiver<Told>,
}

impl Watcher {
    /// What happens next that is for this person's eyes.
    ///
    /// # Errors
    /// As of the channel: some were missed, or the agent is gone.
    pub(crate) async fn next(&mut self) -> Result<Event, RecvError> {
        loop {
            let told = self.events.recv().await?;
            if self.viewer.sees(told.person) {
                return Ok(told.event);
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.hub.state().watchers.leave(self.number);
        self.hub.presence_changed();
    }
}

impl Hub {
    /// Joins the watchers: told of events, and counted as somebody who can be asked.
    pub(crate) fn watch(self: &Arc<Self>, viewer: Viewer) -> Watcher {
        let events = self.events.subscribe();
        let number = self.state().watchers.join(viewer);
        self.presence_changed();
        Watcher { hub: self.clone(), number, viewer, events }
    }

    /// Ends once nobody has watched for a while.
    pub(crate) async fn forsaken(&self) {
        let mut many = self.state().watchers.many.subscribe();
        loop {
            // The sender is ours: it can't be gone.
            let _ = many.wait_for(|many| *many == 0).await;
            let again = many.wait_for(|many| *many > 0);
            if tokio::time::timeout(FORSAKEN, again).await.is_err() {
                return;
            }
        }
    }

    /// Whether a session is there and for that person to decide about.
    pub(crate) fn is_theirs(&self, viewer: Viewer, session: SessionId) -> bool {
        self.state().sessions.get(&session).is_some_and(|live| viewer.sees(live.person))
    }

    /// Whether a request waits and is for that person to decide.
    pub(crate) fn asks_them(&self, viewer: Viewer, request: u64) -> bool {
        let state = self.state();
        let mut waiting = state.consent.pending(std::time::Instant::now());
        waiting.any(|(id, ask, _)| id.0 == request && viewer.sees(state.person(ask.session)))
    }

    /// Whether a session of theirs is under way.
    pub(crate) fn has_session(&self, viewer: Viewer) -> bool {
        self.state().sessions.values().any(|live| viewer.sees(live.person))
    }

    /// Their sessions.
    pub(crate) fn sessions_of(&self, viewer: Viewer) -> Vec<SessionId> {
        let state = self.state();
        let theirs = state.sessions.iter().filter(|(_, live)| viewer.sees(live.person));
        theirs.map(|(id, _)| *id).collect()
    }
}

impl State {
    /// Whose a session is; `None`: of everybody at the device.
    pub(super) fn person(&self, session: SessionId) -> Option<u32> {
        self.sessions.get(&session).and_then(|live| live.person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sees_what_is_theirs_and_what_is_nobodys() {
        let ann = Viewer { user: 1000, owner: false };
        assert!(ann.sees(Some(1000)) && ann.sees(None) && !ann.sees(Some(1001)));
        let root = Viewer { user: 0, owner: true };
        assert!(root.sees(Some(1000)));
        let mut watchers = Watchers::default();
        assert!(!watchers.sees(None), "nobody is there");
        watchers.join(ann);
        assert!(watchers.sees(Some(1000)) && !watchers.sees(Some(1001)));
    }
}
