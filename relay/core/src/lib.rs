//! What the relay decides, without a clock, a database or a network.
//!
//! Time and randomness are arguments, so that tests, state machines under random orders of events and the fuzzer run these
//! parts alone. The crate depends on nothing that could open a socket. Must not live here: anything that performs a decision
//! (`nearhand-relay`).
//!
//! [`admission`] decides who is let in, [`handshakes`] which pending handshake gives way to a new one, [`registry`] knows who is
//! connected, [`names`] which names look alike, [`network`] how much one network may use of a limit, [`tally`] what the audit log says of floods, [`forward`] decides about every datagram of a session, [`alarm`] makes alarms from what devices report, and
//! [`notify`] decides what receivers are sent, and when.

pub mod admission;
pub mod alarm;
pub mod caller;
pub mod clean_json;
pub mod forward;
pub mod handshakes;
pub mod names;
pub mod network;
pub mod notify;
pub mod registry;
pub mod tally;
