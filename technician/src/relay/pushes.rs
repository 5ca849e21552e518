//! What the relay says unasked: kept, acknowledged, and passed on to the listeners.

use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::{OfferRefusal, RelayPush, RelayPushReply};
use nearhand_transport::control::RelayConnection;
use tokio::sync::broadcast;

use crate::home::ClientHome;

/// Runs until the connection ends. In order: a push is taken in before the next is read.
pub(super) async fn receive(
    connection: RelayConnection,
    home: ClientHome,
    organisation: PublicKey,
    listeners: broadcast::Sender<RelayPush>,
) {
    while let Ok((push, answer)) = connection.next_push().await {
        answer.send(take(&push, &home, &organisation)).await;
        // Without a listener there is nobody to tell.
        let _ = listeners.send(push);
    }
}

fn take(push: &RelayPush, home: &ClientHome, organisation: &PublicKey) -> RelayPushReply {
    match push {
        // Offers are for devices.
        RelayPush::Offer(_) => return RelayPushReply::Refused(OfferRefusal::NoPath),
        RelayPush::Revocations { list, retirements } => {
            if let Err(e) = super::revocations::apply(home, organisation, list.as_ref(), retirements) {
                tracing::error!(error = %e, "can't write down what was revoked");
            }
        }
        // What people wait for is theirs.
        RelayPush::SessionClosed { .. } | RelayPush::Goodbye { .. } | RelayPush::Help(_) => {}
    }
    RelayPushReply::Done
}
