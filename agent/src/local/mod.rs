//! The local interface on this machine: the agent's side ([`server`], [`answer`]), the person's window as a program that
//! is started ([`window`]), and the way of the agent's own commands to it. The messages are
//! `nearhand_proto::message::local`.

mod answer;
mod places;
pub(crate) mod server;
pub(crate) mod window;

use std::sync::Arc;

use nearhand_transport::local::{CallError, LocalClient};
use tokio::sync::Semaphore;

use crate::alarm::handle::AlarmsHandle;
use crate::home::AgentHome;
use crate::hub::Hub;
use crate::runbook::Runbooks;

/// What the local programs' requests are answered with.
pub(crate) struct LocalService {
    hub: Arc<Hub>,
    runbooks: Arc<Runbooks>,
    /// On an enrolled device, once they run.
    alarms: Option<Arc<AlarmsHandle>>,
    /// One look at a time at what a person can mend themselves.
    looking: Semaphore,
}

impl LocalService {
    /// On top of what the agent consists of.
    pub(crate) fn new(hub: Arc<Hub>, runbooks: Arc<Runbooks>, alarms: Option<Arc<AlarmsHandle>>) -> Self {
        Self { hub, runbooks, alarms, looking: Semaphore::new(1) }
    }
}

/// Connects to the agent of this directory, or else to the one that runs as a service and lets this user in.
///
/// # Errors
/// [`CallError::NotRunning`] if no agent answers: the user has to start one.
pub(crate) async fn call(home: &AgentHome) -> Result<LocalClient, CallError> {
    let service = AgentHome::service_socket();
    let others: &[&std::path::Path] = if home.is_default() { &[service.as_path()] } else { &[] };
    LocalClient::connect(&home.socket(), others).await
}
