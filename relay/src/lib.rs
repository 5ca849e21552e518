//! The Nearhand relay: brokers authenticated connections and forwards sessions that it cannot read.
//!
//! Pure cores: [`admission`] (who is let in) and [`registry`] (who is here, which sessions run). Drivers:
//! [`control`] (connections and requests), [`store`] (the database), [`http`] (metrics and health),
//! [`serve`] (everything together). A library so that tests can run a whole relay in their own process; the
//! program is `main.rs`, its commands are in [`command`].

pub mod admission;
pub mod control;
pub mod metrics;
pub mod path;
pub mod registry;
pub mod store;
