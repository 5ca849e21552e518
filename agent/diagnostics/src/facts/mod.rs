//! Facts: what the machine says about itself, as typed values.
//!
//! Lives here: the facts' types (one file an area), the list of their sources ([`FactSource`]), and the way to a source's
//! collector. Collectors do the reading: `linux` for what only Linux has, [`probe`] for what goes over the
//! network, [`portable`] for what sysinfo reads everywhere. Must not live here: what a fact means, which is
//! `diagnosis`. Only allow-listed fields are ever taken: no file contents, no environment values, no command
//! lines beyond the program's name.

pub mod child;
mod context;
pub mod hang;
pub mod hardware;
pub mod journal;
#[cfg(target_os = "linux")]
mod linux;
pub mod load;
pub mod log;
mod missing;
pub mod network;
mod portable;
pub mod printer;
pub mod probe;
pub mod process;
pub mod root;
pub mod security;
pub mod service;
mod source;
pub mod storage;
pub mod update;

use std::sync::Arc;

use nearhand_report::pseudonymise::Identifiers;

#[cfg(target_os = "linux")]
use root::SystemRoot;

pub use context::{CollectContext, blocking};
pub use missing::{Fact, MissingFact};
pub use source::{FactSource, MachineFacts, SourceFacts};

/// Asks one source. Takes as long as it takes: the runner limits it.
pub async fn collect(source: FactSource, context: Arc<CollectContext>) -> Fact<SourceFacts> {
    if source == FactSource::Processes
        && let Some(hidden) = hidden_programs(&context)
    {
        return Err(hidden);
    }
    if let Some(gathered) = portable::collect(source, &context).await {
        return gathered;
    }
    platform(source, context).await
}

/// Why not all programs can be seen, where that is so: what is said of them would hold for some only.
#[cfg(target_os = "linux")]
fn hidden_programs(context: &CollectContext) -> Option<MissingFact> {
    linux::hidden_programs(&context.root)
}

#[cfg(not(target_os = "linux"))]
fn hidden_programs(_: &CollectContext) -> Option<MissingFact> {
    None
}

#[cfg(target_os = "linux")]
async fn platform(source: FactSource, context: Arc<CollectContext>) -> Fact<SourceFacts> {
    linux::collect(source, context).await
}

#[cfg(not(target_os = "linux"))]
async fn platform(_: FactSource, _: Arc<CollectContext>) -> Fact<SourceFacts> {
    Err(MissingFact::NotApplicable("not read on this operating system yet".to_owned()))
}

/// Asks a source that alarms read again and again: on the caller's own thread, files only.
#[cfg(target_os = "linux")]
pub fn glance(source: FactSource, context: &CollectContext) -> Fact<SourceFacts> {
    linux::glance(source, context)
}

#[cfg(target_os = "linux")]
pub use linux::{CpuMeter, UnitChange, UnitWatch, ask_remote_mounts, shutting_down_to};

/// What names this machine and its people, for taking it out of a report. Reads files: not for a runtime's own
/// thread.
#[cfg(target_os = "linux")]
pub fn identifiers() -> Identifiers {
    linux::identifiers(&SystemRoot::new("/"))
}

/// Nothing but what the report itself tells is known on this operating system yet.
#[cfg(not(target_os = "linux"))]
pub fn identifiers() -> Identifiers {
    Identifiers::default()
}
