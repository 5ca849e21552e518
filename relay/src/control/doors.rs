//! Who stands at the door: connections that have not been welcomed yet.
//!
//! There is room for so many, and each network (an IPv4 address, an IPv6 /64) has a share of it. When the room
//! or a share is full, the one that has waited longest goes, if it is stalled: an honest one is never kept out by
//! those who don't go on. If it isn't, the newcomer is put off, and asks again by itself: thousands who come back at the
//! same moment must not push each other out just before their turn, or nobody ever gets in.
//! A plain value; the handle is whatever the driver ends a handshake by.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// One network's part of the room: a quarter.
const SHARE: usize = 4;
/// From this part of the room on, addresses must be proven by a round trip: a quarter.
const PROVE_FROM: usize = 4;

/// While nobody is welcomed, whoever has waited for so long is stalled: three round trips of a good line many times over.
const STALLED: Duration = Duration::from_secs(1);
/// It isn't nobody if so large a part of those who wait were welcomed meanwhile: an eighth.
const SOMEBODY: u64 = 8;
/// Whoever is still there when so many times as many were welcomed as wait had its turn, and is stalled.
const TURNS: u64 = 2;

/// The network that an address is counted for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network([u8; 8]);

impl From<IpAddr> for Network {
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
pub type Ticket = u64;

/// Those who wait.
#[derive(Debug)]
pub struct Doors<H> {
    room: usize,
    next: Ticket,
    /// How many were ever welcomed.
    welcomed: u64,
    waiting: BTreeMap<Ticket, Waiting<H>>,
    by_network: HashMap<Network, BTreeSet<Ticket>>,
}

#[derive(Debug)]
struct Waiting<H> {
    network: Network,
    handle: H,
    since: Instant,
    /// How many had been welcomed before it came.
    after: u64,
}

/// Whether a newcomer may enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room<H> {
    /// It may.
    Free,
    /// It may, in the place of this one, who has to go.
    Of(H),
    /// It is put off: all who wait are being served.
    None,
}

impl<H> Doors<H> {
    /// With room for so many, at least 4.
    pub fn new(room: usize) -> Self {
        Self { room: room.max(4), next: 0, welcomed: 0, waiting: BTreeMap::new(), by_network: HashMap::new() }
    }

    /// Whether a newcomer must prove its address first.
    pub fn must_prove(&self) -> bool {
        self.waiting.len() >= self.room / PROVE_FROM
    }

    /// Makes room for somebody from `network`, where somebody is stalled.
    pub fn make_room(&mut self, network: Network, now: Instant) -> Room<H> {
        let share = self.by_network.get(&network).filter(|share| share.len() >= self.room / SHARE);
        let (oldest, among) = if let Some(share) = share {
            (share.first().copied(), share.len())
        } else if self.waiting.len() >= self.room {
            (self.waiting.first_key_value().map(|(ticket, _)| *ticket), self.waiting.len())
        } else {
            return Room::Free;
        };
        let stalled = oldest.filter(|ticket| self.is_stalled(*ticket, among, now));
        stalled.and_then(|ticket| self.leave(ticket)).map_or(Room::None, Room::Of)
    }

    /// Whether the oldest of so many doesn't go on.
    fn is_stalled(&self, ticket: Ticket, among: usize, now: Instant) -> bool {
        let Some(one) = self.waiting.get(&ticket) else { return false };
        let among = u64::try_from(among).unwrap_or(u64::MAX);
        let since_then = self.welcomed.saturating_sub(one.after);
        let nobody_goes_on = since_then < among / SOMEBODY || since_then == 0;
        since_then >= among.saturating_mul(TURNS)
            || (nobody_goes_on && now.saturating_duration_since(one.since) >= STALLED)
    }

    /// The ticket of the next to enter.
    pub fn next_ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    /// Takes somebody in.
    pub fn enter(&mut self, ticket: Ticket, network: Network, now: Instant, handle: H) {
        self.waiting.insert(ticket, Waiting { network, handle, since: now, after: self.welcomed });
        self.by_network.entry(network).or_default().insert(ticket);
    }

    /// Somebody was welcomed.
    pub fn welcome(&mut self, ticket: Ticket) -> Option<H> {
        self.welcomed += 1;
        self.leave(ticket)
    }

    /// Somebody is gone.
    pub fn leave(&mut self, ticket: Ticket) -> Option<H> {
        let Waiting { network, handle, .. } = self.waiting.remove(&ticket)?;
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

    fn net(text: &str) -> Network {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn enter(doors: &mut Doors<Ticket>, network: Network, now: Instant) -> (Option<Ticket>, Room<Ticket>) {
        let room = doors.make_room(network, now);
        if room == Room::None {
            return (None, room);
        }
        let ticket = doors.next_ticket();
        doors.enter(ticket, network, now, ticket);
        (Some(ticket), room)
    }

    #[test]
    fn the_stalled_go_and_a_flood_from_one_network_only_hurts_itself() {
        let mut doors = Doors::new(8);
        let (flood, honest) = (net("192.0.2.1"), net("198.51.100.7"));
        let mut now = Instant::now();
        let (mine, _) = enter(&mut doors, honest, now);
        let mine = mine.unwrap();
        for _ in 0..1000 {
            enter(&mut doors, flood, now);
            now += Duration::from_millis(10);
        }
        assert_eq!(doors.len(), 3, "its share of 2, and the honest one");
        assert_eq!(doors.welcome(mine), Some(mine), "still there");
        for n in 0..100_u8 {
            enter(&mut doors, net(&format!("203.0.113.{n}")), now);
        }
        assert_eq!(doors.len(), 8);
        assert_eq!(enter(&mut doors, honest, now), (None, Room::None), "they may only have begun");
        let (mine, out) = enter(&mut doors, honest, now + STALLED);
        assert!(matches!(out, Room::Of(ticket) if Some(ticket) < mine), "{out:?}");
        assert!(doors.must_prove());
    }

    #[test]
    fn many_who_come_back_at_once_get_in_one_after_the_other() {
        let mut doors = Doors::new(16);
        let (home, mut now) = (net("192.0.2.1"), Instant::now());
        let mut served = 0;
        // Four find room, and their turn comes after more than a second; a thousand others ask all the time.
        for _ in 0..1000 {
            for _ in 0..10 {
                let (_, room) = enter(&mut doors, home, now);
                assert!(!matches!(room, Room::Of(_)), "pushed out before its turn");
            }
            now += Duration::from_millis(400);
            let first = doors.waiting.first_key_value().map(|(ticket, _)| *ticket);
            served += usize::from(first.and_then(|ticket| doors.welcome(ticket)).is_some());
        }
        assert_eq!(served, 1000);
    }

    #[test]
    fn whoever_is_passed_over_again_and_again_is_stalled() {
        let mut doors = Doors::new(16);
        let (home, now) = (net("192.0.2.1"), Instant::now());
        let (stalled, _) = enter(&mut doors, home, now);
        for _ in 0..8 {
            let (other, room) = enter(&mut doors, home, now);
            assert_eq!(room, Room::Free);
            doors.welcome(other.unwrap());
        }
        for _ in 0..3 {
            enter(&mut doors, home, now);
        }
        assert_eq!(enter(&mut doors, home, now).1, Room::Of(stalled.unwrap()));
    }

    #[test]
    fn networks_are_addresses_and_slash_64s() {
        assert_eq!(net("2001:db8::1"), net("2001:db8::2"));
        assert_ne!(net("2001:db8::1"), net("2001:db8:0:1::1"));
        assert_eq!(net("192.0.2.1"), net("::ffff:192.0.2.1"));
        assert_ne!(net("192.0.2.1"), net("192.0.2.2"));
    }
}
