//! The two ends of a session.

use serde::{Deserialize, Serialize};

/// One of the two ends of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SessionSide {
    /// The technician's client.
    Technician,
    /// The device's agent.
    Device,
}
