//! A local program that watches: it counts as somebody at the device for as long as it does.

use std::sync::Arc;

use nearhand_agent_core::sessions::LocalUser;
use nearhand_proto::message::local::LocalEvent;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::driver::Hub;
use super::local_events::AddressedEvent;

/// A local program that is told of events; it no longer watches once this is dropped.
pub(crate) struct LocalWatcher {
    hub: Arc<Hub>,
    number: u64,
    user: LocalUser,
    events: broadcast::Receiver<AddressedEvent>,
}

impl LocalWatcher {
    /// Its number among those who watch.
    pub(crate) fn number(&self) -> u64 {
        self.number
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

impl Hub {
    /// A local program watches from now on: told of events, and counted as somebody who can be asked.
    pub(crate) fn watch(self: &Arc<Self>, user: LocalUser) -> LocalWatcher {
        let events = self.events.subscribe();
        let number = self.update(|sessions, now| sessions.join(now, user));
        LocalWatcher { hub: self.clone(), number, user, events }
    }
}
