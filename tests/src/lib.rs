//! Shared parts of the end-to-end tests and benchmarks.

pub mod attack;
pub mod bare;
pub mod build;
pub mod clock;
pub mod crowd;
pub mod decoders;
pub mod desk;
pub mod desktop_services;
pub mod disk;
mod false_device;
pub mod golden;
pub mod heap;
pub mod hostile_device;
pub mod hostile_relay;
pub mod initial;
pub mod link;
pub mod load;
// Not for this crate's own unit tests: the agent's cores bring theirs with them.
#[cfg(not(test))]
pub mod machines;
pub mod memory;
pub mod metrics;
pub mod netns;
pub mod parties;
pub mod platform;
pub mod program;
pub mod quic;
pub mod reader;
pub mod relayed;
pub mod remote;
pub mod rows;
pub mod scene;
pub mod seat;
pub mod seeds;
pub mod siege;
pub mod site;
pub mod soak;
pub mod stage;
mod tap;
pub mod turn;
pub mod vnc;
pub mod wire_client;
