//! The book of routing digits: which device shows a support code that begins with them.
//!
//! Digits are drawn at random among the free ones, so that they say nothing. A device that loses the connection
//! gets the same digits back within [`GRACE`]; no other device does. Guests are strangers: together they hold at most half of
//! the digits, those of one network at most its share, and when these are used up, digits whose guest is gone are given out
//! at once. Only these four digits are ever known here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nearhand_proto::support_code::{ROUTINGS, RoutingDigits};
use rand_core::RngCore;

use crate::caller::PeerId;
use crate::network::{NetworkLimits, NetworkUse, SourceNetwork};

/// How long digits are kept for a holder who lost the connection: as long as a session may be resumed.
pub const GRACE: Duration = Duration::from_secs(60);
/// Digits that guests may hold together, so that they never take those of enrolled devices.
const GUESTS: usize = ROUTINGS as usize / 2;
/// Digits that guests of one network may hold, the ones kept for those who are gone included.
const GUESTS_OF_ONE: NetworkLimits = NetworkLimits { source: 64, surrounding: 256 };
/// Random draws before the rest is searched in order.
const DRAWS: u32 = 16;

#[derive(Debug)]
struct AllocatedDigits {
    holder: PeerId,
    /// The network it is counted for, if a guest has it.
    guest_of: Option<SourceNetwork>,
    /// Set while the holder is away.
    free_at: Option<Instant>,
}

/// Why there are no digits for somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoDigits {
    /// All are taken, or all that guests may have.
    All,
    /// The guest's network has its share.
    Network,
}

/// Who holds which digits.
#[derive(Debug, Default)]
pub struct RoutingTable {
    guests: usize,
    guests_of: NetworkUse,
    /// No digits become free by time before this; `None`: none do.
    next_free: Option<Instant>,
    by_digits: HashMap<RoutingDigits, AllocatedDigits>,
    by_holder: HashMap<PeerId, RoutingDigits>,
}

impl RoutingTable {
    /// Allots digits to `holder`, who is connected from `network`: those it holds, else the wanted ones if they are free,
    /// else any.
    ///
    /// # Errors
    /// [`NoDigits`]: which share is used up.
    pub fn allot(
        &mut self,
        holder: PeerId,
        network: SourceNetwork,
        wanted: Option<RoutingDigits>,
        now: Instant,
        rng: &mut impl RngCore,
    ) -> Result<RoutingDigits, NoDigits> {
        self.sweep(now);
        if let Some(routing) = self.by_holder.get(&holder).copied() {
            if let Some(allotted) = self.by_digits.get_mut(&routing) {
                allotted.free_at = None;
            }
            return Ok(routing);
        }
        let guest_of = matches!(holder, PeerId::Guest(_)).then_some(network);
        if guest_of.is_some() {
            self.make_room_for_guest(network)?;
        }
        let free = |table: &Self, rng: &mut _| {
            wanted.filter(|w| !table.by_digits.contains_key(w)).or_else(|| table.draw(rng))
        };
        let routing = match free(self, rng) {
            Some(routing) => routing,
            None => self.reclaim(|_| true).ok_or(NoDigits::All)?,
        };
        self.by_digits.insert(routing, AllocatedDigits { holder, guest_of, free_at: None });
        self.by_holder.insert(holder, routing);
        if let Some(network) = guest_of {
            self.guests += 1;
            self.guests_of.add(network, 1);
        }
        Ok(routing)
    }

    /// Sees to it that one more guest of `network` may have digits.
    fn make_room_for_guest(&mut self, network: SourceNetwork) -> Result<(), NoDigits> {
        if !self.guests_of.has_room(network, 1, GUESTS_OF_ONE) {
            // Its own first; then those of its neighbours, if they have used up what both may have.
            let surrounding = network.surrounding();
            let own = self.reclaim(|of| of == network);
            if own.is_none() || !self.guests_of.has_room(network, 1, GUESTS_OF_ONE) {
                self.reclaim(|of| of.surrounding() == surrounding);
            }
            if !self.guests_of.has_room(network, 1, GUESTS_OF_ONE) {
                return Err(NoDigits::Network);
            }
        }
        if self.guests >= GUESTS && self.reclaim(|_| true).is_none() {
            return Err(NoDigits::All);
        }
        Ok(())
    }

    /// Frees the digits of the guest who has been gone longest, among those of some networks.
    fn reclaim(&mut self, of: impl Fn(SourceNetwork) -> bool) -> Option<RoutingDigits> {
        let gone = self.by_digits.iter().filter(|(_, allotted)| allotted.guest_of.is_some_and(&of));
        let (routing, _) =
            gone.filter_map(|(routing, a)| Some((*routing, a.free_at?))).min_by_key(|(_, at)| *at)?;
        self.release(routing);
        Some(routing)
    }

    fn release(&mut self, routing: RoutingDigits) {
        let Some(allotted) = self.by_digits.remove(&routing) else { return };
        self.by_holder.remove(&allotted.holder);
        if let Some(network) = allotted.guest_of {
            self.guests = self.guests.saturating_sub(1);
            self.guests_of.remove(network, 1);
        }
    }

    /// Whether somebody holds digits.
    pub fn holds(&self, holder: &PeerId) -> bool {
        self.by_holder.contains_key(holder)
    }

    fn draw(&self, rng: &mut impl RngCore) -> Option<RoutingDigits> {
        let mut random = || u16::try_from(rng.next_u32() % u32::from(ROUTINGS)).unwrap_or_default();
        let free = |r: &RoutingDigits| !self.by_digits.contains_key(r);
        for _ in 0..DRAWS {
            if let Some(routing) = RoutingDigits::new(random()).filter(free) {
                return Some(routing);
            }
        }
        let start = random();
        (0..ROUTINGS).filter_map(|i| RoutingDigits::new((start + i) % ROUTINGS)).find(free)
    }

    /// The holder gives its digits up.
    pub fn free(&mut self, holder: &PeerId) {
        if let Some(routing) = self.by_holder.get(holder).copied() {
            self.release(routing);
        }
    }

    /// The holder lost its connection.
    pub fn away(&mut self, holder: &PeerId, now: Instant) {
        if let Some(allotted) = self.by_holder.get(holder).and_then(|r| self.by_digits.get_mut(r)) {
            let at = now + GRACE;
            allotted.free_at = Some(at);
            self.next_free = Some(self.next_free.map_or(at, |next| next.min(at)));
        }
    }

    /// The holder is connected again.
    pub fn back(&mut self, holder: &PeerId) {
        if let Some(allotted) = self.by_holder.get(holder).and_then(|r| self.by_digits.get_mut(r)) {
            allotted.free_at = None;
        }
    }

    /// Who shows a code with these digits.
    pub fn holder(&self, routing: RoutingDigits, now: Instant) -> Option<PeerId> {
        let allotted = self.by_digits.get(&routing)?;
        allotted.free_at.is_none_or(|at| now < at).then_some(allotted.holder)
    }

    /// Frees what was kept long enough.
    pub fn sweep(&mut self, now: Instant) {
        if self.next_free.is_none_or(|next| now < next) {
            return;
        }
        let over = |allotted: &AllocatedDigits| allotted.free_at.is_some_and(|at| now >= at);
        let gone: Vec<RoutingDigits> =
            self.by_digits.iter().filter(|(_, a)| over(a)).map(|(routing, _)| *routing).collect();
        for routing in gone {
            self.release(routing);
        }
        self.next_free = self.by_digits.values().filter_map(|allotted| allotted.free_at).min();
    }

    /// How many digits are taken.
    pub fn len(&self) -> usize {
        self.by_digits.len()
    }

    /// Whether none is taken.
    pub fn is_empty(&self) -> bool {
        self.by_digits.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearhand_proto::id::DeviceId;
    use rand_core::OsRng;

    fn here() -> SourceNetwork {
        network(1)
    }

    /// Networks that have nothing to do with each other.
    fn network(n: u16) -> SourceNetwork {
        let [high, low] = n.to_be_bytes();
        std::net::IpAddr::from([100, high, low, 1]).into()
    }

    fn guest(n: u16) -> PeerId {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_le_bytes());
        PeerId::Guest(nearhand_proto::identity::PublicKey::from_bytes(key))
    }

    fn peer(n: u16) -> PeerId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_le_bytes());
        PeerId::Device(DeviceId::from_bytes(id))
    }

    #[test]
    fn digits_survive_a_reconnect_and_go_to_nobody_else() {
        let (mut book, start) = (RoutingTable::default(), Instant::now());
        let mine = book.allot(peer(1), here(), None, start, &mut OsRng).unwrap();
        assert_eq!(book.allot(peer(1), here(), None, start, &mut OsRng), Ok(mine), "the same again");
        book.away(&peer(1), start);
        let soon = start + GRACE / 2;
        assert_ne!(book.allot(peer(2), here(), Some(mine), soon, &mut OsRng), Ok(mine));
        assert_eq!(book.holder(mine, soon), Some(peer(1)));
        book.back(&peer(1));
        assert_eq!(book.holder(mine, start + GRACE * 2), Some(peer(1)), "came back in time");
        book.away(&peer(1), start);
        assert_eq!(book.holder(mine, start + GRACE), None);
        assert_eq!(book.allot(peer(3), here(), Some(mine), start + GRACE, &mut OsRng), Ok(mine));
        assert_ne!(book.allot(peer(1), here(), Some(mine), start + GRACE, &mut OsRng), Ok(mine));
        book.free(&peer(3));
        assert_eq!(book.holder(mine, start + GRACE), None);
    }

    #[test]
    fn all_ten_thousand_can_be_taken_and_no_more() {
        let (mut book, now) = (RoutingTable::default(), Instant::now());
        for n in 0..ROUTINGS {
            assert!(book.allot(peer(n), here(), None, now, &mut OsRng).is_ok());
        }
        assert_eq!(book.len(), 10_000);
        assert_eq!(book.allot(peer(20_000), here(), None, now, &mut OsRng), Err(NoDigits::All));
        book.free(&peer(77));
        assert!(book.allot(peer(20_000), here(), None, now, &mut OsRng).is_ok());
    }

    #[test]
    fn guests_use_up_their_own_share_and_never_that_of_devices() {
        let (mut book, now) = (RoutingTable::default(), Instant::now());
        let mine = book.allot(guest(0), network(0), None, now, &mut OsRng).unwrap();
        // One network: connects, takes digits, is gone, with another key each time.
        for n in 1..2_000 {
            book.allot(guest(n), network(1), None, now, &mut OsRng).unwrap();
            book.away(&guest(n), now);
        }
        assert_eq!(book.len(), 65, "its share, and another's");
        // Or stays.
        for n in 2_000..2_064 {
            book.allot(guest(n), network(1), None, now, &mut OsRng).unwrap();
        }
        assert_eq!(book.allot(guest(2_064), network(1), None, now, &mut OsRng), Err(NoDigits::Network));
        // Many networks.
        let taken = (0..12_000)
            .filter(|n| book.allot(guest(3_000 + n), network(2 + n / 64), None, now, &mut OsRng).is_ok())
            .count();
        assert_eq!((taken, book.len()), (GUESTS - 65, GUESTS));
        assert_eq!(book.allot(guest(20_000), network(9_999), None, now, &mut OsRng), Err(NoDigits::All));
        for n in 0..5_000 {
            book.allot(peer(n), network(1), None, now, &mut OsRng).unwrap();
        }
        assert_eq!(book.allot(peer(5_000), network(1), None, now, &mut OsRng), Err(NoDigits::All));
        // One who is gone gives way at once, the one gone longest first.
        book.away(&guest(2_001), now + GRACE / 2);
        book.away(&guest(2_000), now);
        assert!(book.allot(guest(20_000), network(9_999), None, now + GRACE / 2, &mut OsRng).is_ok());
        assert!(!book.holds(&guest(2_000)) && book.holds(&guest(2_001)));
        assert_eq!(book.holder(mine, now), Some(guest(0)));
    }

    #[test]
    fn a_slash_24_of_guests_has_a_share_too() {
        let (mut book, now) = (RoutingTable::default(), Instant::now());
        let of = |n: u16| std::net::IpAddr::from([192, 0, 2, u8::try_from(n % 250).unwrap()]).into();
        let taken =
            (0..1_000).filter(|n| book.allot(guest(*n), of(*n), None, now, &mut OsRng).is_ok()).count();
        assert_eq!(taken, 256);
        book.away(&guest(3), now);
        assert!(book.allot(guest(1_000), of(200), None, now, &mut OsRng).is_ok(), "a neighbour who is gone");
    }
}
