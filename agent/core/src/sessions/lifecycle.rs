//! A session from the relay's offer to its end.

use std::collections::VecDeque;
use std::time::Instant;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::OfferRefusal;
use nearhand_proto::message::local::{self, Activity, AgentNotice, ChatLine, LocalEvent};
use nearhand_proto::message::session::{SessionEndReason, SessionRefusal};
use nearhand_proto::support_code::RoutingDigits;

use super::change::{SessionChange, UnrecordedChangeId};
use super::effect::SessionEffect;
use super::limits::TechnicianLimits;
use super::live_session::{
    ArrivedSession, LiveSession, Pause, ScreenRecordingState, SessionPhase, SessionTechnician,
};
use super::record_health::row;
use super::state::{MAX_SESSIONS, Sessions};
use super::timestamp::Timestamp;
use super::watchers::LocalUser;

impl Sessions {
    /// The relay offers a new session, by the support code with these digits or without one, which only an enrolled device
    /// takes.
    ///
    /// # Errors
    /// The [`OfferRefusal`] for the relay.
    pub fn offered(
        &mut self,
        now: Instant,
        session: SessionId,
        code: Option<RoutingDigits>,
        is_enrolled: bool,
    ) -> Result<(), OfferRefusal> {
        match code {
            Some(_) if self.codes.may_make(now).is_err() => return Err(OfferRefusal::LockedOut),
            Some(routing) if !self.codes.is_shown(now, routing) => return Err(OfferRefusal::NoSuchCode),
            None if !is_enrolled => return Err(OfferRefusal::OnlyByCode),
            _ => {}
        }
        let is_taken = self.live.contains_key(&session) || self.arriving.contains(&session);
        if is_taken || self.live.len() + self.arriving.len() >= MAX_SESSIONS {
            return Err(OfferRefusal::Busy);
        }
        self.arriving.insert(session);
        Ok(())
    }

    /// The technician is known: the session stands once its row is on the disk.
    pub fn begin(&mut self, start: ArrivedSession) -> UnrecordedChangeId {
        let how = if start.attended { "by support code" } else { "managed" };
        let detail = format!("{how}, for {}", start.technician.organisation);
        let row = row(&start.technician.actor(), "session.start", Some(start.session), detail);
        self.propose(row, SessionChange::Begin(Box::new(start)))
    }

    pub(super) fn begun(&mut self, now: Timestamp, start: ArrivedSession) -> Result<(), SessionRefusal> {
        let ArrivedSession { session, technician, attended, person, offers } = start;
        // Its task may be gone already.
        if !self.arriving.remove(&session) {
            return Err(SessionRefusal::NoSuchSession);
        }
        self.consent.begin(now.instant, session);
        let live = LiveSession {
            technician,
            reason: String::new(),
            attended,
            person,
            offers,
            phase: SessionPhase::Running,
            pause: Pause::default(),
            activity: VecDeque::new(),
            began: now.wall,
            connected: true,
            recording: ScreenRecordingState::Off { parts: 0 },
            target: None,
            seen_window: None,
            limits: TechnicianLimits::default(),
            screen: None,
            asked_at: None,
        };
        self.live.insert(session, live);
        self.push(SessionEffect::ShowSession(session));
        // Nobody may be there to see it.
        self.presence_changed(now);
        Ok(())
    }

    /// Why help is given, in the technician's words, neutralised.
    pub fn set_reason(&mut self, now: Timestamp, session: SessionId, reason: &str) {
        if !self.takes_request(now.instant, session) {
            return;
        }
        let Some(live) = self.live.get_mut(&session) else { return };
        reason.clone_into(&mut live.reason);
        let actor = live.technician.actor();
        self.note(&actor, "session.reason", Some(session), reason.to_owned());
        self.push(SessionEffect::ShowSession(session));
    }

    /// The connection of a session was lost or came back.
    pub fn set_connected(&mut self, now: Timestamp, session: SessionId, connected: bool) {
        let Some(live) = self.live.get_mut(&session).filter(|live| live.connected != connected) else {
            return;
        };
        live.connected = connected;
        let actor = live.technician.actor();
        let (action, act) = if connected {
            ("session.resumed", Activity::Reconnected)
        } else {
            ("session.interrupted", Activity::Interrupted)
        };
        self.note(&actor, action, Some(session), String::new());
        self.push(SessionEffect::ShowSession(session));
        self.did(now, session, act);
    }

    /// The technician keeps what they see from now on, once the row is on the disk. Returns the number of this part of the
    /// recording. However that goes, [`Sessions::recording_ended`] follows.
    ///
    /// # Errors
    /// [`SessionRefusal::NoSuchSession`] if the session is over; nothing is recorded then.
    pub fn begin_recording(
        &mut self,
        session: SessionId,
        actor: &str,
    ) -> Result<(UnrecordedChangeId, u32), SessionRefusal> {
        let live = self.live.get(&session).ok_or(SessionRefusal::NoSuchSession)?;
        let part = live.recording.parts().saturating_add(1);
        let of = live.seen_window.as_ref().map(|window| format!(", of {window}")).unwrap_or_default();
        let row = row(actor, "record.start", Some(session), format!("part {part} of the recording{of}"));
        Ok((self.propose(row, SessionChange::Recording { session, part }), part))
    }

    /// The technician no longer keeps what they see.
    pub fn recording_ended(&mut self, now: Timestamp, session: SessionId, actor: &str) {
        if let Some(live) = self.live.get_mut(&session) {
            live.recording = ScreenRecordingState::Off { parts: live.recording.parts() };
        }
        self.note(actor, "record.end", Some(session), String::new());
        self.did(now, session, Activity::StopsRecording);
    }

    /// Ends a session from this side: what its technician is told, and what the person at the device is told if that says
    /// more. Nothing is granted from here on; nothing is waited for.
    pub fn end(
        &mut self,
        now: Timestamp,
        session: SessionId,
        ended: SessionEndReason,
        here: Option<AgentNotice>,
    ) {
        let Some(live) = self.live.get_mut(&session) else { return };
        live.phase = match core::mem::replace(&mut live.phase, SessionPhase::Running) {
            SessionPhase::Ending(Some(first)) => SessionPhase::Ending(Some(first)),
            _ => SessionPhase::Ending(here),
        };
        // Grants go first, at once; the task then closes the connection.
        self.push(SessionEffect::SetCapabilities(session, Capabilities::NONE));
        self.consent.revoke(now.instant, session, Capability::ALL.into_iter().collect());
        self.void_all(session);
        // The person sees at once that it worked; the connection's own end may take a moment.
        self.push(SessionEffect::ShowSession(session));
        self.push(SessionEffect::EndSession(session, ended));
    }

    /// Ends all sessions.
    pub fn end_all(&mut self, now: Timestamp, ended: SessionEndReason, here: Option<&AgentNotice>) {
        self.end_where(now, ended, here, |_| true);
    }

    /// Ends the sessions of technicians to whom that applies.
    pub fn end_where(
        &mut self,
        now: Timestamp,
        ended: SessionEndReason,
        here: Option<&AgentNotice>,
        applies: impl Fn(&SessionTechnician) -> bool,
    ) {
        let hit = self.live.iter().filter(|(_, live)| applies(&live.technician));
        let hit: Vec<_> = hit.map(|(id, _)| *id).collect();
        for session in hit {
            self.end(now, session, ended, here.cloned());
        }
    }

    /// Ends the sessions of a person at the device.
    pub fn stop_all(&mut self, now: Timestamp, user: LocalUser) {
        for session in self.sessions_of(user) {
            self.end(now, session, SessionEndReason::Stopped, Some(AgentNotice::Stopped));
        }
    }

    /// A session's task has returned: what is left of the session goes.
    pub fn forget(&mut self, now: Timestamp, session: SessionId, why: &AgentNotice) {
        self.arriving.remove(&session);
        self.void_all(session);
        self.write_left_out(session);
        let open = self.consent.end(session);
        let Some(live) = self.live.remove(&session) else { return };
        self.watchers.set_needed(now.instant, !self.live.is_empty());
        // What was done here says more than how the other end was told of it.
        let why = match &live.phase {
            SessionPhase::Ending(Some(here)) => here,
            _ => why,
        };
        self.note(&live.technician.actor(), "session.end", Some(session), why.to_string());
        self.keep_record(session, &live, now.wall, why);
        for (request, person) in open {
            let how = "the session ended".to_owned();
            self.tell(person, LocalEvent::Settled { request: request.0, how });
        }
        self.tell(live.person, LocalEvent::Ended { session, why: why.clone() });
    }

    /// The sessions of a person, as they are shown; the driver adds the chat of each.
    pub fn shown(
        &self,
        now: Instant,
        user: LocalUser,
        chat: impl Fn(SessionId) -> Vec<ChatLine>,
    ) -> Vec<local::LocalSession> {
        let theirs = self.live.iter().filter(|(_, live)| user.sees(live.person));
        theirs.map(|(id, live)| self.show(now, *id, live, chat(*id))).collect()
    }

    /// One session as it is shown, and to whom.
    pub fn shown_session(
        &self,
        now: Instant,
        session: SessionId,
        chat: Vec<ChatLine>,
    ) -> Option<(Option<u32>, local::LocalSession)> {
        let live = self.live.get(&session)?;
        Some((live.person, self.show(now, session, live, chat)))
    }

    fn show(
        &self,
        now: Instant,
        session: SessionId,
        live: &LiveSession,
        chat: Vec<ChatLine>,
    ) -> local::LocalSession {
        local::LocalSession {
            session,
            organisation: live.technician.organisation.clone(),
            technician: live.technician.name.clone(),
            reason: live.reason.clone(),
            granted: self.consent.granted(now, session),
            connected: live.connected,
            began: live.began,
            chat,
        }
    }
}
