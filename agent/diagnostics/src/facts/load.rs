//! Facts about processor and memory. Types only.

use serde::{Deserialize, Serialize};

/// Use of processor and disks over a short moment, and load averages.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct SystemActivity {
    /// Number of logical processors.
    pub processors: usize,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Milliseconds over which the following were measured.
    pub over_ms: u64,
    /// Percent of the time that all processors were busy.
    pub busy_percent: f64,
    /// Percent of the time spent waiting for disks.
    pub iowait_percent: f64,
    /// Percent of the time that a hypervisor gave to others.
    pub steal_percent: f64,
    /// Disks and the percent of the time that each was busy.
    pub disks: Vec<DiskUse>,
}

/// Use of one disk.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct DiskUse {
    /// Its name, for example `sda`.
    pub name: String,
    /// Percent of the time it was busy.
    pub busy_percent: f64,
    /// Mean milliseconds from request to answer; `None` without requests.
    pub wait_ms: Option<f64>,
}

/// Pressure stall information of a resource: percent of the time that work stood still for it.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct StallShare {
    /// At least one task stood, over 10, 60 and 300 seconds.
    pub some: [f64; 3],
    /// All tasks stood, over 10, 60 and 300 seconds.
    pub full: [f64; 3],
}

/// Pressure stall information.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct PressureStalls {
    /// Waiting for the processor.
    pub cpu: StallShare,
    /// Waiting for memory.
    pub memory: StallShare,
    /// Waiting for disks.
    pub io: StallShare,
}

/// How the processor's clock is held back.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct CpuThrottling {
    /// Times that cores were slowed for heat since the start.
    pub thermal_events: Option<u64>,
    /// Highest frequency that may be used now, in percent of what the hardware can; lowest of all cores.
    pub ceiling_percent: Option<f64>,
    /// How the frequency is chosen, for example `powersave`.
    pub governor: Option<String>,
}

/// Memory and swap.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that programs can still get.
    pub available: u64,
    /// Bytes of swap.
    pub swap_total: u64,
    /// Bytes of swap free.
    pub swap_free: u64,
    /// Programs killed out of memory since the start; `None` where not counted.
    pub oom_kills: Option<u64>,
}

/// A memory controller that counts errors.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct EccController {
    /// Its name, for example `mc0`.
    pub name: String,
    /// Errors that were corrected.
    pub corrected: u64,
    /// Errors that could not be corrected.
    pub uncorrected: u64,
}
