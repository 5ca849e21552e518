//! Heads that devices show of their own audit logs: kept, and compared with those they showed before.

use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::VerifiedCredential;
use nearhand_proto::id::DeviceId;
use nearhand_proto::identity::Signed;
use nearhand_proto::message::control::{RelayRefusal, RelayReply};

use super::plane::{ConnectedPeer, ControlPlane, now_unix, storage};
use crate::store::{StoreWrite, WriteOutcome};

impl ControlPlane {
    pub(super) async fn witness(
        &self,
        peer: &ConnectedPeer,
        who: &VerifiedCredential,
        signed: &Signed<AuditHead>,
    ) -> Result<RelayReply, RelayRefusal> {
        let head = signed
            .open(&peer.key)
            .map_err(|_| RelayRefusal::Credential("the audit head is not signed by this device".into()))?;
        self.keep_head(peer, who.first_key().device_id(), head, signed).await?;
        Ok(RelayReply::Done)
    }

    /// Keeps a device's head, in the relay's own log too. One that contradicts an earlier one is not kept but named there.
    pub(super) async fn keep_head(
        &self,
        peer: &ConnectedPeer,
        device: DeviceId,
        head: AuditHead,
        signed: &Signed<AuditHead>,
    ) -> Result<(), RelayRefusal> {
        let write = StoreWrite::Witness(device, head, signed.clone(), now_unix());
        let hash = data_encoding::HEXLOWER.encode(&head.hash);
        match self.store.write(write).await.map_err(storage)? {
            WriteOutcome::Done => {}
            WriteOutcome::Number(number) => {
                let detail = format!("its audit log stands at row {number}, {hash}");
                self.audit_refusal(&peer.actor(), "witness", peer.network, &detail).await;
            }
            WriteOutcome::Conflict => {
                let detail = format!(
                    "its audit log stands at row {}, {hash}, which contradicts what it showed before: rows were removed \
                     or written again",
                    head.number
                );
                tracing::warn!(%device, row = head.number, "a device's audit log contradicts what it showed before");
                self.audit_refusal(&peer.actor(), "witness.contradiction", peer.network, &detail).await;
            }
        }
        Ok(())
    }
}
