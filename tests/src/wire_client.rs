//! Speaks the control plane and the session plane over real QUIC with any key, credential, frames and bytes that a
//! test wants: what a hostile technician, device or stranger could send.
//!
//! Synchronous for the tests' sake: connections live on a separate small runtime. Must not live here: what the
//! programs should answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nearhand_proto::credential::Credential;
use nearhand_proto::forward::BindGrant;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::{DeviceId, SessionId};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::{EnrolmentString, InviteString, RelayAddress};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    self, CloseCode, DeviceFacts, RelayHello, RelayPush, RelayPushReply, RelayRefusal, RelayReply,
    RelayRequest, SessionTarget,
};
use nearhand_proto::message::session::{
    self, AgentHello, FromAgent, FromTechnician, StreamAnswer, StreamOpen, TechnicianHello, TechnicianProof,
};
use nearhand_proto::pake::{ChannelBinding, CodeProof, EXPORTER_LABEL};
use nearhand_proto::support_code::SupportCode;
use nearhand_proto::time::UnixMillis;
use nearhand_transport::bound_socket::BoundSocket;
use nearhand_transport::framed;
use nearhand_transport::tls::{self, ConnectionPurpose, ExpectedKey};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use rand_core::OsRng;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(15);
/// Most bytes read as an answer to raw ones.
const MAX_RAW: usize = 1 << 20;

/// Where connections live.
#[derive(Clone)]
pub struct WireEndpoint(Arc<Runtime>);

impl WireEndpoint {
    /// A fresh runtime.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new() -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Ok(Self(Arc::new(builder.worker_threads(1).enable_all().build()?)))
    }

    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T> {
        self.0.block_on(async { timeout(LIMIT, what).await }).context("no answer in time")
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// A control connection with this key; nothing has been said on it.
    ///
    /// # Errors
    /// The handshake fails.
    pub fn dial(&self, relay: &RelayAddress, key: &SecretKey) -> Result<ControlWire> {
        self.dial_as(relay, key, control::ALPN)
    }

    /// As [`WireEndpoint::dial`], with another application protocol.
    ///
    /// # Errors
    /// The handshake fails.
    pub fn dial_as(&self, relay: &RelayAddress, key: &SecretKey, alpn: &[u8]) -> Result<ControlWire> {
        self.dial_from(Ipv4Addr::UNSPECIFIED, relay, key, alpn)
    }

    /// As [`WireEndpoint::dial_as`], from one of this machine's addresses: all of 127.0.0.0/8 are.
    ///
    /// # Errors
    /// The handshake fails.
    pub fn dial_from(
        &self,
        from: Ipv4Addr,
        relay: &RelayAddress,
        key: &SecretKey,
        alpn: &[u8],
    ) -> Result<ControlWire> {
        let config = tls::client(
            key,
            ExpectedKey::Key(relay.key),
            alpn,
            ConnectionPurpose::Control,
            control::KEEP_ALIVE,
        )?;
        let to: SocketAddr = format!("{}:{}", relay.host, relay.port).parse()?;
        let connection = self.wait(async {
            let endpoint = Endpoint::client((from, 0).into())?;
            let connection = endpoint.connect_with(config, to, tls::SERVER_NAME)?.await?;
            anyhow::Ok((connection, endpoint))
        })??;
        Ok(ControlWire { wire: self.clone(), connection: connection.0, relay: to, endpoint: connection.1 })
    }

    /// The technician's end of a session over a path that was offered somehow.
    ///
    /// # Errors
    /// Nobody answers on it.
    pub fn path(
        &self,
        relay: SocketAddr,
        member: &WireMember,
        session: SessionId,
        bind: BindGrant,
    ) -> Result<SessionWire> {
        let (connection, endpoint) = self.wait(session_connection(relay, &member.key, bind))??;
        let (wire, member) = (self.clone(), member.clone());
        let held = Mutex::default();
        Ok(SessionWire { wire, session, member, connection, control: None, held, endpoint })
    }

    /// A machine that isn't enrolled, with a fresh key: its connection, or why the relay refuses it.
    ///
    /// # Errors
    /// The handshake fails, or the relay doesn't answer.
    pub fn guest(
        &self,
        from: Ipv4Addr,
        relay: &RelayAddress,
        name: &str,
    ) -> Result<Result<ControlWire, RelayRefusal>> {
        let key = SecretKey::generate(&mut OsRng);
        let control = self.dial_from(from, relay, &key, control::ALPN)?;
        let facts = DeviceFacts { hostname: name.into(), os: "Linux".into() };
        let hello = RelayHello::Guest { program: ProgramInfo::this(), facts };
        match control.ask(&RelayRequest::Hello(hello))? {
            RelayReply::Welcome(_) => Ok(Ok(control)),
            RelayReply::Refused(refusal) => Ok(Err(refusal)),
            other => bail!("{other:?}"),
        }
    }

    /// A device that has enrolled with a string.
    ///
    /// # Errors
    /// The relay refuses.
    pub fn enrol(&self, string: &EnrolmentString) -> Result<DeviceWire> {
        self.enrol_as(string, DeviceFacts { hostname: "wire".into(), os: "Linux".into() })
    }

    /// As [`WireEndpoint::enrol`], with what it says of itself.
    ///
    /// # Errors
    /// The relay refuses.
    pub fn enrol_as(&self, string: &EnrolmentString, facts: DeviceFacts) -> Result<DeviceWire> {
        let key = SecretKey::generate(&mut OsRng);
        let now = UnixMillis::from_system(std::time::SystemTime::now());
        let credential = Credential::join(string.invite.clone(), &string.secret.key(), &key.public(), now)?;
        let control = self.dial(&string.relay, &key)?;
        control.ask(&RelayRequest::Hello(RelayHello::Newcomer { program: ProgramInfo::this() }))?;
        match control
            .ask(&RelayRequest::Join { credential: credential.clone(), facts: Some(facts.clone()) })?
        {
            RelayReply::Done => {
                Ok(DeviceWire { member: WireMember { key, credential, relay: string.relay.clone() }, facts })
            }
            other => bail!("{other:?}"),
        }
    }

    /// Somebody who has joined with an invitation.
    ///
    /// # Errors
    /// The relay refuses.
    pub fn join(&self, string: &InviteString) -> Result<WireMember> {
        let key = SecretKey::generate(&mut OsRng);
        let now = UnixMillis::from_system(std::time::SystemTime::now());
        let credential = Credential::join(string.invite.clone(), &string.secret.key(), &key.public(), now)?;
        let control = self.dial(&string.relay, &key)?;
        control.ask(&RelayRequest::Hello(RelayHello::Newcomer { program: ProgramInfo::this() }))?;
        match control.ask(&RelayRequest::Join { credential: credential.clone(), facts: None })? {
            RelayReply::Done => Ok(WireMember { key, credential, relay: string.relay.clone() }),
            other => bail!("{other:?}"),
        }
    }
}

/// Somebody with a key and a credential.
#[derive(Clone)]
pub struct WireMember {
    /// The key that signs for them.
    pub key: SecretKey,
    /// The credential they show.
    pub credential: Credential,
    /// The relay they connect to.
    pub relay: RelayAddress,
}

impl WireMember {
    /// A welcomed control connection.
    ///
    /// # Errors
    /// The relay refuses.
    pub fn connect(&self, wire: &WireEndpoint) -> Result<ControlWire> {
        let control = wire.dial(&self.relay, &self.key)?;
        let hello = RelayHello::Person { program: ProgramInfo::this(), credential: self.credential.clone() };
        match control.ask(&RelayRequest::Hello(hello))? {
            RelayReply::Welcome(_) => Ok(control),
            other => bail!("{other:?}"),
        }
    }
}

/// A device with a key and a credential, but no agent.
#[derive(Clone)]
pub struct DeviceWire {
    member: WireMember,
    facts: DeviceFacts,
}

impl DeviceWire {
    /// The device's id.
    pub fn id(&self) -> DeviceId {
        self.member.key.public().device_id()
    }

    /// Where its relay is, its key, and how it says hello.
    pub fn hello(&self) -> (RelayAddress, SecretKey, RelayHello) {
        let (credential, facts) = (self.member.credential.clone(), self.facts.clone());
        let hello = RelayHello::Device { program: ProgramInfo::this(), credential, facts };
        (self.member.relay.clone(), self.member.key.clone(), hello)
    }

    /// A welcomed control connection.
    ///
    /// # Errors
    /// The relay refuses, or can't be reached.
    pub fn connect(&self, wire: &WireEndpoint) -> Result<ControlWire> {
        let (relay, key, hello) = self.hello();
        let control = wire.dial(&relay, &key)?;
        match control.ask(&RelayRequest::Hello(hello))? {
            RelayReply::Welcome(_) => Ok(control),
            other => bail!("{other:?}"),
        }
    }
}

/// A control connection.
pub struct ControlWire {
    wire: WireEndpoint,
    connection: Connection,
    relay: SocketAddr,
    endpoint: Endpoint,
}

impl ControlWire {
    /// One request and its answer, of any kind.
    ///
    /// # Errors
    /// There is none.
    pub fn ask(&self, request: &RelayRequest) -> Result<RelayReply> {
        self.wire.wait(async {
            let (mut send, mut recv) = self.connection.open_bi().await?;
            framed::write(&mut send, request, control::FRAME_LIMIT).await?;
            let _ = send.finish();
            anyhow::Ok(framed::read(&mut recv, control::FRAME_LIMIT).await?)
        })?
    }

    /// Takes note of all that the relay says from now on, as a program that is alive does.
    pub fn answer_pushes(&self) {
        let connection = self.connection.clone();
        self.wire.spawn(async move {
            while let Ok((mut send, mut recv)) = connection.accept_bi().await {
                if framed::read::<RelayPush>(&mut recv, control::FRAME_LIMIT).await.is_ok() {
                    let _ = framed::write(&mut send, &RelayPushReply::Done, control::FRAME_LIMIT).await;
                    let _ = send.finish();
                }
            }
        });
    }

    /// The connection, and the endpoint that has to outlive it.
    pub(crate) fn into_parts(self) -> (Connection, Endpoint) {
        (self.connection, self.endpoint)
    }

    /// Sends bytes on a separate stream; what came back before it ended.
    ///
    /// # Errors
    /// Nothing comes and nothing ends.
    pub fn raw(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.wire.wait(async { raw(&self.connection, bytes).await })
    }

    /// Opens streams until the other end takes no more, sends `bytes` on each and leaves them open.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn stall(&self, bytes: &[u8]) -> Result<Vec<SendStream>> {
        let mut held = Vec::new();
        self.wire.wait(async {
            while let Ok(Ok((mut send, _))) =
                timeout(Duration::from_millis(200), self.connection.open_bi()).await
            {
                let _ = send.write_all(bytes).await;
                held.push(send);
            }
        })?;
        Ok(held)
    }

    /// Sends bytes on as many streams as the other end takes, as far as it takes them, and ends none of them.
    pub fn send_part(&self, bytes: &[u8]) {
        let (connection, bytes) = (self.connection.clone(), bytes.to_vec());
        self.wire.spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut send, recv)) = connection.open_bi().await {
                // Waits here for ever where the window is used up.
                if send.write_all(&bytes).await.is_err() {
                    return;
                }
                held.push((send, recv));
            }
        });
    }

    /// Waits until the other end closes the connection: the code it gives.
    ///
    /// # Errors
    /// It doesn't, or not in order.
    pub fn closed(&self) -> Result<CloseCode> {
        match self.wire.wait(self.connection.closed())? {
            ConnectionError::ApplicationClosed(close) => {
                CloseCode::from_number(close.error_code.into_inner()).context("an unknown close code")
            }
            other => bail!("{other}"),
        }
    }

    /// Opens a session and its path's QUIC connection; nothing has been said on it.
    ///
    /// # Errors
    /// The relay refuses, or nobody answers on the path.
    pub fn open(&self, member: &WireMember, target: SessionTarget) -> Result<SessionWire> {
        let session = SessionId::random(&mut OsRng);
        match self.ask(&RelayRequest::Open { session, target })? {
            RelayReply::Opened(opened) => self.wire.path(self.relay, member, session, opened.bind),
            RelayReply::Refused(refusal) => bail!("refused: {refusal}"),
            other => bail!("{other:?}"),
        }
    }
}

/// Binds a session's path and connects over it with `key`, without checking who answers.
///
/// # Errors
/// The path can't be bound, or the other end doesn't answer.
pub(crate) async fn session_connection(
    relay: SocketAddr,
    key: &SecretKey,
    grant: BindGrant,
) -> Result<(Connection, Endpoint)> {
    let (socket, _control) = BoundSocket::open(relay, grant)?;
    let config =
        tls::client(key, ExpectedKey::Any, session::ALPN, ConnectionPurpose::Session, session::KEEP_ALIVE)?;
    let runtime = Arc::new(quinn::TokioRuntime);
    let endpoint = Endpoint::new_with_abstract_socket(tls::endpoint(), None, socket, runtime)?;
    let connection = endpoint.connect_with(config, relay, tls::SERVER_NAME)?.await?;
    Ok((connection, endpoint))
}

async fn raw(connection: &Connection, bytes: &[u8]) -> Vec<u8> {
    let Ok((mut send, mut recv)) = connection.open_bi().await else { return Vec::new() };
    let _ = send.write_all(bytes).await;
    let _ = send.finish();
    recv.read_to_end(MAX_RAW).await.unwrap_or_default()
}

/// A technician's end of a session.
pub struct SessionWire {
    wire: WireEndpoint,
    session: SessionId,
    member: WireMember,
    connection: Connection,
    control: Option<(SendStream, RecvStream)>,
    /// Streams that were opened: one that is dropped is closed.
    held: Mutex<Vec<(SendStream, RecvStream)>>,
    endpoint: Endpoint,
}

impl SessionWire {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.session
    }

    /// Says hello with this proof; the agent's first answer.
    ///
    /// # Errors
    /// There is none.
    pub fn hello(&mut self, proof: TechnicianProof) -> Result<AgentHello> {
        let hello = TechnicianHello {
            program: ProgramInfo::this(),
            session: self.session,
            credential: self.member.credential.clone(),
            proof,
        };
        let (answer, streams) = self.wire.wait(async {
            let (mut send, mut recv) = self.connection.open_bi().await?;
            framed::write(&mut send, &StreamOpen::Control(Box::new(hello)), session::HELLO_LIMIT).await?;
            let answer: AgentHello = framed::read(&mut recv, session::HELLO_LIMIT).await?;
            anyhow::Ok((answer, (send, recv)))
        })??;
        self.control = Some(streams);
        Ok(answer)
    }

    /// Proves a support code, right or wrong; the agent's last answer.
    ///
    /// # Errors
    /// There is none.
    pub fn prove(&mut self, code: &SupportCode) -> Result<AgentHello> {
        let exporter = tls::exporter(&self.connection, EXPORTER_LABEL, self.session.as_bytes());
        let channel = ChannelBinding {
            session: self.session,
            exporter: exporter.context("no exporter")?,
            technician: self.member.key.public(),
            device: tls::peer_key(&self.connection).context("no key")?,
        };
        let (proof, message) = CodeProof::technician(&code.secret(), &mut OsRng);
        let theirs = match self.hello(TechnicianProof::Code(message))? {
            AgentHello::Code(theirs) => theirs,
            other => return Ok(other),
        };
        let keys = proof.finish(&theirs, &channel)?;
        let (send, recv) = self.control.as_mut().context("no stream")?;
        self.wire.wait(async {
            framed::write(send, &keys.technician_confirmation(), session::HELLO_LIMIT).await?;
            anyhow::Ok(framed::read(recv, session::HELLO_LIMIT).await?)
        })?
    }

    /// Says something on the control stream.
    ///
    /// # Errors
    /// It is gone.
    pub fn say(&mut self, what: &FromTechnician) -> Result<()> {
        let (send, _) = self.control.as_mut().context("no hello yet")?;
        Ok(self.wire.wait(framed::write(send, what, session::FRAME_LIMIT))??)
    }

    /// The next thing that the agent says on the control stream.
    ///
    /// # Errors
    /// It says nothing.
    pub fn hears(&mut self) -> Result<FromAgent> {
        let (_, recv) = self.control.as_mut().context("no hello yet")?;
        Ok(self.wire.wait(framed::read(recv, session::FRAME_LIMIT))??)
    }

    /// Asks for capabilities; the first thing that the agent says.
    ///
    /// # Errors
    /// It says nothing.
    pub fn ask(&mut self, capabilities: Capabilities) -> Result<FromAgent> {
        let ask = FromTechnician::Ask { request: 1, capabilities, seconds: 60, reason: String::new() };
        self.say(&ask)?;
        self.hears()
    }

    /// Opens a stream for something, and keeps it open; the agent's answer.
    ///
    /// # Errors
    /// There is none.
    pub fn stream(&self, open: &StreamOpen) -> Result<StreamAnswer> {
        let (answer, streams) = self.wire.wait(async {
            let (mut send, mut recv) = self.connection.open_bi().await?;
            framed::write(&mut send, open, session::HELLO_LIMIT).await?;
            let answer = framed::read(&mut recv, session::HELLO_LIMIT).await?;
            anyhow::Ok((answer, (send, recv)))
        })??;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(streams);
        Ok(answer)
    }

    /// Opens a stream that is accepted, to talk on it.
    ///
    /// # Errors
    /// It is refused.
    pub fn talk(&self, open: &StreamOpen) -> Result<TalkWire> {
        let (answer, send, recv) = self.wire.wait(async {
            let (mut send, mut recv) = self.connection.open_bi().await?;
            framed::write(&mut send, open, session::HELLO_LIMIT).await?;
            let answer: StreamAnswer = framed::read(&mut recv, session::HELLO_LIMIT).await?;
            anyhow::Ok((answer, send, recv))
        })??;
        ensure!(answer == StreamAnswer::Accepted, "{answer:?}");
        Ok(TalkWire { wire: self.wire.clone(), send, recv })
    }

    /// Sends bytes on a separate stream; what came back before it ended.
    ///
    /// # Errors
    /// Nothing comes and nothing ends.
    pub fn raw(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.wire.wait(raw(&self.connection, bytes))
    }

    /// Sends bytes on the control stream.
    ///
    /// # Errors
    /// It is gone.
    pub fn raw_control(&mut self, bytes: &[u8]) -> Result<()> {
        let (send, _) = self.control.as_mut().context("no hello yet")?;
        Ok(self.wire.wait(send.write_all(bytes))??)
    }

    /// Whether the connection still stands.
    pub fn stands(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Leaves in order.
    ///
    /// # Errors
    /// The last words don't arrive.
    pub fn leave(self) -> Result<()> {
        self.connection.close(0_u32.into(), b"");
        self.wire.wait(self.endpoint.wait_idle())
    }
}

/// A conversation of a session.
pub struct TalkWire {
    wire: WireEndpoint,
    send: SendStream,
    recv: RecvStream,
}

impl TalkWire {
    /// Says something.
    ///
    /// # Errors
    /// The stream is gone.
    pub fn say<T: serde::Serialize>(&mut self, what: &T) -> Result<()> {
        Ok(self.wire.wait(framed::write(&mut self.send, what, session::FRAME_LIMIT))??)
    }

    /// The next thing that is said.
    ///
    /// # Errors
    /// The stream is gone, or nothing comes.
    pub fn hears<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        Ok(self.wire.wait(framed::read(&mut self.recv, session::FRAME_LIMIT))??)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The stream is gone.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.wire.wait(self.send.write_all(bytes))??)
    }
}
