//! The way of a change from its decision to its being in force, and what voids it in between.

use nearhand_proto::audit::AuditEvent;
use nearhand_proto::grant::{Capabilities, DecidedBy};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Activity, LocalEvent};
use nearhand_proto::message::session::{ConsentDecision, FromAgent, SessionRefusal};

use super::change::{
    DecidedGrant, SessionChange, UnrecordedChange, UnrecordedChangeId, WaitingChange, Widening, whole_seconds,
};
use super::effect::{SessionEffect, SignedGrant};
use super::live_session::{ScreenRecordingState, SessionPhase};
use super::record_health::row;
use super::state::Sessions;
use super::timestamp::Timestamp;
use crate::consent::{ANSWER_WITHIN, Ask, GrantTerms};
use crate::record::{RecordError, Recorded};

/// Changes of one session whose rows are on their way at once.
const MAX_WAITING: usize = 16;

impl Sessions {
    /// Hands a change to the record. It is in force once its row is on the disk.
    pub(super) fn propose(&mut self, row: AuditEvent, change: SessionChange) -> UnrecordedChangeId {
        self.last_change += 1;
        let id = UnrecordedChangeId(self.last_change);
        let waiting = WaitingChange::of(&change);
        let session = waiting.session;
        let many = self.waiting.values().filter(|other| other.session == session).count() >= MAX_WAITING;
        self.waiting.insert(id, waiting);
        if self.record.is_silent() || many {
            // Another row behind those that wait would not be written any sooner.
            let refusal = if many { SessionRefusal::TooMany } else { SessionRefusal::Storage };
            self.refuse_change(id, refusal);
        } else {
            self.push(SessionEffect::Record(row, UnrecordedChange { id, change }));
        }
        id
    }

    /// Something that its caller does once the row is on the disk ([`SessionEffect::Answer`]).
    pub fn begin_act(
        &mut self,
        actor: &str,
        action: &str,
        session: Option<SessionId>,
        detail: String,
    ) -> UnrecordedChangeId {
        let row = row(actor, action, session, detail);
        self.propose(row, SessionChange::CallersAct(session))
    }

    /// A change whose row is on the disk comes into force, unless something voided it meanwhile.
    pub fn put_in_force(&mut self, now: Timestamp, recorded: Recorded<UnrecordedChange>) {
        self.row_is_written(now);
        let id = recorded.subject().id;
        if !self.waiting.contains_key(&id) {
            let change = &recorded.subject().change;
            let detail = format!("the row before came too late: {}", change.in_words());
            return self.note("agent", "void", change.session(), detail);
        }
        let terms_in_force = match &recorded.subject().change {
            SessionChange::Grant(grant) => {
                self.leave_other_screen(now, grant.terms, grant.screen.as_ref());
                self.consent.grant(now.instant, &recorded);
                Capabilities::NONE
            }
            SessionChange::Restore(restored) => {
                self.stands_again(now, restored);
                self.consent.grant(now.instant, &recorded);
                Capabilities::NONE
            }
            SessionChange::Extend(_) => self.consent.extend(now.instant, &recorded),
            _ => Capabilities::NONE,
        };
        let outcome = match recorded.into_subject().change {
            SessionChange::Begin(start) => self.begun(now, *start),
            SessionChange::Restore(restored) => self.restored(now, restored.start.session),
            SessionChange::Question(ask) => self.ask_person(now, &ask),
            SessionChange::Grant(grant) => self.granted_now(now, *grant),
            SessionChange::Extend(terms) => {
                self.grants_changed(now, terms.session, Activity::Extended(terms_in_force));
                Ok(())
            }
            SessionChange::Resume(session) => self.resumed(now, session),
            SessionChange::SeenAgain(session) => self.seen_again(now, session),
            SessionChange::SameScreen(session) => self.same_screen(now, session),
            SessionChange::Recording { session, part } => self.recording_runs(now, session, part),
            SessionChange::CallersAct(_) => Ok(()),
        };
        match outcome {
            Ok(()) => {
                self.waiting.remove(&id);
                self.push(SessionEffect::Answer(id, Ok(())));
            }
            Err(refusal) => self.refuse_change(id, refusal),
        }
    }

    /// The row of a change is not on the disk: it doesn't come into force.
    pub fn not_recorded(&mut self, id: UnrecordedChangeId, error: &RecordError) {
        self.row_is_lost(error);
        self.refuse_change(id, SessionRefusal::Storage);
    }

    /// A change doesn't come into force: the caller that waits for it is told.
    pub(super) fn refuse_change(&mut self, id: UnrecordedChangeId, refusal: SessionRefusal) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        if let (Some(session), Some(request)) = (waiting.session, waiting.asked) {
            self.tell_technician(
                session,
                FromAgent::Decision { request, decision: ConsentDecision::Refused(refusal) },
            );
        }
        if let Some(request) = waiting.request {
            let how = format!("not allowed: {refusal}");
            self.tell(waiting.person, LocalEvent::Settled { request: request.0, how });
        }
        self.push(SessionEffect::Answer(id, Err(refusal)));
    }

    /// Voids what waits of a session and would widen what is narrowed now.
    fn void(&mut self, session: SessionId, refusal: SessionRefusal, is_hit: impl Fn(Widening) -> bool) {
        let of_session = self.waiting.iter().filter(|(_, waiting)| waiting.session == Some(session));
        let hit: Vec<_> =
            of_session.filter(|(_, waiting)| is_hit(waiting.widens)).map(|(id, _)| *id).collect();
        for id in hit {
            self.refuse_change(id, refusal);
        }
    }

    /// The session is stopped: nothing of what waits comes into force.
    pub(super) fn void_all(&mut self, session: SessionId) {
        self.void(session, SessionRefusal::NoSuchSession, |_| true);
    }

    /// Capabilities are taken back: a grant of them that waits doesn't come into force.
    pub(super) fn void_grants(&mut self, session: SessionId, what: Capabilities) {
        let hit = |widens| matches!(widens, Widening::Grants(of) if !of.intersection(what).is_empty());
        self.void(session, SessionRefusal::Denied, hit);
    }

    /// The session is paused: a resumption that waits doesn't come into force.
    pub(super) fn void_resumption(&mut self, session: SessionId) {
        self.void(session, SessionRefusal::Denied, |widens| widens == Widening::Resumes);
    }

    /// Nobody sees the session: that somebody does, which waits to be written down, is no longer so.
    pub(super) fn void_seen_again(&mut self, session: SessionId) {
        self.void(session, SessionRefusal::Unattended, |widens| widens == Widening::SeenAgain);
    }

    /// Another display is at the screen: that the granted one is, which waits to be written down, is no longer so.
    pub(super) fn void_same_screen(&mut self, session: SessionId) {
        self.void(session, SessionRefusal::Denied, |widens| widens == Widening::SameScreen);
    }

    /// Whether a row that says that the granted display is at the screen again is on its way.
    pub(super) fn is_resuming_screen(&self, session: SessionId) -> bool {
        let mut waiting = self.waiting.values();
        waiting.any(|change| change.session == Some(session) && change.widens == Widening::SameScreen)
    }

    /// Whether a row that says that the session is seen again is on its way.
    pub(super) fn is_resuming_unseen(&self, session: SessionId) -> bool {
        let mut waiting = self.waiting.values();
        waiting.any(|change| change.session == Some(session) && change.widens == Widening::SeenAgain)
    }

    fn ask_person(&mut self, now: Timestamp, ask: &Ask) -> Result<(), SessionRefusal> {
        let request = self.consent.ask(now.instant, ask)?;
        if let Some(asked) = self.request(now.instant, request) {
            self.tell(ask.person, LocalEvent::Asked(asked));
        }
        if let Some(request) = ask.theirs {
            let seconds = u32::try_from(ANSWER_WITHIN.as_secs()).unwrap_or(u32::MAX);
            self.tell_technician(ask.session, FromAgent::Asking { request, seconds });
        }
        Ok(())
    }

    /// Both sides learn of a grant that is in force.
    fn granted_now(&mut self, now: Timestamp, grant: DecidedGrant) -> Result<(), SessionRefusal> {
        let DecidedGrant { terms, theirs, person: asked, screen, request, by, target } = grant;
        let GrantTerms { session, capabilities, duration } = terms;
        let live = self.live.get_mut(&session).ok_or(SessionRefusal::NoSuchSession)?;
        let technician = live.technician.id;
        if let Some(target) = target {
            live.target = Some(target.clone());
            self.effects.push(SessionEffect::SetTarget(session, Some(target)));
        }
        let seconds = whole_seconds(duration);
        if by == DecidedBy::Person {
            // They let somebody in, so they are to see what is done.
            live.attended = true;
            if self.known.insert(technician) {
                self.effects.push(SessionEffect::SaveKnown(self.known.clone()));
            }
            self.did(now, session, Activity::Granted { capabilities, seconds });
        }
        if let Some(screen) = screen {
            self.bind_screen(now, session, screen, by);
        }
        let granted = self.publish(now.instant, session);
        let signed = SignedGrant {
            session,
            technician,
            request: theirs,
            capabilities,
            seconds,
            at: now.wall,
            by,
            granted,
        };
        self.push(SessionEffect::TellGranted(signed));
        if let Some(request) = request {
            self.tell(asked, LocalEvent::Settled { request: request.0, how: "allowed".to_owned() });
        }
        Ok(())
    }

    fn recording_runs(
        &mut self,
        now: Timestamp,
        session: SessionId,
        part: u32,
    ) -> Result<(), SessionRefusal> {
        let live = self.live.get_mut(&session).ok_or(SessionRefusal::NoSuchSession)?;
        if let SessionPhase::Ending(_) = live.phase {
            return Err(SessionRefusal::NoSuchSession);
        }
        live.recording = ScreenRecordingState::Running { part };
        self.did(now, session, Activity::Records);
        Ok(())
    }
}
