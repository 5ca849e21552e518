//! The control plane's driver: connections in, requests to the cores and the store, replies and pushes out.
//!
//! Each connection is one small task that waits for streams; each request is a separate task for as long as it
//! takes, so that an idle agent costs little more than quinn's own state. What the parts share is in `plane`; this
//! file only declares them. Must not live here: decisions (see `admission` and `registry`) and SQL.

mod absence;
mod accept;
mod alarms;
mod audit;
mod connection;
mod duplicates;
mod expiry;
mod help;
mod housekeeping;
mod inflow;
mod lists;
mod membership;
mod plane;
mod push;
mod refusals;
mod requests;
mod sessions;
mod witness;

pub use nearhand_relay_core::alarm::absence::SilenceLimits;
pub use plane::{CLAIM, ControlCensus, ControlLimits, ControlPlane};
