//! What can be measured: the catalogue of sensors, and readings of them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The unit of a sensor's values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SensorUnit {
    /// 0 to 100.
    Percent,
    /// An amount of data.
    Bytes,
    /// A length of time in seconds.
    Seconds,
    /// A temperature in degrees Celsius.
    Celsius,
    /// A number of things, or 0 and 1.
    Count,
}

impl SensorUnit {
    /// As it is shown behind a number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Bytes => "B",
            Self::Seconds => "s",
            Self::Celsius => "°C",
            Self::Count => "",
        }
    }

    /// How a value of it is written in a rule.
    pub(crate) const fn example(self) -> &'static str {
        match self {
            Self::Percent => "90 %",
            Self::Bytes => "5 GB",
            Self::Seconds => "15m",
            Self::Celsius => "5 °C",
            Self::Count => "3",
        }
    }
}

/// How a sensor counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SensorShape {
    /// The present state, for example a temperature.
    Gauge,
    /// A total since some start: it only grows, or begins again at 0.
    Counter,
    /// The number of events since the last reading.
    Occurrences,
}

/// Something that is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SensorSpec {
    /// Its name in rules.
    pub name: &'static str,
    /// What its values are counted in.
    pub unit: SensorUnit,
    /// How its values are to be taken.
    pub shape: SensorShape,
    /// What an instance is (a disk, a unit); empty where there is only one.
    pub of: &'static str,
    /// How often it is read unless a rule says otherwise, in seconds. What is cheap to read is read often.
    pub every: u64,
    /// An instance that a reading leaves out is at 0 (a unit that hasn't failed); else nothing is known of it.
    pub absent_is_zero: bool,
    /// What it is, for people.
    pub about: &'static str,
}

const fn gauge(
    name: &'static str,
    unit: SensorUnit,
    of: &'static str,
    every: u64,
    about: &'static str,
) -> SensorSpec {
    SensorSpec { name, unit, shape: SensorShape::Gauge, of, every, absent_is_zero: false, about }
}

const fn shaped(sensor: SensorSpec, shape: SensorShape) -> SensorSpec {
    SensorSpec { shape, ..sensor }
}

const fn zero_if_absent(sensor: SensorSpec) -> SensorSpec {
    SensorSpec { absent_is_zero: true, ..sensor }
}

use SensorUnit::{Bytes, Celsius, Count, Percent, Seconds};

/// Lines of logs that a rule's pattern fits; its instances are the rules' names.
pub const LOG_LINES: &str = "log.lines";
/// Units that failed.
pub const SERVICE_FAILED: &str = "service.failed";

/// Every sensor there is.
pub static CATALOGUE: [SensorSpec; 35] = [
    gauge("cpu.busy", Percent, "", 10, "CPU usage"),
    gauge("cpu.iowait", Percent, "", 10, "share of the time that the CPU waited for disks (iowait)"),
    gauge("load.per-core", Count, "", 30, "15-minute load average per processor"),
    gauge("memory.available", Percent, "", 10, "available memory"),
    gauge(
        "memory.pressure",
        Percent,
        "",
        10,
        "share of the last minute in which all programs waited for memory",
    ),
    gauge("swap.used", Percent, "", 30, "used swap"),
    gauge("swap.short", Percent, "", 30, "used swap while less than 10 % of memory is available, else 0"),
    shaped(gauge("oom.kills", Count, "", 10, "programs killed because memory ran out"), SensorShape::Counter),
    gauge("disk.used", Percent, "mount point", 10, "used disk space"),
    gauge("disk.free", Bytes, "mount point", 10, "free disk space for users"),
    gauge("disk.inodes", Percent, "mount point", 60, "used inodes"),
    gauge(
        "disk.read-only",
        Count,
        "mount point",
        60,
        "1 if it was writable and is read-only now, or the kernel says why",
    ),
    zero_if_absent(gauge(
        "io.silent",
        Seconds,
        "what",
        10,
        "how long a file system, a file, a disk or systemd has not answered",
    )),
    gauge(
        "smart.failing",
        Count,
        "disk",
        3600,
        "1 if the disk reports that it is failing or has lost data (SMART)",
    ),
    gauge("smart.reallocated", Count, "disk", 3600, "reallocated sectors"),
    gauge("smart.wear", Percent, "disk", 3600, "wear, as a share of the rated life"),
    gauge("raid.missing", Count, "array", 60, "missing or failed member disks"),
    shaped(gauge("ecc.corrected", Count, "controller", 300, "corrected memory errors"), SensorShape::Counter),
    shaped(
        gauge("ecc.uncorrectable", Count, "controller", 300, "uncorrectable memory errors"),
        SensorShape::Counter,
    ),
    gauge("temperature.margin", Celsius, "sensor", 60, "degrees below the critical temperature"),
    zero_if_absent(gauge(SERVICE_FAILED, Count, "unit", 30, "1 for a failed unit")),
    shaped(
        gauge("service.restarts", Count, "unit", 60, "automatic restarts by systemd"),
        SensorShape::Counter,
    ),
    shaped(gauge("crash.programs", Count, "", 300, "program crashes"), SensorShape::Occurrences),
    shaped(
        gauge("boot.unclean", Count, "", 3600, "starts after an unclean shutdown"),
        SensorShape::Occurrences,
    ),
    gauge("clock.offset", Seconds, "", 60, "difference from the relay's clock"),
    gauge("clock.unsynchronised", Count, "", 60, "1 while the clock is not synchronised"),
    gauge("gateway.loss", Percent, "", 60, "packet loss to the gateway; only if watched"),
    zero_if_absent(gauge(
        "dns.silent",
        Count,
        "name server",
        60,
        "1 for a server that does not answer or fails; only if watched",
    )),
    gauge(
        "certificate.left",
        Seconds,
        "file",
        3600,
        "time until a watched certificate expires; below 0 afterwards",
    ),
    gauge("backup.age", Seconds, "file", 300, "time since a watched file was last changed"),
    zero_if_absent(gauge("protection.off", Count, "what", 600, "1 for a protection that is switched off")),
    gauge("updates.reboot", Count, "", 600, "1 while updates wait for a restart"),
    gauge("spool.age", Seconds, "", 60, "how long the oldest event waits for the relay"),
    zero_if_absent(gauge("rules.problem", Count, "", 60, "1 while the rules file has a mistake")),
    shaped(
        gauge(LOG_LINES, Count, "rule", 10, "new lines that a rule's pattern fits"),
        SensorShape::Occurrences,
    ),
];

impl SensorSpec {
    /// The sensor of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|sensor| sensor.name == name)
    }

    /// How often it is read unless a rule says otherwise.
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.every)
    }
}

/// What a sensor told at one moment: all of its instances. Also a line of a recording.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SensorReading {
    /// The sensor's name.
    pub sensor: String,
    /// Instance and value; the instance is empty where there is only one.
    pub values: Vec<(String, f64)>,
}

impl SensorReading {
    /// Of a sensor that measures one thing.
    pub fn one(sensor: &str, value: f64) -> Self {
        Self { sensor: sensor.to_owned(), values: vec![(String::new(), value)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (n, sensor) in CATALOGUE.iter().enumerate() {
            assert!(CATALOGUE.iter().take(n).all(|other| other.name != sensor.name), "{}", sensor.name);
        }
    }
}
