//! The relay as a whole: the control protocol, the HTTP interface, the store and the program itself. One binary with a
//! module for each part, because each further binary would link the same code again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod alarms;
mod alerts;
mod api;
mod harness;
mod peers;
mod postgres;
mod program;
mod protocol;
mod receivers;
mod store;
mod strangers;
