//! Orders, what comes of them, and why one is refused.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::RunbookAction;
use super::class::ContentHash;
use super::manifest::MAX_PARAMETERS;
use super::value::ParameterValue;
use crate::id::{DeviceId, RunId};
use crate::identity::Statement;
use crate::text;
use crate::time::UnixMillis;
use crate::wire::at_most;

/// How far ahead a deadline may lie: an order that lies about for longer is none.
pub const MAX_AHEAD: Duration = Duration::from_secs(3600);
/// Longest sentence about what was seen, in characters.
pub const MAX_SAW: usize = 300;
/// Most notes of one run: each step's phases, and its undoing.
pub const MAX_NOTES: usize = 96;

/// Whether something is to be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunMode {
    /// Look only, and say what would be done.
    DryRun,
    /// Make the changes.
    Apply,
}

impl RunMode {
    /// The name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DryRun => "dry run",
            Self::Apply => "apply",
        }
    }
}

/// A technician's word that a runbook is to run, signed by their key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunOrder {
    /// Id of the run: an order that comes again under the same id is not run again.
    pub run: RunId,
    /// Name of the runbook.
    pub runbook: String,
    /// Version of the runbook.
    pub version: u32,
    /// Exactly this one.
    pub hash: ContentHash,
    /// On which device.
    pub device: DeviceId,
    /// What is said about the run.
    #[serde(deserialize_with = "at_most::<_, _, MAX_PARAMETERS>")]
    pub parameters: Vec<(String, ParameterValue)>,
    /// Whether something is to be changed.
    pub mode: RunMode,
    /// When it was given.
    pub issued: UnixMillis,
    /// It begins until then or not at all.
    pub deadline: UnixMillis,
}

impl Statement for RunOrder {
    const CONTEXT: &'static str = "runbook order";
}

/// A part of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepPhase {
    /// Whether it can and needs to be done.
    Precheck,
    /// What would be done.
    DryRun,
    /// It is done.
    Apply,
    /// Whether it helped.
    Verify,
    /// It is undone.
    Rollback,
}

impl StepPhase {
    /// The name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Precheck => "check",
            Self::DryRun => "dry run",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Rollback => "undo",
        }
    }
}

/// What was seen in a part of a step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepNote {
    /// Which step, counted from 1.
    pub step: u32,
    /// The step's action.
    pub act: RunbookAction,
    /// Which part of it.
    pub phase: StepPhase,
    /// Whether it went well.
    pub well: bool,
    /// What was seen, at most [`MAX_SAW`] characters.
    pub saw: String,
}

/// A device's note, safe to show.
#[must_use]
pub fn safe_note(note: &StepNote) -> StepNote {
    StepNote { saw: text::one_line(&note.saw, MAX_SAW), ..note.clone() }
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnding {
    /// All of it was done, and helped; or the dry run is over.
    Done,
    /// There was nothing to do, or it can't be done here; nothing was changed.
    NotDone,
    /// It didn't go well; what can be undone was undone.
    Failed,
    /// Somebody stopped it; what can be undone was undone.
    Cancelled,
    /// It took too long; what can be undone was undone.
    TimedOut,
    /// The agent ended in the middle; what can be undone was undone when it was there again.
    Interrupted,
}

impl RunEnding {
    /// The name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotDone => "not-done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed-out",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Id of the run.
    pub run: RunId,
    /// Of which runbook.
    pub runbook: String,
    /// Version of the runbook.
    pub version: u32,
    /// Whether something was to be changed.
    pub mode: RunMode,
    /// How it ended.
    pub ending: RunEnding,
    /// In one sentence.
    pub why: String,
    /// What was seen on the way, at most [`MAX_NOTES`].
    #[serde(deserialize_with = "at_most::<_, _, MAX_NOTES>")]
    pub notes: Vec<StepNote>,
    /// When it began, by the device's clock.
    pub began: UnixMillis,
    /// When it ended, by the device's clock.
    pub ended: UnixMillis,
}

/// Why a device doesn't run it. Shown to the technician as it is, and written to the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum RunRefusal {
    /// The order isn't signed by the key of this session's technician.
    #[error("the order's signature is not that of the technician in this session")]
    OrderSignature,
    /// The runbook isn't signed by the organisation that the device trusts.
    #[error("the runbook's signature is not that of the device's organisation")]
    RunbookSignature,
    /// The order is about another device.
    #[error("the order is for another device")]
    OtherDevice,
    /// There is no such runbook here.
    #[error("there is no runbook {0:?} on this device")]
    Unknown(String),
    /// The runbook isn't the one that the order was given for.
    #[error(
        "the runbook {0:?} on this device is another one than the order was given for (version or content differ)"
    )]
    OtherContent(String),
    /// A newer version was here already.
    #[error("version {newest} of this runbook was here already: an older one does not run")]
    Older {
        /// The newest version seen.
        newest: u32,
    },
    /// The runbook makes no sense.
    #[error("the runbook has a mistake: {0}")]
    Mistake(String),
    /// What is said about the run doesn't fit.
    #[error("a parameter does not fit: {0}")]
    Parameter(String),
    /// The order's deadline has passed.
    #[error("the order's deadline ({0}) is over")]
    Late(UnixMillis),
    /// The deadline is too far ahead.
    #[error("the order's deadline ({0}) is more than an hour ahead, or one of the clocks is wrong")]
    TooFar(UnixMillis),
    /// It was run before; what came of it.
    #[error("this run was ordered before and is not done again")]
    Repeated(Option<Box<RunOutcome>>),
    /// The owner has switched runbooks off.
    #[error("the owner of this device has switched runbooks off")]
    Off,
    /// The owner's policy can't be read.
    #[error("the owner's policy on this device can't be read, so it allows nothing")]
    NoPolicy,
    /// Not on the owner's list.
    #[error("the owner of this device does not allow the runbook {0:?}")]
    NotAllowed(String),
    /// It does more than the owner allows.
    #[error("it is of class {class} and the owner of this device allows {most} at most")]
    Class {
        /// Of the run.
        class: u8,
        /// The highest allowed.
        most: u8,
    },
    /// It may interrupt somebody, and this is not the time.
    #[error("it may interrupt somebody: it runs only {0}")]
    NotNow(String),
    /// The runbook ran too often on this device.
    #[error("it ran too often on this device: not again for {0} s")]
    TooOften(u64),
    /// Another one runs.
    #[error("another runbook is running on this device")]
    Busy,
    /// The device can't write down what it does.
    #[error("the device can't write down what it would do (disk full?), so it does nothing")]
    Storage,
    /// What was sent makes no sense here.
    #[error("the request makes no sense here")]
    Protocol,
}

impl RunRefusal {
    /// A short word for it, which stays.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OrderSignature => "order-signature",
            Self::RunbookSignature => "runbook-signature",
            Self::OtherDevice => "other-device",
            Self::Unknown(_) => "unknown",
            Self::OtherContent(_) => "other-content",
            Self::Older { .. } => "older",
            Self::Mistake(_) => "mistake",
            Self::Parameter(_) => "parameter",
            Self::Late(_) => "late",
            Self::TooFar(_) => "too-far",
            Self::Repeated(_) => "repeated",
            Self::Off => "off",
            Self::NoPolicy => "no-policy",
            Self::NotAllowed(_) => "not-allowed",
            Self::Class { .. } => "class",
            Self::NotNow(_) => "not-now",
            Self::TooOften(_) => "too-often",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::Protocol => "protocol",
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}, {}", self.runbook, self.mode.name(), self.ending.name(), self.why)
    }
}
