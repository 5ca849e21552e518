//! Attempt limits: token buckets, per key and for all.
//!
//! Time is an argument. Must not live here: what is limited, and what the refusal is.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// The rate of a token bucket: a burst at once, then one attempt in each interval.
#[derive(Clone, Copy, Debug)]
pub struct BucketRate {
    /// Attempts in store at most.
    pub burst: u32,
    /// Milliseconds until one more is in store.
    pub every_ms: u32,
}

/// The attempts left to somebody.
#[derive(Clone, Copy, Debug)]
pub struct RateBucket {
    left: u32,
    counted: Instant,
}

impl RateBucket {
    /// All attempts in store.
    pub fn full(pace: BucketRate, now: Instant) -> Self {
        Self { left: pace.burst, counted: now }
    }

    /// Takes one attempt.
    ///
    /// # Errors
    /// Whole seconds (at least 1) until one is in store again.
    pub fn take(&mut self, pace: BucketRate, now: Instant) -> Result<(), u32> {
        self.take_many(pace, 1, now)
    }

    /// Takes several at once, or none.
    ///
    /// # Errors
    /// Whole seconds (at least 1) until `count` attempts are in store again.
    pub fn take_many(&mut self, pace: BucketRate, count: u32, now: Instant) -> Result<(), u32> {
        self.refill(pace, now);
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(count.saturating_sub(self.left).saturating_mul(pace.every_ms).div_ceil(1000).max(1)),
        }
    }

    fn refill(&mut self, pace: BucketRate, now: Instant) {
        let every = u128::from(pace.every_ms.max(1));
        let gained = now.saturating_duration_since(self.counted).as_millis() / every;
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(gained).min(pace.burst);
        self.counted += Duration::from_millis(u64::from(pace.every_ms)).saturating_mul(gained);
        if self.left == pace.burst {
            self.counted = now;
        }
    }
}

/// Limits by key. Holds entries only for those who have attempted lately.
#[derive(Debug)]
pub struct KeyedLimiter<K> {
    pace: BucketRate,
    buckets: HashMap<K, RateBucket>,
    room: usize,
}

impl<K: Hash + Eq> KeyedLimiter<K> {
    /// For at most `room` keys at once; when there are more, only new ones are refused.
    pub fn new(pace: BucketRate, room: usize) -> Self {
        Self { pace, buckets: HashMap::new(), room }
    }

    /// Takes one of `key`'s attempts.
    ///
    /// # Errors
    /// Whole seconds until it is worth trying again.
    pub fn take(&mut self, key: K, now: Instant) -> Result<(), u32> {
        self.take_many(key, 1, now)
    }

    /// Takes several of `key`'s attempts at once, or none.
    ///
    /// # Errors
    /// Whole seconds until it is worth trying again.
    pub fn take_many(&mut self, key: K, count: u32, now: Instant) -> Result<(), u32> {
        if self.buckets.len() >= self.room && !self.buckets.contains_key(&key) {
            self.sweep(now);
            if self.buckets.len() >= self.room {
                return Err(self.pace.every_ms.div_ceil(1000).max(1));
            }
        }
        let pace = self.pace;
        self.buckets.entry(key).or_insert_with(|| RateBucket::full(pace, now)).take_many(pace, count, now)
    }

    /// Forgets those who have all their attempts again.
    pub fn sweep(&mut self, now: Instant) {
        let pace = self.pace;
        self.buckets.retain(|_, bucket| {
            bucket.refill(pace, now);
            bucket.left < pace.burst
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: BucketRate = BucketRate { burst: 3, every_ms: 2000 };

    #[test]
    fn a_burst_then_one_every_so_often() {
        let start = Instant::now();
        let mut bucket = RateBucket::full(PACE, start);
        for _ in 0..3 {
            bucket.take(PACE, start).unwrap();
        }
        assert_eq!(bucket.take(PACE, start), Err(2));
        bucket.take(PACE, start + Duration::from_millis(2000)).unwrap();
        assert_eq!(bucket.take(PACE, start + Duration::from_millis(3999)), Err(2));
        bucket.take(PACE, start + Duration::from_millis(4000)).unwrap();
        // A long rest gives no more than the burst.
        for _ in 0..3 {
            bucket.take(PACE, start + Duration::from_secs(900)).unwrap();
        }
        assert!(bucket.take(PACE, start + Duration::from_secs(900)).is_err());
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let start = Instant::now();
        let mut bucket = RateBucket::full(PACE, start);
        bucket.take_many(PACE, 2, start).unwrap();
        assert_eq!(bucket.take_many(PACE, 3, start), Err(4), "two are missing");
        bucket.take_many(PACE, 1, start).unwrap();
    }

    #[test]
    fn keys_do_not_disturb_each_other_and_do_not_pile_up() {
        let start = Instant::now();
        let mut limiter = KeyedLimiter::new(PACE, 2);
        for _ in 0..3 {
            limiter.take(1, start).unwrap();
        }
        assert!(limiter.take(1, start).is_err());
        limiter.take(2, start).unwrap();
        assert!(limiter.take(3, start).is_err(), "no room");
        limiter.take(3, start + Duration::from_secs(60)).unwrap();
        assert_eq!(limiter.buckets.len(), 1);
    }
}
