//! The outbox: a row for each notice and receiver, written with what it tells, kept until the receiver has it.
//!
//! What of one alarm waits goes out in order: the next row is due only when those before it are settled. Between alarms, the
//! worst come first, and of those as bad as each other the devices take turns. A part of what is read goes by turns alone, so
//! that a device which floods with critical alarms doesn't keep the others from being heard.

use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::{AlarmNotice, NoticeKind};
use nearhand_relay_core::notify::schedule::{DeliveryFate, PendingDelivery, SettledDelivery};
use sqlx::{Any, Row, Transaction};

use super::names::severity_number;
use super::outlet::ReceiverOutlet;
use super::read;
use super::rows::{self, SqlValue};
use crate::store::codec::{from_big, to_big, to_json};
use crate::store::{StoreError, StoreReader};

/// What waits for a receiver now.
#[derive(Debug, Clone, Default)]
pub struct DueDeliveries {
    /// Those whose time has come, in order.
    pub now: Vec<PendingDelivery>,
    /// When the next one's time comes.
    pub next: Option<UnixMillis>,
}

pub(super) async fn post(
    tx: &mut Transaction<'_, Any>,
    notices: &[AlarmNotice],
    outlets: &[ReceiverOutlet],
) -> Result<(), StoreError> {
    let bodies = notices
        .iter()
        .map(|notice| {
            Ok(vec![
                SqlValue::Big(to_big(notice.number)),
                SqlValue::Big(to_big(notice.at.0)),
                SqlValue::Text(notice.kind.name().to_owned()),
                SqlValue::Text(to_json(notice)?),
            ])
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    rows::insert(tx, "INSERT INTO notices (number, at, kind, body)", 4, "", bodies).await?;
    let mut waiting = Vec::new();
    for outlet in outlets {
        for notice in notices.iter().filter(|n| n.alarm.told_worst >= Some(outlet.at_least)) {
            waiting.push(vec![
                SqlValue::Text(outlet.name.clone()),
                SqlValue::Big(to_big(notice.number)),
                SqlValue::Text(notice.alarm.id.to_string()),
                SqlValue::Text(notice.alarm.device.to_string()),
                SqlValue::Big(severity_number(notice.alarm.severity)),
                SqlValue::Text("waiting".to_owned()),
                SqlValue::Big(0),
                SqlValue::Big(to_big(notice.at.0)),
                SqlValue::Big(0),
                SqlValue::Text(String::new()),
            ]);
        }
    }
    let sql = "INSERT INTO outbox (receiver, number, fingerprint, device, severity, state, attempts, due_at, settled_at, answer)";
    rows::insert(tx, sql, 10, "", waiting).await
}

/// Takes note of what became of deliveries.
pub(in crate::store) async fn settle(
    tx: &mut Transaction<'_, Any>,
    settled: &[SettledDelivery],
    at: UnixMillis,
) -> Result<(), StoreError> {
    for one in settled {
        let (state, due, settled_at) = match one.fate {
            DeliveryFate::Delivered => ("delivered", 0, to_big(at.0)),
            DeliveryFate::Again(again) => ("waiting", to_big(again.0), 0),
            DeliveryFate::Dead => ("dead", 0, to_big(at.0)),
            DeliveryFate::Passed => ("passed", 0, to_big(at.0)),
        };
        // Only while it waits: `replay` may have started the delivery again.
        sqlx::query(
            "UPDATE outbox SET state = $1, attempts = $2, due_at = $3, settled_at = $4, answer = $5 \
             WHERE receiver = $6 AND number = $7 AND state = 'waiting'",
        )
        .bind(state)
        .bind(i64::from(one.attempts))
        .bind(due)
        .bind(settled_at)
        .bind(one.answer.clone())
        .bind(one.receiver.clone())
        .bind(to_big(one.number))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Ranks what waits. `worst` is the worst that waits of an alarm, so that what became critical doesn't wait behind its own
/// beginning as a warning. `$3` rows by urgency, `$4` by turns.
macro_rules! due_sql {
    ($only:literal) => {
        concat!(
            "SELECT q.attempts, q.due_at, n.body FROM (SELECT number, attempts, due_at, \
             ROW_NUMBER() OVER (ORDER BY worst DESC, turn, number) AS urgent, \
             ROW_NUMBER() OVER (ORDER BY of_device, number) AS fair FROM (SELECT number, attempts, due_at, worst, \
             ROW_NUMBER() OVER (PARTITION BY worst, device ORDER BY number) AS turn, \
             ROW_NUMBER() OVER (PARTITION BY device ORDER BY number) AS of_device FROM (\
             SELECT number, device, attempts, due_at, MAX(severity) OVER (PARTITION BY fingerprint) AS worst, \
             ROW_NUMBER() OVER (PARTITION BY fingerprint ORDER BY number) AS place \
             FROM outbox WHERE receiver = $1 AND state = 'waiting') w WHERE due_at <= $2",
            $only,
            ") t) q JOIN notices n ON n.number = q.number WHERE q.urgent <= $3 OR q.fair <= $4 ORDER BY q.urgent"
        )
    };
}

const ALL: &str = due_sql!("");
const FIRST_OF_EACH: &str = due_sql!(" AND place = 1");

impl StoreReader {
    /// What waits for a receiver, the most urgent first. `in_order`: only the first of each alarm.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a notice in it can't be decoded.
    pub async fn due(
        &self,
        receiver: &str,
        now: UnixMillis,
        in_order: bool,
        limit: usize,
    ) -> Result<DueDeliveries, StoreError> {
        // In turns: a quarter of what is read.
        let fair = (limit / 4).max(1);
        let rows = sqlx::query(if in_order { FIRST_OF_EACH } else { ALL })
            .bind(receiver.to_owned())
            .bind(to_big(now.0))
            .bind(read::limit_of(limit.saturating_sub(fair).max(1)))
            .bind(read::limit_of(fair))
            .fetch_all(self.pool())
            .await?;
        let now_due = rows
            .iter()
            .map(|row| {
                let attempts = u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX);
                let due = UnixMillis(from_big(row.try_get("due_at")?));
                Ok(PendingDelivery { notice: read::json(row, "notices")?, attempts, due })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let next = sqlx::query("SELECT MIN(due_at) AS next FROM outbox WHERE receiver = $1 AND state = 'waiting' AND due_at > $2")
            .bind(receiver.to_owned())
            .bind(to_big(now.0))
            .fetch_one(self.pool())
            .await?
            .try_get::<Option<i64>, _>("next")?;
        Ok(DueDeliveries { now: now_due, next: next.map(|at| UnixMillis(from_big(at))) })
    }
}

impl StoreReader {
    /// Whether a receiver has heard of an alarm since it began, before a notice of that number. What was given up
    /// counts: it was its turn.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn has_heard(&self, receiver: &str, notice: &AlarmNotice) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT o.state, n.kind FROM outbox o JOIN notices n ON n.number = o.number WHERE o.receiver = $1 \
             AND o.fingerprint = $2 AND o.number < $3 ORDER BY o.number DESC LIMIT 1",
        )
        .bind(receiver.to_owned())
        .bind(notice.alarm.id.to_string())
        .bind(to_big(notice.number))
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(false) };
        let (state, kind): (String, String) = (row.try_get("state")?, row.try_get("kind")?);
        Ok(matches!(state.as_str(), "delivered" | "dead") && kind != NoticeKind::Resolved.name())
    }
}

/// What the operator's commands change while a relay may be running on the same database: single rows of the outbox,
/// which its workers look at again every few seconds.
impl StoreReader {
    /// Lets what was given up be sent again. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be written; nothing is sent again then.
    pub async fn replay(&self, receiver: &str, number: Option<u64>) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = 0 WHERE receiver = $1 AND state = 'dead' \
             AND ($2 < 0 OR number = $3)",
        )
        .bind(receiver.to_owned())
        .bind(number.map_or(-1, to_big))
        .bind(number.map_or(-1, to_big))
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Lets a receiver that wanted no more be sent to again. `false`: it was not disabled.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be written; the receiver stays disabled then.
    pub async fn enable(&self, receiver: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM disabled_receivers WHERE name = $1")
            .bind(receiver.to_owned())
            .execute(self.pool())
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
