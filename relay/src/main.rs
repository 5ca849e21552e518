//! The program `nearhand-relay`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use nearhand_proto::text;
use nearhand_relay::command::{self, Arguments};

fn main() -> ExitCode {
    match command::main(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[allow(clippy::print_stderr, reason = "the last word to the operator")]
            {
                eprintln!("nearhand-relay: {}", text::chain(error.as_ref()));
            }
            ExitCode::from(command::exit_code(&error))
        }
    }
}
