//! The messages of the three conversations: with the relay ([`control`]), between the two ends of a session
//! ([`session`], [`screen`], [`runbook`]), and between the agent and the programs of the person at the device ([`local`], [`notice`]).
//!
//! **Messages grow by variants only.** The first release is the base. After it, within a major version (the number in
//! the application protocol), a new variant goes to the end of its enum, and a new message is a variant. A struct or
//! variant never gains, loses or moves a field: the wire form ([`crate::wire`]) has neither names nor lengths of fields,
//! so another field makes the message unreadable for every earlier program. What needs another field becomes a new variant
//! (or a new struct in one), and the earlier one is still read.
//!
//! **A new variant is sent only to a peer whose [`ProgramInfo::features`] has its bit**, or as the answer to a request
//! that is new itself. A peer without the bit can't read it, and that has consequences: the relay closes the connection
//! of the sender ([`control::CloseCode::Protocol`]); an agent or client passes over a push of the relay; a session's
//! control stream is given up, by the agent with the session; a stream of any other kind is cut. `docs/protocol.md` has
//! the table.
//!
//! `tests/golden` holds the bytes of every message.

pub mod alarm_json;
pub mod alarms;
pub mod control;
pub mod help;
pub mod local;
pub mod notice;
mod program;
pub mod runbook;
pub mod screen;
pub mod session;

pub use program::ProgramInfo;
