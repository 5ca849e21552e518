//! Nearhand's agent: arguments only; each subcommand has its file in [`command`].

mod command;
mod diagnostics;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "nearhand-agent", version, about = "The program on the device that is helped.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check this machine and say what is wrong with it.
    Doctor(command::doctor::DoctorArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            command::complain(&format!("can't start: {error}"));
            return ExitCode::from(command::FAILED);
        }
    };
    let code = match arguments.command {
        Command::Doctor(args) => runtime.block_on(command::doctor::doctor(args)),
    };
    // A file system or name server that hangs must not keep the program from ending.
    runtime.shutdown_background();
    code
}
