//! The queue of handshakes: connections that have not been welcomed yet.
//!
//! The queue has a maximum length, and each network has a share of it (see [`crate::network`]). When the
//! queue or a share is full, the handshake that has waited longest is ended: a stalled handshake never keeps an
//! honest one out. A plain value; by the handle the driver ends a handshake.

use core::hash::Hash;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::network::{SourceNetwork, SurroundingNetwork};

/// One network's part of the room: a quarter.
const SHARE: usize = 4;
/// The part of what surrounds it: half.
const SURROUNDING_SHARE: usize = 2;
/// From this part of the room on, addresses must be proven by a round trip: a quarter.
const PROVE_FROM: usize = 4;

/// The number under which somebody waits.
pub type HandshakeTicket = u64;

/// Those who wait.
#[derive(Debug)]
pub struct HandshakeQueue<H> {
    room: usize,
    next: HandshakeTicket,
    waiting: BTreeMap<HandshakeTicket, (SourceNetwork, H)>,
    by_network: HashMap<SourceNetwork, BTreeSet<HandshakeTicket>>,
    by_surrounding: HashMap<SurroundingNetwork, BTreeSet<HandshakeTicket>>,
}

impl<H> HandshakeQueue<H> {
    /// An empty queue for at most `room` handshakes, and for at least 4.
    pub fn new(room: usize) -> Self {
        Self {
            room: room.max(4),
            next: 0,
            waiting: BTreeMap::new(),
            by_network: HashMap::new(),
            by_surrounding: HashMap::new(),
        }
    }

    /// Whether a newcomer must prove its address first.
    pub fn must_prove(&self) -> bool {
        self.waiting.len() >= self.room / PROVE_FROM
    }

    /// Makes room for somebody from `network`: returns who has to go.
    pub fn make_room(&mut self, network: SourceNetwork) -> Option<H> {
        let own = full(&self.by_network, &network, self.room / SHARE);
        let around = full(&self.by_surrounding, &network.surrounding(), self.room / SURROUNDING_SHARE);
        let all = || self.waiting.first_key_value().map(|(ticket, _)| *ticket);
        let oldest = own.or(around).or_else(|| all().filter(|_| self.waiting.len() >= self.room));
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
        self.by_surrounding.entry(network.surrounding()).or_default().insert(ticket);
    }

    /// Somebody was welcomed, or is gone.
    pub fn leave(&mut self, ticket: HandshakeTicket) -> Option<H> {
        let (network, handle) = self.waiting.remove(&ticket)?;
        forget(&mut self.by_network, &network, ticket);
        forget(&mut self.by_surrounding, &network.surrounding(), ticket);
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

/// The oldest of a share that is used up.
fn full<K: Hash + Eq>(
    shares: &HashMap<K, BTreeSet<HandshakeTicket>>,
    key: &K,
    most: usize,
) -> Option<HandshakeTicket> {
    shares.get(key).filter(|share| share.len() >= most).and_then(|share| share.first().copied())
}

fn forget<K: Hash + Eq>(
    shares: &mut HashMap<K, BTreeSet<HandshakeTicket>>,
    key: &K,
    ticket: HandshakeTicket,
) {
    if let Some(share) = shares.get_mut(key) {
        share.remove(&ticket);
        if share.is_empty() {
            shares.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

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
            enter(&mut handshakes, net(&format!("203.0.{n}.7")));
        }
        assert_eq!(handshakes.len(), 8);
        let (mine, out) = enter(&mut handshakes, honest);
        assert!(out.is_some_and(|ticket| ticket < mine));
        assert!(handshakes.must_prove());
    }

    #[test]
    fn a_flood_from_all_of_a_slash_48_leaves_half_to_others() {
        let mut handshakes = HandshakeQueue::new(16);
        for n in 0..1000 {
            enter(&mut handshakes, net(&format!("2001:db8:7:{n:x}::1")));
        }
        assert_eq!(handshakes.len(), 8);
        let (mine, out) = enter(&mut handshakes, net("2001:db8:8::1"));
        assert_eq!((out, handshakes.leave(mine)), (None, Some(mine)));
    }
}
