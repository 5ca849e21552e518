//! Runbooks: repairs that a device can do by itself, as data that both ends agree on.
//!
//! A [`Manifest`] combines and narrows [`RunbookAction`]s, a closed list of things that the agent's program knows how to do; it
//! holds no command, no path to a program, nothing that an interpreter would read. Those that come with the program
//! ([`built_in`]) are trusted as the program itself; an organisation's own are signed with its key. An [`RunOrder`] says
//! which one is to run where, how and until when, signed by the technician's key.
//!
//! Pure. Must not live here: whether a device lets one run (the agent's gate), and how an act is done.

mod action;
mod builtin;
mod class;
mod manifest;
mod order;
mod value;

pub use action::{ActionArgument, RunbookAction};
pub use builtin::built_in;
pub use class::{ContentHash, RiskClass};
pub use manifest::{
    ArgumentSource, BindError, MAX_ABOUT, MAX_FILE, MAX_NAME, MAX_PARAMETERS, MAX_STEPS, MAX_TIMEOUT,
    MAX_TITLE, Manifest, ManifestMistake, MistakePlace, RunbookParameter, RunbookStep, is_name,
};
pub use order::{
    MAX_AHEAD, MAX_NOTES, MAX_SAW, RunEnding, RunMode, RunOrder, RunOutcome, RunRefusal, StepNote, StepPhase,
    safe_note,
};
pub use value::{
    MAX_CHOICES, MAX_TEXT, ParameterKind, ParameterUnit, ParameterValue, ParameterValues, UnsoundKind,
    ValueMisfit, matches,
};

#[cfg(test)]
#[path = "runbook_tests.rs"]
mod tests;
