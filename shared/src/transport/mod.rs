//! QUIC between two Nearhand programs: handshakes by raw Ed25519 keys, frames on streams, limits.
//!
//! The only module of this crate that knows quinn and tokio. It speaks TLS 1.3 with mutual raw public keys
//! (RFC 7250): 91 bytes an identity, no names, no authorities, no tickets, no 0-RTT. Who a key belongs to is
//! the business of whoever uses the connection.

pub mod bound_socket;
pub mod chat;
pub mod control;
pub mod framed;
pub mod lines;
pub mod local;
mod network;
pub mod tls;
