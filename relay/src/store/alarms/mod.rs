//! Alarms in the database: the log, the alarms made from it, and who has to be told, in one transaction.

mod book;
mod outbox;
mod read;
mod rows;

use nearhand_proto::alarm::{AlarmBatch, DeviceProfile, Severity, ShutdownNotice};
use nearhand_proto::id::{DeviceId, Fingerprint};
use nearhand_proto::message::alarms::{AlarmAction, AlarmActor, NewMaintenanceWindow};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::absence::AbsenceFinding;
use nearhand_relay_core::alarm::hours::UsualHours;
use nearhand_relay_core::notify::schedule::SettledDelivery;
use sqlx::{Any, Transaction};

use super::StoreError;
use super::codec::to_big;
pub(super) use book::AlarmTransaction;
pub use outbox::DueDeliveries;
pub use read::{AlarmCounts, DeadLetter, OutboxState};

/// Most open alarms of a device: one more is counted, not kept.
pub const MAX_OPEN: usize = 500;
/// Most maintenance windows that have not ended.
pub const MAX_WINDOWS: usize = 200;

/// A receiver, as the writer has to know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiverOutlet {
    /// Its name.
    pub name: String,
    /// It is told of alarms that are, or were told to be, as bad as this.
    pub at_least: Severity,
}

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
    /// Its goodbye.
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
pub(super) async fn apply(tx: &mut Transaction<'_, Any>, write: &AlarmWrite) -> Result<(), StoreError> {
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
    pub(super) fn is_logged(&self) -> bool {
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

pub(super) const fn profile_name(profile: DeviceProfile) -> &'static str {
    match profile {
        DeviceProfile::Desktop => "desktop",
        DeviceProfile::Server => "server",
    }
}

pub(super) fn profile(name: &str) -> Option<DeviceProfile> {
    [DeviceProfile::Desktop, DeviceProfile::Server].into_iter().find(|p| profile_name(*p) == name)
}

pub(super) const fn leaving_name(leaving: ShutdownNotice) -> &'static str {
    match leaving {
        ShutdownNotice::AgentStops => "agent-stops",
        ShutdownNotice::Restart => "restart",
        ShutdownNotice::PowerOff => "power-off",
        ShutdownNotice::Sleep => "sleep",
    }
}

pub(super) fn leaving(name: &str) -> Option<ShutdownNotice> {
    [ShutdownNotice::AgentStops, ShutdownNotice::Restart, ShutdownNotice::PowerOff, ShutdownNotice::Sleep]
        .into_iter()
        .find(|l| leaving_name(*l) == name)
}

/// 0 info to 3 critical.
pub(super) fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
        Severity::Critical => 3,
    }
}

pub(super) fn severity(number: i64) -> Option<Severity> {
    Severity::ALL.into_iter().find(|s| severity_number(*s) == number)
}
