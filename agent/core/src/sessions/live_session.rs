//! A session, as the agent keeps it: while it arrives, while it is under way, once it is over.

use std::collections::VecDeque;
use std::time::Instant;

use nearhand_proto::credential::VerifiedCredential;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::message::local::{ActivityEntry, AgentNotice, SessionRecord};
use nearhand_proto::time::UnixMillis;

use super::limits::TechnicianLimits;
use super::watchers::Sight;
use crate::display_owner::DisplayOwner;
use crate::window_target::WindowTarget;

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
    /// As a verified credential says; `None`: it is a device's.
    pub fn of(verified: VerifiedCredential) -> Option<Self> {
        let id = verified.technician_id()?;
        let (name, organisation) = (verified.invite.name.clone(), verified.invite.organisation_name.clone());
        Some(Self { id, name, organisation, verified })
    }

    /// The technician's name in the audit log.
    pub fn actor(&self) -> String {
        format!("technician {} ({})", self.name, self.id)
    }
}

/// A session whose technician has proved who they are.
#[derive(Clone, Debug)]
pub struct ArrivedSession {
    /// The id of the session.
    pub session: SessionId,
    /// The technician who has proved who they are.
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
pub(super) enum SessionPhase {
    Running,
    /// It was ended at this device; why, if that says more than what its technician is told. Nothing is granted any more.
    Ending(Option<AgentNotice>),
}

/// Whether what the technician sees is recorded at their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ScreenRecordingState {
    /// It is not; this many parts were.
    Off { parts: u32 },
    /// Part of this number is under way.
    Running { part: u32 },
}

impl ScreenRecordingState {
    pub(super) const fn parts(self) -> u32 {
        match self {
            Self::Off { parts } => parts,
            Self::Running { part } => part,
        }
    }
}

/// A session under way.
#[derive(Debug)]
pub(super) struct LiveSession {
    pub(super) technician: SessionTechnician,
    /// Why help is given, in the technician's words.
    pub(super) reason: String,
    /// A person at the device should see it: it came by their code, or they granted something.
    pub(super) attended: bool,
    pub(super) person: Option<u32>,
    pub(super) offers: Capabilities,
    pub(super) phase: SessionPhase,
    pub(super) pause: Pause,
    pub(super) activity: VecDeque<ActivityEntry>,
    pub(super) began: UnixMillis,
    pub(super) connected: bool,
    pub(super) recording: ScreenRecordingState,
    /// The window that may be seen, while that is granted.
    pub(super) target: Option<WindowTarget>,
    /// The window that is being seen, in words.
    pub(super) seen_window: Option<String>,
    /// What its technician may still say.
    pub(super) limits: TechnicianLimits,
    /// The display for which something is granted.
    pub(super) screen: Option<DisplayOwner>,
    /// The other display whose user was asked.
    pub(super) asked_at: Option<DisplayOwner>,
}

/// Why nothing is seen or done in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Pause {
    /// The person wants it.
    pub(super) wished: bool,
    /// Nobody at the device sees it.
    pub(super) unseen: Option<Unseen>,
    /// Another display is at the screen than the one that was granted.
    pub(super) elsewhere: bool,
}

/// Since when nobody at the device has seen a session, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unseen {
    pub(super) since: Instant,
    /// What kept it from being seen.
    pub(super) sight: Sight,
}

impl Pause {
    /// Whether there is a reason.
    pub(super) fn is_on(self) -> bool {
        self.wished || self.unseen.is_some() || self.elsewhere
    }
}

/// A session that is over.
#[derive(Debug)]
pub(super) struct EndedSession {
    pub(super) person: Option<u32>,
    pub(super) record: SessionRecord,
}
