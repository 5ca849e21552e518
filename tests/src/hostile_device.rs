//! A device of the organisation in the wrong hands: it has a key and a credential, speaks to the real relay and to real
//! clients, and sends them what it likes where a report or a picture belongs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use nearhand_proto::audit::AuditHead;
use nearhand_proto::grant::{Capabilities, Capability, DecidedBy, GrantRecord};
use nearhand_proto::id::TechnicianId;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    DeviceFacts, FRAME_LIMIT as CONTROL_LIMIT, RelayPush, RelayPushReply, SessionOffer,
};
use nearhand_proto::message::screen::{FrameEnd, FromScreen};
use nearhand_proto::message::session::{
    ALPN, AgentHello, ChatFrame, ConsentDecision, DiagnosticsEvent, FRAME_LIMIT, FromAgent, FromTechnician,
    GrantedCapability, HELLO_LIMIT, REPORT_PART, SessionEndReason, SessionReady, StreamAnswer, StreamOpen,
};
use nearhand_transport::bound_socket::BoundSocket;
use nearhand_transport::framed;
use nearhand_transport::tls::{self, ConnectionPurpose};
use quinn::{Connection, Endpoint, RecvStream, SendStream};

use crate::light_agents::now;
use crate::wire_client::{DeviceWire, WireEndpoint};

/// For how long it says that things are granted, in seconds.
const GRANTED: u32 = 600;

/// What it sends.
#[derive(Clone, Debug)]
pub enum HostilePayload {
    /// This as a report.
    Report(Vec<u8>),
    /// A report that never ends, and no word to the session's end.
    Endless,
    /// This as the one exact frame of its screen.
    Frame(Vec<u8>),
}

/// A device in the wrong hands, connected to the relay.
pub struct HostileDevice {
    sent: Arc<AtomicU64>,
    _control: Connection,
}

struct DeviceSession {
    key: SecretKey,
    relay: SocketAddr,
    facts: DeviceFacts,
    sends: HostilePayload,
    sent: Arc<AtomicU64>,
}

impl HostileDevice {
    /// Connects to its relay and waits for technicians.
    ///
    /// # Errors
    /// The relay refuses.
    pub fn start(
        wire: &WireEndpoint,
        device: &DeviceWire,
        facts: DeviceFacts,
        sends: HostilePayload,
    ) -> Result<Self> {
        let control = device.connect(wire)?;
        let (address, key, _) = device.hello();
        let relay = format!("{}:{}", address.host, address.port).parse()?;
        let sent = Arc::new(AtomicU64::new(0));
        let acts = Arc::new(DeviceSession { key, relay, facts, sends, sent: sent.clone() });
        let (connection, endpoint) = control.into_parts();
        let pushes = connection.clone();
        wire.spawn(async move {
            // Ends with the connection; the endpoint has to live as long.
            let _endpoint = endpoint;
            while let Ok((send, recv)) = pushes.accept_bi().await {
                tokio::spawn(take_push(acts.clone(), send, recv));
            }
        });
        Ok(Self { sent, _control: connection })
    }

    /// How many bytes of reports it has got rid of.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

async fn take_push(acts: Arc<DeviceSession>, mut send: SendStream, mut recv: RecvStream) -> Result<()> {
    let push: RelayPush = framed::read(&mut recv, CONTROL_LIMIT).await?;
    if let RelayPush::Offer(offer) = push {
        tokio::spawn(session(acts, offer));
    }
    framed::write(&mut send, &RelayPushReply::Done, CONTROL_LIMIT).await?;
    let _ = send.finish();
    Ok(())
}

async fn session(acts: Arc<DeviceSession>, offer: SessionOffer) -> Result<()> {
    let (socket, _control) = BoundSocket::open(acts.relay, offer.bind.clone())?;
    let config = tls::server(&acts.key, ALPN, ConnectionPurpose::Session)?;
    let runtime = Arc::new(quinn::TokioRuntime);
    let endpoint = Endpoint::new_with_abstract_socket(tls::endpoint(), Some(config), socket, runtime)?;
    let connection = endpoint.accept().await.context("nobody came")?.await?;
    let (mut send, mut recv) = connection.accept_bi().await?;
    let StreamOpen::Control(hello) = framed::read(&mut recv, HELLO_LIMIT).await? else { return Ok(()) };
    let key = hello.credential.links.first().context("no key")?.peek()?.key;
    let offers = [Capability::Diagnostics, Capability::View].into_iter().collect();
    let ready = SessionReady {
        program: ProgramInfo::this(),
        confirmation: None,
        facts: acts.facts.clone(),
        offers,
        granted: Vec::new(),
        audit: acts.key.sign(&AuditHead::EMPTY)?,
        key: acts.key.public(),
    };
    framed::write(&mut send, &AgentHello::Ready(Box::new(ready)), HELLO_LIMIT).await?;
    let grants = answer(&acts, &offer, key.technician_id(), send, recv);
    let streams = async {
        while let Ok((send, recv)) = connection.accept_bi().await {
            tokio::spawn(stream(acts.clone(), send, recv));
        }
        anyhow::Ok(())
    };
    tokio::try_join!(grants, streams).map(|_| ())
}

/// Grants everything that is asked for.
async fn answer(
    acts: &DeviceSession,
    offer: &SessionOffer,
    technician: TechnicianId,
    mut send: SendStream,
    mut recv: RecvStream,
) -> Result<()> {
    let granted = |capabilities: Capabilities| -> Vec<GrantedCapability> {
        capabilities
            .iter()
            .map(|capability| GrantedCapability { capability, seconds_left: GRANTED })
            .collect()
    };
    while let Ok(said) = framed::read::<FromTechnician>(&mut recv, FRAME_LIMIT).await {
        let (request, capabilities) = match said {
            FromTechnician::Ask { request, capabilities, .. } => (request, capabilities),
            // One of them is silent here too.
            FromTechnician::End if !matches!(acts.sends, HostilePayload::Endless) => {
                framed::write(&mut send, &FromAgent::Ended(SessionEndReason::ByTechnician), FRAME_LIMIT)
                    .await?;
                continue;
            }
            _ => continue,
        };
        let record = acts.key.sign(&GrantRecord {
            device: acts.key.public().device_id(),
            session: offer.session,
            technician,
            capabilities,
            seconds: GRANTED,
            at: now(),
            by: DecidedBy::Policy,
        })?;
        let decision = ConsentDecision::Granted { record, granted: granted(capabilities) };
        framed::write(&mut send, &FromAgent::Decision { request, decision }, FRAME_LIMIT).await?;
    }
    Ok(())
}

async fn stream(acts: Arc<DeviceSession>, mut send: SendStream, mut recv: RecvStream) -> Result<()> {
    let open: StreamOpen = framed::read(&mut recv, HELLO_LIMIT).await?;
    framed::write(&mut send, &StreamAnswer::Accepted, HELLO_LIMIT).await?;
    match (open, &acts.sends) {
        (StreamOpen::Diagnostics { .. }, HostilePayload::Report(bytes)) => {
            let mut parts = bytes.chunks(REPORT_PART).peekable();
            while let Some(part) = parts.next() {
                report(&acts, &mut send, part, parts.peek().is_none()).await?;
            }
        }
        (StreamOpen::Diagnostics { .. }, HostilePayload::Endless) => loop {
            report(&acts, &mut send, &[b' '; REPORT_PART], false).await?;
        },
        (StreamOpen::Screen, HostilePayload::Frame(bytes)) => frame(&mut send, bytes).await?,
        (StreamOpen::Chat, _) => while framed::read::<ChatFrame>(&mut recv, FRAME_LIMIT).await.is_ok() {},
        _ => {}
    }
    // Until the other end has had enough.
    let _ = recv.read_to_end(FRAME_LIMIT).await;
    Ok(())
}

async fn report(acts: &DeviceSession, send: &mut SendStream, part: &[u8], last: bool) -> Result<()> {
    let event = DiagnosticsEvent::Report { part: part.to_vec(), last };
    framed::write(send, &event, FRAME_LIMIT).await?;
    acts.sent.fetch_add(u64::try_from(part.len())?, Ordering::Relaxed);
    Ok(())
}

async fn frame(send: &mut SendStream, bytes: &[u8]) -> Result<()> {
    let end = FrameEnd { exact: true, ..FrameEnd::default() };
    let mut parts = bytes.chunks(REPORT_PART).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none().then_some(end);
        framed::write(send, &FromScreen::Frame { frame: 1, part: part.to_vec(), last }, FRAME_LIMIT).await?;
    }
    Ok(())
}
