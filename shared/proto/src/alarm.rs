//! Alarms as a device tells them: severities, what can happen to an alarm, events and their order.
//!
//! Not here: when an alarm is raised (the agent's rules), what becomes of it at the relay, and who is told.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{DeviceId, Fingerprint, StreamId};
use crate::time::UnixMillis;
use crate::wire::at_most;

/// Longest name of a rule, in bytes.
pub const MAX_RULE: usize = 64;
/// Longest instance (a mount point, a service, a certificate), in bytes.
pub const MAX_INSTANCE: usize = 128;
/// Longest summary, in bytes.
pub const MAX_SUMMARY: usize = 300;
/// Longest unit, in bytes.
pub const MAX_UNIT: usize = 16;
/// Longest name of a runbook or address of an article, in bytes.
pub const MAX_REFERENCE: usize = 200;
/// Most lines of a [`DeviceReport`].
pub const MAX_LINES: usize = 12;
/// Longest line of a [`DeviceReport`], in bytes.
pub const MAX_LINE: usize = 200;
/// Most bytes that the entries of one batch may have as they are sent, unless it has only one.
pub const MAX_BATCH_BYTES: usize = 160 * 1024;
/// Most records in one batch; a batch of the largest fits a control frame.
pub const MAX_BATCH: usize = 100;

/// How bad it is. The order is that of urgency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nobody is called.
    Info,
    /// Will become a problem.
    Warning,
    /// Something doesn't work.
    Error,
    /// Somebody has to act now.
    Critical,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// Its name in files, commands and what is sent to receivers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such severity; there are info, warning, error and critical")]
pub struct UnknownSeverity;

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or(UnknownSeverity)
    }
}

/// What kind of machine it is: decides which rules it starts with, and when its silence is an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceProfile {
    /// Somebody sits at it, switches it off and takes it home.
    Desktop,
    /// Is meant to run always.
    Server,
}

/// What happened to an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmTransition {
    /// The alarm began.
    Raised,
    /// It became more severe.
    Worsened,
    /// It became less severe and goes on.
    Eased,
    /// It is over.
    Cleared,
    /// Whether it goes on can't be told: what it is measured by is silent.
    SensorLost,
    /// What it is measured by speaks again; the alarm is as it was.
    SensorBack,
    /// Its rule is gone, so it is over without having been cleared.
    Expired,
    /// It came and went so often that only this is said from here on.
    FlappingBegan,
    /// It is steady again; the severity says how it stands, [`AlarmTransition::Cleared`] follows if it is over.
    FlappingEnded,
}

impl AlarmTransition {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Raised,
        Self::Worsened,
        Self::Eased,
        Self::Cleared,
        Self::SensorLost,
        Self::SensorBack,
        Self::Expired,
        Self::FlappingBegan,
        Self::FlappingEnded,
    ];

    /// Its name in files and in what is sent to receivers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Worsened => "worsened",
            Self::Eased => "eased",
            Self::Cleared => "cleared",
            Self::SensorLost => "sensor-lost",
            Self::SensorBack => "sensor-back",
            Self::Expired => "expired",
            Self::FlappingBegan => "flapping-began",
            Self::FlappingEnded => "flapping-ended",
        }
    }

    /// Whether the alarm is over after it.
    pub const fn ends(self) -> bool {
        matches!(self, Self::Cleared | Self::Expired)
    }
}

impl fmt::Display for AlarmTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A measured value.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmMeasurement {
    /// The number; finite.
    pub value: f64,
    /// Its unit, as it is shown: `%`, `s`, `°C`; empty for a count.
    pub unit: String,
}

/// One thing that happened to one alarm. Never changed once it has its number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmEvent {
    /// The rule's name: lower-case letters, digits and `-`.
    pub rule: String,
    /// Which version of the rule.
    pub rule_version: u32,
    /// Of what: a mount point, a service; empty where the rule knows only one.
    pub instance: String,
    /// What happened to the alarm.
    pub transition: AlarmTransition,
    /// How bad it is from now on; at an end: how bad it was last.
    pub severity: Severity,
    /// What was measured.
    pub value: Option<AlarmMeasurement>,
    /// One sentence for a person. Hostile text: shown only through [`crate::text`].
    pub summary: String,
    /// When, by the device's clock.
    pub observed_at: UnixMillis,
    /// How much the device's clock is known to be ahead of true time, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// The runbook that the rule names.
    pub runbook: Option<String>,
    /// The article that the rule names.
    pub article: Option<String>,
}

/// What a device's spool holds under one number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum SpoolEntry {
    /// Something happened to an alarm.
    Event(AlarmEvent),
    /// Events were given up, because there was no room for them. The newest state of each alarm follows as events.
    Gap {
        /// Number of lost events.
        lost: u64,
        /// When the first of them was observed.
        from: UnixMillis,
        /// When the last of them was observed.
        to: UnixMillis,
    },
    /// What the device found out, or did, because of an alarm.
    Report(DeviceReport),
}

/// What a device did by itself because of an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmResponse {
    /// It diagnosed itself: the lines are findings, the worst first.
    Diagnosis,
    /// It ran a runbook: the lines are what was seen before and after.
    Runbook,
}

/// What a device found out, or did, because of an alarm. It neither begins nor ends one. All of it is hostile text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceReport {
    /// The alarm's rule.
    pub rule: String,
    /// The alarm's instance.
    pub instance: String,
    /// What was done.
    pub deed: AlarmResponse,
    /// Whether it went as it should: nothing bad was found; the runbook did what it is for.
    pub good: bool,
    /// One sentence, at most [`MAX_SUMMARY`] bytes.
    pub title: String,
    /// At most [`MAX_LINES`], of at most [`MAX_LINE`] bytes.
    #[serde(deserialize_with = "at_most::<_, _, MAX_LINES>")]
    pub lines: Vec<String>,
    /// When it was done, by the device's clock.
    pub at: UnixMillis,
}

/// An entry and its number in its stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SpoolRecord {
    /// From 1, rising, never used twice in a stream. Numbers may be missing after a gap.
    pub seq: u64,
    /// What it holds.
    pub entry: SpoolEntry,
}

/// Records of one stream, by rising number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmBatch {
    /// The spool they stand in. It is born with the spool, so that a restored or copied disk is noticed.
    pub stream: StreamId,
    /// At least one, at most [`MAX_BATCH`].
    #[serde(deserialize_with = "at_most::<_, _, MAX_BATCH>")]
    pub records: Vec<SpoolRecord>,
}

/// Why a batch is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// None or too many records.
    #[error("a batch holds 1 to {MAX_BATCH} records")]
    Count,
    /// The numbers don't rise, or one is 0.
    #[error("the numbers of a batch's records must rise from 1")]
    Order,
    /// A name, a text or a number outside its limits.
    #[error("record {seq} has a {field} outside its limits")]
    Field {
        /// Number of the record.
        seq: u64,
        /// Which of its fields.
        field: &'static str,
    },
}

impl AlarmBatch {
    /// Whether it is within the limits that this module names.
    pub fn check(&self) -> Result<(), BatchError> {
        if self.records.is_empty() || self.records.len() > MAX_BATCH {
            return Err(BatchError::Count);
        }
        let mut last = 0;
        for record in &self.records {
            if record.seq <= last {
                return Err(BatchError::Order);
            }
            last = record.seq;
            let checked = match &record.entry {
                SpoolEntry::Event(event) => event.check(),
                SpoolEntry::Report(report) => report.check(),
                SpoolEntry::Gap { .. } => Ok(()),
            };
            checked.map_err(|field| BatchError::Field { seq: record.seq, field })?;
        }
        Ok(())
    }
}

impl AlarmEvent {
    /// Whether it is within the limits that this module names; else the first field that isn't.
    pub fn check(&self) -> Result<(), &'static str> {
        let reference = |text: &Option<String>| text.as_ref().is_none_or(|t| t.len() <= MAX_REFERENCE);
        let checks = [
            (is_device_rule_name(&self.rule), "rule"),
            (self.instance.len() <= MAX_INSTANCE, "instance"),
            (self.summary.len() <= MAX_SUMMARY, "summary"),
            (self.value.as_ref().is_none_or(|m| m.value.is_finite() && m.unit.len() <= MAX_UNIT), "value"),
            (reference(&self.runbook), "runbook"),
            (reference(&self.article), "article"),
        ];
        match checks.into_iter().find(|(good, _)| !good) {
            None => Ok(()),
            Some((_, field)) => Err(field),
        }
    }
}

impl DeviceReport {
    /// Whether it is within its limits; else the first field that isn't.
    pub fn check(&self) -> Result<(), &'static str> {
        let checks = [
            (is_device_rule_name(&self.rule), "rule"),
            (self.instance.len() <= MAX_INSTANCE, "instance"),
            (self.title.len() <= MAX_SUMMARY, "title"),
            (self.lines.len() <= MAX_LINES && self.lines.iter().all(|line| line.len() <= MAX_LINE), "line"),
        ];
        match checks.into_iter().find(|(good, _)| !good) {
            None => Ok(()),
            Some((_, field)) => Err(field),
        }
    }
}

/// Rules of the relay itself, whose alarms no device may raise or end.
pub const RELAY_RULES: [&str; 5] =
    ["offline", "site-outage", "too-many-alarms", "events-lost", "duplicate-identity"];

/// Whether a device's rule can have this name: it is a rule's and none of the relay's own.
pub fn is_device_rule_name(name: &str) -> bool {
    is_rule_name(name) && !RELAY_RULES.contains(&name)
}

/// Whether `name` can be a rule's: 1 to [`MAX_RULE`] lower-case letters, digits and `-`.
pub fn is_rule_name(name: &str) -> bool {
    (1..=MAX_RULE).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl Fingerprint {
    /// The alarm of `rule` for `instance` on `device`: the same for all of its life and for the next time that
    /// it is raised, regardless of its severity or value.
    pub fn of(device: DeviceId, rule: &str, instance: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"nearhand-alarm/1\0");
        hash.update(device.as_bytes());
        hash.update(rule.as_bytes());
        hash.update([0]);
        hash.update(instance.as_bytes());
        let mut bytes = [0; Self::LEN];
        for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self::from_bytes(bytes)
    }
}

/// Why a device is about to be silent, so that its silence is no alarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ShutdownNotice {
    /// Its agent is stopped or replaced; it is back at once if all goes well.
    AgentStops,
    /// The machine restarts: expected back within ten minutes.
    Restart,
    /// The machine is switched off.
    PowerOff,
    /// The machine sleeps.
    Sleep,
}

/// What a device says of its monitoring when it connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MonitoringHello {
    /// Id of the device's spool.
    pub stream: StreamId,
    /// What kind of machine it is.
    pub profile: DeviceProfile,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> AlarmEvent {
        AlarmEvent {
            rule: "disk-space".into(),
            rule_version: 1,
            instance: "/".into(),
            transition: AlarmTransition::Raised,
            severity: Severity::Warning,
            value: Some(AlarmMeasurement { value: 91.5, unit: "%".into() }),
            summary: "/ is 91.5 % full".into(),
            observed_at: UnixMillis(1_700_000_000_000),
            clock_ahead_ms: Some(-3),
            runbook: None,
            article: None,
        }
    }

    fn batch(records: Vec<(u64, AlarmEvent)>) -> AlarmBatch {
        let records = records
            .into_iter()
            .map(|(seq, event)| SpoolRecord { seq, entry: SpoolEntry::Event(event) })
            .collect();
        AlarmBatch { stream: StreamId::from_bytes([1; 16]), records }
    }

    #[test]
    fn a_batch_outside_its_limits_is_named() {
        assert_eq!(batch(vec![(1, event()), (3, event())]).check(), Ok(()));
        assert_eq!(batch(vec![]).check(), Err(BatchError::Count));
        assert_eq!(batch((1..=101).map(|n| (n, event())).collect()).check(), Err(BatchError::Count));
        assert_eq!(batch(vec![(0, event())]).check(), Err(BatchError::Order));
        assert_eq!(batch(vec![(2, event()), (2, event())]).check(), Err(BatchError::Order));
        type Change = fn(&mut AlarmEvent);
        let wrong: [(Change, &str); 8] = [
            (|e| e.rule = "Disk".into(), "rule"),
            (|e| e.rule = String::new(), "rule"),
            (|e| e.rule = "offline".into(), "rule"),
            (|e| e.rule = "duplicate-identity".into(), "rule"),
            (|e| e.instance = "x".repeat(129), "instance"),
            (|e| e.summary = "x".repeat(301), "summary"),
            (|e| e.value = Some(AlarmMeasurement { value: f64::NAN, unit: String::new() }), "value"),
            (|e| e.runbook = Some("x".repeat(201)), "runbook"),
        ];
        for (change, field) in wrong {
            let mut event = event();
            change(&mut event);
            assert_eq!(batch(vec![(7, event)]).check(), Err(BatchError::Field { seq: 7, field }));
        }
    }

    #[test]
    fn a_report_outside_its_limits_is_named() {
        let report = || DeviceReport {
            rule: "disk-space".into(),
            instance: "/".into(),
            deed: AlarmResponse::Diagnosis,
            good: false,
            title: "t".repeat(MAX_SUMMARY),
            lines: vec!["l".repeat(MAX_LINE); MAX_LINES],
            at: UnixMillis(1),
        };
        assert_eq!(report().check(), Ok(()));
        assert_eq!(DeviceReport { title: "t".repeat(MAX_SUMMARY + 1), ..report() }.check(), Err("title"));
        assert_eq!(
            DeviceReport { lines: vec![String::new(); MAX_LINES + 1], ..report() }.check(),
            Err("line")
        );
        assert_eq!(DeviceReport { lines: vec!["l".repeat(MAX_LINE + 1)], ..report() }.check(), Err("line"));
        assert_eq!(DeviceReport { rule: "A".into(), ..report() }.check(), Err("rule"));
        let entry = SpoolEntry::Report(DeviceReport { rule: "A".into(), ..report() });
        let batch = AlarmBatch {
            stream: StreamId::from_bytes([1; 16]),
            records: vec![SpoolRecord { seq: 3, entry }],
        };
        assert_eq!(batch.check(), Err(BatchError::Field { seq: 3, field: "rule" }));
    }

    #[test]
    fn the_largest_batch_fits_a_control_frame() {
        let mut large = event();
        large.rule = "r".repeat(MAX_RULE);
        large.instance = "i".repeat(MAX_INSTANCE);
        large.summary = "s".repeat(MAX_SUMMARY);
        large.value = Some(AlarmMeasurement { value: f64::MAX, unit: "u".repeat(MAX_UNIT) });
        large.runbook = Some("b".repeat(MAX_REFERENCE));
        large.article = Some("a".repeat(MAX_REFERENCE));
        let batch = batch((0..100).map(|n| (u64::MAX - 100 + n, large.clone())).collect());
        assert_eq!(batch.check(), Ok(()));
        assert!(crate::wire::encode(&batch).unwrap().len() < crate::message::control::FRAME_LIMIT - 100);
    }

    #[test]
    fn a_fingerprint_tells_devices_rules_and_instances_apart() {
        let (a, b) = (DeviceId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        let prints = [
            Fingerprint::of(a, "disk-space", "/"),
            Fingerprint::of(b, "disk-space", "/"),
            Fingerprint::of(a, "disk-space", "/home"),
            Fingerprint::of(a, "disk-spac", "e/"),
            Fingerprint::of(a, "inodes", "/"),
        ];
        for (n, one) in prints.iter().enumerate() {
            assert!(!prints.iter().take(n).any(|other| other == one));
        }
        assert_eq!(prints.first(), Some(&Fingerprint::of(a, "disk-space", "/")));
    }
}
