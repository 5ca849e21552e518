//! `nearhand-agent adopt`: the owner says that this machine is the one the device's key was made for.

use std::process::ExitCode;

use crate::home::AgentHome;

pub(crate) fn run(home: &AgentHome) -> anyhow::Result<ExitCode> {
    home.enrolment()?;
    home.adopt()?;
    println!("This machine is the device from now on. No other machine may still use its key.");
    println!("If the service runs it starts anew by itself.");
    Ok(ExitCode::SUCCESS)
}
