//! `nearhand-agent ask`: asks the organisation for help from a terminal, and looks how that stands.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use nearhand_proto::message::help::{HelpRequest, Urgency};
use nearhand_proto::message::local::{HelpStatus, LocalReply, LocalVerb};

use super::console::help_in_words;
use crate::home::AgentHome;
use crate::local;

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// What is the matter; without it, how the request stands
    #[arg(value_name = "WORDS")]
    what: Vec<String>,
    /// How urgent it is
    #[arg(long, value_enum, default_value_t = AskUrgency::Hampered)]
    urgency: AskUrgency,
    /// How to reach you
    #[arg(long, value_name = "TEXT", default_value = "")]
    reach: String,
    /// No help is wanted any more
    #[arg(long, conflicts_with_all = ["what", "reach"])]
    withdraw: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// How urgent the request for help is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AskUrgency {
    /// It can wait
    CanWait,
    /// Work goes on, badly
    Hampered,
    /// Work has stopped
    Stopped,
}

impl From<AskUrgency> for Urgency {
    fn from(how: AskUrgency) -> Self {
        match how {
            AskUrgency::CanWait => Self::CanWait,
            AskUrgency::Hampered => Self::Hampered,
            AskUrgency::Stopped => Self::Stopped,
        }
    }
}

pub(crate) async fn run(home: &AgentHome, args: AskArgs) -> anyhow::Result<ExitCode> {
    let mut agent = local::call(home).await?;
    if args.withdraw {
        agent.ask(LocalVerb::WithdrawHelp).await?;
        println!("Help is no longer asked for.");
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if args.what.is_empty() {
        LocalVerb::Help
    } else {
        let (urgency, reach) = (args.urgency.into(), args.reach);
        LocalVerb::AskForHelp(HelpRequest { what: args.what.join(" "), urgency, reach })
    };
    let LocalReply::Help(help) = agent.ask(verb).await? else {
        anyhow::bail!("the agent answered something else")
    };
    if args.json {
        println!("{}", serde_json::to_string(&help)?);
    } else {
        help_in_words(&help);
    }
    Ok(if matches!(help, HelpStatus::Refused(_)) {
        ExitCode::from(super::exit::FAILED)
    } else {
        ExitCode::SUCCESS
    })
}
