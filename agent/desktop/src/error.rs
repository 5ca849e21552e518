//! Why the desktop process ends by itself.

use std::io;

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
