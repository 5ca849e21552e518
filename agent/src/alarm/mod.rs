//! Alarms: what is measured, what the rules make of it, and how it gets to the relay without being lost.
//!
//! Lives here: the alarms' own thread ([`worker`]) with its [`sampler`] and `nearhand_spool`, what is asked of others
//! ([`probes`]), what follows by itself ([`response`]), the way to the relay ([`deliver`]) and the goodbye ([`shutdown`]). When something is an alarm is
//! decided in `nearhand-rules`. Must not live here: what the relay makes of it.
//!
//! The order that nothing is lost by: rules judge → events and state are written and synced → the relay is told → the
//! relay says that it has them on its disk → they are deleted.

mod clock;
mod deliver;
pub(crate) mod handle;
mod notes;
mod orders;
mod probes;
mod readings;
mod response;
pub(crate) mod rules_file;
mod sampler;
mod shutdown;
mod tail;
mod worker;
mod write_history;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nearhand_proto::alarm::ShutdownNotice;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::hub::Hub;
use crate::runbook::Runbooks;
pub(crate) use clock::AlarmClocks;
use handle::AlarmsHandle;
pub(crate) use handle::AlarmsUnavailable;
pub(crate) use nearhand_spool::SpoolError;
pub(crate) use notes::AlarmNotes;
pub(crate) use orders::AlarmOrder;
pub(crate) use probes::{ProbePlan, run as run_probes};
pub(crate) use sampler::AlarmSampler;
use worker::{AlarmPaths, AlarmWorker};

/// How long the thread may take to write everything at the end.
const ENDING: Duration = Duration::from_secs(2);
/// Alarms that may wait to be looked into.
const BEGUN: usize = 32;

impl AlarmsHandle {
    /// Starts the thread and the tasks around it.
    pub(crate) fn start(
        hub: &Arc<Hub>,
        runbooks: &Arc<Runbooks>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Self>, SpoolError> {
        let paths = AlarmPaths {
            dir: hub.home.dir().to_owned(),
            rules: hub.home.rules_file(),
            owner: clock::owner(hub.identity.device()),
        };
        let (begins, begun) = mpsc::channel(BEGUN);
        let (worker, progress, plan) = AlarmWorker::open(paths, begins)?;
        let (orders, ordered) = channel();
        let thread = std::thread::Builder::new().name("alarms".to_owned()).stack_size(512 * 1024);
        thread
            .spawn(move || worker.run(&ordered))
            .map_err(|source| SpoolError::Io { path: hub.home.dir().to_owned(), source })?;
        let alarms = Arc::new(Self { orders: orders.clone(), progress, delivery: Mutex::new(None) });
        tasks.spawn(probes_until_stopped(hub.clone(), plan, orders));
        tasks.spawn(response::run(hub.clone(), runbooks.clone(), alarms.clone(), begun));
        tasks.spawn(deliver::run(hub.clone(), alarms.clone()));
        tasks.spawn(shutdown::run(hub.clone()));
        Ok(alarms)
    }

    /// Says goodbye to the relay and writes everything down.
    pub(crate) async fn stop(&self, hub: &Hub) {
        let leaving = shutdown::destination().await.unwrap_or(ShutdownNotice::AgentStops);
        deliver::say_goodbye(hub, leaving).await;
        let (done, ended) = oneshot::channel();
        self.order(AlarmOrder::Stop(done));
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::warn!("what the rules know could not be written in time");
        }
    }
}

async fn probes_until_stopped(hub: Arc<Hub>, plan: watch::Receiver<ProbePlan>, orders: Sender<AlarmOrder>) {
    tokio::select! {
        () = run_probes(plan, orders) => {}
        () = hub.stopped() => {}
    }
}
