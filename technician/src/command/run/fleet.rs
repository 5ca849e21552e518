//! `nearhand run … --on`: the same run on many devices, each in its own managed session.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nearhand_proto::runbook::{RunEnding, matches};
use nearhand_transport::platform::write_private;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

use super::super::in_session;
use super::order::{RunRequest, run_in};
use crate::clock;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::fleet_schedule::{FleetCounts, FleetOutcome, FleetSchedule};
use crate::membership::Membership;
use crate::output::TerminalOutput;
use crate::relay::RelayClient;
use crate::session::TechnicianSession;

/// How the run ended on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DeviceResult {
    device: String,
    label: String,
    /// How the run ended, or `refused`, `not-reached`.
    ending: String,
    why: String,
}

/// What is kept in the file of `--resume`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FleetProgress {
    runbook: String,
    run: String,
    results: BTreeMap<String, DeviceResult>,
}

/// A device that was named.
#[derive(Clone, Debug)]
struct FleetDevice {
    id: String,
    label: String,
}

/// Runs the runbook on all devices.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub(super) async fn run(
    ctx: &CommandContext,
    wanted: &RunRequest,
    on: &[String],
    resume: Option<&Path>,
) -> Result<(), CommandFailure> {
    let relay = Arc::new(ctx.connect().await?);
    let mut wanted = wanted.clone();
    let mut progress = load(resume, &mut wanted)?;
    let mut meant = devices(&relay, on).await?;
    meant.retain(|device| {
        progress.results.get(&device.id).is_none_or(|result| result.ending != RunEnding::Done.name())
    });
    let mut fleet = FleetSchedule::new(meant.len());
    ctx.output.note(&format!(
        "{} on {} devices, {} at once, run {}",
        wanted.runbook,
        meant.len(),
        fleet.at_once(),
        wanted.run
    ));
    let mut tasks = JoinSet::new();
    let mut interrupted = Box::pin(in_session::interrupted());
    let mut asked_to_stop = false;
    let mut results = Vec::new();
    while !fleet.is_over() {
        while let Some(index) = fleet.begin() {
            let Some(device) = meant.get(index).cloned() else { continue };
            let (ctx, relay, wanted) = (ctx.silenced(), relay.clone(), wanted.clone());
            tasks.spawn(async move { one(&ctx, relay, device, &wanted).await });
        }
        tokio::select! {
            Some(ended) = tasks.join_next() => {
                let Ok(result) = ended else {
                    fleet.ended(FleetOutcome::Failed);
                    continue;
                };
                fleet.ended(outcome_of(&result));
                show(&ctx.output, &result)?;
                progress.results.insert(result.device.clone(), result.clone());
                save(resume, &progress)?;
                results.push(result);
            }
            () = &mut interrupted, if !asked_to_stop => {
                asked_to_stop = true;
                fleet.stop();
                // Each run notices the same signal, stops, and undoes what it can.
                ctx.output.note("Stopping: no further device begins; those under way are stopped …");
            }
        }
    }
    summary(ctx, &fleet, &meant, &results)
}

fn outcome_of(result: &DeviceResult) -> FleetOutcome {
    // A device on which there was nothing to do has not failed.
    match [RunEnding::Done.name(), RunEnding::NotDone.name()].contains(&result.ending.as_str()) {
        true => FleetOutcome::Well,
        false => FleetOutcome::Failed,
    }
}

/// The devices that are meant, each once, in the order of the list.
async fn devices(relay: &RelayClient, on: &[String]) -> Result<Vec<FleetDevice>, CommandFailure> {
    let known = signed(relay).await?;
    let mut meant: Vec<FleetDevice> = Vec::new();
    for wanted in on {
        let fits = known.iter().filter(|(id, label)| {
            matches(wanted, label) || (wanted.len() >= 4 && id.starts_with(wanted.as_str()))
        });
        let before = meant.len();
        let mut any = false;
        for (id, label) in fits {
            any = true;
            if !meant.iter().any(|device| device.id == *id) {
                meant.push(FleetDevice { id: id.clone(), label: label.clone() });
            }
        }
        if !any && meant.len() == before {
            return Err(CommandFailure::new(
                ExitCode::NoSuchDevice,
                format!("no device is called {wanted:?}"),
            ));
        }
    }
    Ok(meant)
}

/// Ids and labels of the organisation's devices whose credentials are valid.
async fn signed(relay: &RelayClient) -> Result<Vec<(String, String)>, CommandFailure> {
    let (entries, revocations) = (relay.devices().await?, relay.home().revocations()?);
    let organisation = relay.identity().profile.organisation;
    let now = clock::now();
    let known = entries.into_iter().filter_map(|entry| {
        let (membership, who) = Membership::of(&entry.credential, &organisation, &revocations, now);
        // An entry under another id than its credential's is the relay's invention.
        let who = who.filter(|who| membership == Membership::Valid && who.device_id() == Some(entry.id))?;
        Some((entry.id.to_string(), who.invite.name))
    });
    Ok(known.collect())
}

/// One device, from its session to its result.
async fn one(
    ctx: &CommandContext,
    relay: Arc<RelayClient>,
    device: FleetDevice,
    wanted: &RunRequest,
) -> DeviceResult {
    let result = |ending: &str, why: String| DeviceResult {
        device: device.id.clone(),
        label: device.label.clone(),
        ending: ending.to_owned(),
        why,
    };
    let opened = async {
        let resolved = relay.resolve_target(&device.id).await?;
        Ok::<_, CommandFailure>(TechnicianSession::open(relay.clone(), resolved, &wanted.reason).await?)
    };
    let (session, mut updates) = match opened.await {
        Ok(opened) => opened,
        Err(failure) => return result("not-reached", failure.message().to_owned()),
    };
    let outcome = run_in(ctx, &session, &mut updates, wanted).await;
    in_session::end(&session, &mut updates).await;
    match outcome {
        Ok(outcome) => result(outcome.ending.name(), outcome.why),
        Err(failure) => result("refused", failure.message().to_owned()),
    }
}

fn show(output: &TerminalOutput, result: &DeviceResult) -> Result<(), CommandFailure> {
    if output.is_json() {
        return Ok(output.json(&json!({"event": "device", "result": result}))?);
    }
    Ok(output.line(&format!("{}: {}: {}", result.label, result.ending, result.why))?)
}

fn summary(
    ctx: &CommandContext,
    fleet: &FleetSchedule,
    meant: &[FleetDevice],
    results: &[DeviceResult],
) -> Result<(), CommandFailure> {
    let FleetCounts { well, failed, not_begun } = fleet.counts();
    if ctx.output.is_json() {
        let missing = meant.iter().filter(|device| !results.iter().any(|result| result.device == device.id));
        let labels: Vec<_> = missing.map(|device| device.label.clone()).collect();
        ctx.output.json(&json!({"event": "fleet", "well": well, "failed": failed, "not_begun": labels}))?;
    } else {
        ctx.output.line(&format!("{well} well, {failed} failed, {not_begun} not begun"))?;
    }
    if failed == 0 && not_begun == 0 {
        return Ok(());
    }
    let why = if not_begun > 0 {
        "it was stopped before the end; `--resume FILE` continues it"
    } else {
        "not all went well"
    };
    Err(CommandFailure::new(
        ExitCode::RunbookFailed,
        format!("{failed} devices failed, {not_begun} were not begun: {why}"),
    ))
}

/// The results of an earlier call. Its run continues under the same id, so that no device runs it twice.
fn load(path: Option<&Path>, wanted: &mut RunRequest) -> Result<FleetProgress, CommandFailure> {
    let fresh = |wanted: &RunRequest| FleetProgress {
        runbook: wanted.runbook.clone(),
        run: wanted.run.to_string(),
        results: BTreeMap::new(),
    };
    let Some(path) = path else { return Ok(fresh(wanted)) };
    let local = |why: String| CommandFailure::new(ExitCode::Local, format!("{}: {why}", path.display()));
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(fresh(wanted)),
        other => other.map_err(|error| local(error.to_string()))?,
    };
    let progress: FleetProgress = serde_json::from_str(&text).map_err(|error| local(error.to_string()))?;
    if progress.runbook != wanted.runbook {
        return Err(CommandFailure::new(
            ExitCode::Usage,
            format!("{} is about {}, not {}", path.display(), progress.runbook, wanted.runbook),
        ));
    }
    wanted.run = progress.run.parse().map_err(|_| local("it holds no run's id".to_owned()))?;
    Ok(progress)
}

fn save(path: Option<&Path>, progress: &FleetProgress) -> Result<(), CommandFailure> {
    let Some(path) = path else { return Ok(()) };
    let local = |why: String| CommandFailure::new(ExitCode::Local, format!("{}: {why}", path.display()));
    let json = serde_json::to_vec_pretty(progress).map_err(|error| local(error.to_string()))?;
    write_private(path, &json).map_err(|error| local(error.to_string()))
}
