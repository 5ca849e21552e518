//! The Nearhand relay: brokers authenticated connections and forwards sessions that it cannot read.
//!
//! A library so that tests and benchmarks can run its parts; the program is `main.rs`.

pub mod forward;
mod platform;
