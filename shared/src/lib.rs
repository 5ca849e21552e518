//! What two Nearhand programs must agree on.
//!
//! Lives here: ids, the wire codec and its messages, identity and credentials, the support code and its
//! proof, capabilities and grants, alarms, runbooks, the audit chain, the report model with its renderings, and the QUIC
//! transport both ends of a connection share. Must not live here: anything only one program needs, any
//! operating system call beyond files and sockets, any policy of the agent, the relay or the client.
//!
//! Only [`transport`] knows quinn and tokio. Everything else takes time and randomness as arguments.

pub mod alarm;
pub mod audit;
pub mod chat;
pub mod credential;
pub mod forward;
pub mod grant;
pub mod id;
pub mod identity;
pub mod invitation;
pub mod message;
pub mod pake;
pub mod platform;
pub mod report;
pub mod runbook;
pub mod support_code;
pub mod text;
pub mod time;
pub mod transport;
pub mod wire;
pub mod witness;
