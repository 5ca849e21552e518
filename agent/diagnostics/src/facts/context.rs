//! What a collector works with: the files, programs and targets of its run, and a thread for reading.

use core::future::Future;
use core::time::Duration;

use nearhand_proto::time::UnixMillis;

use super::child::SystemPrograms;
use super::probe::ProbeTargets;
use super::root::SystemRoot;
use super::{Fact, MissingFact};

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
}

/// Runs a blocking reader on the threads meant for it.
pub fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Fact<T> + Send + 'static,
) -> impl Future<Output = Fact<T>> {
    let task = tokio::task::spawn_blocking(read);
    async move { task.await.unwrap_or_else(|error| Err(MissingFact::failed("collector", error))) }
}
