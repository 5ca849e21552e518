//! How long to wait before trying again: exponential with full jitter, so that all who lost a relay at the
//! same moment don't come back at the same moment. Pure.

use core::time::Duration;

use rand_core::RngCore;

/// The first wait is a random part of this.
const BASE: Duration = Duration::from_millis(500);
/// No wait is longer: a session outlives its connection by a minute, and several tries must fit.
const CAP: Duration = Duration::from_secs(10);

/// The wait before try number `attempt` (0, 1, 2, …).
pub(super) fn wait(attempt: u32, rng: &mut impl RngCore) -> Duration {
    let ceiling = BASE.saturating_mul(2_u32.saturating_pow(attempt)).min(CAP);
    random_part(ceiling, rng)
}

/// A random part of `ceiling`.
pub(super) fn random_part(ceiling: Duration, rng: &mut impl RngCore) -> Duration {
    ceiling.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[test]
    fn waits_grow_stay_under_the_cap_and_differ() {
        for attempt in [0, 1, 5, 31, 32, u32::MAX] {
            let ceiling = BASE.saturating_mul(2_u32.saturating_pow(attempt)).min(CAP);
            assert!((0..100).all(|_| wait(attempt, &mut OsRng) <= ceiling));
        }
        let first = wait(9, &mut OsRng);
        assert!((0..100).any(|_| wait(9, &mut OsRng) != first));
    }
}
