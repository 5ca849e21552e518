//! Claim, join, rotation, revocation: judged by `admission`, stored, then taken note of.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use nearhand_proto::credential::{Credential, Retirement, RevocationList, VerifiedCredential};
use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::invitation::OneTime;
use nearhand_proto::message::control::{
    CloseCode, CloseOutcome, DeviceFacts, RelayPush, RelayRefusal, RelayReply,
};
use nearhand_relay_core::admission::JoinDecision;
use nearhand_relay_core::caller::PeerId;

use super::plane::{CLAIM, ConnectedPeer, ControlPlane, now_unix, storage};
use super::refusals::event;
use super::requests;
use crate::store::{StoreWrite, StoredMember, WriteOutcome};

impl ControlPlane {
    pub(super) async fn claim(
        &self,
        peer: &ConnectedPeer,
        secret: &OneTime,
        organisation: PublicKey,
        credential: Credential,
    ) -> Result<RelayReply, RelayRefusal> {
        // Read each time: `init --again` on the host may have replaced it.
        let stored = self.store.reader().meta(CLAIM).await.map_err(storage)?;
        let expected = stored
            .and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let now = now_unix();
        let judged = self.state().admission.claim(
            &peer.key,
            (secret, &organisation, &credential),
            expected,
            now,
            Instant::now(),
        );
        let who = match judged {
            Ok(who) => who,
            Err(refusal) => {
                let detail = format!("key {} from {}", peer.key, peer.connection.remote_address());
                let detail = format!("{}: {detail}", requests::name(&refusal));
                self.audit_refusal("relay", "claim.refused", peer.network, &detail).await;
                return Err(refusal);
            }
        };
        let event = event(
            &format!("administrator {} ({})", who.invite.name, who.first_key().technician_id()),
            "claim",
            None,
            format!("organisation {} with key {organisation}", who.invite.organisation_name),
        );
        let member =
            StoredMember { who: Arc::clone(&who), credential, facts: None, version: String::new(), at: now };
        let write = StoreWrite::Claim(organisation, Box::new(member));
        match self.store.write_audited(write, vec![event]).await.map_err(storage)? {
            WriteOutcome::Conflict => Err(RelayRefusal::Claimed),
            WriteOutcome::Done | WriteOutcome::Number(_) => {
                self.state().admission.claimed(organisation, &who);
                tracing::info!(%organisation, "the relay was claimed");
                Ok(RelayReply::Done)
            }
        }
    }

    pub(super) async fn join(
        &self,
        peer: &ConnectedPeer,
        credential: Credential,
        facts: Option<DeviceFacts>,
    ) -> Result<RelayReply, RelayRefusal> {
        let now = now_unix();
        let judge = |c: &Credential| self.state().admission.join(&peer.key, c, facts.is_some(), now);
        let who = match judge(&credential) {
            Ok(JoinDecision::Again) => return Ok(RelayReply::Done),
            Ok(JoinDecision::New(who)) => who,
            Err(refusal) => {
                let detail = format!("key {}: {}", peer.key, requests::name(&refusal));
                self.audit_refusal("relay", "join.refused", peer.network, &detail).await;
                return Err(refusal);
            }
        };
        let (action, id) = match who.device_id() {
            Some(id) => ("enrol", id.to_string()),
            None => ("join", who.first_key().technician_id().to_string()),
        };
        let event = event(
            &format!("{} {} ({id})", who.invite.role, who.invite.name),
            action,
            None,
            format!("by invite {} with key {}", who.invite.id, peer.key),
        );
        let facts_stored = facts.clone();
        let member = StoredMember {
            who: Arc::clone(&who),
            credential: credential.clone(),
            facts: facts_stored,
            version: String::new(),
            at: now,
        };
        match self
            .store
            .write_audited(StoreWrite::Join(Box::new(member)), vec![event])
            .await
            .map_err(storage)?
        {
            WriteOutcome::Done | WriteOutcome::Number(_) => {
                self.state().admission.joined(&who);
                Ok(RelayReply::Done)
            }
            // Somebody was quicker: the same key over another connection, or another key.
            WriteOutcome::Conflict => match judge(&credential) {
                Ok(JoinDecision::Again) => Ok(RelayReply::Done),
                _ => Err(RelayRefusal::InviteUsed),
            },
        }
    }

    pub(super) async fn rotate(
        self: &Arc<Self>,
        peer: &ConnectedPeer,
        old: &VerifiedCredential,
        credential: Credential,
        retirement: Signed<Retirement>,
    ) -> Result<RelayReply, RelayRefusal> {
        let now = now_unix();
        let who = self.state().admission.rotate(old, &credential, &retirement, now)?;
        let event = event(&peer.actor(), "rotate", None, format!("from key {} to {}", old.key(), who.key()));
        let member =
            StoredMember { who: Arc::clone(&who), credential, facts: None, version: String::new(), at: now };
        let write = StoreWrite::Rotate(Box::new(member), Some(retirement.clone()));
        self.store.write_audited(write, vec![event]).await.map_err(storage)?;
        self.state().admission.rotated(&who, Some(&retirement));
        self.tell_all(RelayPush::Revocations { list: None, retirements: vec![retirement] });
        Ok(RelayReply::Done)
    }

    pub(super) async fn revoke(
        self: &Arc<Self>,
        peer: &ConnectedPeer,
        list: Signed<RevocationList>,
    ) -> Result<RelayReply, RelayRefusal> {
        let judged = self.state().admission.revoke(&peer.caller, &list, now_unix())?;
        let Some((number, _)) = judged else { return Ok(RelayReply::Done) };
        let event = event(&peer.actor(), "revoke", None, format!("revocation list {number}"));
        let write = StoreWrite::Revoke(number, list.clone(), now_unix());
        match self.store.write_audited(write, vec![event]).await.map_err(storage)? {
            WriteOutcome::Conflict => return Err(RelayRefusal::OldList),
            WriteOutcome::Done | WriteOutcome::Number(_) => {}
        }
        let (gone, sessions) = self.withdraw(&list);
        for peer in gone {
            peer.close(CloseCode::Revoked);
        }
        for session in sessions {
            self.end_session(&session, CloseOutcome::Revoked, "relay", None).await;
        }
        self.forget_withdrawn().await;
        self.tell_all(RelayPush::Revocations { list: Some(list), retirements: Vec::new() });
        Ok(RelayReply::Done)
    }

    /// Takes note of a list. Returns who has to go and the sessions that have to end.
    fn withdraw(
        &self,
        list: &Signed<RevocationList>,
    ) -> (Vec<Arc<ConnectedPeer>>, Vec<nearhand_proto::id::SessionId>) {
        let mut state = self.state();
        state.admission.revoked(list);
        let gone: Vec<Arc<ConnectedPeer>> = state
            .registry
            .everybody()
            .map(|(_, peer)| peer)
            .filter(|peer| peer.caller.verified().is_some_and(|who| state.admission.is_revoked(who)))
            .cloned()
            .collect();
        let mut ids: HashSet<PeerId> = state.admission.withdrawn_peers().into_iter().collect();
        ids.extend(gone.iter().filter_map(|peer| peer.id()));
        let sessions = state
            .registry
            .sessions
            .iter()
            .filter(|s| ids.contains(&s.device) || ids.contains(&PeerId::Person(s.technician)))
            .map(|s| s.id)
            .collect();
        (gone, sessions)
    }
}
