//! Who is connected, which digits lead to whom, which sessions run, and how often who may try what.
//!
//! A plain value: time and randomness are arguments, connections are an opaque handle. Must not live here:
//! sockets, the database, and whether somebody is let in at all (see `admission`).

pub mod limits;
pub mod routing;
pub mod sessions;

use std::collections::HashMap;
use std::time::Instant;

use nearhand_proto::id::{DeviceId, TechnicianId};
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::RelayRefusal;
use nearhand_proto::support_code::RoutingDigits;

use crate::caller::PeerId;
use crate::network::{NetworkLimits, NetworkUse, SourceNetwork, SurroundingNetwork};
use limits::{BucketRate, KeyedLimiter, RateBucket};
use routing::RoutingTable;
use sessions::SessionTable;

/// Code lookups of one technician: a mistyped code is noticed by its check digit before it comes here.
const LOOKUPS_PER_TECHNICIAN: BucketRate = BucketRate { burst: 10, every_ms: 6_000 };
/// Code lookups that reach one device: each wrong one costs its customer a code.
const LOOKUPS_PER_DEVICE: BucketRate = BucketRate { burst: 5, every_ms: 60_000 };
/// Code lookups of all: a hundred technicians at their busiest.
const LOOKUPS_OF_ALL: BucketRate = BucketRate { burst: 300, every_ms: 200 };
/// Sessions asked for by one technician, by code or not.
const OPENS_PER_TECHNICIAN: BucketRate = BucketRate { burst: 20, every_ms: 3_000 };
/// Alarm events of one device: a week's spool at once, then what a machine in trouble says.
const ALARMS_PER_DEVICE: BucketRate = BucketRate { burst: 10_000, every_ms: 20 };
/// Wishes for help and opinions of one device: somebody who mends their text now and then.
const WISHES_PER_PEER: BucketRate = BucketRate { burst: 10, every_ms: 30_000 };
/// The same of all guests of a network: keys cost them nothing, so they are counted by where they come from.
const WISHES_PER_NETWORK: BucketRate = BucketRate { burst: 20, every_ms: 30_000 };
/// And of the network around it.
const WISHES_PER_SURROUNDING: BucketRate = BucketRate { burst: 60, every_ms: 10_000 };
/// Most keys that any of these limits is kept for at once.
const LIMITED_KEYS: usize = 20_000;
/// Connections one person may have: each command of the client is one, several may run at once.
pub const PER_PERSON: usize = 8;

/// How many connections a peer may have at once.
fn connections_of(peer: &PeerId) -> usize {
    if matches!(peer, PeerId::Person(_)) { PER_PERSON } else { 1 }
}

/// The number of a connection, never used twice in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionNo(u64);

#[derive(Debug)]
struct PeerConnection<H> {
    number: ConnectionNo,
    handle: H,
    network: SourceNetwork,
}

/// A connection that was taken in.
#[derive(Debug, PartialEq, Eq)]
pub struct NewConnection<H> {
    /// The number to disconnect by.
    pub number: ConnectionNo,
    /// The same peer's connection that gives way to it.
    pub replaced: Option<H>,
    /// A guest's connection that gives way to it: there was no more room, and that guest had asked for nothing.
    pub evicted: Option<H>,
}

/// Everything about who is here. `H` is the handle by which the driver reaches a connection.
#[derive(Debug)]
pub struct Registry<H> {
    lines: HashMap<PeerId, Vec<PeerConnection<H>>>,
    /// Guests, and whether they have asked for help.
    guests: HashMap<PublicKey, bool>,
    guests_of: NetworkUse,
    max_guests: usize,
    next: u64,
    /// The routing digits.
    pub routing: RoutingTable,
    /// The sessions that run now.
    pub sessions: SessionTable,
    lookups_by: KeyedLimiter<TechnicianId>,
    lookups_to: KeyedLimiter<PeerId>,
    lookups: RateBucket,
    opens_by: KeyedLimiter<TechnicianId>,
    alarms_by: KeyedLimiter<DeviceId>,
    wishes_by: KeyedLimiter<PeerId>,
    wishes_of: KeyedLimiter<SourceNetwork>,
    wishes_around: KeyedLimiter<SurroundingNetwork>,
}

impl<H: Clone> Registry<H> {
    /// Nobody is connected.
    pub fn new(max_guests: usize, max_sessions: usize, now: Instant) -> Self {
        Self {
            lines: HashMap::new(),
            guests: HashMap::new(),
            guests_of: NetworkUse::default(),
            max_guests,
            next: 0,
            routing: RoutingTable::default(),
            sessions: SessionTable::new(max_sessions),
            lookups_by: KeyedLimiter::new(LOOKUPS_PER_TECHNICIAN, LIMITED_KEYS),
            lookups_to: KeyedLimiter::new(LOOKUPS_PER_DEVICE, LIMITED_KEYS),
            lookups: RateBucket::full(LOOKUPS_OF_ALL, now),
            opens_by: KeyedLimiter::new(OPENS_PER_TECHNICIAN, LIMITED_KEYS),
            alarms_by: KeyedLimiter::new(ALARMS_PER_DEVICE, LIMITED_KEYS),
            wishes_by: KeyedLimiter::new(WISHES_PER_PEER, LIMITED_KEYS),
            wishes_of: KeyedLimiter::new(WISHES_PER_NETWORK, LIMITED_KEYS),
            wishes_around: KeyedLimiter::new(WISHES_PER_SURROUNDING, LIMITED_KEYS),
        }
    }

    /// Somebody is connected from `network`.
    ///
    /// # Errors
    /// [`RelayRefusal::Full`] for a guest too many: of its network, or in all while everybody else wants something.
    pub fn connect(
        &mut self,
        peer: PeerId,
        network: SourceNetwork,
        handle: H,
    ) -> Result<NewConnection<H>, RelayRefusal> {
        let mut evicted = None;
        if let PeerId::Guest(key) = peer
            && !self.guests.contains_key(&key)
        {
            if !self.guests_of.has_room(network, 1, NetworkLimits::of(self.max_guests)) {
                return Err(RelayRefusal::Full { what: "guests from one network".into() });
            }
            if self.guests.len() >= self.max_guests {
                evicted = Some(self.evict_guest().ok_or(RelayRefusal::Full { what: "guests".into() })?);
            }
            self.guests.insert(key, false);
        }
        self.next += 1;
        let number = ConnectionNo(self.next);
        // Most peers have one line: no room for more is taken.
        let lines = self.lines.entry(peer).or_insert_with(|| Vec::with_capacity(1));
        let replaced = (lines.len() >= connections_of(&peer)).then(|| lines.remove(0));
        lines.push(PeerConnection { number, handle, network });
        if matches!(peer, PeerId::Guest(_)) {
            if let Some(old) = &replaced {
                self.guests_of.remove(old.network, 1);
            }
            self.guests_of.add(network, 1);
        }
        self.routing.back(&peer);
        Ok(NewConnection { number, replaced: replaced.map(|old| old.handle), evicted })
    }

    /// Lets the guest go who has been here longest of those who want nothing: no code, no help, no session.
    fn evict_guest(&mut self) -> Option<H> {
        let idle =
            self.guests.iter().filter(|(_, has_asked)| !**has_asked).map(|(key, _)| PeerId::Guest(*key));
        // One whose code was used holds no digits any more, and is being helped.
        let idle = idle.filter(|guest| !self.routing.holds(guest) && self.sessions.of(guest).is_empty());
        let since = |guest: &PeerId| self.lines.get(guest)?.first().map(|line| line.number);
        let oldest = idle.min_by_key(since)?;
        let line = self.lines.remove(&oldest)?.pop()?;
        self.forget_guest(&oldest, line.network);
        Some(line.handle)
    }

    fn forget_guest(&mut self, peer: &PeerId, network: SourceNetwork) {
        if let PeerId::Guest(key) = peer
            && self.guests.remove(key).is_some()
        {
            self.guests_of.remove(network, 1);
        }
    }

    /// A connection is gone. Returns `true` if it was its peer's last.
    pub fn disconnect(&mut self, peer: &PeerId, number: ConnectionNo, now: Instant) -> bool {
        let Some(lines) = self.lines.get_mut(peer) else { return false };
        let Some(at) = lines.iter().position(|line| line.number == number) else { return false };
        let gone = lines.remove(at);
        if !lines.is_empty() {
            return false;
        }
        self.lines.remove(peer);
        self.forget_guest(peer, gone.network);
        self.routing.away(peer, now);
        true
    }

    /// The newest connection of a peer.
    pub fn line(&self, peer: &PeerId) -> Option<H> {
        self.lines.get(peer)?.last().map(|line| line.handle.clone())
    }

    /// All connections of a peer.
    pub fn lines(&self, peer: &PeerId) -> Vec<H> {
        self.lines.get(peer).into_iter().flatten().map(|line| line.handle.clone()).collect()
    }

    /// Whether a peer is connected.
    pub fn is_online(&self, peer: &PeerId) -> bool {
        self.lines.contains_key(peer)
    }

    /// The handles of all connections, each with its peer.
    pub fn everybody(&self) -> impl Iterator<Item = (&PeerId, &H)> {
        self.lines.iter().flat_map(|(peer, lines)| lines.iter().map(move |line| (peer, &line.handle)))
    }

    /// How many devices, guests and people are connected.
    pub fn online(&self) -> [(&'static str, usize); 3] {
        let people = self.lines.keys().filter(|p| matches!(p, PeerId::Person(_))).count();
        let devices = self.lines.len().saturating_sub(people + self.guests.len());
        [("device", devices), ("guest", self.guests.len()), ("person", people)]
    }

    /// A technician asks for a session.
    ///
    /// # Errors
    /// [`RelayRefusal::TooMany`]: the technician asked too often; it says in how many seconds the next request is
    /// allowed.
    pub fn count_open(&mut self, technician: TechnicianId, now: Instant) -> Result<(), RelayRefusal> {
        self.opens_by.take(technician, now).map_err(|seconds| RelayRefusal::TooMany { seconds })
    }

    /// A device sends `count` alarm events.
    ///
    /// # Errors
    /// [`RelayRefusal::TooMany`]: the device sends too fast; it says in how many seconds to send the events again.
    pub fn count_alarms(&mut self, device: DeviceId, count: usize, now: Instant) -> Result<(), RelayRefusal> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.alarms_by.take_many(device, count, now).map_err(|seconds| RelayRefusal::TooMany { seconds })
    }

    /// Somebody asks for help, or says what they thought of it.
    ///
    /// # Errors
    /// [`RelayRefusal::TooMany`]: the peer, or a guest's network, asked too often; it says in how many seconds the next
    /// request is allowed.
    pub fn count_wish(
        &mut self,
        peer: PeerId,
        network: SourceNetwork,
        now: Instant,
    ) -> Result<(), RelayRefusal> {
        let too_many = |seconds| RelayRefusal::TooMany { seconds };
        if let PeerId::Guest(key) = peer {
            self.wishes_of.take(network, now).map_err(too_many)?;
            self.wishes_around.take(network.surrounding(), now).map_err(too_many)?;
            if let Some(has_asked) = self.guests.get_mut(&key) {
                *has_asked = true;
            }
            return Ok(());
        }
        self.wishes_by.take(peer, now).map_err(too_many)
    }

    /// Looks a support code's digits up for a technician. Each lookup counts for the technician and for all; one
    /// that finds a device counts for the device, too.
    ///
    /// # Errors
    /// [`RelayRefusal::TooMany`]: a limit is used up for that many seconds. [`RelayRefusal::NoSuchCode`]: no
    /// device has these digits.
    pub fn look_up(
        &mut self,
        technician: TechnicianId,
        routing: RoutingDigits,
        now: Instant,
    ) -> Result<PeerId, RelayRefusal> {
        let too_many = |seconds| RelayRefusal::TooMany { seconds };
        self.lookups_by.take(technician, now).map_err(too_many)?;
        self.lookups.take(LOOKUPS_OF_ALL, now).map_err(too_many)?;
        let holder = self.routing.holder(routing, now).ok_or(RelayRefusal::NoSuchCode)?;
        self.lookups_to.take(holder, now).map_err(too_many)?;
        Ok(holder)
    }

    /// Lets go of what time has made superfluous.
    pub fn sweep(&mut self, now: Instant) {
        self.routing.sweep(now);
        self.lookups_by.sweep(now);
        self.lookups_to.sweep(now);
        self.opens_by.sweep(now);
        self.alarms_by.sweep(now);
        self.wishes_by.sweep(now);
        self.wishes_of.sweep(now);
        self.wishes_around.sweep(now);
    }
}

#[cfg(test)]
mod registry_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use nearhand_proto::identity::PublicKey;
    use rand_core::OsRng;
    use std::time::Duration;

    /// Where virtual time begins.
    pub(super) fn start() -> Instant {
        Instant::now()
    }

    pub(super) fn here() -> SourceNetwork {
        std::net::IpAddr::from([192, 0, 2, 1]).into()
    }

    const ADA: TechnicianId = TechnicianId::from_bytes([2; 16]);
    const EVE: TechnicianId = TechnicianId::from_bytes([3; 16]);

    fn device(n: u8) -> PeerId {
        PeerId::Device(DeviceId::from_bytes([n; 16]))
    }

    #[test]
    fn a_devices_second_connection_replaces_its_first() {
        let now = Instant::now();
        let mut registry = Registry::new(1, 10, now);
        let NewConnection { number: first, replaced: none, .. } =
            registry.connect(device(1), here(), "first").unwrap();
        assert_eq!(none, None);
        let NewConnection { number: second, replaced, .. } =
            registry.connect(device(1), here(), "second").unwrap();
        assert_eq!(replaced, Some("first"));
        assert!(!registry.disconnect(&device(1), first, now), "the first one's end is not the device's");
        assert_eq!(registry.line(&device(1)), Some("second"));
        assert!(registry.disconnect(&device(1), second, now));
        assert!(!registry.is_online(&device(1)));
    }

    #[test]
    fn a_person_may_run_several_commands_and_guests_are_counted() {
        let now = Instant::now();
        let mut registry = Registry::new(1, 10, now);
        let ada = PeerId::Person(ADA);
        for n in 0..PER_PERSON {
            assert_eq!(registry.connect(ada, here(), n).unwrap().replaced, None);
        }
        assert_eq!(registry.connect(ada, here(), 99).unwrap().replaced, Some(0));
        assert_eq!(registry.lines(&ada).len(), PER_PERSON);

        let guest = |n| PeerId::Guest(PublicKey::from_bytes([n; 32]));
        let number = registry.connect(guest(1), here(), 0).unwrap().number;
        registry.connect(guest(1), here(), 1).unwrap();
        registry.count_wish(guest(1), here(), now).unwrap();
        assert!(matches!(registry.connect(guest(2), here(), 2), Err(RelayRefusal::Full { .. })));
        assert_eq!(registry.online(), [("device", 0), ("guest", 1), ("person", 1)]);
        registry.disconnect(&guest(1), number, now);
        assert!(registry.is_online(&guest(1)));
    }

    #[test]
    fn guests_of_one_network_leave_room_and_those_who_want_nothing_give_way() {
        let now = Instant::now();
        let mut registry = Registry::new(32, 10, now);
        let guest = |n| PeerId::Guest(PublicKey::from_bytes([n; 32]));
        let from = |n: u8| SourceNetwork::from(std::net::IpAddr::from([198, 51, n, 1]));
        let taken = (0..100).filter(|n| registry.connect(guest(*n), from(0), *n).is_ok()).count();
        assert_eq!(taken, 8, "a quarter");
        for n in 100..124 {
            assert_eq!(registry.connect(guest(n), from(n), n).unwrap().evicted, None);
        }
        // All places are taken: the one who has been here longest without wanting anything gives way.
        registry.count_wish(guest(0), from(0), now).unwrap();
        registry.routing.allot(guest(1), from(0), None, now, &mut OsRng).unwrap();
        assert_eq!(registry.connect(guest(200), from(200), 200).unwrap().evicted, Some(2));
        assert_eq!(registry.online()[1], ("guest", 32));
        assert!(!registry.is_online(&guest(2)) && registry.is_online(&guest(0)));
        // Devices and people don't ask whether there is room for guests.
        assert!(registry.connect(device(1), from(0), 250).is_ok());
    }

    #[test]
    fn wishes_of_guests_are_counted_by_network_whatever_their_keys() {
        let now = Instant::now();
        let mut registry: Registry<()> = Registry::new(500, 10, now);
        let guest = |n: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_le_bytes());
            PeerId::Guest(PublicKey::from_bytes(key))
        };
        let asked = (0..2_000).filter(|n| registry.count_wish(guest(*n), here(), now).is_ok()).count();
        assert_eq!(asked, 20);
        let neighbours = (0..2_000_u16)
            .filter(|n| {
                let near = std::net::IpAddr::from([192, 0, 2, u8::try_from(n % 250).unwrap()]).into();
                registry.count_wish(guest(*n), near, now).is_ok()
            })
            .count();
        assert!(neighbours <= 60, "{neighbours}");
        assert!(registry.count_wish(device(1), here(), now).is_ok(), "a device behind the same address");
        let far = std::net::IpAddr::from([198, 51, 100, 1]).into();
        assert!(registry.count_wish(guest(1), far, now).is_ok());
    }

    #[test]
    fn lookups_are_counted_per_technician_per_device_and_for_all() {
        let start = Instant::now();
        let mut registry: Registry<()> = Registry::new(1, 10, start);
        let here = registry.routing.allot(device(1), here(), None, start, &mut OsRng).unwrap();
        let nowhere = RoutingDigits::new((u16::from(here) + 1) % 10_000).unwrap();
        for _ in 0..10 {
            assert_eq!(registry.look_up(ADA, nowhere, start), Err(RelayRefusal::NoSuchCode));
        }
        assert_eq!(registry.look_up(ADA, here, start), Err(RelayRefusal::TooMany { seconds: 6 }));
        // Others still can, until the device has had enough.
        for _ in 0..5 {
            assert_eq!(registry.look_up(EVE, here, start), Ok(device(1)));
        }
        assert_eq!(registry.look_up(EVE, here, start), Err(RelayRefusal::TooMany { seconds: 60 }));
        let later = start + Duration::from_secs(61);
        assert_eq!(registry.look_up(ADA, here, later), Ok(device(1)));
        // A thousand technicians together.
        let refused = (0..1000_u16)
            .filter(|n| {
                let mut id = [9; 16];
                id[..2].copy_from_slice(&n.to_le_bytes());
                let lookup = registry.look_up(TechnicianId::from_bytes(id), nowhere, later);
                lookup == Err(RelayRefusal::TooMany { seconds: 1 })
            })
            .count();
        assert!((690..=710).contains(&refused), "{refused}");
    }

    #[test]
    fn a_peer_id_survives_its_text_form() {
        let peers = [device(7), PeerId::Guest(PublicKey::from_bytes([1; 32])), PeerId::Person(ADA)];
        for peer in peers {
            assert_eq!(peer.to_string().parse(), Ok(peer));
        }
        assert!("robot:00".parse::<PeerId>().is_err());
    }
}
