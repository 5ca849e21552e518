//! The conversation on a runbook's stream of a session ([`super::session::StreamOpen::Runbook`]).
//!
//! The technician asks, the device answers; a stream carries at most one run. Closing it cancels the run: the device then
//! undoes what it can.

use serde::{Deserialize, Serialize};

use crate::identity::Signed;
use crate::runbook::{Manifest, RunOrder, RunOutcome, RunRefusal, StepNote, StepPhase};
use crate::wire::at_most;

/// Most runbooks in one list.
pub const MAX_LISTED: usize = 64;

/// Technician → agent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RunbookRequest {
    /// Which runbooks are there? Answered with [`RunbookMessage::Listed`].
    List,
    /// What is this one? Answered with [`RunbookMessage::Shown`] or [`RunbookMessage::Refused`].
    Show(String),
    /// Run it. Notes and an outcome follow, or [`RunbookMessage::Refused`].
    Run {
        /// The order, signed by the technician's key.
        order: Box<Signed<RunOrder>>,
        /// The runbook itself, where it isn't on the device.
        manifest: Option<Box<Signed<Manifest>>>,
    },
    /// Stop it and undo what can be undone; the outcome follows.
    Cancel,
}

/// Agent → technician.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RunbookMessage {
    /// The runbooks there are, at most [`MAX_LISTED`].
    Listed(#[serde(deserialize_with = "at_most::<_, _, MAX_LISTED>")] Vec<RunbookEntry>),
    /// The runbook that was asked for.
    Shown(Box<Manifest>),
    /// A part of a step has begun.
    Begun {
        /// Which step, counted from 1.
        step: u32,
        /// Of how many.
        of: u32,
        /// The part that has begun.
        phase: StepPhase,
    },
    /// A part of a step has ended.
    Saw(StepNote),
    /// It is over.
    Over(Box<RunOutcome>),
    /// It doesn't run.
    Refused(RunRefusal),
}

/// A runbook in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunbookEntry {
    /// Name of the runbook.
    pub name: String,
    /// Version of the runbook.
    pub version: u32,
    /// What it is.
    pub title: String,
    /// How much it can do, 0 to 3.
    pub class: u8,
    /// Whether it came with the program; otherwise the organisation signed it.
    pub built_in: bool,
    /// Why it doesn't run here, if so.
    pub refused: Option<RunRefusal>,
}
