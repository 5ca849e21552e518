//! Samples of the last while, in a bounded number of buckets.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::rule::WindowAggregate;

/// Buckets of a window: what is older than the window by less than one of them still counts.
const BUCKETS: u64 = 60;

/// Newest buckets that must follow the trend: of 6 hours the last 18 minutes.
const RECENT: u64 = 3;

/// The share of the trend's change that the newest buckets must show.
const STILL_GOING: f64 = 0.2;

/// Seconds that a forecast answers at most, and where nothing moves towards the limit: ten years.
pub(crate) const NEVER: f64 = 315_360_000.0;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct SampleBucket {
    /// Number of the bucket since the engine's beginning.
    slot: u64,
    n: u32,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
}

/// What was measured within the window.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SampleWindow {
    buckets: VecDeque<SampleBucket>,
}

/// Milliseconds of one bucket.
fn bucket_ms(width_ms: u64) -> u64 {
    (width_ms / BUCKETS).max(1)
}

impl SampleWindow {
    /// Takes a sample.
    pub(crate) fn push(&mut self, at: u64, value: f64, width_ms: u64) {
        let slot = at / bucket_ms(width_ms);
        match self.buckets.back_mut().filter(|bucket| bucket.slot >= slot) {
            Some(bucket) => {
                bucket.n = bucket.n.saturating_add(1);
                bucket.sum += value;
                bucket.min = bucket.min.min(value);
                bucket.max = bucket.max.max(value);
                bucket.last = value;
            }
            None => {
                let bucket = SampleBucket { slot, n: 1, sum: value, min: value, max: value, last: value };
                self.buckets.push_back(bucket);
            }
        }
        self.forget(at, width_ms);
    }

    /// Lets go of what is older than the window.
    pub(crate) fn forget(&mut self, at: u64, width_ms: u64) {
        let now = at / bucket_ms(width_ms);
        // Without a window the newest sample counts, however old.
        let least = usize::from(width_ms == 0);
        while self.buckets.len() > least
            && self.buckets.front().is_some_and(|bucket| bucket.slot.saturating_add(BUCKETS) <= now)
        {
            self.buckets.pop_front();
        }
    }

    /// The time during which the engine didn't run leaves no hole.
    pub(crate) fn shift(&mut self, by_ms: u64, width_ms: u64) {
        for bucket in &mut self.buckets {
            bucket.slot = bucket.slot.saturating_add(by_ms / bucket_ms(width_ms));
        }
    }

    /// All that was added up.
    pub(crate) fn sum(&self) -> f64 {
        self.buckets.iter().map(|bucket| bucket.sum).sum()
    }

    /// The samples as one value. `None` without samples, and for what would speak of the whole window while less
    /// than three quarters of it were seen.
    pub(crate) fn value(&self, by: WindowAggregate, at: u64, width_ms: u64) -> Option<f64> {
        let last = self.buckets.back()?;
        let covered = || {
            let first = self.buckets.front().map_or(0, |b| b.slot);
            let seen = (at / bucket_ms(width_ms)).saturating_sub(first);
            width_ms == 0 || seen >= BUCKETS * 3 / 4
        };
        match by {
            WindowAggregate::Last => Some(last.last),
            WindowAggregate::Max => self.buckets.iter().map(|b| b.max).reduce(f64::max),
            WindowAggregate::Count => Some(self.buckets.iter().map(|b| f64::from(b.n)).sum()),
            WindowAggregate::Min => self.buckets.iter().map(|b| b.min).reduce(f64::min).filter(|_| covered()),
            WindowAggregate::Mean => {
                let n: f64 = self.buckets.iter().map(|b| f64::from(b.n)).sum();
                covered().then_some(self.sum() / n)
            }
        }
    }

    /// Seconds until `limit` is reached if it goes on like this: a least-squares line through the buckets. `None`
    /// before a quarter of the window and six buckets are seen. A trend that the newest samples don't follow any more is
    /// over: one large copy, and the line through it would go on rising for hours.
    #[expect(clippy::cast_precision_loss, reason = "slots of a window are few")]
    pub(crate) fn seconds_to(&self, limit: f64, width_ms: u64) -> Option<f64> {
        let (first, last) = (self.buckets.front()?, self.buckets.back()?);
        if self.buckets.len() < 6 || last.slot.saturating_sub(first.slot) < BUCKETS / 4 {
            return None;
        }
        let seconds = bucket_ms(width_ms) as f64 / 1000.0;
        let x = |bucket: &SampleBucket| bucket.slot.saturating_sub(first.slot) as f64 * seconds;
        let y = |bucket: &SampleBucket| bucket.sum / f64::from(bucket.n);
        let n = self.buckets.len() as f64;
        let (mean_x, mean_y) =
            (self.buckets.iter().map(x).sum::<f64>() / n, self.buckets.iter().map(y).sum::<f64>() / n);
        let (mut over, mut under) = (0.0, 0.0);
        for bucket in &self.buckets {
            over += (x(bucket) - mean_x) * (y(bucket) - mean_y);
            under += (x(bucket) - mean_x).powi(2);
        }
        let slope = if under > 0.0 { over / under } else { 0.0 };
        let before = self.buckets.iter().rev().find(|b| b.slot.saturating_add(RECENT) <= last.slot);
        let before = before.unwrap_or(first);
        let lately = last.last - before.last;
        let expected = slope * last.slot.saturating_sub(before.slot) as f64 * seconds;
        if slope == 0.0 || lately / expected < STILL_GOING {
            return Some(NEVER);
        }
        let left = (limit - last.last) / slope;
        Some(if left.is_finite() && left >= 0.0 { left.min(NEVER) } else { NEVER })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_and_stays_small() {
        let mut window = SampleWindow::default();
        for t in 0..10_000_u64 {
            window.push(t * 1000, if t < 9_000 { 100.0 } else { 20.0 }, 600_000);
            assert!(window.buckets.len() <= 61);
        }
        assert_eq!(window.value(WindowAggregate::Mean, 9_999_000, 600_000), Some(20.0));
        assert_eq!(window.value(WindowAggregate::Max, 9_999_000, 600_000), Some(20.0));
    }

    #[test]
    fn a_mean_waits_until_most_of_the_window_is_seen() {
        let mut window = SampleWindow::default();
        for t in 0..44 {
            window.push(t * 10_000, 99.0, 600_000);
        }
        assert_eq!(window.value(WindowAggregate::Mean, 440_000, 600_000), None);
        assert_eq!(window.value(WindowAggregate::Last, 440_000, 600_000), Some(99.0));
        window.push(450_000, 99.0, 600_000);
        assert_eq!(window.value(WindowAggregate::Mean, 450_000, 600_000), Some(99.0));
    }

    #[test]
    fn a_disk_that_fills_by_one_percent_an_hour_is_full_in_ten() {
        let hour = 3_600_000;
        let mut window = SampleWindow::default();
        for minute in 0..=360_u64 {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            window.push(minute * 60_000, 84.0 + minute as f64 / 60.0, 6 * hour);
        }
        let left = window.seconds_to(100.0, 6 * hour).unwrap();
        assert!((left - 36_000.0).abs() < 400.0, "{left}");
        assert_eq!(window.seconds_to(0.0, 6 * hour), Some(NEVER));
    }

    #[test]
    fn a_trend_ends_when_the_newest_samples_stand_still() {
        let hour = 3_600_000;
        let mut window = SampleWindow::default();
        let mut still_filling = Vec::new();
        for minute in 0..=300_u64 {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let used = 30.0 + minute.clamp(120, 180).saturating_sub(120) as f64 / 2.0;
            window.push(minute * 60_000, used, 6 * hour);
            if window.seconds_to(100.0, 6 * hour).is_some_and(|left| left < 8.0 * 3600.0) {
                still_filling.push(minute);
            }
        }
        let (first, last) = (still_filling[0], still_filling[still_filling.len() - 1]);
        assert!((120..180).contains(&first) && (180..205).contains(&last), "{first} to {last}");
    }
}
