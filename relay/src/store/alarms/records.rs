//! What a transaction about alarms reads first and writes last, as rows.

use std::collections::BTreeSet;

use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::MaintenanceWindow;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::absence::AbsenceFinding;
use nearhand_relay_core::alarm::{self, AlarmLogEntry, AlarmProjection, GAP, TOO_MANY};
use sqlx::{Any, Transaction};

use super::names::severity_number;
use super::read;
use super::rows::SqlValue;
use super::write::AlarmWrite;
use crate::store::StoreError;
use crate::store::codec::{to_big, to_json};

/// What a write is about.
pub(super) fn subjects(
    write: &AlarmWrite,
    streams: &mut BTreeSet<StreamId>,
    alarms: &mut BTreeSet<Fingerprint>,
    devices: &mut BTreeSet<DeviceId>,
) {
    match write {
        AlarmWrite::Batch(device, batch, _) => {
            streams.insert(batch.stream);
            devices.insert(*device);
            alarms.extend(alarm::news(batch, 0).filter_map(|(_, what)| alarm::alarm_of(*device, &what)));
            alarms.extend([TOO_MANY, GAP].map(|rule| Fingerprint::of(*device, rule, "")));
        }
        AlarmWrite::Found(findings, _) => {
            for finding in findings {
                match finding {
                    AbsenceFinding::Released(id) => _ = alarms.insert(*id),
                    AbsenceFinding::Event { device, event, .. } => {
                        devices.insert(*device);
                        alarms.insert(Fingerprint::of(*device, &event.rule, &event.instance));
                    }
                }
            }
        }
        AlarmWrite::Act(id, ..) => _ = alarms.insert(*id),
        _ => {}
    }
}

/// A row of the log.
pub(super) fn log_row(entry: &AlarmLogEntry) -> Result<Vec<SqlValue>, StoreError> {
    Ok(vec![
        SqlValue::Big(to_big(entry.number)),
        SqlValue::Text(entry.stream.to_string()),
        SqlValue::Big(to_big(entry.seq)),
        SqlValue::Text(entry.device.to_string()),
        SqlValue::Text(entry.alarm.map(|id| id.to_string()).unwrap_or_default()),
        SqlValue::Big(to_big(entry.at.0)),
        SqlValue::Text(to_json(&entry.what)?),
    ])
}

/// When the clock changes something about an alarm.
fn wakes_at(alarm: &AlarmProjection) -> Option<UnixMillis> {
    match (alarm.snoozed, alarm.damping.until()) {
        (Some(snoozed), Some(steady)) => Some(snoozed.min(steady)),
        (snoozed, steady) => snoozed.or(steady),
    }
}

/// A row of the alarms.
pub(super) fn alarm_row(alarm: &AlarmProjection) -> Result<Vec<SqlValue>, StoreError> {
    Ok(vec![
        SqlValue::Text(alarm.id.to_string()),
        SqlValue::Text(alarm.device.to_string()),
        SqlValue::Text(alarm.rule.clone()),
        SqlValue::Text(alarm.state.name().to_owned()),
        SqlValue::Big(i64::from(alarm.is_open())),
        SqlValue::Big(severity_number(alarm.severity)),
        SqlValue::Big(alarm.told.map_or(-1, severity_number)),
        SqlValue::Big(to_big(alarm.number)),
        SqlValue::Big(to_big(alarm.changed.0)),
        SqlValue::Big(wakes_at(alarm).map_or(0, |until| to_big(until.0))),
        SqlValue::Big(alarm.held.map_or(0, to_big)),
        SqlValue::Text(to_json(alarm)?),
    ])
}

/// Windows whose alarms are not all released yet.
pub(super) async fn windows(tx: &mut Transaction<'_, Any>) -> Result<Vec<MaintenanceWindow>, StoreError> {
    let rows = sqlx::query("SELECT body FROM maintenance WHERE is_over = 0 ORDER BY number")
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| read::json(row, "maintenance")).collect()
}
