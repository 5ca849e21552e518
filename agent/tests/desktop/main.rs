//! The desktop process against a real X server: what is seen, typed, pasted.
//!
//! Each test starts its own Xvfb on a display number that the server picks, and the program as the agent would: with
//! the display in its environment and the protocol on its standard input and output.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what goes wrong ends it"
)]

mod agent;
mod clipboard;
mod depth;
mod desktop_client;
mod display;
mod input;
mod screen;
mod window;
