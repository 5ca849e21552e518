//! Local programs come and go, and what belongs to the person of each.

use std::time::Instant;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::LocalEvent;

use super::effect::SessionEffect;
use super::state::Sessions;
use super::timestamp::Timestamp;
use super::watchers::LocalUser;

impl Sessions {
    /// A local program watches from now on: somebody can be asked. Returns its number for [`Sessions::leave`].
    pub fn join(&mut self, now: Timestamp, user: LocalUser) -> u64 {
        let number = self.watchers.join(user);
        self.push(SessionEffect::Watching(self.watchers.count()));
        self.presence_changed(now);
        number
    }

    /// It no longer watches: sessions that nobody else sees pause at once.
    pub fn leave(&mut self, now: Timestamp, number: u64) {
        self.watchers.leave(number);
        self.push(SessionEffect::Watching(self.watchers.count()));
        self.presence_changed(now);
    }

    /// A local program answers a heartbeat: what it is told is shown to its person.
    pub fn heartbeat_answered(&mut self, now: Timestamp, watcher: u64, heartbeat: u32) {
        self.watchers.answered(watcher, heartbeat);
        self.presence_changed(now);
    }

    /// Sessions whose watchers no longer answer pause; the next heartbeat is sent if it is due.
    pub(super) fn handle_heartbeats(&mut self, now: Timestamp) {
        if let Some(number) = self.watchers.handle_timeout(now.instant) {
            self.tell(None, LocalEvent::Heartbeat { number });
        }
        self.presence_changed(now);
    }

    /// Whether somebody at the device is told what happens.
    pub fn is_attended(&self) -> bool {
        self.watchers.sees(None)
    }

    /// Whether a session is there and for that person to decide about.
    pub fn is_theirs(&self, user: LocalUser, session: SessionId) -> bool {
        self.live.get(&session).is_some_and(|live| user.sees(live.person))
    }

    /// Whether a request waits and is for that person to decide.
    pub fn asks_them(&self, now: Instant, user: LocalUser, request: u64) -> bool {
        let mut waiting = self.consent.pending(now);
        waiting.any(|(id, ask, _)| id.0 == request && user.sees(ask.person))
    }

    /// The sessions of a person that are under way.
    pub fn sessions_of(&self, user: LocalUser) -> Vec<SessionId> {
        let theirs = self.live.iter().filter(|(_, live)| user.sees(live.person));
        theirs.map(|(id, _)| *id).collect()
    }
}
