//! What the agent does because of what happened to its sessions.

use std::collections::BTreeSet;

use nearhand_proto::audit::AuditEvent;
use nearhand_proto::grant::{Capabilities, DecidedBy};
use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::message::local::{ChatLine, LocalEvent};
use nearhand_proto::message::session::{FromAgent, GrantedCapability, SessionEndReason, SessionRefusal};
use nearhand_proto::time::UnixMillis;

use super::change::{UnrecordedChange, UnrecordedChangeId};
use crate::window_target::WindowTarget;

/// What the agent does because of what happened. Carried out in order.
#[derive(Debug)]
pub enum SessionEffect {
    /// A row for the record. What it is about has happened; nothing waits for it.
    Note(AuditEvent),
    /// A row for the record, and what comes into force once it is on the disk ([`super::Sessions::put_in_force`]) or doesn't
    /// ([`super::Sessions::not_recorded`]).
    Record(AuditEvent, UnrecordedChange),
    /// The answer for the caller that waits for a change.
    Answer(UnrecordedChangeId, Result<(), SessionRefusal>),
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
    /// When support codes were burnt that still count, to be kept.
    SaveBurnt(Vec<UnixMillis>),
    /// The relay may give the support code's digits to somebody else.
    FreeRouting,
    /// A question waits for somebody's answer from now on, or none does any more: meanwhile no technician's input reaches a
    /// display.
    Asking(bool),
    /// How many local programs watch now.
    Watching(usize),
}

/// A grant that is in force, for its technician.
#[derive(Debug)]
pub struct SignedGrant {
    /// In which session.
    pub session: SessionId,
    /// The technician of that session.
    pub technician: TechnicianId,
    /// The technician's number of the request; `None`: the agent asked by itself.
    pub request: Option<u32>,
    /// What was granted.
    pub capabilities: Capabilities,
    /// For how many seconds.
    pub seconds: u32,
    /// When it was decided.
    pub at: UnixMillis,
    /// Who decided it: a person or the policy.
    pub by: DecidedBy,
    /// All that is granted now.
    pub granted: Vec<GrantedCapability>,
}
