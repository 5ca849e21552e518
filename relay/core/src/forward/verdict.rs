//! What the forwarding table answers with: verdicts, replies, counters.

use std::net::{IpAddr, SocketAddr};

use nearhand_proto::forward::packet::PACKET_LEN;

/// What to do with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramVerdict {
    /// Send it on as it is.
    Forward(ForwardRoute),
    /// Answer its source with this, from the address it was sent to.
    Reply(BindReply),
    /// Give it to the control endpoint.
    Control,
    /// Drop it, and count it under this reason.
    Drop(DropReason),
}

/// Where a side's datagrams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardRoute {
    /// The other side's bound address.
    pub to: SocketAddr,
    /// The address that the other side knows the relay by.
    pub src_ip: Option<IpAddr>,
}

/// An answer, never longer than what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindReply {
    bytes: [u8; PACKET_LEN],
    len: usize,
}

impl BindReply {
    pub(super) fn new(packet: &[u8]) -> Self {
        let mut bytes = [0; PACKET_LEN];
        bytes.iter_mut().zip(packet).for_each(|(to, from)| *to = *from);
        Self { bytes, len: packet.len().min(PACKET_LEN) }
    }

    /// The datagram to send.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Neither QUIC nor a well-formed BIND packet.
    Malformed,
    /// A BIND packet that doesn't prove what it has to.
    Refused,
    /// A short-header packet of an unbound address; hinted or not.
    Unbound,
    /// The session's other side isn't bound.
    PeerUnbound,
    /// Over the side's limits.
    Limited,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForwardMetrics {
    /// Datagrams forwarded between the sides of sessions.
    pub packets: u64,
    /// Their UDP payload, in bytes.
    pub bytes: u64,
    /// Datagrams given to the control endpoint.
    pub control: u64,
    /// Control datagrams dropped because the endpoint was too slow.
    pub control_overflow: u64,
    /// Dropped: neither QUIC nor a BIND packet.
    pub dropped_malformed: u64,
    /// Dropped: short-header packets of unbound addresses, those that were hinted included.
    pub dropped_unbound: u64,
    /// Dropped: the other side isn't bound.
    pub dropped_peer_unbound: u64,
    /// Dropped: over a side's limits.
    pub dropped_limited: u64,
    /// Dropped: the system's send buffer was full.
    pub dropped_congested: u64,
    /// Dropped: the system refused to send.
    pub dropped_send_error: u64,
    /// Hints sent to unbound addresses.
    pub hints: u64,
    /// BIND handshakes that bound a side.
    pub binds_ok: u64,
    /// BIND packets refused.
    pub binds_refused: u64,
    /// Sides bound now.
    pub active_bindings: u64,
    /// Sessions offered and not over now.
    pub sessions: u64,
}

/// What one side of a session sent through the relay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SideCounters {
    /// Datagrams of this side that were forwarded.
    pub packets: u64,
    /// Their UDP payload, in bytes.
    pub bytes: u64,
    /// Datagrams dropped over the limits.
    pub limited: u64,
    /// Completed handshakes: one, and one for each change of address.
    pub binds: u64,
    /// The address bound now.
    pub bound: Option<SocketAddr>,
}

/// A session's sides, in the order of the offer.
pub type SessionCounters = [SideCounters; 2];

/// Why an offer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The relay forwards as many sessions as it is set to.
    #[error("the relay already forwards {max} sessions, its configured maximum")]
    Full {
        /// The configured maximum.
        max: usize,
    },
    /// A token is in use by another session, or by both sides.
    #[error("a bind token of the offer is already in use")]
    TokenInUse,
}
