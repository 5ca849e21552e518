//! What two Nearhand programs must agree on.
//!
//! Lives here: ids, the wire codec and its messages, identity and credentials, the support code and its
//! proof, capabilities and grants, alarms, runbooks, the audit chain. Must not live here: anything only one program
//! needs, any policy of the agent, the relay or the client, and anything that asks the operating system: no file, no
//! socket, no clock, no source of randomness. Time and randomness are arguments.

pub mod alarm;
pub mod audit;
pub mod chat;
pub mod credential;
pub mod duration;
pub mod forward;
pub mod grant;
pub mod id;
pub mod identity;
pub mod invitation;
pub mod message;
pub mod pake;
pub mod peer_text;
pub mod recording_signature;
pub mod runbook;
pub mod session_side;
pub mod support_code;
pub mod text;
pub mod time;
pub mod wire;
