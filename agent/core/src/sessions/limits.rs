//! How much a technician may say before it costs the device something: each request may be a row on the disk, words before
//! the person's eyes, and work of the thread that also serves Stop.
//!
//! What is beyond a limit is refused in words, and one row says how much of it there was.

use std::time::{Duration, Instant};

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::Activity;
use nearhand_proto::message::session::{FromAgent, SessionRefusal};

use super::state::Sessions;
use super::timestamp::Timestamp;
use crate::rate::RateLimit;

/// What the technician is told.
const TOO_OFTEN: &str = "the device ignores some of what was said: too much came at once";

/// What one session's technician may still say.
#[derive(Debug)]
pub(super) struct TechnicianLimits {
    /// Questions, reasons, and capabilities that are given up.
    requests: RateLimit,
    /// Refusals that are written down and told one by one.
    refusals: RateLimit,
    chat_messages: RateLimit,
    chat_bytes: RateLimit,
    /// How much was beyond a limit since the last row about it.
    left_out: u64,
    /// The technician was told since then.
    is_told: bool,
}

impl Default for TechnicianLimits {
    fn default() -> Self {
        Self {
            requests: RateLimit::new(12, Duration::from_secs(2)),
            refusals: RateLimit::new(12, Duration::from_secs(10)),
            // A quick writer's messages, and now and then some pages of pasted text.
            chat_messages: RateLimit::new(50, Duration::from_millis(100)),
            chat_bytes: RateLimit::new(64 * 1024, Duration::from_micros(250)),
            left_out: 0,
            is_told: false,
        }
    }
}

impl Sessions {
    /// Whether another request of the technician is taken. One that isn't is counted.
    pub(super) fn takes_request(&mut self, now: Instant, session: SessionId) -> bool {
        let Some(live) = self.live.get_mut(&session) else { return true };
        let taken = live.limits.requests.take(now);
        self.count_left_out(now, session, taken);
        taken
    }

    /// Whether another refusal is written down and told to the person. One that isn't is counted.
    pub(super) fn notes_refusal(&mut self, now: Instant, session: SessionId) -> bool {
        let Some(live) = self.live.get_mut(&session) else { return true };
        let taken = live.limits.refusals.take(now);
        self.count_left_out(now, session, taken);
        taken
    }

    /// A chat message of the technician of that many bytes has come: how long nothing more is read of the chat. What isn't
    /// read waits at the technician's end.
    pub fn chat_arrived(&mut self, now: Timestamp, session: SessionId, bytes: usize) -> Duration {
        let Some(live) = self.live.get_mut(&session) else { return Duration::ZERO };
        let (limits, bytes) = (&mut live.limits, u32::try_from(bytes).unwrap_or(u32::MAX));
        limits.chat_messages.charge(now.instant, 1);
        limits.chat_bytes.charge(now.instant, bytes);
        limits.chat_messages.wait_for(now.instant, 1).max(limits.chat_bytes.wait_for(now.instant, 1))
    }

    /// The chat of a session takes no more.
    pub fn chat_refused(&mut self, now: Timestamp, session: SessionId, why: &str) {
        let granted = self.granted(now.instant, session);
        self.tell_technician(
            session,
            FromAgent::Grants { granted, why: format!("the chat is closed: {why}") },
        );
    }

    /// A stream of the technician was refused. Returns whether it was one of too many, which the person isn't told one by one.
    pub fn stream_refused(&mut self, now: Timestamp, session: SessionId, refusal: SessionRefusal) -> bool {
        let Some(live) = self.live.get(&session) else { return false };
        let too_many = live.limits.left_out > 0;
        if !too_many {
            self.did(now, session, Activity::Refused(refusal.into()));
        }
        too_many
    }

    fn count_left_out(&mut self, now: Instant, session: SessionId, taken: bool) {
        let Some(live) = self.live.get_mut(&session) else { return };
        if taken {
            return self.write_left_out(session);
        }
        live.limits.left_out += 1;
        if !core::mem::replace(&mut live.limits.is_told, true) {
            let granted = self.granted(now, session);
            self.tell_technician(session, FromAgent::Grants { granted, why: TOO_OFTEN.to_owned() });
        }
    }

    /// One row for what was beyond a limit.
    pub(super) fn write_left_out(&mut self, session: SessionId) {
        let Some(live) = self.live.get_mut(&session) else { return };
        let left_out = core::mem::take(&mut live.limits.left_out);
        live.limits.is_told = false;
        if left_out > 0 {
            let actor = live.technician.actor();
            let detail = format!("{left_out} more requests were refused: too many at once");
            self.note(&actor, "refused", Some(session), detail);
        }
    }
}
