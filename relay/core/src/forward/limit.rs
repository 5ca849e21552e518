//! Rate limits in constant memory: a token bucket, and the limit on hints to addresses that nobody vouches for.
//!
//! Pure: `now` is an argument.

use core::hash::BuildHasher;
use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::net::SocketAddr;
use std::time::Instant;

/// A bucket holds this part of a second's rate: a video key frame or a TCP-like burst passes whole.
const BURST: Duration = Duration::from_millis(250);

/// Tokens that refill at a rate up to a burst.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    per_s: u64,
    capacity: u64,
    level: u64,
    filled_at: Instant,
}

impl TokenBucket {
    /// Full. `least` is the smallest capacity that makes sense, such as one whole receive batch.
    pub(crate) fn new(per_s: u64, least: u64, now: Instant) -> Self {
        let capacity = share(per_s, BURST).max(least);
        Self { per_s, capacity, level: capacity, filled_at: now }
    }

    /// Whether `amount` is there; nothing is taken.
    pub(crate) fn has(&mut self, now: Instant, amount: u64) -> bool {
        let new = share(self.per_s, now.saturating_duration_since(self.filled_at));
        // Time that is too short for one token isn't lost.
        if new > 0 {
            self.level = self.capacity.min(self.level.saturating_add(new));
            self.filled_at = now;
        }
        self.level >= amount
    }

    /// Takes what [`TokenBucket::has`] found.
    pub(crate) fn take(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(amount);
    }
}

/// What `per_s` makes in `time`.
fn share(per_s: u64, time: Duration) -> u64 {
    let nanos = u128::from(per_s).saturating_mul(time.as_nanos());
    u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX)
}

/// Slots for the times of the last hints: addresses share them by hash, so memory doesn't grow with sources.
const SLOTS: usize = 1024;

/// Between two hints to addresses of one slot. A client heeds one a second.
const HINT_GAP: Duration = Duration::from_millis(250);

/// Decides whether a stranger gets a hint.
#[derive(Debug)]
pub(crate) struct HintLimiter {
    all: TokenBucket,
    slots: Box<[Option<Instant>]>,
    hasher: RandomState,
}

impl HintLimiter {
    pub(crate) fn new(per_s: u32, now: Instant) -> Self {
        let all = TokenBucket::new(per_s.into(), 1, now);
        Self { all, slots: vec![None; SLOTS].into_boxed_slice(), hasher: RandomState::new() }
    }

    pub(crate) fn allow(&mut self, now: Instant, to: SocketAddr) -> bool {
        let hash = usize::try_from(self.hasher.hash_one(to) % SLOTS as u64).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(hash) else { return false };
        let recent = slot.is_some_and(|at| now.saturating_duration_since(at) < HINT_GAP);
        if recent || !self.all.has(now, 1) {
            return false;
        }
        self.all.take(1);
        *slot = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_its_rate_through_whatever_the_steps() {
        for step_us in [1_u64, 7, 1000, 90_000] {
            let mut now = Instant::now();
            let mut bucket = TokenBucket::new(1000, 1, now);
            bucket.take(250);
            let mut passed = 0;
            for _ in 0..2_000_000 / step_us {
                now += Duration::from_micros(step_us);
                while bucket.has(now, 1) {
                    bucket.take(1);
                    passed += 1;
                }
            }
            assert!((1980..=2000).contains(&passed), "{passed} of 2000 in steps of {step_us} µs");
        }
    }

    #[test]
    fn hints_are_limited_per_source_and_in_all() {
        let now = Instant::now();
        let mut hints = HintLimiter::new(40, now);
        let source = |port| SocketAddr::from(([192, 0, 2, 1], port));
        assert!(hints.allow(now, source(1)));
        assert!(!hints.allow(now, source(1)));
        let many = (2..1000).filter(|port| hints.allow(now, source(*port))).count();
        assert_eq!(many, 9);
        assert!(hints.allow(now + HINT_GAP, source(1)));
    }
}
