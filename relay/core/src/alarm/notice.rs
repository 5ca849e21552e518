//! A notice: what receivers are told about one entry of the alarm log.

use nearhand_proto::alarm::Severity;
use nearhand_proto::id::{Fingerprint, StreamId};
use nearhand_proto::message::alarms::AlarmState;
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::damping::AlarmDamping;
use super::{AlarmProjection, NO_DEVICE, NoticeKind};

/// Longest text of a peer in what is sent, in characters.
const MAX_TEXT: usize = 300;

/// One thing that somebody is told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmNotice {
    /// The same at every attempt and for every receiver.
    pub id: String,
    /// The log entry that it tells of.
    pub number: u64,
    /// When that was.
    pub at: UnixMillis,
    /// The kind of change that the notice tells of.
    pub kind: NoticeKind,
    /// The severity that was told before.
    pub before: Option<Severity>,
    /// The device's label.
    pub device_name: String,
    /// The alarm as it stood then.
    pub alarm: AlarmProjection,
}

impl AlarmNotice {
    /// The id of the notice about a log entry. The stream is new with each start of the relay, so a database that was
    /// put back from a backup doesn't give an id out twice.
    pub fn id_of(own: StreamId, number: u64) -> String {
        let stream: String = own.to_string().chars().take(16).collect();
        format!("msg_{stream}_{number}")
    }

    /// The alarm's sentence, safe to show.
    pub fn summary(&self) -> String {
        text::one_line(&self.alarm.summary, MAX_TEXT)
    }

    /// Of what the alarm is, safe to show.
    pub fn instance(&self) -> String {
        text::one_line(&self.alarm.instance, MAX_TEXT)
    }

    /// The device's name, or what stands for it.
    pub fn device(&self) -> String {
        if self.device_name.is_empty() { "relay".to_owned() } else { self.device_name.clone() }
    }
}

/// The notice of a test, which no log entry stands behind.
pub fn test_notice(receiver: &str, now: UnixMillis, random: u64) -> AlarmNotice {
    let alarm = AlarmProjection {
        id: Fingerprint::of(NO_DEVICE, "test", receiver),
        device: NO_DEVICE,
        rule: "test".to_owned(),
        instance: receiver.to_owned(),
        state: AlarmState::Firing,
        severity: Severity::Info,
        summary: format!("TEST: this is a test of the receiver {receiver}; nothing is wrong"),
        value: None,
        runbook: None,
        article: None,
        count: 1,
        opened: now,
        observed: now,
        changed: now,
        cleared: None,
        flapping: false,
        acknowledged: None,
        assigned: None,
        snoozed: None,
        suppressed: None,
        held: None,
        told: Some(Severity::Info),
        told_worst: Some(Severity::Info),
        damping: AlarmDamping::default(),
        number: 0,
    };
    AlarmNotice {
        id: format!("msg_test_{random:016x}"),
        number: 0,
        at: now,
        kind: NoticeKind::Test,
        before: None,
        device_name: String::new(),
        alarm,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A warning that was raised, of a device.
    pub(crate) fn notice() -> AlarmNotice {
        let mut notice = test_notice("ops", UnixMillis(1_700_000_000_123), 7);
        notice.kind = NoticeKind::Raised;
        notice.device_name = "till 3".into();
        notice.alarm.device = nearhand_proto::id::DeviceId::from_bytes([1; 16]);
        notice.alarm.rule = "disk-space".into();
        notice.alarm.instance = "/home".into();
        notice.alarm.summary = "/home is 91 % full".into();
        notice.alarm.severity = Severity::Warning;
        (notice.alarm.told, notice.alarm.told_worst) = (Some(Severity::Warning), Some(Severity::Warning));
        notice.number = 12;
        notice
    }

    #[test]
    fn an_id_is_the_same_for_the_same_entry_and_another_after_a_restart() {
        let (a, b) = (StreamId::from_bytes([1; 16]), StreamId::from_bytes([2; 16]));
        assert_eq!(AlarmNotice::id_of(a, 5), "msg_0101010101010101_5");
        assert_ne!(AlarmNotice::id_of(a, 5), AlarmNotice::id_of(b, 5));
    }
}
