//! Why the desktop process ends by itself, and why what it is asked for can't be had.

use std::io;

use nearhand_proto::text;

use super::find::NoDisplay;
use super::process::DesktopError;
use super::source::DisplayError;

/// Why the process ends before the agent closes its input.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The display failed or is gone.
    #[error(transparent)]
    Display(#[from] DisplayError),
    /// The agent said something that can't be understood.
    #[error("the agent's messages can't be understood; are both of the same version?")]
    Agent(#[from] nearhand_proto::wire::WireError),
    /// The pipe to the agent failed.
    #[error("the pipe to the agent failed")]
    Pipe(#[from] io::Error),
}

/// Longest reason of the desktop process, in characters.
const MAX_REASON: usize = 300;

/// Why a separate desktop process gives no picture or no list of windows. In words for both people.
#[derive(Debug, thiserror::Error)]
pub enum DesktopQuestionError {
    /// There is no display to ask about.
    #[error(transparent)]
    NoDisplay(#[from] NoDisplay),
    /// The desktop process can't be started.
    #[error(transparent)]
    Start(#[from] DesktopError),
    /// It says why it can't.
    #[error("{0}")]
    Refused(String),
    /// It ended first.
    #[error("the desktop process ended without a word")]
    Ended,
    /// It takes too long.
    #[error("the display did not answer in time")]
    Silent,
    /// A picture above the limit.
    #[error("the picture is larger than one may be")]
    TooLarge,
}

impl DesktopQuestionError {
    /// What the desktop process said, cleaned: it runs with a user's rights.
    pub(crate) fn refused(why: &str) -> Self {
        Self::Refused(text::one_line(why, MAX_REASON))
    }
}
