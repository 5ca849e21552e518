//! How each act is done: whether it can and needs to be, what would be done, doing it, whether it helped, undoing it.
//!
//! Drivers. Programs are run by [`SystemPrograms`]: found in fixed directories, with an argument list and no shell. Must not
//! live here: whether a run is allowed, its order of steps, its time.

mod caches;
mod clock;
mod logs;
mod network;
mod printing;
mod processes;
mod report;
mod services;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nearhand_proto::runbook::{ParameterValue, ParameterValues, RunbookAction};

use super::ledger::UndoStep;
use nearhand_agent_core::gate::RunbookRules;
use nearhand_diagnostics::programs::{MissingFact, ProgramOutput, SystemPrograms};

/// Why a part of a step didn't go well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ActError {
    /// There is nothing to be done: no failure, and no reason to stop.
    Nothing(String),
    /// It can't be done on this device.
    Cannot(String),
    /// It was tried.
    Failed(String),
}

/// What was seen, or why not.
pub(super) type ActResult = Result<String, ActError>;

/// Whether the relay can be reached.
pub(super) type RelayProbe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What acts work with.
#[derive(Clone)]
pub(super) struct ActContext {
    /// This machine's programs.
    pub(super) programs: SystemPrograms,
    /// The owner's lists.
    pub(super) rules: RunbookRules,
    /// Where reports are kept.
    pub(super) reports: PathBuf,
    /// This device's id, for reports.
    pub(super) device: String,
    /// Whether the relay can be reached.
    pub(super) reachable: RelayProbe,
    /// Set when the run is to stop: work that isn't waited for looks at it.
    pub(super) stop: StopFlag,
}

/// Says to work on another thread that it is to stop.
#[derive(Clone, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

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

/// A text among the values; empty if it was left out.
fn text<'a>(values: &'a ParameterValues, name: &str) -> &'a str {
    match values.get(name) {
        Some(ParameterValue::Text(text)) => text,
        _ => "",
    }
}

/// A number among the values, none of which is negative.
fn number(values: &ParameterValues, name: &str) -> u64 {
    match values.get(name) {
        Some(ParameterValue::Integer(number)) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

/// Runs a program that has to be there and to succeed.
async fn ran(ground: &ActContext, program: &str, arguments: &[&str]) -> Result<ProgramOutput, ActError> {
    let output = tried(ground, program, arguments).await?;
    match output.code {
        Some(0) => Ok(output),
        Some(code) => Err(ActError::Failed(format!("{program} ended with {code}: {}", output.complaint))),
        None => Err(ActError::Failed(format!("{program} was ended"))),
    }
}

/// Runs a program that has to be there.
async fn tried(ground: &ActContext, program: &str, arguments: &[&str]) -> Result<ProgramOutput, ActError> {
    ground.programs.run(program, arguments).await.map_err(|missing| match missing {
        MissingFact::Absent(_) => ActError::Cannot(format!("{program} is not on this machine")),
        other => ActError::Failed(format!("{program}: {other}")),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A directory of stand-in programs that write down how they were called.
    pub(super) struct FakePrograms {
        dir: tempfile::TempDir,
        pub(super) ground: ActContext,
    }

    impl FakePrograms {
        pub(super) fn write(&self, name: &str, text: &str) {
            std::fs::write(self.dir.path().join(name), text).unwrap();
        }

        pub(super) fn program(&self, name: &str, script: &str) {
            let path: &Path = &self.dir.path().join(name);
            let log = self.dir.path().join("calls");
            let text = format!("#!/bin/sh\necho {name} \"$@\" >> {}\n{script}\n", log.display());
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }

        pub(super) fn calls(&self) -> String {
            std::fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default()
        }

        pub(super) fn called(&self, how: &str) -> bool {
            self.calls().contains(how)
        }
    }

    /// A stage with one program.
    pub(super) fn stand_in(name: &str, script: &str) -> FakePrograms {
        let dir = tempfile::tempdir().unwrap();
        let ground = ActContext {
            programs: SystemPrograms::only_in(dir.path()),
            rules: RunbookRules::default(),
            reports: dir.path().join("reports"),
            device: "device".into(),
            reachable: Arc::new(|| Box::pin(async { true })),
            stop: StopFlag::default(),
        };
        let stage = FakePrograms { dir, ground };
        stage.program(name, script);
        stage
    }

    pub(super) fn said(values: &[(&str, &str)]) -> ParameterValues {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), ParameterValue::Text((*value).to_owned())))
            .collect()
    }
}
