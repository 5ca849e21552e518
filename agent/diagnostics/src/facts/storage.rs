//! Facts about disks and file systems. Types only.

use serde::{Deserialize, Serialize};

/// Mounted file systems, and those that should be.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Mounts {
    /// File systems on local disks, in mount order.
    pub(crate) local: Vec<Mount>,
    /// Mount points of network file systems; their size is not asked, because that can hang.
    pub(crate) remote: Vec<String>,
    /// Mount points that the table of file systems wants and that aren't mounted.
    pub(crate) absent: Vec<String>,
}

/// One mounted file system.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) target: String,
    /// Its device.
    pub(crate) device: String,
    /// Its kind, for example `ext4`.
    pub(crate) kind: String,
    /// `true` where it can't be written to.
    pub(crate) read_only: bool,
    /// `true` where being read-only is how it is meant (images, discs, asked for in the table).
    pub(crate) read_only_meant: bool,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Bytes that a user can still write.
    pub(crate) available: u64,
    /// Bytes in use.
    pub(crate) used: u64,
    /// Inodes in all; 0 where the file system has no fixed number.
    pub(crate) inodes: u64,
    /// Inodes free.
    pub(crate) inodes_free: u64,
}

/// A disk's report about itself.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct SmartDisk {
    /// Device, for example `/dev/sda`.
    pub(crate) device: String,
    /// Model name.
    pub(crate) model: String,
    /// The disk's own verdict; `None` where it gives none.
    pub(crate) passed: Option<bool>,
    /// Sectors replaced by spare ones.
    pub(crate) reallocated: Option<u64>,
    /// Sectors waiting to be replaced.
    pub(crate) pending: Option<u64>,
    /// Errors that could not be corrected (media errors of NVMe).
    pub(crate) uncorrectable: Option<u64>,
    /// Worn in percent of the intended life.
    pub(crate) wear_percent: Option<u64>,
    /// Hours in use.
    pub(crate) hours: Option<u64>,
    /// Degrees Celsius.
    pub(crate) celsius: Option<i64>,
    /// Why the report could not be read, if so.
    pub(crate) problem: Option<String>,
}

/// A software RAID array.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Array {
    /// Its name, for example `md0`.
    pub(crate) name: String,
    /// `raid1`, `raid5`, …; empty for an inactive array.
    pub(crate) level: String,
    /// `true` where it runs.
    pub(crate) active: bool,
    /// Members that there should be.
    pub(crate) wanted: u64,
    /// Members that work.
    pub(crate) working: u64,
    /// Members marked faulty.
    pub(crate) faulty: u64,
    /// What it is doing, for example `recovery 12.6 %`.
    pub(crate) activity: Option<String>,
}

/// Errors that a file system or disk has counted.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorCount {
    /// The device.
    pub(crate) device: String,
    /// Who counted: `ext4`, `btrfs`, `disk`.
    pub(crate) counter: String,
    /// How many.
    pub(crate) errors: u64,
}
