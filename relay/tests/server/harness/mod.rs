//! A whole relay in this process, and a small client that speaks the control protocol to it.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

pub mod postgres;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use nearhand_proto::credential::{Credential, Invite, Role, invite};
use nearhand_proto::forward::{BindGrant, RateLimits};
use nearhand_proto::id::{DeviceId, SessionId};
use nearhand_proto::identity::{PublicKey, SecretKey, Signed};
use nearhand_proto::invitation::OneTime;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    ALPN, CloseCode, DeviceFacts, FRAME_LIMIT, OpenedSession, RelayHello, RelayPush, RelayPushReply,
    RelayRefusal, RelayReply, RelayRequest, RelayWelcome, SessionTarget,
};
use nearhand_proto::peer_text::PeerText;
use nearhand_proto::time::UnixMillis;
use nearhand_relay::control::{CLAIM, ControlLimits, SilenceLimits};
use nearhand_relay::notify::sender::ReceiverSender;
use nearhand_relay::path::{ForwardingPath, PathError, PathTotals, PathUsage};
use nearhand_relay::serve::{RunningRelay, endpoint_config, server_config};
use nearhand_relay::store::{Database, StoreWrite};
use nearhand_relay_core::admission::{AdmissionRules, claim_hash};
use nearhand_transport::framed;
use nearhand_transport::key_file;
use nearhand_transport::tls::{self, ConnectionPurpose, ExpectedKey};
use quinn::{Connection, ConnectionError, Endpoint};
use rand_core::OsRng;

pub const CLAIM_SECRET: [u8; 32] = [7; 32];

/// A path that only remembers.
#[derive(Default)]
pub struct Recorder {
    pub sessions: Mutex<HashMap<SessionId, ([BindGrant; 2], Instant)>>,
    pub ended: Mutex<Vec<SessionId>>,
}

impl Recorder {
    pub fn tokens(&self, id: SessionId) -> Option<[nearhand_proto::id::BindToken; 2]> {
        self.sessions.lock().unwrap().get(&id).map(|(grants, _)| [grants[0].token, grants[1].token])
    }
}

impl ForwardingPath for Recorder {
    fn offer(&self, session: SessionId, grants: [BindGrant; 2], until: Instant) -> Result<(), PathError> {
        self.sessions.lock().unwrap().insert(session, (grants, until));
        Ok(())
    }

    fn end(&self, session: SessionId) -> Option<PathUsage> {
        self.ended.lock().unwrap().push(session);
        self.sessions.lock().unwrap().remove(&session).map(|_| PathUsage { bytes: 1000, bound: true })
    }

    fn usage(&self, session: SessionId) -> Option<PathUsage> {
        self.sessions.lock().unwrap().get(&session).map(|_| PathUsage { bytes: 1000, bound: true })
    }

    fn totals(&self) -> PathTotals {
        PathTotals::default()
    }
}

pub fn limits() -> ControlLimits {
    ControlLimits {
        rules: AdmissionRules { allow_guests: true, max_devices: 100 },
        max_guests: 3,
        max_sessions: 100,
        max_handshakes_pending: 1024,
        rate: RateLimits::default(),
        session_days: 30,
        alarm_days: 30,
        patience: SilenceLimits::default(),
        damping: nearhand_relay_core::alarm::damping::DampingLimit::default(),
    }
}

/// A running relay on a directory.
pub struct TestRelay {
    pub relay: RunningRelay,
    pub address: SocketAddr,
    pub key: PublicKey,
    pub path: Arc<Recorder>,
}

impl TestRelay {
    pub async fn start(dir: &FilePath) -> Self {
        Self::start_with(dir, limits()).await
    }

    pub async fn start_with(dir: &FilePath, limits: ControlLimits) -> Self {
        Self::start_notifying(dir, limits, Vec::new()).await
    }

    pub async fn start_notifying(
        dir: &FilePath,
        limits: ControlLimits,
        senders: Vec<ReceiverSender>,
    ) -> Self {
        let database = Database::file(&dir.join("relay.db")).unwrap();
        Self::start_on(dir, &database, limits, senders).await
    }

    /// With its key in a directory, on any database.
    pub async fn start_on(
        dir: &FilePath,
        database: &Database,
        limits: ControlLimits,
        senders: Vec<ReceiverSender>,
    ) -> Self {
        let key = key_file::load_or_create_key(&dir.join("relay.key"), &mut OsRng).unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server = server_config(&key, &limits).unwrap();
        let endpoint =
            Endpoint::new(endpoint_config(&key), Some(server), socket, Arc::new(quinn::TokioRuntime))
                .unwrap();
        let path = Arc::new(Recorder::default());
        let public = key.public();
        let relay = RunningRelay::start_notifying(key, database, limits, endpoint, path.clone(), senders)
            .await
            .unwrap();
        Self { relay, address, key: public, path }
    }

    /// As `init` does it.
    pub async fn open_claim(&self) {
        let hash = data_encoding::HEXLOWER.encode(&claim_hash(&CLAIM_SECRET));
        self.relay.control().store().write(StoreWrite::Meta(CLAIM, hash)).await.unwrap();
    }

    /// Ends without a word, as kill -9 would.
    pub fn kill(self) {
        self.relay.endpoint().close(0_u32.into(), b"");
    }

    pub async fn connect(&self, key: &SecretKey) -> ControlClient {
        ControlClient::connect(self.address, self.key, key).await
    }
}

pub fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

pub fn key() -> SecretKey {
    SecretKey::generate(&mut OsRng)
}

pub fn session_id() -> SessionId {
    SessionId::random(&mut OsRng)
}

pub fn facts() -> DeviceFacts {
    DeviceFacts { hostname: PeerText::forged("till\u{1b}[2J-3"), os: "Linux".into() }
}

/// An organisation and what its first administrator does.
pub struct TestOrganisation {
    pub key: SecretKey,
    pub admin: SecretKey,
    pub admin_credential: Credential,
}

impl TestOrganisation {
    pub fn new() -> Self {
        let (key, admin) = (key(), self::key());
        let (signed, one_time) = invite_of(&key, Role::Admin, "Ada");
        let admin_credential = Credential::join(signed, &one_time, &admin.public(), now()).unwrap();
        Self { key, admin, admin_credential }
    }

    pub fn invite(&self, role: Role, name: &str) -> (Signed<Invite>, SecretKey) {
        invite_of(&self.key, role, name)
    }

    pub fn claim(&self) -> RelayRequest {
        RelayRequest::Claim {
            secret: OneTime::new(CLAIM_SECRET),
            organisation: self.key.public(),
            credential: self.admin_credential.clone(),
        }
    }

    /// A fresh relay of this organisation.
    pub async fn claimed(dir: &FilePath) -> (TestRelay, Self) {
        Self::claimed_with(dir, limits()).await
    }

    pub async fn claimed_with(dir: &FilePath, limits: ControlLimits) -> (TestRelay, Self) {
        Self::claim_of(TestRelay::start_with(dir, limits).await).await
    }

    /// Claims a fresh relay.
    pub async fn claim_of(relay: TestRelay) -> (TestRelay, Self) {
        relay.open_claim().await;
        let org = Self::new();
        let client = relay.connect(&org.admin).await;
        client.newcomer().await;
        assert!(matches!(client.ask(&org.claim()).await, RelayReply::Done));
        (relay, org)
    }

    /// Somebody who joined.
    pub async fn member(&self, relay: &TestRelay, role: Role, name: &str) -> TestMember {
        self.member_until(relay, role, name, now().after(Duration::from_secs(36_000))).await
    }

    /// Somebody who joined, for a while.
    pub async fn member_until(
        &self,
        relay: &TestRelay,
        role: Role,
        name: &str,
        valid_until: UnixMillis,
    ) -> TestMember {
        let own = key();
        let use_by = now().after(Duration::from_secs(3600));
        let (signed, one_time) = invite_until(&self.key, role, name, use_by, valid_until);
        let credential = Credential::join(signed, &one_time, &own.public(), now()).unwrap();
        let client = relay.connect(&own).await;
        client.newcomer().await;
        let facts = (role == Role::Device).then(facts);
        let reply = client.ask(&RelayRequest::Join { credential: credential.clone(), facts }).await;
        assert!(matches!(reply, RelayReply::Done), "{reply:?}");
        TestMember { key: own, credential, role }
    }

    pub fn first_admin(&self) -> TestMember {
        TestMember { key: self.admin.clone(), credential: self.admin_credential.clone(), role: Role::Admin }
    }
}

fn invite_of(org: &SecretKey, role: Role, name: &str) -> (Signed<Invite>, SecretKey) {
    let (soon, late) = (now().after(Duration::from_secs(3600)), now().after(Duration::from_secs(36_000)));
    invite_until(org, role, name, soon, late)
}

pub fn invite_until(
    org: &SecretKey,
    role: Role,
    name: &str,
    use_by: UnixMillis,
    valid_until: UnixMillis,
) -> (Signed<Invite>, SecretKey) {
    invite(org, &mut OsRng, |id, organisation, key| Invite {
        id,
        organisation,
        organisation_name: "Acme".into(),
        key,
        role,
        name: name.into(),
        issued: now(),
        use_by,
        valid_until,
    })
    .unwrap()
}

#[derive(Clone)]
pub struct TestMember {
    pub key: SecretKey,
    pub credential: Credential,
    pub role: Role,
}

impl TestMember {
    pub fn hello(&self) -> RelayRequest {
        let (program, credential) = (ProgramInfo::this(), self.credential.clone());
        RelayRequest::Hello(match self.role {
            Role::Device => RelayHello::Device { program, credential, facts: facts() },
            _ => RelayHello::Person { program, credential },
        })
    }

    pub fn technician_id(&self) -> nearhand_proto::id::TechnicianId {
        self.key.public().technician_id()
    }

    pub fn device_id(&self) -> DeviceId {
        self.key.public().device_id()
    }

    pub async fn online(&self, relay: &TestRelay) -> ControlClient {
        let client = relay.connect(&self.key).await;
        let reply = client.ask(&self.hello()).await;
        assert!(matches!(reply, RelayReply::Welcome(_)), "{reply:?}");
        client
    }
}

/// One control connection.
#[derive(Clone)]
pub struct ControlClient {
    pub endpoint: Endpoint,
    pub connection: Connection,
    /// Pushes that arrived, once [`ControlClient::listen`] was called.
    pub pushes: Arc<Mutex<Vec<RelayPush>>>,
}

impl ControlClient {
    pub async fn connect(address: SocketAddr, relay: PublicKey, key: &SecretKey) -> Self {
        Self::connect_from(IpAddr::from([127, 0, 0, 1]), address, relay, key).await
    }

    /// From one of the machine's own addresses: all of 127.0.0.0/8 are.
    pub async fn connect_from(from: IpAddr, address: SocketAddr, relay: PublicKey, key: &SecretKey) -> Self {
        let endpoint = Endpoint::client(SocketAddr::new(from, 0)).unwrap();
        let config = tls::client(
            key,
            ExpectedKey::Key(relay),
            ALPN,
            ConnectionPurpose::Control,
            Duration::from_secs(5),
        )
        .unwrap();
        let connection = endpoint.connect_with(config, address, tls::SERVER_NAME).unwrap().await.unwrap();
        Self { endpoint, connection, pushes: Arc::default() }
    }

    pub async fn ask(&self, request: &RelayRequest) -> RelayReply {
        let (mut send, mut recv) = self.connection.open_bi().await.unwrap();
        framed::write(&mut send, request, FRAME_LIMIT).await.unwrap();
        send.finish().unwrap();
        framed::read(&mut recv, FRAME_LIMIT).await.unwrap()
    }

    pub async fn refusal(&self, request: &RelayRequest) -> RelayRefusal {
        match self.ask(request).await {
            RelayReply::Refused(refusal) => refusal,
            other => panic!("{request:?} was answered {other:?}"),
        }
    }

    pub async fn newcomer(&self) -> RelayWelcome {
        match self.ask(&RelayRequest::Hello(RelayHello::Newcomer { program: ProgramInfo::this() })).await {
            RelayReply::Welcome(welcome) => welcome,
            other => panic!("{other:?}"),
        }
    }

    pub async fn open(
        &self,
        session: SessionId,
        target: SessionTarget,
    ) -> Result<OpenedSession, RelayRefusal> {
        match self.ask(&RelayRequest::Open { session, target }).await {
            RelayReply::Opened(opened) => Ok(opened),
            RelayReply::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// Answers all pushes the same way and remembers them.
    pub fn listen(&self, answer: RelayPushReply) {
        let (connection, pushes) = (self.connection.clone(), self.pushes.clone());
        tokio::spawn(async move {
            while let Ok((mut send, mut recv)) = connection.accept_bi().await {
                let push: RelayPush = framed::read(&mut recv, FRAME_LIMIT).await.unwrap();
                pushes.lock().unwrap().push(push);
                let _ = framed::write(&mut send, &answer, FRAME_LIMIT).await;
                let _ = send.finish();
            }
        });
    }

    /// Waits for a push that fits.
    pub async fn push<T>(&self, fits: impl Fn(&RelayPush) -> Option<T>) -> T {
        eventually(|| self.pushes.lock().unwrap().iter().find_map(&fits)).await
    }

    /// Waits until the relay closed the connection.
    pub async fn closed(&self) -> Option<CloseCode> {
        match tokio::time::timeout(Duration::from_secs(8), self.connection.closed()).await {
            Ok(ConnectionError::ApplicationClosed(frame)) => {
                CloseCode::from_number(frame.error_code.into_inner())
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until something is there, for 8 s at most.
pub async fn eventually<T>(mut there: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(8), "it did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
