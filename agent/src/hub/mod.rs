//! What all tasks of the agent share: consent, the support code, sessions, revocations, the audit log, and who
//! watches. Each change goes through here: it is decided by a core, audited, and told to those it concerns.
//!
//! Lives here: the state behind one lock, held for moments and never across an await; telling the local
//! programs. Must not live here: sockets, streams and how anything is shown.

mod chats;
mod codes;
mod deeds;
mod help;
mod pauses;
mod pictures;
mod presence;
mod sessions;
mod windows;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nearhand_proto::audit::{Event as AuditEvent, Head};
use nearhand_proto::credential::{
    Credential, CredentialError, Retirement, RevocationList, Revocations, Verified,
};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::{DeviceId, SessionId, TechnicianId};
use nearhand_proto::identity::{SecretKey, Signed};
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::message::local::{Act, Event, Said, Status};
use nearhand_proto::message::session::{Ended, Refusal};
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use nearhand_transport::control::RelayConnection;
use tokio::sync::{Notify, broadcast, watch};

use crate::alarm::handle::Alarms;
use crate::audit::AuditLog;
use crate::home::{Enrolment, Home, HomeError};
use crate::runbook::Runbooks;
use deeds::Kept;
use help::Asked;
use nearhand_agent_core::code::CodeKeeper;
use nearhand_agent_core::consent::{Change, Consent};
use nearhand_desktop::protocol::OpenWindow;
pub(crate) use pauses::Pause;
use presence::{Told, Watchers};
pub(crate) use presence::{Viewer, Watcher};
pub(crate) use sessions::{Live, Technician, ToSession};
pub(crate) use windows::in_words;

/// What this build can do for a technician on any device.
pub(crate) const ALWAYS_OFFERED: Capabilities =
    Capabilities::NONE.with(Capability::Diagnostics).with(Capability::Runbook);
/// What it can do on one with a screen.
pub(crate) const DESKTOP_OFFERS: Capabilities = ALWAYS_OFFERED
    .with(Capability::View)
    .with(Capability::Control)
    .with(Capability::Clipboard)
    .with(Capability::Window)
    .with(Capability::Screenshot);
/// Sessions at the same time.
pub(crate) const MAX_SESSIONS: usize = 8;
/// Events that a slow watcher may lag behind before it is told to look at the status again.
const EVENTS: usize = 256;
/// A clock this far from the relay's is not trusted for validity, and nothing is granted unattended.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// The agent's shared state.
pub(crate) struct Hub {
    pub(crate) home: Home,
    pub(crate) facts: DeviceFacts,
    state: Mutex<State>,
    events: broadcast::Sender<Told>,
    /// One look at what a person can mend themselves at a time.
    pub(crate) looking: tokio::sync::Semaphore,
    /// The core's timers have changed.
    wake: Notify,
    relay: watch::Sender<Option<RelayConnection>>,
    stop: watch::Sender<bool>,
    /// The relay connection is to be made anew (the key was rotated).
    pub(crate) redial: Notify,
    /// The alarms, on an enrolled device, once they run.
    pub(crate) alarms: OnceLock<Arc<Alarms>>,
    /// Repairs, and the record of them.
    pub(crate) runbooks: Arc<Runbooks>,
}

struct State {
    key: SecretKey,
    enrolment: Enrolment,
    revocations: Revocations,
    consent: Consent,
    codes: CodeKeeper,
    /// The code was shown before the relay connection was made: its digits are wanted again.
    sessions: BTreeMap<SessionId, Live>,
    /// Sessions whose technician isn't known yet, with the way to hand them a new offer.
    arriving: BTreeMap<SessionId, tokio::sync::mpsc::Sender<ToSession>>,
    known: BTreeSet<TechnicianId>,
    audit: AuditLog,
    /// What a person was last shown to choose a window from.
    windows: Vec<OpenWindow>,
    watchers: Watchers,
    /// Sessions that are over, the oldest first.
    ended: VecDeque<Kept>,
    /// Who made the code that is shown.
    code_of: Option<u32>,
    help: Asked,
    problem: Option<String>,
    /// The relay's clock minus ours, in milliseconds, as of the last welcome.
    clock_offset: i128,
}

/// Nothing may happen that can't be written down.
#[derive(Debug, thiserror::Error)]
#[error("the audit log can't be written: {0}")]
pub(crate) struct AuditError(#[from] std::io::Error);

impl Hub {
    /// Reads the agent's home and makes the shared state.
    pub(crate) fn open(home: Home, enrolment: Enrolment, facts: DeviceFacts) -> Result<Arc<Self>, HomeError> {
        home.mend_rotation(&enrolment)?;
        let key = home.key()?;
        let path = home.audit_log();
        let audit = AuditLog::open(&home, &key).map_err(|source| HomeError::Io { path, source })?;
        let state = State {
            key,
            enrolment,
            revocations: home.revocations()?,
            consent: Consent::default(),
            codes: CodeKeeper::default(),
            sessions: BTreeMap::new(),
            arriving: BTreeMap::new(),
            known: home.known_technicians()?,
            audit,
            windows: Vec::new(),
            watchers: Watchers::default(),
            ended: VecDeque::new(),
            code_of: None,
            help: Asked::kept(home.wish()),
            problem: Some("not connected yet".to_owned()),
            clock_offset: 0,
        };
        let runbooks = Arc::new(Runbooks::open(&home));
        Ok(Arc::new(Self {
            runbooks,
            home,
            facts,
            state: Mutex::new(state),
            events: broadcast::channel(EVENTS).0,
            looking: tokio::sync::Semaphore::new(1),
            wake: Notify::new(),
            relay: watch::channel(None).0,
            stop: watch::channel(false).0,
            redial: Notify::new(),
            alarms: OnceLock::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who watches.
    fn tell(&self, event: Event) {
        self.tell_to(None, event);
    }

    /// Tells who watches for that person; `None` for everybody.
    fn tell_to(&self, person: Option<u32>, event: Event) {
        // No watcher is no error.
        let _ = self.events.send(Told { person, event });
    }

    /// The device's key.
    pub(crate) fn key(&self) -> SecretKey {
        self.state().key.clone()
    }

    /// This device's id.
    pub(crate) fn device(&self) -> DeviceId {
        let state = self.state();
        state.enrolment.device().unwrap_or_else(|| state.key.public().device_id())
    }

    pub(crate) fn enrolment(&self) -> Enrolment {
        self.state().enrolment.clone()
    }

    /// The key was rotated: everything from now on is under the new one; sessions under the old one end.
    pub(crate) fn rotated(&self, enrolment: Enrolment) -> Result<(), HomeError> {
        self.home.switch_key(&enrolment)?;
        let key = self.home.key()?;
        let mut state = self.state();
        state.key = key;
        state.enrolment = enrolment;
        drop(state);
        self.end_all(Ended::AgentStopping, Some(&Said::KeyRotated));
        self.redial.notify_one();
        Ok(())
    }

    /// Our wall clock.
    pub(crate) fn now() -> UnixMillis {
        UnixMillis::from_system(SystemTime::now())
    }

    /// The time by which credentials are judged: ours, unless it is so far off that it can't be.
    pub(crate) fn judging_time(&self) -> UnixMillis {
        let state = self.state();
        if !state.clock_is_suspect() {
            return Self::now();
        }
        let ms = i128::from(Self::now().0) + state.clock_offset;
        UnixMillis(u64::try_from(ms.max(0)).unwrap_or(u64::MAX))
    }

    /// Who a credential is, if the organisation still vouches for it.
    pub(crate) fn verify(&self, credential: &Credential) -> Result<Verified, CredentialError> {
        let now = self.judging_time();
        let state = self.state();
        let who = credential.verify(&state.enrolment.organisation, now)?;
        state.revocations.check(&who)?;
        Ok(who)
    }

    /// Writes down what happened.
    pub(crate) fn audit(
        &self,
        actor: &str,
        action: &str,
        session: Option<SessionId>,
        detail: String,
    ) -> Result<(), AuditError> {
        self.state().audit(actor, action, session, detail).inspect_err(|error| {
            tracing::error!(%error, action, "audit log");
            self.tell(Event::told(Said::NoRoom { why: error.to_string() }));
        })
    }

    /// Witness of the audit log so far.
    pub(crate) fn audit_head(&self) -> Signed<Head> {
        self.state().audit.head()
    }

    /// The relay is connected.
    pub(crate) fn relay_up(&self, connection: RelayConnection, relay_now: UnixMillis) {
        let mut state = self.state();
        state.problem = None;
        state.clock_offset = i128::from(relay_now.0) - i128::from(Self::now().0);
        let suspect = state.clock_is_suspect();
        drop(state);
        self.relay.send_replace(Some(connection));
        self.tell(Event::Relay { connected: true, problem: None });
        if suspect {
            self.tell(Event::told(Said::ClockOff));
        }
    }

    /// How many milliseconds our clock is ahead of the relay's, as of the last welcome.
    pub(crate) fn clock_ahead_ms(&self) -> i64 {
        i64::try_from(-self.state().clock_offset).unwrap_or(0)
    }

    /// The relay is not connected.
    pub(crate) fn relay_down(&self, problem: String) {
        self.relay.send_replace(None);
        let mut state = self.state();
        if state.problem.as_ref() != Some(&problem) {
            state.problem = Some(problem.clone());
            drop(state);
            self.tell(Event::Relay { connected: false, problem: Some(problem) });
        }
    }

    /// The connection to the relay, if there is one.
    pub(crate) fn relay(&self) -> Option<RelayConnection> {
        self.relay.borrow().clone()
    }

    /// Follows the connection to the relay.
    pub(crate) fn watch_relay(&self) -> watch::Receiver<Option<RelayConnection>> {
        self.relay.subscribe()
    }

    /// Takes in what is withdrawn; sessions of whom it hits end at once.
    pub(crate) fn take_revocations(
        &self,
        list: Option<&Signed<RevocationList>>,
        retirements: &[Signed<Retirement>],
    ) -> Result<(), HomeError> {
        let mut state = self.state();
        let organisation = state.enrolment.organisation;
        let mut news = false;
        let mut take = |outcome: Result<bool, CredentialError>| match outcome {
            Ok(new) => news |= new,
            Err(error) => tracing::warn!(%error, "the relay passed on a revocation that does not count"),
        };
        if let Some(list) = list {
            take(state.revocations.apply(list, &organisation));
        }
        for retirement in retirements {
            take(state.revocations.retire(retirement));
        }
        if !news {
            return Ok(());
        }
        let hit: Vec<_> = state
            .sessions
            .iter()
            .filter(|(_, live)| state.revocations.check(&live.technician.verified).is_err())
            .map(|(id, _)| *id)
            .collect();
        let saved = self.home.save_revocations(&state.revocations);
        drop(state);
        for session in hit {
            self.end_session(session, Ended::Revoked, None);
        }
        saved
    }

    /// Whether somebody at the device is told what happens.
    pub(crate) fn is_attended(&self) -> bool {
        self.state().watchers.sees(None)
    }

    /// Something that everybody at the device should know.
    pub(crate) fn notice(&self, said: Said) {
        self.tell(Event::told(said));
    }

    /// How things stand, as far as that person may know.
    pub(crate) fn status(&self, viewer: Viewer) -> Status {
        let now = Instant::now();
        let state = self.state();
        let label = state.enrolment.credential.as_ref().and_then(|c| c.invite.peek().ok()).map(|i| i.name);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: text::one_line(&label.unwrap_or_else(|| self.facts.hostname.clone()), 64),
            organisation: text::one_line(&state.enrolment.organisation_name, 64),
            relay: state.enrolment.relay.to_string(),
            connected: state.problem.is_none(),
            problem: state.problem.clone(),
            code: state.code(now).filter(|_| viewer.sees(state.code_of)),
            requests: state.requests(now, viewer),
            sessions: state
                .sessions
                .iter()
                .filter(|(_, live)| viewer.sees(live.person))
                .map(|(id, live)| state.session(now, *id, live))
                .collect(),
        }
    }

    /// Carries out what time brings; ends when the agent stops.
    pub(crate) async fn run_timers(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        loop {
            let next = self.state().next_timeout();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.handle_timeout(Instant::now()),
                () = self.wake.notified() => {}
                _ = stop.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    fn handle_timeout(&self, now: Instant) {
        let mut state = self.state();
        let code_gone = state.codes.handle_timeout(now);
        let changes = state.consent.handle_timeout(now);
        let unseen = state.unseen_too_long(now);
        drop(state);
        if code_gone {
            self.code_gone(Said::CodeExpired);
        }
        for change in changes {
            match change {
                Change::TimedOut { request, decided } => self.settled(request, &decided, "nobody answered"),
                Change::Expired { session, capabilities } => {
                    self.grants_changed(session, Act::Expired(capabilities));
                }
                Change::Idle { session } => {
                    self.end_session(session, Ended::Idle, None);
                }
            }
        }
        for session in unseen {
            self.end_session(session, Ended::Stopped, Some(Said::Unwatched));
        }
    }

    /// The agent stops: sessions end, tasks return.
    pub(crate) fn stop(&self) {
        self.end_all(Ended::AgentStopping, None);
        self.stop.send_replace(true);
    }

    /// Waits until the agent stops.
    pub(crate) async fn stopped(&self) {
        // An error means that the hub is gone, which is the same.
        let _ = self.stop.subscribe().wait_for(|stopping| *stopping).await;
    }

    fn wake(&self) {
        self.wake.notify_one();
    }
}

impl State {
    fn clock_is_suspect(&self) -> bool {
        self.clock_offset.unsigned_abs() > CLOCK_TOLERANCE.as_millis()
    }

    fn audit(
        &mut self,
        actor: &str,
        action: &str,
        session: Option<SessionId>,
        detail: String,
    ) -> Result<(), AuditError> {
        tracing::info!(actor, action, session = session.map(|s| s.to_string()), detail);
        let event = AuditEvent { actor: actor.to_owned(), action: action.to_owned(), session, detail };
        Ok(self.audit.append(Hub::now(), event, &self.key)?)
    }

    fn next_timeout(&self) -> Option<Instant> {
        [self.consent.next_timeout(), self.codes.next_timeout(), self.unseen_until()]
            .into_iter()
            .flatten()
            .min()
    }
}

/// Refusal to a technician when something can't be written down.
impl From<AuditError> for Refusal {
    fn from(_: AuditError) -> Self {
        Self::Storage
    }
}
