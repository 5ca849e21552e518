//! Memberships that expire while somebody is connected.

use std::sync::Arc;

use nearhand_proto::message::control::{CloseCode, CloseOutcome};
use nearhand_relay_core::caller::PeerId;

use super::plane::{ConnectedPeer, ControlPlane, now_unix};
use super::refusals::event;
use crate::store::StoreWrite;

impl ControlPlane {
    /// Ends connections and sessions of members whose credential has expired since they said hello. A renewed credential
    /// comes with a new connection, so what stands was shown by this one.
    pub(super) async fn end_expired(&self) {
        let now = now_unix();
        let expired = |peer: &Arc<ConnectedPeer>| {
            peer.caller.verified().is_some_and(|who| now > who.invite.valid_until)
        };
        let (gone, sessions) = {
            let state = self.state();
            let gone: Vec<Arc<ConnectedPeer>> = state
                .registry
                .everybody()
                .map(|(_, peer)| peer)
                .filter(|peer| expired(peer))
                .cloned()
                .collect();
            let ends = |id: &PeerId| {
                gone.iter().any(|peer| peer.id() == Some(*id))
                    && state.registry.lines(id).iter().all(&expired)
            };
            let sessions: Vec<_> = state
                .registry
                .sessions
                .iter()
                .filter(|_| !gone.is_empty())
                .filter(|s| ends(&s.device) || ends(&PeerId::Person(s.technician)))
                .map(|s| s.id)
                .collect();
            (gone, sessions)
        };
        for session in sessions {
            let note = Some("the credential of one end has expired".to_owned());
            self.end_session(&session, CloseOutcome::Expired, "relay", note).await;
        }
        for peer in gone {
            peer.close(CloseCode::Expired);
            let row = event(&peer.actor(), "member.expired", None, "its connection was closed");
            // A failure is known to the store's health.
            let _ = self.store.write_audited(StoreWrite::Nothing, vec![row]).await;
        }
    }
}
