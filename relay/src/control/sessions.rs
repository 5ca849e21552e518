//! Sessions: a path is stored, opened, offered to the device, and closed again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::{Credential, VerifiedCredential};
use nearhand_proto::forward::BindGrant;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::Signed;
use nearhand_proto::message::control::{
    CloseOutcome, OpenedSession, RelayPush, RelayPushReply, RelayRefusal, RelayReply, SessionOffer,
    SessionTarget,
};
use nearhand_proto::support_code::RoutingDigits;
use nearhand_relay_core::caller::Caller;
use nearhand_relay_core::caller::PeerId;
use nearhand_relay_core::registry::sessions::RelaySession;
use rand_core::OsRng;
use tokio::time::timeout;

use super::plane::{ConnectedPeer, ControlPlane, now_unix, storage};
use super::push::OFFER_TIMEOUT;
use super::refusals::event;
use crate::metrics::MetricFamily;
use crate::store::schema::outcome_name;
use crate::store::{NewSession, StoreWrite, WriteOutcome};

/// How long both ends may take to bind a path: the grant says the same.
const BIND_WITHIN: Duration = Duration::from_secs(BindGrant::BIND_WITHIN_S as u64);
/// How long running sessions may take to come back after a restart.
const RESTORE_WITHIN: Duration = Duration::from_secs(120);

/// The device's end of a session to be.
struct FoundDevice {
    id: PeerId,
    line: Arc<ConnectedPeer>,
    name: String,
    credential: Option<Credential>,
}

impl ControlPlane {
    pub(super) async fn open(
        &self,
        peer: &ConnectedPeer,
        who: &VerifiedCredential,
        id: SessionId,
        target: SessionTarget,
    ) -> Result<RelayReply, RelayRefusal> {
        let found = match self.find(who, target).await {
            Ok(found) => found,
            Err(refusal) => {
                if refusal == RelayRefusal::NoSuchCode || matches!(refusal, RelayRefusal::TooMany { .. }) {
                    self.audit_refusal(&peer.actor(), "code.miss", peer.network, &refusal.to_string()).await;
                }
                return Err(refusal);
            }
        };
        let session = RelaySession {
            id,
            technician: who.first_key().technician_id(),
            technician_name: who.invite.name.clone(),
            device: found.id,
            device_name: found.name.clone(),
            attended: matches!(target, SessionTarget::Code(_)),
            opened: now_unix(),
            bytes_before: 0,
        };
        self.reserve(&session, who)?;
        let grants = self.fresh_grants();
        if let Err(refusal) = self.store_new(peer, &session, &grants).await {
            self.state().registry.sessions.remove(&id);
            return Err(refusal);
        }
        let code = match target {
            SessionTarget::Code(routing) => Some(routing),
            SessionTarget::Device(_) => None,
        };
        let bind = match self.make_path(id, grants, &found.line, (code, false)).await {
            Ok(bind) => bind,
            Err(refusal) => {
                self.end_session(&id, CloseOutcome::NotGranted, "relay", Some(refusal.to_string())).await;
                return Err(refusal);
            }
        };
        self.metrics.count(MetricFamily::SessionsOpened, if session.attended { "code" } else { "managed" });
        Ok(RelayReply::Opened(OpenedSession { bind, device: found.credential }))
    }

    /// The device, if this technician can have a session with it now.
    async fn find(
        &self,
        who: &VerifiedCredential,
        target: SessionTarget,
    ) -> Result<FoundDevice, RelayRefusal> {
        let technician = who.first_key().technician_id();
        let id = {
            let mut state = self.state();
            state.registry.count_open(technician, Instant::now())?;
            match target {
                SessionTarget::Code(routing) => {
                    state.registry.look_up(technician, routing, Instant::now())?
                }
                SessionTarget::Device(id) => PeerId::Device(id),
            }
        };
        let row = match id.device() {
            Some(device) => Some(
                self.store
                    .reader()
                    .device(&device)
                    .await
                    .map_err(storage)?
                    .ok_or(RelayRefusal::NoSuchDevice)?,
            ),
            None => None,
        };
        let line = self.state().registry.line(&id);
        let Some(line) = line else {
            return Err(match &row {
                Some(row) => RelayRefusal::DeviceOffline { last_seen: row.last_seen },
                None => RelayRefusal::NoSuchCode,
            });
        };
        let name = match &line.caller {
            Caller::Guest(name) => name.to_string(),
            caller => caller.verified().map(|v| v.invite.name.clone()).unwrap_or_default(),
        };
        Ok(FoundDevice { id, line, name, credential: row.map(|row| row.credential) })
    }

    /// Takes the session's place, unless the caller was revoked meanwhile.
    fn reserve(&self, session: &RelaySession, who: &VerifiedCredential) -> Result<(), RelayRefusal> {
        let mut state = self.state();
        if state.admission.is_revoked(who) {
            return Err(RelayRefusal::Revoked);
        }
        state.registry.sessions.room(&session.id, &session.device)?;
        state.registry.sessions.insert(session.clone(), Instant::now());
        Ok(())
    }

    fn fresh_grants(&self) -> [BindGrant; 2] {
        [(); 2].map(|()| BindGrant::random(&mut OsRng, self.limits.rate))
    }

    async fn store_new(
        &self,
        peer: &ConnectedPeer,
        session: &RelaySession,
        grants: &[BindGrant; 2],
    ) -> Result<(), RelayRefusal> {
        let how = if session.attended { "by support code" } else { "managed" };
        let detail = format!("with {} ({}), {how}", session.device_name, session.device);
        let event = event(&peer.actor(), "session.open", Some(session.id), detail);
        let new = NewSession { session: session.clone(), grants: grants.clone() };
        match self.store.write_audited(StoreWrite::Open(Box::new(new)), vec![event]).await.map_err(storage)? {
            WriteOutcome::Done | WriteOutcome::Number(_) => Ok(()),
            // An id that was used before.
            WriteOutcome::Conflict => Err(RelayRefusal::NotAllowed),
        }
    }

    /// Opens the path and offers it to the device. Returns the technician's grant.
    async fn make_path(
        &self,
        id: SessionId,
        grants: [BindGrant; 2],
        device: &ConnectedPeer,
        (code, resume): (Option<RoutingDigits>, bool),
    ) -> Result<BindGrant, RelayRefusal> {
        let [ours, theirs] = grants.clone();
        if let Err(error) = self.path.offer(id, grants, Instant::now() + BIND_WITHIN) {
            tracing::warn!(%error, "a session got no path");
            return Err(RelayRefusal::Full { what: "sessions".into() });
        }
        // Ended meanwhile (revoked, closed)? Then this path must not stay.
        if self.state().registry.sessions.find(&id).is_none() {
            self.path.end(id);
            return Err(RelayRefusal::NoSuchSession);
        }
        let offer = RelayPush::Offer(SessionOffer { session: id, code, resume, bind: theirs });
        match timeout(OFFER_TIMEOUT, device.push(&offer)).await {
            Ok(Ok(RelayPushReply::Done)) => Ok(ours),
            Ok(Ok(RelayPushReply::Refused(refusal))) => Err(RelayRefusal::DeviceRefused(refusal)),
            // A device that was killed counts as connected until its silence is noticed, perhaps by now.
            Ok(Err(_)) | Err(_) if device.connection.close_reason().is_some() => {
                Err(RelayRefusal::DeviceOffline { last_seen: now_unix() })
            }
            Ok(Err(_)) | Err(_) => Err(RelayRefusal::DeviceSilent),
        }
    }

    pub(super) async fn reopen(
        &self,
        peer: &ConnectedPeer,
        who: &VerifiedCredential,
        id: SessionId,
    ) -> Result<RelayReply, RelayRefusal> {
        let technician = who.first_key().technician_id();
        let (session, line) = {
            let mut state = self.state();
            state.registry.count_open(technician, Instant::now())?;
            let session = state.registry.sessions.may_reopen(&id, &technician, Instant::now())?.clone();
            let line = state.registry.line(&session.device);
            (session, line)
        };
        let row = match session.device.device() {
            Some(device) => self.store.reader().device(&device).await.map_err(storage)?,
            None => None,
        };
        let Some(line) = line else {
            let last_seen = row.map(|row| row.last_seen).unwrap_or(now_unix());
            return Err(RelayRefusal::DeviceOffline { last_seen });
        };
        let grants = self.fresh_grants();
        let bytes = self.bytes_of(&id).unwrap_or_default();
        let event = event(&peer.actor(), "session.reopen", Some(id), "a new path");
        let write = StoreWrite::Regrant(id, grants.clone(), bytes);
        self.store.write_audited(write, vec![event]).await.map_err(storage)?;
        let before = self.path.usage(id).unwrap_or_default().bytes;
        self.state().registry.sessions.reopened(&id, before, Instant::now());
        match self.make_path(id, grants, &line, (None, true)).await {
            Ok(bind) => Ok(RelayReply::Opened(OpenedSession { bind, device: row.map(|row| row.credential) })),
            Err(refusal) => {
                // A silent device may answer the next try; one that forgot the session won't.
                if matches!(refusal, RelayRefusal::DeviceRefused(_)) {
                    self.end_session(&id, CloseOutcome::Lost, "relay", Some(refusal.to_string())).await;
                }
                Err(refusal)
            }
        }
    }

    pub(super) async fn close_session(
        &self,
        peer: &ConnectedPeer,
        id: SessionId,
        outcome: CloseOutcome,
        audit: Option<Signed<AuditHead>>,
    ) -> Result<RelayReply, RelayRefusal> {
        let caller = peer.id().ok_or(RelayRefusal::NotAllowed)?;
        let session = self.state().registry.sessions.close(&id, &caller)?;
        let head = audit.and_then(|signed| signed.open(&peer.key).ok().map(|head| (head, signed)));
        let note = head.as_ref().map(|(head, _)| {
            let hash = data_encoding::HEXLOWER.encode(&head.hash);
            format!("the caller's audit log stands at row {}, {hash}", head.number)
        });
        self.finish(session, outcome, &peer.actor(), note, Some(&caller)).await;
        if let (Some((head, signed)), Some(device)) = (head, caller.device()) {
            // A failure is known to the store's health.
            let _ = self.keep_head(peer, device, head, &signed).await;
        }
        Ok(RelayReply::Done)
    }

    /// Ends a session by the relay's own decision and tells both ends.
    pub(super) async fn end_session(
        &self,
        id: &SessionId,
        outcome: CloseOutcome,
        actor: &str,
        note: Option<String>,
    ) {
        let session = self.state().registry.sessions.remove(id);
        if let Some(session) = session {
            self.finish(session, outcome, actor, note, None).await;
        }
    }

    /// Path, other end, record: in this order, so that a full disk delays only the record.
    async fn finish(
        &self,
        session: RelaySession,
        outcome: CloseOutcome,
        actor: &str,
        note: Option<String>,
        caller: Option<&PeerId>,
    ) {
        let used = self.path.end(session.id).unwrap_or_default().bytes;
        let bytes = session.bytes_before.saturating_add(used);
        let push = RelayPush::SessionClosed { session: session.id, outcome };
        for end in [session.device, PeerId::Person(session.technician)] {
            if caller != Some(&end) {
                self.tell(&end, &push);
            }
        }
        self.metrics.count(MetricFamily::SessionsEnded, outcome_name(outcome));
        let note = note.map(|note| format!("; {note}")).unwrap_or_default();
        let detail = format!("{outcome}; {bytes} bytes forwarded{note}");
        let event = event(actor, "session.close", Some(session.id), detail);
        let at = now_unix();
        let write = || StoreWrite::Close(session.id, at, outcome, bytes);
        if self.store.write_audited(write(), vec![event]).await.is_err() {
            self.keep_unsaved(write());
        }
    }

    /// Bytes over all paths of a running session.
    pub(super) fn bytes_of(&self, id: &SessionId) -> Option<u64> {
        let before = self.state().registry.sessions.find(id)?.bytes_before;
        Some(before.saturating_add(self.path.usage(*id).unwrap_or_default().bytes))
    }

    /// After a restart: running sessions keep their grants, so their ends bind again and notice little.
    pub(super) fn restore(&self, running: Vec<(RelaySession, Option<[BindGrant; 2]>)>, now: Instant) {
        let mut state = self.state();
        let count = running.len();
        for (session, grants) in running {
            if let Some(grants) = grants
                && let Err(error) = self.path.offer(session.id, grants, now + RESTORE_WITHIN)
            {
                tracing::warn!(%error, session = %session.id, "a session could not be restored");
            }
            state.registry.sessions.insert(session, now);
        }
        if count > 0 {
            tracing::info!(count, "sessions of before the restart may go on");
        }
    }
}
