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
mod probes;
mod readings;
mod response;
pub(crate) mod rules_file;
mod sampler;
mod shutdown;
mod tail;
mod worker;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearhand_proto::alarm::{Batch, Leaving};
use nearhand_proto::id::StreamId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::hub::Hub;
pub(crate) use clock::Clocks;
pub(crate) use nearhand_spool::SpoolError;
pub(crate) use probes::{Wanted, run as run_outside};
pub(crate) use sampler::{Notes, Sampler};
use worker::{Keeper, Order, Places, Progress};
pub(crate) use worker::{Order as AlarmOrder, Report};

/// How long the thread may take to write everything at the end.
const ENDING: Duration = Duration::from_secs(2);
/// Alarms that may wait to be looked into.
const BEGUN: usize = 32;

/// The running alarms, for the rest of the agent. Cheap to ask: the work is the thread's.
pub(crate) struct Alarms {
    orders: Sender<Order>,
    progress: watch::Receiver<Progress>,
    /// Why nothing gets to the relay.
    delivery: Mutex<Option<String>>,
}

impl Alarms {
    /// Starts the thread and the tasks around it.
    pub(crate) fn start(hub: &Arc<Hub>, tasks: &mut JoinSet<()>) -> Result<Arc<Self>, SpoolError> {
        let places = Places {
            dir: hub.home.dir().to_owned(),
            rules: hub.home.rules_file(),
            owner: clock::owner(hub.device()),
        };
        let (begins, begun) = mpsc::channel(BEGUN);
        let (keeper, progress, wanted) = Keeper::open(places, begins)?;
        let (orders, ordered) = channel();
        let thread = std::thread::Builder::new().name("alarms".to_owned()).stack_size(512 * 1024);
        thread
            .spawn(move || keeper.run(&ordered))
            .map_err(|source| SpoolError::Io { path: hub.home.dir().to_owned(), source })?;
        let alarms = Arc::new(Self { orders: orders.clone(), progress, delivery: Mutex::new(None) });
        tasks.spawn(outside_until_stopped(hub.clone(), wanted, orders));
        tasks.spawn(response::run(hub.clone(), alarms.clone(), begun));
        tasks.spawn(deliver::run(hub.clone(), alarms.clone()));
        tasks.spawn(shutdown::run(hub.clone()));
        Ok(alarms)
    }

    /// Says goodbye to the relay and writes everything down.
    pub(crate) async fn stop(&self, hub: &Hub) {
        let leaving = shutdown::destination().await.unwrap_or(Leaving::AgentStops);
        deliver::say_goodbye(hub, leaving).await;
        let (done, ended) = oneshot::channel();
        self.order(Order::Stop(done));
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::warn!("what the rules know could not be written in time");
        }
    }

    fn order(&self, order: Order) {
        // A thread that is gone has said why, or the agent ends.
        let _ = self.orders.send(order);
    }

    /// Reads the rules file again.
    pub(crate) fn reload(&self) {
        self.order(Order::Reload);
    }

    /// How everything stands; `None` if the thread is gone.
    pub(crate) async fn report(&self) -> Option<Report> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Report(reply));
        answer.await.ok()
    }

    /// Why nothing gets to the relay, if so.
    pub(crate) fn delivery_problem(&self) -> Option<String> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn delivered(&self, problem: Option<String>) {
        *self.delivery.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    fn clock_ahead(&self, ms: i64) {
        self.order(Order::ClockAhead(ms));
    }

    async fn batch(&self) -> Option<Batch> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Batch(reply));
        answer.await.ok().flatten()
    }

    fn relay_has(&self, stream: StreamId, through: u64) {
        self.order(Order::RelayHas(stream, through));
    }

    fn is_foreign(&self, stream: StreamId) {
        self.order(Order::Foreign(stream));
    }

    fn acknowledged(&self, stream: StreamId, through: u64) {
        self.order(Order::Acknowledged(stream, through));
    }
}

async fn outside_until_stopped(hub: Arc<Hub>, wanted: watch::Receiver<Wanted>, orders: Sender<Order>) {
    tokio::select! {
        () = run_outside(wanted, orders) => {}
        () = hub.stopped() => {}
    }
}
