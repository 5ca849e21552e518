//! A session in the forwarding table: its two sides, their bindings and their limits.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use nearhand_proto::forward::{BindGrant, BindKey};
use nearhand_proto::id::{BindToken, SessionId};

use super::limit::TokenBucket;
use super::slots::SlotIndex;
use super::verdict::{SessionCounters, SideCounters};

/// Least burst of a side in bytes and packets: one GRO batch of the largest size passes whole.
const LEAST_BURST_BYTES: u64 = 65_536;
const LEAST_BURST_PACKETS: u64 = 64;

/// A side of a session in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SideKey {
    pub(super) slot: SlotIndex,
    pub(super) second: bool,
}

#[derive(Debug)]
pub(super) struct TableSession {
    pub(super) id: SessionId,
    /// Until when a side that was never bound may bind, and the session lives without any binding.
    pub(super) until: Instant,
    pub(super) sides: [ForwardedSide; 2],
    /// When its valid entry in the heap is due; others of it are leftovers.
    pub(super) queued: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct ForwardedSide {
    pub(super) token: BindToken,
    pub(super) key: BindKey,
    pub(super) lifetime: Duration,
    pub(super) lifetime_s: u16,
    pub(super) last_nonce: u64,
    pub(super) bound: Option<BoundAddress>,
    bytes: TokenBucket,
    packets: TokenBucket,
    pub(super) counters: SideCounters,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct BoundAddress {
    pub(super) addr: SocketAddr,
    pub(super) dst_ip: Option<IpAddr>,
    pub(super) expires: Instant,
}

impl ForwardedSide {
    pub(super) fn new(grant: BindGrant, now: Instant) -> Self {
        let limits = grant.limits;
        Self {
            token: grant.token,
            key: grant.key,
            lifetime: Duration::from_secs(grant.lifetime_s.into()),
            lifetime_s: grant.lifetime_s,
            last_nonce: 0,
            bound: None,
            bytes: TokenBucket::new(limits.bytes_per_s, LEAST_BURST_BYTES, now),
            packets: TokenBucket::new(limits.packets_per_s.into(), LEAST_BURST_PACKETS, now),
            counters: SideCounters::default(),
        }
    }

    /// Takes from the limits, all or nothing, and counts.
    pub(super) fn admit(&mut self, now: Instant, packets: u64, bytes: u64) -> bool {
        if !self.packets.has(now, packets) || !self.bytes.has(now, bytes) {
            return false;
        }
        self.packets.take(packets);
        self.bytes.take(bytes);
        self.counters.packets += packets;
        self.counters.bytes += bytes;
        true
    }
}

impl TableSession {
    pub(super) fn side(&mut self, second: bool) -> &mut ForwardedSide {
        let [first, other] = &mut self.sides;
        if second { other } else { first }
    }

    /// When the session has to be looked at next: a binding runs out, or the session itself does.
    pub(super) fn next_deadline(&self) -> Instant {
        let first_expiry = self.sides.iter().filter_map(|side| Some(side.bound?.expires)).min();
        first_expiry.unwrap_or(self.until)
    }
}

impl TableSession {
    /// What its sides sent.
    pub(super) fn counters(&self) -> SessionCounters {
        self.sides.each_ref().map(|side| SideCounters { bound: side.bound.map(|b| b.addr), ..side.counters })
    }
}
