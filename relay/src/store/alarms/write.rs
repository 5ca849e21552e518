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
) -> Result<(), StoreError> {
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
            return Ok(());
        }
        AlarmWrite::Forget(device) => {
            sqlx::query("DELETE FROM monitors WHERE device = $1").bind(device.to_string())
        }
        AlarmWrite::Settle(settled, at) => return outbox::settle(tx, settled, *at).await,
        AlarmWrite::Disable(receiver, reason, at) => sqlx::query(
            "INSERT INTO disabled_receivers (name, disabled_at, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(receiver.clone())
        .bind(to_big(at.0))
        .bind(reason.clone()),
        AlarmWrite::Prune(before) => return prune(tx, *before).await,
        _ => return Ok(()),
    };
    query.execute(&mut **tx).await?;
    Ok(())
}

/// Forgets what is over and told. The newest log entry stays, so that no number is given out twice.
async fn prune(tx: &mut Transaction<'_, Any>, before: UnixMillis) -> Result<(), StoreError> {
    const PRUNE: [&str; 6] = [
        "DELETE FROM outbox WHERE state <> 'waiting' AND settled_at < $1",
        "DELETE FROM notices WHERE at < $1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.number = notices.number)",
        "DELETE FROM alarm_log WHERE at < $1 AND number < (SELECT MAX(number) FROM alarm_log) AND fingerprint IN \
         (SELECT fingerprint FROM alarms WHERE is_open = 0 AND changed_at < $2)",
        "DELETE FROM alarm_log WHERE at < $1 AND number < (SELECT MAX(number) FROM alarm_log) AND fingerprint = ''",
        "DELETE FROM alarms WHERE is_open = 0 AND changed_at < $1",
        "DELETE FROM maintenance WHERE is_over = 1 AND ends_at < $1",
    ];
    for sql in PRUNE {
        let mut query = sqlx::query(sql).bind(to_big(before.0));
        if sql.contains("$2") {
            query = query.bind(to_big(before.0));
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
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
