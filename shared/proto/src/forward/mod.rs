//! The blind forwarding path, as far as two programs must agree on it: the BIND packets with which an end
//! of a session makes its socket known to the relay, what the control plane hands out for that, and the end's
//! side of the handshake.
//!
//! A session's two ends each open a fresh UDP socket and BIND it at the relay's one UDP port. From then on
//! the relay passes datagrams between the two bound addresses as they are. See [`packet`] for the protocol.
//!
//! Not here: sockets (see `transport::bound_socket`) and the relay's table (the relay's own).

pub mod binder;
pub mod grant;
pub mod packet;

pub use binder::{BindCommand, BindFailure, BindState, Binder};
pub use grant::{BindGrant, BindKey, RateLimits};
pub use packet::{BindPacket, PACKET_LEN, SealedPacket};
