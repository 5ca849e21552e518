//! The program `nearhand` from its arguments to its exit code: logging, the runtime, and the command that was asked
//! for.

use std::process::ExitCode;

use clap::Parser;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::command::{ClientCli, ClientCommand};
use crate::context::CommandContext;
use crate::output::TerminalOutput;
use crate::recording::paint;
use crate::viewer::decode;

/// Does what the command line says.
pub fn run() -> ExitCode {
    let cli = ClientCli::parse();
    if let ClientCommand::Decode { png } = cli.command {
        // Nothing of the client is in that process: no directory, no runtime, no log.
        return decode::run(if png { decode::DecoderOutput::Png } else { decode::DecoderOutput::Operations });
    }
    if matches!(cli.command, ClientCommand::Paint) {
        return paint::run();
    }
    log_to_stderr(cli.verbose);
    let output = TerminalOutput::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            output.note(&format!("nearhand: can't start: {e}"));
            return ExitCode::FAILURE;
        }
    };
    let context = CommandContext::new(cli.home, output);
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
    let usual = || match verbose {
        0 => Targets::new().with_default(LevelFilter::ERROR),
        1 => Targets::new().with_default(LevelFilter::WARN).with_target("nearhand_client", LevelFilter::INFO),
        _ => {
            let own = ["nearhand_client", "nearhand_proto"].map(|name| (name, LevelFilter::DEBUG));
            Targets::new().with_default(LevelFilter::INFO).with_targets(own)
        }
    };
    let asked = std::env::var("NEARHAND_LOG").ok().map(|filter| filter.parse::<Targets>());
    let (asked, mistake) = match asked.transpose() {
        Ok(asked) => (asked, None),
        Err(mistake) => (None, Some(mistake)),
    };
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(asked.unwrap_or_else(usual)).init();
    if let Some(mistake) = mistake {
        tracing::error!(%mistake, "NEARHAND_LOG is no filter, and left out");
    }
}
