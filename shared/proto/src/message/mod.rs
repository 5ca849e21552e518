//! The messages of the three conversations: with the relay ([`control`]), between the two ends of a session
//! ([`session`], [`screen`], [`runbook`]), and between the agent and the programs of the person at the device ([`local`], [`said`]).
//!
//! **What is released grows by variants only.** Within a major version (the number in the application protocol) a
//! new variant goes to the end of its enum, and a new message is a variant. A released struct or variant never
//! gains, loses or moves a field: the wire form ([`crate::wire`]) has neither names nor lengths of fields, so one
//! more makes the message unreadable for everybody else. What needs another field becomes a new variant (or a new
//! struct in one), and the old one is still read.
//!
//! **A new variant is sent only to a peer whose [`Program::features`] has its bit**, or as the answer to a request
//! that is new itself. To another it is a message that can't be read, and that has consequences: the relay closes
//! the connection of whoever sends one ([`control::CloseCode::Protocol`]); an agent or client passes over a push of
//! the relay; a session's control stream with one is given up, by the agent with the session; a stream of any other
//! kind is cut. `docs/protocol.md` has the table.
//!
//! `tests/golden` holds the bytes of every released message.

pub mod alarm_json;
pub mod alarms;
pub mod control;
pub mod help;
pub mod local;
pub mod runbook;
pub mod said;
pub mod screen;
pub mod session;

use serde::{Deserialize, Serialize};

/// What a program says of itself in a hello.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program {
    /// Its version, for people.
    pub version: String,
    /// Which variants it reads beyond those of the major version's first release: one bit for each addition, given
    /// out once in this file and never used for something else. A peer sends such a variant only if the bit is set
    /// and leaves bits that it doesn't know alone.
    pub features: u64,
}

impl Program {
    /// Reads [`Capability::Window`] wherever a capability is named, and [`session::Open::Window`].
    ///
    /// [`Capability::Window`]: crate::grant::Capability::Window
    pub const WINDOW: u64 = 1;
    /// Reads [`Capability::Screenshot`] wherever a capability is named, and [`session::Open::Screenshot`].
    ///
    /// [`Capability::Screenshot`]: crate::grant::Capability::Screenshot
    pub const SCREENSHOT: u64 = 2;

    /// Reads [`Capability::Runbook`] wherever a capability is named, and [`session::Open::Runbook`].
    ///
    /// [`Capability::Runbook`]: crate::grant::Capability::Runbook
    pub const RUNBOOK: u64 = 4;

    /// Reads the requests and answers of [`help`], and [`control::Push::Help`].
    pub const HELP: u64 = 8;

    /// Whether it has that bit.
    pub const fn reads(&self, bit: u64) -> bool {
        self.features & bit != 0
    }

    /// This build.
    pub fn this() -> Self {
        let features = Self::WINDOW | Self::SCREENSHOT | Self::RUNBOOK | Self::HELP;
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), features }
    }
}
