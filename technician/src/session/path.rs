//! A path to the device, and the proof that the device is at its other end.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::audit::AuditHead;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::identity::Signed;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{DeviceFacts, OpenedSession};
use nearhand_proto::message::session::{
    ALPN, AgentHello, GrantedCapability, HELLO_LIMIT, HELLO_TIMEOUT, KEEP_ALIVE, SessionReady,
    SessionRefusal, StreamOpen, TechnicianHello, TechnicianProof,
};
use nearhand_proto::pake::{
    ChannelBinding, CodeProof, ConfirmationKeys, EXPORTER_LABEL, RESUME_LABEL, ResumeSecret,
};
use nearhand_proto::support_code::SupportCode;
use nearhand_transport::bound_socket::{BindControl, BoundSocket};
use nearhand_transport::framed;
use nearhand_transport::tls::{self, ConnectionPurpose, ExpectedKey};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, VarInt};
use rand_core::OsRng;
use tokio::time::timeout;

use super::error::SessionError;
use crate::relay::{RelayClient, VerifiedDevice};

/// Time for the last words to arrive before the endpoint goes.
const LINGER: Duration = Duration::from_secs(1);

/// A connection to the device over a path of the relay.
pub(super) struct SessionPath {
    endpoint: Endpoint,
    pub(super) control: BindControl,
    pub(super) connection: Connection,
}

impl SessionPath {
    /// Closes the connection, in order or to make room for another.
    pub(super) async fn close(&self, over: bool) {
        self.connection.close(VarInt::from_u32(if over { 0 } else { 2 }), b"");
        let _ = timeout(LINGER, self.endpoint.wait_idle()).await;
    }
}

/// The device at the other end as it has proved itself, and the secret that proves both ends again after an
/// interruption.
pub(super) struct ProvedDevice {
    pub(super) device: PublicKey,
    resume: ResumeSecret,
}

/// The control stream and the agent's first answer.
pub(super) struct OpenedControl {
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    pub(super) facts: DeviceFacts,
    pub(super) offers: Capabilities,
    pub(super) audit: Signed<AuditHead>,
    /// What is granted now; a resumed session keeps its grants.
    pub(super) granted: Vec<GrantedCapability>,
}

async fn connect(
    relay: &RelayClient,
    opened: &OpenedSession,
    expect: ExpectedKey,
) -> Result<SessionPath, SessionError> {
    let (socket, control) = BoundSocket::open(relay.relay_addr(), opened.bind.clone())?;
    let config = tls::client(&relay.identity().key, expect, ALPN, ConnectionPurpose::Session, KEEP_ALIVE)?;
    let runtime = quinn::default_runtime().ok_or_else(|| SessionError::Broken("no runtime".to_owned()))?;
    let endpoint = Endpoint::new_with_abstract_socket(tls::endpoint(), None, socket, runtime)?;
    let connecting = endpoint
        .connect_with(config, relay.relay_addr(), tls::SERVER_NAME)
        .map_err(|e| SessionError::Broken(e.to_string()))?;
    match timeout(HELLO_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Ok(SessionPath { endpoint, control, connection }),
        Ok(Err(ConnectionError::TransportError(e))) if u64::from(e.code) & 0xff00 == 0x100 => {
            Err(SessionError::WrongKey)
        }
        Ok(Err(ConnectionError::VersionMismatch)) => Err(SessionError::Version),
        Ok(Err(ConnectionError::TimedOut)) | Err(_) => Err(SessionError::NoAnswer),
        Ok(Err(error)) => Err(SessionError::Broken(error.to_string())),
    }
}

/// The first connection of a session.
pub(super) async fn open(
    relay: &Arc<RelayClient>,
    session: SessionId,
    opened: &OpenedSession,
    device: Option<&VerifiedDevice>,
    code: Option<&SupportCode>,
) -> Result<(SessionPath, ProvedDevice, OpenedControl), SessionError> {
    let expect = device.map_or(ExpectedKey::Any, |d| ExpectedKey::Key(d.key));
    let path = connect(relay, opened, expect).await?;
    let hello = timeout(HELLO_TIMEOUT, say_hello(relay, session, &path, code)).await;
    match hello.unwrap_or(Err(SessionError::NoAnswer)) {
        Ok((peer, start)) => Ok((path, peer, start)),
        Err(error) => {
            path.close(true).await;
            Err(error)
        }
    }
}

async fn say_hello(
    relay: &RelayClient,
    session: SessionId,
    path: &SessionPath,
    code: Option<&SupportCode>,
) -> Result<(ProvedDevice, OpenedControl), SessionError> {
    let channel = channel_binding(relay, &path.connection, session)?;
    let (proof, own) = match code {
        Some(code) => {
            let (proof, message) = CodeProof::technician(&code.secret(), &mut OsRng);
            (Some(proof), TechnicianProof::Code(message))
        }
        None => (None, TechnicianProof::Managed),
    };
    let (mut send, mut recv) = open_control(relay, session, path, own).await?;
    let mut keys: Option<ConfirmationKeys> = None;
    let mut answer: AgentHello = framed::read(&mut recv, HELLO_LIMIT).await?;
    if let (Some(proof), AgentHello::Code(theirs)) = (proof, &answer) {
        let agreed = proof.finish(theirs, &channel).map_err(|_| SessionError::NotProved)?;
        framed::write(&mut send, &agreed.technician_confirmation(), HELLO_LIMIT).await?;
        keys = Some(agreed);
        answer = framed::read(&mut recv, HELLO_LIMIT).await?;
    }
    let ready = match answer {
        AgentHello::Ready(ready) => ready,
        AgentHello::Refused(SessionRefusal::WrongCode) => return Err(SessionError::NotProved),
        AgentHello::Refused(refusal) => return Err(SessionError::Refused(refusal)),
        AgentHello::Code(_) => return Err(SessionError::Refused(SessionRefusal::Protocol)),
    };
    match (code, &keys, &ready.confirmation) {
        // The agent must prove itself before anything is said to it.
        (Some(_), Some(keys), Some(confirmation)) => {
            keys.check_agent(confirmation).map_err(|_| SessionError::NotProved)?;
        }
        (Some(_), _, _) => return Err(SessionError::NotProved),
        (None, _, _) => {}
    }
    let secret = tls::exporter(&path.connection, RESUME_LABEL, session.as_bytes())
        .ok_or_else(|| SessionError::Broken("the connection is gone".to_owned()))?;
    Ok((
        ProvedDevice { device: channel.device, resume: ResumeSecret::new(secret) },
        opened_control(send, recv, *ready),
    ))
}

/// A further connection of a session whose first was lost.
pub(super) async fn resume(
    relay: &RelayClient,
    session: SessionId,
    opened: &OpenedSession,
    peer: &ProvedDevice,
) -> Result<(SessionPath, OpenedControl), SessionError> {
    let path = connect(relay, opened, ExpectedKey::Key(peer.device)).await?;
    match timeout(HELLO_TIMEOUT, say_hello_again(relay, session, &path, peer)).await {
        Ok(Ok(start)) => Ok((path, start)),
        Ok(Err(error)) => {
            path.close(false).await;
            Err(error)
        }
        Err(_) => {
            path.close(false).await;
            Err(SessionError::NoAnswer)
        }
    }
}

async fn say_hello_again(
    relay: &RelayClient,
    session: SessionId,
    path: &SessionPath,
    peer: &ProvedDevice,
) -> Result<OpenedControl, SessionError> {
    let channel = channel_binding(relay, &path.connection, session)?;
    let proof = TechnicianProof::Resume(peer.resume.technician_proof(&channel));
    let (send, mut recv) = open_control(relay, session, path, proof).await?;
    match framed::read(&mut recv, HELLO_LIMIT).await? {
        AgentHello::Ready(ready) => {
            let proved = ready.confirmation.is_some_and(|c| peer.resume.check_agent(&channel, &c).is_ok());
            if !proved {
                return Err(SessionError::NotProved);
            }
            Ok(opened_control(send, recv, *ready))
        }
        AgentHello::Refused(refusal) => Err(SessionError::Refused(refusal)),
        AgentHello::Code(_) => Err(SessionError::Refused(SessionRefusal::Protocol)),
    }
}

async fn open_control(
    relay: &RelayClient,
    session: SessionId,
    path: &SessionPath,
    proof: TechnicianProof,
) -> Result<(SendStream, RecvStream), SessionError> {
    let hello = TechnicianHello {
        program: ProgramInfo::this(),
        session,
        credential: relay.identity().profile.credential.clone(),
        proof,
    };
    let broken = |e: ConnectionError| SessionError::Broken(e.to_string());
    let (mut send, recv) = path.connection.open_bi().await.map_err(broken)?;
    framed::write(&mut send, &StreamOpen::Control(Box::new(hello)), HELLO_LIMIT).await?;
    Ok((send, recv))
}

fn channel_binding(
    relay: &RelayClient,
    connection: &Connection,
    session: SessionId,
) -> Result<ChannelBinding, SessionError> {
    let gone = || SessionError::Broken("the connection is gone".to_owned());
    let exporter = tls::exporter(connection, EXPORTER_LABEL, session.as_bytes()).ok_or_else(gone)?;
    let device = tls::peer_key(connection).ok_or_else(gone)?;
    Ok(ChannelBinding { session, exporter, technician: relay.identity().key.public(), device })
}

fn opened_control(send: SendStream, recv: RecvStream, ready: SessionReady) -> OpenedControl {
    OpenedControl {
        send,
        recv,
        facts: ready.facts,
        offers: ready.offers,
        audit: ready.audit,
        granted: ready.granted,
    }
}
