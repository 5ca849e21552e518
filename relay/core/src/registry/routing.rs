//! The book of routing digits: which device shows a support code that begins with them.
//!
//! Digits are drawn at random among the free ones, so that they say nothing. A device that loses the connection
//! gets the same digits back within [`GRACE`]; no other device does. Only these four digits are ever known here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nearhand_proto::support_code::{ROUTINGS, RoutingDigits};
use rand_core::RngCore;

use crate::caller::PeerId;

/// How long digits are kept for a holder who lost the connection: as long as a session may be resumed.
pub const GRACE: Duration = Duration::from_secs(60);
/// Random draws before the rest is searched in order.
const DRAWS: u32 = 16;

#[derive(Debug)]
struct AllocatedDigits {
    holder: PeerId,
    /// Set while the holder is away.
    free_at: Option<Instant>,
}

/// Who holds which digits.
#[derive(Debug, Default)]
pub struct RoutingTable {
    by_digits: HashMap<RoutingDigits, AllocatedDigits>,
    by_holder: HashMap<PeerId, RoutingDigits>,
}

impl RoutingTable {
    /// Allots digits to `holder`: those it holds, else the wanted ones if they are free, else any.
    /// `None` when all are taken.
    pub fn allot(
        &mut self,
        holder: PeerId,
        wanted: Option<RoutingDigits>,
        now: Instant,
        rng: &mut impl RngCore,
    ) -> Option<RoutingDigits> {
        self.sweep(now);
        if let Some(routing) = self.by_holder.get(&holder).copied() {
            if let Some(allotted) = self.by_digits.get_mut(&routing) {
                allotted.free_at = None;
            }
            return Some(routing);
        }
        let routing = wanted.filter(|w| !self.by_digits.contains_key(w)).or_else(|| self.draw(rng))?;
        self.by_digits.insert(routing, AllocatedDigits { holder, free_at: None });
        self.by_holder.insert(holder, routing);
        Some(routing)
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
        if let Some(routing) = self.by_holder.remove(holder) {
            self.by_digits.remove(&routing);
        }
    }

    /// The holder lost its connection.
    pub fn away(&mut self, holder: &PeerId, now: Instant) {
        if let Some(allotted) = self.by_holder.get(holder).and_then(|r| self.by_digits.get_mut(r)) {
            allotted.free_at = Some(now + GRACE);
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
        let by_holder = &mut self.by_holder;
        self.by_digits.retain(|_, allotted| {
            let keep = allotted.free_at.is_none_or(|at| now < at);
            if !keep {
                by_holder.remove(&allotted.holder);
            }
            keep
        });
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

    fn peer(n: u16) -> PeerId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_le_bytes());
        PeerId::Device(DeviceId::from_bytes(id))
    }

    #[test]
    fn digits_survive_a_reconnect_and_go_to_nobody_else() {
        let (mut book, start) = (RoutingTable::default(), Instant::now());
        let mine = book.allot(peer(1), None, start, &mut OsRng).unwrap();
        assert_eq!(book.allot(peer(1), None, start, &mut OsRng), Some(mine), "the same again");
        book.away(&peer(1), start);
        let soon = start + GRACE / 2;
        assert_ne!(book.allot(peer(2), Some(mine), soon, &mut OsRng), Some(mine));
        assert_eq!(book.holder(mine, soon), Some(peer(1)));
        book.back(&peer(1));
        assert_eq!(book.holder(mine, start + GRACE * 2), Some(peer(1)), "came back in time");
        book.away(&peer(1), start);
        assert_eq!(book.holder(mine, start + GRACE), None);
        assert_eq!(book.allot(peer(3), Some(mine), start + GRACE, &mut OsRng), Some(mine));
        assert_ne!(book.allot(peer(1), Some(mine), start + GRACE, &mut OsRng), Some(mine));
        book.free(&peer(3));
        assert_eq!(book.holder(mine, start + GRACE), None);
    }

    #[test]
    fn all_ten_thousand_can_be_taken_and_no_more() {
        let (mut book, now) = (RoutingTable::default(), Instant::now());
        for n in 0..ROUTINGS {
            assert!(book.allot(peer(n), None, now, &mut OsRng).is_some());
        }
        assert_eq!(book.len(), 10_000);
        assert_eq!(book.allot(peer(20_000), None, now, &mut OsRng), None);
        book.free(&peer(77));
        assert!(book.allot(peer(20_000), None, now, &mut OsRng).is_some());
    }
}
