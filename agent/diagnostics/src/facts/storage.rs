//! Facts about disks and file systems. Types only.

use serde::{Deserialize, Serialize};

/// Mounted file systems, and those that should be.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct MountedFileSystems {
    /// File systems on local disks, each once: real disks first, each group in mount order.
    pub local: Vec<MountedFileSystem>,
    /// File systems over a network or of another program. Only whether they answer is asked.
    pub remote: Vec<RemoteFileSystem>,
    /// Mount points that the table of file systems wants and that aren't mounted.
    pub absent: Vec<String>,
    /// Mount points of the table about which it can't be told, and why.
    pub untold: Vec<(String, String)>,
    /// File systems that were not judged, because there are too many.
    pub left_out: usize,
}

/// One mounted file system.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct MountedFileSystem {
    /// Where it is mounted.
    pub target: String,
    /// The device that it is on; the pool for file systems that share one.
    pub device: String,
    /// Its kind, for example `ext4`.
    pub kind: String,
    /// Whether it can be written to, and if not, why.
    pub writing: WriteState,
    /// Size in bytes.
    pub size: u64,
    /// Bytes that a user can still write.
    pub available: u64,
    /// Bytes in use.
    pub used: u64,
    /// Inodes in all; 0 where the file system has no fixed number.
    pub inodes: u64,
    /// Number of inodes that are free.
    pub inodes_free: u64,
    /// Why sizes and inodes aren't known: it doesn't answer, or wasn't asked.
    pub silent: Option<SilentMount>,
    /// How a btrfs file system has divided its disks.
    pub btrfs: Option<BtrfsAllocation>,
    /// Other mount points that share its room: subvolumes, datasets of its pool.
    pub shared_by: usize,
}

/// Whether a file system can be written to.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum WriteState {
    /// It can.
    #[default]
    Writable,
    /// Read-only, as it is meant to be: an image, a disc, asked for in the table.
    ReadOnlyMeant,
    /// Read-only, and nothing says that it was ever meant otherwise.
    ReadOnly,
    /// It can't be written to any more, with the sign of it.
    StoppedByErrors(String),
}

/// A mounted file system that tells nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct SilentMount {
    /// What is the matter, for example `does not answer for 40 s`.
    pub why: String,
    /// `true` where it was asked and hasn't answered; else it wasn't asked.
    pub hangs: bool,
    /// The mount above it that its path leads through, where that one hangs too or is on a network.
    pub below: Option<String>,
}

/// A file system over a network or of another program.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct RemoteFileSystem {
    /// Where it is mounted.
    pub target: String,
    /// Its kind, for example `nfs4`.
    pub kind: String,
    /// Why nothing is known of it; `None`: it answers, or wasn't asked for good reason.
    pub silent: Option<SilentMount>,
}

/// How a btrfs file system has divided its disks among data and metadata. In bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct BtrfsAllocation {
    /// Neither data nor metadata yet.
    pub unallocated: u64,
    /// Room of the metadata.
    pub metadata: u64,
    /// Metadata in use, with what the file system keeps for emergencies.
    pub metadata_used: u64,
    /// How many times metadata is stored: 2 for DUP and RAID1.
    pub metadata_copies: u64,
}

/// What the disks told about themselves.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct SmartReports {
    /// One for each disk that was asked.
    pub disks: Vec<SmartDisk>,
    /// Disks that were not asked, because there are too many.
    pub left_out: usize,
}

/// A disk's report about itself.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct SmartDisk {
    /// Device, for example `/dev/sda`.
    pub device: String,
    /// Name of the model.
    pub model: String,
    /// The disk's own verdict; `None` where it gives none.
    pub passed: Option<bool>,
    /// Sectors replaced by spare ones; of SCSI the grown defect list.
    pub reallocated: Option<u64>,
    /// Sectors waiting to be replaced.
    pub pending: Option<u64>,
    /// Errors that could not be corrected: offline uncorrectable sectors (ATA), media errors (NVMe), the sum of the error
    /// counters of reading, writing and verifying (SCSI).
    pub uncorrectable: Option<u64>,
    /// Worn in percent of the intended life. Above 100 where the life is over.
    pub wear_percent: Option<u64>,
    /// Spare blocks left, in percent, and the limit from which on the maker wants a replacement (NVMe).
    pub spare_percent: Option<(u64, u64)>,
    /// What the disk warns of, in words (NVMe's critical warning).
    pub warnings: Vec<String>,
    /// Hours in use.
    pub hours: Option<u64>,
    /// Temperature in degrees Celsius.
    pub celsius: Option<i64>,
    /// It sleeps and was not woken: the rest is what it said last, if anything.
    pub sleeps: bool,
    /// Why the report could not be read, if so.
    pub problem: Option<SmartProblem>,
}

/// Why a disk's report could not be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SmartProblem {
    /// It doesn't answer, in words.
    Hangs(String),
    /// It was not asked, in words.
    NotAsked(String),
    /// It gives no report, or one that can't be used.
    NoReport(String),
}

/// A software RAID array.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct RaidArray {
    /// Its name, for example `md0`.
    pub name: String,
    /// `raid1`, `raid5`, …; empty for an inactive array.
    pub level: String,
    /// `true` where it runs.
    pub active: bool,
    /// Members that there should be.
    pub wanted: u64,
    /// Members that work.
    pub working: u64,
    /// Members marked faulty.
    pub faulty: u64,
    /// What it is doing, for example `recovery 12.6 %`.
    pub activity: Option<String>,
}

/// Errors that a file system or disk has counted.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ErrorCount {
    /// The disk or file system that counts.
    pub device: String,
    /// Who counted: `ext4`, `btrfs`, `disk`.
    pub counter: String,
    /// Number of errors counted.
    pub errors: u64,
}
