//! The connection to the relay, as the agent's tasks share it. [`crate::control`] makes it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nearhand_transport::control::RelayConnection;
use tokio::sync::{Notify, watch};

/// The connection to the relay, if there is one, and what is wrong if there isn't.
pub(crate) struct RelayLink {
    connection: watch::Sender<Option<RelayConnection>>,
    problem: Mutex<Option<String>>,
    redial: Notify,
}

impl RelayLink {
    pub(super) fn new() -> Self {
        Self {
            connection: watch::channel(None).0,
            problem: Mutex::new(Some("not connected yet".to_owned())),
            redial: Notify::new(),
        }
    }

    fn locked_problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connected(&self, connection: RelayConnection) {
        *self.locked_problem() = None;
        self.connection.send_replace(Some(connection));
    }

    /// There is no connection. Whether that, or the reason, is news.
    pub(super) fn lost(&self, problem: String) -> bool {
        self.connection.send_replace(None);
        let mut known = self.locked_problem();
        let is_news = known.as_ref() != Some(&problem);
        *known = Some(problem);
        is_news
    }

    /// What is wrong; `None`: it is connected.
    pub(crate) fn problem(&self) -> Option<String> {
        self.locked_problem().clone()
    }

    /// The connection, if there is one.
    pub(crate) fn connection(&self) -> Option<RelayConnection> {
        self.connection.borrow().clone()
    }

    /// Follows the connection.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<RelayConnection>> {
        self.connection.subscribe()
    }

    /// The connection is to be made again, with a new key.
    pub(super) fn redial(&self) {
        self.redial.notify_one();
    }

    /// Waits until the connection is to be made again.
    pub(crate) async fn redial_wanted(&self) {
        self.redial.notified().await;
    }
}
