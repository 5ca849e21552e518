//! The hub's part about sessions: who is in one, what is granted, what a person decided.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::credential::Verified;
use nearhand_proto::grant::{Capabilities, Capability, DecidedBy, GrantRecord, MAX_DURATION};
use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::identity::Signed;
use nearhand_proto::message::control::{Offer, OfferRefusal};
use nearhand_proto::message::local::{self, Act, ChatLine, Choice, ConsentRequest, Deed, Event, Said};
use nearhand_proto::message::session::{Decision, Ended, FromAgent, Granted, Refusal};
use nearhand_proto::time::UnixMillis;
use nearhand_transport::chat::SharedChat;
use tokio::sync::{mpsc, watch};

use super::pauses::Pause;
use super::{Hub, MAX_SESSIONS, State, Viewer};
use nearhand_agent_core::consent::{Ask, DecideError, Decided, RequestId};
use nearhand_desktop::protocol::Aim;

/// Messages to a session's task that may wait.
const INBOX: usize = 32;
/// Bytes of chat in a status: with the rest of it, well below a local frame's limit even for eight sessions.
const CHAT_SHOWN: usize = 5_000;

/// A technician in a session, verified.
#[derive(Clone, Debug)]
pub(crate) struct Technician {
    pub(crate) id: TechnicianId,
    pub(crate) name: String,
    pub(crate) organisation: String,
    pub(crate) verified: Verified,
}

impl Technician {
    /// How the audit log calls them.
    pub(crate) fn actor(&self) -> String {
        format!("technician {} ({})", self.name, self.id)
    }
}

/// What a session's task is told.
#[derive(Debug)]
pub(crate) enum ToSession {
    /// A new path after the connection was lost.
    Offer(Offer),
    /// For the technician, on the control stream.
    Tell(FromAgent),
    /// It is over.
    End(Ended),
}

/// A session under way.
pub(crate) struct Live {
    pub(crate) technician: Technician,
    pub(crate) reason: String,
    /// A person at the device should see it: it came by their code, or they granted something.
    pub(crate) attended: bool,
    /// Whose it is; `None`: of everybody at the device.
    pub(crate) person: Option<u32>,
    /// Whether and why nothing is seen or done in it.
    pub(crate) pause: Pause,
    /// What was done in it, the oldest first.
    pub(crate) deeds: VecDeque<Deed>,
    pub(crate) began: UnixMillis,
    pub(crate) connected: bool,
    pub(crate) chat: Arc<SharedChat>,
    pub(crate) inbox: mpsc::Sender<ToSession>,
    pub(crate) granted: watch::Sender<Capabilities>,
    /// What this device can do in this session at all.
    pub(crate) offers: Capabilities,
    /// Parts of a recording that were begun, and whether one is under way.
    pub(crate) recorded: (u32, bool),
    /// The window that may be seen, while that is granted.
    pub(crate) aim: watch::Sender<Option<Aim>>,
    /// Why it was stopped at this device.
    pub(crate) ending: Option<Said>,
    /// The window that is being seen, in words.
    pub(crate) window: Option<String>,
}

impl Hub {
    /// The relay offers a session. Returns the inbox of a new session's task; an offer for a session that is
    /// there goes to its task.
    pub(crate) fn offered(&self, offer: Offer) -> Result<Option<mpsc::Receiver<ToSession>>, OfferRefusal> {
        let now = Instant::now();
        let mut state = self.state();
        if offer.resume {
            let inbox = state.sessions.get(&offer.session).map(|live| live.inbox.clone());
            drop(state);
            let inbox = inbox.ok_or(OfferRefusal::NoSuchSession)?;
            return inbox.try_send(ToSession::Offer(offer)).map(|()| None).map_err(|_| OfferRefusal::Busy);
        }
        match offer.code {
            Some(_) if state.codes.may_make(now).is_err() => return Err(OfferRefusal::LockedOut),
            Some(routing) if !state.codes.is_shown(now, routing) => return Err(OfferRefusal::NoSuchCode),
            None if state.enrolment.credential.is_none() => return Err(OfferRefusal::OnlyByCode),
            _ => {}
        }
        let taken =
            state.sessions.contains_key(&offer.session) || state.arriving.contains_key(&offer.session);
        if taken || state.sessions.len() + state.arriving.len() >= MAX_SESSIONS {
            return Err(OfferRefusal::Busy);
        }
        let (inbox, receiver) = mpsc::channel(INBOX);
        state.arriving.insert(offer.session, inbox);
        Ok(Some(receiver))
    }

    /// The technician is known: the session stands.
    pub(crate) fn begin_session(&self, session: SessionId, live: Live) -> Result<(), Refusal> {
        let mut state = self.state();
        let how = if live.attended { "by support code" } else { "managed" };
        let detail = format!("{how}, for {}", live.technician.organisation);
        state.audit(&live.technician.actor(), "session.start", Some(session), detail)?;
        state.arriving.remove(&session);
        state.consent.begin(Instant::now(), session);
        state.sessions.insert(session, live);
        self.tell_session(&state, session);
        drop(state);
        // Nobody may be there to see it.
        self.presence_changed();
        Ok(())
    }

    /// Why help is given, in the technician's words.
    pub(crate) fn set_reason(&self, session: SessionId, reason: &str) {
        let mut state = self.state();
        let Some(live) = state.sessions.get_mut(&session) else { return };
        reason.clone_into(&mut live.reason);
        let actor = live.technician.actor();
        // Shown to the person either way.
        let _ = state.audit(&actor, "session.reason", Some(session), reason.to_owned());
        self.tell_session(&state, session);
    }

    /// Where a new session's task can be reached, for its [`Live`].
    pub(crate) fn arriving(&self, session: SessionId) -> Option<mpsc::Sender<ToSession>> {
        self.state().arriving.get(&session).cloned()
    }

    /// A session's task has returned: whatever is left of it goes.
    pub(crate) fn forget_session(&self, session: SessionId, why: &Said) {
        let mut state = self.state();
        state.arriving.remove(&session);
        let open = state.consent.end(session);
        let Some(live) = state.sessions.remove(&session) else { return };
        // What was done here says more than how the other end was told of it.
        let why = live.ending.as_ref().unwrap_or(why);
        // It is over either way; the log's own notice has told the person if this could not be written.
        let _ = state.audit(&live.technician.actor(), "session.end", Some(session), why.to_string());
        state.keep_record(session, &live, Self::now(), why);
        drop(state);
        for request in open {
            let settled = Event::Settled { request: request.0, how: "the session ended".to_owned() };
            self.tell_to(live.person, settled);
        }
        self.tell_to(live.person, Event::over(session, why.clone()));
        self.wake();
    }

    /// The connection of a session was lost or came back.
    pub(crate) fn set_connected(&self, session: SessionId, connected: bool) {
        let mut state = self.state();
        let Some(live) = state.sessions.get_mut(&session) else { return };
        if live.connected == connected {
            return;
        }
        live.connected = connected;
        let actor = live.technician.actor();
        let action = if connected { "session.resumed" } else { "session.interrupted" };
        let _ = state.audit(&actor, action, Some(session), String::new());
        self.tell_session(&state, session);
        let act = if connected { Act::Reconnected } else { Act::Interrupted };
        self.keep_deed(&mut state, session, act);
    }

    /// The technician keeps what they see of the screen from now on. The number of this part of the recording.
    pub(crate) fn recording_begins(&self, session: SessionId, actor: &str) -> Result<u32, Refusal> {
        let mut state = self.state();
        let live = state.sessions.get(&session).ok_or(Refusal::NoSuchSession)?;
        let part = live.recorded.0.saturating_add(1);
        let of = live.window.as_ref().map(|window| format!(", of {window}")).unwrap_or_default();
        state.audit(actor, "record.start", Some(session), format!("part {part} of the recording{of}"))?;
        if let Some(live) = state.sessions.get_mut(&session) {
            live.recorded = (part, true);
        }
        drop(state);
        self.did(session, Act::Records);
        Ok(part)
    }

    /// They no longer do.
    pub(crate) fn recording_ended(&self, session: SessionId, actor: &str) {
        let mut state = self.state();
        if let Some(live) = state.sessions.get_mut(&session) {
            live.recorded.1 = false;
        }
        // It is over either way; the log's own notice has told the person if this could not be written.
        let _ = state.audit(actor, "record.end", Some(session), String::new());
        drop(state);
        self.did(session, Act::StopsRecording);
    }

    /// What somebody who joins the watchers has to know: who records, and what is paused.
    pub(crate) fn under_way(&self, viewer: Viewer) -> Vec<Event> {
        let at = Self::now();
        let state = self.state();
        let mut events = Vec::new();
        for (id, live) in state.sessions.iter().filter(|(_, live)| viewer.sees(live.person)) {
            if live.recorded.1 {
                events.push(Event::Did { session: *id, deed: Deed { at, act: Act::Records } });
            }
            if live.pause.is_on() {
                events.push(Event::Paused { session: *id, unseen: false });
            }
        }
        events
    }

    /// Ends a session from this side: what its technician is told, and what the person at the device is if that says
    /// more.
    pub(crate) fn end_session(&self, session: SessionId, ended: Ended, here: Option<Said>) {
        let mut state = self.state();
        let Some(live) = state.sessions.get_mut(&session) else { return };
        tracing::info!(%session, why = here.as_ref().map_or_else(|| ended.to_string(), Said::to_string), "ending session");
        if live.ending.is_none() {
            live.ending = here;
        }
        // Grants go first, at once; the task then closes the connection.
        let _ = live.granted.send_replace(Capabilities::NONE);
        let inbox = live.inbox.clone();
        state.consent.revoke(Instant::now(), session, Capability::ALL.into_iter().collect());
        // The person sees at once that it worked; the connection's own end may take a moment.
        self.tell_session(&state, session);
        drop(state);
        if let Err(error) = inbox.try_send(ToSession::End(ended)) {
            // A full inbox: the task is told when it gets there.
            tokio::spawn(async move { inbox.send(error.into_inner()).await });
        }
    }

    pub(crate) fn end_all(&self, ended: Ended, here: Option<&Said>) {
        let all: Vec<_> = self.state().sessions.keys().copied().collect();
        for session in all {
            self.end_session(session, ended, here.cloned());
        }
    }

    /// Whether an act may be done now; asked at every request.
    pub(crate) fn allows(&self, session: SessionId, what: Capability) -> Result<(), Refusal> {
        let mut state = self.state();
        let live = state.sessions.get(&session).ok_or(Refusal::NoSuchSession)?;
        let (actor, offers) = (live.technician.actor(), live.offers);
        let paused = state.paused(live, what);
        let verdict = match state.consent.allows(Instant::now(), session, what) {
            Ok(()) if paused.is_err() => paused,
            Ok(()) if !offers.contains(what) => Err(Refusal::NotOffered(what)),
            other => other,
        };
        if let Err(refusal) = verdict {
            state.audit(&actor, "refused", Some(session), format!("{what}: {refusal}"))?;
        }
        verdict
    }

    /// The technician asks for capabilities. Returns what to tell them at once.
    pub(crate) fn ask(
        &self,
        session: SessionId,
        theirs: u32,
        wanted: Capabilities,
        seconds: u32,
        reason: &str,
    ) -> FromAgent {
        let decision = |decision| FromAgent::Decision { request: theirs, decision };
        match self.try_ask(session, theirs, wanted, seconds, reason) {
            Ok(Asked::Waiting) => FromAgent::Asking {
                request: theirs,
                seconds: u32::try_from(nearhand_agent_core::consent::ANSWER_WITHIN.as_secs())
                    .unwrap_or(u32::MAX),
            },
            Ok(Asked::Granted(record, granted)) => decision(Decision::Granted { record, granted }),
            Err(refusal) => decision(Decision::Refused(refusal)),
        }
    }

    fn try_ask(
        &self,
        session: SessionId,
        theirs: u32,
        wanted: Capabilities,
        seconds: u32,
        reason: &str,
    ) -> Result<Asked, Refusal> {
        let policy = self.home.policy().unwrap_or_else(|error| {
            tracing::error!(%error, "the policy allows nothing until it is mended");
            nearhand_agent_core::policy::Policy::default()
        });
        let now = Instant::now();
        let mut state = self.state();
        let live = state.sessions.get_mut(&session).ok_or(Refusal::NoSuchSession)?;
        let (technician, offers) = (live.technician.clone(), live.offers);
        if !reason.is_empty() {
            reason.clone_into(&mut live.reason);
        }
        state.audit(&technician.actor(), "ask", Some(session), format!("{wanted} for {seconds} s"))?;
        if let Some(missing) = wanted.without(offers).iter().next() {
            state.audit("agent", "deny", Some(session), format!("{missing} is not offered"))?;
            return Err(Refusal::NotOffered(missing));
        }
        let attended = state.watchers.sees(state.person(session));
        let duration = Duration::from_secs(seconds.into()).min(MAX_DURATION);
        let allowed = policy
            .decide(technician.id, &technician.name, wanted, attended)
            .filter(|_| !state.clock_is_suspect())
            .filter(|a| !attended || a.capabilities == wanted);
        if let Some(allowed) = allowed {
            let duration = duration.min(allowed.duration);
            if !allowed.windows.is_empty() {
                state.set_aim(session, Aim::Application(allowed.windows));
            }
            let record = state.record(self, session, allowed.capabilities, duration, DecidedBy::Policy)?;
            state.consent.grant(now, session, allowed.capabilities, duration);
            let granted = self.publish(&state, now, session);
            return Ok(Asked::Granted(record, granted));
        }
        if !attended {
            state.audit("policy", "deny", Some(session), "nobody could be asked".to_owned())?;
            return Err(Refusal::Unattended);
        }
        let first_contact = !state.known.contains(&technician.id);
        let ask = Ask { session, theirs, capabilities: wanted, duration, first_contact };
        let request = state.consent.ask(now, &ask)?;
        if let Some(asked) = state.request(now, request) {
            self.tell_to(state.person(session), Event::Asked(asked));
        }
        self.wake();
        Ok(Asked::Waiting)
    }

    /// A technician's key or click is passed on to the display.
    pub(crate) fn injected(&self) {
        self.state().consent.injected(Instant::now());
    }

    /// Whether what is decided at this device now is the person's own.
    pub(crate) fn hands_off(&self) -> Result<(), DecideError> {
        self.state().consent.hands_off(Instant::now())
    }

    /// The person's decision.
    pub(crate) fn decide(&self, request: u64, choice: Choice) -> Result<(), DecideError> {
        let mut state = self.state();
        let window = match choice {
            Choice::AllowWindow { window, .. } => {
                let listed = state.windows.iter().find(|listed| listed.id == window);
                Some(listed.cloned().ok_or(DecideError::NoSuchWindow)?)
            }
            _ => None,
        };
        let decided = state.consent.decide(Instant::now(), RequestId(request), choice)?;
        if let (Some(window), Ok((allowed, _))) = (window, &decided.outcome)
            && allowed.contains(Capability::Window)
        {
            state.set_aim(decided.session, Aim::Window(window));
        }
        drop(state);
        let how = if decided.outcome.is_ok() { "allowed" } else { "denied" };
        self.settled(RequestId(request), &decided, how);
        Ok(())
    }

    /// A request is decided: write it down, then tell both sides.
    pub(super) fn settled(&self, request: RequestId, decided: &Decided, how: &str) {
        let now = Instant::now();
        let session = decided.session;
        let mut state = self.state();
        let outcome = match decided.outcome {
            Ok((capabilities, duration)) => {
                state.record(self, session, capabilities, duration, DecidedBy::Person).inspect_err(|_| {
                    // What can't be written down is not granted.
                    state.consent.revoke(now, session, capabilities);
                })
            }
            Err(refusal) => {
                let written = state.audit("person at the device", "deny", Some(session), refusal.to_string());
                Err(written.err().map_or(refusal, Refusal::from))
            }
        };
        let person = state.person(session);
        if let (Ok(_), Ok((capabilities, duration))) = (&outcome, decided.outcome) {
            if let Some(live) = state.sessions.get_mut(&session) {
                // They let somebody in, so they are to see what is done.
                live.attended = true;
            }
            let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
            self.keep_deed(&mut state, session, Act::Granted { capabilities, seconds });
        }
        let granted = self.publish(&state, now, session);
        let decision = match outcome {
            Ok(record) => Decision::Granted { record, granted },
            Err(refusal) => Decision::Refused(refusal),
        };
        state.tell_technician(session, FromAgent::Decision { request: decided.theirs, decision });
        drop(state);
        self.tell_to(person, Event::Settled { request: request.0, how: how.to_owned() });
        self.wake();
    }

    /// More time, by the person.
    pub(crate) fn extend(
        &self,
        session: SessionId,
        what: Capabilities,
        seconds: u32,
    ) -> Result<Capabilities, Refusal> {
        let more = Duration::from_secs(seconds.into());
        let mut state = self.state();
        let granted = state.consent.capabilities(Instant::now(), session);
        let what = what.intersection(granted);
        state.audit("person at the device", "extend", Some(session), format!("{what} by {seconds} s"))?;
        let extended = state.consent.extend(Instant::now(), session, what, more);
        drop(state);
        self.grants_changed(session, Act::Extended(extended));
        Ok(extended)
    }

    /// Takes capabilities back, by the person or given up by the technician. Never fails: what can't be
    /// written down is taken back all the same.
    pub(crate) fn take_back(&self, session: SessionId, what: Capabilities, who: &str) -> Capabilities {
        let mut state = self.state();
        let gone = state.consent.revoke(Instant::now(), session, what);
        if let Some(live) = state.sessions.get(&session) {
            let _ = live.granted.send_replace(state.capabilities_in_force(Instant::now(), session));
        }
        let _ = state.audit(who, "revoke", Some(session), gone.to_string());
        drop(state);
        self.grants_changed(session, Act::TakenBack(gone));
        gone
    }

    pub(super) fn grants_changed(&self, session: SessionId, act: Act) {
        let why = act.to_string();
        let mut state = self.state();
        let granted = self.publish(&state, Instant::now(), session);
        let _ = state.audit("agent", "grants", Some(session), why.clone());
        state.tell_technician(session, FromAgent::Grants { granted, why });
        self.keep_deed(&mut state, session, act);
        drop(state);
        self.wake();
    }

    /// Tells the session's streams what counts now and the watchers what is granted. Returns what counts.
    pub(super) fn publish(&self, state: &State, now: Instant, session: SessionId) -> Vec<Granted> {
        let granted = state.in_force(now, session);
        if let Some(live) = state.sessions.get(&session) {
            let _ = live.granted.send_replace(granted.iter().map(|g| g.capability).collect());
        }
        self.tell_session(state, session);
        self.wake();
        granted
    }

    fn tell_session(&self, state: &State, session: SessionId) {
        if let Some(live) = state.sessions.get(&session) {
            self.tell_to(live.person, Event::Session(state.session(Instant::now(), session, live)));
        }
    }

    /// What counts now.
    pub(crate) fn granted(&self, session: SessionId) -> Vec<Granted> {
        self.state().in_force(Instant::now(), session)
    }

    /// A session's chat.
    pub(crate) fn chat(&self, session: SessionId) -> Option<Arc<SharedChat>> {
        self.state().sessions.get(&session).map(|live| live.chat.clone())
    }

    /// Follows what is granted in a session.
    pub(crate) fn watch_grants(&self, session: SessionId) -> watch::Receiver<Capabilities> {
        let state = self.state();
        let gone = || watch::channel(Capabilities::NONE).1;
        state.sessions.get(&session).map_or_else(gone, |live| live.granted.subscribe())
    }
}

enum Asked {
    Waiting,
    Granted(Signed<GrantRecord>, Vec<Granted>),
}

impl State {
    /// Writes a grant down and signs it; the technician is no longer a first contact.
    fn record(
        &mut self,
        hub: &Hub,
        session: SessionId,
        capabilities: Capabilities,
        duration: Duration,
        by: DecidedBy,
    ) -> Result<Signed<GrantRecord>, Refusal> {
        let technician = self.sessions.get(&session).ok_or(Refusal::NoSuchSession)?.technician.id;
        let who = if by == DecidedBy::Person { "person at the device" } else { "policy" };
        let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let of = self.aim_in_words(session, capabilities);
        self.audit(who, "grant", Some(session), format!("{capabilities} for {seconds} s{of}"))?;
        if by == DecidedBy::Person
            && self.known.insert(technician)
            && let Err(error) = hub.home.save_known_technicians(&self.known)
        {
            tracing::warn!(%error, "this technician will be a first contact again");
        }
        let first = self.enrolment.credential.as_ref().and_then(|c| c.links.first()?.peek().ok());
        let device = first.map_or_else(|| self.key.public(), |link| link.key).device_id();
        let record = GrantRecord { device, session, technician, capabilities, seconds, at: Hub::now(), by };
        self.key.sign(&record).map_err(|_| Refusal::Storage)
    }

    pub(super) fn tell_technician(&self, session: SessionId, what: FromAgent) {
        if let Some(live) = self.sessions.get(&session)
            && live.inbox.try_send(ToSession::Tell(what)).is_err()
        {
            tracing::warn!(%session, "the session's task lags behind; it learns the state when it resumes");
        }
    }

    /// A request that waits.
    fn request(&self, now: Instant, request: RequestId) -> Option<ConsentRequest> {
        let everything = Viewer { user: 0, owner: true };
        self.requests(now, everything).into_iter().find(|waiting| waiting.request == request.0)
    }

    /// The requests that wait for that person.
    pub(super) fn requests(&self, now: Instant, viewer: Viewer) -> Vec<ConsentRequest> {
        let waiting = self.consent.pending(now);
        waiting
            .filter_map(|(id, ask, left)| {
                let live = self.sessions.get(&ask.session).filter(|live| viewer.sees(live.person))?;
                Some(ConsentRequest {
                    request: id.0,
                    session: ask.session,
                    organisation: live.technician.organisation.clone(),
                    technician: live.technician.name.clone(),
                    reason: live.reason.clone(),
                    capabilities: ask.capabilities,
                    seconds: u32::try_from(ask.duration.as_secs()).unwrap_or(u32::MAX),
                    first_contact: ask.first_contact,
                    seconds_left: u32::try_from(left).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    pub(super) fn session(&self, now: Instant, id: SessionId, live: &Live) -> local::Session {
        let chat = live.chat.with(|log| {
            let mut budget = CHAT_SHOWN;
            let fits = |line: &&ChatLine| {
                budget = budget.saturating_sub(line.text.len() + 16);
                budget > 0
            };
            let mut newest: Vec<_> = log.lines().iter().rev().take_while(fits).cloned().collect();
            newest.reverse();
            newest
        });
        local::Session {
            session: id,
            organisation: live.technician.organisation.clone(),
            technician: live.technician.name.clone(),
            reason: live.reason.clone(),
            granted: self.consent.granted(now, id),
            connected: live.connected,
            began: live.began,
            chat,
        }
    }
}
