//! What can be measured: the catalogue of sensors, and readings of them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// What a sensor's values are counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SensorUnit {
    /// 0 to 100.
    Percent,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Degrees Celsius.
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

/// How a sensor's values are to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SensorShape {
    /// How things are.
    Gauge,
    /// How many there were since some beginning; only ever grows, or begins again.
    Counter,
    /// How many there were since the last reading.
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
    /// Of what each value is; empty where there is only one.
    pub of: &'static str,
    /// How often it is read unless a rule says otherwise, in seconds. Cheap things often, dear things rarely.
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
pub static CATALOGUE: [SensorSpec; 33] = [
    gauge("cpu.busy", Percent, "", 10, "share of the time that the processors worked"),
    gauge("cpu.iowait", Percent, "", 10, "share of the time that processors waited for disks"),
    gauge("load.per-core", Count, "", 30, "load average of 15 minutes, for each processor"),
    gauge("memory.available", Percent, "", 10, "memory that programs can still get"),
    gauge(
        "memory.pressure",
        Percent,
        "",
        10,
        "share of the last minute in which all work stood for want of memory",
    ),
    gauge("swap.used", Percent, "", 30, "swap in use"),
    shaped(gauge("oom.kills", Count, "", 10, "programs ended for want of memory"), SensorShape::Counter),
    gauge("disk.used", Percent, "mount point", 10, "room in use"),
    gauge("disk.free", Bytes, "mount point", 10, "room that users can still write"),
    gauge("disk.inodes", Percent, "mount point", 60, "inodes in use"),
    gauge("disk.read-only", Count, "mount point", 60, "1 where the kernel made it read-only after errors"),
    gauge("smart.failing", Count, "disk", 3600, "1 where the disk itself expects to fail"),
    gauge("smart.reallocated", Count, "disk", 3600, "sectors replaced by spare ones"),
    gauge("smart.wear", Percent, "disk", 3600, "worn, of the intended life"),
    gauge("raid.missing", Count, "array", 60, "members that should work and don't"),
    shaped(
        gauge("ecc.corrected", Count, "controller", 300, "memory errors that were corrected"),
        SensorShape::Counter,
    ),
    shaped(
        gauge("ecc.uncorrectable", Count, "controller", 300, "memory errors that were not"),
        SensorShape::Counter,
    ),
    gauge("temperature.margin", Celsius, "sensor", 60, "degrees left to where the hardware protects itself"),
    zero_if_absent(gauge(SERVICE_FAILED, Count, "unit", 30, "1 for a unit that failed")),
    shaped(
        gauge("service.restarts", Count, "unit", 60, "times that systemd started it again by itself"),
        SensorShape::Counter,
    ),
    shaped(gauge("crash.programs", Count, "", 300, "programs that crashed"), SensorShape::Occurrences),
    shaped(
        gauge("boot.unclean", Count, "", 3600, "starts that followed no orderly stop"),
        SensorShape::Occurrences,
    ),
    gauge("clock.offset", Seconds, "", 60, "how far the clock is off the relay's"),
    gauge("clock.unsynchronised", Count, "", 60, "1 while nothing keeps the clock right"),
    gauge("gateway.loss", Percent, "", 60, "echoes that the gateway didn't answer; only if watched"),
    zero_if_absent(gauge(
        "dns.silent",
        Count,
        "name server",
        60,
        "1 for one that does not answer, or can't; only if watched",
    )),
    gauge(
        "certificate.left",
        Seconds,
        "file",
        3600,
        "time until a watched certificate ends; below 0 once it has",
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
