//! When a machine is usually on: the hours of a week in which it was here lately.
//!
//! Learned by the hour, in UTC, and forgotten within two weeks. A machine that has not been watched for a whole week yet is
//! expected at any hour. Pure: times are arguments.

use nearhand_proto::time::UnixMillis;

/// Hours in a week.
const WEEK: usize = 7 * 24;
/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;
/// What one time weighs; each week without another halves it.
const ONCE: u8 = 128;
/// From this on it is usual: seen at that hour in one of the last two weeks.
const USUAL: u8 = 64;
/// Hours that were watched, after which something is known.
const KNOWN: u16 = 168;

/// The hours of one machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsualHours {
    weights: [u8; WEEK],
    /// Hours that were watched so far, at most [`KNOWN`].
    watched: u16,
}

impl Default for UsualHours {
    fn default() -> Self {
        Self { weights: [0; WEEK], watched: 0 }
    }
}

/// The number of an hour since 1970.
pub fn number(at: UnixMillis) -> u64 {
    at.0 / HOUR
}

/// Its place in the week.
fn slot(hour: u64) -> usize {
    usize::try_from(hour % WEEK as u64).unwrap_or_default()
}

impl UsualHours {
    /// An hour was watched to its end, and the machine was here in it or not.
    pub fn over(&mut self, hour: u64, was_here: bool) {
        if let Some(weight) = self.weights.get_mut(slot(hour)) {
            *weight = *weight / 2 + if was_here { ONCE } else { 0 };
        }
        self.watched = self.watched.saturating_add(1).min(KNOWN);
    }

    fn is_usual(&self, hour: u64) -> bool {
        self.watched < KNOWN || self.weights.get(slot(hour)).is_some_and(|weight| *weight >= USUAL)
    }

    /// How much of a silence was in usual hours, in milliseconds; of a long one, that of its last week.
    pub fn missed(&self, since: UnixMillis, now: UnixMillis) -> u64 {
        let first = number(since).max(number(now).saturating_sub(WEEK as u64));
        let overlap = |hour: u64| {
            let (begin, end) = (hour * HOUR, (hour + 1) * HOUR);
            now.0.min(end).saturating_sub(since.0.max(begin))
        };
        (first..=number(now)).filter(|hour| self.is_usual(*hour)).map(overlap).sum()
    }

    /// As it is stored.
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.watched, data_encoding::HEXLOWER.encode(&self.weights))
    }

    /// From what was stored; what can't be read is nothing.
    pub fn from_text(text: &str) -> Self {
        let read = || {
            let (watched, weights) = text.split_once(':')?;
            let weights = data_encoding::HEXLOWER.decode(weights.as_bytes()).ok()?;
            Some(Self { watched: watched.parse::<u16>().ok()?.min(KNOWN), weights: weights.try_into().ok()? })
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday to Friday, eight to sixteen, in some weeks.
    fn office(weeks: u64) -> UsualHours {
        let mut hours = UsualHours::default();
        for hour in 0..weeks * WEEK as u64 {
            let (day, clock) = ((hour / 24) % 7, hour % 24);
            hours.over(hour, day < 5 && (8..16).contains(&clock));
        }
        hours
    }

    fn at(hour: u64) -> UnixMillis {
        UnixMillis(hour * HOUR)
    }

    #[test]
    fn only_silence_in_usual_hours_counts() {
        let hours = office(2);
        let week = 2 * WEEK as u64;
        assert_eq!(hours.missed(at(week + 20), at(week + 24)), 0, "the evening");
        assert_eq!(hours.missed(at(week + 15), at(week + 18)), HOUR, "the last hour of the day");
        assert_eq!(hours.missed(at(week + 20), at(week + 24 + 9)), HOUR, "and the first of the next");
        assert_eq!(
            hours.missed(UnixMillis(at(week + 9).0 + 60_000), UnixMillis(at(week + 9).0 + 90_000)),
            30_000
        );
        assert_eq!(hours.missed(at(0), at(week + 5 * 24)), 40 * HOUR, "no more than a week's");
    }

    #[test]
    fn before_a_week_is_over_every_hour_is_usual() {
        let mut hours = UsualHours::default();
        for hour in 0..WEEK as u64 - 1 {
            hours.over(hour, false);
        }
        assert_eq!(hours.missed(at(0), at(3)), 3 * HOUR);
        hours.over(WEEK as u64 - 1, false);
        assert_eq!(hours.missed(at(0), at(3)), 0);
    }

    #[test]
    fn a_holiday_is_forgotten_only_after_two_weeks() {
        let mut hours = office(3);
        let mut hour = 3 * WEEK as u64;
        let mut away = |hours: &mut UsualHours| {
            for _ in 0..WEEK {
                hours.over(hour, false);
                hour += 1;
            }
        };
        away(&mut hours);
        assert!(hours.is_usual(9), "one week away");
        away(&mut hours);
        away(&mut hours);
        assert!(!hours.is_usual(9), "three");
    }

    #[test]
    fn it_is_stored_and_read_again() {
        let hours = office(2);
        assert_eq!(UsualHours::from_text(&hours.to_text()), hours);
        for damaged in ["", "3", "3:zz", "3:00", "x:00"] {
            assert_eq!(UsualHours::from_text(damaged), UsualHours::default(), "{damaged}");
        }
    }
}
