//! What acts work with, and what comes of their parts. Must not live here: any act.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nearhand_agent_core::gate::RunbookRules;
use nearhand_diagnostics::programs::{MissingFact, ProgramOutput, SystemPrograms};
use nearhand_proto::runbook::{ParameterValue, ParameterValues};

/// Why a part of a step didn't go well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::runbook) enum ActError {
    /// There is nothing to be done: no failure, and no reason to stop.
    Nothing(String),
    /// It can't be done on this device.
    Cannot(String),
    /// It was tried.
    Failed(String),
}

/// What was seen, or why not.
pub(in crate::runbook) type ActResult = Result<String, ActError>;

/// Whether the relay can be reached.
pub(in crate::runbook) type RelayProbe =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What acts work with.
#[derive(Clone)]
pub(in crate::runbook) struct ActContext {
    /// This machine's programs.
    pub(in crate::runbook) programs: SystemPrograms,
    /// The owner's lists.
    pub(in crate::runbook) rules: RunbookRules,
    /// Where reports are kept.
    pub(in crate::runbook) reports: PathBuf,
    /// This device's id, for reports.
    pub(in crate::runbook) device: String,
    /// Whether the relay can be reached.
    pub(in crate::runbook) reachable: RelayProbe,
    /// Set when the run is to stop: work that isn't waited for looks at it.
    pub(in crate::runbook) stop: StopFlag,
}

/// Says to work on another thread that it is to stop.
#[derive(Clone, Default)]
pub(in crate::runbook) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(in crate::runbook) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(in crate::runbook) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A text among the values; empty if it was left out.
pub(super) fn text<'a>(values: &'a ParameterValues, name: &str) -> &'a str {
    match values.get(name) {
        Some(ParameterValue::Text(text)) => text,
        _ => "",
    }
}

/// A number among the values, none of which is negative.
pub(super) fn number(values: &ParameterValues, name: &str) -> u64 {
    match values.get(name) {
        Some(ParameterValue::Integer(number)) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

/// Runs a program that has to be there and to succeed.
pub(super) async fn ran(
    ground: &ActContext,
    program: &str,
    arguments: &[&str],
) -> Result<ProgramOutput, ActError> {
    let output = tried(ground, program, arguments).await?;
    match output.code {
        Some(0) => Ok(output),
        Some(code) => Err(ActError::Failed(format!("{program} ended with {code}: {}", output.complaint))),
        None => Err(ActError::Failed(format!("{program} was ended"))),
    }
}

/// Runs a program that has to be there.
pub(super) async fn tried(
    ground: &ActContext,
    program: &str,
    arguments: &[&str],
) -> Result<ProgramOutput, ActError> {
    ground.programs.run(program, arguments).await.map_err(|missing| match missing {
        MissingFact::Absent(_) => ActError::Cannot(format!("{program} is not on this machine")),
        other => ActError::Failed(format!("{program}: {other}")),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A directory of stand-in programs that write down how they were called.
    pub(in crate::runbook) struct FakePrograms {
        dir: tempfile::TempDir,
        pub(in crate::runbook) ground: ActContext,
    }

    impl FakePrograms {
        pub(in crate::runbook) fn write(&self, name: &str, text: &str) {
            std::fs::write(self.dir.path().join(name), text).unwrap();
        }

        pub(in crate::runbook) fn program(&self, name: &str, script: &str) {
            let path: &Path = &self.dir.path().join(name);
            let log = self.dir.path().join("calls");
            let text = format!("#!/bin/sh\necho {name} \"$@\" >> {}\n{script}\n", log.display());
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }

        pub(in crate::runbook) fn calls(&self) -> String {
            std::fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default()
        }

        pub(in crate::runbook) fn called(&self, how: &str) -> bool {
            self.calls().contains(how)
        }
    }

    /// A stage with one program.
    pub(in crate::runbook) fn stand_in(name: &str, script: &str) -> FakePrograms {
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

    pub(in crate::runbook) fn said(values: &[(&str, &str)]) -> ParameterValues {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), ParameterValue::Text((*value).to_owned())))
            .collect()
    }
}
