//! What the agent decides, without a clock, a disk or a network.
//!
//! Time and randomness are arguments, so that tests, state machines under random orders of events and the fuzzer run these
//! parts alone. The crate depends on nothing that could open a socket. Must not live here: anything that reads the machine.

pub mod code;
pub mod consent;
pub mod display_owner;
pub mod gate;
pub mod machine_mark;
pub mod policy;
pub mod rate;
pub mod record;
pub mod schedule;
pub mod sessions;
pub mod window_target;
