//! What a collector works with: the files, programs and targets of its run, and a thread for reading.

use core::time::Duration;

use nearhand_proto::time::UnixMillis;

use super::child::SystemPrograms;
use super::hang::HangGuard;
use super::probe::ProbeTargets;
use super::root::SystemRoot;
use super::{Fact, FactSource};

/// What a collector may use. One for a run, shared by all its collectors.
#[derive(Clone, Debug)]
pub struct CollectContext {
    /// Where `/proc`, `/sys`, `/etc` are: `/` but in tests.
    pub root: SystemRoot,
    /// Child programs that may be started.
    pub programs: SystemPrograms,
    /// Whom the network probes ask.
    pub targets: ProbeTargets,
    /// Time for one network probe's answer.
    pub patience: Duration,
    /// When the run began.
    pub now: UnixMillis,
    /// Asks what may hang.
    pub hangs: HangGuard,
}

#[cfg(test)]
impl CollectContext {
    /// For a test: this tree, and the programs of that directory alone.
    pub fn of_test(root: SystemRoot, programs: &std::path::Path) -> Self {
        Self {
            root,
            programs: SystemPrograms::only_in(programs),
            targets: ProbeTargets::default(),
            patience: Duration::from_secs(1),
            now: UnixMillis(0),
            hangs: HangGuard::default(),
        }
    }
}

/// Runs a source's blocking reader on a thread that may be given up. Not on the runtime's own threads: a reader that hangs
/// would keep one of them for ever, at each run another.
pub async fn blocking<T: Send + 'static>(
    context: &CollectContext,
    source: FactSource,
    read: impl FnOnce() -> Fact<T> + Send + 'static,
) -> Fact<T> {
    let thing = format!("the source {source:?}");
    context.hangs.ask_in_task(&thing, read).await.unwrap_or_else(|why| Err(why.about(&thing)))
}
