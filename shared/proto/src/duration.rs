//! Durations as people write them on a command line or in a settings file: `90s`, `15m`, `48h`, `30d`. Pure.
//!
//! One grammar for all programs: a whole number and a unit (`ms`, `s`, `m`, `h`, `d`), without a space. How long something
//! may last is for the caller to say.

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

/// Milliseconds of each unit. The longer name first: `ms` ends like `s`.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a duration, which may be nothing (`0s`) and of any length.
///
/// # Errors
/// [`DurationError::Form`] if the text isn't a whole number with a unit.
pub fn read(text: &str) -> Result<Duration, DurationError> {
    let form = || DurationError::Form(text.to_owned());
    let (number, unit) =
        UNITS.iter().find_map(|(name, ms)| Some((text.strip_suffix(name)?, *ms))).ok_or_else(form)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(form());
    }
    let number: u64 = number.parse().map_err(|_| form())?;
    Ok(Duration::from_millis(number.saturating_mul(unit)))
}

/// Reads a duration of at least a second and at most `longest`.
///
/// # Errors
/// [`DurationError::Form`] if the text isn't a whole number with a unit; [`DurationError::Range`] if it is less than a
/// second or over `longest`.
pub fn parse(text: &str, longest: Duration) -> Result<Duration, DurationError> {
    let duration = read(text)?;
    if duration < Duration::from_secs(1) || duration > longest {
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
        for bad in ["", "m", "15", "1.5h", "-1h", "99999999999999999999d", "5é", "5 m", "+5s", "s", "5min"] {
            assert!(matches!(read(bad), Err(DurationError::Form(_))), "{bad:?}");
        }
        for bad in ["0s", "999ms", "3651d"] {
            assert!(matches!(read(bad), Err(DurationError::Range { .. })), "{bad:?}");
        }
        assert_eq!(
            (super::read("0s"), super::read("1500ms")),
            (Ok(Duration::ZERO), Ok(Duration::from_millis(1500)))
        );
        let error = parse("13h", Duration::from_secs(12 * 3600)).unwrap_err();
        assert_eq!(error.to_string(), "\"13h\" is out of range: from 1s to 12h");
    }
}
