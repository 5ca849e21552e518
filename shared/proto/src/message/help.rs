//! The queue of requests for help, and people's feedback on the sessions that followed.
//!
//! Part of the control plane ([`super::control`]) and of the local interface ([`super::local`]). What a person writes
//! here goes to the relay, which shows it to the organisation's technicians: it is not end-to-end encrypted, as a
//! session is.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, SessionId, TechnicianId};
use crate::text;
use crate::time::UnixMillis;

/// Longest text about a problem or a session, in characters.
pub const MAX_HELP_TEXT: usize = 2_000;
/// Longest text on how a person is reached, in characters.
pub const MAX_REACH_TEXT: usize = 200;

/// A person's request for help.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HelpRequest {
    /// The problem in their words, at most [`MAX_HELP_TEXT`] characters.
    pub what: String,
    /// How urgent it is.
    pub urgency: Urgency,
    /// How they are reached, at most [`MAX_REACH_TEXT`] characters; may be empty.
    pub reach: String,
}

impl HelpRequest {
    /// With its texts made safe to show and no longer than they may be; `None` if it doesn't say what is the matter.
    #[must_use]
    pub fn safe(&self) -> Option<Self> {
        let what = text::multi_line(&self.what, MAX_HELP_TEXT);
        let reach = text::one_line(&self.reach, MAX_REACH_TEXT);
        (!what.trim().is_empty()).then_some(Self { what, urgency: self.urgency, reach })
    }
}

/// How urgent help is, as its person sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// It can wait.
    CanWait,
    /// Work goes on, badly.
    Hampered,
    /// Work has stopped.
    Stopped,
}

impl Urgency {
    /// All, the least urgent first.
    pub const ALL: [Self; 3] = [Self::CanWait, Self::Hampered, Self::Stopped];

    /// In words, for a technician.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::CanWait => "can wait",
            Self::Hampered => "hampered",
            Self::Stopped => "work has stopped",
        }
    }
}

/// How a request for help stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HelpProgress {
    /// The request waits in the queue.
    Waiting {
        /// The number of what they asked for.
        number: u64,
        /// How many come before them: more urgent ones, and those as urgent that asked earlier.
        ahead: u32,
        /// How long others waited lately, in seconds: half of them less. `None`: too few to tell.
        wait: Option<u32>,
    },
    /// A technician has it.
    Taken {
        /// Number of the request in the relay's queue.
        number: u64,
        /// Their name, as the organisation signed it.
        technician: String,
    },
    /// It is over.
    Closed {
        /// Number of the request in the relay's queue.
        number: u64,
    },
}

/// The technician who takes care of a request for help.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HelpTaken {
    /// The technician's name.
    pub by: String,
    /// When they took it, by the relay's clock.
    pub at: UnixMillis,
}

/// A request for help, in a list for technicians. Hostile text: shown only through [`crate::text`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HelpEntry {
    /// Number of the request in the relay's queue.
    pub number: u64,
    /// Their device, if it is enrolled.
    pub device: Option<DeviceId>,
    /// An enrolled device whose label or host name a guest's name looks like: a guest can give itself any name.
    pub resembles: Option<DeviceId>,
    /// The device's label or host name.
    pub name: String,
    /// Whether it is connected.
    pub online: bool,
    /// What they ask for.
    pub wanted: HelpRequest,
    /// When they asked.
    pub asked: UnixMillis,
    /// Who took it, and when.
    pub taken: Option<Box<HelpTaken>>,
    /// When it was closed.
    pub closed: Option<UnixMillis>,
}

/// A person's feedback on a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SessionFeedback {
    /// How good it was.
    Rating {
        /// From 1 (bad) to 5 (good).
        stars: u8,
        /// In their words, at most [`MAX_HELP_TEXT`] characters; may be empty.
        comment: String,
    },
    /// Something was wrong: for administrators.
    Report {
        /// In their words, at most [`MAX_HELP_TEXT`] characters.
        text: String,
    },
}

impl SessionFeedback {
    /// With its texts made safe; `None` if it says nothing, or stars that there aren't.
    #[must_use]
    pub fn safe(&self) -> Option<Self> {
        match self {
            Self::Rating { stars, comment } => (1..=5)
                .contains(stars)
                .then(|| Self::Rating { stars: *stars, comment: text::multi_line(comment, MAX_HELP_TEXT) }),
            Self::Report { text } => {
                let text = text::multi_line(text, MAX_HELP_TEXT);
                (!text.trim().is_empty()).then_some(Self::Report { text })
            }
        }
    }
}

/// Feedback on a session, in a list for technicians and administrators. Hostile text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeedbackEntry {
    /// Id of the session.
    pub session: SessionId,
    /// Id of the technician.
    pub technician: TechnicianId,
    /// The technician's name.
    pub technician_name: String,
    /// The device's label or host name.
    pub device_name: String,
    /// When it was said last.
    pub at: UnixMillis,
    /// From 1 to 5.
    pub stars: Option<u8>,
    /// What was said with it.
    pub comment: String,
    /// What was reported; empty where nothing was, and for whom it is not meant.
    pub report: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_not_taken() {
        let wanted = |what: &str| HelpRequest {
            what: what.to_owned(),
            urgency: Urgency::Stopped,
            reach: "a\nb".to_owned(),
        };
        assert_eq!(wanted(" \n").safe(), None);
        let safe = wanted(&"x".repeat(3000)).safe().unwrap();
        assert!(safe.what.chars().count() <= MAX_HELP_TEXT && !safe.reach.contains('\n'));
        for stars in [0, 6] {
            assert_eq!(SessionFeedback::Rating { stars, comment: String::new() }.safe(), None);
        }
        assert_eq!(SessionFeedback::Report { text: "\t".to_owned() }.safe(), None);
    }
}
