//! Facts about the machine and its operating system. Types only.

use serde::{Deserialize, Serialize};

/// Maker, model, firmware and processor.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct HardwareModel {
    /// Maker, where known.
    pub vendor: Option<String>,
    /// Model, where known.
    pub product: Option<String>,
    /// Version of the firmware.
    pub firmware: Option<String>,
    /// Date of the firmware, `YYYY-MM-DD`.
    pub firmware_date: Option<String>,
    /// What it runs on, if not on metal: `kvm`, `vmware`, `docker`.
    pub virtualisation: Option<String>,
    /// The container's manager, where this is one, in systemd's names; `container` for one that isn't known.
    pub container: Option<String>,
    /// Name of the processor.
    pub processor: Option<String>,
    /// Number of logical processors.
    pub processors: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// One battery and its state.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct BatteryState {
    /// Its name, for example `BAT0`.
    pub name: String,
    /// Charge in percent of what it holds today.
    pub charge_percent: Option<u64>,
    /// What it holds today in percent of what it held when new.
    pub health_percent: Option<f64>,
    /// Full charges so far.
    pub cycles: Option<u64>,
    /// `Charging`, `Discharging`, `Full`, …
    pub state: String,
}

/// A graphics adapter.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct GraphicsAdapter {
    /// Bus address, for example `0000:00:02.0`.
    pub address: String,
    /// Maker, or its PCI number.
    pub vendor: String,
    /// PCI device number in hexadecimal.
    pub device: String,
    /// The kernel driver that serves it.
    pub driver: Option<String>,
}

/// A temperature sensor.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct TemperatureSensor {
    /// Chip and label, for example `coretemp Package id 0`.
    pub name: String,
    /// Degrees Celsius now.
    pub celsius: f64,
    /// Degrees Celsius at which the hardware protects itself, where known.
    pub critical: Option<f64>,
}

/// The operating system.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct OsRelease {
    /// `ID` of os-release, for example `debian`.
    pub id: String,
    /// `VERSION_ID` of os-release; empty for rolling releases.
    pub version: String,
    /// `PRETTY_NAME` of os-release.
    pub name: String,
    /// Version of the running kernel.
    pub kernel: String,
    /// Name of this machine.
    pub hostname: String,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// The kernel's taint bits.
    pub taint: Option<u64>,
}
