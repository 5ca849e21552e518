//! What the local programs are told, each what is for its person's eyes.

use std::sync::Arc;

use nearhand_agent_core::sessions::LocalUser;
use nearhand_proto::message::local::LocalEvent;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Hub;

/// Events that a slow watcher may lag behind before it is told to look at the status again.
const EVENTS: usize = 256;

/// An event, and for whom it is.
#[derive(Clone, Debug)]
pub(super) struct AddressedEvent {
    person: Option<u32>,
    event: LocalEvent,
}

/// The way to all local programs that watch.
#[derive(Debug)]
pub(super) struct LocalEvents(broadcast::Sender<AddressedEvent>);

impl LocalEvents {
    pub(super) fn new() -> Self {
        Self(broadcast::channel(EVENTS).0)
    }

    /// Tells everybody who watches.
    pub(super) fn tell(&self, event: LocalEvent) {
        self.tell_to(None, event);
    }

    /// Tells who watches for that person; `None` for everybody.
    pub(super) fn tell_to(&self, person: Option<u32>, event: LocalEvent) {
        // No watcher is no error.
        let _ = self.0.send(AddressedEvent { person, event });
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<AddressedEvent> {
        self.0.subscribe()
    }
}

/// A local program that is told of events; it no longer watches once this is dropped.
pub(crate) struct LocalWatcher {
    hub: Arc<Hub>,
    number: u64,
    user: LocalUser,
    events: broadcast::Receiver<AddressedEvent>,
}

impl LocalWatcher {
    pub(super) fn new(
        hub: Arc<Hub>,
        number: u64,
        user: LocalUser,
        events: broadcast::Receiver<AddressedEvent>,
    ) -> Self {
        Self { hub, number, user, events }
    }

    /// What happens next that is for this person's eyes.
    ///
    /// # Errors
    /// As of the channel: some were missed, or the agent is gone.
    pub(crate) async fn next(&mut self) -> Result<LocalEvent, RecvError> {
        loop {
            let addressed = self.events.recv().await?;
            if self.user.sees(addressed.person) {
                return Ok(addressed.event);
            }
        }
    }
}

impl Drop for LocalWatcher {
    fn drop(&mut self) {
        self.hub.update(|sessions, now| sessions.leave(now, self.number));
    }
}
