//! Alarms as JSON and as sentences: the same for the client's `--json`, the relay's HTTP interface and what people read.
//!
//! Times are RFC 3339 in UTC. Texts of devices and people are as they came: who shows them makes them safe.

use serde_json::{Value, json};

use super::alarms::{AlarmAction, AlarmActor, AlarmChange, AlarmEntry, AlarmHistoryEntry, MaintenanceWindow};
use crate::alarm::{AlarmMeasurement, AlarmResponse};
use crate::time::UnixMillis;

/// The name of an alarm's device, or what stands for it.
pub fn device(alarm: &AlarmEntry) -> String {
    match (alarm.device.as_bytes() == &[0; 16], alarm.device_name.is_empty()) {
        (true, _) => "relay".to_owned(),
        (false, true) => alarm.device.to_string().chars().take(8).collect(),
        (false, false) => alarm.device_name.clone(),
    }
}

/// What was measured, with its unit.
pub fn value(measured: Option<&AlarmMeasurement>) -> String {
    measured.map(|m| format!("{} {}", m.value, m.unit)).unwrap_or_default()
}

fn actor_json(actor: &AlarmActor) -> Value {
    json!({ "id": actor.id.map(|id| id.to_string()), "name": actor.name })
}

/// An alarm as JSON.
pub fn alarm_json(alarm: &AlarmEntry) -> Value {
    let at = |at: Option<UnixMillis>| at.map(|at| at.to_string());
    json!({
        "id": alarm.id.to_string(),
        "number": alarm.number,
        "device": { "id": alarm.device.to_string(), "name": device(alarm) },
        "rule": alarm.rule,
        "instance": alarm.instance,
        "state": alarm.state.name(),
        "severity": alarm.severity.name(),
        "summary": alarm.summary,
        "value": alarm.value.as_ref().map(|m| json!({ "value": m.value, "unit": m.unit })),
        "count": alarm.count,
        "opened": alarm.opened.to_string(),
        "changed": alarm.changed.to_string(),
        "cleared": at(alarm.cleared),
        "flapping": alarm.flapping,
        "acknowledged": alarm.acknowledged.as_ref().map(|ack| json!({
            "by": actor_json(&ack.by), "at": ack.at.to_string(), "comment": ack.comment,
        })),
        "assigned": alarm.assigned.as_ref().map(actor_json),
        "snoozed_until": at(alarm.snoozed_until),
        "suppressed_by": alarm.suppressed_by.map(|by| by.to_string()),
        "maintenance": alarm.held_by,
        "runbook": alarm.runbook,
        "article": alarm.article,
    })
}

/// A maintenance window.
pub fn window_json(window: &MaintenanceWindow) -> Value {
    json!({
        "window": window.number,
        "device": window.what.device.map(|id| id.to_string()),
        "rule": window.what.rule,
        "begins": window.what.begins.to_string(),
        "ends": window.what.ends.to_string(),
        "reason": window.what.reason,
        "by": actor_json(&window.by),
    })
}

/// A line of a history.
pub fn happening_json(entry: &AlarmHistoryEntry) -> Value {
    json!({ "number": entry.number, "at": entry.at.to_string(), "what": entry.what, "text": happened(&entry.what) })
}

/// What happened, in a sentence.
pub fn happened(what: &AlarmChange) -> String {
    match what {
        AlarmChange::Event(event) => {
            format!(
                "{} ({}): {} {}",
                event.transition,
                event.severity,
                event.summary,
                value(event.value.as_ref())
            )
        }
        AlarmChange::Gap { lost, from, to } => format!("{lost} events were given up, from {from} to {to}"),
        AlarmChange::Act { by, act } => {
            let what = match act {
                AlarmAction::Acknowledge { comment } => format!("acknowledged: {comment}"),
                AlarmAction::Unacknowledge => "took the acknowledgement back".to_owned(),
                AlarmAction::Assign(to) => format!("assigned it to {}", to.name),
                AlarmAction::Unassign => "took the assignment back".to_owned(),
                AlarmAction::Snooze { until } => format!("snoozed it until {until}"),
                AlarmAction::Unsnooze => "ended the snooze".to_owned(),
                AlarmAction::Comment(text) => format!("noted: {text}"),
            };
            format!("{} {what}", by.name)
        }
        AlarmChange::Suppressed { by } => format!("suppressed: a consequence of {by}"),
        AlarmChange::Released => "stands for itself again".to_owned(),
        AlarmChange::SnoozeEnded => "the snooze ended".to_owned(),
        AlarmChange::WindowEnded { window } => format!("maintenance window {window} ended"),
        AlarmChange::DeviceSilent => "its device fell silent".to_owned(),
        AlarmChange::Report(report) => {
            let what = match (report.deed, report.good) {
                (AlarmResponse::Diagnosis, _) => "the device diagnosed itself",
                (AlarmResponse::Runbook, true) => "the device ran a runbook",
                (AlarmResponse::Runbook, false) => "the device ran a runbook without success",
            };
            let lines: String = report.lines.iter().map(|line| format!("; {line}")).collect();
            format!("{what}: {}{lines}", report.title)
        }
        AlarmChange::DeviceBack => "its device is back".to_owned(),
        AlarmChange::Steady => "has been steady for a while".to_owned(),
    }
}
