//! What the parts of the control plane share: connected peers, the cores' state, and the plane itself.
//!
//! The parts add methods to [`ControlPlane`], each in its file. Must not live here: what becomes of a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use nearhand_proto::forward::RateLimits;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::{CloseCode, RelayRefusal};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::admission::{Admission, AdmissionRules};
use nearhand_relay_core::alarm::absence::{Absence, SilenceLimits};
use nearhand_relay_core::alarm::damping::DampingLimit;
use nearhand_relay_core::alarm::duplicates::DuplicateWatch;
use nearhand_relay_core::caller::{Caller, PeerId};
use nearhand_relay_core::handshakes::HandshakeQueue;
use nearhand_relay_core::network::SourceNetwork;
use nearhand_relay_core::registry::Registry;
use nearhand_relay_core::registry::limits::{BucketRate, RateBucket};
use quinn::{Connection, VarInt};
use tokio::task::AbortHandle;

use super::absence::AbsenceStore;
use super::inflow::RequestInflow;
use super::refusals::RefusalLog;
use crate::metrics::RelayMetrics;
use crate::path::ForwardingPath;
use crate::store::{SeenPeer, Store, StoreError, StoreWrite, StoredState};

/// The database's name for the hash of the newest claim secret.
pub const CLAIM: &str = "claim";
/// Newcomers at once; they claim or join and are gone. One network has a quarter of it, and what surrounds it half.
const MAX_NEWCOMERS: usize = 256;
/// Requests of one connection: a client that lists a whole fleet stays well below.
const REQUESTS: BucketRate = BucketRate { burst: 100, every_ms: 50 };

/// What the operator set for the control plane.
#[derive(Clone, Debug)]
pub struct ControlLimits {
    /// Who may be let in.
    pub rules: AdmissionRules,
    /// Most guests connected at once.
    pub max_guests: usize,
    /// Most running sessions.
    pub max_sessions: usize,
    /// Most connections that have not been welcomed yet.
    pub max_handshakes_pending: usize,
    /// What one side of a session may send.
    pub rate: RateLimits,
    /// Days for which ended sessions are kept.
    pub session_days: u32,
    /// Days for which alarms are kept that are over.
    pub alarm_days: u32,
    /// When silence is an alarm.
    pub patience: SilenceLimits,
    /// When an alarm comes and goes too often to be told each time.
    pub damping: DampingLimit,
}

/// One connected peer.
pub(crate) struct ConnectedPeer {
    pub(super) connection: Connection,
    pub(super) key: PublicKey,
    pub(super) caller: Caller,
    /// Where it came from. It may move; what is counted stays counted there.
    pub(super) network: SourceNetwork,
    requests: Mutex<RateBucket>,
}

impl ConnectedPeer {
    pub(super) fn new(connection: Connection, key: PublicKey, caller: Caller) -> Self {
        let requests = Mutex::new(RateBucket::full(REQUESTS, Instant::now()));
        let network = SourceNetwork::from(connection.remote_address().ip());
        Self { connection, key, caller, network, requests }
    }

    /// Who it is; `None` for newcomers.
    pub(super) fn id(&self) -> Option<PeerId> {
        PeerId::of(&self.caller, &self.key)
    }

    pub(super) fn actor(&self) -> String {
        self.caller.actor(&self.key)
    }

    pub(super) fn close(&self, code: CloseCode) {
        close(&self.connection, code);
    }

    /// Counts a request.
    pub(super) fn count_request(&self) -> Result<(), RelayRefusal> {
        let mut bucket = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(REQUESTS, Instant::now()).map_err(|seconds| RelayRefusal::TooMany { seconds })
    }
}

/// What all tasks share.
pub(crate) struct ControlState {
    pub(crate) admission: Admission,
    pub(crate) registry: Registry<Arc<ConnectedPeer>>,
}

/// The control plane.
pub struct ControlPlane {
    pub(super) store: Store,
    pub(super) path: Arc<dyn ForwardingPath>,
    pub(super) metrics: Arc<RelayMetrics>,
    pub(super) limits: ControlLimits,
    pub(super) key: PublicKey,
    pub(super) state: Mutex<ControlState>,
    pub(super) handshakes: Mutex<HandshakeQueue<AbortHandle>>,
    pub(super) newcomers: Mutex<HandshakeQueue<Connection>>,
    pub(super) inflow: RequestInflow,
    pub(super) watch: AbsenceStore,
    pub(super) duplicates: Mutex<DuplicateWatch>,
    /// Waits for the next flush to the store.
    pub(super) seen: Mutex<Vec<SeenPeer>>,
    /// Ends of sessions that could not be stored yet.
    pub(super) unsaved: Mutex<Vec<StoreWrite>>,
    pub(super) quiet: RefusalLog,
    pub(super) stopping: AtomicBool,
}

impl ControlPlane {
    /// With what was stored. Sessions that were running get their paths back.
    pub fn new(
        store: Store,
        path: Arc<dyn ForwardingPath>,
        metrics: Arc<RelayMetrics>,
        limits: ControlLimits,
        key: PublicKey,
        stored: StoredState,
    ) -> Arc<Self> {
        let now = Instant::now();
        let state = ControlState {
            admission: Admission::new(limits.rules, stored.loaded, now),
            registry: Registry::new(limits.max_guests, limits.max_sessions, now),
        };
        let (remembered, outages) = stored.watched;
        let duplicates = DuplicateWatch::new(stored.duplicates, now_unix());
        let absence = Absence::new(limits.patience, remembered, outages, now_unix());
        let control = Self {
            store,
            path,
            metrics,
            key,
            state: Mutex::new(state),
            handshakes: Mutex::new(HandshakeQueue::new(limits.max_handshakes_pending)),
            newcomers: Mutex::new(HandshakeQueue::new(MAX_NEWCOMERS)),
            inflow: RequestInflow::default(),
            watch: AbsenceStore::new(absence),
            duplicates: Mutex::new(duplicates),
            seen: Mutex::new(Vec::new()),
            unsaved: Mutex::new(Vec::new()),
            quiet: RefusalLog::new(now),
            stopping: AtomicBool::new(false),
            limits,
        };
        control.restore(stored.running, now);
        Arc::new(control)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, ControlState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn handshakes(&self) -> MutexGuard<'_, HandshakeQueue<AbortHandle>> {
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn newcomers(&self) -> MutexGuard<'_, HandshakeQueue<Connection>> {
        self.newcomers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn duplicates(&self) -> MutexGuard<'_, DuplicateWatch> {
        self.duplicates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Notes for the next flush who was here.
    pub(super) fn note_seen(&self, seen: SeenPeer) {
        if !matches!(seen.peer, PeerId::Guest(_)) {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        }
    }

    /// The database of this control plane.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The forwarding path.
    pub fn path(&self) -> &dyn ForwardingPath {
        &*self.path
    }

    /// Counters for the metrics page.
    pub fn metrics(&self) -> &RelayMetrics {
        &self.metrics
    }

    /// What is here now, for the gauges.
    pub fn census(&self) -> ControlCensus {
        let pending = self.handshakes().len();
        let state = self.state();
        ControlCensus {
            online: state.registry.online(),
            pending,
            sessions: state.registry.sessions.len(),
            codes: state.registry.routing.len(),
            devices: state.admission.devices(),
            claimed: state.admission.organisation().is_some(),
        }
    }
}

/// Who and what is here at one moment.
#[derive(Debug, Clone)]
pub struct ControlCensus {
    /// Connected peers by kind.
    pub online: [(&'static str, usize); 3],
    /// Connections not welcomed yet.
    pub pending: usize,
    /// Sessions that run now.
    pub sessions: usize,
    /// Routing digits in use.
    pub codes: usize,
    /// Devices that are enrolled.
    pub devices: usize,
    /// Whether the relay has an organisation.
    pub claimed: bool,
}

pub(super) fn now_unix() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

pub(super) fn close(connection: &Connection, code: CloseCode) {
    connection.close(VarInt::from_u32(code.number()), &[]);
}

/// What a caller is told when the store fails; the store itself has logged it.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
pub(super) fn storage(error: StoreError) -> RelayRefusal {
    tracing::debug!(error = %error.in_full(), "a request could not be stored");
    RelayRefusal::Storage
}
