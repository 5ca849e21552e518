//! A whole relay: everything wired together, from start to graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::control::ALPN;
use nearhand_relay_core::alarm::damping::DampingLimit;
use nearhand_transport::tls::{self, ConnectionPurpose, TlsConfigError};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{Endpoint, EndpointConfig, ServerConfig};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};
use zeroize::Zeroizing;

use crate::control::{ControlLimits, ControlPlane};
use crate::data::derived;
use crate::forward::{self, Forwarder};
use crate::http::{self, AllowedHosts};
use crate::metrics::RelayMetrics;
use crate::notify::sender::ReceiverSender;
use crate::notify::worker;
use crate::path::ForwardingPath;
use crate::platform;
use crate::store::{Database, Store, StoreError};

/// Why a relay can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database can't be opened.
    #[error("the database can't be opened")]
    Store(#[from] StoreError),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// A port can't be opened.
    #[error("can't listen on {0}: is another program using it?")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// At least between two stateless resets. After a restart each peer needs one to come back before its idle timeout, so a
/// library's usual 50 a second would leave most of a fleet of thousands waiting; this is a little faster than two processors
/// take them again (some 300 a second: BENCHMARKS.md, scale). A reset is shorter than the packet that it answers.
const RESETS_EVERY: Duration = Duration::from_millis(2);

/// How often memory is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(30);
/// Below this many resident bytes there is nothing worth giving back.
const MEMORY_FLOOR: u64 = 32 << 20;

/// After a burst, gives back to the system what nobody uses any more: when memory has neither grown nor been given back
/// since the last look.
async fn give_memory_back() {
    let mut looks = tokio::time::interval(MEMORY_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut last, mut settled) = (0, 0);
    loop {
        looks.tick().await;
        let Some(now) = platform::resident_bytes() else { return };
        if now > MEMORY_FLOOR && now <= last && now != settled {
            platform::give_memory_back();
            settled = platform::resident_bytes().unwrap_or(now);
        }
        last = now;
    }
}

/// A running relay.
pub struct RunningRelay {
    control: Arc<ControlPlane>,
    endpoint: Endpoint,
    tasks: Vec<JoinHandle<()>>,
    /// Without these nobody is served: they end only with the relay.
    essential: [AbortHandle; 2],
    /// One for each receiver of notices.
    workers: Vec<JoinHandle<()>>,
    allowed_hosts: AllowedHosts,
}

/// The control endpoint's settings: stateless resets are the same after a restart, so that peers of before
/// learn at once that their connection is gone.
pub fn endpoint_config(key: &SecretKey) -> EndpointConfig {
    let mut config = tls::endpoint();
    config.reset_key(Arc::new(ResetKey(derived(key, "stateless reset"))));
    config.min_reset_interval(RESETS_EVERY);
    config
}

/// HMAC-SHA256 as quinn wants it.
struct ResetKey(Zeroizing<[u8; 32]>);

impl ResetKey {
    fn mac(&self, data: &[u8]) -> Hmac<Sha256> {
        // The type-checked way to make one from a key of the block's length; 32 bytes are padded by zeros.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block.iter_mut().zip(self.0.iter()).for_each(|(to, from)| *to = *from);
        Hmac::<Sha256>::new(&block).chain_update(data)
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let tag = self.mac(data).finalize().into_bytes();
        signature_out.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.mac(data).verify_slice(signature).map_err(|_| CryptoError)
    }
}

/// Takes the UDP port, which forwarding and the control endpoint share.
///
/// # Errors
/// [`ServeError::Listen`]: the port can't be taken, as when another program uses it. [`ServeError::Tls`]: TLS
/// can't be set up.
pub fn open_port(
    address: SocketAddr,
    key: &SecretKey,
    limits: &ControlLimits,
) -> Result<(Arc<Forwarder>, Endpoint), ServeError> {
    let failed = |e| ServeError::Listen(address, e);
    let mut config = forward::ForwarderConfig::new(*derived(key, "connection ids"));
    config.max_sessions = limits.max_sessions;
    let (forwarder, socket) = Forwarder::start(address, &config).map_err(failed)?;
    let endpoint = Endpoint::new_with_abstract_socket(
        socket.endpoint_config(endpoint_config(key)),
        Some(server_config(key, limits)?),
        socket,
        Arc::new(quinn::TokioRuntime),
    )
    .map_err(failed)?;
    Ok((Arc::new(forwarder), endpoint))
}

/// The control endpoint's TLS and limits.
///
/// # Errors
/// [`TlsConfigError`]: no TLS configuration can be made with this key.
pub fn server_config(key: &SecretKey, limits: &ControlLimits) -> Result<ServerConfig, TlsConfigError> {
    let mut config = tls::server(key, ALPN, ConnectionPurpose::Control)?;
    config.max_incoming(limits.max_handshakes_pending);
    Ok(config)
}

impl RunningRelay {
    /// Starts the control plane on an endpoint.
    ///
    /// # Errors
    /// [`ServeError`]: the database can't be opened, or what it holds can't be read.
    pub async fn start(
        key: SecretKey,
        database: &Database,
        limits: ControlLimits,
        endpoint: Endpoint,
        path: Arc<dyn ForwardingPath>,
    ) -> Result<Self, ServeError> {
        Self::start_notifying(key, database, limits, endpoint, path, Vec::new()).await
    }

    /// As [`RunningRelay::start`], with receivers of notices.
    ///
    /// # Errors
    /// [`ServeError`]: the database can't be opened, or what it holds can't be read.
    pub async fn start_notifying(
        key: SecretKey,
        database: &Database,
        limits: ControlLimits,
        endpoint: Endpoint,
        path: Arc<dyn ForwardingPath>,
        senders: Vec<ReceiverSender>,
    ) -> Result<Self, ServeError> {
        let public = key.public();
        let store = Store::open(database, key).await?;
        // Before the first alarm can come in.
        store.set_damping(limits.damping);
        store.set_outlets(senders.iter().map(ReceiverSender::outlet).collect());
        let stored = store.reader().everything().await?;
        let metrics = Arc::new(RelayMetrics::default());
        let workers = worker::start(&store, senders, metrics.deliveries());
        let control = ControlPlane::new(store, path, metrics, limits, public, stored);
        let accept = tokio::spawn({
            let (control, endpoint) = (Arc::clone(&control), endpoint.clone());
            async move { control.accept(&endpoint).await }
        });
        let house = tokio::spawn(Arc::clone(&control).keep_house());
        let essential = [accept.abort_handle(), house.abort_handle()];
        let memory = tokio::spawn(give_memory_back());
        Ok(Self {
            control,
            endpoint,
            tasks: vec![accept, house, memory],
            essential,
            workers,
            allowed_hosts: AllowedHosts::default(),
        })
    }

    /// Replaces the receivers of notices. What waits for one that stays goes to it as it is now; what was under way is
    /// sent again with the same id.
    pub async fn set_receivers(&mut self, senders: Vec<ReceiverSender>) {
        for worker in self.workers.drain(..) {
            worker.abort();
            let _ = worker.await;
        }
        let store = self.control.store();
        store.set_outlets(senders.iter().map(ReceiverSender::outlet).collect());
        self.workers = worker::start(store, senders, self.control.metrics().deliveries());
    }

    /// How many changes of one alarm receivers hear of within ten minutes, from the next one on.
    pub fn set_damping(&self, limit: DampingLimit) {
        self.control.store().set_damping(limit);
    }

    /// The names by which metrics may be asked, besides addresses; counts for what is served from now on.
    pub fn allow_hosts(&mut self, names: Vec<String>) {
        self.allowed_hosts = Arc::new(names);
    }

    /// Serves metrics and health. Returns the address, for a port that the system chose.
    ///
    /// # Errors
    /// [`ServeError::Listen`]: the address can't be listened on, as when another program uses it.
    pub async fn serve_http(&mut self, address: SocketAddr) -> Result<SocketAddr, ServeError> {
        let router = http::router(Arc::clone(&self.control), Arc::clone(&self.allowed_hosts));
        self.serve(address, router, "metrics").await
    }

    /// Serves the HTTP interface for programs. Returns the address, for a port that the system chose.
    ///
    /// # Errors
    /// [`ServeError::Listen`]: the address can't be listened on, as when another program uses it.
    pub async fn serve_api(&mut self, address: SocketAddr) -> Result<SocketAddr, ServeError> {
        let router = http::api_router(Arc::clone(&self.control));
        self.serve(address, router, "the HTTP interface").await
    }

    async fn serve(
        &mut self,
        address: SocketAddr,
        router: axum::Router,
        what: &'static str,
    ) -> Result<SocketAddr, ServeError> {
        let failed = |e| ServeError::Listen(address, e);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, what, "no longer served");
            }
        }));
        Ok(bound)
    }

    /// Whether connections are still taken. It doesn't return while a lock of the control plane or of the forwarding path is
    /// held for good. The database is not asked: a restart doesn't bring it back, and sessions go on without it.
    pub fn is_serving(&self) -> bool {
        self.control.census();
        self.control.path().totals();
        !self.essential.iter().any(AbortHandle::is_finished)
    }

    /// The control plane.
    pub fn control(&self) -> &Arc<ControlPlane> {
        &self.control
    }

    /// The control endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Says goodbye, closes connections and the database. Sessions are forwarded until this returns.
    pub async fn stop(self) {
        let Self { control, endpoint, tasks, workers, .. } = self;
        control.stop(&endpoint).await;
        for task in tasks.into_iter().chain(workers) {
            task.abort();
            let _ = task.await;
        }
        // The endpoint's driver ends once it is gone, and must do so before the socket it reads from.
        drop(endpoint);
        control.store().clone().close().await;
    }
}
