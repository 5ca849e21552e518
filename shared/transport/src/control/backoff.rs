//! How long to wait before trying again: exponential with full jitter, so that all who lost a relay at the
//! same moment don't come back at the same moment. Pure.

use core::time::Duration;

/// The first wait is a random part of this.
const BASE: Duration = Duration::from_millis(500);

/// The wait before try number `attempt` (0, 1, 2, …): a random part of a time that doubles up to `cap`.
pub fn backoff(attempt: u32, cap: Duration, random: u32) -> Duration {
    random_part(BASE.saturating_mul(2_u32.saturating_pow(attempt)).min(cap), random)
}

/// A random part of `ceiling`.
pub fn random_part(ceiling: Duration, random: u32) -> Duration {
    ceiling.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_cap_and_spread() {
        let cap = Duration::from_secs(30);
        assert_eq!(backoff(0, cap, 0), Duration::ZERO);
        assert_eq!(backoff(0, cap, u32::MAX), BASE);
        assert_eq!(backoff(2, cap, u32::MAX), BASE * 4);
        for attempt in [7, 31, 32, u32::MAX] {
            assert_eq!(backoff(attempt, cap, u32::MAX), cap);
        }
        assert!(backoff(5, cap, u32::MAX / 2) < cap / 2);
    }
}
