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
use nearhand_proto::message::control::RelayRefusal;
use nearhand_proto::support_code::RoutingDigits;

use crate::caller::PeerId;
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
}

/// Everything about who is here. `H` is the handle by which the driver reaches a connection.
#[derive(Debug)]
pub struct Registry<H> {
    lines: HashMap<PeerId, Vec<PeerConnection<H>>>,
    guests: usize,
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
}

impl<H: Clone> Registry<H> {
    /// Nobody is connected.
    pub fn new(max_guests: usize, max_sessions: usize, now: Instant) -> Self {
        Self {
            lines: HashMap::new(),
            guests: 0,
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
        }
    }

    /// Somebody is connected. Returns the number to disconnect by and the connection that is replaced.
    ///
    /// # Errors
    /// [`RelayRefusal::Full`] for a guest too many.
    pub fn connect(&mut self, peer: PeerId, handle: H) -> Result<(ConnectionNo, Option<H>), RelayRefusal> {
        let is_new = !self.lines.contains_key(&peer);
        if is_new && matches!(peer, PeerId::Guest(_)) {
            if self.guests >= self.max_guests {
                return Err(RelayRefusal::Full { what: "guests".into() });
            }
            self.guests += 1;
        }
        self.next += 1;
        let number = ConnectionNo(self.next);
        // Most peers have one line: no room for more is taken.
        let lines = self.lines.entry(peer).or_insert_with(|| Vec::with_capacity(1));
        let replaced = if lines.len() >= connections_of(&peer) { Some(lines.remove(0).handle) } else { None };
        lines.push(PeerConnection { number, handle });
        self.routing.back(&peer);
        Ok((number, replaced))
    }

    /// A connection is gone. Returns `true` if it was its peer's last.
    pub fn disconnect(&mut self, peer: &PeerId, number: ConnectionNo, now: Instant) -> bool {
        let Some(lines) = self.lines.get_mut(peer) else { return false };
        lines.retain(|line| line.number != number);
        if !lines.is_empty() {
            return false;
        }
        self.lines.remove(peer);
        if matches!(peer, PeerId::Guest(_)) {
            self.guests = self.guests.saturating_sub(1);
        }
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
        let devices = self.lines.len() - people - self.guests;
        [("device", devices), ("guest", self.guests), ("person", people)]
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
    /// [`RelayRefusal::TooMany`]: the peer asked too often; it says in how many seconds the next request is
    /// allowed.
    pub fn count_wish(&mut self, peer: PeerId, now: Instant) -> Result<(), RelayRefusal> {
        self.wishes_by.take(peer, now).map_err(|seconds| RelayRefusal::TooMany { seconds })
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

    const ADA: TechnicianId = TechnicianId::from_bytes([2; 16]);
    const EVE: TechnicianId = TechnicianId::from_bytes([3; 16]);

    fn device(n: u8) -> PeerId {
        PeerId::Device(DeviceId::from_bytes([n; 16]))
    }

    #[test]
    fn a_devices_second_connection_replaces_its_first() {
        let now = Instant::now();
        let mut registry = Registry::new(1, 10, now);
        let (first, none) = registry.connect(device(1), "first").unwrap();
        assert_eq!(none, None);
        let (second, replaced) = registry.connect(device(1), "second").unwrap();
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
            assert_eq!(registry.connect(ada, n).unwrap().1, None);
        }
        assert_eq!(registry.connect(ada, 99).unwrap().1, Some(0));
        assert_eq!(registry.lines(&ada).len(), PER_PERSON);

        let guest = |n| PeerId::Guest(PublicKey::from_bytes([n; 32]));
        let (number, _) = registry.connect(guest(1), 0).unwrap();
        registry.connect(guest(1), 1).unwrap();
        assert!(matches!(registry.connect(guest(2), 2), Err(RelayRefusal::Full { .. })));
        assert_eq!(registry.online(), [("device", 0), ("guest", 1), ("person", 1)]);
        registry.disconnect(&guest(1), number, now);
        assert!(registry.is_online(&guest(1)));
    }

    #[test]
    fn lookups_are_counted_per_technician_per_device_and_for_all() {
        let start = Instant::now();
        let mut registry: Registry<()> = Registry::new(1, 10, start);
        let here = registry.routing.allot(device(1), None, start, &mut OsRng).unwrap();
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
