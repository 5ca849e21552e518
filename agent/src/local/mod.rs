//! The local interface on this machine: the agent's side ([`server`], [`answer`]), the person's window as a program that
//! is started ([`window`]), and the way of the agent's own commands to it. The messages are
//! `nearhand_proto::message::local`.

mod answer;
pub(crate) mod server;
pub(crate) mod window;

use nearhand_transport::local::{CallError, LocalClient};

use crate::home::Home;

/// Connects to the agent of this directory, or else to the one that runs as a service and lets this user in.
///
/// # Errors
/// [`CallError::NotRunning`].
pub(crate) async fn call(home: &Home) -> Result<LocalClient, CallError> {
    let service = Home::service_socket();
    let others: &[&std::path::Path] = if home.is_default() { &[service.as_path()] } else { &[] };
    LocalClient::connect(&home.socket(), others).await
}
