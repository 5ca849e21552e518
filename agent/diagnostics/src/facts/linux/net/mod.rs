//! Network as the kernel and `/etc` tell it, and the probes that need that: one file for each question.

mod links;
mod names;
mod proxy;
mod routes;
mod sockets;

pub(super) use links::links;
pub(super) use names::{dns, resolver};
pub(super) use proxy::proxy;
pub(super) use routes::{echo_targets, gateway, ipv6, require_route, routes};
pub(super) use sockets::{ports, tcp};
