//! The Nearhand relay: brokers authenticated connections and forwards sessions that it cannot read.
//!
//! Pure cores: [`admission`] (who is let in) and [`registry`] (who is here, which sessions run). Drivers:
//! [`control`] (connections and requests), [`forward`] (the sessions' datagrams), [`store`] (the database),
//! [`http`] (metrics, health, the interface for programs), [`serve`] (everything together). A library so that tests and benchmarks
//! can run its parts, or a whole relay in their own process; the program is `main.rs`, its commands are in
//! [`command`].

pub mod admission;
pub mod alarm;
pub mod command;
pub mod config;
pub mod control;
pub mod data;
pub mod forward;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod path;
mod platform;
pub mod registry;
pub mod serve;
pub mod store;
pub mod token;
