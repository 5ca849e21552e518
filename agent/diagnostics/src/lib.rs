//! Diagnostics: what is wrong with this machine, and what to do about it.
//!
//! Lives here: collecting [`facts`], judging them ([`diagnosis`]), running both with limits and progress
//! ([`runner`]), and putting the report together ([`summary`]). Must not live here: the report's model and its
//! renderings (`nearhand_proto::report`), and who may ask for a run (the session).
//!
//! Facts and diagnosis are strictly apart: collecting does all reading and no judging, diagnosis is a pure
//! function and gives the same findings for the same facts.

mod diagnosis;
pub(crate) mod facts;
mod runner;
mod summary;

/// This machine's programs, for who runs some of them.
pub(crate) mod programs {
    pub(crate) use super::facts::Missing;
    pub(crate) use super::facts::child::{Output, Programs};
}

pub(crate) use diagnosis::{Check, checks};
pub(crate) use facts::identifiers;
#[allow(unused_imports, reason = "what a session needs to forward a run")]
pub(crate) use facts::probe::ProbeTargets;
#[allow(unused_imports, reason = "what a session needs to forward a run")]
pub(crate) use runner::{RunEvent, RunHandle, RunOptions, run};
