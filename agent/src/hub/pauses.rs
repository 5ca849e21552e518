//! The hub's part about pauses: a session in which nothing is seen or done for a while, because its person wants that or
//! because nobody at the device sees it.
//!
//! What was granted stays granted and its time runs on; what the streams of the session are told is that nothing is.

use std::time::{Duration, Instant};

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Act, Event};
use nearhand_proto::message::session::{FromAgent, Granted, Refusal};

use super::{Hub, Live, State};

/// A session that its person should see ends when nobody at the device has seen it for this long.
const UNSEEN_FOR: Duration = Duration::from_secs(10);

/// Why nothing is seen or done in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pause {
    /// At the person's wish.
    wished: bool,
    /// Nobody at the device has seen it since.
    unseen: Option<Instant>,
}

impl Pause {
    /// Whether there is a reason.
    pub(super) fn is_on(self) -> bool {
        self.wished || self.unseen.is_some()
    }
}

impl Hub {
    /// The person wants nothing to be seen or done for a while.
    ///
    /// # Errors
    /// [`Refusal::NoSuchSession`].
    pub(crate) fn pause(&self, session: SessionId) -> Result<(), Refusal> {
        self.wish(session, true)
    }

    /// They want it to go on.
    ///
    /// # Errors
    /// [`Refusal::NoSuchSession`]; [`Refusal::Storage`] if it can't be written down.
    pub(crate) fn resume(&self, session: SessionId) -> Result<(), Refusal> {
        self.wish(session, false)
    }

    fn wish(&self, session: SessionId, wished: bool) -> Result<(), Refusal> {
        let mut state = self.state();
        let live = state.sessions.get(&session).ok_or(Refusal::NoSuchSession)?;
        if live.pause.wished == wished {
            return Ok(());
        }
        let action = if wished { "session.paused" } else { "session.continued" };
        let written = state.audit("person at the device", action, Some(session), String::new());
        if !wished {
            written?;
        }
        if let Some(live) = state.sessions.get_mut(&session) {
            live.pause.wished = wished;
        }
        self.tell_pause(&mut state, session, if wished { Act::Paused } else { Act::Resumed });
        Ok(())
    }

    /// Somebody joined or left: sessions that nobody sees any more pause at once, those that are seen again go on.
    pub(super) fn presence_changed(&self) {
        let now = Instant::now();
        let mut state = self.state();
        let changed: Vec<_> = state
            .sessions
            .iter()
            .map(|(id, live)| (*id, state.is_unseen(live), live.pause.unseen.is_some()))
            .filter(|(_, unseen, was)| unseen != was)
            .collect();
        for (session, unseen, _) in changed {
            if let Some(live) = state.sessions.get_mut(&session) {
                live.pause.unseen = unseen.then_some(now);
            }
            let (action, act) = if unseen {
                ("session.paused", Act::PausedUnseen)
            } else {
                ("session.continued", Act::Resumed)
            };
            // A pause happens all the same; that somebody looks again widens nothing that was not granted.
            let _ = state.audit("agent", action, Some(session), act.to_string());
            self.tell_pause(&mut state, session, act);
        }
        drop(state);
        self.wake();
    }

    /// Both ends learn that a pause began or is over.
    fn tell_pause(&self, state: &mut State, session: SessionId, act: Act) {
        let Some(live) = state.sessions.get(&session) else { return };
        let (person, pause) = (live.person, live.pause);
        let granted = self.publish(state, Instant::now(), session);
        state.tell_technician(session, FromAgent::Grants { granted, why: act.to_string() });
        self.keep_deed(state, session, act);
        let event = if pause.is_on() {
            Event::Paused { session, unseen: pause.unseen.is_some() }
        } else {
            Event::Resumed { session }
        };
        self.tell_to(person, event);
    }
}

impl State {
    /// Whether its person should see a session and doesn't.
    pub(super) fn is_unseen(&self, live: &Live) -> bool {
        live.attended && !self.watchers.sees(live.person)
    }

    /// When a session ends because nobody sees it.
    pub(super) fn unseen_until(&self) -> Option<Instant> {
        self.sessions.values().filter_map(|live| live.pause.unseen).min().map(|since| since + UNSEEN_FOR)
    }

    /// Sessions that nobody has seen for too long.
    pub(super) fn unseen_too_long(&mut self, now: Instant) -> Vec<SessionId> {
        let late = |live: &&mut Live| live.pause.unseen.is_some_and(|since| since + UNSEEN_FOR <= now);
        let mut ids = Vec::new();
        for (id, live) in &mut self.sessions {
            if late(&live) {
                // Once; it ends on its own task. It stays paused by the wish.
                live.pause = Pause { wished: true, unseen: None };
                ids.push(*id);
            }
        }
        ids
    }

    /// What counts now: what is granted, unless the session is paused.
    pub(super) fn in_force(&self, now: Instant, session: SessionId) -> Vec<Granted> {
        if self.sessions.get(&session).is_some_and(|live| live.pause.is_on()) {
            return Vec::new();
        }
        self.consent.granted(now, session)
    }

    /// As [`State::in_force`], as a set.
    pub(super) fn capabilities_in_force(&self, now: Instant, session: SessionId) -> Capabilities {
        self.in_force(now, session).into_iter().map(|granted| granted.capability).collect()
    }

    /// Why an act may not be done in a paused session.
    pub(super) fn paused(&self, live: &Live, what: Capability) -> Result<(), Refusal> {
        if self.is_unseen(live) || live.pause.unseen.is_some() {
            return Err(Refusal::Unattended);
        }
        if live.pause.wished { Err(Refusal::NotGranted(what)) } else { Ok(()) }
    }
}
