//! Facts about printers. Types only.

use serde::{Deserialize, Serialize};

/// Print queues.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Printers {
    /// The queues.
    pub(crate) queues: Vec<Queue>,
}

/// One print queue.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Queue {
    /// Its name.
    pub(crate) name: String,
    /// `true` where it prints.
    pub(crate) enabled: bool,
    /// What it says about its state.
    pub(crate) message: String,
    /// Jobs that wait.
    pub(crate) jobs: usize,
}
