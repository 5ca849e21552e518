//! Names of devices as they look to a reader, so that a guest who takes one of them is found.

use nearhand_proto::id::DeviceId;
use nearhand_relay_core::names::folded;
use sqlx::{Any, Row, Transaction};

use super::codec::parse;
use super::{StoreError, StoreReader};

/// Which of a device's names it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum DeviceNameKind {
    /// The organisation's.
    Label,
    /// Its own.
    Hostname,
}

pub(super) async fn keep(
    tx: &mut Transaction<'_, Any>,
    device: &DeviceId,
    kind: DeviceNameKind,
    name: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device_names (device, kind, folded) VALUES ($1, $2, $3) \
         ON CONFLICT (device, kind) DO UPDATE SET folded = excluded.folded",
    )
    .bind(device.to_string())
    .bind(match kind {
        DeviceNameKind::Label => "label",
        DeviceNameKind::Hostname => "hostname",
    })
    .bind(folded(name))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl StoreReader {
    /// An enrolled device that has this name, or one that a reader takes for it.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a device's id in it is invalid.
    pub async fn device_named_like(&self, name: &str) -> Result<Option<DeviceId>, StoreError> {
        let name = folded(name);
        if name.is_empty() {
            return Ok(None);
        }
        let row = sqlx::query("SELECT device FROM device_names WHERE folded = $1 ORDER BY device LIMIT 1")
            .bind(name)
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| parse(&row.try_get::<String, _>("device")?, "device_names")).transpose()
    }
}
