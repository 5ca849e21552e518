//! The running alarms, for the rest of the agent: the ways to their thread.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nearhand_proto::alarm::AlarmBatch;
use nearhand_proto::id::StreamId;
use tokio::sync::{oneshot, watch};

use super::orders::{AlarmOrder, AlarmProgress, AlarmStatus};

/// How long the thread may take to say how everything stands. It waits for nothing but the agent's own disk.
const STATUS_PATIENCE: Duration = Duration::from_secs(3);

/// Why nobody says how the alarms stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AlarmsUnavailable {
    /// Their thread has ended.
    #[error("alarms are off: this device is not enrolled, or the log says why")]
    Ended,
    /// Their thread doesn't answer.
    #[error(
        "the alarms do not answer: the disk with the agent's directory probably hangs; what is open now is unknown, and \
         nothing new is judged until it answers"
    )]
    Silent,
}

/// The running alarms, for the rest of the agent. Cheap to ask: the work is the thread's.
pub(crate) struct AlarmsHandle {
    pub(super) orders: Sender<AlarmOrder>,
    pub(super) progress: watch::Receiver<AlarmProgress>,
    /// Why nothing reaches the relay.
    pub(super) delivery: Mutex<Option<String>>,
}

impl AlarmsHandle {
    pub(super) fn order(&self, order: AlarmOrder) {
        // A thread that is gone has said why, or the agent ends.
        let _ = self.orders.send(order);
    }

    /// Reads the rules file again.
    pub(crate) fn reload(&self) {
        self.order(AlarmOrder::Reload);
    }

    /// The state of all alarms.
    pub(crate) async fn status(&self) -> Result<AlarmStatus, AlarmsUnavailable> {
        let (reply, answer) = oneshot::channel();
        self.order(AlarmOrder::Status(reply));
        match tokio::time::timeout(STATUS_PATIENCE, answer).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(_)) => Err(AlarmsUnavailable::Ended),
            Err(_) => Err(AlarmsUnavailable::Silent),
        }
    }

    /// Why nothing reaches the relay, if that is so.
    pub(crate) fn delivery_problem(&self) -> Option<String> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn delivered(&self, problem: Option<String>) {
        *self.delivery.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(super) fn progress(&self) -> watch::Receiver<AlarmProgress> {
        self.progress.clone()
    }

    pub(super) fn clock_ahead(&self, ms: i64) {
        self.order(AlarmOrder::ClockAhead(ms));
    }

    pub(super) async fn batch(&self) -> Option<AlarmBatch> {
        let (reply, answer) = oneshot::channel();
        self.order(AlarmOrder::Batch(reply));
        answer.await.ok().flatten()
    }

    pub(super) fn relay_has(&self, stream: StreamId, through: u64) {
        self.order(AlarmOrder::RelayHas(stream, through));
    }

    pub(super) fn is_foreign(&self, stream: StreamId) {
        self.order(AlarmOrder::Foreign(stream));
    }

    pub(super) fn acknowledged(&self, stream: StreamId, through: u64) {
        self.order(AlarmOrder::Acknowledged(stream, through));
    }
}
