//! Facts about printers. Types only.

use serde::{Deserialize, Serialize};

/// The print queues of this machine.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PrintQueues {
    /// All queues, one entry for each.
    pub queues: Vec<PrintQueue>,
}

/// One print queue.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PrintQueue {
    /// The name of the queue.
    pub name: String,
    /// `true` where it prints.
    pub enabled: bool,
    /// What it says about its state.
    pub message: String,
    /// Jobs that wait.
    pub jobs: usize,
}
