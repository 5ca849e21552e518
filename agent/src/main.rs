//! The agent's program: parses the arguments and runs the command they name.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    nearhand_agent::main(nearhand_agent::AgentCli::parse())
}
