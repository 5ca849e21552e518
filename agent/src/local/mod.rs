//! The local interface on this machine: the agent's side ([`server`]) and that of its own commands
//! ([`client`]). The messages are `nearhand_shared::message::local`.

pub(crate) mod client;
pub(crate) mod server;
