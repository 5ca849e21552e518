//! Shared parts of the end-to-end tests and benchmarks.

pub mod quic;
pub mod relayed;
