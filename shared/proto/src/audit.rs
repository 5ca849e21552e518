//! The audit chain: an append-only record that shows when somebody edited or shortened it.
//!
//! Each row holds the hash of the row before it, its own hash and the writer's signature over that hash. A
//! [`AuditHead`] (number, hash, signature) vouches for all rows up to it; the two ends of a session and the relay
//! keep each other's heads, so a log that was rewritten from the start contradicts these checkpoints. Pure: its callers
//! keep the rows and sync them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::SessionId;
use crate::identity::{PublicKey, SecretKey, Signed, Statement};
use crate::time::UnixMillis;
use crate::wire::{self, WireError};

/// Longest detail of a row, in characters.
pub const MAX_DETAIL: usize = 1000;

/// A row's hash.
pub type Hash = [u8; 32];

/// What is written down: who did what, in which session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Who: `technician Ada (id)`, `person at the device`, `policy`, `relay`, …
    pub actor: String,
    /// What, as a stable word: `session.start`, `grant`, `deny`, `refused`, …
    pub action: String,
    /// In which session, if in one.
    pub session: Option<SessionId>,
    /// The particulars, in words.
    pub detail: String,
}

/// One row of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number: 1, 2, 3, …
    pub number: u64,
    /// When, by the writer's clock.
    pub at: UnixMillis,
    /// The event that the row records.
    pub event: AuditEvent,
    /// Hash of the row before; zeros for the first.
    #[serde(with = "hex32")]
    pub previous: Hash,
    /// Hash of this row.
    #[serde(with = "hex32")]
    pub hash: Hash,
    /// The writer's word for this row and all before it.
    pub head: Signed<AuditHead>,
}

/// Stands for all rows up to a number; kept by others, it is a checkpoint of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditHead {
    /// The last row's number; 0 for an empty log.
    pub number: u64,
    /// The last row's hash; zeros for an empty log.
    #[serde(with = "hex32")]
    pub hash: Hash,
}

impl AuditHead {
    /// Of a log without rows.
    pub const EMPTY: Self = Self { number: 0, hash: [0; 32] };
}

impl Statement for AuditHead {
    const CONTEXT: &'static str = "audit head";
}

/// The row that follows `head`.
///
/// # Errors
/// [`WireError`] for an event too large to encode.
pub fn next_row(
    head: AuditHead,
    at: UnixMillis,
    event: AuditEvent,
    key: &SecretKey,
) -> Result<AuditRow, WireError> {
    let number = head.number.saturating_add(1);
    let hash = row_hash(number, at, &event, &head.hash)?;
    let signed = key.sign(&AuditHead { number, hash })?;
    Ok(AuditRow { number, at, event, previous: head.hash, hash, head: signed })
}

/// What is wrong with a log, and where it begins to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row} {why}")]
pub struct BrokenLog {
    /// The first bad row's place in the log, counted from 1.
    pub row: u64,
    /// What is wrong with it.
    pub why: LogDefect,
}

/// What can be wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogDefect {
    /// It can't be read.
    #[error("can't be read")]
    Unreadable,
    /// Its number doesn't follow the row before: rows are missing or were put in.
    #[error("does not follow the row before it: rows are missing, doubled or out of order")]
    Number,
    /// It doesn't hold the hash of the row before.
    #[error("does not fit the row before it: that row was replaced")]
    Previous,
    /// Its content was changed.
    #[error("was edited: its hash does not match its content")]
    Content,
    /// Its signature isn't the writer's.
    #[error("was not signed by this log's key")]
    Signature,
    /// A checkpoint stands for more rows than there are, or for another row in this place.
    #[error("is missing or differs from what others know of it: the log was cut or rewritten")]
    Checkpoint,
}

/// Checks a log row by row. Feed it all rows in order, then ask [`LogVerifier::finish`].
#[derive(Debug)]
pub struct LogVerifier {
    keys: Vec<PublicKey>,
    head: AuditHead,
    checkpoints: Vec<AuditHead>,
}

impl LogVerifier {
    /// For a log written with one of `keys` (several after a rotation), with the heads that others keep of it.
    pub fn new(keys: Vec<PublicKey>, checkpoints: Vec<AuditHead>) -> Self {
        Self { keys, head: AuditHead::EMPTY, checkpoints }
    }

    /// Takes the next row; `None` for one that could not be read.
    ///
    /// # Errors
    /// [`BrokenLog`]: this is the first bad row.
    pub fn row(&mut self, row: Option<&AuditRow>) -> Result<(), BrokenLog> {
        let place = self.head.number.saturating_add(1);
        let broken = |why| BrokenLog { row: place, why };
        let row = row.ok_or(broken(LogDefect::Unreadable))?;
        if row.number != place {
            return Err(broken(LogDefect::Number));
        }
        if row.previous != self.head.hash {
            return Err(broken(LogDefect::Previous));
        }
        let hash = row_hash(row.number, row.at, &row.event, &row.previous)
            .map_err(|_| broken(LogDefect::Unreadable))?;
        if hash != row.hash {
            return Err(broken(LogDefect::Content));
        }
        let head = AuditHead { number: row.number, hash };
        if !self.keys.iter().any(|key| row.head.open(key).ok() == Some(head)) {
            return Err(broken(LogDefect::Signature));
        }
        if self.checkpoints.iter().any(|w| w.number == head.number && w.hash != head.hash) {
            return Err(broken(LogDefect::Checkpoint));
        }
        self.head = head;
        Ok(())
    }

    /// The verified log's head, once all rows were taken.
    ///
    /// # Errors
    /// [`BrokenLog`] if a checkpoint stands for more rows than there are.
    pub fn finish(self) -> Result<AuditHead, BrokenLog> {
        match self.checkpoints.iter().map(|w| w.number).max() {
            Some(number) if number > self.head.number => {
                Err(BrokenLog { row: self.head.number.saturating_add(1), why: LogDefect::Checkpoint })
            }
            _ => Ok(self.head),
        }
    }
}

fn row_hash(number: u64, at: UnixMillis, event: &AuditEvent, previous: &Hash) -> Result<Hash, WireError> {
    let mut hash = Sha256::new();
    hash.update(b"nearhand audit row 1");
    hash.update(previous);
    hash.update(wire::encode(&(number, at, event))?);
    Ok(hash.finalize().into())
}

/// Hashes as hexadecimal text, readable in JSON.
mod hex32 {
    use data_encoding::HEXLOWER;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&HEXLOWER.encode(bytes)) } else { bytes.serialize(s) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 32], D::Error> {
        if d.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
            let bytes = HEXLOWER.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
            bytes.try_into().map_err(|_| serde::de::Error::custom("64 hexadecimal digits expected"))
        } else {
            <[u8; 32]>::deserialize(d)
        }
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    fn log(key: &SecretKey, rows: u64) -> Vec<AuditRow> {
        let mut head = AuditHead::EMPTY;
        (0..rows)
            .map(|i| {
                let event = AuditEvent {
                    actor: "policy".into(),
                    action: "grant".into(),
                    session: None,
                    detail: format!("row {i}"),
                };
                let row = next_row(head, UnixMillis(i), event, key).unwrap();
                head = AuditHead { number: row.number, hash: row.hash };
                row
            })
            .collect()
    }

    fn verify(
        rows: &[AuditRow],
        key: &SecretKey,
        checkpoints: Vec<AuditHead>,
    ) -> Result<AuditHead, BrokenLog> {
        let mut v = LogVerifier::new(vec![key.public()], checkpoints);
        rows.iter().try_for_each(|r| v.row(Some(r)))?;
        v.finish()
    }

    #[test]
    fn the_first_bad_row_is_named() {
        let key = SecretKey::generate(&mut OsRng);
        let rows = log(&key, 5);
        let head = verify(&rows, &key, vec![]).unwrap();
        assert_eq!(head.number, 5);
        let bad =
            |rows: &[AuditRow], checkpoints| verify(rows, &key, checkpoints).map_err(|b| (b.row, b.why));

        let mut edited = rows.clone();
        edited[2].event.detail = "nothing to see".into();
        assert_eq!(bad(&edited, vec![]), Err((3, LogDefect::Content)));

        let mut gone = rows.clone();
        gone.remove(1);
        assert_eq!(bad(&gone, vec![]), Err((2, LogDefect::Number)));

        assert_eq!(bad(&rows[..4], vec![head]), Err((5, LogDefect::Checkpoint)), "a cut tail");

        let forger = SecretKey::generate(&mut OsRng);
        assert_eq!(bad(&log(&forger, 5), vec![]), Err((1, LogDefect::Signature)));

        // Rewritten by somebody who has the key: only a checkpoint can tell.
        let mut rewritten = log(&key, 4);
        let last = AuditHead { number: 4, hash: rewritten[3].hash };
        let event = AuditEvent { detail: "other".into(), ..rows[4].event.clone() };
        rewritten.push(next_row(last, UnixMillis(9), event, &key).unwrap());
        verify(&rewritten, &key, vec![]).unwrap();
        assert_eq!(bad(&rewritten, vec![head]), Err((5, LogDefect::Checkpoint)));
    }

    #[test]
    fn a_row_survives_json_and_the_wire() {
        let key = SecretKey::generate(&mut OsRng);
        let row = log(&key, 1).remove(0);
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<AuditRow>(&json).unwrap(), row);
        assert_eq!(wire::decode::<AuditRow>(&wire::encode(&row).unwrap()).unwrap(), row);
    }
}
