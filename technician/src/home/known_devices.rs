//! The devices met so far and the keys they are known by.
//!
//! Pure: a key that changed without the old one's word for it ends the attempt; there is no way to say
//! "continue". Must not live here: files, and whether the organisation signed what is shown.

use nearhand_proto::credential::VerifiedCredential;
use nearhand_proto::id::DeviceId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// A device that this client has had a session with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KnownDevice {
    /// The device's id, made of its first key.
    #[serde(with = "as_text")]
    pub id: DeviceId,
    /// The key it had when it was last met.
    #[serde(with = "as_text")]
    pub key: PublicKey,
    /// Its label then, safe to show.
    pub label: String,
    /// When it was first met, by this machine's clock.
    pub first_seen: UnixMillis,
}

/// What is known of a device that shows itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceFamiliarity {
    /// Never met before; it is known by this key from now on.
    New,
    /// Met before, with this key.
    Known,
    /// Met before with a key that has endorsed today's.
    Rotated,
}

/// A device shows a key that the key it is known by doesn't vouch for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyChanged {
    /// The same id, another key.
    #[error(
        "the key of {label} ({id}) has changed, and the key it is known by since {since} does not vouch for \
         the new one: somebody may be posing as it. Nothing was sent. Ask an administrator; if the machine was \
         set up anew, it must be enrolled anew and the old one revoked (`nearhand revoke device {id}`)"
    )]
    Key {
        /// The device that shows another key.
        id: DeviceId,
        /// Its label as known.
        label: String,
        /// When it was first met.
        since: UnixMillis,
    },
    /// The label that was asked for is known as another device's.
    #[error(
        "{label} is known here as the device {known} since {since}, and this is another one ({shown}): \
         somebody may be posing as it. Nothing was sent. If the machine was set up anew, an administrator \
         revokes the old one (`nearhand revoke device {known}`)"
    )]
    Label {
        /// The label that was asked for.
        label: String,
        /// The device it belongs to.
        known: DeviceId,
        /// The device that shows it.
        shown: DeviceId,
        /// When the known one was first met.
        since: UnixMillis,
    },
}

/// All devices met so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KnownDevices(Vec<KnownDevice>);

impl KnownDevices {
    pub(super) fn new(entries: Vec<KnownDevice>) -> Self {
        Self(entries)
    }

    /// All of them.
    pub fn entries(&self) -> &[KnownDevice] {
        &self.0
    }

    /// The one with this id.
    pub fn find(&self, id: DeviceId) -> Option<&KnownDevice> {
        self.0.iter().find(|known| known.id == id)
    }

    /// Judges a device whose credential has been verified.
    ///
    /// # Errors
    /// [`KeyChanged`]: end the attempt.
    pub fn judge(&self, id: DeviceId, shown: &VerifiedCredential) -> Result<DeviceFamiliarity, KeyChanged> {
        let Some(known) = self.find(id) else { return Ok(DeviceFamiliarity::New) };
        if known.key == shown.key() {
            return Ok(DeviceFamiliarity::Known);
        }
        if shown.keys().contains(&known.key) {
            return Ok(DeviceFamiliarity::Rotated);
        }
        Err(KeyChanged::Key { id, label: known.label.clone(), since: known.first_seen })
    }

    /// Judges a device that was asked for by its label; `still_counts` says which known devices aren't
    /// revoked.
    ///
    /// # Errors
    /// [`KeyChanged::Label`]: end the attempt.
    pub fn judge_label(
        &self,
        label: &str,
        shown: DeviceId,
        still_counts: impl Fn(&KnownDevice) -> bool,
    ) -> Result<(), KeyChanged> {
        if self.find(shown).is_some() {
            return Ok(());
        }
        match self.0.iter().find(|known| same_label(&known.label, label) && still_counts(known)) {
            Some(known) => Err(KeyChanged::Label {
                label: known.label.clone(),
                known: known.id,
                shown,
                since: known.first_seen,
            }),
            None => Ok(()),
        }
    }

    /// Remembers a device that has proved its key.
    pub fn remember(&mut self, id: DeviceId, key: PublicKey, label: &str, now: UnixMillis) {
        match self.0.iter_mut().find(|known| known.id == id) {
            Some(known) => {
                known.key = key;
                label.clone_into(&mut known.label);
            }
            None => self.0.push(KnownDevice { id, key, label: label.to_owned(), first_seen: now }),
        }
    }
}

/// Labels are compared as people type them.
pub(crate) fn same_label(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

/// Ids and keys as hexadecimal text, readable in the file.
mod as_text {
    use core::fmt::Display;
    use core::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(d: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
