//! Facts about disks and file systems. Types only.

use serde::{Deserialize, Serialize};

/// Mounted file systems, and those that should be.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct MountedFileSystems {
    /// File systems on local disks, in mount order.
    pub local: Vec<MountedFileSystem>,
    /// Mount points of network file systems; their size is not asked, because that can hang.
    pub remote: Vec<String>,
    /// Mount points that the table of file systems wants and that aren't mounted.
    pub absent: Vec<String>,
}

/// One mounted file system.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct MountedFileSystem {
    /// Where it is mounted.
    pub target: String,
    /// The device that it is on.
    pub device: String,
    /// Its kind, for example `ext4`.
    pub kind: String,
    /// `true` where it can't be written to.
    pub read_only: bool,
    /// `true` where being read-only is how it is meant (images, discs, asked for in the table).
    pub read_only_meant: bool,
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
    /// Sectors replaced by spare ones.
    pub reallocated: Option<u64>,
    /// Sectors waiting to be replaced.
    pub pending: Option<u64>,
    /// Errors that could not be corrected (media errors of NVMe).
    pub uncorrectable: Option<u64>,
    /// Worn in percent of the intended life.
    pub wear_percent: Option<u64>,
    /// Hours in use.
    pub hours: Option<u64>,
    /// Temperature in degrees Celsius.
    pub celsius: Option<i64>,
    /// Why the report could not be read, if so.
    pub problem: Option<String>,
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
