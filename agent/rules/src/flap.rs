//! Whether an alarm comes and goes too often: the share of the last 21 stretches of time in which it changed, newer
//! ones weighing more, as Nagios reckons it.

use serde::{Deserialize, Serialize};

const RESULTS: u32 = 21;
/// From this share on it flaps.
const START: f64 = 20.0;
/// Below this share it is steady again.
const STOP: f64 = 5.0;
/// Shortest stretch, in milliseconds.
const SHORTEST: u64 = 60_000;

/// The last results of one alarm.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FlapHistory {
    slot: u64,
    /// A bit for each stretch in which it changed; the lowest is the newest.
    changed: u32,
    /// Whether the alarm is flapping now.
    pub(crate) on: bool,
}

impl FlapHistory {
    /// Milliseconds of one stretch: long enough for the alarm to change at all.
    pub(crate) fn stretch(hold_ms: u64, keep_ms: u64) -> u64 {
        SHORTEST.max(hold_ms).max(keep_ms)
    }

    /// Moves the history on to the present stretch.
    pub(crate) fn advance(&mut self, at: u64, stretch: u64) {
        let slot = at / stretch.max(1);
        let by = u32::try_from(slot.saturating_sub(self.slot)).unwrap_or(u32::MAX);
        self.changed = self.changed.checked_shl(by).unwrap_or(0) & ((1 << RESULTS) - 1);
        self.slot = self.slot.max(slot);
    }

    /// Notes that the alarm changed in this stretch.
    pub(crate) fn note_change(&mut self) {
        self.changed |= 1;
    }

    /// Weights rise evenly from 0.8 for the oldest to 1.2 for the newest.
    fn percent(&self) -> f64 {
        let weight = |n: u32| 1.2 - 0.4 * f64::from(n) / f64::from(RESULTS - 1);
        let sum: f64 = (0..RESULTS).filter(|n| self.changed >> n & 1 == 1).map(weight).sum();
        sum * 100.0 / f64::from(RESULTS)
    }

    pub(crate) fn begins(&self) -> bool {
        !self.on && self.percent() >= START
    }

    pub(crate) fn ends(&self) -> bool {
        self.on && self.percent() < STOP
    }

    /// Whether anything is remembered.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.on && self.changed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_at_a_fifth_and_stops_below_a_twentieth() {
        let mut flap = FlapHistory::default();
        for n in 0..3 {
            flap.advance(n * 60_000, 60_000);
            flap.note_change();
            assert!(!flap.begins(), "{n}");
        }
        flap.advance(180_000, 60_000);
        flap.note_change();
        assert!(flap.begins());
        flap.on = true;
        let mut minutes = 4_u64;
        while !flap.ends() {
            flap.advance(minutes * 60_000, 60_000);
            minutes += 1;
        }
        assert!((20..=25).contains(&minutes), "{minutes}");
        flap.advance(u64::MAX, 60_000);
        assert_eq!(flap.changed, 0);
    }
}
