//! What is granted in a session: asked for, decided by the policy or a person, prolonged, taken back, used up.

use std::time::{Duration, Instant};

use nearhand_proto::grant::{Capabilities, Capability, DecidedBy, MAX_DURATION};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Activity, AgentNotice, ConsentChoice, ConsentRequest, LocalEvent};
use nearhand_proto::message::session::{ConsentDecision, FromAgent, GrantedCapability, SessionRefusal};

use super::change::{DecidedGrant, SessionChange, UnrecordedChangeId};
use super::effect::SessionEffect;
use super::live_session::SessionPhase;
use super::record_health::row;
use super::screen::OF_SCREEN;
use super::state::Sessions;
use super::timestamp::Timestamp;
use super::watchers::LocalUser;
use crate::consent::{Ask, DecideError, Decided, GrantTerms, RequestId};
use crate::policy::OwnerPolicy;
use crate::window_target::{OpenWindow, WindowTarget, in_words};

/// The actor of what a person decides.
const PERSON: &str = "person at the device";

/// A technician asks for capabilities.
#[derive(Clone, Debug)]
pub struct CapabilityRequest {
    /// The technician's own number for it.
    pub request: u32,
    /// What the technician asks for.
    pub capabilities: Capabilities,
    /// For how many seconds.
    pub seconds: u32,
    /// Why, if other than the session's reason; neutralised.
    pub reason: String,
}

impl Sessions {
    /// Whether an act may be done now; asked at every request. A refusal is written down.
    ///
    /// # Errors
    /// The [`SessionRefusal`] for the technician.
    pub fn allows(
        &mut self,
        now: Instant,
        session: SessionId,
        what: Capability,
    ) -> Result<(), SessionRefusal> {
        let live = self.live.get(&session).ok_or(SessionRefusal::NoSuchSession)?;
        let verdict = match self.consent.allows(now, session, what) {
            Ok(()) => self.not_paused(live, what).and_then(|()| {
                if live.offers.contains(what) { Ok(()) } else { Err(SessionRefusal::NotOffered(what)) }
            }),
            refused => refused,
        };
        if let Err(refusal) = verdict {
            let actor = live.technician.actor();
            if self.notes_refusal(now, session) {
                self.note(&actor, "refused", Some(session), format!("{what}: {refusal}"));
            }
        }
        verdict
    }

    /// The technician asks. The answer comes as an effect: at once, or once the rows are on the disk. `policy` is `None`
    /// while it can't count, because the clock is wrong.
    pub fn ask(
        &mut self,
        now: Timestamp,
        session: SessionId,
        asked: CapabilityRequest,
        policy: Option<&OwnerPolicy>,
    ) {
        let request = asked.request;
        let outcome = if self.takes_request(now.instant, session) {
            self.try_ask(session, asked, policy)
        } else {
            Err(SessionRefusal::TooMany)
        };
        if let Err(refusal) = outcome {
            self.tell_technician(
                session,
                FromAgent::Decision { request, decision: ConsentDecision::Refused(refusal) },
            );
        }
    }

    fn try_ask(
        &mut self,
        session: SessionId,
        asked: CapabilityRequest,
        policy: Option<&OwnerPolicy>,
    ) -> Result<(), SessionRefusal> {
        let CapabilityRequest { request: theirs, capabilities: wanted, seconds, reason } = asked;
        let live = self.live.get_mut(&session).ok_or(SessionRefusal::NoSuchSession)?;
        if let SessionPhase::Ending(_) = live.phase {
            return Err(SessionRefusal::NoSuchSession);
        }
        let (technician, offers) = (live.technician.clone(), live.offers);
        if !reason.is_empty() {
            live.reason = reason;
        }
        let row_of_ask = row(&technician.actor(), "ask", Some(session), format!("{wanted} for {seconds} s"));
        if let Some(missing) = wanted.without(offers).iter().next() {
            self.push(SessionEffect::Note(row_of_ask));
            self.note("agent", "deny", Some(session), format!("{missing} is not offered"));
            return Err(SessionRefusal::NotOffered(missing));
        }
        let screen = self.screen.clone().filter(|_| !wanted.intersection(OF_SCREEN).is_empty());
        if screen.is_none()
            && let Some(missing) = wanted.intersection(OF_SCREEN).iter().next()
        {
            self.push(SessionEffect::Note(row_of_ask));
            self.note("agent", "deny", Some(session), "no display is at the screen".to_owned());
            return Err(SessionRefusal::NotOffered(missing));
        }
        // Who is at the screen decides about it, also where the session is another user's.
        let person = screen.as_ref().map(|screen| screen.user).or(self.person(session));
        let attended = self.watchers.sees(person);
        let duration = Duration::from_secs(seconds.into()).min(MAX_DURATION);
        let allowed = policy
            .and_then(|policy| policy.decide(technician.id, &technician.name, wanted, attended))
            .filter(|allowed| !attended || allowed.capabilities == wanted);
        if let Some(allowed) = allowed {
            self.push(SessionEffect::Note(row_of_ask));
            let (capabilities, duration) = (allowed.capabilities, duration.min(allowed.duration));
            let terms = GrantTerms { session, capabilities, duration };
            let windows = allowed.windows;
            let target = (!windows.is_empty()).then_some(WindowTarget::Application(windows));
            self.grant(
                "policy",
                DecidedGrant {
                    terms,
                    theirs: Some(theirs),
                    person,
                    screen,
                    request: None,
                    by: DecidedBy::Policy,
                    target,
                },
            );
            return Ok(());
        }
        if !attended {
            self.push(SessionEffect::Note(row_of_ask));
            let (why, refusal) = match policy {
                Some(_) => ("nobody could be asked", SessionRefusal::Unattended),
                None => ("nobody could be asked, and the clock is wrong", SessionRefusal::ClockOff),
            };
            self.note("policy", "deny", Some(session), why.to_owned());
            return Err(refusal);
        }
        let first_contact = !self.known.contains(&technician.id);
        let theirs = Some(theirs);
        let ask = Ask { session, theirs, person, screen, capabilities: wanted, duration, first_contact };
        self.propose(row_of_ask, SessionChange::Question(Box::new(ask)));
        Ok(())
    }

    fn grant(&mut self, who: &str, grant: DecidedGrant) -> UnrecordedChangeId {
        let GrantTerms { session, capabilities, duration } = grant.terms;
        let of = grant.target.as_ref().filter(|_| capabilities.contains(Capability::Window));
        let of = of.map(|target| format!("; {}", in_words(target))).unwrap_or_default();
        let detail = format!("{capabilities} for {} s{of}", duration.as_secs());
        self.propose(row(who, "grant", Some(session), detail), SessionChange::Grant(Box::new(grant)))
    }

    /// The person's decision. `Some`: it is in force once its row is on the disk; a denial counts at once.
    ///
    /// # Errors
    /// [`DecideError`]; the request still waits then, unless it is [`DecideError::NotOpen`].
    pub fn decide(
        &mut self,
        now: Timestamp,
        request: u64,
        choice: ConsentChoice,
    ) -> Result<Option<UnrecordedChangeId>, DecideError> {
        let window = match choice {
            ConsentChoice::Allow { window: Some(window), .. } => {
                let listed = self.windows.iter().find(|listed| listed.id == window);
                Some(listed.cloned().ok_or(DecideError::NoSuchWindow)?)
            }
            _ => None,
        };
        let request = RequestId(request);
        let decided = self.consent.decide(now.instant, request, choice)?;
        let (capabilities, duration) = match decided.outcome {
            Ok(allowed) => allowed,
            Err(refusal) => {
                self.refused(request, &decided, refusal, "denied");
                return Ok(None);
            }
        };
        let terms = GrantTerms { session: decided.session, capabilities, duration };
        let target = window.filter(|_| capabilities.contains(Capability::Window)).map(WindowTarget::Window);
        let Decided { theirs, person, screen, .. } = decided;
        let screen = screen.filter(|_| !capabilities.intersection(OF_SCREEN).is_empty());
        let (request, by) = (Some(request), DecidedBy::Person);
        Ok(Some(self.grant(PERSON, DecidedGrant { terms, theirs, person, screen, request, by, target })))
    }

    /// A request was denied, or nobody answered.
    pub(super) fn refused(
        &mut self,
        request: RequestId,
        decided: &Decided,
        refusal: SessionRefusal,
        how: &str,
    ) {
        let session = decided.session;
        self.note(PERSON, "deny", Some(session), refusal.to_string());
        if let Some(request) = decided.theirs {
            let decision = ConsentDecision::Refused(refusal);
            self.tell_technician(session, FromAgent::Decision { request, decision });
        }
        self.tell(decided.person, LocalEvent::Settled { request: request.0, how: how.to_owned() });
    }

    /// The person gives more time. `None`: nothing of it is granted.
    pub fn extend(
        &mut self,
        now: Instant,
        session: SessionId,
        what: Capabilities,
        seconds: u32,
    ) -> Option<UnrecordedChangeId> {
        let capabilities = what.intersection(self.consent.capabilities(now, session));
        if capabilities.is_empty() {
            return None;
        }
        let row = row(PERSON, "extend", Some(session), format!("{capabilities} by {seconds} s"));
        let terms = GrantTerms { session, capabilities, duration: Duration::from_secs(seconds.into()) };
        Some(self.propose(row, SessionChange::Extend(terms)))
    }

    /// Capabilities are taken back. Returns those that were granted.
    fn take_back(
        &mut self,
        now: Timestamp,
        session: SessionId,
        what: Capabilities,
        who: &str,
    ) -> Capabilities {
        self.void_grants(session, what);
        let gone = self.consent.revoke(now.instant, session, what);
        self.note(who, "revoke", Some(session), gone.to_string());
        self.grants_changed(now, session, Activity::TakenBack(gone));
        gone
    }

    /// The technician gives capabilities up.
    pub fn give_up(&mut self, now: Timestamp, session: SessionId, what: Capabilities, who: &str) {
        let has = !what.intersection(self.consent.capabilities(now.instant, session)).is_empty();
        if has || self.takes_request(now.instant, session) {
            self.take_back(now, session, what, who);
        }
    }

    /// [`Sessions::take_back`], by the person.
    pub fn take_back_by_person(
        &mut self,
        now: Timestamp,
        session: SessionId,
        what: Capabilities,
    ) -> Capabilities {
        self.take_back(now, session, what, PERSON)
    }

    pub(super) fn grants_changed(&mut self, now: Timestamp, session: SessionId, act: Activity) {
        let granted = self.publish(now.instant, session);
        let why = act.to_string();
        self.note("agent", "grants", Some(session), why.clone());
        self.tell_technician(session, FromAgent::Grants { granted, why });
        self.did(now, session, act);
    }

    /// Tells the session's streams what counts now, and the watchers what is granted. Returns what counts.
    pub(super) fn publish(&mut self, now: Instant, session: SessionId) -> Vec<GrantedCapability> {
        let granted = self.granted(now, session);
        if self.live.contains_key(&session) {
            let capabilities = granted.iter().map(|granted| granted.capability).collect();
            self.push(SessionEffect::SetCapabilities(session, capabilities));
            self.push(SessionEffect::ShowSession(session));
        }
        granted
    }

    /// What counts now: what is granted, unless the session is paused.
    pub fn granted(&self, now: Instant, session: SessionId) -> Vec<GrantedCapability> {
        if self.live.get(&session).is_some_and(|live| live.pause.is_on()) {
            return Vec::new();
        }
        self.consent.granted(now, session)
    }

    /// A technician's key or click is passed on to the display.
    pub fn injected(&mut self, now: Instant) {
        self.consent.injected(now);
    }

    /// Whether what is decided at this device now is the person's own.
    ///
    /// # Errors
    /// [`DecideError::HandsOff`] while a technician types.
    pub fn hands_off(&self, now: Instant) -> Result<(), DecideError> {
        self.consent.hands_off(now)
    }

    /// A picture of the screen is about to be taken, for which the grant is good once. It is taken once the row is on the
    /// disk; however that goes, [`Sessions::picture_is_over`] follows.
    ///
    /// # Errors
    /// The [`SessionRefusal`] for the technician: it isn't granted.
    pub fn take_picture(
        &mut self,
        now: Timestamp,
        session: SessionId,
        actor: &str,
    ) -> Result<UnrecordedChangeId, SessionRefusal> {
        self.consent.take(now.instant, session, Capability::Screenshot)?;
        Ok(self.begin_act(actor, "screenshot.start", Some(session), String::new()))
    }

    /// The picture was `sent`, or there will be none: `how`, in words. The grant is used up either way.
    pub fn picture_is_over(
        &mut self,
        now: Timestamp,
        session: SessionId,
        actor: &str,
        sent: bool,
        how: &str,
    ) {
        self.note(actor, "screenshot.end", Some(session), how.to_owned());
        if self.consent.used_up(now.instant, session, Capability::Screenshot) {
            self.grants_changed(
                now,
                session,
                Activity::Told(AgentNotice::PictureOver { sent, how: how.to_owned() }),
            );
        }
    }

    /// Whether that person may look at the titles of windows: they are asked for one, on the screen that they have before
    /// them.
    pub fn may_list_windows(&self, now: Instant, user: LocalUser) -> bool {
        let mut waiting = self.consent.pending(now);
        let theirs = self.screen.as_ref().is_some_and(|screen| user.sees(Some(screen.user)));
        theirs
            && waiting
                .any(|(_, ask, _)| ask.capabilities.contains(Capability::Window) && user.sees(ask.person))
    }

    /// Keeps the windows that the person is going to choose from.
    pub fn keep_windows(&mut self, windows: Vec<OpenWindow>) {
        self.windows = windows;
    }

    /// The window that may be seen in a session now; asked at every beginning of the view.
    ///
    /// # Errors
    /// The refusals of [`Sessions::allows`]; [`SessionRefusal::NotGranted`] also if no window has been chosen.
    pub fn target(&mut self, now: Instant, session: SessionId) -> Result<WindowTarget, SessionRefusal> {
        self.allows(now, session, Capability::Window)?;
        let target = self.live.get(&session).and_then(|live| live.target.clone());
        target.ok_or(SessionRefusal::NotGranted(Capability::Window))
    }

    /// The window is closed: another one needs another choice.
    pub fn window_gone(&mut self, now: Timestamp, session: SessionId, why: &str) {
        let window = Capabilities::from(Capability::Window);
        if self.consent.revoke(now.instant, session, window).is_empty() {
            return;
        }
        if let Some(live) = self.live.get_mut(&session) {
            live.target = None;
            self.push(SessionEffect::SetTarget(session, None));
        }
        let why = nearhand_proto::text::one_line(why, 200);
        self.grants_changed(now, session, Activity::Told(AgentNotice::WindowOver { why }));
    }

    /// A technician sees this window from now on, or no longer; a recording of it is named by it.
    pub fn shows_window(&mut self, session: SessionId, what: Option<String>) {
        if let Some(live) = self.live.get_mut(&session) {
            live.seen_window = what;
        }
    }

    /// A request that waits.
    pub(super) fn request(&self, now: Instant, request: RequestId) -> Option<ConsentRequest> {
        let everything = LocalUser { user: 0, owner: true };
        self.requests(now, everything).into_iter().find(|waiting| waiting.request == request.0)
    }

    /// The requests that wait for that person.
    pub fn requests(&self, now: Instant, user: LocalUser) -> Vec<ConsentRequest> {
        let waiting = self.consent.pending(now);
        waiting
            .filter_map(|(id, ask, left)| {
                let live = self.live.get(&ask.session).filter(|_| user.sees(ask.person))?;
                Some(ConsentRequest {
                    request: id.0,
                    session: ask.session,
                    organisation: live.technician.organisation.clone(),
                    technician: live.technician.name.clone(),
                    reason: live.reason.clone(),
                    capabilities: ask.capabilities,
                    seconds: super::change::whole_seconds(ask.duration),
                    first_contact: ask.first_contact,
                    seconds_left: u32::try_from(left).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }
}
