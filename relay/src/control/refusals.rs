//! Events of the relay's audit log, and how often at most it says that somebody was refused.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nearhand_proto::audit::{AuditEvent, MAX_DETAIL};
use nearhand_proto::id::SessionId;
use nearhand_proto::text;
use nearhand_relay_core::registry::limits::{BucketRate, RateBucket};

/// Rows about refusals: more would let anybody fill the disk.
pub(super) const REFUSALS: BucketRate = BucketRate { burst: 60, every_ms: 5_000 };
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
    pub(super) refusals: Mutex<(RateBucket, u64)>,
    lines: Mutex<(RateBucket, u64)>,
}

impl RefusalLog {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            refusals: Mutex::new((RateBucket::full(REFUSALS, now), 0)),
            lines: Mutex::new((RateBucket::full(LINES, now), 0)),
        }
    }

    /// `Some(n)`: say it, and that `n` before it were left out.
    pub(super) fn may(of: &Mutex<(RateBucket, u64)>, pace: BucketRate) -> Option<u64> {
        let mut held = of.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0.take(pace, Instant::now()).is_err() {
            held.1 += 1;
            return None;
        }
        Some(std::mem::take(&mut held.1))
    }

    pub(super) fn line(&self) -> Option<u64> {
        Self::may(&self.lines, LINES)
    }
}
