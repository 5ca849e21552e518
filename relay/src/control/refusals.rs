//! Events of the relay's audit log, and how many rows strangers can cause in it and in the log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nearhand_proto::audit::{AuditEvent, MAX_DETAIL};
use nearhand_proto::id::SessionId;
use nearhand_proto::text;
use nearhand_relay_core::registry::limits::{BucketRate, RateBucket};
use nearhand_relay_core::tally::EventTally;

/// Log lines about peers that break the protocol.
const LINES: BucketRate = BucketRate { burst: 20, every_ms: 1_000 };
/// Longest actor, in characters: a role, a name and an id.
const MAX_ACTOR: usize = 200;

/// An event of the relay's log.
pub(super) fn event(
    actor: &str,
    action: &'static str,
    session: Option<SessionId>,
    detail: impl AsRef<str>,
) -> AuditEvent {
    AuditEvent {
        actor: text::one_line(actor, MAX_ACTOR),
        action: action.to_owned(),
        session,
        detail: text::one_line(detail.as_ref(), MAX_DETAIL / 2),
    }
}

/// Keeps what strangers can cause from filling logs.
pub(super) struct RefusalLog {
    tally: Mutex<EventTally>,
    lines: Mutex<(RateBucket, u64)>,
}

impl RefusalLog {
    pub(super) fn new(now: Instant) -> Self {
        Self { tally: Mutex::new(EventTally::new(now)), lines: Mutex::new((RateBucket::full(LINES, now), 0)) }
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, EventTally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Some(n)`: say it, and that `n` before it were left out.
    pub(super) fn line(&self) -> Option<u64> {
        let mut held = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0.take(LINES, Instant::now()).is_err() {
            held.1 += 1;
            return None;
        }
        Some(std::mem::take(&mut held.1))
    }
}
