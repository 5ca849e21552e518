//! Who is at the device: who watches, and whose a session is.
//!
//! Several people can be logged in at one machine, and each sees only what is theirs: a session that came by their
//! support code or to the screen that they have in front of them. Root and the agent's own user see everything.

use std::collections::BTreeMap;
use std::time::Instant;

use nearhand_proto::id::SessionId;

use super::{SessionEffect, Sessions, Timestamp};

/// A person at the device, as the kernel knows the program that speaks for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalUser {
    /// Their user, as the kernel says.
    pub user: u32,
    /// Root, or the user that the agent runs as.
    pub owner: bool,
}

impl LocalUser {
    /// Whether something is for their eyes; what has no person is for everybody's.
    pub fn sees(self, person: Option<u32>) -> bool {
        self.owner || person.is_none_or(|person| person == self.user)
    }
}

/// The local programs that watch now.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    last: u64,
    present: BTreeMap<u64, LocalUser>,
}

impl Watchers {
    /// Whether somebody sees what is that person's.
    pub(super) fn sees(&self, person: Option<u32>) -> bool {
        self.present.values().any(|user| user.sees(person))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sees_what_is_theirs_and_what_is_nobodys() {
        let ann = LocalUser { user: 1000, owner: false };
        assert!(ann.sees(Some(1000)) && ann.sees(None) && !ann.sees(Some(1001)));
        let root = LocalUser { user: 0, owner: true };
        assert!(root.sees(Some(1000)));
        let mut watchers = Watchers::default();
        assert!(!watchers.sees(None), "nobody is there");
        watchers.present.insert(1, ann);
        assert!(watchers.sees(Some(1000)) && !watchers.sees(Some(1001)));
    }
}
