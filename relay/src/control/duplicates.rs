//! A device's connection that is replaced by another: an ordinary reconnection, or two machines with one identity.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::message::control::{CloseCode, RelayPush};
use nearhand_relay_core::caller::PeerId;
use tokio::time::timeout;

use super::plane::{ConnectedPeer, ControlPlane, now_unix};

/// How long the replaced connection has for showing that it is alive: two round trips over a bad line.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

impl ControlPlane {
    /// Closes the replaced connection. One of a device is asked first whether it is alive: an agent has one connection, so a
    /// living one is another program's.
    pub(super) fn replace(self: &Arc<Self>, old: Arc<ConnectedPeer>, new: &ConnectedPeer) {
        let Some(PeerId::Device(device)) = old.id() else {
            old.close(CloseCode::Replaced);
            return;
        };
        let (control, by) = (Arc::clone(self), new.connection.remote_address());
        tokio::spawn(async move {
            // Says nothing new; the one who is there answers it.
            let question = RelayPush::Revocations { list: None, retirements: Vec::new() };
            let is_alive = matches!(timeout(SIGN_OF_LIFE, old.push(&question)).await, Ok(Ok(_)));
            let from = old.connection.remote_address();
            old.close(CloseCode::Replaced);
            if is_alive {
                tracing::warn!(%device, %from, %by, "a device's living connection was replaced");
                let found = control.duplicates().replaced_alive(device, from, by, now_unix());
                control.keep_found(found).await;
            }
        });
    }
}
