//! Who is at the device: who watches, and whose a session is.
//!
//! Several people can be logged in at one machine, and each sees only what is theirs: a session that came by their
//! support code or to the screen that they have in front of them. Root and the agent's own user see everything.
//!
//! A program that is connected doesn't watch for that alone: it must answer heartbeats from the loop that shows things to
//! its person. One that was stopped, or whose terminal or display hangs, shows nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A program that has not answered a heartbeat for this long shows nothing to anybody. With [`HEARTBEAT_EVERY`] it counts as
/// frozen two to three seconds after it froze; a busy machine redraws a window in less.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// How often programs that watch are asked while there is a session.
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// An agent that was itself held up for this long can't tell who would have answered.
pub(super) const OWN_STALL: Duration = Duration::from_secs(1);

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

/// A local program that watches.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) user: LocalUser,
    /// When the oldest heartbeat that it has not answered was sent.
    unanswered: Option<Instant>,
    /// It has not answered for [`ANSWER_PATIENCE`].
    is_frozen: bool,
}

/// Whether a person sees what happens in a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sight {
    /// No program of theirs is connected.
    Nobody,
    /// Their programs are connected, and none of them answers.
    Frozen,
    /// A program shows it to them.
    Seen,
}

/// The local programs that are connected to watch now.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    last: u64,
    present: BTreeMap<u64, Watcher>,
    /// Number of the newest heartbeat.
    heartbeat: u32,
    /// When the next heartbeat is sent; `None`: there is no session to be seen.
    next: Option<Instant>,
}

impl Watchers {
    pub(super) fn join(&mut self, user: LocalUser) -> u64 {
        self.last += 1;
        self.present.insert(self.last, Watcher { user, unanswered: None, is_frozen: false });
        self.last
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.present.remove(&number);
    }

    pub(super) fn count(&self) -> usize {
        self.present.len()
    }

    /// Whether somebody sees what is that person's.
    pub(super) fn sight(&self, person: Option<u32>) -> Sight {
        let theirs = self.present.values().filter(|watcher| watcher.user.sees(person));
        theirs
            .map(|watcher| if watcher.is_frozen { Sight::Frozen } else { Sight::Seen })
            .max()
            .unwrap_or(Sight::Nobody)
    }

    /// Whether somebody sees what is that person's.
    pub(super) fn sees(&self, person: Option<u32>) -> bool {
        self.sight(person) == Sight::Seen
    }

    /// There is something to be seen from now on, or nothing any more.
    pub(super) fn set_needed(&mut self, now: Instant, needed: bool) {
        match (needed, self.next) {
            (true, None) => self.next = Some(now),
            (false, Some(_)) => {
                self.next = None;
                for watcher in self.present.values_mut() {
                    watcher.unanswered = None;
                }
            }
            _ => {}
        }
    }

    /// When [`Watchers::handle_timeout`] next has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let next = self.next?;
        let awake = self.present.values().filter(|watcher| !watcher.is_frozen);
        let patience = awake.filter_map(|watcher| watcher.unanswered).map(|since| since + ANSWER_PATIENCE);
        patience.chain([next]).min()
    }

    /// Programs that have not answered for too long are frozen from now on. Returns the heartbeat to send, if one is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<u32> {
        let due = self.next_timeout().filter(|due| *due <= now)?;
        if due + OWN_STALL <= now {
            // Answers may wait to be read.
            for watcher in self.present.values_mut().filter(|watcher| watcher.unanswered.is_some()) {
                watcher.unanswered = Some(now);
            }
        }
        for watcher in self.present.values_mut() {
            watcher.is_frozen |= watcher.unanswered.is_some_and(|since| since + ANSWER_PATIENCE <= now);
        }
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        self.next = Some(now + HEARTBEAT_EVERY);
        self.heartbeat = self.heartbeat.wrapping_add(1);
        for watcher in self.present.values_mut() {
            watcher.unanswered.get_or_insert(now);
        }
        Some(self.heartbeat)
    }

    /// A program answers the heartbeat of this number. An older one counts too: a program that goes on answers what it was
    /// asked meanwhile, and that it does is what is asked.
    pub(super) fn answered(&mut self, number: u64, heartbeat: u32) {
        if heartbeat == 0 || heartbeat > self.heartbeat {
            return;
        }
        if let Some(watcher) = self.present.get_mut(&number) {
            watcher.unanswered = None;
            watcher.is_frozen = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: LocalUser = LocalUser { user: 1000, owner: false };

    #[test]
    fn each_sees_what_is_theirs_and_what_is_nobodys() {
        assert!(ANN.sees(Some(1000)) && ANN.sees(None) && !ANN.sees(Some(1001)));
        let root = LocalUser { user: 0, owner: true };
        assert!(root.sees(Some(1000)));
        let mut watchers = Watchers::default();
        assert!(!watchers.sees(None), "nobody is there");
        watchers.join(ANN);
        assert!(watchers.sees(Some(1000)) && !watchers.sees(Some(1001)));
    }

    #[test]
    fn one_that_answers_is_enough_and_one_that_does_not_is_frozen_within_three_seconds() {
        let (mut watchers, start) = (Watchers::default(), Instant::now());
        let (frozen, awake) = (watchers.join(ANN), watchers.join(ANN));
        assert_eq!(watchers.next_timeout(), None, "without a session nobody is asked");
        watchers.set_needed(start, true);
        let mut now = start;
        while now < start + Duration::from_secs(10) {
            if let Some(heartbeat) = watchers.handle_timeout(now) {
                watchers.answered(awake, heartbeat);
            }
            assert!(watchers.sees(Some(1000)));
            now += Duration::from_millis(100);
        }
        watchers.leave(awake);
        assert_eq!(watchers.sight(Some(1000)), Sight::Frozen);
        // It goes on: the oldest heartbeat that it finds is as good as the newest; one that was never sent isn't.
        watchers.answered(frozen, u32::MAX);
        watchers.answered(frozen, 0);
        assert_eq!(watchers.sight(Some(1000)), Sight::Frozen);
        watchers.answered(frozen, 1);
        assert_eq!(watchers.sight(Some(1000)), Sight::Seen);
        // Frozen at any moment, it counts as that after two to three seconds.
        let froze = now;
        while watchers.sees(Some(1000)) {
            watchers.handle_timeout(now);
            now += Duration::from_millis(100);
        }
        assert!((2..=3).contains(&(now - froze).as_secs()), "{:?}", now - froze);
    }

    #[test]
    fn an_agent_that_was_held_up_itself_blames_nobody() {
        let (mut watchers, now) = (Watchers::default(), Instant::now());
        let number = watchers.join(ANN);
        watchers.set_needed(now, true);
        watchers.handle_timeout(now);
        let later = now + Duration::from_secs(60);
        let heartbeat = watchers.handle_timeout(later).unwrap();
        assert!(watchers.sees(None));
        watchers.answered(number, heartbeat);
        watchers.handle_timeout(later + HEARTBEAT_EVERY);
        assert!(watchers.sees(None));
    }
}
