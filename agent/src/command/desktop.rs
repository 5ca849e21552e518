//! `nearhand-agent desktop`: the process that the agent starts for a session to see and use a display. Not for people:
//! it speaks the agent's own protocol on its standard input and output.

use std::process::ExitCode;

use crate::desktop::child;

/// Serves the agent until it closes the pipe.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    child::run()?;
    Ok(ExitCode::SUCCESS)
}
