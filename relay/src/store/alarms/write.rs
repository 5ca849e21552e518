//! Writes about alarms, and the statements of those that add nothing to the log.

use nearhand_proto::alarm::{AlarmBatch, DeviceProfile, ShutdownNotice};
use nearhand_proto::id::{DeviceId, Fingerprint};
use nearhand_proto::message::alarms::{AlarmAction, AlarmActor, NewMaintenanceWindow};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::absence::AbsenceFinding;
use nearhand_relay_core::alarm::hours::UsualHours;
use nearhand_relay_core::notify::schedule::SettledDelivery;
use sqlx::{Any, Transaction};

use super::names::{leaving_name, profile_name};
use super::outbox;
use crate::store::StoreError;
use crate::store::codec::to_big;
use crate::store::outcome::{PRUNED, WriteOutcome, pruned};

/// Most open alarms of a device: one more is counted, not kept.
pub const MAX_OPEN: usize = 500;
/// Most maintenance windows that have not ended.
pub const MAX_WINDOWS: usize = 200;

/// Something about alarms to store.
#[derive(Debug)]
pub enum AlarmWrite {
    /// A device's batch, checked. [`WriteOutcome::Number`](crate::store::WriteOutcome::Number): stored through it. Conflicts
    /// with a stream of another device.
    Batch(DeviceId, AlarmBatch, UnixMillis),
    /// What the relay's own rules found.
    Found(Vec<AbsenceFinding>, UnixMillis),
    /// What somebody did. Conflicts if there is no such alarm.
    Act(Fingerprint, AlarmActor, AlarmAction, UnixMillis),
    /// A maintenance window. [`WriteOutcome::Number`](crate::store::WriteOutcome::Number): its number. Conflicts if there are
    /// too many.
    OpenWindow(NewMaintenanceWindow, AlarmActor, UnixMillis),
    /// The end of one before its time. Conflicts if there is none.
    CloseWindow(u64, UnixMillis),
    /// Ends snoozes and windows whose time has come.
    Wake(UnixMillis),
    /// A device whose silence is watched.
    Monitor(DeviceId, DeviceProfile, String),
    /// The reason a device gave for going away.
    Leaving(DeviceId, ShutdownNotice),
    /// When desktops are usually on.
    Hours(Vec<(DeviceId, UsualHours)>),
    /// A device whose silence is not watched any more.
    Forget(DeviceId),
    /// What became of deliveries.
    Settle(Vec<SettledDelivery>, UnixMillis),
    /// A receiver must not be sent to any more, and why.
    Disable(String, String, UnixMillis),
    /// Forgets alarms that ended before, and deliveries settled before.
    Prune(UnixMillis),
}

/// Does a write that adds nothing to the log.
pub(in crate::store) async fn apply(
    tx: &mut Transaction<'_, Any>,
    write: &AlarmWrite,
) -> Result<WriteOutcome, StoreError> {
    let query = match write {
        AlarmWrite::Monitor(device, profile, site) => sqlx::query(
            "INSERT INTO monitors (device, profile, site, leaving) VALUES ($1, $2, $3, '') ON CONFLICT (device) \
             DO UPDATE SET profile = excluded.profile, site = excluded.site, leaving = ''",
        )
        .bind(device.to_string())
        .bind(profile_name(*profile))
        .bind(site.clone()),
        AlarmWrite::Leaving(device, why) => sqlx::query("UPDATE monitors SET leaving = $1 WHERE device = $2")
            .bind(leaving_name(*why))
            .bind(device.to_string()),
        AlarmWrite::Hours(learned) => {
            for (device, hours) in learned {
                sqlx::query("UPDATE monitors SET hours = $1 WHERE device = $2")
                    .bind(hours.to_text())
                    .bind(device.to_string())
                    .execute(&mut **tx)
                    .await?;
            }
            return Ok(WriteOutcome::Done);
        }
        AlarmWrite::Forget(device) => {
            sqlx::query("DELETE FROM monitors WHERE device = $1").bind(device.to_string())
        }
        AlarmWrite::Settle(settled, at) => {
            outbox::settle(tx, settled, *at).await?;
            return Ok(WriteOutcome::Done);
        }
        AlarmWrite::Disable(receiver, reason, at) => sqlx::query(
            "INSERT INTO disabled_receivers (name, disabled_at, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(receiver.clone())
        .bind(to_big(at.0))
        .bind(reason.clone()),
        AlarmWrite::Prune(before) => return prune(tx, *before).await,
        _ => return Ok(WriteOutcome::Done),
    };
    query.execute(&mut **tx).await?;
    Ok(WriteOutcome::Done)
}

/// Forgets a part of what is over and told. The newest log entry stays, so that no number is given out twice.
async fn prune(tx: &mut Transaction<'_, Any>, before: UnixMillis) -> Result<WriteOutcome, StoreError> {
    // `$1` and `$2` are the same time: parameters have no names in SQLite as this library binds them.
    const PRUNE: [&str; 6] = [
        "DELETE FROM outbox WHERE (receiver, number) IN (SELECT receiver, number FROM outbox \
         WHERE state <> 'waiting' AND settled_at < $1 AND settled_at < $2 LIMIT $3)",
        "DELETE FROM notices WHERE number IN (SELECT number FROM notices WHERE at < $1 AND at < $2 \
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.number = notices.number) LIMIT $3)",
        "DELETE FROM alarm_log WHERE number IN (SELECT number FROM alarm_log WHERE at < $1 \
         AND number < (SELECT MAX(number) FROM alarm_log) AND fingerprint IN \
         (SELECT fingerprint FROM alarms WHERE is_open = 0 AND changed_at < $2) LIMIT $3)",
        "DELETE FROM alarm_log WHERE number IN (SELECT number FROM alarm_log WHERE at < $1 AND at < $2 \
         AND number < (SELECT MAX(number) FROM alarm_log) AND fingerprint = '' LIMIT $3)",
        // With its log, of which a part may be left for the next time.
        "DELETE FROM alarms WHERE fingerprint IN (SELECT fingerprint FROM alarms WHERE is_open = 0 \
         AND changed_at < $1 AND NOT EXISTS (SELECT 1 FROM alarm_log WHERE alarm_log.fingerprint = alarms.fingerprint \
         AND alarm_log.at < $2 AND alarm_log.number < (SELECT MAX(number) FROM alarm_log)) LIMIT $3)",
        "DELETE FROM maintenance WHERE number IN (SELECT number FROM maintenance WHERE is_over = 1 \
         AND ends_at < $1 AND ends_at < $2 LIMIT $3)",
    ];
    let mut most = 0;
    for sql in PRUNE {
        let rows = sqlx::query(sql)
            .bind(to_big(before.0))
            .bind(to_big(before.0))
            .bind(PRUNED)
            .execute(&mut **tx)
            .await?
            .rows_affected();
        most = most.max(rows);
    }
    Ok(pruned(most))
}

impl AlarmWrite {
    /// Whether it adds to the log.
    pub(in crate::store) fn is_logged(&self) -> bool {
        matches!(
            self,
            Self::Batch(..)
                | Self::Found(..)
                | Self::Act(..)
                | Self::OpenWindow(..)
                | Self::CloseWindow(..)
                | Self::Wake(_)
        )
    }
}
