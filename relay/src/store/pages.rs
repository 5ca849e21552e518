//! Lists that grow, as they are stored: a page at a time, and how many entries follow it.

use nearhand_proto::credential::Credential;
use nearhand_proto::id::{DeviceId, SessionId, TechnicianId};
use nearhand_proto::message::control::{CloseOutcome, SessionClosing, SessionEntry};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::duplicates::DUPLICATE;
use nearhand_relay_core::caller::PeerId;
use sqlx::any::AnyRow;

use super::codec::{from_big, from_text, millis, parse};
use super::read::{big, limit_of, text};
use super::{StoreError, StoreReader, schema};

/// A stored person.
#[derive(Debug, Clone)]
pub struct PersonRow {
    /// Fingerprint of their first key.
    pub id: TechnicianId,
    /// The newest credential they showed.
    pub credential: Credential,
    /// When they were last connected.
    pub last_seen: UnixMillis,
}

/// Rows of a list, and how many there are from the first of them on.
#[derive(Debug, Clone)]
pub struct StoredPage<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows the list has from the first of these on.
    pub total: u64,
}

const PERSON: &str = "SELECT id, credential, last_seen FROM people";
const SESSION: &str = "SELECT id, technician, technician_name, peer, device_name, attended, opened_at, ended_at, \
                       outcome, bytes FROM sessions";
/// Sessions of one technician, or with an empty id of all; after a session, or without one from the newest on.
const OF_SESSIONS: &str = "WHERE ($1 = '' OR technician = $2) AND ($3 = '' OR opened_at < (SELECT opened_at FROM \
                           sessions WHERE id = $4) OR (opened_at = (SELECT opened_at FROM sessions WHERE id = $5) \
                           AND id < $6))";

impl StoreReader {
    /// People after an id, in the order of ids.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a person's id or credential can't be decoded.
    pub async fn people(
        &self,
        after: Option<TechnicianId>,
        limit: usize,
    ) -> Result<StoredPage<PersonRow>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let (total,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM people WHERE id > $1")
            .bind(after.clone())
            .fetch_one(self.pool())
            .await?;
        let sql = format!("{PERSON} WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(after)
            .bind(limit_of(limit))
            .fetch_all(self.pool())
            .await?;
        let rows = rows.iter().map(person_row).collect::<Result<_, _>>()?;
        Ok(StoredPage { rows, total: from_big(total) })
    }

    /// One person; `None` if there is none with this id.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the person's credential can't be decoded.
    pub async fn person(&self, id: &TechnicianId) -> Result<Option<PersonRow>, StoreError> {
        let sql = format!("{PERSON} WHERE id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(self.pool()).await?;
        row.as_ref().map(person_row).transpose()
    }

    /// How many devices there are after an id, in the order of ids.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn devices_after(&self, after: Option<DeviceId>) -> Result<u64, StoreError> {
        let (total,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM devices WHERE id > $1")
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .fetch_one(self.pool())
            .await?;
        Ok(from_big(total))
    }

    /// Devices whose alarm is open that two machines use their identity.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a device's id in it is invalid.
    pub async fn duplicates(&self) -> Result<Vec<DeviceId>, StoreError> {
        let rows = sqlx::query("SELECT device FROM alarms WHERE is_open = 1 AND rule = $1")
            .bind(DUPLICATE)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| parse(&text(row, "device")?, "alarms")).collect()
    }

    /// Sessions of one technician, or of all, newest first, from the one after `before` on.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a session's row can't be decoded.
    pub async fn sessions(
        &self,
        of: Option<TechnicianId>,
        before: Option<SessionId>,
        limit: usize,
    ) -> Result<StoredPage<SessionEntry>, StoreError> {
        let of = of.map(|id| id.to_string()).unwrap_or_default();
        let before = before.map(|id| id.to_string()).unwrap_or_default();
        let bound = [of.clone(), of, before.clone(), before.clone(), before.clone(), before];
        let sql = format!("SELECT COUNT(*) FROM sessions {OF_SESSIONS}");
        let mut count = sqlx::query_as::<_, (i64,)>(sqlx::AssertSqlSafe(sql));
        for value in bound.clone() {
            count = count.bind(value);
        }
        let (total,) = count.fetch_one(self.pool()).await?;
        let sql = format!("{SESSION} {OF_SESSIONS} ORDER BY opened_at DESC, id DESC LIMIT $7");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for value in bound {
            query = query.bind(value);
        }
        let rows = query.bind(limit_of(limit)).fetch_all(self.pool()).await?;
        let rows = rows.iter().map(session_row).collect::<Result<_, _>>()?;
        Ok(StoredPage { rows, total: from_big(total) })
    }
}

fn person_row(row: &AnyRow) -> Result<PersonRow, StoreError> {
    Ok(PersonRow {
        id: parse(&text(row, "id")?, "people")?,
        credential: from_text(&text(row, "credential")?, "people")?,
        last_seen: millis(big(row, "last_seen")?),
    })
}

fn session_row(row: &AnyRow) -> Result<SessionEntry, StoreError> {
    let peer: PeerId = parse(&text(row, "peer")?, "sessions")?;
    let ended = match big(row, "ended_at")? {
        0 => None,
        at => {
            let outcome = schema::outcome(&text(row, "outcome")?).unwrap_or(CloseOutcome::Failed);
            Some(SessionClosing { at: millis(at), outcome })
        }
    };
    Ok(SessionEntry {
        id: parse(&text(row, "id")?, "sessions")?,
        technician: parse(&text(row, "technician")?, "sessions")?,
        technician_name: text(row, "technician_name")?.into(),
        device: peer.device(),
        device_name: text(row, "device_name")?.into(),
        attended: big(row, "attended")? != 0,
        opened: millis(big(row, "opened_at")?),
        ended,
        bytes: from_big(big(row, "bytes")?),
    })
}
