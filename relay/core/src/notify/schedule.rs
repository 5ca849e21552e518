//! When a delivery that failed is tried again, and when it is given up.

use std::time::Duration;

use nearhand_proto::time::UnixMillis;

use crate::alarm::AlarmNotice;

/// Seconds after each failed try, as Standard Webhooks has them: the tenth failure is the last.
pub const RETRIES: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Longest answer that is kept, in characters.
const MAX_ANSWER: usize = 300;

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Delivered(String),
    /// It may have it later.
    Failed(String),
    /// It will never take this one.
    Refused(String),
    /// It wants no more at all.
    Gone(String),
}

impl DeliveryOutcome {
    /// What the receiver said.
    pub fn answer(&self) -> &str {
        match self {
            Self::Delivered(text) | Self::Failed(text) | Self::Refused(text) | Self::Gone(text) => text,
        }
    }

    /// Its name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delivered(_) => "delivered",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
            Self::Gone(_) => "gone",
        }
    }
}

/// A notice that waits for a receiver.
#[derive(Debug, Clone)]
pub struct PendingDelivery {
    /// What is told.
    pub notice: AlarmNotice,
    /// How often it was tried.
    pub attempts: u32,
    /// When to try next.
    pub due: UnixMillis,
}

/// What became of one delivery.
#[derive(Debug, Clone)]
pub struct SettledDelivery {
    /// Name of the receiver.
    pub receiver: String,
    /// Number of the notice in the alarm log.
    pub number: u64,
    /// Tries so far, this one included.
    pub attempts: u32,
    /// How it goes on.
    pub fate: DeliveryFate,
    /// What the receiver said, made safe.
    pub answer: String,
}

/// How it goes on with a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFate {
    /// The receiver has it.
    Delivered,
    /// It is tried again then.
    Again(UnixMillis),
    /// It is given up, and kept for a replay.
    Dead,
    /// The receiver needn't hear it.
    Passed,
}

/// What becomes of a delivery after a try. `random` is any number: it spreads retries by a fifth each way.
pub fn settle(
    receiver: &str,
    waiting: &PendingDelivery,
    outcome: &DeliveryOutcome,
    retries: &[u64],
    now: UnixMillis,
    random: u32,
) -> SettledDelivery {
    let attempts = waiting.attempts.saturating_add(1);
    let index = usize::try_from(waiting.attempts).unwrap_or(usize::MAX);
    let fate = match outcome {
        DeliveryOutcome::Failed(_) => retries
            .get(index)
            .map_or(DeliveryFate::Dead, |seconds| DeliveryFate::Again(now.after(spread(*seconds, random)))),
        // Kept for when the receiver is enabled again.
        DeliveryOutcome::Gone(_) => DeliveryFate::Again(now),
        DeliveryOutcome::Delivered(_) => DeliveryFate::Delivered,
        DeliveryOutcome::Refused(_) => DeliveryFate::Dead,
    };
    SettledDelivery {
        receiver: receiver.to_owned(),
        number: waiting.notice.number,
        attempts: if matches!(outcome, DeliveryOutcome::Gone(_)) { waiting.attempts } else { attempts },
        fate,
        answer: nearhand_proto::text::one_line(outcome.answer(), MAX_ANSWER),
    }
}

/// `seconds`, a fifth more or less.
fn spread(seconds: u64, random: u32) -> Duration {
    let ms = seconds.saturating_mul(1000);
    let fifth = ms / 5;
    let part = (u128::from(fifth) * 2 * u128::from(random)) >> 32;
    Duration::from_millis(ms - fifth + u64::try_from(part).unwrap_or(fifth))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::sample_notice as notice;

    #[test]
    fn failures_are_retried_by_the_schedule_and_given_up_after_the_tenth() {
        let now = UnixMillis(1_000_000);
        let after = |attempts, outcome: DeliveryOutcome, random| {
            let waiting = PendingDelivery { notice: notice(), attempts, due: now };
            settle("ops", &waiting, &outcome, &RETRIES, now, random)
        };
        let failed = || DeliveryOutcome::Failed("503".into());
        let first = after(0, failed(), 1 << 31);
        let again = |ms: u64| DeliveryFate::Again(UnixMillis(now.0 + ms));
        assert_eq!((first.fate, first.attempts), (again(5_000), 1));
        assert_eq!(after(0, failed(), 0).fate, again(4_000));
        let DeliveryFate::Again(latest) = after(0, failed(), u32::MAX).fate else { panic!() };
        assert_eq!(latest.0 / 10, (now.0 + 5_999) / 10);
        assert_eq!(after(8, failed(), 1 << 31).fate, again(86_400_000));
        assert_eq!(after(9, failed(), 0).fate, DeliveryFate::Dead, "given up");
        let done = after(3, DeliveryOutcome::Delivered("200".into()), 0);
        assert_eq!((done.fate, done.attempts), (DeliveryFate::Delivered, 4));
        assert_eq!(after(0, DeliveryOutcome::Refused("400".into()), 0).fate, DeliveryFate::Dead);
        let gone = after(2, DeliveryOutcome::Gone("410".into()), 0);
        assert_eq!((gone.fate, gone.attempts), (again(0), 2), "kept for later");
    }
}
