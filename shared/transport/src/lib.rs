//! How two Nearhand programs reach each other: QUIC with handshakes by raw Ed25519 keys, frames on streams, limits; the
//! local socket; files that only their owner can read.
//!
//! It speaks TLS 1.3 with mutual raw public keys (RFC 7250): 91 bytes an identity, no names, no authorities, no
//! tickets, no 0-RTT. The caller finds out who a key belongs to. What the messages mean is
//! `nearhand_proto`'s.

pub mod bound_socket;
pub mod chat;
pub mod control;
pub mod framed;
pub mod key_file;
pub mod lines;
pub mod local;
pub mod lock;
mod network;
pub mod platform;
pub mod tls;
