//! The Nearhand relay: brokers authenticated connections and forwards sessions that it cannot read.
//!
//! What is decided, `nearhand-relay-core` decides. Drivers:
//! [`control`] (connections and requests), [`forward`] (the sessions' datagrams), [`store`] (the database),
//! [`http`] (metrics, health, the interface for programs), [`serve`] (everything together). A library so that tests and benchmarks
//! can run its parts, or a whole relay in their own process; the program is `main.rs`, its commands are in
//! [`command`].

pub mod backup;
pub mod command;
pub mod config;
pub mod control;
pub mod data;
pub mod forward;
mod host_name;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod path;
mod platform;
pub mod serve;
pub mod store;
pub mod token;
