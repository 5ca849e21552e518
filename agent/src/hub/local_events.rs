//! What the local programs are told, each what is for its person's eyes.

use nearhand_proto::message::local::LocalEvent;
use tokio::sync::broadcast;

/// Events that a slow watcher may lag behind before it is told to look at the status again.
const EVENTS: usize = 256;

/// An event, and for whom it is.
#[derive(Clone, Debug)]
pub(super) struct AddressedEvent {
    pub(super) person: Option<u32>,
    pub(super) event: LocalEvent,
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
