//! Shared parts of the end-to-end tests and benchmarks.

pub mod decoders;
pub mod golden;
pub mod load;
pub mod quic;
pub mod relayed;
pub mod rows;
pub mod seeds;
pub mod turn;
