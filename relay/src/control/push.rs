//! What the relay says unasked.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::message::control::{FRAME_LIMIT, RelayPush, RelayPushReply};
use nearhand_relay_core::caller::PeerId;
use nearhand_transport::framed::{self, FrameError};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::plane::{ConnectedPeer, ControlPlane};

/// How long a device has for an answer to an offer: it opens a socket and binds it.
pub(super) const OFFER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long anybody has for taking note of anything else.
const NOTE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pushes to everybody that are under way at once: some 4 MB of streams and tasks.
const ABREAST: usize = 1024;

impl ConnectedPeer {
    /// Sends one push and waits for the answer.
    pub(super) async fn push(&self, push: &RelayPush) -> Result<RelayPushReply, FrameError> {
        let lost = |_| FrameError::Io(std::io::ErrorKind::ConnectionReset.into());
        let (mut send, mut recv) = self.connection.open_bi().await.map_err(lost)?;
        framed::write(&mut send, push, FRAME_LIMIT).await?;
        let _ = send.finish();
        framed::read(&mut recv, FRAME_LIMIT).await
    }
}

impl ControlPlane {
    /// Tells one peer, over all its connections, without waiting.
    pub(super) fn tell(&self, peer: &PeerId, push: &RelayPush) {
        let lines = self.state().registry.lines(peer);
        for line in lines {
            let push = push.clone();
            tokio::spawn(async move { timeout(NOTE_TIMEOUT, line.push(&push)).await });
        }
    }

    /// Tells everybody who is connected, without waiting.
    pub(super) fn tell_all(self: &Arc<Self>, push: RelayPush) {
        let control = Arc::clone(self);
        tokio::spawn(async move { control.tell_all_and_wait(push).await });
    }

    /// Tells everybody who is connected, and waits until each has answered or had its time.
    pub(super) async fn tell_all_and_wait(&self, push: RelayPush) {
        let everybody: Vec<_> = self.state().registry.everybody().map(|(_, line)| Arc::clone(line)).collect();
        let push = Arc::new(push);
        let abreast = Arc::new(Semaphore::new(ABREAST));
        let mut tasks = tokio::task::JoinSet::new();
        for line in everybody {
            let Ok(permit) = Arc::clone(&abreast).acquire_owned().await else { break };
            let push = Arc::clone(&push);
            tasks.spawn(async move {
                let _ = timeout(NOTE_TIMEOUT, line.push(&push)).await;
                drop(permit);
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }
}
