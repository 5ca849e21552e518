//! The agent's commands: one file each; arguments and logging here.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program talks to people")]

mod adopt;
mod alarms;
mod ask;
mod attend;
mod audit;
mod console;
mod desktop;
mod doctor;
mod enrol;
mod exit;
mod logging;
mod pages;
mod rules;
mod run;
mod runbooks;
mod simple;
mod typed_ahead;
mod window;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use nearhand_proto::text;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::home::AgentHome;
use exit::{EXIT_CODES, NOT_ENROLLED, NOT_RUNNING, complain};

/// Nearhand's agent: lets technicians help on this machine, as far as you allow.
#[derive(Debug, Parser)]
#[command(name = "nearhand-agent", version, after_help = EXIT_CODES)]
pub struct AgentCli {
    /// The agent's directory. Default: /var/lib/nearhand-agent for root, else ~/.local/share/nearhand-agent
    #[arg(long, global = true, value_name = "DIR", env = "NEARHAND_AGENT_DATA")]
    data: Option<PathBuf>,
    /// How much is logged to standard error: error, warn, info, debug
    #[arg(long, global = true, value_name = "LEVEL", env = "NEARHAND_LOG", value_parser = logging::parse)]
    log: Option<Targets>,
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, Subcommand)]
enum AgentCommand {
    /// Run the agent until it is stopped
    Run(run::AgentRunArgs),
    /// Enrol this device with a string from your administrator
    Enrol(enrol::AgentEnrolArgs),
    /// Ask for help in this terminal: shows a support code, asks for your consent, chats
    Attend(attend::AttendArgs),
    /// Ask for help in a window: support code, consent, chat; without an installed agent it brings its own
    Window(window::WindowArgs),
    /// Ask your organisation for help, and see how that stands
    Ask(ask::AskArgs),
    /// Show how things stand
    Status(simple::OutputArgs),
    /// Make a new support code
    Code(simple::OutputArgs),
    /// End all sessions at once
    Stop,
    /// Show or verify the record of what was done
    #[command(subcommand)]
    Audit(audit::RecordCommand),
    /// Check the owner's policy file and say what it allows
    Policy,
    /// Say that this machine is the device, after its disk moved here or it was installed again
    Adopt,
    /// Replace this device's key by a new one
    Rotate,
    /// Show what alarms there are, and what waits for the relay
    Alarms(simple::OutputArgs),
    /// Check, show and try the rules that raise alarms
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// Show which repairs may run here and what ran; switch them off
    #[command(subcommand)]
    Runbooks(runbooks::RunbooksCommand),
    /// Check how this machine is doing, without any connection
    Doctor(doctor::DoctorArgs),
    /// Serve one session's screen; started by the agent, which it talks to by its standard input and output
    #[command(hide = true)]
    Desktop(desktop::DesktopArgs),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(pages::AgentCompletionsArgs),
    /// Print the manual page, or write all of them into a directory
    #[command(hide = true)]
    Man(pages::AgentManArgs),
}

/// Runs the command that was given.
pub fn main(cli: AgentCli) -> ExitCode {
    let runs = matches!(cli.command, AgentCommand::Run(_));
    logging::start(cli.log.as_ref(), if runs { LevelFilter::INFO } else { LevelFilter::WARN });
    if matches!(&cli.command, AgentCommand::Desktop(args) if !args.check) {
        // It waits on file descriptors itself and has no use for a runtime.
        return outcome_of(desktop::run());
    }
    // One thread: an idle agent costs nothing, and its few sessions fit.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(dispatch(cli));
            // A file system or name server that hangs must not keep the program from ending.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error.into()),
    };
    outcome_of(outcome)
}

fn outcome_of(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        complain(&text::chain(error.as_ref()));
        ExitCode::from(code_of(&error))
    })
}

fn code_of(error: &anyhow::Error) -> u8 {
    if matches!(error.downcast_ref(), Some(crate::home::AgentHomeError::NotEnrolled)) {
        return NOT_ENROLLED;
    }
    match error.downcast_ref() {
        Some(nearhand_transport::local::CallError::NotRunning { .. }) => NOT_RUNNING,
        _ => 1,
    }
}

async fn dispatch(cli: AgentCli) -> anyhow::Result<ExitCode> {
    let dir = cli.data.unwrap_or_else(AgentHome::default_dir);
    match cli.command {
        AgentCommand::Run(args) => run::run(AgentHome::open(dir)?, args).await,
        AgentCommand::Enrol(args) => enrol::run(AgentHome::open(dir)?, args).await,
        AgentCommand::Attend(args) => attend::run(dir, args).await,
        AgentCommand::Window(args) => window::run(dir, args).await,
        AgentCommand::Ask(args) => ask::run(&AgentHome::open(dir)?, args).await,
        AgentCommand::Status(output) => simple::status(&AgentHome::open(dir)?, &output).await,
        AgentCommand::Code(output) => simple::code(&AgentHome::open(dir)?, &output).await,
        AgentCommand::Stop => simple::stop(&AgentHome::open(dir)?).await,
        AgentCommand::Audit(command) => audit::run(&AgentHome::open(dir)?, &command),
        AgentCommand::Policy => simple::policy(&AgentHome::open(dir)?),
        AgentCommand::Adopt => adopt::run(&AgentHome::open(dir)?),
        AgentCommand::Rotate => simple::rotate(&AgentHome::open(dir)?).await,
        AgentCommand::Alarms(output) => alarms::run(&AgentHome::open(dir)?, &output).await,
        AgentCommand::Rules(command) => rules::run(&AgentHome::open(dir)?, command).await,
        AgentCommand::Runbooks(command) => runbooks::run(&AgentHome::open(dir)?, &command),
        AgentCommand::Doctor(args) => Ok(doctor::doctor(args, dir).await),
        AgentCommand::Desktop(_) => desktop::check().await,
        AgentCommand::Completions(args) => pages::completions(&args, AgentCli::command()),
        AgentCommand::Man(args) => pages::man(&args, AgentCli::command()),
    }
}
