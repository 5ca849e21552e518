//! The command line: one module per command, and what they have in common.
//!
//! A command reads its arguments, asks [`crate::home`] and [`crate::relay`], and shows the result. Must not
//! live here: decisions that a test would want to make without a terminal and a network.

pub mod alarms;
pub mod audit;
mod browser;
pub mod chat;
pub mod claim;
pub mod completions;
pub mod connect;
pub mod devices;
pub mod diagnose;
mod in_session;
pub mod invite;
pub mod join;
pub mod man;
pub mod organisation;
pub mod parse;
pub mod people;
pub mod play;
pub mod queue;
mod record;
pub mod revoke;
pub mod rotate;
pub mod run;
pub mod runbook;
mod runbook_file;
pub mod screenshot;
pub mod sessions;
pub mod status;
pub mod sync;

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};

/// Help somebody at their machine, through a relay that can't look inside.
#[derive(Parser)]
#[command(name = "nearhand", version, propagate_version = true, arg_required_else_help = true)]
pub struct ClientCli {
    /// Directory of keys, profile and known devices [default: nearhand in your data directory]
    #[arg(long, global = true, env = "NEARHAND_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Results (and errors) as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Log what the client does; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The subcommand to run.
    #[command(subcommand)]
    pub command: ClientCommand,
}

/// The commands of `nearhand`.
#[derive(Subcommand)]
pub enum ClientCommand {
    /// Help at a device: see and control its screen, chat, share the clipboard, as far as the person there allows
    Connect(connect::ConnectArgs),
    /// Run diagnostics on a device and save the report
    Diagnose(diagnose::DiagnoseArgs),
    /// Run a runbook (a repair) on a device, or on several
    Run(run::RunbookRunArgs),
    /// List the available runbooks; check and sign your organisation's own
    Runbook(runbook::RunbookArgs),
    /// Save a picture of a device's screen
    Screenshot(screenshot::ScreenshotArgs),
    /// Verify a recording of a device's screen, play it, or make a video of it
    Play(play::PlayArgs),
    /// Chat with the person at a device
    Chat(chat::ChatArgs),
    /// Claim a new relay with the string that `nearhand-relay init` printed
    Claim(claim::ClaimArgs),
    /// Join an organisation with the string you were given
    Join(join::JoinArgs),
    /// Invite a person: prints the string that they join with
    Invite(invite::InviteArgs),
    /// Enrol a device: prints the string that its agent is set up with
    Enrol(invite::EnrolDeviceArgs),
    /// Print the string with which any machine can ask for help once, without being enrolled
    Site,
    /// List the organisation's devices
    Devices(devices::DevicesArgs),
    /// List the organisation's people
    People,
    /// List sessions, the newest first
    Sessions,
    /// List requests for help; take one, close one
    Queue(queue::QueueArgs),
    /// Show how people rated their sessions
    Ratings,
    /// List alarms, follow changes, show one with its history, assign or comment
    Alarms(alarms::AlarmsArgs),
    /// Acknowledge an alarm: you have seen it and take care of it
    Ack(alarms::AckArgs),
    /// Send no notifications of an alarm, a device or a rule for a while
    Silence(alarms::SilenceArgs),
    /// Show the relay's audit log, or verify it
    Audit(audit::AuditArgs),
    /// Revoke a device, a person or an invitation
    Revoke(revoke::RevokeArgs),
    /// Fetch the newest revocation list; an administrator's replaces an older one on the relay
    Sync,
    /// Replace your key by a new one
    Rotate,
    /// Show your name, your organisation, and whether the relay can be reached
    Status,
    /// Back up or restore the organisation's key
    Organisation(organisation::OrganisationArgs),
    /// Print completions for a shell
    Completions(completions::ShellCompletionsArgs),
    /// Print the manual page, or write all of them into a directory
    Man(man::ManualPageArgs),
    /// Decode a device's frames; started by the viewer
    #[command(hide = true)]
    Decode {
        /// Make a PNG file of the first exact frame
        #[arg(long)]
        png: bool,
    },
    /// Make pictures of a recording's frames; started by `play`
    #[command(hide = true)]
    Paint,
}

impl ClientCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`CommandFailure`] with the exit code.
    pub async fn run(self, ctx: &CommandContext) -> Result<(), CommandFailure> {
        match self {
            Self::Connect(args) => connect::run(ctx, args).await,
            Self::Diagnose(args) => diagnose::run(ctx, args).await,
            Self::Run(args) => run::run(ctx, args).await,
            Self::Runbook(args) => runbook::run(ctx, args).await,
            Self::Screenshot(args) => screenshot::run(ctx, &args).await,
            Self::Play(args) => play::run(ctx, args).await,
            Self::Chat(args) => chat::run(ctx, args).await,
            Self::Claim(args) => claim::run(ctx, args).await,
            Self::Join(args) => join::run(ctx, args).await,
            Self::Invite(args) => invite::run(ctx, &args),
            Self::Enrol(args) => invite::enrol(ctx, &args),
            Self::Site => invite::site(ctx),
            Self::Devices(args) => devices::run(ctx, &args).await,
            Self::People => people::run(ctx).await,
            Self::Sessions => sessions::run(ctx).await,
            Self::Queue(args) => queue::run(ctx, &args).await,
            Self::Ratings => queue::ratings(ctx).await,
            Self::Alarms(args) => alarms::run(ctx, &args).await,
            Self::Ack(args) => alarms::ack(ctx, &args).await,
            Self::Silence(args) => alarms::silence(ctx, &args).await,
            Self::Audit(args) => audit::run(ctx, args).await,
            Self::Revoke(args) => revoke::run(ctx, args).await,
            Self::Sync => sync::run(ctx).await,
            Self::Rotate => rotate::run(ctx).await,
            Self::Status => status::run(ctx).await,
            Self::Organisation(args) => organisation::run(ctx, args),
            Self::Completions(args) => completions::run(ctx, &args, &mut ClientCli::command()),
            Self::Man(args) => man::run(ctx, &args, ClientCli::command()),
            // The program does this before it starts a runtime.
            Self::Paint => {
                Err(CommandFailure::new(ExitCode::Usage, "this command is started by `nearhand play`"))
            }
            Self::Decode { .. } => {
                Err(CommandFailure::new(ExitCode::Usage, "this command is started by the viewer"))
            }
        }
    }
}
