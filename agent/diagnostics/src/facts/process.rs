//! Facts about running programs. Types only.

use serde::{Deserialize, Serialize};

/// Running programs, and the largest users of CPU, memory and disks.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ProcessList {
    /// Number of running programs.
    pub count: usize,
    /// The most there can be, where known.
    pub limit: Option<u64>,
    /// Number of logical processors.
    pub processors: usize,
    /// Memory of the machine in bytes.
    pub memory_bytes: u64,
    /// The busiest, by processor.
    pub by_cpu: Vec<ProcessUse>,
    /// The biggest, by memory.
    pub by_memory: Vec<ProcessUse>,
    /// Those that read and write most.
    pub by_io: Vec<ProcessUse>,
    /// Ended programs that their parent doesn't collect, by the parent's name.
    pub zombies: Vec<(String, usize)>,
    /// Programs that stand in an uninterruptible wait.
    pub blocked: Vec<String>,
}

/// One running program.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ProcessUse {
    /// Name of the program; never its arguments.
    pub name: String,
    /// Number of the process.
    pub pid: u32,
    /// Percent of one processor.
    pub cpu_percent: f64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes per second read and written.
    pub io: u64,
}

/// Open files against their limits.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct DescriptorUse {
    /// Open in the whole system.
    pub open: u64,
    /// The most the system opens.
    pub limit: u64,
    /// Processes near their own limit: name, open, limit.
    pub near: Vec<(String, u64, u64)>,
    /// Processes whose files could be counted.
    pub counted: usize,
    /// Processes of others, whose files this user may not count.
    pub unseen: usize,
}
