//! Diagnostics: what is wrong with this machine, and what to do about it.
//!
//! Lives here: collecting [`facts`], judging them ([`diagnosis`]), running both with limits and progress
//! ([`runner`]), and putting the report together ([`summary`]). Must not live here: the report's model and its
//! renderings (`nearhand_report`), and who may ask for a run (the session).
//!
//! Facts and diagnosis are strictly apart: collecting does all reading and no judging, diagnosis is a pure
//! function and gives the same findings for the same facts.

mod diagnosis;
pub mod facts;
mod runner;
mod summary;

/// This machine's programs, for who runs some of them.
pub mod programs {
    pub use super::facts::MissingFact;
    pub use super::facts::child::{ProgramOutput, SystemPrograms};
}

pub use diagnosis::filled_percent;
pub use diagnosis::{DiagnosticCheck, checks, disk_is_failing};
pub use facts::identifiers;
#[allow(unused_imports, reason = "what a session needs to forward a run")]
pub use facts::probe::ProbeTargets;
#[allow(unused_imports, reason = "what a session needs to forward a run")]
pub use runner::{RunEvent, RunHandle, RunOptions, run};
