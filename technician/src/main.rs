//! The program `nearhand`: arguments, logging, and the exit code. Everything else is in the library.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use nearhand_client::command::{Cli, Command, Context};
use nearhand_client::output::Output;
use nearhand_client::viewer::decode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Decode { png } = cli.command {
        // Nothing of the client is in that process: no directory, no runtime, no log.
        return decode::run(if png { decode::Product::Png } else { decode::Product::Operations });
    }
    if matches!(cli.command, Command::Paint) {
        return nearhand_client::recording::paint::run();
    }
    log_to_stderr(cli.verbose);
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            output.note(&format!("nearhand: can't start: {e}"));
            return ExitCode::FAILURE;
        }
    };
    let context = Context::new(cli.home, output);
    match runtime.block_on(cli.command.run(&context)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.code.into()
        }
    }
}

/// Quiet unless asked: `-v` for what the client does, `-vv` for more; `NEARHAND_LOG` for particular modules.
fn log_to_stderr(verbose: u8) {
    let usual = match verbose {
        0 => "error",
        1 => "nearhand_client=info,warn",
        _ => "nearhand_client=debug,nearhand_shared=debug,info",
    };
    let filter = EnvFilter::try_from_env("NEARHAND_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
