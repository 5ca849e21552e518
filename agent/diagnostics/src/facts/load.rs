//! Facts about processor and memory. Types only, and what follows from them without judging.

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

/// How the processor is held back.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct CpuThrottling {
    /// Times that cores were slowed for heat since the start.
    pub thermal_events: Option<u64>,
    /// Times that cores were slowed for heat while this was watched, a second.
    pub recent_events: Option<u64>,
    /// Seconds since the start, which the first of these numbers must be seen against.
    pub uptime_seconds: u64,
    /// Highest frequency that may be used now, in percent of what the hardware can; lowest of all cores.
    pub ceiling_percent: Option<f64>,
    /// How the frequency is chosen, for example `powersave`.
    pub governor: Option<String>,
    /// The limit that a control group sets, with what was counted while this was watched.
    pub quota: Option<CpuQuota>,
}

/// A control group's limit on processor time.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct CpuQuota {
    /// The control group.
    pub path: String,
    /// Processors' worth of time that it may use.
    pub processors: f64,
    /// Periods (usually 100 ms) in which it wanted to run.
    pub periods: u64,
    /// Periods in which its time was used up.
    pub throttled: u64,
}

/// Memory and swap.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that programs can still get; `None` where the kernel doesn't tell and nothing tells it by other numbers.
    pub available: Option<u64>,
    /// `true` where the kernel doesn't tell what is available, and it was reckoned from what it does.
    pub estimated: bool,
    /// Bytes of ZFS's cache that it gives back, part of what is available.
    pub reclaimable_arc: u64,
    /// Bytes set aside as huge pages, which only programs that ask for those can get.
    pub huge_pages: u64,
    /// Bytes of swap.
    pub swap_total: u64,
    /// Bytes of swap free.
    pub swap_free: u64,
    /// Programs killed out of memory since the start; `None` where not counted.
    pub oom_kills: Option<u64>,
    /// The control group that leaves least, where one has a limit.
    pub group: Option<MemoryGroup>,
}

impl MemoryUse {
    /// Bytes that ordinary programs share.
    pub fn usable(&self) -> u64 {
        self.total.saturating_sub(self.huge_pages)
    }

    /// Percent of the machine's usable memory that is available.
    pub fn available_percent(&self) -> Option<f64> {
        Some(share(self.available?, self.usable()))
    }

    /// Percent of swap in use; `None` without swap.
    pub fn swap_percent(&self) -> Option<f64> {
        (self.swap_total > 0).then(|| share(self.swap_total.saturating_sub(self.swap_free), self.swap_total))
    }
}

/// A control group with a limit on memory.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct MemoryGroup {
    /// The control group; `/` is the one that a container is.
    pub path: String,
    /// Bytes that it may use.
    pub limit: u64,
    /// Bytes that it uses, without what files only cache.
    pub used: u64,
    /// Programs killed in it out of memory.
    pub oom_kills: Option<u64>,
}

impl MemoryGroup {
    /// Bytes that it can still get.
    pub fn available(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Percent of its limit that it can still get.
    pub fn available_percent(&self) -> f64 {
        share(self.available(), self.limit)
    }
}

#[expect(clippy::cast_precision_loss, reason = "percentages need no more than 52 bits")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
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
