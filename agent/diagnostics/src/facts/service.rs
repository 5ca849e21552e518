//! Facts about services and the start. Types only.

use serde::{Deserialize, Serialize};

/// The state of systemd and of its units.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct UnitStates {
    /// `running`, `degraded`, `starting`, …
    pub state: String,
    /// Number of units that are loaded.
    pub loaded: usize,
    /// Units that failed.
    pub failed: Vec<FailedUnit>,
    /// Services that systemd has started again by itself.
    pub restarting: Vec<RestartingService>,
}

/// A failed unit.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct FailedUnit {
    /// Its name, for example `ssh.service`.
    pub name: String,
    /// The description in the unit file.
    pub description: String,
}

/// A service that was started again.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct RestartingService {
    /// The name of the unit.
    pub name: String,
    /// Automatic restarts since it was started by hand or at boot.
    pub restarts: u32,
    /// Seconds since it last changed its state.
    pub changed_seconds: u64,
    /// `true` where it waits for its next restart now.
    pub waiting: bool,
}

/// How long the start took, in milliseconds.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct BootTimes {
    /// In the firmware.
    pub firmware_ms: u64,
    /// In the boot loader.
    pub loader_ms: u64,
    /// In the kernel and its initial file system.
    pub kernel_ms: u64,
    /// From the first service to the last; `None` while it still starts.
    pub services_ms: Option<u64>,
    /// Services and how long each took, slowest first.
    pub units: Vec<(String, u64)>,
}

/// Programs that start with the desktop.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct AutostartPrograms {
    /// Names for everybody.
    pub system: Vec<String>,
    /// Names in the home directories that could be read.
    pub users: Vec<String>,
}
