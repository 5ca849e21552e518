//! The control plane's driver: connections in, requests to the cores and the store, replies and pushes out.
//!
//! Each connection is one small task that waits for streams; each request is a task of its own for as long
//! as it takes, so that an idle agent costs little more than quinn's own state. Must not live here: decisions
//! (see `admission` and `registry`) and SQL.

mod accept;
mod alarms;
mod audit;
mod connection;
pub mod help;
mod housekeeping;
mod lists;
mod membership;
mod push;
mod requests;
mod sessions;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use nearhand_proto::forward::RateLimits;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::{CloseCode, RelayRefusal};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::admission::{Admission, Rules};
use nearhand_relay_core::alarm::absence::Absence;
use nearhand_relay_core::caller::{Caller, PeerId};
use nearhand_relay_core::handshakes::Doors;
use nearhand_relay_core::registry::Registry;
use nearhand_relay_core::registry::limits::{Bucket, Pace};
use quinn::{Connection, VarInt};
use tokio::task::AbortHandle;

use crate::metrics::Metrics;
use crate::path::Path;
use crate::store::{Seen, Store, StoreError, Stored, Write};
pub use membership::CLAIM;
pub use nearhand_relay_core::alarm::absence::Patience;

/// Requests of one connection: a client that lists a whole fleet stays well below.
const REQUESTS: Pace = Pace { burst: 100, every_ms: 50 };

/// What the operator set for the control plane.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Who may be let in.
    pub rules: Rules,
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
    pub patience: Patience,
}

/// One connected peer.
pub(crate) struct Peer {
    connection: Connection,
    key: PublicKey,
    caller: Caller,
    requests: Mutex<Bucket>,
}

impl Peer {
    fn new(connection: Connection, key: PublicKey, caller: Caller) -> Self {
        let requests = Mutex::new(Bucket::full(REQUESTS, Instant::now()));
        Self { connection, key, caller, requests }
    }

    /// Who it is; `None` for newcomers.
    fn id(&self) -> Option<PeerId> {
        PeerId::of(&self.caller, &self.key)
    }

    fn actor(&self) -> String {
        self.caller.actor(&self.key)
    }

    fn close(&self, code: CloseCode) {
        close(&self.connection, code);
    }

    /// Counts a request.
    fn count_request(&self) -> Result<(), RelayRefusal> {
        let mut bucket = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(REQUESTS, Instant::now()).map_err(|seconds| RelayRefusal::TooMany { seconds })
    }
}

/// What all tasks share.
pub(crate) struct State {
    pub(crate) admission: Admission,
    pub(crate) registry: Registry<Arc<Peer>>,
}

/// The control plane.
pub struct Control {
    store: Store,
    path: Arc<dyn Path>,
    metrics: Arc<Metrics>,
    limits: Limits,
    key: PublicKey,
    state: Mutex<State>,
    doors: Mutex<Doors<AbortHandle>>,
    newcomers: tokio::sync::Semaphore,
    watch: alarms::Watch,
    /// Waits for the next flush to the store.
    seen: Mutex<Vec<Seen>>,
    /// Ends of sessions that could not be stored yet.
    unsaved: Mutex<Vec<Write>>,
    quiet: audit::Quiet,
    stopping: AtomicBool,
}

impl Control {
    /// With what was stored. Sessions that were running get their paths back.
    pub fn new(
        store: Store,
        path: Arc<dyn Path>,
        metrics: Arc<Metrics>,
        limits: Limits,
        key: PublicKey,
        stored: Stored,
    ) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            admission: Admission::new(limits.rules, stored.loaded, now),
            registry: Registry::new(limits.max_guests, limits.max_sessions, now),
        };
        let (remembered, outages) = stored.watched;
        let absence = Absence::new(limits.patience, remembered, outages, now_unix());
        let control = Self {
            store,
            path,
            metrics,
            key,
            state: Mutex::new(state),
            doors: Mutex::new(Doors::new(limits.max_handshakes_pending)),
            newcomers: tokio::sync::Semaphore::new(connection::MAX_NEWCOMERS),
            watch: alarms::Watch::new(absence),
            seen: Mutex::new(Vec::new()),
            unsaved: Mutex::new(Vec::new()),
            quiet: audit::Quiet::new(now),
            stopping: AtomicBool::new(false),
            limits,
        };
        control.restore(stored.running, now);
        Arc::new(control)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doors(&self) -> MutexGuard<'_, Doors<AbortHandle>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Notes for the next flush who was here.
    fn note_seen(&self, seen: Seen) {
        if !matches!(seen.peer, PeerId::Guest(_)) {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The forwarding path.
    pub fn path(&self) -> &dyn Path {
        &*self.path
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is here now, for the gauges.
    pub fn census(&self) -> Census {
        let pending = self.doors().len();
        let state = self.state();
        Census {
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
pub struct Census {
    /// Connected peers by kind.
    pub online: [(&'static str, usize); 3],
    /// Connections not welcomed yet.
    pub pending: usize,
    /// Running sessions.
    pub sessions: usize,
    /// Routing digits in use.
    pub codes: usize,
    /// Enrolled devices.
    pub devices: usize,
    /// Whether the relay has an organisation.
    pub claimed: bool,
}

fn now_unix() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

fn close(connection: &Connection, code: CloseCode) {
    connection.close(VarInt::from_u32(code.number()), &[]);
}

/// What a caller is told when the store fails; the store itself has logged it.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn storage(error: StoreError) -> RelayRefusal {
    tracing::debug!(error = %error.in_full(), "a request could not be stored");
    RelayRefusal::Storage
}
