//! Sessions on this device: who is in one, what is granted, who sees it, and the order in which that changes.
//!
//! A pure core. What happens comes in by a method with the time as an argument; what follows comes out as
//! [`SessionEffect`]s, in order. Nothing here sleeps, writes or sends.
//!
//! Two rules decide the order. What widens what a technician may do becomes a [`PendingChange`]: it goes out with its row
//! for the record and comes into force in [`Sessions::put_in_force`], which takes the proof that the row is on the disk.
//! What narrows it (Stop, deny, taking back, expiry, a pause) counts at once, and its row follows.

mod activity;
mod codes;
mod grants;
mod lifecycle;
mod pauses;
mod pending;
mod presence;
mod record_health;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use nearhand_proto::audit::AuditEvent;
use nearhand_proto::credential::VerifiedCredential;
use nearhand_proto::grant::{Capabilities, DecidedBy};
use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::message::local::{ActivityEntry, AgentNotice, ChatLine, LocalEvent};
use nearhand_proto::message::session::{FromAgent, GrantedCapability, SessionEndReason, SessionRefusal};
use nearhand_proto::time::UnixMillis;

use crate::code::SupportCodeIssuer;
use crate::consent::{Change, Consent};
use crate::window_target::{OpenWindow, WindowTarget};
use activity::EndedSession;
pub use grants::CapabilityRequest;
use pauses::Pause;
use pending::WaitingChange;
pub use pending::{PendingChange, PendingChangeId, ProposesChange};
pub use presence::LocalUser;
use presence::Watchers;
use record_health::RecordHealth;

/// Sessions at the same time.
pub const MAX_SESSIONS: usize = 8;

/// A moment, on both clocks: expiry runs on the monotonic one, what people read shows the other.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// For deadlines.
    pub instant: Instant,
    /// For people and the record.
    pub wall: UnixMillis,
}

/// A technician in a session, verified.
#[derive(Clone, Debug)]
pub struct SessionTechnician {
    /// Their id in the organisation.
    pub id: TechnicianId,
    /// Their name, as the organisation signed it.
    pub name: String,
    /// The organisation's name.
    pub organisation: String,
    /// The credential behind it, to be checked against revocations.
    pub verified: VerifiedCredential,
}

impl SessionTechnician {
    /// The technician's name in the audit log.
    pub fn actor(&self) -> String {
        format!("technician {} ({})", self.name, self.id)
    }
}

/// A session whose technician has proved who they are.
#[derive(Debug)]
pub struct SessionStart {
    /// Its id.
    pub session: SessionId,
    /// Its technician.
    pub technician: SessionTechnician,
    /// It came by a support code, so a person at the device should see it.
    pub attended: bool,
    /// Whose it is; `None`: of everybody at the device.
    pub person: Option<u32>,
    /// What this device can do in this session at all.
    pub offers: Capabilities,
}

/// Whether a session goes on.
#[derive(Debug)]
enum SessionPhase {
    Running,
    /// It was ended at this device; why, if that says more than what its technician is told. Nothing is granted any more.
    Ending(Option<AgentNotice>),
}

/// Whether what the technician sees is recorded at their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RecordingState {
    /// It is not; this many parts were.
    Off { parts: u32 },
    /// Part of this number is under way.
    Running { part: u32 },
}

impl RecordingState {
    const fn parts(self) -> u32 {
        match self {
            Self::Off { parts } => parts,
            Self::Running { part } => part,
        }
    }
}

/// A session under way.
#[derive(Debug)]
struct LiveSession {
    technician: SessionTechnician,
    /// Why help is given, in the technician's words.
    reason: String,
    /// A person at the device should see it: it came by their code, or they granted something.
    attended: bool,
    person: Option<u32>,
    offers: Capabilities,
    phase: SessionPhase,
    pause: Pause,
    activity: VecDeque<ActivityEntry>,
    began: UnixMillis,
    connected: bool,
    recording: RecordingState,
    /// The window that may be seen, while that is granted.
    target: Option<WindowTarget>,
    /// The window that is being seen, in words.
    seen_window: Option<String>,
}

/// What the agent does because of what happened. Carried out in order.
#[derive(Debug)]
pub enum SessionEffect {
    /// A row for the record. What it is about has happened; nothing waits for it.
    Note(AuditEvent),
    /// A row for the record, and what comes into force once it is on the disk ([`Sessions::put_in_force`]) or doesn't
    /// ([`Sessions::not_recorded`]).
    Record(AuditEvent, PendingChange),
    /// The answer for whoever waits for a change.
    Answer(PendingChangeId, Result<(), SessionRefusal>),
    /// For the local programs of that person; `None`: for everybody's.
    TellPerson(Option<u32>, LocalEvent),
    /// A session has changed: its state, with its chat, for the local programs of its person.
    ShowSession(SessionId),
    /// For the technician, on the session's control stream.
    TellTechnician(SessionId, FromAgent),
    /// The technician is told what was granted, with the device's signature.
    TellGranted(SignedGrant),
    /// What the session's streams may do from now on.
    SetCapabilities(SessionId, Capabilities),
    /// Which window may be seen in a session from now on.
    SetTarget(SessionId, Option<WindowTarget>),
    /// The session's task closes the connection.
    EndSession(SessionId, SessionEndReason),
    /// A chat message is kept with the session.
    KeepChat(SessionId, ChatLine),
    /// Technicians who were granted something here before, to be kept.
    SaveKnown(BTreeSet<TechnicianId>),
    /// The relay may give the support code's digits to somebody else.
    FreeRouting,
    /// So many local programs watch now.
    Watching(usize),
}

/// A grant that is in force, for its technician.
#[derive(Debug)]
pub struct SignedGrant {
    /// In which session.
    pub session: SessionId,
    /// Its technician.
    pub technician: TechnicianId,
    /// The technician's number of the request.
    pub request: u32,
    /// What was granted.
    pub capabilities: Capabilities,
    /// For how many seconds.
    pub seconds: u32,
    /// When.
    pub at: UnixMillis,
    /// By whom.
    pub by: DecidedBy,
    /// All that is granted now.
    pub granted: Vec<GrantedCapability>,
}

/// The state of all sessions, of the support code and of the people who watch.
pub struct Sessions {
    consent: Consent,
    codes: SupportCodeIssuer,
    /// Who made the code that is shown.
    code_maker: Option<u32>,
    live: BTreeMap<SessionId, LiveSession>,
    /// Offered sessions whose technician isn't known yet.
    arriving: BTreeSet<SessionId>,
    /// Technicians who were granted something here before.
    known: BTreeSet<TechnicianId>,
    watchers: Watchers,
    /// What a person was last shown to choose a window from.
    windows: Vec<OpenWindow>,
    /// Sessions that are over, the oldest first.
    ended: VecDeque<EndedSession>,
    last_change: u64,
    /// Changes whose rows are on their way to the disk.
    waiting: BTreeMap<PendingChangeId, WaitingChange>,
    record: RecordHealth,
    effects: Vec<SessionEffect>,
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
        core::mem::take(&mut self.effects)
    }

    /// When [`Sessions::handle_timeout`] next has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        let own = [self.consent.next_timeout(), self.codes.next_timeout()];
        own.into_iter().chain([self.unseen_until(), self.record.next_timeout()]).flatten().min()
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
                    self.grants_changed(
                        now,
                        session,
                        nearhand_proto::message::local::Activity::Expired(capabilities),
                    );
                }
                Change::Idle { session } => self.end(now, session, SessionEndReason::Idle, None),
            }
        }
        for session in self.unseen_too_long(now.instant) {
            self.end(now, session, SessionEndReason::Stopped, Some(AgentNotice::Unwatched));
        }
        self.handle_silent_disk(now);
    }

    fn push(&mut self, effect: SessionEffect) {
        self.effects.push(effect);
    }

    fn tell(&mut self, person: Option<u32>, event: LocalEvent) {
        self.push(SessionEffect::TellPerson(person, event));
    }

    fn tell_technician(&mut self, session: SessionId, message: FromAgent) {
        self.push(SessionEffect::TellTechnician(session, message));
    }

    /// Whether a session is under way.
    pub fn is_live(&self, session: SessionId) -> bool {
        self.live.contains_key(&session)
    }

    /// Whose a session is; `None`: of everybody at the device.
    fn person(&self, session: SessionId) -> Option<u32> {
        self.live.get(&session).and_then(|live| live.person)
    }
}
