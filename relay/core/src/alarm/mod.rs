//! Alarms at the relay: what becomes of what devices, the relay's own rules and people say about them.
//!
//! Pure cores. The **log** holds everything that happened, once, in the order in which the relay took it; an
//! [`AlarmProjection`] is a projection of its entries and can be made from them again. Must not live here: the database
//! (`store`), who is told (`notify`), connections.

pub mod absence;
pub mod damping;
pub mod duplicates;
pub mod hours;
mod notice;
mod projection;
#[cfg(test)]
mod projection_tests;

use nearhand_proto::alarm::{AlarmBatch, SpoolEntry};
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::{AlarmChange, MaintenanceWindow};
use nearhand_proto::time::UnixMillis;

#[cfg(test)]
pub(crate) use notice::tests::notice as sample_notice;
pub use notice::{AlarmNotice, test_notice};
pub use projection::{AlarmProjection, AlarmStep, NoticeKind};

/// In place of a device: what concerns the relay itself, or several devices.
pub const NO_DEVICE: DeviceId = DeviceId::from_bytes([0; 16]);
/// Rule of the alarm that a device has more open alarms than the relay keeps.
pub const TOO_MANY: &str = "too-many-alarms";
/// Rule of the alarm that a device gave up events.
pub const GAP: &str = "events-lost";

#[cfg(test)]
#[test]
fn the_relays_rules_are_those_that_devices_may_not_use() {
    let ours = [absence::OFFLINE, absence::OUTAGE, TOO_MANY, GAP, duplicates::DUPLICATE];
    assert_eq!(ours, nearhand_proto::alarm::RELAY_RULES);
}

/// One thing that happened, as it stands in the log.
#[derive(Clone, PartialEq, Debug)]
pub struct AlarmLogEntry {
    /// Its number, rising, never used twice.
    pub number: u64,
    /// The stream that it came in: a device's spool, or the relay's own.
    pub stream: StreamId,
    /// Its number there.
    pub seq: u64,
    /// Of which device.
    pub device: DeviceId,
    /// Of which alarm; `None` for a gap.
    pub alarm: Option<Fingerprint>,
    /// When the relay took it.
    pub at: UnixMillis,
    /// What it is.
    pub what: LoggedHappening,
}

/// What happened, with what the relay knew then that the alarm can't be made from again without.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct LoggedHappening {
    /// What happened to the alarm.
    pub what: AlarmChange,
    /// The maintenance window that was open for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// The alarm that it was known to be a consequence of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Fingerprint>,
}

/// What is new in a batch of a stream that is known up to `through`, in order.
pub fn news(batch: &AlarmBatch, through: u64) -> impl Iterator<Item = (u64, AlarmChange)> + '_ {
    batch.records.iter().filter(move |record| record.seq > through).map(|record| {
        let what = match &record.entry {
            SpoolEntry::Event(event) => AlarmChange::Event(event.clone()),
            SpoolEntry::Gap { lost, from, to } => AlarmChange::Gap { lost: *lost, from: *from, to: *to },
            SpoolEntry::Report(report) => AlarmChange::Report(report.clone()),
        };
        (record.seq, what)
    })
}

/// The alarm that something concerns, if it names its rule.
pub fn alarm_of(device: DeviceId, what: &AlarmChange) -> Option<Fingerprint> {
    match what {
        AlarmChange::Event(event) => Some(Fingerprint::of(device, &event.rule, &event.instance)),
        AlarmChange::Report(report) => Some(Fingerprint::of(device, &report.rule, &report.instance)),
        _ => None,
    }
}

/// The window that is open for an alarm of `rule` on `device`; of several, the one that ends last.
pub fn window_for(
    windows: &[MaintenanceWindow],
    device: DeviceId,
    rule: &str,
    now: UnixMillis,
) -> Option<u64> {
    windows
        .iter()
        .filter(|w| w.closed.is_none() && w.what.begins <= now && now < w.what.ends)
        .filter(|w| w.what.device.is_none_or(|only| only == device))
        .filter(|w| w.what.rule.as_deref().is_none_or(|only| only == rule))
        .max_by_key(|w| (w.what.ends, w.number))
        .map(|w| w.number)
}
