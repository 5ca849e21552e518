//! Shared parts of the end-to-end tests and benchmarks.

pub mod load;
pub mod quic;
pub mod relayed;
pub mod rows;
pub mod turn;
