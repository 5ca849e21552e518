//! How each act is done: whether it can and needs to be, what would be done, doing it, whether it helped, undoing it.
//!
//! Drivers. Programs are run by [`SystemPrograms`]: found in fixed directories, with an argument list and no shell. Must not
//! live here: whether a run is allowed, its order of steps, its time.

mod caches;
mod clock;
mod context;
mod logs;
mod network;
mod printing;
mod processes;
mod report;
mod services;

use nearhand_proto::runbook::{ParameterValues, RunbookAction};

use super::ledger::UndoStep;
pub(super) use context::{ActContext, ActError, ActResult, StopFlag};
use context::{number, text};

/// Whether it can and needs to be done.
pub(super) async fn precheck(ground: &ActContext, act: RunbookAction, values: &ParameterValues) -> ActResult {
    match act {
        RunbookAction::RestartService => services::precheck(ground, values).await,
        RunbookAction::ClearCaches => caches::look(ground, values).await,
        RunbookAction::RotateLogs => logs::precheck(ground).await,
        RunbookAction::MendNetwork => network::precheck(ground, values).await,
        RunbookAction::SyncTime => clock::precheck(ground).await,
        RunbookAction::ClearPrintQueue => printing::precheck(ground, values).await,
        RunbookAction::TameProcess => processes::look(ground, values).await,
        RunbookAction::CollectDiagnostics => Ok("the checks can run".to_owned()),
    }
}

/// What would be done.
pub(super) async fn dry_run(ground: &ActContext, act: RunbookAction, values: &ParameterValues) -> ActResult {
    match act {
        RunbookAction::RestartService => Ok(format!("would start {} again", text(values, "service"))),
        RunbookAction::ClearCaches => {
            caches::look(ground, values).await.map(|seen| format!("would remove {seen}"))
        }
        RunbookAction::RotateLogs => {
            Ok(format!("would keep {} MB of the newest logs and rotate the others", number(values, "keep")))
        }
        RunbookAction::MendNetwork => network::dry_run(ground, values).await,
        RunbookAction::SyncTime => Ok("would set the clock by the configured time servers".to_owned()),
        RunbookAction::ClearPrintQueue => {
            printing::precheck(ground, values).await.map(|seen| format!("would remove {seen}"))
        }
        RunbookAction::TameProcess => processes::dry_run(ground, values).await,
        RunbookAction::CollectDiagnostics => Ok("would run all checks and keep the report".to_owned()),
    }
}

/// What undoing it will need, known before it is done.
pub(super) async fn prepare(
    ground: &ActContext,
    act: RunbookAction,
    values: &ParameterValues,
) -> Result<Vec<UndoStep>, ActError> {
    match act {
        RunbookAction::TameProcess => processes::prepare(ground, values).await,
        RunbookAction::MendNetwork => network::prepare(ground, values).await,
        _ => Ok(Vec::new()),
    }
}

/// Does it. `undo` is what [`prepare`] found.
pub(super) async fn apply(
    ground: &ActContext,
    act: RunbookAction,
    values: &ParameterValues,
    undo: &[UndoStep],
) -> ActResult {
    match act {
        RunbookAction::RestartService => services::apply(ground, values).await,
        RunbookAction::ClearCaches => caches::clear(ground, values).await,
        RunbookAction::RotateLogs => logs::apply(ground, values).await,
        RunbookAction::MendNetwork => network::apply(ground, values).await,
        RunbookAction::SyncTime => clock::apply(ground).await,
        RunbookAction::ClearPrintQueue => printing::apply(ground, values).await,
        RunbookAction::TameProcess => processes::apply(ground, values, undo).await,
        RunbookAction::CollectDiagnostics => report::apply(ground).await,
    }
}

/// Whether it helped.
pub(super) async fn verify(
    ground: &ActContext,
    act: RunbookAction,
    values: &ParameterValues,
    undo: &[UndoStep],
) -> ActResult {
    match act {
        RunbookAction::RestartService => services::verify(ground, values).await,
        RunbookAction::ClearCaches => caches::room(ground, values).await,
        RunbookAction::RotateLogs => logs::verify(ground, values).await,
        RunbookAction::MendNetwork => network::verify(ground).await,
        RunbookAction::SyncTime => clock::verify(ground).await,
        RunbookAction::ClearPrintQueue => printing::verify(ground, values).await,
        RunbookAction::TameProcess => processes::verify(values, undo),
        RunbookAction::CollectDiagnostics => report::verify(ground).await,
    }
}

/// Undoes one thing.
pub(super) async fn undo(ground: &ActContext, undo: &UndoStep) -> Result<String, String> {
    match undo {
        UndoStep::Nice { pid, started, nice } => processes::undo(*pid, *started, *nice),
        UndoStep::Adapter { interface } => network::undo(ground, interface).await,
    }
}
