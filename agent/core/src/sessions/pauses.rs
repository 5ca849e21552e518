//! Pauses: a session in which nothing is seen or done for a while, because its person wants that or because nobody at the
//! device sees it.
//!
//! What was granted stays granted and its time runs on; what the streams of the session are told is that nothing is. A pause
//! counts at once. Its end widens what may be done, so it waits for its row.

use std::time::{Duration, Instant};

use nearhand_proto::grant::Capability;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Activity, LocalEvent, PauseReason};
use nearhand_proto::message::session::{FromAgent, SessionRefusal};

use super::change::{SessionChange, UnrecordedChangeId};
use super::live_session::{LiveSession, Pause, Unseen};
use super::record_health::row;
use super::state::Sessions;
use super::timestamp::Timestamp;
use super::watchers::Sight;

/// A session that its person should see ends when no program of theirs has been there for this long.
const UNSEEN_FOR: Duration = Duration::from_secs(10);
/// It ends when a program is there and has not answered for this long: a machine that swaps or a stopped terminal may go on,
/// and until then nothing is seen or done.
const FROZEN_FOR: Duration = Duration::from_secs(300);

impl Sessions {
    /// The person wants nothing to be seen or done for a while.
    ///
    /// # Errors
    /// [`SessionRefusal::NoSuchSession`] if the session is over: there is nothing to pause.
    pub fn pause(&mut self, now: Timestamp, session: SessionId) -> Result<(), SessionRefusal> {
        self.void_resumption(session);
        let live = self.live.get_mut(&session).ok_or(SessionRefusal::NoSuchSession)?;
        if live.pause.wished {
            return Ok(());
        }
        live.pause.wished = true;
        self.note("person at the device", "session.paused", Some(session), String::new());
        self.tell_pause(now, session, Activity::Paused);
        Ok(())
    }

    /// The person wants it to go on. `None`: it does already.
    ///
    /// # Errors
    /// [`SessionRefusal::NoSuchSession`] if the session is over: there is nothing to resume.
    pub fn resume(&mut self, session: SessionId) -> Result<Option<UnrecordedChangeId>, SessionRefusal> {
        let live = self.live.get(&session).ok_or(SessionRefusal::NoSuchSession)?;
        if !live.pause.wished {
            return Ok(None);
        }
        let row = row("person at the device", "session.continued", Some(session), String::new());
        Ok(Some(self.propose(row, SessionChange::Resume(session))))
    }

    pub(super) fn resumed(&mut self, now: Timestamp, session: SessionId) -> Result<(), SessionRefusal> {
        let live = self.live.get_mut(&session).ok_or(SessionRefusal::NoSuchSession)?;
        live.pause.wished = false;
        self.tell_pause(now, session, Activity::Resumed);
        Ok(())
    }

    /// Somebody joined, left, froze or answers again: sessions that nobody sees any more pause at once; those that are seen
    /// again go on once that is written down.
    pub(super) fn presence_changed(&mut self, now: Timestamp) {
        self.watchers.set_needed(now.instant, !self.live.is_empty());
        let state = |(id, live): (&SessionId, &LiveSession)| (*id, self.sight(live), live.pause.unseen);
        let all: Vec<_> = self.live.iter().map(state).collect();
        for (session, sight, unseen) in all {
            match (sight, unseen) {
                (Sight::Frozen | Sight::Nobody, None) => {
                    self.set_unseen(session, Unseen { since: now.instant, sight });
                    let act = Activity::PausedUnseen;
                    self.note("agent", "session.paused", Some(session), act.to_string());
                    self.tell_pause(now, session, act);
                }
                (Sight::Frozen | Sight::Nobody, Some(before)) => {
                    if before.sight != sight {
                        self.set_unseen(session, Unseen { since: now.instant, sight });
                    }
                    self.void_seen_again(session);
                }
                (Sight::Seen, Some(_)) if !self.is_resuming_unseen(session) => {
                    let row = row("agent", "session.continued", Some(session), Activity::Resumed.to_string());
                    self.propose(row, SessionChange::SeenAgain(session));
                }
                (Sight::Seen, _) => {}
            }
        }
        // Whom nobody could ask before may be there now.
        self.ask_other_users(now);
    }

    fn set_unseen(&mut self, session: SessionId, unseen: Unseen) {
        if let Some(live) = self.live.get_mut(&session) {
            live.pause.unseen = Some(unseen);
        }
    }

    pub(super) fn seen_again(&mut self, now: Timestamp, session: SessionId) -> Result<(), SessionRefusal> {
        let live = self.live.get_mut(&session).ok_or(SessionRefusal::NoSuchSession)?;
        live.pause.unseen = None;
        self.tell_pause(now, session, Activity::Resumed);
        Ok(())
    }

    /// Both ends learn that a pause began or is over.
    pub(super) fn tell_pause(&mut self, now: Timestamp, session: SessionId, act: Activity) {
        let Some(live) = self.live.get(&session) else { return };
        let (person, pause) = (live.person, live.pause);
        let granted = self.publish(now.instant, session);
        self.tell_technician(session, FromAgent::Grants { granted, why: act.to_string() });
        self.did(now, session, act);
        let event = if pause.is_on() {
            let reason = match pause {
                Pause { elsewhere: true, .. } => PauseReason::OtherUser,
                Pause { unseen: Some(_), .. } => PauseReason::Unseen,
                _ => PauseReason::ByPerson,
            };
            LocalEvent::Paused { session, reason }
        } else {
            LocalEvent::Resumed { session }
        };
        self.tell(person, event);
    }

    /// Whether its person sees a session. One that nobody needs to see counts as seen.
    fn sight(&self, live: &LiveSession) -> Sight {
        if live.attended { self.watchers.sight(live.person) } else { Sight::Seen }
    }

    /// When a session ends because nobody sees it.
    pub(super) fn unseen_until(&self) -> Option<Instant> {
        self.live.values().filter_map(|live| self.unseen_deadline(live)).min()
    }

    fn unseen_deadline(&self, live: &LiveSession) -> Option<Instant> {
        let unseen = live.pause.unseen?;
        match self.sight(live) {
            Sight::Seen => None,
            Sight::Frozen => Some(unseen.since + FROZEN_FOR),
            Sight::Nobody => Some(unseen.since + UNSEEN_FOR),
        }
    }

    /// Sessions that nobody has seen for too long.
    pub(super) fn unseen_too_long(&mut self, now: Instant) -> Vec<SessionId> {
        let is_late = |live: &LiveSession| self.unseen_deadline(live).is_some_and(|until| until <= now);
        let late: Vec<_> = self.live.iter().filter(|(_, live)| is_late(live)).map(|(id, _)| *id).collect();
        for session in &late {
            if let Some(live) = self.live.get_mut(session) {
                // Once; it ends on its own task. It stays paused by the wish.
                live.pause = Pause { wished: true, unseen: None, elsewhere: false };
            }
        }
        late
    }

    /// Why an act may not be done in a paused session.
    pub(super) fn not_paused(&self, live: &LiveSession, what: Capability) -> Result<(), SessionRefusal> {
        if self.sight(live) != Sight::Seen || live.pause.unseen.is_some() {
            return Err(SessionRefusal::Unattended);
        }
        if live.pause.wished || live.pause.elsewhere { Err(SessionRefusal::NotGranted(what)) } else { Ok(()) }
    }
}
