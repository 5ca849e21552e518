//! Facts about processor and memory. Types only.

use serde::{Deserialize, Serialize};

/// Use of processor and disks over a short moment, and load averages.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Activity {
    /// Logical processors.
    pub(crate) processors: usize,
    /// Load averages over 1, 5 and 15 minutes.
    pub(crate) load: [f64; 3],
    /// Milliseconds over which the following were measured.
    pub(crate) over_ms: u64,
    /// Percent of the time that all processors were busy.
    pub(crate) busy_percent: f64,
    /// Percent of the time spent waiting for disks.
    pub(crate) iowait_percent: f64,
    /// Percent of the time that a hypervisor gave to others.
    pub(crate) steal_percent: f64,
    /// Disks and the percent of the time that each was busy.
    pub(crate) disks: Vec<DiskUse>,
}

/// Use of one disk.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct DiskUse {
    /// Its name, for example `sda`.
    pub(crate) name: String,
    /// Percent of the time it was busy.
    pub(crate) busy_percent: f64,
    /// Mean milliseconds from request to answer; `None` without requests.
    pub(crate) wait_ms: Option<f64>,
}

/// Pressure stall information of a resource: percent of the time that work stood still for it.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Stall {
    /// At least one task stood, over 10, 60 and 300 seconds.
    pub(crate) some: [f64; 3],
    /// All tasks stood, over 10, 60 and 300 seconds.
    pub(crate) full: [f64; 3],
}

/// Pressure stall information.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Pressure {
    /// Waiting for the processor.
    pub(crate) cpu: Stall,
    /// Waiting for memory.
    pub(crate) memory: Stall,
    /// Waiting for disks.
    pub(crate) io: Stall,
}

/// How the processor's clock is held back.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Throttling {
    /// Times that cores were slowed for heat since the start.
    pub(crate) thermal_events: Option<u64>,
    /// Highest frequency that may be used now, in percent of what the hardware can; lowest of all cores.
    pub(crate) ceiling_percent: Option<f64>,
    /// How the frequency is chosen, for example `powersave`.
    pub(crate) governor: Option<String>,
}

/// Memory and swap.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Bytes in all.
    pub(crate) total: u64,
    /// Bytes that programs can still get.
    pub(crate) available: u64,
    /// Bytes of swap.
    pub(crate) swap_total: u64,
    /// Bytes of swap free.
    pub(crate) swap_free: u64,
    /// Programs ended for want of memory since the start; `None` where not counted.
    pub(crate) oom_kills: Option<u64>,
}

/// A memory controller that counts errors.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct EccController {
    /// Its name, for example `mc0`.
    pub(crate) name: String,
    /// Errors that were corrected.
    pub(crate) corrected: u64,
    /// Errors that could not be corrected.
    pub(crate) uncorrected: u64,
}
