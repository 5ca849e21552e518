//! Random numbers that can be had again: everything drawn follows from a seed.

use std::thread;
use std::time::{Duration, Instant};

/// Agents read what is due when this clock's second is full; half of all kills aim at the moments after it.
const WORK: Duration = Duration::from_millis(150);

/// Numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct SeededRng(u64);

impl SeededRng {
    /// The `n`th sequence of a seed.
    pub fn new(seed: u64, n: u64) -> Self {
        Self(seed ^ n.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below this number.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A time between two, in whole microseconds.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.below(span.saturating_add(1)))
    }

    /// Waits for the next moment to kill at. `false`: that would be after the end, which is waited for instead.
    pub fn wait_for_a_kill(&mut self, least: Duration, most: Duration, over: Instant) -> bool {
        let at = self.kill_at(least, most);
        sleep_until(at.min(over));
        at < over
    }

    /// The next moment to kill at: any, or one at which agents are at work.
    pub fn kill_at(&mut self, least: Duration, most: Duration) -> Instant {
        let at = Instant::now() + self.between(least, most);
        if self.below(2) == 0 {
            return at;
        }
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let nanos = u64::try_from(boot.tv_nsec).unwrap_or(0);
        let ahead = u64::try_from((at - Instant::now()).as_nanos()).unwrap_or(0);
        let past = (nanos + ahead) % 1_000_000_000;
        at + Duration::from_nanos(1_000_000_000 - past) + self.between(Duration::ZERO, WORK)
    }
}

/// Waits until then: for what is given its time, not for a condition.
pub fn sleep_until(at: Instant) {
    while let Some(left) = at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}
