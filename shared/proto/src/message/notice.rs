//! What an agent tells the person at the device: why something ended or was refused, and what they should know. It is a
//! closed list, so that a window can show it in the person's language; [`core::fmt::Display`] is English.
//!
//! Texts that somebody else wrote are separate fields, so that a window can mark them as theirs. What the list doesn't
//! have is sent as [`AgentNotice::Words`].

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::grant::Capability;
use crate::message::session::{SessionEndReason, SessionRefusal};
use crate::runbook::{RunEnding, RunMode, RunbookAction};

/// Something that the agent tells the person at the device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AgentNotice {
    /// A sentence that this list doesn't have.
    Words(String),

    /// A session ended: the person at the device stopped it.
    Stopped,
    /// The technician ended it.
    ByTechnician,
    /// The technician's key was revoked.
    TechnicianRevoked,
    /// The agent stops.
    AgentStops,
    /// The device's key was replaced.
    KeyRotated,
    /// Nothing was granted for a long time.
    NothingGranted,
    /// The relay ended it.
    ByRelay,
    /// Nobody at the device watched the session any more.
    Unwatched,
    /// The connection was lost and did not come back.
    ConnectionLost,
    /// Another user is at the screen and has allowed the session: it is theirs now.
    OtherUser,

    /// A support code is gone: it was used.
    CodeUsed,
    /// Somebody tried a wrong one.
    CodeBurnt,
    /// Its time is over.
    CodeExpired,
    /// The person cancelled it.
    CodeCancelled,
    /// The person stopped everything.
    EverythingStopped,
    /// The relay could not keep it.
    CodeLost,
    /// Somebody else at this machine made another.
    CodeElsewhere,

    /// The clock is so far off that nothing is granted unattended.
    ClockOff,
    /// Somebody tried a wrong support code.
    WrongCode {
        /// Who, as they say.
        who: String,
    },
    /// The audit log can't be written, so nothing more is allowed.
    RecordUnwritable {
        /// The error of the operating system.
        why: String,
    },
    /// The audit log can be written again.
    RecordWritable,
    /// The number of events that did not reach this program.
    Missed(u64),

    /// Refused: that request was decided already.
    RequestOver,
    /// At first contact, Allow counts only after some more seconds.
    ReadFirst {
        /// Seconds left to wait.
        seconds: u64,
    },
    /// A technician is using this keyboard or mouse right now.
    HandsOff {
        /// Seconds without their input before an answer counts.
        seconds: u64,
    },
    /// Nothing of what was asked for is in the decision.
    NothingChosen,
    /// One window is to be seen, and none was chosen.
    WhichWindow,
    /// The window that was chosen is no longer in the list.
    WindowUnlisted,
    /// That session is over.
    SessionOver,
    /// Nothing of that is granted now.
    NoneGranted,
    /// The chat message is empty, or the chat is full.
    ChatFull,
    /// There is no code of theirs.
    NoCode,
    /// Too many wrong codes were tried.
    CodesLocked {
        /// Seconds until a new code can be made.
        seconds: u64,
    },
    /// The relay isn't connected.
    NoRelay,
    /// Windows are listed only for the user at the screen who is asked for one.
    NotTheirScreen,
    /// More programs of theirs are connected to the agent than it serves.
    TooManyPrograms,
    /// The text is empty.
    NoText,
    /// That session isn't one of theirs that is over.
    NotTheirs,

    /// The technician was refused: this isn't granted.
    NotGranted(Capability),
    /// The time for this is over.
    GrantOver(Capability),
    /// This device can't do that.
    NotOffered(Capability),
    /// Nobody at the device sees it.
    NobodySees,

    /// The path through the relay is interrupted.
    PathLost,
    /// It is back.
    PathBack,
    /// The screen or window can't be shown.
    CantShow {
        /// Why, in words.
        why: String,
    },
    /// The picture for the report is over, and with it its grant.
    PictureOver {
        /// It was sent.
        sent: bool,
        /// How it went, in words.
        how: String,
    },
    /// The window that was seen is gone, and with it its grant.
    WindowOver {
        /// How, in words.
        why: String,
    },

    /// A runbook begins.
    RunbookBegins {
        /// Its title, as its author wrote it.
        title: String,
        /// Whether it changes something.
        mode: RunMode,
    },
    /// A step of a runbook that changes something begins.
    RunbookStep {
        /// The runbook's name, as its author wrote it.
        runbook: String,
        /// What is done.
        act: RunbookAction,
        /// What there was before, in words.
        before: String,
    },
    /// A runbook has ended.
    RunbookOver {
        /// The runbook's name.
        runbook: String,
        /// How the run ended.
        ending: RunEnding,
        /// Why, in words.
        why: String,
    },
    /// A runbook that the technician ordered was refused.
    RunbookRefused {
        /// Which and why, in words.
        why: String,
    },
}

impl fmt::Display for AgentNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Words(text) => text,
            Self::Stopped => "stopped by the person at the device",
            Self::ByTechnician => "ended by the technician",
            Self::TechnicianRevoked => "the technician's key was revoked by their organisation",
            Self::AgentStops => "the agent on the device is stopping",
            Self::KeyRotated => "the device's key was rotated",
            Self::NothingGranted => "nothing has been granted for a long time",
            Self::ByRelay => "the relay ended the session",
            Self::Unwatched => "nobody at the device watched any more",
            Self::ConnectionLost => "the connection was lost and did not come back in time",
            Self::OtherUser => "another user is at this screen now and has allowed the session: it is theirs",
            Self::CodeUsed => "it was used",
            Self::CodeBurnt => "somebody tried a wrong code, so this one no longer counts",
            Self::CodeExpired => "it expired",
            Self::CodeCancelled => "it was cancelled",
            Self::EverythingStopped => "everything was stopped",
            Self::CodeLost => "the relay was restarted and could not keep it; make a new one",
            Self::CodeElsewhere => "somebody else at this machine made a new one",
            Self::ClockOff => {
                "this machine's clock is more than a day off: set it; nothing is granted unattended"
            }
            Self::RequestOver => "that request is no longer open",
            Self::NothingChosen => "nothing of what was asked for is in that choice; deny it instead",
            Self::WhichWindow => "choose which window may be seen; no other one is",
            Self::WindowUnlisted => "that window is no longer in the list; look at the list again",
            Self::SessionOver => "that session is over",
            Self::NoneGranted => "none of that is granted now",
            Self::ChatFull => "the message is empty, or the chat of this session is full",
            Self::NoCode => "there is no code of yours",
            Self::NoRelay => "the relay is not connected; try again in a moment",
            Self::NotTheirScreen => {
                "windows are listed only for the user at the screen, while a technician asks for one"
            }
            Self::TooManyPrograms => {
                "too many of your programs are connected to the agent: close some; only Stop is taken from this one"
            }
            Self::NoText => "say in a few words what is the matter",
            Self::NotTheirs => "that session is not one of yours that is over",
            Self::NobodySees => {
                "nobody at the device can be asked, and its policy does not allow it unattended"
            }
            Self::PathLost => "the path through the relay is interrupted; trying again",
            Self::PathBack => "the path through the relay stands again",
            Self::CantShow { why } | Self::WindowOver { why } => why,
            _ => return self.with_values(f),
        };
        f.write_str(text)
    }
}

impl AgentNotice {
    /// Those whose sentence has something put in.
    fn with_values(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCode { who } => write!(
                f,
                "{who} tried a wrong support code. If you did not just read one out to somebody, do not make another."
            ),
            Self::RecordUnwritable { why } => {
                write!(f, "{why}; nothing new is allowed until it can be written again")
            }
            Self::RecordWritable => {
                f.write_str("the audit log can be written again; what a technician asks for can be allowed")
            }
            Self::Missed(events) => {
                write!(f, "{events} events were missed; the status shows how things stand")
            }
            Self::ReadFirst { seconds } => {
                write!(f, "first read who asks and why: Allow works in {seconds} s")
            }
            Self::HandsOff { seconds } => write!(
                f,
                "a technician is using this keyboard or mouse: answer when they have kept still for {seconds} s"
            ),
            Self::CodesLocked { seconds } => write!(
                f,
                "too many wrong support codes were tried on this device: a new one can be made in {seconds} s"
            ),
            Self::NotGranted(what) => write!(f, "{}", SessionRefusal::NotGranted(*what)),
            Self::GrantOver(what) => write!(f, "{}", SessionRefusal::Expired(*what)),
            Self::NotOffered(what) => write!(f, "{}", SessionRefusal::NotOffered(*what)),
            Self::PictureOver { how, .. } => write!(f, "screenshot: {how}; the grant is used up"),
            Self::RunbookBegins { title, mode } => write!(f, "runbook: {title} ({})", mode.name()),
            Self::RunbookStep { runbook, act, before } => {
                write!(f, "runbook {runbook}: {} is done now ({before})", act.name())
            }
            Self::RunbookOver { runbook, why, .. } => write!(f, "runbook {runbook}: {why}"),
            Self::RunbookRefused { why } => write!(f, "a runbook was refused: {why}"),
            // Said above.
            _ => Ok(()),
        }
    }

    /// Bytes of what it holds in words.
    pub fn texts(&self) -> usize {
        match self {
            Self::Words(text)
            | Self::WrongCode { who: text }
            | Self::RecordUnwritable { why: text }
            | Self::CantShow { why: text }
            | Self::PictureOver { how: text, .. }
            | Self::WindowOver { why: text }
            | Self::RunbookBegins { title: text, .. }
            | Self::RunbookRefused { why: text } => text.len(),
            Self::RunbookStep { runbook, before, .. } => runbook.len() + before.len(),
            Self::RunbookOver { runbook, why, .. } => runbook.len() + why.len(),
            _ => 0,
        }
    }
}

/// As the person at the device is told: the technician is somebody else to them.
impl From<SessionEndReason> for AgentNotice {
    fn from(ended: SessionEndReason) -> Self {
        match ended {
            SessionEndReason::Stopped => Self::Stopped,
            SessionEndReason::ByTechnician => Self::ByTechnician,
            SessionEndReason::Revoked => Self::TechnicianRevoked,
            SessionEndReason::AgentStopping => Self::AgentStops,
            SessionEndReason::Idle => Self::NothingGranted,
            SessionEndReason::ByRelay => Self::ByRelay,
            SessionEndReason::Storage => Self::Words(ended.to_string()),
        }
    }
}

/// As the person at the device is told what a technician was refused.
impl From<SessionRefusal> for AgentNotice {
    fn from(refusal: SessionRefusal) -> Self {
        match refusal {
            SessionRefusal::NotGranted(what) => Self::NotGranted(what),
            SessionRefusal::Expired(what) => Self::GrantOver(what),
            SessionRefusal::NotOffered(what) => Self::NotOffered(what),
            SessionRefusal::NoSuchSession => Self::SessionOver,
            SessionRefusal::Unattended => Self::NobodySees,
            SessionRefusal::ClockOff => Self::ClockOff,
            SessionRefusal::Storage => Self::RecordUnwritable { why: refusal.to_string() },
            other => Self::Words(other.to_string()),
        }
    }
}
