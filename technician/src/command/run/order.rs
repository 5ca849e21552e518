//! One run on one device, from the order to its outcome.

use core::str::FromStr;
use std::time::Duration;

use nearhand_proto::grant::Capability;
use nearhand_proto::id::{DeviceId, RunId};
use nearhand_proto::identity::Signed;
use nearhand_proto::message::runbook::RunbookMessage;
use nearhand_proto::runbook::{
    Manifest, ParameterValue, RunMode, RunOrder, RunOutcome, RunRefusal, StepPhase,
};
use nearhand_proto::text;
use serde_json::json;
use tokio::sync::mpsc;

use super::super::in_session;
use crate::clock;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::output::TerminalOutput;
use crate::session::{RunbookError, SessionUpdate, TechnicianSession};

/// Time within which the device must begin the run.
const BEGINS_WITHIN: Duration = Duration::from_secs(300);
/// Longest wait for the session's end after its streams have broken.
const END_IS_TOLD: Duration = Duration::from_secs(3);

/// A parameter's value as it was typed.
#[derive(Clone, Debug)]
pub struct ParameterSetting {
    name: String,
    value: String,
}

/// A setting without an equals sign.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("write NAME=VALUE, such as older-than=24")]
pub struct SettingError;

impl FromStr for ParameterSetting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or(SettingError)?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// The run that was asked for.
#[derive(Clone)]
pub(super) struct RunRequest {
    pub(super) runbook: String,
    /// The file that goes with the order.
    pub(super) file: Option<(Signed<Manifest>, Manifest)>,
    pub(super) set: Vec<ParameterSetting>,
    pub(super) mode: RunMode,
    pub(super) reason: String,
    pub(super) run: RunId,
}

/// Asks for the capability, orders, follows.
pub(super) async fn run_in(
    ctx: &CommandContext,
    session: &TechnicianSession,
    updates: &mut mpsc::Receiver<SessionUpdate>,
    request: &RunRequest,
) -> Result<RunOutcome, CommandFailure> {
    // Time for the longest run, and for undoing it.
    let time = Duration::from_secs(3600);
    in_session::ask(ctx, session, updates, Capability::Runbook.into(), time).await?;
    let work = follow(ctx, session, request);
    let interruption = core::future::pending(); // `follow` stops the run on the device itself.
    let outcome =
        in_session::while_updated(ctx, session, updates, "the outcome was there", interruption, work).await;
    match outcome {
        Err(failure) => Err(with_session_end(ctx, updates, failure, request).await),
        Ok(outcome) => Ok(outcome),
    }
}

/// Replaces a broken stream's error by the reason why the session ended, which says more and arrives at the same time.
async fn with_session_end(
    ctx: &CommandContext,
    updates: &mut mpsc::Receiver<SessionUpdate>,
    failure: CommandFailure,
    request: &RunRequest,
) -> CommandFailure {
    if failure.code != ExitCode::SessionLost {
        return failure;
    }
    let end = async {
        while let Some(update) = updates.recv().await {
            if let SessionUpdate::Ended(end) = update {
                return in_session::report_end(ctx, &end).err();
            }
        }
        None
    };
    let told = tokio::time::timeout(END_IS_TOLD, end).await.ok().flatten();
    told.unwrap_or_else(|| {
        let again = format!("`--run-id {}` asks for its outcome", request.run);
        CommandFailure::new(failure.code, format!("{}; {again}", failure.message()))
    })
}

async fn follow(
    ctx: &CommandContext,
    session: &TechnicianSession,
    request: &RunRequest,
) -> Result<RunOutcome, CommandFailure> {
    let mut stream = session.runbook().await?;
    let manifest = match &request.file {
        Some((_, manifest)) => manifest.clone(),
        None => stream.show(&request.runbook).await?,
    };
    let parameters = bound_parameters(&manifest, &request.set)?;
    let signed = ctx.home()?.identity()?.key.sign(&order_for(session, &manifest, parameters, request))?;
    if ctx.output.is_json() {
        ctx.output
            .json(&json!({"event": "run", "run": request.run.to_string(), "runbook": manifest.name}))?;
    } else {
        ctx.output.note(&format!("{} ({}), run {}", manifest.title, request.mode.name(), request.run));
    }
    stream.order(signed, request.file.as_ref().map(|(signed, _)| signed.clone())).await?;
    let (mut stop, mut events) = stream.halves();
    let (mut cancelled, mut interrupted) = (false, Box::pin(in_session::interrupted()));
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
            RunbookMessage::Over(outcome) => return Ok(*outcome),
            // The run was done before: its outcome then is what counts.
            RunbookMessage::Refused(RunRefusal::Repeated(Some(outcome))) => {
                if !ctx.output.is_json() {
                    ctx.output.note("This run was ordered before and was not repeated. Its outcome was:");
                }
                return Ok(*outcome);
            }
            RunbookMessage::Refused(refused) => return Err(RunbookError::Refused(refused).into()),
            _ => {}
        }
    }
}

fn bound_parameters(
    manifest: &Manifest,
    set: &[ParameterSetting],
) -> Result<Vec<(String, ParameterValue)>, CommandFailure> {
    let usage = |what: String| CommandFailure::new(ExitCode::Usage, what);
    let mut given = Vec::new();
    for ParameterSetting { name, value } in set {
        let names = || {
            let names: Vec<_> = manifest.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let parameter = manifest.parameters.iter().find(|parameter| parameter.name == *name);
        let parameter =
            parameter.ok_or_else(|| usage(format!("{} takes {}, not {name:?}", manifest.name, names())))?;
        let value =
            parameter.kind.read(value).map_err(|misfit| usage(format!("{name}={value}: {misfit}")))?;
        given.push((name.clone(), value));
    }
    manifest.bind(&given).map_err(|error| usage(error.to_string()))?;
    Ok(given)
}

fn order_for(
    session: &TechnicianSession,
    manifest: &Manifest,
    parameters: Vec<(String, ParameterValue)>,
    request: &RunRequest,
) -> RunOrder {
    let now = clock::now();
    RunOrder {
        run: request.run,
        runbook: manifest.name.clone(),
        version: manifest.version,
        hash: manifest.hash(),
        device: device_id(session),
        parameters,
        mode: request.mode,
        issued: now,
        deadline: now.after(BEGINS_WITHIN),
    }
}

/// The device's id: of its first key where its credential names it, else of the key that it has proved.
fn device_id(session: &TechnicianSession) -> DeviceId {
    let (key, credential) = session.proved();
    let first = credential.as_ref().and_then(|credential| credential.links.first()?.peek().ok());
    first.map_or_else(|| key.device_id(), |link| link.key.device_id())
}

/// Shows an event of the run.
fn show(output: &TerminalOutput, event: &RunbookMessage) -> Result<(), CommandFailure> {
    if output.is_json() {
        match event {
            RunbookMessage::Begun { step, of, phase } => {
                output.json(&json!({"event": "step", "step": step, "of": of, "phase": phase}))?;
            }
            RunbookMessage::Saw(note) => output.json(&json!({"event": "saw", "note": note}))?,
            RunbookMessage::Over(outcome) => output.json(&json!({"event": "outcome", "outcome": outcome}))?,
            RunbookMessage::Refused(refused) => output.json(&json!({
                "event": "runbook-refused", "kind": refused.name(), "why": text::one_line(&refused.to_string(), 300),
                "outcome": match refused { RunRefusal::Repeated(outcome) => outcome.clone(), _ => None },
            }))?,
            _ => {}
        }
        return Ok(());
    }
    match event {
        RunbookMessage::Begun { step, of, phase: StepPhase::Apply } if *of > 1 => {
            output.note(&format!("step {step} of {of}"));
        }
        RunbookMessage::Saw(note) => {
            let mark = if note.well { "·" } else { "!" };
            output.line(&format!("{mark} {} {}: {}", note.act.name(), note.phase.name(), note.saw))?;
        }
        RunbookMessage::Over(outcome) => output.line(&outcome.to_string())?,
        _ => {}
    }
    Ok(())
}
