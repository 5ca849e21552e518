//! Heads of devices' own audit logs, as evidence: what a device once showed it can't take back.

use nearhand_proto::audit::AuditHead;
use nearhand_proto::id::DeviceId;
use nearhand_proto::identity::Signed;
use nearhand_proto::time::UnixMillis;
use sqlx::{Any, Row, Transaction};

use super::codec::{from_text, to_big, to_text};
use super::{StoreError, StoreReader, WriteOutcome};

/// Heads that are kept of one device; the oldest go first.
const KEPT: i64 = 1_000;
/// A head of an earlier row may arrive this much after a newer one, since requests overtake each other. Milliseconds.
const OVERTAKEN_MS: u64 = 10_000;

/// Keeps a head. Done: it was known, or it overtook nothing that it contradicts. A number: it is new, and that is its row.
/// Conflict: it contradicts a head that the device showed before.
pub(super) async fn apply(
    tx: &mut Transaction<'_, Any>,
    device: &DeviceId,
    head: &AuditHead,
    signed: &Signed<AuditHead>,
    at: UnixMillis,
) -> Result<WriteOutcome, StoreError> {
    let hash = data_encoding::HEXLOWER.encode(&head.hash);
    let same: Option<(String,)> =
        sqlx::query_as("SELECT hash FROM audit_witnesses WHERE witness = $1 AND number = $2")
            .bind(device.to_string())
            .bind(to_big(head.number))
            .fetch_optional(&mut **tx)
            .await?;
    if let Some((known,)) = same {
        return Ok(if known == hash { WriteOutcome::Done } else { WriteOutcome::Conflict });
    }
    let newest: Option<(i64, i64)> = sqlx::query_as(
        "SELECT number, received_at FROM audit_witnesses WHERE witness = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(device.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    if let Some((number, received)) = newest
        && to_big(head.number) < number
    {
        let just_now = to_big(at.0.saturating_sub(OVERTAKEN_MS)) <= received;
        return Ok(if just_now { WriteOutcome::Done } else { WriteOutcome::Conflict });
    }
    sqlx::query(
        "INSERT INTO audit_witnesses (witness, number, hash, head, received_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(device.to_string())
    .bind(to_big(head.number))
    .bind(hash)
    .bind(to_text(signed)?)
    .bind(to_big(at.0))
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "DELETE FROM audit_witnesses WHERE witness = $1 AND number <= (SELECT number FROM audit_witnesses \
         WHERE witness = $2 ORDER BY number DESC LIMIT 1 OFFSET $3)",
    )
    .bind(device.to_string())
    .bind(device.to_string())
    .bind(KEPT)
    .execute(&mut **tx)
    .await?;
    Ok(WriteOutcome::Number(head.number))
}

impl StoreReader {
    /// A device's newest audit head that the relay holds.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the stored head can't be decoded.
    pub async fn witness(&self, device: &DeviceId) -> Result<Option<Signed<AuditHead>>, StoreError> {
        let sql = "SELECT head FROM audit_witnesses WHERE witness = $1 ORDER BY number DESC LIMIT 1";
        let row = sqlx::query(sql).bind(device.to_string()).fetch_optional(self.pool()).await?;
        row.map(|row| from_text(&row.try_get::<String, _>("head")?, "audit_witnesses")).transpose()
    }

    /// How many audit heads of a device the relay holds.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn witnesses(&self, device: &DeviceId) -> Result<u64, StoreError> {
        let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM audit_witnesses WHERE witness = $1")
            .bind(device.to_string())
            .fetch_one(self.pool())
            .await?;
        Ok(super::codec::from_big(count))
    }
}
