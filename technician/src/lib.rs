//! The technician's client as a library: what the program `nearhand` is made of, for itself and for tests.
//!
//! Lives here: the technician's directory ([`home`]), the conversation with the relay ([`relay`]), exit codes
//! ([`exit`]), one module per command ([`command`]), and how things are shown ([`output`]). Must not live
//! here: what two programs must agree on (the shared crate), and anything of the agent or the relay.
//!
//! Only [`relay`] and the commands know tokio and quinn; printing is for commands and [`output`].

pub mod clock;
pub mod command;
pub mod context;
pub mod exit;
pub mod fleet_schedule;
pub mod home;
pub mod membership;
pub mod output;
pub mod peer_user;
mod platform;
pub mod program;
pub mod recording;
pub mod relay;
pub mod runbook_toml;
mod selection;
pub mod session;
pub mod vault;
pub mod viewer;
