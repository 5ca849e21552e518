//! Refusals and broken rules of the protocol, as the audit log, the metrics and the log have them.

use super::plane::{ConnectedPeer, ControlPlane};
use super::refusals::{REFUSALS, RefusalLog, event};
use crate::metrics::MetricFamily;
use crate::store::StoreWrite;

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
