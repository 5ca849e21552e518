//! The eight that come with the program: each act as it is, with what can be said about it left open.

use super::act::Act;
use super::manifest::{Manifest, Parameter, Source, Step};
use super::{Class, Values};

/// What people read about a built-in one.
struct Words {
    act: Act,
    title: &'static str,
    about: &'static str,
    timeout: u32,
    /// What each argument means; the one marked takes what an alarm is about.
    arguments: &'static [(&'static str, &'static str, bool)],
}

const WORDS: [Words; 8] = [
    Words {
        act: Act::RestartService,
        title: "Restart a failed service",
        about: "Starts a background service that has failed, and looks whether it stays up. Services that are well are left alone.",
        timeout: 180,
        arguments: &[("service", "which, such as nginx.service", true)],
    },
    Words {
        act: Act::ClearCaches,
        title: "Clear temporary files and the package cache",
        about: "Removes old files from the directories for temporary files, and downloaded packages that can be downloaded again.",
        timeout: 600,
        arguments: &[
            ("older-than", "only files that nobody has used for so long", false),
            ("at-most", "no more than this", false),
            ("on", "only where this file system is; without it, everywhere", true),
        ],
    },
    Words {
        act: Act::RotateLogs,
        title: "Make the logs smaller",
        about: "Removes the oldest of the system's logs until they take no more room than is said, and rotates the others.",
        timeout: 300,
        arguments: &[("keep", "so much of the newest is kept", false)],
    },
    Words {
        act: Act::MendNetwork,
        title: "Mend the network connection",
        about: "Forgets remembered names, asks for an address again, or switches the adapter off and on. Undone within a minute if the device can't be reached afterwards.",
        timeout: 180,
        arguments: &[
            ("how", "what is tried", false),
            ("interface", "at which adapter; without it, the one that leads to the internet", false),
        ],
    },
    Words {
        act: Act::SyncTime,
        title: "Set the clock",
        about: "Sets the clock by the time servers that are configured on the device.",
        timeout: 120,
        arguments: &[],
    },
    Words {
        act: Act::ClearPrintQueue,
        title: "Remove stuck print jobs",
        about: "Removes print jobs that have waited for long. They have to be printed again.",
        timeout: 120,
        arguments: &[("stuck-for", "only jobs that wait for so long", false)],
    },
    Words {
        act: Act::TameProcess,
        title: "Tame a program that takes the whole processor",
        about: "Makes a busy program wait for all others, or ends it. Only programs that the device's owner has listed.",
        timeout: 120,
        arguments: &[
            ("process", "which, by its name", false),
            ("how", "renice: it waits for others; end: it is told to end, and ended", false),
            ("busy", "only if it takes so much of a processor", false),
        ],
    },
    Words {
        act: Act::CollectDiagnostics,
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

fn manifest(words: &Words) -> Manifest {
    let arguments = words.act.arguments();
    let parameters = arguments.iter().map(|argument| {
        let said = words.arguments.iter().find(|(name, ..)| *name == argument.name);
        Parameter {
            name: argument.name.to_owned(),
            about: said.map(|(_, about, _)| (*about).to_owned()).unwrap_or_default(),
            kind: argument.kind.clone(),
            default: argument.default.clone(),
            optional: argument.optional,
            from_alarm: said.is_some_and(|(_, _, from_alarm)| *from_alarm),
        }
    });
    let set = arguments.iter().map(|a| (a.name.to_owned(), Source::Parameter(a.name.to_owned())));
    let worst = words.act.class(&Values::new());
    Manifest {
        name: words.act.name().to_owned(),
        version: 1,
        title: words.title.to_owned(),
        about: words.about.to_owned(),
        class: worst.max(Class::Reads),
        timeout: words.timeout,
        parameters: parameters.collect(),
        steps: vec![Step { act: words.act, set: set.collect() }],
    }
}
