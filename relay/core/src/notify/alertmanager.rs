//! Alertmanager's API v2, as a projection: it forgets at a restart and drops what isn't repeated, so everything that
//! fires is sent again and again, and what has ended for a while.
//!
//! `severity` is a label, so an alarm whose severity changes is another alert there: the old one is ended first.
//! Start times are always given: without one Alertmanager takes the end's.

use std::collections::BTreeMap;

use nearhand_proto::alarm::Severity;
use nearhand_proto::message::alarms::AlarmState;
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use serde_json::{Value, json};

use super::webhook::rfc3339;
use crate::alarm::{AlarmNotice, AlarmProjection, NoticeKind};

/// How long what has ended is repeated, in milliseconds.
pub const ENDED_FOR: u64 = 15 * 60_000;
/// How long after a repetition what fires is believed to fire, in milliseconds, for the usual minute between two.
const FIRING_FOR: u64 = 4 * 60_000;
/// Longest value of a label or annotation, in characters.
const MAX_VALUE: usize = 300;

/// Labels that identify an alert.
type Labels = BTreeMap<&'static str, String>;

fn labels(alarm: &AlarmProjection, device: &str, severity: Severity) -> Labels {
    let one_line = |value: &str| text::one_line(value, MAX_VALUE);
    let mut labels = Labels::from([
        ("alertname", alarm.rule.clone()),
        ("alarm_id", alarm.id.to_string()),
        ("device", one_line(device)),
        ("device_id", alarm.device.to_string()),
        ("severity", severity.name().to_owned()),
        ("source", "nearhand".to_owned()),
    ]);
    // An empty label is no label there.
    if !alarm.instance.is_empty() {
        labels.insert("instance", one_line(&alarm.instance));
    }
    labels
}

fn annotations(alarm: &AlarmProjection) -> Value {
    let mut all = BTreeMap::from([("summary", text::one_line(&alarm.summary, MAX_VALUE))]);
    if let Some(ack) = &alarm.acknowledged {
        all.insert("acknowledged_by", text::one_line(&ack.by.name, MAX_VALUE));
    }
    if alarm.state == AlarmState::Unknown {
        all.insert("unknown", "its device or sensor is silent".to_owned());
    }
    if let Some(runbook) = &alarm.runbook {
        all.insert("runbook", text::one_line(runbook, MAX_VALUE));
    }
    json!(all)
}

fn device_of(name: &str) -> &str {
    if name.is_empty() { "relay" } else { name }
}

/// All alerts as they stand: what fires, and what has ended lately. `endings` are notices of the last
/// [`ENDED_FOR`] that ended a label set; `resend` is the time between two repetitions.
pub fn alerts(
    firing: &[(AlarmProjection, String)],
    endings: &[AlarmNotice],
    resend: core::time::Duration,
    now: UnixMillis,
) -> Vec<Value> {
    let until = u64::try_from(resend.as_millis()).unwrap_or(u64::MAX).saturating_mul(4).max(FIRING_FOR);
    let mut seen = std::collections::BTreeSet::new();
    let mut alive = Vec::new();
    for (alarm, device) in firing {
        let labels = labels(alarm, device_of(device), alarm.told.unwrap_or(alarm.severity));
        alive.push(json!({
            "labels": labels,
            "annotations": annotations(alarm),
            "startsAt": rfc3339(alarm.opened),
            "endsAt": rfc3339(UnixMillis(now.0.saturating_add(until))),
        }));
        seen.insert(labels);
    }
    // The newest end of each label set; what fires again is not ended.
    let mut ended = Vec::new();
    for notice in endings.iter().rev() {
        let Some(severity) = notice.before else { continue };
        let labels = labels(&notice.alarm, device_of(&notice.device_name), severity);
        if seen.contains(&labels) {
            continue;
        }
        ended.push(json!({
            "labels": labels,
            "annotations": annotations(&notice.alarm),
            "startsAt": rfc3339(notice.alarm.opened),
            "endsAt": rfc3339(notice.at),
        }));
        seen.insert(labels);
    }
    // Ends first: for a moment there may be none, never two.
    ended.append(&mut alive);
    ended
}

/// Kinds of notices that end a label set.
pub const ENDING: [NoticeKind; 3] = [NoticeKind::Worsened, NoticeKind::Eased, NoticeKind::Resolved];

/// A test alert: it ends by itself after a minute.
pub fn test(notice: &AlarmNotice, now: UnixMillis) -> Value {
    let mut labels = labels(&notice.alarm, &notice.device(), notice.alarm.severity);
    labels.insert("test", "true".to_owned());
    json!([{
        "labels": labels,
        "annotations": annotations(&notice.alarm),
        "startsAt": rfc3339(now),
        "endsAt": rfc3339(UnixMillis(now.0.saturating_add(60_000))),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::sample_notice as notice;

    const MINUTE: core::time::Duration = core::time::Duration::from_secs(60);

    #[test]
    fn what_fires_is_repeated_with_its_start_and_what_ended_with_its_end() {
        let raised = notice();
        let mut alarm = raised.alarm.clone();
        (alarm.severity, alarm.told) = (Severity::Critical, Some(Severity::Critical));
        let worsened = AlarmNotice {
            kind: NoticeKind::Worsened,
            before: Some(Severity::Warning),
            alarm: alarm.clone(),
            ..raised.clone()
        };
        let now = UnixMillis(worsened.at.0 + 60_000);
        let found =
            alerts(&[(alarm.clone(), "till 3".into())], core::slice::from_ref(&worsened), MINUTE, now);
        let brief: Vec<_> = found
            .iter()
            .map(|a| (a["labels"]["severity"].as_str().unwrap(), a["endsAt"].as_str().unwrap().to_owned()))
            .collect();
        let four_minutes = rfc3339(UnixMillis(now.0 + 240_000));
        assert_eq!(
            brief,
            [("warning", rfc3339(worsened.at)), ("critical", four_minutes)],
            "the old one ends first"
        );
        assert!(found.iter().all(|a| a["startsAt"] == rfc3339(alarm.opened)));

        // Eased again: the warning fires again, so it isn't ended; the critical one is, once.
        (alarm.severity, alarm.told) = (Severity::Warning, Some(Severity::Warning));
        let eased = AlarmNotice {
            kind: NoticeKind::Eased,
            before: Some(Severity::Critical),
            alarm: alarm.clone(),
            ..raised
        };
        let found = alerts(&[(alarm, "till 3".into())], &[worsened, eased.clone(), eased], MINUTE, now);
        let severities: Vec<_> = found.iter().map(|a| a["labels"]["severity"].as_str().unwrap()).collect();
        assert_eq!(severities, ["critical", "warning"]);
    }
}
