//! `nearhand run`: runs a runbook on a device, or on many.
//!
//! The order is made and signed here, for exactly the runbook that the device has (or the file that goes with it).

mod fleet;
mod order;

use std::path::PathBuf;

use nearhand_proto::id::RunId;
use nearhand_proto::runbook::{RunEnding, RunMode, RunOutcome};
use rand_core::OsRng;

use self::order::{ParameterSetting, RunRequest};
use super::{in_session, runbook_file};
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};

/// Arguments of `nearhand run`.
#[derive(clap::Args)]
pub struct RunbookRunArgs {
    /// The runbook's name (`nearhand runbook list`), or the file of one that your organisation has signed
    pub runbook: String,
    /// Support code, or an enrolled device's label, id or the beginning of its id
    #[arg(required_unless_present = "on")]
    pub target: Option<String>,
    /// Several devices: labels (with `*` for anything) or ids, separated by commas
    #[arg(long, value_name = "DEVICES", value_delimiter = ',', conflicts_with = "target")]
    pub on: Vec<String>,
    /// A parameter's value
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<ParameterSetting>,
    /// Change nothing; show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The run's id: a device never runs the same id twice [default: a new id]
    #[arg(long, value_name = "ID")]
    pub run_id: Option<RunId>,
    /// With --on: file with the result of each device; devices that are done there are skipped
    #[arg(long, value_name = "FILE", requires = "on")]
    pub resume: Option<PathBuf>,
}

/// Runs the runbook.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub async fn run(ctx: &CommandContext, args: RunbookRunArgs) -> Result<(), CommandFailure> {
    let request = run_request(ctx, &args)?;
    let Some(target) = &args.target else {
        return fleet::run(ctx, &request, &args.on, args.resume.as_deref()).await;
    };
    let (session, mut updates) = in_session::open(ctx, target, &request.reason).await?;
    let outcome = order::run_in(ctx, &session, &mut updates, &request).await;
    in_session::end(&session, &mut updates).await;
    judge(&outcome?)
}

fn run_request(ctx: &CommandContext, args: &RunbookRunArgs) -> Result<RunRequest, CommandFailure> {
    let is_file = args.runbook.contains(['/', '.']);
    let file = if is_file { Some(runbook_file::signed(ctx, args.runbook.as_ref())?) } else { None };
    let name = file.as_ref().map_or_else(|| args.runbook.clone(), |(_, manifest)| manifest.name.clone());
    let mode = if args.dry_run { RunMode::DryRun } else { RunMode::Apply };
    let reason = args.reason.clone().unwrap_or_else(|| format!("to run the repair {name}"));
    let run = args.run_id.unwrap_or_else(|| RunId::random(&mut OsRng));
    Ok(RunRequest { runbook: name, file, set: args.set.clone(), mode, reason, run })
}

/// The exit code of an outcome.
fn judge(outcome: &RunOutcome) -> Result<(), CommandFailure> {
    match outcome.ending {
        RunEnding::Done => Ok(()),
        ending => {
            Err(CommandFailure::new(ExitCode::RunbookFailed, format!("{}: {}", ending.name(), outcome.why)))
        }
    }
}
