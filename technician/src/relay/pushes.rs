//! What the relay says unasked: taken in, acknowledged, and passed on to whoever listens.

use nearhand_shared::identity::PublicKey;
use nearhand_shared::message::control::{FRAME_LIMIT, OfferRefusal, Push, PushReply, REQUEST_TIMEOUT};
use nearhand_shared::transport::framed;
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::home::Home;

/// Runs until the connection ends. In order: a push is taken in before the next is read.
pub(super) async fn receive(
    connection: Connection,
    home: Home,
    organisation: PublicKey,
    listeners: broadcast::Sender<Push>,
) {
    while let Ok((mut to, mut from)) = connection.accept_bi().await {
        let one = take(&mut to, &mut from, &home, &organisation);
        match timeout(REQUEST_TIMEOUT, one).await {
            Ok(Some(push)) => {
                // Nobody listening is no error.
                let _ = listeners.send(push);
            }
            Ok(None) => tracing::debug!("a push could not be read"),
            Err(_) => tracing::debug!("a push did not arrive whole in time"),
        }
    }
}

async fn take(
    to: &mut SendStream,
    from: &mut RecvStream,
    home: &Home,
    organisation: &PublicKey,
) -> Option<Push> {
    let push: Push = framed::read(from, FRAME_LIMIT).await.ok()?;
    let reply = match &push {
        // Offers are for devices.
        Push::Offer(_) => PushReply::Refused(OfferRefusal::NoPath),
        Push::Revocations { list, retirements } => {
            if let Err(e) = super::apply(home, organisation, list.as_ref(), retirements) {
                tracing::error!(error = %e, "can't write down what was revoked");
            }
            PushReply::Done
        }
        Push::SessionClosed { .. } | Push::Goodbye { .. } => PushReply::Done,
    };
    if framed::write(to, &reply, FRAME_LIMIT).await.is_ok() {
        let _ = to.finish();
    }
    Some(push)
}
