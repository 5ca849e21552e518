//! What is kept of a session over a restart of the agent: the values alone. What is done with them is [`super::kept`]'s.

use std::time::Duration;

use nearhand_proto::grant::Capability;
use nearhand_proto::id::SessionId;
use nearhand_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::live_session::ArrivedSession;
use crate::consent::GrantTerms;
use crate::display_owner::DisplayOwner;

/// A session, for the next process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptSession {
    /// The id of the session.
    pub session: SessionId,
    /// As in [`ArrivedSession`].
    pub attended: bool,
    /// As in [`ArrivedSession`].
    pub person: Option<u32>,
    /// Why help is given, in the technician's words.
    pub reason: String,
    /// When it began.
    pub began: UnixMillis,
    /// The person paused it.
    pub is_paused: bool,
    /// The display for which something is granted.
    pub screen: Option<DisplayOwner>,
    /// What is granted, and how long it lasts.
    pub granted: Vec<(Capability, Duration)>,
}

/// A kept session on its way to stand again.
#[derive(Debug)]
pub(super) struct RestoredSession {
    pub(super) start: ArrivedSession,
    pub(super) kept: KeptSession,
    pub(super) terms: Vec<GrantTerms>,
}
