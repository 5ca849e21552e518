//! Durations as people write them on a command line or in a settings file: `90s`, `15m`, `48h`, `30d`. Pure.
//!
//! One grammar for all programs: a whole number and one of four units, without a space. How long something may last is
//! for the caller to say.

use core::time::Duration;

/// Why a text is no duration that can be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DurationError {
    /// Not a whole number with a unit.
    #[error("{0:?} is not a duration: write a whole number with s, m, h or d, such as 90s, 15m, 48h or 30d")]
    Form(String),
    /// Nothing, or longer than what it is for allows.
    #[error("{text:?} is out of range: from 1s to {}", in_words(*longest))]
    Range {
        /// What was written.
        text: String,
        /// The longest duration that is allowed.
        longest: Duration,
    },
}

/// Reads a duration of at least a second and at most `longest`.
///
/// # Errors
/// [`DurationError::Form`] if the text isn't a whole number with a unit; [`DurationError::Range`] if it is zero or over
/// `longest`.
pub fn parse(text: &str, longest: Duration) -> Result<Duration, DurationError> {
    let form = || DurationError::Form(text.to_owned());
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(form)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(form()),
    };
    let number: u64 = number.parse().map_err(|_| form())?;
    let duration = Duration::from_secs(number.saturating_mul(unit));
    if duration.is_zero() || duration > longest {
        return Err(DurationError::Range { text: text.to_owned(), longest });
    }
    Ok(duration)
}

/// In the largest unit that fits a whole number of times.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fits =
        [(86_400, "d"), (3600, "h"), (60, "m")].into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    match fits {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_nonsense_is_not() {
        let ten_years = Duration::from_secs(3650 * 86_400);
        let read = |text| parse(text, ten_years);
        assert_eq!(read("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(read("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(read("48h"), Ok(Duration::from_secs(172_800)));
        assert_eq!(read("3650d"), Ok(ten_years));
        for bad in ["", "m", "15", "1.5h", "-1h", "99999999999999999999d", "5é", "5 m"] {
            assert!(matches!(read(bad), Err(DurationError::Form(_))), "{bad:?}");
        }
        for bad in ["0s", "3651d"] {
            assert!(matches!(read(bad), Err(DurationError::Range { .. })), "{bad:?}");
        }
        let error = parse("13h", Duration::from_secs(12 * 3600)).unwrap_err();
        assert_eq!(error.to_string(), "\"13h\" is out of range: from 1s to 12h");
    }
}
