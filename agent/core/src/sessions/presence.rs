//! Local programs come and go, and what belongs to the person of each.

use std::time::Instant;

use nearhand_proto::id::SessionId;

use super::effect::SessionEffect;
use super::live_session::Timestamp;
use super::state::Sessions;
use super::watchers::LocalUser;

impl Sessions {
    /// A local program watches from now on: somebody can be asked. Returns its number for [`Sessions::leave`].
    pub fn join(&mut self, now: Timestamp, user: LocalUser) -> u64 {
        self.watchers.last += 1;
        let number = self.watchers.last;
        self.watchers.present.insert(number, user);
        self.push(SessionEffect::Watching(self.watchers.present.len()));
        self.presence_changed(now);
        number
    }

    /// It no longer watches: sessions that nobody else sees pause at once.
    pub fn leave(&mut self, now: Timestamp, number: u64) {
        self.watchers.present.remove(&number);
        self.push(SessionEffect::Watching(self.watchers.present.len()));
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
        waiting.any(|(id, ask, _)| id.0 == request && user.sees(self.person(ask.session)))
    }

    /// The sessions of a person that are under way.
    pub fn sessions_of(&self, user: LocalUser) -> Vec<SessionId> {
        let theirs = self.live.iter().filter(|(_, live)| user.sees(live.person));
        theirs.map(|(id, _)| *id).collect()
    }
}
