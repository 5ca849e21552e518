//! `nearhand run`: a repair on a device, or on many.
//!
//! The order is made and signed here, for exactly the runbook that the device has (or the file that goes with it).

mod fleet;

use std::path::PathBuf;
use std::time::Duration;

use nearhand_proto::grant::Capability;
use nearhand_proto::id::{DeviceId, RunId};
use nearhand_proto::identity::Signed;
use nearhand_proto::message::runbook::FromDevice;
use nearhand_proto::runbook::{Ending, Manifest, Mode, Order, Outcome, Phase, Refused, Value};
use nearhand_proto::text;
use nearhand_proto::wire;
use rand_core::OsRng;
use serde_json::json;
use tokio::sync::mpsc;

use super::{CommandContext, connect, diagnose};
use crate::clock;
use crate::exit::{CommandFailure, ExitCode};
use crate::output::TerminalOutput;
use crate::session::{RunbookError, SessionHandle, SessionUpdate};

/// How long an order may wait until it begins.
const BEGINS_WITHIN: Duration = Duration::from_secs(300);
/// How long the end of a session may take to be told after its streams have broken.
const END_IS_TOLD: Duration = Duration::from_secs(3);

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
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Change nothing, say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The id of the run: the same one is never done twice on a device [default: a new one]
    #[arg(long, value_name = "ID")]
    pub run_id: Option<RunId>,
    /// With --on: where to note what came of each device; devices in it that are done are left out
    #[arg(long, value_name = "FILE", requires = "on")]
    pub resume: Option<PathBuf>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as older-than=24")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What is to run.
#[derive(Clone)]
pub(super) struct RunRequest {
    pub(super) runbook: String,
    /// The file that goes with the order.
    pub(super) file: Option<(Signed<Manifest>, Manifest)>,
    set: Vec<(String, String)>,
    pub(super) mode: Mode,
    pub(super) reason: String,
    pub(super) run: RunId,
}

/// Runs it.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub async fn run(ctx: &CommandContext, args: RunbookRunArgs) -> Result<(), CommandFailure> {
    let wanted = wanted(ctx, &args)?;
    let Some(target) = &args.target else {
        return fleet::run(ctx, &wanted, &args.on, args.resume.as_deref()).await;
    };
    let (session, mut updates) = connect::open(ctx, target, &wanted.reason).await?;
    let outcome = in_session(ctx, &session, &mut updates, &wanted).await;
    session.end().await;
    while let Some(update) = updates.recv().await {
        if matches!(update, SessionUpdate::Ended(_)) {
            break;
        }
    }
    judge(&outcome?)
}

fn wanted(ctx: &CommandContext, args: &RunbookRunArgs) -> Result<RunRequest, CommandFailure> {
    let is_file = args.runbook.contains(['/', '.']);
    let file = if is_file { Some(super::runbook::signed_file(ctx, args.runbook.as_ref())?) } else { None };
    let name = file.as_ref().map_or_else(|| args.runbook.clone(), |(_, manifest)| manifest.name.clone());
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Apply };
    let reason = args.reason.clone().unwrap_or_else(|| format!("to run the repair {name}"));
    let run = args.run_id.unwrap_or_else(|| RunId::random(&mut OsRng));
    Ok(RunRequest { runbook: name, file, set: args.set.clone(), mode, reason, run })
}

/// Asks for the capability, orders, follows.
pub(super) async fn in_session(
    ctx: &CommandContext,
    session: &SessionHandle,
    updates: &mut mpsc::Receiver<SessionUpdate>,
    wanted: &RunRequest,
) -> Result<Outcome, CommandFailure> {
    // Time for the longest run, and for undoing it.
    let time = Duration::from_secs(3600);
    diagnose::granted(ctx, session, updates, Capability::Runbook.into(), time).await?;
    let follow = follow(ctx, session, wanted);
    tokio::pin!(follow);
    let mut granted = Vec::new();
    loop {
        tokio::select! {
            outcome = &mut follow => return match outcome {
                Err(failure) => Err(better_known(ctx, updates, failure, wanted).await),
                Ok(outcome) => Ok(outcome),
            },
            update = updates.recv() => match update {
                Some(SessionUpdate::Ended(end)) => {
                    connect::ended(ctx, &end)?;
                    return Err(CommandFailure::new(ExitCode::SessionLost, format!(
                        "the session ended before the outcome was there; `--run-id {}` asks for it again", wanted.run
                    )));
                }
                Some(update) => {
                    connect::see(session, &update);
                    connect::show(ctx, &update, &mut granted)?;
                }
                None => return Err(CommandFailure::new(ExitCode::Unexpected, "the session's task is gone")),
            },
        }
    }
}

/// A stream that broke says less than the end of its session, which is told at the same time.
async fn better_known(
    ctx: &CommandContext,
    updates: &mut mpsc::Receiver<SessionUpdate>,
    failure: CommandFailure,
    wanted: &RunRequest,
) -> CommandFailure {
    if failure.code != ExitCode::SessionLost {
        return failure;
    }
    let end = async {
        while let Some(update) = updates.recv().await {
            if let SessionUpdate::Ended(end) = update {
                return connect::ended(ctx, &end).err();
            }
        }
        None
    };
    let told = tokio::time::timeout(END_IS_TOLD, end).await.ok().flatten();
    told.unwrap_or_else(|| {
        let again = format!("`--run-id {}` asks what came of it", wanted.run);
        CommandFailure::new(failure.code, format!("{}; {again}", failure.message()))
    })
}

async fn follow(
    ctx: &CommandContext,
    session: &SessionHandle,
    wanted: &RunRequest,
) -> Result<Outcome, CommandFailure> {
    let mut stream = session.runbook().await?;
    let manifest = match &wanted.file {
        Some((_, manifest)) => manifest.clone(),
        None => stream.show(&wanted.runbook).await?,
    };
    let parameters = parameters(&manifest, &wanted.set)?;
    let order = order(session, &manifest, parameters, wanted);
    let signed = ctx.home()?.identity()?.key.sign(&order)?;
    if ctx.output.is_json() {
        ctx.output.json(&json!({"event": "run", "run": wanted.run.to_string(), "runbook": manifest.name}))?;
    } else {
        ctx.output.note(&format!("{} ({}), run {}", manifest.title, wanted.mode.name(), wanted.run));
    }
    stream.order(signed, wanted.file.as_ref().map(|(signed, _)| signed.clone())).await?;
    let (mut stop, mut events) = stream.halves();
    let (mut cancelled, mut interrupted) = (false, Box::pin(connect::interrupted()));
    loop {
        let next = events.next();
        tokio::pin!(next);
        let event = loop {
            tokio::select! {
                event = &mut next => break event?,
                () = &mut interrupted, if !cancelled => {
                    cancelled = true;
                    ctx.output.note("Stopping; what can be undone is undone …");
                    stop.cancel().await?;
                }
            }
        };
        show(&ctx.output, &event)?;
        match event {
            FromDevice::Over(outcome) => return Ok(*outcome),
            // It was done before: what came of it then is what counts.
            FromDevice::Refused(Refused::Repeated(Some(outcome))) => {
                if !ctx.output.is_json() {
                    ctx.output.note("This run was ordered before and was not done again. What came of it:");
                }
                return Ok(*outcome);
            }
            FromDevice::Refused(refused) => return Err(RunbookError::Refused(refused).into()),
            _ => {}
        }
    }
}

fn parameters(manifest: &Manifest, set: &[(String, String)]) -> Result<Vec<(String, Value)>, CommandFailure> {
    let usage = |what: String| CommandFailure::new(ExitCode::Usage, what);
    let mut said = Vec::new();
    for (name, value) in set {
        let names = || {
            let names: Vec<_> = manifest.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let parameter = manifest.parameters.iter().find(|parameter| parameter.name == *name);
        let parameter =
            parameter.ok_or_else(|| usage(format!("{} takes {}, not {name:?}", manifest.name, names())))?;
        let value =
            parameter.kind.read(value).map_err(|misfit| usage(format!("{name}={value}: {misfit}")))?;
        said.push((name.clone(), value));
    }
    manifest.bind(&said).map_err(usage)?;
    Ok(said)
}

fn order(
    session: &SessionHandle,
    manifest: &Manifest,
    parameters: Vec<(String, Value)>,
    wanted: &RunRequest,
) -> Order {
    let now = clock::now();
    Order {
        run: wanted.run,
        runbook: manifest.name.clone(),
        version: manifest.version,
        hash: manifest.hash(),
        device: device_id(session),
        parameters,
        mode: wanted.mode,
        issued: now,
        deadline: now.after(BEGINS_WITHIN),
    }
}

/// Which device it is: by its first key where the organisation says which that was, else by the one it has proved.
fn device_id(session: &SessionHandle) -> DeviceId {
    let (key, credential) = session.proved();
    let first = credential.as_ref().and_then(|credential| credential.links.first()?.peek().ok());
    first.map_or_else(|| key.device_id(), |link| link.key.device_id())
}

/// Says what happens.
fn show(output: &TerminalOutput, event: &FromDevice) -> Result<(), CommandFailure> {
    if output.is_json() {
        match event {
            FromDevice::Begun { step, of, phase } => {
                output.json(&json!({"event": "step", "step": step, "of": of, "phase": phase}))?;
            }
            FromDevice::Saw(note) => output.json(&json!({"event": "saw", "note": note}))?,
            FromDevice::Over(outcome) => output.json(&json!({"event": "outcome", "outcome": outcome}))?,
            FromDevice::Refused(refused) => output.json(&json!({
                "event": "runbook-refused", "kind": refused.name(), "why": text::one_line(&refused.to_string(), 300),
                "outcome": match refused { Refused::Repeated(outcome) => outcome.clone(), _ => None },
            }))?,
            _ => {}
        }
        return Ok(());
    }
    match event {
        FromDevice::Begun { step, of, phase: Phase::Apply } if *of > 1 => {
            output.note(&format!("step {step} of {of}"));
        }
        FromDevice::Saw(note) => {
            let mark = if note.well { "·" } else { "!" };
            output.line(&format!("{mark} {} {}: {}", note.act.name(), note.phase.name(), note.saw))?;
        }
        FromDevice::Over(outcome) => output.line(&outcome.to_string())?,
        _ => {}
    }
    Ok(())
}

/// The exit code of an outcome.
pub(super) fn judge(outcome: &Outcome) -> Result<(), CommandFailure> {
    match outcome.ending {
        Ending::Done => Ok(()),
        ending => {
            Err(CommandFailure::new(ExitCode::RunbookFailed, format!("{}: {}", ending.name(), outcome.why)))
        }
    }
}

/// Reads a signed file.
pub(super) fn read_signed(bytes: &[u8]) -> Result<Signed<Manifest>, String> {
    wire::decode(bytes).map_err(|error| format!("not a signed runbook: {error}"))
}
