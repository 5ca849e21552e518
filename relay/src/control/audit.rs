//! What the relay's audit log says, and how often at most it says that somebody was refused.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nearhand_proto::audit::{AuditEvent, MAX_DETAIL};
use nearhand_proto::id::SessionId;
use nearhand_proto::text;
use nearhand_relay_core::registry::limits::{BucketRate, RateBucket};

use super::{ConnectedPeer, ControlPlane};
use crate::metrics::MetricFamily;
use crate::store::StoreWrite;

/// Rows about refusals: more would let anybody fill the disk.
const REFUSALS: BucketRate = BucketRate { burst: 60, every_ms: 5_000 };
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
    refusals: Mutex<(RateBucket, u64)>,
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
    fn may(of: &Mutex<(RateBucket, u64)>, pace: BucketRate) -> Option<u64> {
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

impl ControlPlane {
    /// Records a refusal, unless there were too many lately. Does not wait for the disk to work.
    pub(super) async fn audit_refusal(&self, actor: &str, action: &'static str, detail: &str) {
        let Some(left_out) = RefusalLog::may(&self.quiet.refusals, REFUSALS) else { return };
        let detail = match left_out {
            0 => detail.to_owned(),
            n => format!("{detail} ({n} more refusals were not recorded)"),
        };
        let _ = self.store.write_audited(StoreWrite::Nothing, vec![event(actor, action, None, detail)]).await;
    }

    /// Counts and logs that a peer broke the protocol. The text is this program's, never the peer's.
    pub(super) fn note_violation(&self, peer: &ConnectedPeer, what: &'static str) {
        self.metrics.count(MetricFamily::Violations, what);
        if let Some(left_out) = self.quiet.line() {
            tracing::warn!(
                caller = peer.caller.kind(),
                key = %peer.key,
                from = %peer.connection.remote_address(),
                what,
                left_out,
                "a peer broke the protocol"
            );
        }
    }
}
