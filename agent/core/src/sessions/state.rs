//! The state of all sessions, and what time brings to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::message::local::{Activity, AgentNotice, LocalEvent};
use nearhand_proto::message::session::{FromAgent, SessionEndReason, SessionRefusal};

use super::change::{UnrecordedChangeId, WaitingChange};
use super::effect::SessionEffect;
use super::live_session::{EndedSession, LiveSession};
use super::record_health::RecordHealth;
use super::timestamp::Timestamp;
use super::watchers::Watchers;
use crate::code::SupportCodeIssuer;
use crate::consent::{Change, Consent};
use crate::display_owner::DisplayOwner;
use crate::window_target::OpenWindow;

/// Sessions at the same time.
pub const MAX_SESSIONS: usize = 8;

/// The state of all sessions, of the support code and of the people who watch.
pub struct Sessions {
    pub(super) consent: Consent,
    pub(super) codes: SupportCodeIssuer,
    /// Who made the code that is shown.
    pub(super) code_maker: Option<u32>,
    pub(super) live: BTreeMap<SessionId, LiveSession>,
    /// Offered sessions whose technician isn't known yet.
    pub(super) arriving: BTreeSet<SessionId>,
    /// Technicians who were granted something here before.
    pub(super) known: BTreeSet<TechnicianId>,
    pub(super) watchers: Watchers,
    /// Whose display is at the screen.
    pub(super) screen: Option<DisplayOwner>,
    /// The driver was told last that a question waits.
    pub(super) is_asking: bool,
    /// What a person was last shown to choose a window from.
    pub(super) windows: Vec<OpenWindow>,
    /// Sessions that are over, the oldest first.
    pub(super) ended: VecDeque<EndedSession>,
    pub(super) last_change: u64,
    /// Changes whose rows are on their way to the disk.
    pub(super) waiting: BTreeMap<UnrecordedChangeId, WaitingChange>,
    pub(super) record: RecordHealth,
    pub(super) effects: Vec<SessionEffect>,
}

impl Sessions {
    /// No session yet; `known` were granted something here before.
    pub fn new(known: BTreeSet<TechnicianId>) -> Self {
        Self {
            consent: Consent::default(),
            codes: SupportCodeIssuer::default(),
            code_maker: None,
            live: BTreeMap::new(),
            arriving: BTreeSet::new(),
            known,
            watchers: Watchers::default(),
            screen: None,
            is_asking: false,
            windows: Vec::new(),
            ended: VecDeque::new(),
            last_change: 0,
            waiting: BTreeMap::new(),
            record: RecordHealth::default(),
            effects: Vec::new(),
        }
    }

    /// What has to be done because of what happened, in order. The driver asks after each call.
    pub fn take_effects(&mut self) -> Vec<SessionEffect> {
        let waits = self.consent.is_asking();
        if core::mem::replace(&mut self.is_asking, waits) != waits {
            self.push(SessionEffect::Asking(waits));
        }
        core::mem::take(&mut self.effects)
    }

    /// When [`Sessions::handle_timeout`] next has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let own = [self.consent.next_timeout(), self.codes.next_timeout()];
        let seen = [self.unseen_until(), self.watchers.next_timeout()];
        own.into_iter().chain(seen).chain([self.record.next_timeout()]).flatten().min()
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.codes.handle_timeout(now.instant) {
            self.code_gone(AgentNotice::CodeExpired);
        }
        for change in self.consent.handle_timeout(now.instant) {
            match change {
                Change::TimedOut { request, decided } => {
                    self.refused(request, &decided, SessionRefusal::TimedOut, "nobody answered");
                }
                Change::Expired { session, capabilities } => {
                    self.grants_changed(now, session, Activity::Expired(capabilities));
                }
                Change::Idle { session } => self.end(now, session, SessionEndReason::Idle, None),
            }
        }
        self.handle_heartbeats(now);
        for session in self.unseen_too_long(now.instant) {
            self.end(now, session, SessionEndReason::Stopped, Some(AgentNotice::Unwatched));
        }
        self.handle_silent_disk(now);
    }

    pub(super) fn push(&mut self, effect: SessionEffect) {
        self.effects.push(effect);
    }

    pub(super) fn tell(&mut self, person: Option<u32>, event: LocalEvent) {
        self.push(SessionEffect::TellPerson(person, event));
    }

    pub(super) fn tell_technician(&mut self, session: SessionId, message: FromAgent) {
        self.push(SessionEffect::TellTechnician(session, message));
    }

    /// Whether a session is under way.
    pub fn is_live(&self, session: SessionId) -> bool {
        self.live.contains_key(&session)
    }

    /// Whose a session is; `None`: of everybody at the device.
    pub(super) fn person(&self, session: SessionId) -> Option<u32> {
        self.live.get(&session).and_then(|live| live.person)
    }
}
