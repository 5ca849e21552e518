//! Facts about services and the start. Types only.

use serde::{Deserialize, Serialize};

/// systemd's units.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Units {
    /// `running`, `degraded`, `starting`, …
    pub(crate) state: String,
    /// Units loaded.
    pub(crate) loaded: usize,
    /// Units that failed.
    pub(crate) failed: Vec<Unit>,
    /// Services that systemd has started again by itself.
    pub(crate) restarting: Vec<Restarting>,
}

/// A failed unit.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// Its name, for example `ssh.service`.
    pub(crate) name: String,
    /// Its description.
    pub(crate) description: String,
}

/// A service that was started again.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Restarting {
    /// Its name.
    pub(crate) name: String,
    /// Automatic restarts since it was started by hand or at boot.
    pub(crate) restarts: u32,
    /// Seconds since it last changed its state.
    pub(crate) changed_seconds: u64,
    /// `true` where it waits for its next restart now.
    pub(crate) waiting: bool,
}

/// How long the start took, in milliseconds.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Boot {
    /// In the firmware.
    pub(crate) firmware_ms: u64,
    /// In the boot loader.
    pub(crate) loader_ms: u64,
    /// In the kernel and its initial file system.
    pub(crate) kernel_ms: u64,
    /// From the first service to the last; `None` while it still starts.
    pub(crate) services_ms: Option<u64>,
    /// Services and how long each took, slowest first.
    pub(crate) units: Vec<(String, u64)>,
}

/// Programs that start with the desktop.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Autostart {
    /// Names for everybody.
    pub(crate) system: Vec<String>,
    /// Names in the home directories that could be read.
    pub(crate) users: Vec<String>,
}
