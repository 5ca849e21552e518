//! The acts: everything that a runbook can be made of. Another one is a change of the agent's program.

use serde::{Deserialize, Serialize};

use super::class::RiskClass;
use super::value::{ParameterKind, ParameterUnit, ParameterValue, ParameterValues};

/// Something that the agent's program knows how to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunbookAction {
    /// Starts a service that has failed again.
    RestartService,
    /// Removes old files from directories that are made for temporary ones, and downloaded packages.
    ClearCaches,
    /// Makes the system's logs smaller, the oldest first.
    RotateLogs,
    /// Forgets names, asks for an address again, or switches an adapter off and on.
    MendNetwork,
    /// Sets the clock by the time servers that are configured.
    SyncTime,
    /// Removes print jobs that are stuck.
    ClearPrintQueue,
    /// Makes a program that takes all of the processor wait for others, or ends it.
    TameProcess,
    /// Runs the checks and keeps the report on the device.
    CollectDiagnostics,
}

/// What an act wants to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionArgument {
    /// The argument's name in manifests.
    pub name: &'static str,
    /// What it may be.
    pub kind: ParameterKind,
    /// What it is unless something else is said.
    pub default: Option<ParameterValue>,
    /// Whether it can be left out altogether.
    pub optional: bool,
}

fn number(name: &'static str, min: i64, max: i64, unit: ParameterUnit, default: i64) -> ActionArgument {
    let kind = ParameterKind::Integer { min, max, unit };
    ActionArgument { name, kind, default: Some(ParameterValue::Integer(default)), optional: false }
}

fn choice(name: &'static str, words: &[&str]) -> ActionArgument {
    let kind = ParameterKind::Choice(words.iter().map(|word| (*word).to_owned()).collect());
    let default = words.first().map(|word| ParameterValue::Text((*word).to_owned()));
    ActionArgument { name, kind, default, optional: false }
}

impl RunbookAction {
    /// Every action that there is.
    pub const ALL: [Self; 8] = [
        Self::RestartService,
        Self::ClearCaches,
        Self::RotateLogs,
        Self::MendNetwork,
        Self::SyncTime,
        Self::ClearPrintQueue,
        Self::TameProcess,
        Self::CollectDiagnostics,
    ];

    /// Its name in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RestartService => "restart-service",
            Self::ClearCaches => "clear-caches",
            Self::RotateLogs => "rotate-logs",
            Self::MendNetwork => "mend-network",
            Self::SyncTime => "sync-time",
            Self::ClearPrintQueue => "clear-print-queue",
            Self::TameProcess => "tame-process",
            Self::CollectDiagnostics => "collect-diagnostics",
        }
    }

    /// The act of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }

    /// What it wants to know.
    pub fn arguments(self) -> Vec<ActionArgument> {
        let any = || vec!["*".to_owned()];
        let needed = |name, kind| ActionArgument { name, kind, default: None, optional: false };
        let optional = |name, kind| ActionArgument { name, kind, default: None, optional: true };
        match self {
            Self::RestartService => vec![needed("service", ParameterKind::Service(any()))],
            Self::ClearCaches => vec![
                // A file that was used within the hour may still be wanted.
                number("older-than", 1, 8760, ParameterUnit::Hours, 24 * 7),
                number("at-most", 1, 1_000_000, ParameterUnit::Megabytes, 10_000),
                optional("on", ParameterKind::MountPoint),
            ],
            Self::RotateLogs => vec![number("keep", 50, 100_000, ParameterUnit::Megabytes, 500)],
            Self::MendNetwork => vec![
                choice("how", &["flush-dns", "renew-lease", "reset-adapter"]),
                optional("interface", ParameterKind::Interface),
            ],
            Self::SyncTime | Self::CollectDiagnostics => vec![],
            Self::ClearPrintQueue => vec![number("stuck-for", 1, 720, ParameterUnit::Hours, 1)],
            Self::TameProcess => vec![
                needed("process", ParameterKind::Process(any())),
                choice("how", &["renice", "end"]),
                number("busy", 10, 6400, ParameterUnit::Percent, 50),
            ],
        }
    }

    /// How much it can do with these values.
    pub fn class(self, values: &ParameterValues) -> RiskClass {
        let is = |name: &str, word: &str| matches!(values.get(name), Some(ParameterValue::Text(text)) if text == word);
        match self {
            Self::CollectDiagnostics => RiskClass::Reads,
            Self::RestartService | Self::ClearCaches | Self::RotateLogs | Self::SyncTime => {
                RiskClass::Reversible
            }
            Self::MendNetwork if is("how", "flush-dns") => RiskClass::Reversible,
            Self::TameProcess if is("how", "renice") => RiskClass::Reversible,
            Self::MendNetwork | Self::TameProcess | Self::ClearPrintQueue => RiskClass::Disruptive,
        }
    }
}
