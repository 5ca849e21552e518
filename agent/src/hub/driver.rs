//! Drives the state of all sessions: feeds it what happens, and carries out what follows.
//!
//! What is decided is `nearhand_agent_core::sessions`'s. Here is the lock around it, held for moments and never across an
//! await or a write: rows for the record go to the thread that writes it ([`crate::audit`]), and its acknowledgements come
//! back to [`Hub::run`], which puts what waited for them in force. Must not live here: sockets, streams, alarms and
//! runbooks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nearhand_agent_core::record::{RecordError, Recorded};
use nearhand_agent_core::sessions::{
    LocalUser, ProposesChange, Sessions, Timestamp, UnrecordedChange, UnrecordedChangeId,
};
use nearhand_proto::audit::AuditHead;
use nearhand_proto::chat::{ChatLog, SessionSide};
use nearhand_proto::credential::{Retirement, RevocationList};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::Signed;
use nearhand_proto::message::control::{DeviceFacts, OfferRefusal, SessionOffer};
use nearhand_proto::message::local::{AgentNotice, AgentStatus, LocalEvent};
use nearhand_proto::message::session::{FromAgent, SessionEndReason, SessionRefusal};
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use nearhand_transport::chat::SharedChat;
use nearhand_transport::control::RelayConnection;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::help::HelpDesk;
use super::identity::{DeviceIdentity, wall_clock};
use super::kept_sessions::{KEEP_FRESH, SessionKeys, SessionsFile};
use super::local_events::LocalEvents;
use super::relay_link::RelayLink;
use crate::audit::{self, OpenedRecord, RecordWriter};
use crate::home::{AgentHome, AgentHomeError, Enrolment};
use crate::off_loop::off_loop;
use nearhand_agent_core::window_target::WindowTarget;

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
/// Messages to a session's task that may wait.
pub(super) const INBOX: usize = 32;
/// Bytes of chat in a status: with the rest of it, well below a local frame's limit even for eight sessions.
const CHAT_SHOWN: usize = 5_000;
/// How long the end of a session or of the agent waits for its last rows.
const LAST_ROWS: Duration = Duration::from_secs(2);

/// What a session's task is told.
#[derive(Debug)]
pub(crate) enum ToSession {
    /// A new path after the connection was lost.
    Offer(SessionOffer),
    /// For the technician, on the control stream.
    Tell(FromAgent),
    /// It is over.
    End(SessionEndReason),
    /// The agent is started again, and the session stays for the next process.
    Suspend,
}

/// The way to a session's task and to its streams.
#[derive(Clone)]
pub(crate) struct SessionTaskHandle {
    pub(super) inbox: mpsc::Sender<ToSession>,
    pub(super) granted: Arc<watch::Sender<Capabilities>>,
    pub(super) target: Arc<watch::Sender<Option<WindowTarget>>>,
    /// The session's chat.
    pub(crate) chat: Arc<SharedChat>,
    /// Once its technician is known.
    pub(super) keys: Option<SessionKeys>,
}

impl SessionTaskHandle {
    pub(super) fn new(inbox: mpsc::Sender<ToSession>) -> Self {
        Self::with(inbox, ChatLog::new(SessionSide::Device), None)
    }

    pub(super) fn with(inbox: mpsc::Sender<ToSession>, chat: ChatLog, keys: Option<SessionKeys>) -> Self {
        Self {
            inbox,
            granted: Arc::new(watch::channel(Capabilities::NONE).0),
            target: Arc::new(watch::channel(None).0),
            chat: Arc::new(SharedChat::new(chat)),
            keys,
        }
    }

    /// Follows what may be done in the session.
    pub(crate) fn watch_grants(&self) -> watch::Receiver<Capabilities> {
        self.granted.subscribe()
    }

    /// Follows which window may be seen in it.
    pub(crate) fn watch_target(&self) -> watch::Receiver<Option<WindowTarget>> {
        self.target.subscribe()
    }
}

/// What the record's writer says of a row.
pub(super) enum Acknowledgement {
    /// Nothing waited for it.
    Note(Result<(), RecordError>),
    Change(UnrecordedChangeId, Result<Recorded<UnrecordedChange>, RecordError>),
    /// Somebody asks whether acknowledgements are still taken: see [`Hub::goes_round`].
    Probe(oneshot::Sender<()>),
}

/// Until a change is in force. Dropping it changes nothing about that.
#[must_use = "nothing has happened yet"]
pub(crate) struct UntilInForce(Option<oneshot::Receiver<Result<(), SessionRefusal>>>);

impl UntilInForce {
    /// Whether the change has been refused without a look at the disk.
    ///
    /// # Errors
    /// The [`SessionRefusal`] for which the change was dropped before its row was written.
    pub(crate) fn not_refused_yet(self) -> Result<(), SessionRefusal> {
        match self.0.map(|mut answer| answer.try_recv()) {
            Some(Ok(outcome)) => outcome,
            _ => Ok(()),
        }
    }

    /// Waits for the change, if there is one.
    ///
    /// # Errors
    /// The [`SessionRefusal`] for which it isn't in force: [`SessionRefusal::Storage`] if its row can't be written.
    pub(crate) async fn wait(self) -> Result<(), SessionRefusal> {
        match self.0 {
            None => Ok(()),
            Some(answer) => answer.await.unwrap_or(Err(SessionRefusal::Storage)),
        }
    }
}

pub(super) struct HubState {
    pub(super) sessions: Sessions,
    pub(super) handles: BTreeMap<SessionId, SessionTaskHandle>,
    /// Who waits for a change.
    pub(super) answers: BTreeMap<UnrecordedChangeId, oneshot::Sender<Result<(), SessionRefusal>>>,
}

/// The agent's shared state.
pub(crate) struct Hub {
    pub(crate) home: AgentHome,
    pub(crate) facts: DeviceFacts,
    /// The device's key and whom it trusts.
    pub(crate) identity: DeviceIdentity,
    /// The connection to the relay.
    pub(crate) relay: Arc<RelayLink>,
    /// What a person at the device asks the organisation for.
    pub(crate) help: HelpDesk,
    /// Where sessions are kept over a restart.
    pub(super) kept: SessionsFile,
    pub(super) events: Arc<LocalEvents>,
    pub(super) record: RecordWriter,
    pub(super) acknowledge: mpsc::UnboundedSender<Acknowledgement>,
    /// Taken by [`Hub::run`].
    acknowledged: Mutex<Option<mpsc::UnboundedReceiver<Acknowledgement>>>,
    state: Mutex<HubState>,
    /// Deadlines have changed.
    pub(super) wake: Notify,
    pub(super) watching: watch::Sender<usize>,
    /// A question waits for somebody's answer.
    pub(super) asking: watch::Sender<bool>,
    stop: watch::Sender<bool>,
}

impl Hub {
    /// Reads the agent's home, starts the record's writer and makes the shared state.
    ///
    /// # Errors
    /// [`AgentHomeError`]: a file of the home can't be read, or the record can't be opened.
    pub(crate) fn open(
        home: AgentHome,
        enrolment: Enrolment,
        facts: DeviceFacts,
    ) -> Result<Arc<Self>, AgentHomeError> {
        home.mend_rotation(&enrolment)?;
        let io = |source| AgentHomeError::Io { path: home.audit_log(), source };
        let key = home.key()?;
        let keys: Vec<_> = enrolment.keys().chain([key.public()]).collect();
        let OpenedRecord { log, cut } = audit::open(&home, key, &keys).map_err(io)?;
        let writer = RecordWriter::start(log).map_err(io)?;
        let hub = Self::with_writer(home, enrolment, facts, writer)?;
        if let Some(cut) = cut {
            tracing::error!(%cut, "audit log");
            hub.note("agent", audit::CUT, None, cut.to_string());
        }
        Ok(hub)
    }

    pub(super) fn with_writer(
        home: AgentHome,
        enrolment: Enrolment,
        facts: DeviceFacts,
        record: RecordWriter,
    ) -> Result<Arc<Self>, AgentHomeError> {
        let identity = DeviceIdentity::new(home.key()?, enrolment, home.revocations()?);
        let mut sessions = Sessions::new(home.known_technicians()?);
        sessions.burnt_before(Self::timestamp(), &home.burnt_codes());
        let events = Arc::new(LocalEvents::new());
        let relay = Arc::new(RelayLink::new());
        let help = HelpDesk::new(home.clone(), events.clone(), relay.clone());
        let kept = SessionsFile::new(identity.is_enrolled().then(|| identity.device().to_string()));
        let (acknowledge, acknowledged) = mpsc::unbounded_channel();
        Ok(Arc::new(Self {
            home,
            facts,
            identity,
            relay,
            help,
            kept,
            events,
            record,
            acknowledge,
            acknowledged: Mutex::new(Some(acknowledged)),
            state: Mutex::new(HubState { sessions, handles: BTreeMap::new(), answers: BTreeMap::new() }),
            wake: Notify::new(),
            watching: watch::channel(0).0,
            asking: watch::channel(false).0,
            stop: watch::channel(false).0,
        }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our wall clock.
    pub(crate) fn now() -> UnixMillis {
        wall_clock()
    }

    pub(super) fn timestamp() -> Timestamp {
        Timestamp { instant: Instant::now(), wall: Self::now() }
    }

    /// Looks at the sessions.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Sessions, Timestamp) -> T) -> T {
        look(&self.state().sessions, Self::timestamp())
    }

    /// Something happens: what follows is carried out before this returns, but for what waits for the record.
    pub(crate) fn update<T>(&self, happens: impl FnOnce(&mut Sessions, Timestamp) -> T) -> T {
        let now = Self::timestamp();
        let mut state = self.state();
        let value = happens(&mut state.sessions, now);
        self.carry_out(&mut state, now);
        value
    }

    /// As [`Hub::update`], with the way to wait until what was proposed is in force.
    pub(crate) fn propose<T: ProposesChange>(
        &self,
        happens: impl FnOnce(&mut Sessions, Timestamp) -> T,
    ) -> (T, UntilInForce) {
        let now = Self::timestamp();
        let mut state = self.state();
        let value = happens(&mut state.sessions, now);
        let waits = value.proposed().map(|id| {
            let (tell, told) = oneshot::channel();
            state.answers.insert(id, tell);
            told
        });
        self.carry_out(&mut state, now);
        (value, UntilInForce(waits))
    }

    /// Writes a row for something that its caller then does.
    ///
    /// # Errors
    /// [`SessionRefusal::Storage`]: it isn't on the disk, so it must not be done.
    pub(crate) async fn record(
        &self,
        actor: &str,
        action: &str,
        session: Option<SessionId>,
        detail: String,
    ) -> Result<(), SessionRefusal> {
        self.propose(|sessions, _| sessions.begin_act(actor, action, session, detail)).1.wait().await
    }

    /// Writes a row for something that has happened; nothing waits for it.
    pub(crate) fn note(&self, actor: &str, action: &str, session: Option<SessionId>, detail: String) {
        self.update(|sessions, _| sessions.note(actor, action, session, detail));
    }

    /// Witness of the rows that are on the disk, once those handed over before are, or it has taken too long.
    pub(crate) async fn newest_audit_head(&self) -> Signed<AuditHead> {
        let (tell, told) = oneshot::channel::<()>();
        self.record.write_file(move || drop(tell));
        let _ = tokio::time::timeout(LAST_ROWS, told).await;
        self.audit_head()
    }

    /// Witness of the rows that are on the disk now.
    pub(crate) fn audit_head(&self) -> Signed<AuditHead> {
        self.record.head(&self.identity.key())
    }

    /// The way to a session's task; `None` once it is gone.
    pub(crate) fn session(&self, session: SessionId) -> Option<SessionTaskHandle> {
        self.state().handles.get(&session).cloned()
    }

    /// The relay offers a session. Returns the inbox of a new session's task; an offer for a session that is there goes to
    /// its task.
    ///
    /// # Errors
    /// The [`OfferRefusal`] for the relay.
    pub(crate) fn offered(
        &self,
        offer: SessionOffer,
    ) -> Result<Option<mpsc::Receiver<ToSession>>, OfferRefusal> {
        if offer.resume {
            let handle = self.session(offer.session);
            let live = self.read(|sessions, _| sessions.is_live(offer.session));
            let handle = handle.filter(|_| live).ok_or(OfferRefusal::NoSuchSession)?;
            return handle
                .inbox
                .try_send(ToSession::Offer(offer))
                .map(|()| None)
                .map_err(|_| OfferRefusal::Busy);
        }
        let is_enrolled = self.identity.is_enrolled();
        self.update(|sessions, now| sessions.offered(now.instant, offer.session, offer.code, is_enrolled))?;
        let (inbox, receiver) = mpsc::channel(INBOX);
        self.state().handles.insert(offer.session, SessionTaskHandle::new(inbox));
        Ok(Some(receiver))
    }

    /// A session's task has returned: what is left of the session goes.
    pub(crate) fn forget_session(&self, session: SessionId, why: &AgentNotice) {
        self.update(|sessions, now| sessions.forget(now, session, why));
        let mut state = self.state();
        state.handles.remove(&session);
        self.keep_sessions(&state, Instant::now());
    }

    /// Follows how many local programs watch.
    pub(crate) fn watch_watchers(&self) -> watch::Receiver<usize> {
        self.watching.subscribe()
    }

    /// Follows whether a question waits for somebody's answer.
    pub(crate) fn watch_asking(&self) -> watch::Receiver<bool> {
        self.asking.subscribe()
    }

    /// Something that everybody at the device should know.
    pub(crate) fn notice(&self, said: AgentNotice) {
        self.events.tell(LocalEvent::Notice(said));
    }

    /// How things stand, as far as that person may know.
    pub(crate) fn status(&self, user: LocalUser) -> AgentStatus {
        let (identity, problem) = (self.identity.enrolment(), self.relay.problem());
        let label = identity.credential.as_ref().and_then(|c| c.invite.peek().ok()).map(|i| i.name);
        let now = Instant::now();
        let state = self.state();
        let chat = |session| state.handles.get(&session).map(newest_chat).unwrap_or_default();
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: text::one_line(&label.unwrap_or_else(|| self.facts.hostname.to_string()), 64),
            organisation: text::one_line(&identity.organisation_name, 64),
            relay: identity.relay.to_string(),
            connected: problem.is_none(),
            problem,
            code: state.sessions.shown_code(now, user),
            requests: state.sessions.requests(now, user),
            sessions: state.sessions.shown(now, user, chat),
        }
    }

    /// The relay is connected.
    pub(crate) fn relay_up(&self, connection: RelayConnection, relay_now: UnixMillis) {
        self.identity.set_relay_clock(Self::now(), relay_now);
        self.relay.connected(connection);
        self.events.tell(LocalEvent::Relay { connected: true, problem: None });
        if self.identity.clock_is_suspect() {
            self.notice(AgentNotice::ClockOff);
        }
    }

    /// The relay is not connected.
    pub(crate) fn relay_down(&self, problem: String) {
        if self.relay.lost(problem.clone()) {
            self.events.tell(LocalEvent::Relay { connected: false, problem: Some(problem) });
        }
    }

    /// Takes in what is withdrawn; sessions of technicians whom it hits end at once.
    pub(crate) fn take_revocations(
        &self,
        list: Option<&Signed<RevocationList>>,
        retirements: &[Signed<Retirement>],
    ) {
        let Some(revocations) = self.identity.take_revocations(list, retirements) else { return };
        self.update(|sessions, now| {
            sessions.end_where(now, SessionEndReason::Revoked, None, |technician| {
                revocations.check(&technician.verified).is_err()
            });
        });
        let home = self.home.clone();
        self.record.write_file(move || {
            if let Err(error) = home.save_revocations(&revocations) {
                tracing::error!(%error, "revocations count now but would be forgotten at a restart");
            }
        });
    }

    /// The key was rotated: everything from now on is under the new one; sessions under the old one end.
    ///
    /// # Errors
    /// [`AgentHomeError`]: the key's files can't be replaced.
    pub(crate) async fn rotated(&self, enrolment: Enrolment) -> Result<(), AgentHomeError> {
        let (home, of_home) = (self.home.clone(), enrolment.clone());
        let key = off_loop(move || {
            home.switch_key(&of_home)?;
            home.key()
        });
        let key = key.await?;
        self.record.set_key(key.clone());
        self.identity.rotated(key, enrolment);
        self.update(|sessions, now| {
            sessions.end_all(now, SessionEndReason::AgentStopping, Some(&AgentNotice::KeyRotated));
        });
        self.relay.redial();
        Ok(())
    }

    /// Puts in force what waited for the record, and does what time brings; ends when the agent stops.
    pub(crate) async fn run(self: Arc<Self>) {
        let taken = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut acknowledged) = taken else { return };
        let mut stop = self.stop.subscribe();
        let mut kept_at = tokio::time::Instant::now();
        loop {
            let next = self.read(|sessions, _| sessions.next_timeout());
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => core::future::pending().await,
                }
            };
            let refresh = async {
                if self.kept.is_written() {
                    tokio::time::sleep_until(kept_at + KEEP_FRESH).await;
                } else {
                    core::future::pending::<()>().await;
                }
            };
            tokio::select! {
                Some(acknowledgement) = acknowledged.recv() => self.acknowledge(acknowledgement),
                () = due => self.update(Sessions::handle_timeout),
                () = refresh => {
                    self.keep_sessions(&self.state(), Instant::now());
                    kept_at = tokio::time::Instant::now();
                }
                () = self.wake.notified() => {}
                _ = stop.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    fn acknowledge(&self, acknowledgement: Acknowledgement) {
        self.update(|sessions, now| match acknowledgement {
            Acknowledgement::Note(outcome) => sessions.noted(now, outcome),
            Acknowledgement::Change(_, Ok(recorded)) => sessions.put_in_force(now, recorded),
            Acknowledgement::Change(id, Err(error)) => sessions.not_recorded(id, &error),
            // Nobody waits any more: as good.
            Acknowledgement::Probe(answer) => answer.send(()).unwrap_or_default(),
        });
    }

    /// Waits until [`Hub::run`] has come round. Without it nothing comes in force and no grant ends.
    pub(crate) async fn goes_round(&self) {
        let (tell, told) = oneshot::channel();
        if self.acknowledge.send(Acknowledgement::Probe(tell)).is_err() || told.await.is_err() {
            core::future::pending::<()>().await;
        }
    }

    /// The agent stops: sessions end, tasks return.
    pub(crate) fn stop(&self) {
        self.update(|sessions, now| sessions.end_all(now, SessionEndReason::AgentStopping, None));
        self.stop_tasks();
    }

    /// All tasks of the agent return.
    pub(super) fn stop_tasks(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the agent stops.
    pub(crate) async fn stopped(&self) {
        // An error means that the hub is gone, which is the same.
        let _ = self.stop.subscribe().wait_for(|stopping| *stopping).await;
    }
}

/// The newest of a session's chat that fits a status.
pub(super) fn newest_chat(handle: &SessionTaskHandle) -> Vec<nearhand_proto::message::local::ChatLine> {
    handle.chat.with(|log| {
        let mut budget = CHAT_SHOWN;
        let fits = |line: &&nearhand_proto::message::local::ChatLine| {
            budget = budget.saturating_sub(line.text.len() + 16);
            budget > 0
        };
        let mut newest: Vec<_> = log.lines().iter().rev().take_while(fits).cloned().collect();
        newest.reverse();
        newest
    })
}
