//! The registry against a model: peers that come, go, lose their connection and ask for routing digits, in
//! random order and virtual time. Digits lead to the one who holds them or to nobody, never to another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nearhand_proto::id::{DeviceId, TechnicianId};
use nearhand_proto::identity::PublicKey;
use nearhand_proto::support_code::RoutingDigits;
use proptest::prelude::*;
use rand_core::RngCore;

use super::routing::GRACE;
use super::tests::{here, start};
use super::{ConnectionNo, NewConnection, PER_PERSON, Registry};
use crate::caller::PeerId;

/// Guests that fit: fewer than there are.
const MAX_GUESTS: usize = 2;

/// Something that happens. Peers are named by small numbers, so that they meet.
#[derive(Clone, Copy, Debug)]
enum RegistryStep {
    Connect(u8),
    /// One of the connections that a peer had so far ends, perhaps one that was replaced.
    Disconnect(u8, usize),
    Allot {
        peer: u8,
        wanted: Option<u16>,
        random: u32,
    },
    Free(u8),
    Pass(u64),
    Sweep,
}

fn steps() -> impl Strategy<Value = RegistryStep> {
    let peer = || 0_u8..9;
    // Few digits, so that they are fought over.
    let wanted = prop::option::of(0_u16..4);
    prop_oneof![
        4 => peer().prop_map(RegistryStep::Connect),
        3 => (peer(), 0_usize..12).prop_map(|(peer, which)| RegistryStep::Disconnect(peer, which)),
        4 => (peer(), wanted, 0_u32..4).prop_map(|(peer, wanted, random)| RegistryStep::Allot { peer, wanted, random }),
        1 => peer().prop_map(RegistryStep::Free),
        3 => (0_u64..50).prop_map(RegistryStep::Pass),
        1 => Just(RegistryStep::Sweep),
    ]
}

fn peer(number: u8) -> PeerId {
    match number % 3 {
        0 => PeerId::Device(DeviceId::from_bytes([number; 16])),
        1 => PeerId::Guest(PublicKey::from_bytes([number; 32])),
        _ => PeerId::Person(TechnicianId::from_bytes([number; 16])),
    }
}

/// A generator that always says the same: the worst luck.
struct ConstantRng(u32);

impl RngCore for ConstantRng {
    fn next_u32(&mut self) -> u32 {
        self.0
    }

    fn next_u64(&mut self) -> u64 {
        self.0.into()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// Digits as the rules see them.
#[derive(Clone, Copy)]
struct ModelConnection {
    routing: RoutingDigits,
    /// Since when the holder has been away.
    away: Option<Instant>,
}

struct RegistryAndModel {
    registry: Registry<usize>,
    now: Instant,
    connections: usize,
    /// All connections ever of each peer.
    ever: BTreeMap<u8, Vec<(ConnectionNo, usize)>>,
    /// Those that stand, the oldest first.
    lines: BTreeMap<u8, Vec<(ConnectionNo, usize)>>,
    held: BTreeMap<u8, ModelConnection>,
}

impl RegistryAndModel {
    fn take(&mut self, step: RegistryStep) -> Result<(), TestCaseError> {
        match step {
            RegistryStep::Connect(number) => self.connect(number)?,
            RegistryStep::Disconnect(number, which) => {
                let ever = self.ever.get(&number).map(Vec::as_slice).unwrap_or_default();
                let Some((connection, _)) = ever.get(which % ever.len().max(1)).copied() else {
                    return Ok(());
                };
                let lines = self.lines.entry(number).or_default();
                let stood = !lines.is_empty();
                lines.retain(|(line, _)| *line != connection);
                let gone = lines.is_empty() && stood;
                prop_assert_eq!(self.registry.disconnect(&peer(number), connection, self.now), gone);
                if gone && let Some(held) = self.held.get_mut(&number) {
                    held.away = Some(self.now);
                }
            }
            RegistryStep::Allot { peer, wanted, random } => {
                self.allot(peer, wanted.and_then(RoutingDigits::new), random)?;
            }
            RegistryStep::Free(number) => {
                self.registry.routing.free(&peer(number));
                self.held.remove(&number);
            }
            RegistryStep::Pass(seconds) => self.now += Duration::from_secs(seconds),
            RegistryStep::Sweep => self.registry.sweep(self.now),
        }
        Ok(())
    }

    fn connect(&mut self, number: u8) -> Result<(), TestCaseError> {
        self.connections += 1;
        let handle = self.connections;
        let guests = self.lines.iter().filter(|(n, lines)| **n % 3 == 1 && !lines.is_empty()).count();
        let lines = self.lines.entry(number).or_default();
        let is_full = number % 3 == 1 && lines.is_empty() && guests >= MAX_GUESTS;
        // Who wants nothing gives way, the one who came first of all.
        let idle = self.lines.iter().filter(|(n, _)| **n % 3 == 1 && !self.held.contains_key(*n));
        let first = idle.filter_map(|(n, lines)| Some((lines.first()?.0, *n))).min().map(|(_, n)| n);
        let connected = self.registry.connect(peer(number), here(), handle);
        prop_assert_eq!(connected.is_err(), is_full && first.is_none(), "guests beyond the limit");
        let Ok(NewConnection { number: connection, replaced, evicted }) = connected else { return Ok(()) };
        let gone = first.filter(|_| is_full).and_then(|n| self.lines.remove(&n)?.pop());
        prop_assert_eq!(evicted, gone.map(|(_, handle)| handle), "who gives way");
        let lines = self.lines.entry(number).or_default();
        let limit = if number % 3 == 2 { PER_PERSON } else { 1 };
        let oldest = (lines.len() >= limit).then(|| lines.remove(0).1);
        prop_assert_eq!(replaced, oldest, "the oldest gives way, and only where there is no room");
        lines.push((connection, handle));
        self.ever.entry(number).or_default().push((connection, handle));
        // Back in time, or late while nobody has swept: either way they are still nobody else's.
        let now = self.now;
        match self.held.get_mut(&number) {
            Some(held) if self.registry.routing.holder(held.routing, now) == Some(peer(number)) => {
                held.away = None;
            }
            Some(held) if held.away.is_some_and(|away| now < away + GRACE) => {
                return Err(TestCaseError::fail("digits were lost within the time that they are kept"));
            }
            _ => {
                self.held.remove(&number);
            }
        }
        Ok(())
    }

    fn allot(&mut self, number: u8, wanted: Option<RoutingDigits>, random: u32) -> Result<(), TestCaseError> {
        if self.lines.get(&number).is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let Ok(routing) =
            self.registry.routing.allot(peer(number), here(), wanted, self.now, &mut ConstantRng(random))
        else {
            return Err(TestCaseError::fail("of ten thousand digits none was free"));
        };
        if let Some(held) = self.held.get(&number) {
            prop_assert_eq!(routing, held.routing, "other digits than the shown code has");
        }
        let (now, away) = (self.now, |held: &ModelConnection| held.away);
        let taken = self.held.iter().any(|(other, held)| {
            *other != number && held.routing == routing && away(held).is_none_or(|at| now < at + GRACE)
        });
        prop_assert!(!taken, "{} are another's", routing);
        self.held.insert(number, ModelConnection { routing, away: None });
        Ok(())
    }

    fn agree(&self) -> Result<(), TestCaseError> {
        for number in 0..9 {
            let lines: Vec<usize> = self.lines.get(&number).into_iter().flatten().map(|(_, h)| *h).collect();
            prop_assert_eq!(self.registry.line(&peer(number)), lines.last().copied());
            prop_assert_eq!(self.registry.is_online(&peer(number)), !lines.is_empty());
            prop_assert_eq!(self.registry.lines(&peer(number)), lines);
        }
        for (number, held) in &self.held {
            let kept = held.away.is_none_or(|away| self.now < away + GRACE);
            let leads_to = self.registry.routing.holder(held.routing, self.now);
            prop_assert!(!kept || leads_to == Some(peer(*number)), "{} lead elsewhere", held.routing);
        }
        for routing in (0..4).filter_map(RoutingDigits::new) {
            if let Some(holder) = self.registry.routing.holder(routing, self.now) {
                let owner = self.held.iter().find(|(n, held)| peer(**n) == holder && held.routing == routing);
                prop_assert!(owner.is_some(), "{} lead to one who doesn't hold them", routing);
            }
        }
        let guests = self.lines.iter().filter(|(n, lines)| **n % 3 == 1 && !lines.is_empty()).count();
        prop_assert_eq!(self.registry.online()[1], ("guest", guests));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn digits_lead_to_their_holder_and_lines_to_the_newest(steps in prop::collection::vec(steps(), 0..100)) {
        let now = start();
        let mut both = RegistryAndModel {
            registry: Registry::new(MAX_GUESTS, 10, now),
            now,
            connections: 0,
            ever: BTreeMap::new(),
            lines: BTreeMap::new(),
            held: BTreeMap::new(),
        };
        for step in steps {
            both.take(step)?;
            both.agree()?;
        }
    }
}
