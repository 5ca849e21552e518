//! Changes that widen what may be done, on their way: decided, then recorded, then in force.
//!
//! A [`UnrecordedChange`] leaves with its row and comes back as `Recorded<UnrecordedChange>`. Meanwhile a [`WaitingChange`] stands
//! for it here, so that an act that narrows in between (Stop, taking back, a silent disk) can void it. A change that
//! nobody waits for any more stays without effect when its row arrives, and the record says so.

use std::time::Duration;

use nearhand_proto::grant::{Capabilities, DecidedBy};
use nearhand_proto::id::SessionId;

use super::kept_session::RestoredSession;
use super::live_session::ArrivedSession;
use crate::consent::{Ask, GrantTerms, RequestId, StatesTerms};
use crate::display_owner::DisplayOwner;
use crate::window_target::WindowTarget;

/// Number of a change on its way to the record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnrecordedChangeId(pub(super) u64);

/// What a call of [`super::Sessions`] may have put on its way, for a caller that waits until it is in force.
pub trait ProposesChange {
    /// The change, if there is one.
    fn proposed(&self) -> Option<UnrecordedChangeId>;
}

impl ProposesChange for UnrecordedChangeId {
    fn proposed(&self) -> Option<UnrecordedChangeId> {
        Some(*self)
    }
}

impl ProposesChange for Option<UnrecordedChangeId> {
    fn proposed(&self) -> Option<UnrecordedChangeId> {
        *self
    }
}

impl ProposesChange for (UnrecordedChangeId, u32) {
    fn proposed(&self) -> Option<UnrecordedChangeId> {
        Some(self.0)
    }
}

impl<T: ProposesChange, E> ProposesChange for Result<T, E> {
    fn proposed(&self) -> Option<UnrecordedChangeId> {
        self.as_ref().ok().and_then(T::proposed)
    }
}

/// A change that is decided and not in force. Only [`super::Sessions`] makes one.
#[derive(Debug)]
pub struct UnrecordedChange {
    pub(super) id: UnrecordedChangeId,
    pub(super) change: SessionChange,
}

impl UnrecordedChange {
    /// The number under which its caller waits for it.
    pub fn id(&self) -> UnrecordedChangeId {
        self.id
    }
}

impl StatesTerms for UnrecordedChange {
    fn terms(&self) -> &[GrantTerms] {
        match &self.change {
            SessionChange::Grant(grant) => core::slice::from_ref(&grant.terms),
            SessionChange::Extend(terms) => core::slice::from_ref(terms),
            SessionChange::Restore(restored) => &restored.terms,
            _ => &[],
        }
    }
}

/// What comes into force with its row.
#[derive(Debug)]
pub(super) enum SessionChange {
    /// A session stands.
    Begin(Box<ArrivedSession>),
    /// A session of the process before stands again, with what was granted in it.
    Restore(Box<RestoredSession>),
    /// The person is asked.
    Question(Box<Ask>),
    /// Capabilities are granted.
    Grant(Box<DecidedGrant>),
    /// What is granted lasts longer.
    Extend(GrantTerms),
    /// A session that the person paused goes on.
    Resume(SessionId),
    /// A session that nobody saw is seen again and goes on.
    SeenAgain(SessionId),
    /// The display that was granted is at the screen again, and the session goes on.
    SameScreen(SessionId),
    /// The technician keeps what they see.
    Recording { session: SessionId, part: u32 },
    /// Something that its caller does once the row is written.
    CallersAct(Option<SessionId>),
}

/// A grant, with what is needed to tell both sides.
#[derive(Debug)]
pub(super) struct DecidedGrant {
    pub(super) terms: GrantTerms,
    /// The technician's number of the request, if it was theirs.
    pub(super) theirs: Option<u32>,
    /// Who decides about it.
    pub(super) person: Option<u32>,
    /// The display that it is good for, if it is about one.
    pub(super) screen: Option<DisplayOwner>,
    /// The person's, if they decided.
    pub(super) request: Option<RequestId>,
    pub(super) by: DecidedBy,
    /// Which window may be seen, if that is granted.
    pub(super) target: Option<WindowTarget>,
}

impl SessionChange {
    pub(super) fn session(&self) -> Option<SessionId> {
        match self {
            Self::Begin(start) => Some(start.session),
            Self::Restore(restored) => Some(restored.start.session),
            Self::Question(ask) => Some(ask.session),
            Self::Grant(grant) => Some(grant.terms.session),
            Self::Extend(terms) => Some(terms.session),
            Self::Resume(session)
            | Self::SeenAgain(session)
            | Self::SameScreen(session)
            | Self::Recording { session, .. } => Some(*session),
            Self::CallersAct(session) => *session,
        }
    }

    /// In words, for the record.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Begin(_) => "the session did not begin".to_owned(),
            Self::Restore(_) => "the session did not go on".to_owned(),
            Self::Question(_) => "nobody was asked".to_owned(),
            Self::Grant(grant) => format!("{} was not granted", grant.terms.capabilities),
            Self::Extend(terms) => format!("{} was not extended", terms.capabilities),
            Self::Resume(_) | Self::SeenAgain(_) | Self::SameScreen(_) => {
                "the session stayed paused".to_owned()
            }
            Self::Recording { part, .. } => format!("part {part} of the recording did not begin"),
            Self::CallersAct(_) => "it did not begin".to_owned(),
        }
    }
}

/// What narrowing needs to know of a change that waits for its row.
#[derive(Debug)]
pub(super) struct WaitingChange {
    pub(super) session: Option<SessionId>,
    /// What it would widen.
    pub(super) widens: Widening,
    /// The technician's number of the request that is answered with it.
    pub(super) asked: Option<u32>,
    /// The person's number of the request, to be settled with it.
    pub(super) request: Option<RequestId>,
    /// Whose request it is.
    pub(super) person: Option<u32>,
}

/// What a waiting change would widen, as far as narrowing can void it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Widening {
    Grants(Capabilities),
    Resumes,
    SeenAgain,
    SameScreen,
    Other,
}

impl WaitingChange {
    pub(super) fn of(change: &SessionChange) -> Self {
        let (mut asked, mut request, mut person) = (None, None, None);
        let widens = match change {
            SessionChange::Grant(grant) => {
                (asked, request, person) = (grant.theirs, grant.request, grant.person);
                Widening::Grants(grant.terms.capabilities)
            }
            SessionChange::Extend(terms) => Widening::Grants(terms.capabilities),
            SessionChange::Question(ask) => {
                asked = ask.theirs;
                Widening::Other
            }
            SessionChange::Resume(_) => Widening::Resumes,
            SessionChange::SeenAgain(_) => Widening::SeenAgain,
            SessionChange::SameScreen(_) => Widening::SameScreen,
            _ => Widening::Other,
        };
        Self { session: change.session(), widens, asked, request, person }
    }
}

/// A duration as it goes to the technician and the record.
pub(super) fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
