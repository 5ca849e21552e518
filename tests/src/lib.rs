//! Shared parts of the end-to-end tests and benchmarks.

pub mod build;
pub mod decoders;
pub mod golden;
pub mod load;
pub mod parties;
pub mod program;
pub mod quic;
pub mod relayed;
pub mod rows;
pub mod seeds;
pub mod site;
pub mod turn;
