//! The messages of the three conversations: with the relay ([`control`]), between the two ends of a session
//! ([`session`], [`screen`]), and between the agent and the programs of the person at the device ([`local`]).
//!
//! Append-only: a released variant or field keeps its place; a new one goes to the end. `tests/golden` holds
//! the bytes of every released message.

pub mod control;
pub mod local;
pub mod screen;
pub mod session;

use serde::{Deserialize, Serialize};

/// What a program says of itself in a hello.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program {
    /// Its version, for people.
    pub version: String,
    /// What it can do beyond the first release, one bit each; unknown bits are ignored.
    pub features: u64,
}

impl Program {
    /// This build.
    pub fn this() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), features: 0 }
    }
}
