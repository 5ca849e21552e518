//! Refusals and broken rules of the protocol, as the audit log, the metrics and the log have them.

use std::time::Instant;

use nearhand_proto::audit::AuditEvent;
use nearhand_relay_core::network::SourceNetwork;
use nearhand_relay_core::tally::TallyVerdict;

use super::plane::{ConnectedPeer, ControlPlane};
use super::refusals::event;
use crate::metrics::MetricFamily;
use crate::store::StoreWrite;

impl ControlPlane {
    /// Records a refusal, or counts it if there were too many lately.
    pub(super) async fn audit_refusal(
        &self,
        actor: &str,
        action: &'static str,
        network: SourceNetwork,
        detail: &str,
    ) {
        if self.quiet.tally().note(action, network.surrounding()) == TallyVerdict::Row {
            // A failure is known to the store's health.
            let row = event(actor, action, None, detail);
            let _ = self.store.write_audited(StoreWrite::Nothing, vec![row]).await;
        }
    }

    /// The row of something that anybody may do: always for a member, counted in a flood of guests.
    pub(super) fn event_of_stranger(
        &self,
        peer: &ConnectedPeer,
        action: &'static str,
        detail: &str,
    ) -> Vec<AuditEvent> {
        let is_guest = peer.caller.verified().is_none();
        if is_guest && self.quiet.tally().note(action, peer.network.surrounding()) == TallyVerdict::Counted {
            return Vec::new();
        }
        vec![event(&peer.actor(), action, None, detail)]
    }

    /// Records at once what is only counted so far.
    pub async fn record_tally(self: std::sync::Arc<Self>) {
        self.store_tally(true).await;
    }

    /// Records how many refusals and the like had no row of their own, when their interval is over or `all` at once.
    pub(super) async fn store_tally(&self, all: bool) {
        let due = self.quiet.tally().take_due(Instant::now(), all);
        let rows: Vec<AuditEvent> =
            due.iter().map(|counted| event("relay", counted.action, None, counted.to_string())).collect();
        if !rows.is_empty() {
            let _ = self.store.write_audited(StoreWrite::Nothing, rows).await;
        }
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
