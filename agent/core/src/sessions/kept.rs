//! Sessions that outlive this process: an agent that is started again within the same boot goes on with what was granted.
//!
//! What is kept is what stands at this moment. What was ended, taken back or has expired isn't, so it never comes back. How
//! it is kept, and for how long it counts, is the driver's.

use std::time::{Duration, Instant};

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::session::SessionRefusal;

use super::change::{SessionChange, UnrecordedChangeId};
use super::kept_session::{KeptSession, RestoredSession};
use super::live_session::{ArrivedSession, SessionPhase};
use super::record_health::row;
use super::state::Sessions;
use super::timestamp::Timestamp;
use crate::consent::GrantTerms;

impl Sessions {
    /// What the next process needs. A choice of one window isn't kept: another list is looked at then.
    pub fn to_keep(&self, now: Instant) -> Vec<KeptSession> {
        let running = self.live.iter().filter(|(_, live)| matches!(live.phase, SessionPhase::Running));
        let kept = running.map(|(session, live)| {
            let granted = self.consent.remaining(now, *session).into_iter();
            KeptSession {
                session: *session,
                attended: live.attended,
                person: live.person,
                reason: live.reason.clone(),
                began: live.began,
                is_paused: live.pause.wished,
                screen: live.screen.clone(),
                granted: granted.filter(|(what, _)| *what != Capability::Window).collect(),
            }
        });
        kept.collect()
    }

    /// A session of the process before stands again, once that is written down. Its technician has been verified again.
    pub fn restore(&mut self, start: ArrivedSession, kept: KeptSession) -> UnrecordedChangeId {
        let session = start.session;
        self.arriving.insert(session);
        let term = |(what, duration): &(Capability, Duration)| GrantTerms {
            session,
            capabilities: Capabilities::from(*what),
            duration: *duration,
        };
        let terms: Vec<_> = kept.granted.iter().map(term).collect();
        let left =
            terms.iter().map(|terms| format!("{} for {} s", terms.capabilities, terms.duration.as_secs()));
        let left = left.collect::<Vec<_>>().join(", ");
        let detail =
            if left.is_empty() { "nothing is granted".to_owned() } else { format!("still granted: {left}") };
        let row =
            row("agent", "session.kept", Some(session), format!("the agent was started again; {detail}"));
        self.propose(row, SessionChange::Restore(Box::new(RestoredSession { start, kept, terms })))
    }

    /// Before what was granted counts again: the session stands, as its connection was lost.
    pub(super) fn stands_again(&mut self, now: Timestamp, restored: &RestoredSession) {
        let RestoredSession { start, kept, .. } = restored;
        // One that is over already is refused afterwards.
        if self.begun(now, start.clone()).is_err() {
            return;
        }
        if let Some(live) = self.live.get_mut(&start.session) {
            live.reason.clone_from(&kept.reason);
            live.began = kept.began;
            live.pause.wished = kept.is_paused;
            live.screen.clone_from(&kept.screen);
        }
    }

    /// Tells everybody what counts again.
    pub(super) fn restored(&mut self, now: Timestamp, session: SessionId) -> Result<(), SessionRefusal> {
        if !self.live.contains_key(&session) {
            return Err(SessionRefusal::NoSuchSession);
        }
        self.set_connected(now, session, false);
        // Another user may be at the screen by now.
        self.screen_changed(now);
        self.publish(now.instant, session);
        Ok(())
    }
}
