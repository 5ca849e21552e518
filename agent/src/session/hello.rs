//! Who is who: the first stream of a session's connection, before anything else is looked at.
//!
//! Order of checks: the credential leads from the organisation to the key of this very handshake; nothing in
//! it is revoked; then the support code, the managed right, or the resume secret.

use std::sync::Arc;

use nearhand_proto::credential::{CredentialError, VerifiedCredential};
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::SessionOffer;
use nearhand_proto::message::session::{
    AgentHello, HELLO_LIMIT, SessionReady, SessionRefusal, StreamAnswer, StreamOpen, TechnicianHello,
    TechnicianProof,
};
use nearhand_proto::pake::{
    ChannelBinding, CodeProof, Confirmation, EXPORTER_LABEL, RESUME_LABEL, ResumeSecret,
};
use nearhand_proto::support_code::RoutingDigits;
use nearhand_transport::framed::{self, FrameError};
use nearhand_transport::tls;
use quinn::{Connection, RecvStream, SendStream};
use rand_core::OsRng;

use super::display::look_at_screen;
use crate::hub::{ALWAYS_OFFERED, DESKTOP_OFFERS, Hub, SessionKeys};
use crate::platform;
use nearhand_agent_core::sessions::{ArrivedSession, SessionTechnician};
use nearhand_desktop::user_process;

/// A session that stands: what a new connection must prove to carry it on.
pub(super) struct ResumableSession {
    pub(super) session: SessionId,
    pub(super) technician: SessionTechnician,
    pub(super) keys: SessionKeys,
}

/// The control stream, once both know each other.
pub(super) struct TechnicianStream {
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
}

/// A hello that went well.
pub(super) struct AcceptedHello {
    pub(super) standing: ResumableSession,
    pub(super) streams: TechnicianStream,
}

/// Why it didn't.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelloError {
    /// Refused, and the other end was told.
    #[error("refused: {0}")]
    Refused(#[source] SessionRefusal),
    /// The other end broke off or made no sense.
    #[error("the other end broke off")]
    Frame(#[from] FrameError),
    /// The connection was lost.
    #[error("the connection was lost")]
    Connection(#[from] quinn::ConnectionError),
}

impl HelloError {
    /// Whether there is no use in waiting for another connection on this path: a refused technician won't
    /// come better, and a burnt code stays burnt. A stranger's failure must not keep the technician out.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Refused(
                SessionRefusal::WrongCode
                    | SessionRefusal::NoSuchCode
                    | SessionRefusal::Revoked
                    | SessionRefusal::Storage
            )
        )
    }
}

/// What this connection's proofs are bound to.
fn channel(
    connection: &Connection,
    label: &[u8],
    session: SessionId,
    hub: &Hub,
) -> Option<(ChannelBinding, PublicKey)> {
    let technician = tls::peer_key(connection)?;
    let exporter = tls::exporter(connection, label, session.as_bytes())?;
    Some((ChannelBinding { session, exporter, technician, device: hub.identity.key().public() }, technician))
}

/// Exchanges hellos on a fresh connection.
pub(super) async fn exchange(
    hub: &Arc<Hub>,
    offer: &SessionOffer,
    connection: &Connection,
    standing: Option<&ResumableSession>,
) -> Result<AcceptedHello, HelloError> {
    let (mut send, mut recv) = connection.accept_bi().await?;
    let StreamOpen::Control(hello) = framed::read(&mut recv, HELLO_LIMIT).await? else {
        // Answered in the form that the opener of such a stream expects.
        framed::write(&mut send, &StreamAnswer::Refused(SessionRefusal::Protocol), HELLO_LIMIT).await?;
        return Err(HelloError::Refused(SessionRefusal::Protocol));
    };
    match settle(hub, offer, connection, standing, *hello, &mut send, &mut recv).await {
        Err(HelloError::Refused(refusal)) => {
            framed::write(&mut send, &AgentHello::Refused(refusal), HELLO_LIMIT).await?;
            let _ = send.finish();
            Err(HelloError::Refused(refusal))
        }
        Err(error) => Err(error),
        Ok(standing) => Ok(AcceptedHello { standing, streams: TechnicianStream { send, recv } }),
    }
}

async fn settle(
    hub: &Arc<Hub>,
    offer: &SessionOffer,
    connection: &Connection,
    standing: Option<&ResumableSession>,
    hello: TechnicianHello,
    send: &mut SendStream,
    recv: &mut RecvStream,
) -> Result<ResumableSession, HelloError> {
    let refused = HelloError::Refused;
    if hello.session != offer.session {
        return Err(refused(SessionRefusal::Protocol));
    }
    let session = offer.session;
    let (channel, key) =
        channel(connection, EXPORTER_LABEL, session, hub).ok_or(refused(SessionRefusal::Protocol))?;
    let technician = technician(hub, &hello, session, key).map_err(refused)?;
    // Known before the proof uses the code up.
    let maker = hub.read(|sessions, _| sessions.code_maker());
    let confirmation = match (hello.proof, offer.code, standing) {
        (TechnicianProof::Code(message), Some(routing), None) => {
            Some(prove_code(hub, routing, &message, &channel, &technician, send, recv).await?)
        }
        (TechnicianProof::Managed, None, None) => None,
        (TechnicianProof::Resume(proof), _, Some(standing)) => {
            let keys = &standing.keys;
            let right = keys.key == key && keys.resume.check_technician(&channel, &proof).is_ok();
            if !right {
                return Err(refused(SessionRefusal::NoSuchSession));
            }
            Some(keys.resume.agent_proof(&channel))
        }
        (TechnicianProof::Resume(_), _, None) => return Err(refused(SessionRefusal::NoSuchSession)),
        _ => return Err(refused(SessionRefusal::Protocol)),
    };
    let resume = match standing {
        Some(standing) => standing.keys.resume.clone(),
        None => {
            let secret = tls::exporter(connection, RESUME_LABEL, session.as_bytes());
            ResumeSecret::new(secret.ok_or(refused(SessionRefusal::Protocol))?)
        }
    };
    let (offers, in_front) = here(hub).await;
    if standing.is_none() {
        let attended = offer.code.is_some();
        let person = if attended { maker } else { in_front };
        let start = ArrivedSession { session, technician: technician.clone(), attended, person, offers };
        hub.propose(|sessions, _| sessions.begin(start)).1.wait().await.map_err(refused)?;
    }
    let keys = SessionKeys { credential: hello.credential, key, resume };
    hub.set_keys(session, keys.clone());
    let ready = ready(hub, session, confirmation, offers);
    framed::write(send, &AgentHello::Ready(Box::new(ready)), HELLO_LIMIT).await?;
    Ok(ResumableSession { session, technician, keys })
}

/// The technician that the hello claims, if the organisation vouches for them and the key is this
/// handshake's.
fn technician(
    hub: &Hub,
    hello: &TechnicianHello,
    session: SessionId,
    key: PublicKey,
) -> Result<SessionTechnician, SessionRefusal> {
    let verified: VerifiedCredential = hub.identity.verify(&hello.credential).map_err(|error| {
        tracing::info!(%error, "credential refused");
        if matches!(error, CredentialError::Revoked) {
            SessionRefusal::Revoked
        } else {
            SessionRefusal::NotTrusted
        }
    })?;
    let has_its_key = verified.key() == key;
    let technician = SessionTechnician::of(verified).ok_or(SessionRefusal::NotTrusted)?;
    if !has_its_key {
        // The organisation's own credential over somebody else's connection: no mistake of a technician looks like that.
        let detail = format!(
            "the credential of {} ({}) came over a connection with the key {key}: somebody is between the two ends",
            technician.name, technician.id
        );
        hub.note("agent", "session.other_key", Some(session), detail);
        return Err(SessionRefusal::OtherKey);
    }
    Ok(technician)
}

async fn prove_code(
    hub: &Hub,
    routing: RoutingDigits,
    message: &[u8],
    channel: &ChannelBinding,
    technician: &SessionTechnician,
    send: &mut SendStream,
    recv: &mut RecvStream,
) -> Result<Confirmation, HelloError> {
    let (secret, generation) = hub
        .update(|sessions, now| sessions.begin_proof(now.instant, routing))
        .map_err(HelloError::Refused)?;
    let who = technician.actor();
    let (proof, own) = CodeProof::agent(&secret, &mut OsRng);
    let Ok(keys) = proof.finish(message, channel) else {
        // Not a message of the proof at all: counts as a wrong guess.
        return match hub.update(|sessions, now| sessions.end_proof(now, generation, &who, || false)) {
            Err(refusal) => Err(HelloError::Refused(refusal)),
            Ok(()) => Err(HelloError::Refused(SessionRefusal::WrongCode)),
        };
    };
    framed::write(send, &AgentHello::Code(own), HELLO_LIMIT).await?;
    let received: Confirmation = framed::read(recv, HELLO_LIMIT).await?;
    let is_right = || keys.check_technician(&received).is_ok();
    hub.update(|sessions, now| sessions.end_proof(now, generation, &who, is_right))
        .map_err(HelloError::Refused)?;
    Ok(keys.agent_confirmation())
}

/// What can be done here now (what has to do with a screen needs one), and who is in front of that screen, if it isn't
/// the agent's own user.
pub(super) async fn here(hub: &Hub) -> (Capabilities, Option<u32>) {
    let found = match look_at_screen(hub).await {
        Ok(owner) => match user_process::can_start_as(owner.user).await {
            Ok(()) => Ok(owner.user),
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(user) => (DESKTOP_OFFERS, Some(user).filter(|user| *user != platform::own_user())),
        Err(why) => {
            tracing::info!(why, "no screen is offered");
            (ALWAYS_OFFERED, None)
        }
    }
}

fn ready(
    hub: &Hub,
    session: SessionId,
    confirmation: Option<Confirmation>,
    offers: Capabilities,
) -> SessionReady {
    SessionReady {
        program: ProgramInfo::this(),
        confirmation,
        facts: hub.facts.clone(),
        offers,
        granted: hub.read(|sessions, now| sessions.granted(now.instant, session)),
        audit: hub.audit_head(),
        key: hub.identity.key().public(),
    }
}
