//! `nearhand run … --on`: the same run on many devices, each in a managed session of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nearhand_proto::runbook::{Ending, matches};
use nearhand_transport::platform::write_private;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

use super::super::{Context, connect};
use super::{Wanted, in_session};
use crate::clock;
use crate::exit::{ExitCode, Failure};
use crate::fleet_schedule::Fleet;
use crate::membership::Standing;
use crate::output::Output;
use crate::relay::RelayConnection;
use crate::session::{Session, Update};

/// What came of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Came {
    device: String,
    label: String,
    /// How the run ended, or `refused`, `not-reached`.
    ending: String,
    why: String,
}

/// What is kept in the file of `--resume`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    runbook: String,
    run: String,
    results: BTreeMap<String, Came>,
}

/// A device that is meant.
#[derive(Clone, Debug)]
struct Meant {
    id: String,
    label: String,
}

/// Runs it on all of them.
///
/// # Errors
/// [`Failure`] with the exit code.
pub(super) async fn run(
    ctx: &Context,
    wanted: &Wanted,
    on: &[String],
    resume: Option<&Path>,
) -> Result<(), Failure> {
    let relay = Arc::new(ctx.connect().await?);
    let mut wanted = wanted.clone();
    let mut progress = load(resume, &mut wanted)?;
    let mut meant = devices(&relay, on).await?;
    meant.retain(|device| {
        progress.results.get(&device.id).is_none_or(|result| result.ending != Ending::Done.name())
    });
    let mut fleet = Fleet::new(meant.len());
    ctx.output.note(&format!(
        "{} on {} devices, {} at once, run {}",
        wanted.runbook,
        meant.len(),
        fleet.at_once(),
        wanted.run
    ));
    let mut tasks = JoinSet::new();
    let mut interrupted = Box::pin(connect::interrupted());
    let mut asked_to_stop = false;
    let mut results = Vec::new();
    while !fleet.is_over() {
        while let Some(index) = fleet.begin() {
            let Some(device) = meant.get(index).cloned() else { continue };
            let (ctx, relay, wanted) = (quiet(ctx), relay.clone(), wanted.clone());
            tasks.spawn(async move { one(&ctx, relay, device, &wanted).await });
        }
        tokio::select! {
            Some(ended) = tasks.join_next() => {
                let Ok(result) = ended else {
                    fleet.ended(false);
                    continue;
                };
                fleet.ended(is_well(&result));
                show(&ctx.output, &result)?;
                progress.results.insert(result.device.clone(), result.clone());
                save(resume, &progress)?;
                results.push(result);
            }
            () = &mut interrupted, if !asked_to_stop => {
                asked_to_stop = true;
                fleet.stop();
                // Each run hears the same signal, stops, and undoes what it can.
                ctx.output.note("Stopping: no further device begins; those under way are stopped …");
            }
        }
    }
    summary(ctx, &fleet, &meant, &results)
}

/// A context whose sessions say nothing: results of many devices would run into each other.
fn quiet(ctx: &Context) -> Context {
    Context { output: Output::silent(), ..ctx.clone() }
}

fn is_well(result: &Came) -> bool {
    // Nothing to do on a device is no failure of the fleet.
    [Ending::Done.name(), Ending::NotDone.name()].contains(&result.ending.as_str())
}

/// The devices that are meant, each once, in the order of the list.
async fn devices(relay: &RelayConnection, on: &[String]) -> Result<Vec<Meant>, Failure> {
    let known = signed(relay).await?;
    let mut meant: Vec<Meant> = Vec::new();
    for wanted in on {
        let fits = known.iter().filter(|(id, label)| {
            matches(wanted, label) || (wanted.len() >= 4 && id.starts_with(wanted.as_str()))
        });
        let before = meant.len();
        let mut any = false;
        for (id, label) in fits {
            any = true;
            if !meant.iter().any(|device| device.id == *id) {
                meant.push(Meant { id: id.clone(), label: label.clone() });
            }
        }
        if !any && meant.len() == before {
            return Err(Failure::new(ExitCode::NoSuchDevice, format!("no device is called {wanted:?}")));
        }
    }
    Ok(meant)
}

/// Ids and labels of the organisation's devices, as it has signed them and still stands by them.
async fn signed(relay: &RelayConnection) -> Result<Vec<(String, String)>, Failure> {
    let (entries, revocations) = (relay.devices().await?, relay.home().revocations()?);
    let organisation = relay.identity().profile.organisation;
    let now = clock::now();
    let known = entries.into_iter().filter_map(|entry| {
        let (standing, who) = Standing::of(&entry.credential, &organisation, &revocations, now);
        // An entry under another id than its credential's is the relay's invention.
        let who = who.filter(|who| standing == Standing::Valid && who.device_id() == Some(entry.id))?;
        Some((entry.id.to_string(), who.invite.name))
    });
    Ok(known.collect())
}

/// One device, from its session to its result.
async fn one(ctx: &Context, relay: Arc<RelayConnection>, device: Meant, wanted: &Wanted) -> Came {
    let result = |ending: &str, why: String| Came {
        device: device.id.clone(),
        label: device.label.clone(),
        ending: ending.to_owned(),
        why,
    };
    let opened = async {
        let resolved = relay.resolve_target(&device.id).await?;
        Ok::<_, Failure>(Session::open(relay.clone(), resolved, &wanted.reason).await?)
    };
    let (session, mut updates) = match opened.await {
        Ok(opened) => opened,
        Err(failure) => return result("not-reached", failure.message().to_owned()),
    };
    let outcome = in_session(ctx, &session, &mut updates, wanted).await;
    session.end().await;
    while let Some(update) = updates.recv().await {
        if matches!(update, Update::Ended(_)) {
            break;
        }
    }
    match outcome {
        Ok(outcome) => result(outcome.ending.name(), outcome.why),
        Err(failure) => result("refused", failure.message().to_owned()),
    }
}

fn show(output: &Output, result: &Came) -> Result<(), Failure> {
    if output.is_json() {
        return Ok(output.json(&json!({"event": "device", "result": result}))?);
    }
    Ok(output.line(&format!("{}: {}: {}", result.label, result.ending, result.why))?)
}

fn summary(ctx: &Context, fleet: &Fleet, meant: &[Meant], results: &[Came]) -> Result<(), Failure> {
    let (done, failed, left) = fleet.counts();
    if ctx.output.is_json() {
        let missing = meant.iter().filter(|device| !results.iter().any(|result| result.device == device.id));
        let left: Vec<_> = missing.map(|device| device.label.clone()).collect();
        ctx.output.json(&json!({"event": "fleet", "well": done, "failed": failed, "not_begun": left}))?;
    } else {
        ctx.output.line(&format!("{done} well, {failed} failed, {left} not begun"))?;
    }
    if failed == 0 && left == 0 {
        return Ok(());
    }
    let why = if left > 0 {
        "it was stopped before the end; --resume FILE goes on where it was"
    } else {
        "not all went well"
    };
    Err(Failure::new(
        ExitCode::RunbookFailed,
        format!("{failed} devices failed, {left} were not begun: {why}"),
    ))
}

/// What an earlier try noted; its run goes on under the same id, so that no device does it twice.
fn load(path: Option<&Path>, wanted: &mut Wanted) -> Result<Progress, Failure> {
    let fresh = |wanted: &Wanted| Progress {
        runbook: wanted.runbook.clone(),
        run: wanted.run.to_string(),
        results: BTreeMap::new(),
    };
    let Some(path) = path else { return Ok(fresh(wanted)) };
    let local = |why: String| Failure::new(ExitCode::Local, format!("{}: {why}", path.display()));
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(fresh(wanted)),
        other => other.map_err(|error| local(error.to_string()))?,
    };
    let progress: Progress = serde_json::from_str(&text).map_err(|error| local(error.to_string()))?;
    if progress.runbook != wanted.runbook {
        return Err(Failure::new(
            ExitCode::Usage,
            format!("{} is about {}, not {}", path.display(), progress.runbook, wanted.runbook),
        ));
    }
    wanted.run = progress.run.parse().map_err(|_| local("it holds no run's id".to_owned()))?;
    Ok(progress)
}

fn save(path: Option<&Path>, progress: &Progress) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let local = |why: String| Failure::new(ExitCode::Local, format!("{}: {why}", path.display()));
    let json = serde_json::to_vec_pretty(progress).map_err(|error| local(error.to_string()))?;
    write_private(path, &json).map_err(|error| local(error.to_string()))
}
