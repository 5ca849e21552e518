//! The display at the machine's screen, and the sessions in which something of it is granted.
//!
//! A grant is good for the display of the user who gave it. Where another user or display comes to the screen, the session
//! pauses at once and that user is asked; it goes on by itself when the first one is back.

use std::time::{Duration, Instant};

use nearhand_proto::grant::{Capabilities, Capability, DecidedBy};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Activity, AgentNotice, LocalEvent};
use nearhand_proto::message::session::{GrantedCapability, SessionRefusal};

use super::change::SessionChange;
use super::live_session::LiveSession;
use super::record_health::row;
use super::state::Sessions;
use super::timestamp::Timestamp;
use crate::consent::{Ask, GrantTerms};
use crate::display_owner::DisplayOwner;

/// What shows or uses the display.
pub const OF_SCREEN: Capabilities = Capabilities::NONE
    .with(Capability::View)
    .with(Capability::Control)
    .with(Capability::Clipboard)
    .with(Capability::Window)
    .with(Capability::Screenshot);

fn is_same(one: Option<&DisplayOwner>, other: Option<&DisplayOwner>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same_desktop(other),
        (None, None) => true,
        _ => false,
    }
}

impl Sessions {
    /// The driver has looked whose display is at the screen; `None`: nobody's that can be shown.
    pub fn screen_is(&mut self, now: Timestamp, screen: Option<DisplayOwner>) {
        if is_same(self.screen.as_ref(), screen.as_ref()) {
            return self.go_on_at_screen(now);
        }
        self.screen = screen;
        self.screen_changed(now);
    }

    /// Whether something of a display is granted in a session, or one waits for its display, so that the driver has to look
    /// at whose it is.
    pub fn follows_screen(&self, now: Instant) -> bool {
        self.live.iter().any(|(id, live)| live.pause.elsewhere || self.needs_its_screen(now, *id, live))
    }

    /// Whether something of its display is granted now. What has expired or was taken back binds the session to none.
    fn needs_its_screen(&self, now: Instant, session: SessionId, live: &LiveSession) -> bool {
        let of_screen = |granted: &GrantedCapability| OF_SCREEN.contains(granted.capability);
        live.screen.is_some() && self.consent.granted(now, session).iter().any(of_screen)
    }

    fn may_go_on(&self, now: Instant, session: SessionId, live: &LiveSession) -> bool {
        !self.needs_its_screen(now, session, live) || is_same(live.screen.as_ref(), self.screen.as_ref())
    }

    /// Sessions that wait for their display and need not any more go on: what they had of it is over, or the row about its
    /// return could not be written when it came back.
    fn go_on_at_screen(&mut self, now: Timestamp) {
        let waiting = |(id, live): (&SessionId, &LiveSession)| {
            (live.pause.elsewhere && self.may_go_on(now.instant, *id, live)).then_some(*id)
        };
        let sessions: Vec<_> = self.live.iter().filter_map(waiting).collect();
        for session in sessions {
            self.propose_same_screen(session);
        }
    }

    fn propose_same_screen(&mut self, session: SessionId) {
        if self.is_resuming_screen(session) {
            return;
        }
        self.withdraw_questions(session);
        let row = row("agent", "session.continued", Some(session), Activity::Resumed.to_string());
        self.propose(row, SessionChange::SameScreen(session));
    }

    /// Whether a display may be shown or used in a session now. Asked whenever one is found.
    ///
    /// # Errors
    /// [`SessionRefusal::Unattended`]: it is not the one that was granted.
    pub fn may_use_screen(
        &mut self,
        now: Timestamp,
        session: SessionId,
        screen: DisplayOwner,
    ) -> Result<(), SessionRefusal> {
        self.screen_is(now, Some(screen));
        let live = self.live.get(&session).ok_or(SessionRefusal::NoSuchSession)?;
        let is_granted = live.screen.is_some() && is_same(live.screen.as_ref(), self.screen.as_ref());
        if is_granted { Ok(()) } else { Err(SessionRefusal::Unattended) }
    }

    pub(super) fn screen_changed(&mut self, now: Timestamp) {
        let bound = |(id, live): (&SessionId, &LiveSession)| {
            (*id, self.may_go_on(now.instant, *id, live), live.pause.elsewhere)
        };
        let all: Vec<_> = self.live.iter().map(bound).collect();
        for (session, is_here, was_elsewhere) in all {
            match (is_here, was_elsewhere) {
                (false, false) => {
                    if let Some(live) = self.live.get_mut(&session) {
                        live.pause.elsewhere = true;
                    }
                    let act = Activity::PausedOtherUser;
                    self.note("agent", "session.paused", Some(session), act.to_string());
                    self.tell_pause(now, session, act);
                }
                (false, true) => {
                    self.void_same_screen(session);
                    self.withdraw_questions(session);
                }
                (true, true) => {
                    self.withdraw_questions(session);
                    self.propose_same_screen(session);
                }
                (true, false) => {}
            }
        }
        self.ask_other_users(now);
    }

    /// The display that was granted is at the screen again, and that is written down.
    pub(super) fn same_screen(&mut self, now: Timestamp, session: SessionId) -> Result<(), SessionRefusal> {
        let live = self.live.get(&session).ok_or(SessionRefusal::NoSuchSession)?;
        if !self.may_go_on(now.instant, session, live) {
            return Err(SessionRefusal::Denied);
        }
        let live = self.live.get_mut(&session).ok_or(SessionRefusal::NoSuchSession)?;
        live.pause.elsewhere = false;
        live.asked_at = None;
        self.tell_pause(now, session, Activity::Resumed);
        Ok(())
    }

    /// Questions about another display than the one at the screen are no longer asked.
    fn withdraw_questions(&mut self, session: SessionId) {
        if let Some(live) = self.live.get_mut(&session) {
            live.asked_at = None;
        }
        let screen = self.screen.clone();
        let withdrawn = self.consent.withdraw(|ask| {
            ask.session == session
                && ask.theirs.is_none()
                && !(screen.is_some() && is_same(ask.screen.as_ref(), screen.as_ref()))
        });
        for (request, person) in withdrawn {
            let how = "another user is at the screen now".to_owned();
            self.tell(person, LocalEvent::Settled { request: request.0, how });
        }
    }

    /// Asks the user who is at the screen now about the sessions that were granted on another display, once each.
    pub(super) fn ask_other_users(&mut self, now: Timestamp) {
        let Some(screen) = self.screen.clone() else { return };
        if !self.watchers.sees(Some(screen.user)) {
            return;
        }
        let is_to_ask =
            |live: &LiveSession| live.pause.elsewhere && !is_same(live.asked_at.as_ref(), Some(&screen));
        let sessions: Vec<_> =
            self.live.iter().filter(|(_, live)| is_to_ask(live)).map(|(id, _)| *id).collect();
        for session in sessions {
            let granted = self.consent.granted(now.instant, session);
            let of_screen = granted.iter().filter(|granted| OF_SCREEN.contains(granted.capability));
            let Some(seconds) = of_screen.clone().map(|granted| granted.seconds_left).min() else { continue };
            let capabilities: Capabilities = of_screen.map(|granted| granted.capability).collect();
            let Some(live) = self.live.get_mut(&session) else { continue };
            if is_same(live.screen.as_ref(), Some(&screen)) {
                continue;
            }
            live.asked_at = Some(screen.clone());
            let ask = Ask {
                session,
                theirs: None,
                person: Some(screen.user),
                screen: Some(screen.clone()),
                capabilities,
                duration: Duration::from_secs(seconds.into()),
                // They have not been asked about this technician.
                first_contact: true,
            };
            let detail = format!("{capabilities} for {seconds} s, of the user who is at the screen now");
            let row = row("agent", "ask", Some(session), detail);
            self.propose(row, SessionChange::Question(Box::new(ask)));
        }
    }

    /// What is granted of one display ends before something is granted of another.
    pub(super) fn leave_other_screen(
        &mut self,
        now: Timestamp,
        terms: GrantTerms,
        screen: Option<&DisplayOwner>,
    ) {
        let GrantTerms { session, .. } = terms;
        let Some(live) = self.live.get_mut(&session) else { return };
        if screen.is_some() && live.screen.is_some() && !is_same(live.screen.as_ref(), screen) {
            live.target = None;
            self.consent.revoke(now.instant, session, OF_SCREEN);
        }
    }

    /// Something was granted of this display. Its user is whose the session is from now on.
    pub(super) fn bind_screen(
        &mut self,
        now: Timestamp,
        session: SessionId,
        screen: DisplayOwner,
        by: DecidedBy,
    ) {
        let is_here = is_same(self.screen.as_ref(), Some(&screen));
        let Some(live) = self.live.get_mut(&session) else { return };
        let before = live.person;
        if by == DecidedBy::Person {
            live.person = Some(screen.user);
        }
        let after = live.person;
        let was_elsewhere = core::mem::replace(&mut live.pause.elsewhere, false);
        live.asked_at = None;
        live.screen = Some(screen);
        if let Some(person) = before.filter(|_| before != after) {
            self.tell(Some(person), LocalEvent::Ended { session, why: AgentNotice::OtherUser });
            self.presence_changed(now);
        }
        if was_elsewhere && is_here {
            self.tell_pause(now, session, Activity::Resumed);
        }
        if !is_here {
            self.screen_changed(now);
        }
    }
}
