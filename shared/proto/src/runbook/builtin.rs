//! The eight that come with the program: each act as it is, with what can be said about it left open.

use super::action::RunbookAction;
use super::class::RiskClass;
use super::manifest::{ArgumentSource, Manifest, RunbookParameter, RunbookStep};
use super::value::ParameterValues;

/// What people read about a built-in one.
struct BuiltinText {
    act: RunbookAction,
    title: &'static str,
    about: &'static str,
    timeout: u32,
    /// What each argument means; the one marked takes what an alarm is about.
    arguments: &'static [(&'static str, &'static str, bool)],
}

const WORDS: [BuiltinText; 8] = [
    BuiltinText {
        act: RunbookAction::RestartService,
        title: "Restart a failed service",
        about: "Starts a background service that has failed, and looks whether it stays up. Services that are well are left alone.",
        timeout: 180,
        arguments: &[("service", "which, such as nginx.service", true)],
    },
    BuiltinText {
        act: RunbookAction::ClearCaches,
        title: "Clear temporary files and the package cache",
        about: "Removes old files from the directories for temporary files, and downloaded packages that can be downloaded again.",
        timeout: 600,
        arguments: &[
            ("older-than", "only files that nobody has used for so long", false),
            ("at-most", "no more than this", false),
            ("on", "only where this file system is; without it, everywhere", true),
        ],
    },
    BuiltinText {
        act: RunbookAction::RotateLogs,
        title: "Make the logs smaller",
        about: "Removes the oldest of the system's logs until they take no more room than is said, and rotates the others.",
        timeout: 300,
        arguments: &[("keep", "so much of the newest is kept", false)],
    },
    BuiltinText {
        act: RunbookAction::MendNetwork,
        title: "Mend the network connection",
        about: "Forgets remembered names, asks for an address again, or switches the adapter off and on. Undone within a minute if the device can't be reached afterwards.",
        timeout: 180,
        arguments: &[
            ("how", "what is tried", false),
            ("interface", "at which adapter; without it, the one that leads to the internet", false),
        ],
    },
    BuiltinText {
        act: RunbookAction::SyncTime,
        title: "Set the clock",
        about: "Sets the clock by the time servers that are configured on the device.",
        timeout: 120,
        arguments: &[],
    },
    BuiltinText {
        act: RunbookAction::ClearPrintQueue,
        title: "Remove stuck print jobs",
        about: "Removes print jobs that have waited for long. They have to be printed again.",
        timeout: 120,
        arguments: &[("stuck-for", "only jobs that wait for so long", false)],
    },
    BuiltinText {
        act: RunbookAction::TameProcess,
        title: "Tame a program that takes the whole processor",
        about: "Makes a busy program wait for all others, or ends it. Only programs that the device's owner has listed.",
        timeout: 120,
        arguments: &[
            ("process", "which, by its name", false),
            ("how", "renice: it waits for others; end: it is told to end, and ended", false),
            ("busy", "only if it takes so much of a processor", false),
        ],
    },
    BuiltinText {
        act: RunbookAction::CollectDiagnostics,
        title: "Collect diagnostics",
        about: "Checks how the machine is doing and keeps the report there. No personal files are read.",
        timeout: 180,
        arguments: &[],
    },
];

/// The runbooks that come with the program.
pub fn built_in() -> Vec<Manifest> {
    WORDS.iter().map(manifest).collect()
}

fn manifest(words: &BuiltinText) -> Manifest {
    let arguments = words.act.arguments();
    let parameters = arguments.iter().map(|argument| {
        let said = words.arguments.iter().find(|(name, ..)| *name == argument.name);
        RunbookParameter {
            name: argument.name.to_owned(),
            about: said.map(|(_, about, _)| (*about).to_owned()).unwrap_or_default(),
            kind: argument.kind.clone(),
            default: argument.default.clone(),
            optional: argument.optional,
            from_alarm: said.is_some_and(|(_, _, from_alarm)| *from_alarm),
        }
    });
    let set = arguments.iter().map(|a| (a.name.to_owned(), ArgumentSource::Parameter(a.name.to_owned())));
    let worst = words.act.class(&ParameterValues::new());
    Manifest {
        name: words.act.name().to_owned(),
        version: 1,
        title: words.title.to_owned(),
        about: words.about.to_owned(),
        class: worst.max(RiskClass::Reads),
        timeout: words.timeout,
        parameters: parameters.collect(),
        steps: vec![RunbookStep { act: words.act, set: set.collect() }],
    }
}
