//! Facts about the machine and its operating system. Types only.

use serde::{Deserialize, Serialize};

/// Maker, model, firmware and processor.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Maker, where known.
    pub(crate) vendor: Option<String>,
    /// Model, where known.
    pub(crate) product: Option<String>,
    /// Version of the firmware.
    pub(crate) firmware: Option<String>,
    /// Date of the firmware, `YYYY-MM-DD`.
    pub(crate) firmware_date: Option<String>,
    /// What it runs on, if not on metal: `kvm`, `vmware`, `docker`.
    pub(crate) virtualisation: Option<String>,
    /// Name of the processor.
    pub(crate) processor: Option<String>,
    /// Logical processors.
    pub(crate) processors: usize,
    /// Memory in bytes.
    pub(crate) memory_bytes: u64,
}

/// A battery.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Battery {
    /// Its name, for example `BAT0`.
    pub(crate) name: String,
    /// Charge in percent of what it holds today.
    pub(crate) charge_percent: Option<u64>,
    /// What it holds today in percent of what it held when new.
    pub(crate) health_percent: Option<f64>,
    /// Full charges so far.
    pub(crate) cycles: Option<u64>,
    /// `Charging`, `Discharging`, `Full`, …
    pub(crate) state: String,
}

/// A graphics adapter.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Graphics {
    /// Bus address, for example `0000:00:02.0`.
    pub(crate) address: String,
    /// Maker, or its PCI number.
    pub(crate) vendor: String,
    /// PCI device number in hexadecimal.
    pub(crate) device: String,
    /// The kernel driver that serves it.
    pub(crate) driver: Option<String>,
}

/// A temperature sensor.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Sensor {
    /// Chip and label, for example `coretemp Package id 0`.
    pub(crate) name: String,
    /// Degrees Celsius now.
    pub(crate) celsius: f64,
    /// Degrees Celsius at which the hardware protects itself, where known.
    pub(crate) critical: Option<f64>,
}

/// The operating system.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Release {
    /// `ID` of os-release, for example `debian`.
    pub(crate) id: String,
    /// `VERSION_ID` of os-release; empty for rolling releases.
    pub(crate) version: String,
    /// `PRETTY_NAME` of os-release.
    pub(crate) name: String,
    /// Version of the running kernel.
    pub(crate) kernel: String,
    /// Host name.
    pub(crate) hostname: String,
    /// Seconds since the start.
    pub(crate) uptime_seconds: u64,
    /// The kernel's taint bits.
    pub(crate) taint: Option<u64>,
}
