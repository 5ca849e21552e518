//! What can be written, and the statements that do it: membership, sessions, what devices and people leave behind.
//!
//! What concerns help and alarms is in files of their own; who gives these writes a transaction is the writer's business.

use std::sync::Arc;

use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::{Credential, Retirement, RevocationList, VerifiedCredential};
use nearhand_proto::forward::BindGrant;
use nearhand_proto::id::{DeviceId, SessionId};
use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::message::control::{CloseOutcome, DeviceFacts};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::caller::PeerId;
use nearhand_relay_core::registry::sessions::RelaySession;
use sqlx::{Any, Transaction};

use super::StoreError;
use super::alarms::{self, AlarmWrite};
use super::codec::{to_big, to_text};
use super::heads;
use super::help::{self, HelpWrite};
use super::names;
use super::outcome::{PRUNED, WriteOutcome, pruned};
use super::schema::{outcome_name, role_name};

/// Somebody who joined, as stored.
#[derive(Clone, Debug)]
pub struct StoredMember {
    /// What the credential proved.
    pub who: Arc<VerifiedCredential>,
    /// The credential as it was shown, to be stored.
    pub credential: Credential,
    /// A device's facts, made safe.
    pub facts: Option<DeviceFacts>,
    /// Their program's version, made safe.
    pub version: String,
    /// When it was judged.
    pub at: UnixMillis,
}

/// A session and its two grants, as stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session as the registry keeps it.
    pub session: RelaySession,
    /// The technician's grant and the device's.
    pub grants: [BindGrant; 2],
}

/// Somebody who was connected.
#[derive(Clone, Debug)]
pub struct SeenPeer {
    /// Who; guests are not kept.
    pub peer: PeerId,
    /// The last moment at which the peer was connected.
    pub at: UnixMillis,
    /// What a device said of itself, and the version of its program, if it just connected.
    pub said: Option<(Option<DeviceFacts>, String)>,
}

/// Something to store.
#[derive(Debug)]
pub enum StoreWrite {
    /// The relay's first administrator and its organisation. Conflicts with an earlier claim.
    Claim(PublicKey, Box<StoredMember>),
    /// A new member. Conflicts with an earlier use of the invite.
    Join(Box<StoredMember>),
    /// A member's longer chain.
    Rotate(Box<StoredMember>, Option<Signed<Retirement>>),
    /// A revocation list. Conflicts with the same number.
    Revoke(u64, Signed<RevocationList>, UnixMillis),
    /// A session with its grants. Conflicts with its id.
    Open(Box<NewSession>),
    /// New grants for a session, and the bytes that went over its earlier paths.
    Regrant(SessionId, [BindGrant; 2], u64),
    /// The end of a session.
    Close(SessionId, UnixMillis, CloseOutcome, u64),
    /// Bytes of running sessions.
    Count(Vec<(SessionId, u64)>),
    /// Who was connected when.
    Seen(Vec<SeenPeer>),
    /// A device's own audit head. Conflicts with a stored one that it contradicts.
    Witness(DeviceId, AuditHead, Signed<AuditHead>, UnixMillis),
    /// A value of the relay itself.
    Meta(&'static str, String),
    /// Forgets the organisation and all that belongs to it. The audit log stays.
    ResetOrganisation,
    /// Forgets sessions that ended before, and what was closed and said before.
    Prune(UnixMillis),
    /// Something about help.
    Help(Box<HelpWrite>),
    /// Something about alarms.
    Alarm(Box<AlarmWrite>),
    /// Nothing but the audit rows that come with it.
    Nothing,
    /// Nothing; the writer ends and closes its connection.
    Finish,
}

impl StoreWrite {
    /// Whether it does a part of its work at a time.
    pub(super) fn is_repeated(&self) -> bool {
        self.repeated().is_some()
    }

    /// The same once more, if it does a part of its work at a time.
    pub(super) fn repeated(&self) -> Option<Self> {
        match self {
            Self::Prune(before) => Some(Self::Prune(*before)),
            Self::Alarm(write) => match **write {
                AlarmWrite::Prune(before) => Some(Self::Alarm(Box::new(AlarmWrite::Prune(before)))),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Does a write that has no part in the alarm log.
pub(super) async fn apply(
    tx: &mut Transaction<'_, Any>,
    write: &StoreWrite,
) -> Result<WriteOutcome, StoreError> {
    match write {
        StoreWrite::Claim(organisation, member) => claim(tx, organisation, member).await,
        StoreWrite::Join(member) => join(tx, member).await,
        StoreWrite::Rotate(member, retirement) => rotate(tx, member, retirement.as_ref()).await,
        StoreWrite::Revoke(number, list, at) => {
            let query = sqlx::query(
                "INSERT INTO revocations (number, list, received_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            );
            insert(tx, query.bind(to_big(*number)).bind(to_text(list)?).bind(to_big(at.0))).await
        }
        StoreWrite::Open(new) => open(tx, new).await,
        StoreWrite::Regrant(session, grants, bytes) => {
            count(tx, session, *bytes).await?;
            bind(tx, session, grants).await
        }
        StoreWrite::Close(session, at, outcome, bytes) => close(tx, session, *at, *outcome, *bytes).await,
        StoreWrite::Count(sessions) => {
            for (session, bytes) in sessions {
                count(tx, session, *bytes).await?;
            }
            Ok(WriteOutcome::Done)
        }
        StoreWrite::Seen(seen) => {
            for one in seen {
                note_seen(tx, one).await?;
            }
            Ok(WriteOutcome::Done)
        }
        StoreWrite::Witness(device, head, signed, at) => heads::apply(tx, device, head, signed, *at).await,
        StoreWrite::Meta(name, value) => {
            let query = sqlx::query(
                "INSERT INTO meta (name, value) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            );
            insert(tx, query.bind(*name).bind(value.clone())).await
        }
        StoreWrite::Prune(before) => {
            let more = sqlx::query(
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at > 0 AND ended_at < $1 LIMIT $2)",
            )
            .bind(to_big(before.0))
            .bind(PRUNED)
            .execute(&mut **tx)
            .await?
            .rows_affected();
            Ok(pruned(more.max(help::prune(tx, *before).await?)))
        }
        StoreWrite::ResetOrganisation => {
            if tx.backend_name() != "SQLite" {
                sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut **tx).await?;
            }
            for delete in RESET {
                sqlx::query(delete).execute(&mut **tx).await?;
            }
            Ok(WriteOutcome::Done)
        }
        StoreWrite::Help(write) => help::apply(tx, write).await,
        StoreWrite::Alarm(write) => alarms::apply(tx, write).await,
        StoreWrite::Nothing | StoreWrite::Finish => Ok(WriteOutcome::Done),
    }
}

const RESET: [&str; 19] = [
    "DELETE FROM device_names",
    "DELETE FROM help",
    "DELETE FROM opinions",
    "DELETE FROM organisation",
    "DELETE FROM used_invites",
    "DELETE FROM devices",
    "DELETE FROM people",
    "DELETE FROM revocations",
    "DELETE FROM retirements",
    "DELETE FROM bindings",
    "DELETE FROM sessions WHERE ended_at = 0",
    "DELETE FROM audit_witnesses",
    "DELETE FROM alarm_streams",
    "DELETE FROM alarm_log",
    "DELETE FROM alarms",
    "DELETE FROM monitors",
    "DELETE FROM maintenance",
    "DELETE FROM notices",
    "DELETE FROM outbox",
];

type Query<'q> = sqlx::query::Query<'q, Any, sqlx::any::AnyArguments>;

/// Runs an insert that does nothing on a conflict.
async fn insert(tx: &mut Transaction<'_, Any>, query: Query<'_>) -> Result<WriteOutcome, StoreError> {
    let rows = query.execute(&mut **tx).await?.rows_affected();
    Ok(if rows == 0 { WriteOutcome::Conflict } else { WriteOutcome::Done })
}

async fn claim(
    tx: &mut Transaction<'_, Any>,
    organisation: &PublicKey,
    member: &StoredMember,
) -> Result<WriteOutcome, StoreError> {
    let query = sqlx::query(
        "INSERT INTO organisation (one, public_key, claimed_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
    );
    let first = insert(tx, query.bind(organisation.to_string()).bind(to_big(member.at.0))).await?;
    if first == WriteOutcome::Conflict {
        return Ok(WriteOutcome::Conflict);
    }
    // The string is used up.
    sqlx::query("DELETE FROM meta WHERE name = 'claim'").execute(&mut **tx).await?;
    join(tx, member).await
}

async fn join(tx: &mut Transaction<'_, Any>, member: &StoredMember) -> Result<WriteOutcome, StoreError> {
    let invite = &member.who.invite;
    let query = sqlx::query(
        "INSERT INTO used_invites (invite, first_key, current_key, role, used_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
    )
    .bind(invite.id.to_string())
    .bind(member.who.first_key().to_string())
    .bind(member.who.key().to_string())
    .bind(role_name(invite.role))
    .bind(to_big(member.at.0));
    if insert(tx, query).await? == WriteOutcome::Conflict {
        return Ok(WriteOutcome::Conflict);
    }
    let at = to_big(member.at.0);
    let credential = to_text(&member.credential)?;
    let query = match (member.who.device_id(), &member.facts) {
        (Some(id), facts) => sqlx::query(
            "INSERT INTO devices (id, credential, hostname, os, version, enrolled_at, last_seen) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET credential = excluded.credential",
        )
        .bind(id.to_string())
        .bind(credential)
        .bind(facts.as_ref().map(|f| f.hostname.to_string()).unwrap_or_default())
        .bind(facts.as_ref().map(|f| f.os.to_string()).unwrap_or_default())
        .bind(member.version.clone())
        .bind(at)
        .bind(at),
        (None, _) => sqlx::query(
            "INSERT INTO people (id, credential, version, joined_at, last_seen) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET credential = excluded.credential",
        )
        .bind(member.who.first_key().technician_id().to_string())
        .bind(credential)
        .bind(member.version.clone())
        .bind(at)
        .bind(at),
    };
    query.execute(&mut **tx).await?;
    if let Some(id) = member.who.device_id() {
        let hostname = member.facts.as_ref().map(|facts| facts.hostname.as_str()).unwrap_or_default();
        names::keep(tx, &id, names::DeviceNameKind::Label, &member.who.invite.name).await?;
        names::keep(tx, &id, names::DeviceNameKind::Hostname, hostname).await?;
    }
    Ok(WriteOutcome::Done)
}

async fn rotate(
    tx: &mut Transaction<'_, Any>,
    member: &StoredMember,
    retirement: Option<&Signed<Retirement>>,
) -> Result<WriteOutcome, StoreError> {
    sqlx::query("UPDATE used_invites SET current_key = $1 WHERE invite = $2")
        .bind(member.who.key().to_string())
        .bind(member.who.invite.id.to_string())
        .execute(&mut **tx)
        .await?;
    let credential = to_text(&member.credential)?;
    let first = member.who.first_key();
    let query = match member.who.device_id() {
        Some(id) => sqlx::query("UPDATE devices SET credential = $1 WHERE id = $2")
            .bind(credential)
            .bind(id.to_string()),
        None => sqlx::query("UPDATE people SET credential = $1 WHERE id = $2")
            .bind(credential)
            .bind(first.technician_id().to_string()),
    };
    query.execute(&mut **tx).await?;
    if let Some(retirement) = retirement {
        let retired = retirement.peek().map_err(|_| StoreError::Unreadable("a retirement"))?;
        sqlx::query(
            "INSERT INTO retirements (retired_key, retirement, received_at) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
        )
        .bind(retired.key.to_string())
        .bind(to_text(retirement)?)
        .bind(to_big(member.at.0))
        .execute(&mut **tx)
        .await?;
    }
    Ok(WriteOutcome::Done)
}

async fn open(tx: &mut Transaction<'_, Any>, new: &NewSession) -> Result<WriteOutcome, StoreError> {
    let session = &new.session;
    let query = sqlx::query(
        "INSERT INTO sessions (id, technician, technician_name, peer, device_name, attended, opened_at, \
         ended_at, outcome, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', 0) ON CONFLICT DO NOTHING",
    )
    .bind(session.id.to_string())
    .bind(session.technician.to_string())
    .bind(session.technician_name.clone())
    .bind(session.device.to_string())
    .bind(session.device_name.clone())
    .bind(i64::from(session.attended))
    .bind(to_big(session.opened.0));
    if insert(tx, query).await? == WriteOutcome::Conflict {
        return Ok(WriteOutcome::Conflict);
    }
    bind(tx, &session.id, &new.grants).await
}

async fn bind(
    tx: &mut Transaction<'_, Any>,
    session: &SessionId,
    grants: &[BindGrant; 2],
) -> Result<WriteOutcome, StoreError> {
    for (side, grant) in (0_i64..).zip(grants) {
        sqlx::query(
            "INSERT INTO bindings (session, side, bind_grant) VALUES ($1, $2, $3) \
             ON CONFLICT (session, side) DO UPDATE SET bind_grant = excluded.bind_grant",
        )
        .bind(session.to_string())
        .bind(side)
        .bind(to_text(grant)?)
        .execute(&mut **tx)
        .await?;
    }
    Ok(WriteOutcome::Done)
}

async fn count(tx: &mut Transaction<'_, Any>, session: &SessionId, bytes: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET bytes = $1 WHERE id = $2")
        .bind(to_big(bytes))
        .bind(session.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn close(
    tx: &mut Transaction<'_, Any>,
    session: &SessionId,
    at: UnixMillis,
    outcome: CloseOutcome,
    bytes: u64,
) -> Result<WriteOutcome, StoreError> {
    sqlx::query("UPDATE sessions SET ended_at = $1, outcome = $2, bytes = $3 WHERE id = $4 AND ended_at = 0")
        .bind(to_big(at.0.max(1)))
        .bind(outcome_name(outcome))
        .bind(to_big(bytes))
        .bind(session.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM bindings WHERE session = $1")
        .bind(session.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(WriteOutcome::Done)
}

async fn note_seen(tx: &mut Transaction<'_, Any>, seen: &SeenPeer) -> Result<(), StoreError> {
    if let (PeerId::Device(id), Some((Some(facts), _))) = (&seen.peer, &seen.said) {
        names::keep(tx, id, names::DeviceNameKind::Hostname, &facts.hostname).await?;
    }
    let at = to_big(seen.at.0);
    let query = match (&seen.peer, &seen.said) {
        (PeerId::Guest(_), _) => return Ok(()),
        (PeerId::Device(id), Some((Some(facts), version))) => sqlx::query(
            "UPDATE devices SET last_seen = $1, hostname = $2, os = $3, version = $4 WHERE id = $5",
        )
        .bind(at)
        .bind(facts.hostname.to_string())
        .bind(facts.os.to_string())
        .bind(version.clone())
        .bind(id.to_string()),
        (PeerId::Device(id), _) => {
            sqlx::query("UPDATE devices SET last_seen = $1 WHERE id = $2").bind(at).bind(id.to_string())
        }
        (PeerId::Person(id), Some((_, version))) => {
            sqlx::query("UPDATE people SET last_seen = $1, version = $2 WHERE id = $3")
                .bind(at)
                .bind(version.clone())
                .bind(id.to_string())
        }
        (PeerId::Person(id), None) => {
            sqlx::query("UPDATE people SET last_seen = $1 WHERE id = $2").bind(at).bind(id.to_string())
        }
    };
    query.execute(&mut **tx).await?;
    Ok(())
}
