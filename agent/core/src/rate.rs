//! How often something may happen.

use std::time::{Duration, Instant};

/// What a peer may do: `burst` times at once, and once more after each `every`.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    burst: u32,
    every: Duration,
    /// When the whole burst may be used again.
    full: Option<Instant>,
}

impl RateLimit {
    /// Nothing is used up.
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full: None }
    }

    /// Uses it once, if it may be.
    pub fn take(&mut self, now: Instant) -> bool {
        self.wait_for(now, 1) == Duration::ZERO && {
            self.charge(now, 1);
            true
        }
    }

    /// How long to wait until `times` more may happen. What can never happen at once is waited for as for a whole burst.
    pub fn wait_for(&self, now: Instant, times: u32) -> Duration {
        let used_up = self.full.map_or(Duration::ZERO, |full| full.saturating_duration_since(now));
        let room = self.every.saturating_mul(self.burst);
        (used_up + self.every.saturating_mul(times.min(self.burst))).saturating_sub(room)
    }

    /// It has happened `times` times.
    pub fn charge(&mut self, now: Instant, times: u32) {
        let from = self.full.map_or(now, |full| full.max(now));
        self.full = Some(from + self.every.saturating_mul(times));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_one_at_a_time() {
        let (mut limit, start) = (RateLimit::new(3, Duration::from_secs(2)), Instant::now());
        let taken = |limit: &mut RateLimit, at: Instant| (0..10).filter(|_| limit.take(at)).count();
        assert_eq!(taken(&mut limit, start), 3);
        assert_eq!(limit.wait_for(start, 1), Duration::from_secs(2));
        assert_eq!(taken(&mut limit, start + Duration::from_secs(1)), 0);
        assert_eq!(taken(&mut limit, start + Duration::from_secs(2)), 1);
        assert_eq!(
            taken(&mut limit, start + Duration::from_secs(3600)),
            3,
            "no more than a burst is saved up"
        );
    }

    #[test]
    fn what_is_larger_than_a_burst_waits_for_a_whole_one() {
        let (mut limit, now) = (RateLimit::new(100, Duration::from_millis(1)), Instant::now());
        assert_eq!(limit.wait_for(now, 5000), Duration::ZERO);
        limit.charge(now, 5000);
        assert_eq!(limit.wait_for(now, 1), Duration::from_millis(4901));
    }
}
