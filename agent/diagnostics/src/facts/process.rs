//! Facts about running programs. Types only.

use serde::{Deserialize, Serialize};

/// Running programs.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Processes {
    /// How many.
    pub(crate) count: usize,
    /// The most there can be, where known.
    pub(crate) limit: Option<u64>,
    /// Logical processors.
    pub(crate) processors: usize,
    /// Memory of the machine in bytes.
    pub(crate) memory_bytes: u64,
    /// The busiest, by processor.
    pub(crate) by_cpu: Vec<Process>,
    /// The biggest, by memory.
    pub(crate) by_memory: Vec<Process>,
    /// Those that read and write most.
    pub(crate) by_io: Vec<Process>,
    /// Ended programs that their parent doesn't collect, by the parent's name.
    pub(crate) zombies: Vec<(String, usize)>,
    /// Programs that stand in an uninterruptible wait.
    pub(crate) blocked: Vec<String>,
}

/// One running program.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Name of the program; never its arguments.
    pub(crate) name: String,
    /// Process number.
    pub(crate) pid: u32,
    /// Percent of one processor.
    pub(crate) cpu_percent: f64,
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// Bytes per second read and written.
    pub(crate) io: u64,
}

/// Open files against their limits.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Descriptors {
    /// Open in the whole system.
    pub(crate) open: u64,
    /// The most the system opens.
    pub(crate) limit: u64,
    /// Processes near their own limit: name, open, limit.
    pub(crate) near: Vec<(String, u64, u64)>,
    /// Processes whose files could be counted.
    pub(crate) counted: usize,
}
