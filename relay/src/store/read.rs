//! What is read from the store: all of it at the start, single things and pages later.

use nearhand_proto::audit::{AuditHead, AuditRow};
use nearhand_proto::credential::Credential;
use nearhand_proto::forward::BindGrant;
use nearhand_proto::id::{DeviceId, SessionId};
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::admission::{StoredMembership, UsedInvite};
use nearhand_relay_core::alarm::absence::RememberedDevice;
use nearhand_relay_core::registry::sessions::RelaySession;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::codec::{from_big, from_text, millis, parse, to_big};
use super::{StoreError, StoreReader, schema};

/// What was stored when the relay started.
pub struct StoredState {
    /// Who belongs here.
    pub loaded: StoredMembership,
    /// Sessions that had not ended, with their grants.
    pub running: Vec<(RelaySession, Option<[BindGrant; 2]>)>,
    /// Devices whose alarm is open that two machines use their identity.
    pub duplicates: Vec<DeviceId>,
    /// Devices whose silence is watched, and the places of outages whose alarm is open.
    pub watched: (Vec<RememberedDevice>, Vec<String>),
}

/// A stored device.
#[derive(Debug, Clone)]
pub struct DeviceRow {
    /// Fingerprint of its first key.
    pub id: DeviceId,
    /// The newest credential it showed.
    pub credential: Credential,
    /// What it said of itself.
    pub facts: DeviceFacts,
    /// Its program's version.
    pub version: String,
    /// When it was last connected.
    pub last_seen: UnixMillis,
}

pub(super) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    Ok(row.try_get::<String, _>(column)?)
}

pub(super) fn big(row: &AnyRow, column: &'static str) -> Result<i64, StoreError> {
    Ok(row.try_get::<i64, _>(column)?)
}

pub(super) async fn audit_head(connection: &mut AnyConnection) -> Result<AuditHead, StoreError> {
    let last = sqlx::query("SELECT entry FROM audit ORDER BY number DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    let Some(last) = last else { return Ok(AuditHead::EMPTY) };
    let row: AuditRow = serde_json::from_str(&text(&last, "entry")?)
        .map_err(|_| StoreError::Unreadable("the newest audit row"))?;
    Ok(AuditHead { number: row.number, hash: row.hash })
}

impl StoreReader {
    /// Everything that is kept in memory while the relay runs.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a key, an invitation, a list or a session in it can't be
    /// decoded.
    pub async fn everything(&self) -> Result<StoredState, StoreError> {
        let mut loaded =
            StoredMembership { organisation: self.organisation().await?, ..StoredMembership::default() };
        for row in sqlx::query("SELECT invite, first_key, current_key, role FROM used_invites")
            .fetch_all(self.pool())
            .await?
        {
            let known = UsedInvite {
                first: parse(&text(&row, "first_key")?, "used_invites")?,
                current: parse(&text(&row, "current_key")?, "used_invites")?,
                role: schema::role(&text(&row, "role")?).ok_or(StoreError::Unreadable("used_invites"))?,
            };
            loaded.invites.push((parse(&text(&row, "invite")?, "used_invites")?, known));
        }
        for row in sqlx::query("SELECT list FROM revocations ORDER BY number").fetch_all(self.pool()).await? {
            loaded.lists.push(from_text(&text(&row, "list")?, "revocations")?);
        }
        for row in sqlx::query("SELECT retirement FROM retirements ORDER BY received_at")
            .fetch_all(self.pool())
            .await?
        {
            loaded.retirements.push(from_text(&text(&row, "retirement")?, "retirements")?);
        }
        let duplicates = self.duplicates().await?;
        Ok(StoredState { loaded, running: self.running().await?, duplicates, watched: self.watched().await? })
    }

    /// The organisation, if the relay was claimed.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the organisation's key in it is invalid.
    pub async fn organisation(&self) -> Result<Option<PublicKey>, StoreError> {
        match sqlx::query("SELECT public_key FROM organisation WHERE one = 1")
            .fetch_optional(self.pool())
            .await?
        {
            Some(row) => Ok(Some(parse(&text(&row, "public_key")?, "organisation")?)),
            None => Ok(None),
        }
    }

    async fn running(&self) -> Result<Vec<(RelaySession, Option<[BindGrant; 2]>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, technician, technician_name, peer, device_name, attended, opened_at, bytes \
             FROM sessions WHERE ended_at = 0",
        )
        .fetch_all(self.pool())
        .await?;
        let mut running = Vec::with_capacity(rows.len());
        for row in rows {
            let session = RelaySession {
                id: parse(&text(&row, "id")?, "sessions")?,
                technician: parse(&text(&row, "technician")?, "sessions")?,
                technician_name: text(&row, "technician_name")?,
                device: parse(&text(&row, "peer")?, "sessions")?,
                device_name: text(&row, "device_name")?,
                attended: big(&row, "attended")? != 0,
                opened: millis(big(&row, "opened_at")?),
                bytes_before: from_big(big(&row, "bytes")?),
            };
            let grants = self.grants(&session.id).await?;
            running.push((session, grants));
        }
        Ok(running)
    }

    async fn grants(&self, session: &SessionId) -> Result<Option<[BindGrant; 2]>, StoreError> {
        let rows = sqlx::query("SELECT bind_grant FROM bindings WHERE session = $1 ORDER BY side")
            .bind(session.to_string())
            .fetch_all(self.pool())
            .await?;
        let grants = rows
            .iter()
            .map(|row| from_text(&text(row, "bind_grant")?, "bindings"))
            .collect::<Result<Vec<BindGrant>, StoreError>>()?;
        Ok(<[BindGrant; 2]>::try_from(grants).ok())
    }

    /// Copies an embedded database as of this moment into an empty file.
    ///
    /// # Errors
    /// [`StoreError`]: the file is not empty or can't be written, or the database can't be read.
    pub async fn copy_into(&self, file: &str) -> Result<(), StoreError> {
        sqlx::query("VACUUM INTO $1").bind(file).execute(self.pool()).await?;
        Ok(())
    }

    /// What is wrong with an embedded database, if anything: its pages and indexes are read and compared.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn damage(&self) -> Result<Option<String>, StoreError> {
        let rows = sqlx::query("PRAGMA integrity_check(1)").fetch_all(self.pool()).await?;
        let first = rows.first().map(|row| Ok::<_, StoreError>(row.try_get::<String, _>(0)?)).transpose()?;
        Ok(first.filter(|said| said != "ok"))
    }

    /// Replaces a value of the relay itself, next to a running relay.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be written; the value stays as it was then.
    pub async fn set_meta(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value.to_owned())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// A value of the relay itself.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn meta(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| text(&row, "value")).transpose()
    }

    /// One enrolled device; `None` if there is none with this id.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the device's row can't be decoded.
    pub async fn device(&self, id: &DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        let row =
            sqlx::query("SELECT id, credential, hostname, os, version, last_seen FROM devices WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(self.pool())
                .await?;
        row.as_ref().map(device_row).transpose()
    }

    /// Devices after an id, in the order of ids.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a device's row can't be decoded.
    pub async fn devices(&self, after: Option<DeviceId>, limit: usize) -> Result<Vec<DeviceRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, credential, hostname, os, version, last_seen FROM devices WHERE id > $1 \
             ORDER BY id LIMIT $2",
        )
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit_of(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(device_row).collect()
    }

    /// Audit rows after a number, as stored: JSON.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read.
    pub async fn audit(&self, after: u64, limit: usize) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT entry FROM audit WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(to_big(after))
            .bind(limit_of(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| text(row, "entry")).collect()
    }
}

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn device_row(row: &AnyRow) -> Result<DeviceRow, StoreError> {
    Ok(DeviceRow {
        id: parse(&text(row, "id")?, "devices")?,
        credential: from_text(&text(row, "credential")?, "devices")?,
        facts: DeviceFacts { hostname: text(row, "hostname")?.into(), os: text(row, "os")?.into() },
        version: text(row, "version")?,
        last_seen: millis(big(row, "last_seen")?),
    })
}
