//! A relay in the wrong hands: it has the real one's key and port, speaks the control plane to real agents and
//! clients, and does with their sessions what it likes. Everything that it can decrypt is kept, so that a test can
//! look for what it should never have seen.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_proto::alarm::{AlarmBatch, MonitoringHello, ShutdownNotice, SpoolRecord};
use nearhand_proto::credential::{Credential, RevocationList};
use nearhand_proto::forward::{BindGrant, RateLimits};
use nearhand_proto::id::{SessionId, StreamId};
use nearhand_proto::identity::{SecretKey, Signed};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    DeviceEntry, DeviceFacts, FRAME_LIMIT, ListPage, OpenedSession, RelayHello, RelayPush, RelayPushReply,
    RelayRefusal, RelayReply, RelayRequest, RelayWelcome, SessionOffer,
};
use nearhand_proto::message::session::ALPN;
use nearhand_proto::support_code::RoutingDigits;
use nearhand_proto::time::UnixMillis;
use nearhand_relay::config::RelayConfig;
use nearhand_relay::forward::Forwarder;
use nearhand_relay::serve;
use nearhand_transport::bound_socket::BoundSocket;
use nearhand_transport::framed;
use nearhand_transport::key_file;
use nearhand_transport::tls::{self, ConnectionPurpose};
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use rand_core::OsRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::datagram_tap;
use crate::deployment::TestDeployment;
use crate::parties::TestAgent;
use crate::wire_client::{WireEndpoint, session_connection};

/// How long an offered path may be bound.
const BIND_WITHIN: Duration = Duration::from_secs(60);

/// What it does when a technician asks for a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayBehaviour {
    /// What a relay should: passes packets on.
    Honestly,
    /// Passes packets on and keeps them.
    Tapping,
    /// Speaks TLS with each end itself, with its own keys, and passes on what is inside.
    SwappingKeys,
    /// Plays the device towards the technician, with a guessed code; the device hears of nothing.
    PlayingTheDevice,
    /// As [`RelayBehaviour::PlayingTheDevice`], and says at once that the proof went well.
    SkippingTheProof,
    /// Leads to another of the organisation's devices than was asked for.
    MisleadingToAnotherDevice,
}

/// A relay in the wrong hands, while it runs.
pub struct HostileRelay {
    wire: WireEndpoint,
    shared: Arc<HostileContext>,
}

pub(crate) struct HostileContext {
    addr: SocketAddr,
    forwarder: Arc<Forwarder>,
    pub(crate) impostor: SecretKey,
    state: Mutex<HostileState>,
}

struct HostileState {
    how: RelayBehaviour,
    devices: Vec<(Credential, DeviceFacts, Connection)>,
    people: Vec<(Credential, Connection)>,
    list: Option<Signed<RevocationList>>,
    next_routing: u16,
    heard: Vec<u8>,
    packets: Vec<Vec<u8>>,
    alarms: AlarmIntake,
}

/// What was said to it about alarms.
#[derive(Clone, Default)]
pub struct AlarmIntake {
    /// Whether it takes them; a relay of before they were invented doesn't.
    pub takes: bool,
    /// It stores and doesn't say so: what is lost on the way back.
    pub forgets_to_answer: u32,
    /// What it stored, once each.
    pub records: Vec<(StreamId, SpoolRecord)>,
    /// How often it was sent what it had.
    pub repeated: usize,
    /// What devices said of their monitoring.
    pub monitoring: Vec<MonitoringHello>,
    /// Messages in which an agent said that it is leaving.
    pub leaving: Vec<ShutdownNotice>,
}

impl AlarmIntake {
    /// How far it has a stream.
    fn through(&self, stream: StreamId) -> u64 {
        self.records.iter().filter(|(of, _)| *of == stream).map(|(_, record)| record.seq).max().unwrap_or(0)
    }

    fn take(&mut self, batch: AlarmBatch) -> RelayReply {
        if !self.takes || batch.check().is_err() {
            return RelayReply::Refused(RelayRefusal::NotAllowed);
        }
        let stream = batch.stream;
        let through = batch.records.last().map_or(0, |record| record.seq);
        for record in batch.records {
            match self.records.iter().any(|(of, had)| *of == stream && had.seq == record.seq) {
                true => self.repeated += 1,
                false => self.records.push((stream, record)),
            }
        }
        if self.forgets_to_answer > 0 {
            self.forgets_to_answer -= 1;
            return RelayReply::Refused(RelayRefusal::Storage);
        }
        RelayReply::AlarmsStored { stream, through }
    }
}

impl HostileContext {
    fn state(&self) -> MutexGuard<'_, HostileState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, bytes: &[u8]) {
        self.state().heard.extend_from_slice(bytes);
    }

    pub(crate) fn keep_packet(&self, packet: &[u8]) {
        self.state().packets.push(packet.to_vec());
    }
}

impl HostileRelay {
    /// Takes over from a relay that was ended: its port, its key.
    ///
    /// # Errors
    /// The port is in use.
    pub fn start(wire: &WireEndpoint, port: u16, key: &SecretKey, how: RelayBehaviour) -> Result<Self> {
        let limits =
            RelayConfig::parse("public_host = \"localhost\"", std::path::Path::new("none"))?.control_limits();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let (forwarder, endpoint) = wire.wait(async { serve::open_port(addr, key, &limits) })??;
        let state = HostileState {
            how,
            devices: Vec::new(),
            people: Vec::new(),
            list: None,
            next_routing: 1000,
            heard: Vec::new(),
            packets: Vec::new(),
            alarms: AlarmIntake { takes: true, ..AlarmIntake::default() },
        };
        let impostor = SecretKey::generate(&mut OsRng);
        let shared = Arc::new(HostileContext { addr, forwarder, impostor, state: Mutex::new(state) });
        wire.spawn(accept(shared.clone(), endpoint));
        Ok(Self { wire: wire.clone(), shared })
    }

    /// Takes over a site's relay: ends it, has its port and its key.
    ///
    /// # Errors
    /// The port is in use.
    pub fn steal(site: &mut TestDeployment, wire: &WireEndpoint, how: RelayBehaviour) -> Result<Self> {
        site.relay.kill()?;
        let key = key_file::load_key(&site.data().join("relay.key"))?;
        Self::start(wire, site.port, &key, how)
    }

    /// From now on it does this.
    pub fn becomes(&self, how: RelayBehaviour) {
        self.shared.state().how = how;
    }

    /// What was said to it about alarms.
    pub fn alarms(&self) -> AlarmIntake {
        self.shared.state().alarms.clone()
    }

    /// Changes what it does with alarms.
    pub fn with_alarms(&self, change: impl FnOnce(&mut AlarmIntake)) {
        change(&mut self.shared.state().alarms);
    }

    /// Whether `needle` is in anything that it could decrypt.
    pub fn has_heard(&self, needle: &str) -> bool {
        let state = self.shared.state();
        state.heard.windows(needle.len()).any(|window| window == needle.as_bytes())
    }

    /// How many bytes it could decrypt.
    pub fn heard(&self) -> usize {
        self.shared.state().heard.len()
    }

    /// The packets it has kept, from the technician's end.
    pub fn packets(&self) -> Vec<Vec<u8>> {
        self.shared.state().packets.clone()
    }

    /// Tells the device that connected first something; its answer.
    ///
    /// # Errors
    /// It doesn't answer.
    pub fn push(&self, push: &RelayPush) -> Result<RelayPushReply> {
        let connection = self.shared.device()?.2;
        self.wire.wait(tell(&connection, push))?
    }

    /// Sends the device bytes where a push belongs; what it sends back.
    ///
    /// # Errors
    /// No device is connected, or it closed the connection.
    pub fn push_raw(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let connection = self.shared.device()?.2;
        self.wire.wait(async {
            let Ok((mut send, mut recv)) = connection.open_bi().await else { return Vec::new() };
            let _ = send.write_all(bytes).await;
            let _ = send.finish();
            recv.read_to_end(4096).await.unwrap_or_default()
        })
    }

    /// Offers the device a session that no technician asked for; the other end of its path.
    ///
    /// # Errors
    /// It doesn't answer.
    pub fn offer(
        &self,
        session: SessionId,
        code: Option<RoutingDigits>,
        resume: bool,
    ) -> Result<(RelayPushReply, BindGrant)> {
        let [ours, theirs] = self.shared.path(SessionId::random(&mut OsRng))?;
        let reply = self.push(&RelayPush::Offer(SessionOffer { session, code, resume, bind: theirs }))?;
        Ok((reply, ours))
    }

    /// The credential with which a technician has said hello here.
    ///
    /// # Errors
    /// No technician has said hello yet.
    pub fn stolen_credential(&self) -> Result<Credential> {
        Ok(self.shared.state().people.last().context("nobody was here")?.0.clone())
    }

    /// Its own key, which nobody has vouched for.
    pub fn impostor(&self) -> SecretKey {
        self.shared.impostor.clone()
    }

    /// Its own address.
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// Sends packets over a path as if they came from a technician.
    ///
    /// # Errors
    /// The path can't be bound.
    pub fn replay(&self, bind: BindGrant, packets: &[Vec<u8>]) -> Result<usize> {
        self.wire.wait(datagram_tap::replay(self.shared.addr, bind, packets))?
    }
}

/// A site with a device whose relay was stolen, and does that.
///
/// # Errors
/// Anything goes wrong.
pub fn stolen(how: RelayBehaviour) -> Result<(TestDeployment, TestAgent, WireEndpoint, HostileRelay)> {
    let (mut site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let mut agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", true)?;
    let relay = HostileRelay::steal(&mut site, &wire, how)?;
    // Sooner than it would notice by itself.
    agent.restart()?;
    agent.wait_connected()?;
    Ok((site, agent, wire, relay))
}

/// Answers at a relay's address with its own key and protocol, until it is dropped.
///
/// # Errors
/// The port is in use.
pub fn stand_in(wire: &WireEndpoint, port: u16, key: &SecretKey, alpn: &[u8]) -> Result<Endpoint> {
    let config = tls::server(key, alpn, ConnectionPurpose::Control)?;
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let endpoint = wire.wait(async { Endpoint::server(config, at) })??;
    let accepting = endpoint.clone();
    wire.spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            tokio::spawn(async move {
                if let Ok(connection) = incoming.await {
                    connection.closed().await;
                }
            });
        }
    });
    Ok(endpoint)
}

impl HostileContext {
    fn device(&self) -> Result<(Credential, DeviceFacts, Connection)> {
        Ok(self.state().devices.last().context("no device is connected")?.clone())
    }

    fn path(&self, id: SessionId) -> Result<[BindGrant; 2]> {
        let limits = RateLimits { bytes_per_s: 1 << 30, packets_per_s: 1 << 20 };
        let grants = [(); 2].map(|()| BindGrant::random(&mut OsRng, limits));
        self.forwarder.offer(id, grants.clone(), Instant::now() + BIND_WITHIN)?;
        Ok(grants)
    }

    fn welcome(&self) -> RelayReply {
        let now = UnixMillis::from_system(std::time::SystemTime::now());
        let revocations = self.state().list.clone();
        RelayReply::Welcome(RelayWelcome {
            program: ProgramInfo::this(),
            now,
            revocations,
            retirements: Vec::new(),
        })
    }

    async fn answer(self: &Arc<Self>, connection: &Connection, request: RelayRequest) -> RelayReply {
        match request {
            RelayRequest::Hello(hello) => {
                let connection = connection.clone();
                match hello {
                    RelayHello::Device { credential, facts, .. } => {
                        let devices = &mut self.state().devices;
                        // It may have been killed a moment ago, and its old connection leads nowhere.
                        devices.retain(|(known, ..)| *known != credential);
                        devices.push((credential, facts, connection));
                    }
                    RelayHello::Person { credential, .. } => {
                        self.state().people.push((credential, connection));
                    }
                    RelayHello::Guest { .. } | RelayHello::Newcomer { .. } => {}
                }
                self.welcome()
            }
            RelayRequest::AllocateDigits { wanted } => {
                let mut state = self.state();
                state.next_routing += 1;
                let fresh = RoutingDigits::new(state.next_routing);
                wanted.or(fresh).map_or(RelayReply::Refused(RelayRefusal::NotAllowed), RelayReply::Digits)
            }
            RelayRequest::Devices { after: None } => RelayReply::Devices(ListPage::whole(self.entries())),
            RelayRequest::Devices { .. } => RelayReply::Devices(ListPage::whole(Vec::new())),
            RelayRequest::Open { session, target } => {
                let code = match target {
                    nearhand_proto::message::control::SessionTarget::Code(routing) => Some(routing),
                    nearhand_proto::message::control::SessionTarget::Device(_) => None,
                };
                self.open(session, code).await.unwrap_or(RelayReply::Refused(RelayRefusal::DeviceSilent))
            }
            RelayRequest::Reopen { .. } => RelayReply::Refused(RelayRefusal::NoSuchSession),
            RelayRequest::Alarms(batch) => self.state().alarms.take(batch),
            RelayRequest::Monitoring(_) if !self.state().alarms.takes => {
                RelayReply::Refused(RelayRefusal::NotAllowed)
            }
            RelayRequest::Monitoring(monitoring) => {
                let alarms = &mut self.state().alarms;
                alarms.monitoring.push(monitoring);
                RelayReply::AlarmsStored {
                    stream: monitoring.stream,
                    through: alarms.through(monitoring.stream),
                }
            }
            RelayRequest::ShuttingDown(leaving) => {
                self.state().alarms.leaving.push(leaving);
                RelayReply::Done
            }
            _ => RelayReply::Done,
        }
    }

    fn entries(&self) -> Vec<DeviceEntry> {
        let state = self.state();
        let now = UnixMillis::from_system(std::time::SystemTime::now());
        let mut entries: Vec<_> = state
            .devices
            .iter()
            .filter_map(|(credential, facts, _)| {
                let first = credential.links.first()?.peek().ok()?;
                Some(DeviceEntry {
                    id: first.key.device_id(),
                    credential: credential.clone(),
                    facts: facts.clone(),
                    version: "0".into(),
                    online: true,
                    last_seen: now,
                })
            })
            .collect();
        entries.sort_by_key(|entry| entry.id);
        entries.dedup_by_key(|entry| entry.id);
        entries
    }

    async fn open(self: &Arc<Self>, session: SessionId, code: Option<RoutingDigits>) -> Result<RelayReply> {
        let how = self.state().how;
        let (credential, _, device) = match how {
            RelayBehaviour::MisleadingToAnotherDevice => {
                self.state().devices.first().context("no device")?.clone()
            }
            _ => self.device()?,
        };
        let enrolled = code.is_none().then_some(credential);
        let [technicians, other] = self.path(session)?;
        let opened = RelayReply::Opened(OpenedSession { bind: technicians, device: enrolled });
        let offer = |bind| RelayPush::Offer(SessionOffer { session, code, resume: false, bind });
        match how {
            RelayBehaviour::Honestly | RelayBehaviour::MisleadingToAnotherDevice => {
                tell(&device, &offer(other)).await?;
            }
            RelayBehaviour::Tapping => {
                let [ours, theirs] = self.path(SessionId::random(&mut OsRng))?;
                tell(&device, &offer(theirs)).await?;
                tokio::spawn(datagram_tap::pass_on(self.clone(), self.addr, other, ours));
            }
            RelayBehaviour::SwappingKeys => {
                let [ours, theirs] = self.path(SessionId::random(&mut OsRng))?;
                tell(&device, &offer(theirs)).await?;
                tokio::spawn(self.clone().stand_between(other, ours));
            }
            RelayBehaviour::PlayingTheDevice | RelayBehaviour::SkippingTheProof => {
                let device =
                    crate::false_device::play(self.clone(), other, how == RelayBehaviour::SkippingTheProof);
                tokio::spawn(device);
            }
        }
        Ok(opened)
    }

    /// Takes the technician's connection with its own key.
    pub(crate) async fn take_technician(&self, bind: BindGrant) -> Result<(Connection, Endpoint)> {
        let (socket, _control) = BoundSocket::open(self.addr, bind)?;
        let config = tls::server(&self.impostor, ALPN, ConnectionPurpose::Session)?;
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new_with_abstract_socket(tls::endpoint(), Some(config), socket, runtime)?;
        let connection = endpoint.accept().await.context("nobody came")?.await?;
        Ok((connection, endpoint))
    }

    /// One TLS connection with each end; what is inside is copied from stream to stream, and kept.
    async fn stand_between(self: Arc<Self>, technicians: BindGrant, devices: BindGrant) -> Result<()> {
        let (agent, _agents) = session_connection(self.addr, &self.impostor, devices).await?;
        let (technician, _technicians) = self.take_technician(technicians).await?;
        loop {
            let (to, from) = technician.accept_bi().await?;
            let (to_agent, from_agent) = agent.open_bi().await?;
            tokio::spawn(copy(self.clone(), from, to_agent));
            tokio::spawn(copy(self.clone(), from_agent, to));
        }
    }

    /// Reads what is said to it, and keeps it.
    pub(crate) async fn listen(&self, mut from: RecvStream) {
        let mut bytes = [0; 4096];
        while let Ok(Some(len)) = from.read(&mut bytes).await {
            self.hear(bytes.get(..len).unwrap_or_default());
        }
    }

    /// Keeps a frame that was read.
    pub(crate) fn keep(&self, frame: &[u8]) {
        self.hear(frame);
    }
}

async fn copy(shared: Arc<HostileContext>, mut from: RecvStream, mut to: SendStream) {
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = AsyncReadExt::read(&mut from, &mut bytes).await {
        let part = bytes.get(..len).unwrap_or_default();
        shared.hear(part);
        if AsyncWriteExt::write_all(&mut to, part).await.is_err() {
            return;
        }
    }
    let _ = to.finish();
}

async fn tell(connection: &Connection, push: &RelayPush) -> Result<RelayPushReply> {
    let (mut send, mut recv) = connection.open_bi().await?;
    framed::write(&mut send, push, FRAME_LIMIT).await?;
    let _ = send.finish();
    Ok(framed::read(&mut recv, FRAME_LIMIT).await?)
}

async fn accept(shared: Arc<HostileContext>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            while let Ok((mut send, mut recv)) = connection.accept_bi().await {
                let (shared, connection) = (shared.clone(), connection.clone());
                tokio::spawn(async move {
                    let Ok(request) = framed::read::<RelayRequest>(&mut recv, FRAME_LIMIT).await else {
                        return;
                    };
                    let reply = shared.answer(&connection, request).await;
                    let _ = framed::write(&mut send, &reply, FRAME_LIMIT).await;
                    let _ = send.finish();
                });
            }
        });
    }
}
