//! Facts about packages, updates and the clock. Types only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The packages that are installed, and their state.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct InstalledPackages {
    /// Name and version, bounded.
    pub installed: BTreeMap<String, String>,
    /// Packages in all, whether kept above or not.
    pub count: usize,
    /// Packages left half installed, and their state.
    pub broken: Vec<(String, String)>,
    /// Packages that are held at their version.
    pub held: Vec<String>,
}

/// Packages that could be updated.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct AvailableUpdates {
    /// All packages with a newer version.
    pub all: Vec<String>,
    /// Those that mend a security flaw.
    pub security: Vec<String>,
}

/// What is waiting for a restart, how old the package lists are.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct UpkeepState {
    /// `true` where the system asks for a restart.
    pub reboot_asked: bool,
    /// Packages that ask for it.
    pub reboot_packages: Vec<String>,
    /// Version of the newest installed kernel, where it can be told.
    pub newest_kernel: Option<String>,
    /// Version of the running kernel.
    pub running_kernel: String,
    /// Seconds since 1970 of the last renewal of the package lists.
    pub lists_at: Option<u64>,
    /// Whether updates install themselves; `None` where not known.
    pub automatic: Option<bool>,
}

/// Offset of the clock from network time.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ClockOffset {
    /// The server asked.
    pub server: String,
    /// Seconds that network time is ahead of this machine's.
    pub offset_seconds: f64,
    /// Milliseconds there and back: the offset is no more precise than half of it.
    pub round_trip_ms: f64,
    /// The server's distance from a reference clock.
    pub stratum: u8,
}

/// What keeps the clock right.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct TimeSync {
    /// The running service, for example `chronyd`.
    pub service: Option<String>,
    /// Seconds since the last success; `None` where not known.
    pub synchronised_seconds: Option<u64>,
    /// The time zone, for example `Europe/Berlin`.
    pub zone: Option<String>,
    /// `true` for a guest whose hypervisor may keep its clock.
    pub guest: bool,
    /// `true` where this user can't see all programs, so that finding no service means nothing.
    pub services_hidden: bool,
    /// Seconds since 1970 of the latest change that two of the system's own files agree on: the clock has been there.
    pub latest_change: Option<u64>,
    /// Whether there is a clock that goes on while the machine is off; `None` where that can't be told.
    pub has_rtc: Option<bool>,
}
