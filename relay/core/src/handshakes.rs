//! The queue of handshakes: connections that have not been welcomed yet.
//!
//! The queue has a maximum length, and each network (an IPv4 address, an IPv6 /64) has a share of it. When the
//! queue or a share is full, the handshake that has waited longest is ended: a stalled handshake never keeps an
//! honest one out. A plain value; by the handle the driver ends a handshake.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// One network's part of the room: a quarter.
const SHARE: usize = 4;
/// From this part of the room on, addresses must be proven by a round trip: a quarter.
const PROVE_FROM: usize = 4;

/// The network that an address is counted for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SourceNetwork([u8; 8]);

impl From<IpAddr> for SourceNetwork {
    fn from(ip: IpAddr) -> Self {
        let bytes = match ip.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                // No IPv6 /64 in use begins with zeros.
                [0, 0, 0, 0, a, b, c, d]
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                [a, b, c, d, e, f, g, h]
            }
        };
        Self(bytes)
    }
}

/// The number under which somebody waits.
pub type HandshakeTicket = u64;

/// Those who wait.
#[derive(Debug)]
pub struct HandshakeQueue<H> {
    room: usize,
    next: HandshakeTicket,
    waiting: BTreeMap<HandshakeTicket, (SourceNetwork, H)>,
    by_network: HashMap<SourceNetwork, BTreeSet<HandshakeTicket>>,
}

impl<H> HandshakeQueue<H> {
    /// An empty queue for at most `room` handshakes, and for at least 4.
    pub fn new(room: usize) -> Self {
        Self { room: room.max(4), next: 0, waiting: BTreeMap::new(), by_network: HashMap::new() }
    }

    /// Whether a newcomer must prove its address first.
    pub fn must_prove(&self) -> bool {
        self.waiting.len() >= self.room / PROVE_FROM
    }

    /// Makes room for somebody from `network`: returns who has to go.
    pub fn make_room(&mut self, network: SourceNetwork) -> Option<H> {
        let share = self.by_network.get(&network);
        let oldest = if share.is_some_and(|s| s.len() >= self.room / SHARE) {
            share.and_then(|s| s.first().copied())
        } else if self.waiting.len() >= self.room {
            self.waiting.first_key_value().map(|(ticket, _)| *ticket)
        } else {
            None
        };
        oldest.and_then(|ticket| self.leave(ticket))
    }

    /// The ticket of the next to enter.
    pub fn next_ticket(&mut self) -> HandshakeTicket {
        self.next += 1;
        self.next
    }

    /// Takes somebody in.
    pub fn enter(&mut self, ticket: HandshakeTicket, network: SourceNetwork, handle: H) {
        self.waiting.insert(ticket, (network, handle));
        self.by_network.entry(network).or_default().insert(ticket);
    }

    /// Somebody was welcomed, or is gone.
    pub fn leave(&mut self, ticket: HandshakeTicket) -> Option<H> {
        let (network, handle) = self.waiting.remove(&ticket)?;
        if let Some(share) = self.by_network.get_mut(&network) {
            share.remove(&ticket);
            if share.is_empty() {
                self.by_network.remove(&network);
            }
        }
        Some(handle)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> SourceNetwork {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn enter(
        handshakes: &mut HandshakeQueue<HandshakeTicket>,
        network: SourceNetwork,
    ) -> (HandshakeTicket, Option<HandshakeTicket>) {
        let out = handshakes.make_room(network);
        let ticket = handshakes.next_ticket();
        handshakes.enter(ticket, network, ticket);
        (ticket, out)
    }

    #[test]
    fn the_oldest_goes_and_a_flood_from_one_network_only_hurts_itself() {
        let mut handshakes = HandshakeQueue::new(8);
        let (flood, honest) = (net("192.0.2.1"), net("198.51.100.7"));
        let (mine, _) = enter(&mut handshakes, honest);
        for _ in 0..1000 {
            enter(&mut handshakes, flood);
        }
        assert_eq!(handshakes.len(), 3, "its share of 2, and the honest one");
        assert_eq!(handshakes.leave(mine), Some(mine), "still there");
        for n in 0..100_u8 {
            enter(&mut handshakes, net(&format!("203.0.113.{n}")));
        }
        assert_eq!(handshakes.len(), 8);
        let (mine, out) = enter(&mut handshakes, honest);
        assert!(out.is_some_and(|ticket| ticket < mine));
        assert!(handshakes.must_prove());
    }

    #[test]
    fn networks_are_addresses_and_slash_64s() {
        assert_eq!(net("2001:db8::1"), net("2001:db8::2"));
        assert_ne!(net("2001:db8::1"), net("2001:db8:0:1::1"));
        assert_eq!(net("192.0.2.1"), net("::ffff:192.0.2.1"));
        assert_ne!(net("192.0.2.1"), net("192.0.2.2"));
    }
}
