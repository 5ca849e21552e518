//! What is read of alarms: pages for people, what the cores start with, counts for metrics.

use nearhand_proto::alarm::{DeviceProfile, Severity, ShutdownNotice};
use nearhand_proto::credential::Credential;
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::{AlarmEntry, AlarmFilter, AlarmHistoryEntry, MaintenanceWindow};
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::AlarmNotice;
use nearhand_relay_core::alarm::absence::{OFFLINE, OUTAGE, OfflineAlarm, RememberedDevice};
use nearhand_relay_core::alarm::hours::UsualHours;
use nearhand_relay_core::alarm::{AlarmLogEntry, AlarmProjection, LoggedHappening, NoticeKind};
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::names::{leaving, profile, severity, severity_number};
use crate::store::codec::{from_big, from_text, parse, to_big};
use crate::store::{StoreError, StoreReader};

/// Longest label of a device that is passed on, in characters.
const MAX_LABEL: usize = 100;

pub(super) fn json<T: DeserializeOwned>(row: &AnyRow, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(&row.try_get::<String, _>("body")?).map_err(|_| StoreError::Unreadable(what))
}

pub(super) fn alarm(row: &AnyRow) -> Result<AlarmProjection, StoreError> {
    json(row, "alarms")
}

pub(in crate::store) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The label that the organisation gave a device. The relay has verified it when the device joined.
pub(super) fn label(credential: &Credential) -> String {
    let name = credential.invite.peek().map(|invite| invite.name).unwrap_or_default();
    text::one_line(&name, MAX_LABEL)
}

/// Alarms by state and severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmCounts {
    /// The state's name.
    pub state: String,
    /// Severity of the counted alarms.
    pub severity: Severity,
    /// How many alarms are in this state with this severity.
    pub count: u64,
}

/// How deliveries to a receiver stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxState {
    /// Name of the receiver in the configuration.
    pub receiver: String,
    /// Notices that wait.
    pub waiting: u64,
    /// Notices that were given up.
    pub dead: u64,
    /// When the oldest that waits was made.
    pub oldest: Option<UnixMillis>,
    /// Why it is disabled, if it is.
    pub disabled: Option<String>,
}

/// A delivery that was given up.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Name of the receiver that did not take it.
    pub receiver: String,
    /// How often it was tried.
    pub attempts: u64,
    /// When it was given up.
    pub at: UnixMillis,
    /// What the receiver said last.
    pub answer: String,
    /// What was told.
    pub notice: AlarmNotice,
}

impl StoreReader {
    /// The newest number of the log.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn newest_alarm_number(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) AS newest FROM alarm_log")
            .fetch_one(self.pool())
            .await?;
        Ok(from_big(row.try_get("newest")?))
    }

    /// The device that a stream belongs to, and the number through which it is stored.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the stream's device has an invalid id.
    pub async fn stream(&self, stream: &StreamId) -> Result<Option<(DeviceId, u64)>, StoreError> {
        let row = sqlx::query("SELECT device, through FROM alarm_streams WHERE stream = $1")
            .bind(stream.to_string())
            .fetch_optional(self.pool())
            .await?;
        let known = |row: AnyRow| {
            Ok((
                parse(&row.try_get::<String, _>("device")?, "alarm_streams")?,
                from_big(row.try_get("through")?),
            ))
        };
        row.map(known).transpose()
    }

    /// Alarms that changed after a number, and the number to go on after.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or an alarm in it can't be decoded.
    pub async fn alarms_since(
        &self,
        filter: &AlarmFilter,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<AlarmEntry>, u64), StoreError> {
        // Read before the page: what comes in between is found next time.
        let newest = self.newest_alarm_number().await?;
        // Conditions that are always true would keep the database from going along an index.
        let mut sql = String::from(
            "SELECT a.body, a.number, COALESCE(d.credential, '') AS credential FROM alarms a \
             LEFT JOIN devices d ON d.id = a.device WHERE a.number > $1 AND a.number <= $2 AND a.severity >= $3",
        );
        if !filter.closed_too {
            sql.push_str(" AND a.is_open = 1");
        }
        if filter.device.is_some() {
            sql.push_str(" AND a.device = $5");
        }
        sql.push_str(" ORDER BY a.number LIMIT $4");
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(to_big(after))
            .bind(to_big(newest))
            .bind(filter.at_least.map_or(0, severity_number))
            .bind(limit_of(limit));
        if let Some(device) = filter.device {
            query = query.bind(device.to_string());
        }
        let rows = query.fetch_all(self.pool()).await?;
        let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let full = entries.len() >= limit;
        let cursor = entries.last().filter(|_| full).map_or(newest.max(after), |last| last.number);
        Ok((entries, cursor))
    }

    /// One alarm; `None` if the relay knows none with this id.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the alarm in it can't be decoded.
    pub async fn alarm(&self, id: &Fingerprint) -> Result<Option<AlarmEntry>, StoreError> {
        let row = sqlx::query(
            "SELECT a.body, COALESCE(d.credential, '') AS credential FROM alarms a \
             LEFT JOIN devices d ON d.id = a.device WHERE a.fingerprint = $1",
        )
        .bind(id.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(entry).transpose()
    }

    /// One alarm as the relay's rules see it.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the alarm in it can't be decoded.
    pub async fn alarm_itself(&self, id: &Fingerprint) -> Result<Option<AlarmProjection>, StoreError> {
        let sql = "SELECT body FROM alarms WHERE fingerprint = $1";
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(self.pool()).await?;
        row.as_ref().map(alarm).transpose()
    }

    /// What happened to an alarm after a number.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or an entry of the log can't be decoded.
    pub async fn alarm_history(
        &self,
        id: &Fingerprint,
        after: u64,
        limit: usize,
    ) -> Result<Vec<AlarmHistoryEntry>, StoreError> {
        let rows = self.log_of(id, after, limit).await?;
        Ok(rows
            .into_iter()
            .map(|e| AlarmHistoryEntry { number: e.number, at: e.at, what: e.what.what })
            .collect())
    }

    /// As [`StoreReader::alarm_history`], as it is stored.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or an entry of the log can't be decoded.
    pub async fn log_of(
        &self,
        id: &Fingerprint,
        after: u64,
        limit: usize,
    ) -> Result<Vec<AlarmLogEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT number, stream, seq, device, at, entry FROM alarm_log WHERE fingerprint = $1 AND number > $2 \
             ORDER BY number LIMIT $3",
        )
        .bind(id.to_string())
        .bind(to_big(after))
        .bind(limit_of(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| log_entry(row, *id)).collect()
    }

    /// Alarms that receivers have been told of as going on.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or an alarm in it can't be decoded.
    pub async fn told_alarms(
        &self,
        at_least: Severity,
        limit: usize,
    ) -> Result<Vec<(AlarmProjection, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT a.body, COALESCE(d.credential, '') AS credential FROM alarms a \
             LEFT JOIN devices d ON d.id = a.device WHERE a.told >= $1 ORDER BY a.told DESC, a.number LIMIT $2",
        )
        .bind(0_i64)
        .bind(limit_of(limit))
        .fetch_all(self.pool())
        .await?;
        let mut told = Vec::with_capacity(rows.len());
        for row in &rows {
            let alarm = alarm(row)?;
            if alarm.told_worst >= Some(at_least) {
                told.push((alarm, device_name(row)?));
            }
        }
        Ok(told)
    }

    /// How many alarms receivers have been told of as going on.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn told_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) AS alarms FROM alarms WHERE told >= 0";
        Ok(from_big(sqlx::query(sql).fetch_one(self.pool()).await?.try_get("alarms")?))
    }

    /// Devices that said that they are switched off or sleep, and haven't been back since.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn devices_off(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) AS devices FROM monitors WHERE leaving IN ('power-off', 'sleep')";
        Ok(from_big(sqlx::query(sql).fetch_one(self.pool()).await?.try_get("devices")?))
    }

    /// Notices made since, of those kinds, oldest first; of too many, the newest.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a notice in it can't be decoded.
    pub async fn notices_since(
        &self,
        since: UnixMillis,
        kinds: [NoticeKind; 3],
        limit: usize,
    ) -> Result<Vec<AlarmNotice>, StoreError> {
        let [a, b, c] = kinds;
        let rows = sqlx::query(
            "SELECT body FROM notices WHERE at >= $1 AND kind IN ($2, $3, $4) ORDER BY number DESC LIMIT $5",
        )
        .bind(to_big(since.0))
        .bind(a.name())
        .bind(b.name())
        .bind(c.name())
        .bind(limit_of(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().rev().map(|row| json(row, "notices")).collect()
    }

    /// Maintenance windows that have not ended.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a maintenance window in it can't be decoded.
    pub async fn maintenance(
        &self,
        now: UnixMillis,
        limit: usize,
    ) -> Result<Vec<MaintenanceWindow>, StoreError> {
        let rows = sqlx::query(
            "SELECT body FROM maintenance WHERE closed_at = 0 AND ends_at > $1 ORDER BY ends_at, number LIMIT $2",
        )
        .bind(to_big(now.0))
        .bind(limit_of(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| json(row, "maintenance")).collect()
    }

    /// Devices whose silence is watched, and the places of outages whose alarm is open.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or an alarm or a watched device in it can't be decoded.
    pub async fn watched(&self) -> Result<(Vec<RememberedDevice>, Vec<String>), StoreError> {
        let mut offline = std::collections::HashMap::new();
        let mut outages = Vec::new();
        let rows = sqlx::query("SELECT body FROM alarms WHERE is_open = 1 AND rule IN ($1, $2)")
            .bind(OFFLINE)
            .bind(OUTAGE)
            .fetch_all(self.pool())
            .await?;
        for row in &rows {
            let alarm = alarm(row)?;
            match alarm.rule.as_str() {
                OUTAGE if alarm.device == nearhand_relay_core::alarm::NO_DEVICE => {
                    outages.push(alarm.instance);
                }
                OFFLINE => {
                    let state = alarm.suppressed.map_or(OfflineAlarm::Open, OfflineAlarm::Suppressed);
                    offline.insert(alarm.device, state);
                }
                _ => {}
            }
        }
        let rows = sqlx::query("SELECT device, profile, site, leaving, hours FROM monitors")
            .fetch_all(self.pool())
            .await?;
        let remembered = rows
            .iter()
            .map(|row| {
                let device: DeviceId = parse(&row.try_get::<String, _>("device")?, "monitors")?;
                let profile: Option<DeviceProfile> = profile(&row.try_get::<String, _>("profile")?);
                let leaving: Option<ShutdownNotice> = leaving(&row.try_get::<String, _>("leaving")?);
                Ok(RememberedDevice {
                    device,
                    profile: profile.ok_or(StoreError::Unreadable("monitors"))?,
                    site: row.try_get("site")?,
                    leaving,
                    alarm: offline.get(&device).copied().unwrap_or(OfflineAlarm::Cleared),
                    hours: UsualHours::from_text(&row.try_get::<String, _>("hours")?),
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok((remembered, outages))
    }

    /// Alarms by state and severity.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or holds an unknown severity.
    pub async fn alarm_counts(&self) -> Result<Vec<AlarmCounts>, StoreError> {
        let rows =
            sqlx::query("SELECT state, severity, COUNT(*) AS alarms FROM alarms GROUP BY state, severity")
                .fetch_all(self.pool())
                .await?;
        rows.iter()
            .map(|row| {
                Ok(AlarmCounts {
                    state: row.try_get("state")?,
                    severity: severity(row.try_get("severity")?).ok_or(StoreError::Unreadable("alarms"))?,
                    count: from_big(row.try_get("alarms")?),
                })
            })
            .collect()
    }

    /// How deliveries stand, for each receiver that has any, or is disabled.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn outbox(&self) -> Result<Vec<OutboxState>, StoreError> {
        let mut states: std::collections::BTreeMap<String, OutboxState> = std::collections::BTreeMap::new();
        let rows = sqlx::query(
            "SELECT o.receiver, o.state, COUNT(*) AS notices, MIN(n.at) AS oldest FROM outbox o \
             JOIN notices n ON n.number = o.number WHERE o.state IN ('waiting', 'dead') GROUP BY o.receiver, o.state",
        )
        .fetch_all(self.pool())
        .await?;
        for row in &rows {
            let receiver: String = row.try_get("receiver")?;
            let state = states.entry(receiver).or_default();
            let count = from_big(row.try_get("notices")?);
            if row.try_get::<String, _>("state")? == "dead" {
                state.dead = count;
            } else {
                state.waiting = count;
                state.oldest = Some(UnixMillis(from_big(row.try_get("oldest")?)));
            }
        }
        for row in sqlx::query("SELECT name, reason FROM disabled_receivers").fetch_all(self.pool()).await? {
            states.entry(row.try_get("name")?).or_default().disabled = Some(row.try_get("reason")?);
        }
        Ok(states.into_iter().map(|(receiver, state)| OutboxState { receiver, ..state }).collect())
    }

    /// Why a receiver is disabled, if it is.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn disabled(&self, receiver: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT reason FROM disabled_receivers WHERE name = $1")
            .bind(receiver.to_owned())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|row| row.try_get("reason")).transpose()?)
    }

    /// Deliveries that were given up, newest first.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a notice in it can't be decoded.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query(
            "SELECT o.receiver, o.attempts, o.settled_at, o.answer, n.body FROM outbox o \
             JOIN notices n ON n.number = o.number WHERE o.state = 'dead' ORDER BY o.settled_at DESC LIMIT $1",
        )
        .bind(limit_of(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DeadLetter {
                    receiver: row.try_get("receiver")?,
                    attempts: from_big(row.try_get("attempts")?),
                    at: UnixMillis(from_big(row.try_get("settled_at")?)),
                    answer: row.try_get("answer")?,
                    notice: json(row, "notices")?,
                })
            })
            .collect()
    }
}

fn device_name(row: &AnyRow) -> Result<String, StoreError> {
    let credential: String = row.try_get("credential")?;
    if credential.is_empty() {
        return Ok(String::new());
    }
    Ok(label(&from_text::<Credential>(&credential, "devices")?))
}

fn entry(row: &AnyRow) -> Result<AlarmEntry, StoreError> {
    Ok(alarm(row)?.entry(device_name(row)?))
}

fn log_entry(row: &AnyRow, id: Fingerprint) -> Result<AlarmLogEntry, StoreError> {
    let what: LoggedHappening = serde_json::from_str(&row.try_get::<String, _>("entry")?)
        .map_err(|_| StoreError::Unreadable("alarm_log"))?;
    Ok(AlarmLogEntry {
        number: from_big(row.try_get("number")?),
        stream: parse(&row.try_get::<String, _>("stream")?, "alarm_log")?,
        seq: from_big(row.try_get("seq")?),
        device: parse(&row.try_get::<String, _>("device")?, "alarm_log")?,
        alarm: Some(id),
        at: UnixMillis(from_big(row.try_get("at")?)),
        what,
    })
}
